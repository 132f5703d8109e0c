"""What a cartridge may call: services by identity, intrinsics by number, and the shims that keep old identities alive.

A row says everything: identity, number, signature, capability, cost, life, documentation and the function that does it.
Identities are frozen: what an identity means never changes; a change is a new version, and the old one becomes a shim.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ..isa.declarations import HostNames
from ..isa.types import BOOL, BYTE, FLOAT, INT, ArrayType, ClosedType, CoroutineType, HostSignature
from .devices import VIEWS

TYPES: Mapping[str, ClosedType] = {
    "int": INT,
    "float": FLOAT,
    "bool": BOOL,
    "bytes": ArrayType(BYTE),
    "coroutine": CoroutineType(),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Service:
    """One row. Everything but `summary` and the functions' inside is frozen.

    effect: `name: type, ... -> name: type, ...`; where the call can fail the first result is `status`.
    function: views by name, then the arguments (for an intrinsic of a family first its member number).
    extra_cycles: the same parameters; what the call costs beyond `cycles`, at least 0.
    shim_of: the identity that this old one is now expressed by.
    """

    module: str
    name: str
    version: int
    number: int
    effect: str
    summary: str
    function: Callable[..., Any]
    capability: str | None = None
    cycles: int = 4
    extra_cycles: Callable[..., int] | None = None
    member: int | None = None  # which member of a family of intrinsics
    intrinsic: bool = False
    since: str = "1.0.0"
    deprecated: str | None = None
    removed: str | None = None  # the major that will no longer have it
    shim_of: str | None = None
    params: tuple[tuple[str, str], ...] = field(init=False)
    results: tuple[tuple[str, str], ...] = field(init=False)

    def __post_init__(self) -> None:
        before, _, after = self.effect.partition("->")
        object.__setattr__(self, "params", _named_types(before))
        object.__setattr__(self, "results", _named_types(after))

    @property
    def identity(self) -> str:
        """`module.name/version`."""
        return f"{self.module}.{self.name}/{self.version}"

    @property
    def signature(self) -> HostSignature:
        """What it takes and gives, for any program."""
        return _signature(self.params, self.results)

    @property
    def can_fail(self) -> bool:
        """Whether the first result is a status."""
        return bool(self.results) and self.results[0][0] == "status"


@cache
def _signature(params: tuple[tuple[str, str], ...], results: tuple[tuple[str, str], ...]) -> HostSignature:
    return HostSignature(params=tuple(TYPES[t] for _, t in params), results=tuple(TYPES[t] for _, t in results))


@cache
def views_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """The views that a service function asks for, in the order of its parameters."""
    return tuple(name for name in inspect.signature(function).parameters if name in VIEWS)


def _named_types(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (part.split(":") for part in text.split(",") if part.strip())
    return tuple((name.strip(), kind.strip()) for name, kind in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """All rows of one host, by identity and by number."""

    services: Mapping[str, Service]
    intrinsics: Mapping[str, Service]
    by_number: Mapping[int, Service]
    intrinsics_by_number: Mapping[int, Service]
    capabilities: Mapping[str, str]  # family to "major.minor"

    def versions(self, module: str, name: str) -> tuple[int, ...]:
        """Every version of a service, lowest first."""
        return tuple(sorted(s.version for s in self.services.values() if (s.module, s.name) == (module, name)))

    @property
    def names(self) -> HostNames:
        """What the assembler may refer to."""
        return HostNames(
            services={identity: service.signature for identity, service in self.services.items()},
            intrinsics={f"{s.module}.{s.name}": (s.number, s.signature) for s in self.intrinsics.values()},
        )


def build(rows: tuple[Service, ...], capabilities: Mapping[str, str]) -> Registry:
    """A registry of rows. Repeated identities or numbers are our mistake and raise AssertionError."""
    services = {row.identity: row for row in rows if not row.intrinsic}
    intrinsics = {row.identity: row for row in rows if row.intrinsic}
    by_number = {row.number: row for row in services.values()}
    intrinsics_by_number = {row.number: row for row in intrinsics.values()}
    assert len(services) + len(intrinsics) == len(rows), "an identity stands twice"
    assert len(by_number) + len(intrinsics_by_number) == len(rows), "a number stands twice"
    return Registry(
        services=services,
        intrinsics=intrinsics,
        by_number=by_number,
        intrinsics_by_number=intrinsics_by_number,
        capabilities=capabilities,
    )


@cache
def standard() -> Registry:
    """The host of this release: every module's rows."""
    from . import clock, coroutine, gfx, log, maths, pad, rng

    rows = (*gfx.ROWS, *log.ROWS, *rng.ROWS, *clock.ROWS, *maths.ROWS, *pad.ROWS, *coroutine.ROWS)
    return build(rows, {"gfx": "1.0", "log": "1.0"})
