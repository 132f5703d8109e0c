"""The one function that compares versions. Gates, loaders and readers ask it; nothing else decides compatibility."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from semver import Version

from . import axes
from .diagnostics import Diagnostic
from .versions import VersionRange, parse_version


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeRequirement:
    """The axis must lie in a declared range (runtime lines)."""

    axis: str
    accepted: VersionRange
    major_code: str
    range_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AtLeastRequirement:
    """The axis must offer at least `minimum` of the same major line (instruction sets, schemas, profiles)."""

    axis: str
    minimum: Version
    code: str


Requirement = RangeRequirement | AtLeastRequirement


def evaluate(requirements: Iterable[Requirement], target: Mapping[str, str] = axes.CURRENT) -> list[Diagnostic]:
    """Every requirement that `target` does not meet, in the order asked. An axis the target lacks is not met."""
    findings = []
    for requirement in requirements:
        have = target.get(requirement.axis)
        code = _unmet(requirement, None if have is None else parse_version(have))
        if code is not None:
            wanted = requirement.accepted if isinstance(requirement, RangeRequirement) else requirement.minimum
            findings.append(
                Diagnostic(code=code, subject=requirement.axis, required=str(wanted), available=have or "nothing")
            )
    return findings


def _unmet(requirement: Requirement, have: Version | None) -> str | None:
    if isinstance(requirement, RangeRequirement):
        if have is None or not requirement.accepted.reaches_major(have.major):
            return requirement.major_code
        return None if requirement.accepted.contains(have) else requirement.range_code
    met = have is not None and have.major == requirement.minimum.major and have >= requirement.minimum
    return None if met else requirement.code
