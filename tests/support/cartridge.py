"""A program and its limits as a cartridge file, so that what a harness found runs from the command line."""

from __future__ import annotations

import json
from dataclasses import asdict

from pbs.contract import axes
from pbs.contract.limits import Limits
from pbs.host import standard
from pbs.isa.container import encode
from pbs.isa.program import Program
from pbs.loader.cartridge import MANIFEST, PROGRAM, encode_cartridge


def cartridge_of(program: Program, limits: Limits) -> bytes:
    """The bytes of a `.cart` that needs what the program imports."""
    services = [standard().services[row.identity] for row in program.imports]
    families = sorted({service.capability for service in services if service.capability})
    manifest = {
        "manifest_schema_version": axes.CURRENT[axes.MANIFEST_SCHEMA],
        "identity": {"id": "found", "title": "Found by a harness", "version": "1.0.0"},
        "runtime_compatibility": {"min_version": program.meta.runtime_min},
        "target": {
            "isa": program.meta.isa,
            "profile": program.meta.profile,
            "profile_version": program.meta.profile_version,
        },
        "requires": {
            "host_calls": sorted([row.module, row.name, row.version] for row in program.imports),
            "capabilities": families,
        },
        "entries": {"main": {"owner": "vm"}},
        "limits": {"profile": "ADVANCED", **asdict(limits)},
    }
    return encode_cartridge({MANIFEST: json.dumps(manifest, indent=1).encode(), PROGRAM: encode(program)})
