"""The contract axes: what may change, each on its own version, and the one place that holds the current values.

The package's release number is deliberately no axis: whether something runs is read off these values alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NATIVE_RUNTIME = "native_runtime_version"
MANIFEST_SCHEMA = "manifest_schema_version"
ISA = "isa_version"
PROFILE_CORE = "language_profile_core"
PROFILE_GAME = "language_profile_game"
PROGRAM_FORMAT = "program_format_version"
CARTRIDGE_FORMAT = "cartridge_format_version"
TRACE_FORMAT = "trace_format_version"
SNAPSHOT_FORMAT = "snapshot_format_version"
CLI_CONTRACT = "cli_contract"
ERROR_CONTRACT = "error_contract"

CURRENT: Mapping[str, str] = MappingProxyType(
    {
        NATIVE_RUNTIME: "1.0.0",
        MANIFEST_SCHEMA: "1.0.0",
        ISA: "1.0.0",
        PROFILE_CORE: "1.0.0",
        PROFILE_GAME: "1.0.0",
        PROGRAM_FORMAT: "1",
        CARTRIDGE_FORMAT: "1",
        TRACE_FORMAT: "1",
        SNAPSHOT_FORMAT: "1",
        CLI_CONTRACT: "v0",
        ERROR_CONTRACT: "v0",
    }
)

LANGUAGE_PROFILES: Mapping[str, str] = MappingProxyType({"core": PROFILE_CORE, "game": PROFILE_GAME})


def canonical(axes: Mapping[str, str] = CURRENT) -> bytes:
    """The vector as bytes, for headers and digests: one `name=value` line per axis, sorted by name."""
    return "".join(f"{name}={axes[name]}\n" for name in sorted(axes)).encode("ascii")
