"""The manifest: what a cartridge says about itself. Declared, closed, and never completed by guessing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from semver import Version

from ..contract import Diagnostic, Rejected
from ..contract.limits import DEFAULT_PROFILE, LIMIT_NAMES, PROFILES, Limits
from ..contract.schemas import violations
from ..contract.strict_yaml import YamlProblem, parse
from ..contract.versions import VersionRange, parse_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One declared asset. Programs name it by its position in the list."""

    name: str
    kind: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """A named way into the cartridge. `main` is function 0; others are exports that the host may call."""

    name: str
    owner: str
    export: str | None
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest that follows the schema; whether this runtime can honour it is asked later."""

    schema_version: Version
    id: str
    title: str
    version: Version
    runtime: VersionRange
    tested_versions: tuple[Version, ...]
    isa: Version
    profile: str
    profile_version: Version
    host_calls: tuple[str, ...]  # identities, module.name/version
    capabilities: tuple[str, ...]  # family@major.minor
    packs: tuple[str, ...]
    entries: tuple[EntryPoint, ...]
    limits: Limits
    limits_profile: str
    assets: tuple[Asset, ...]


def parse_manifest(data: bytes) -> Manifest:
    """The manifest in these bytes. Raises Rejected("manifest_invalid") with every violation found."""
    try:
        value = parse(data)
    except YamlProblem as problem:
        details: dict[str, str | int] = {"reason": problem.reason, "line": problem.line, "column": problem.column}
        raise Rejected("manifest_invalid", subject="manifest.yaml", details=details) from None
    found = violations("manifest", value)
    if found:
        raise _rejected(found)
    return _Reader().read(value)


def _rejected(found: list[tuple[str, str]]) -> Rejected:
    findings = [
        Diagnostic(code="manifest_invalid", subject=at or "/", details={"reason": reason}) for at, reason in found[:20]
    ]
    return Rejected.of(findings)


class _Reader:
    """Turns schema-valid data into a Manifest and notes what a schema cannot say."""

    def __init__(self) -> None:
        self.problems: list[tuple[str, str]] = []

    def read(self, value: Mapping[str, Any]) -> Manifest:
        identity, target, requires = value["identity"], value["target"], value["requires"]
        runtime = value["runtime_compatibility"]
        profile, limits = self._limits(value.get("limits", {}))
        manifest = Manifest(
            schema_version=self._version("/manifest_schema_version", value["manifest_schema_version"]),
            id=identity["id"],
            title=self._printable("/identity/title", identity["title"]),
            version=self._version("/identity/version", identity["version"]),
            runtime=self._range(runtime),
            tested_versions=tuple(
                self._version(f"/runtime_compatibility/tested_versions/{i}", text)
                for i, text in enumerate(runtime.get("tested_versions", []))
            ),
            isa=self._version("/target/isa", target["isa"]),
            profile=target["profile"],
            profile_version=self._version("/target/profile_version", target["profile_version"]),
            host_calls=self._distinct("/requires/host_calls", [f"{m}.{n}/{v}" for m, n, v in requires["host_calls"]]),
            capabilities=self._distinct("/requires/capabilities", requires["capabilities"]),
            packs=self._distinct("/requires/packs", requires.get("packs", [])),
            entries=tuple(self._entry(name, entry) for name, entry in sorted(value["entries"].items())),
            limits=limits,
            limits_profile=profile,
            assets=tuple(Asset(**row) for row in value.get("assets", [])),
        )
        self._distinct("/requires/capabilities", [text.partition("@")[0] for text in manifest.capabilities])
        self._distinct("/assets", [asset.name for asset in manifest.assets])
        self._distinct("/assets", [asset.file for asset in manifest.assets])
        for asset in manifest.assets:
            if asset.file in ("manifest.yaml", "program.pbx"):
                self.problems.append(("/assets", f"{asset.file} is no asset"))
        if self.problems:
            raise _rejected(sorted(set(self.problems)))
        return manifest

    def _version(self, at: str, text: str) -> Version:
        try:
            return parse_version(text)
        except ValueError:
            self.problems.append((at, "not a version as in SemVer 2.0"))
            return Version(0)

    def _range(self, runtime: Mapping[str, Any]) -> VersionRange:
        minimum = self._version("/runtime_compatibility/min_version", runtime["min_version"])
        maximum = None
        if "max_version" in runtime:
            known = len(self.problems)
            maximum = self._version("/runtime_compatibility/max_version", runtime["max_version"])
            if maximum < minimum:
                if len(self.problems) == known:  # a version, and not the one that stands for none
                    self.problems.append(("/runtime_compatibility/max_version", "below min_version"))
                maximum = None
        return VersionRange(minimum=minimum, maximum=maximum)

    def _printable(self, at: str, text: str) -> str:
        if not text.isprintable():
            self.problems.append((at, "holds characters that cannot be printed"))
        return text

    def _distinct(self, at: str, values: list[str]) -> tuple[str, ...]:
        if len(set(values)) != len(values):
            self.problems.append((at, "something stands there twice"))
        return tuple(values)

    def _entry(self, name: str, entry: Mapping[str, Any]) -> EntryPoint:
        if (name == "main") == ("export" in entry):
            reason = "main is function 0 and names no export" if name == "main" else "names no export"
            self.problems.append((f"/entries/{name}", reason))
        return EntryPoint(
            name=name,
            owner=entry["owner"],
            export=entry.get("export"),
            capabilities=tuple(entry.get("requires", {}).get("capabilities", [])),
        )

    def _limits(self, asked: Mapping[str, Any]) -> tuple[str, Limits]:
        profile = asked.get("profile", DEFAULT_PROFILE)
        caps = PROFILES[profile]
        chosen = {name: asked[name] for name in LIMIT_NAMES if name in asked}
        for name, value in chosen.items():
            if value > getattr(caps, name):
                self.problems.append((f"/limits/{name}", f"{profile} allows at most {getattr(caps, name)}"))
        return profile, replace(caps, **chosen)
