"""`pbs inspect`: show what a cartridge, program, trace or snapshot holds."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..contract import Rejected
from ..contract.files import read_bytes
from ..loader import Image, load
from .options import JSON
from .output import cartridge_object, print_json, say, tell_warnings, warning_objects


@click.command()
@click.argument("file")
@JSON
def command(file: str, as_json: bool) -> int:
    """Show what FILE holds: a cartridge (directory or .cart), a program (.pbx), a trace (.pbt) or a snapshot."""
    path = Path(file)
    is_directory = os.path.isdir(path)  # unlike Path.is_dir it has an answer for every name
    magic = b"" if is_directory else read_bytes(path)[:4]
    if magic == b"PBST":
        shown = _trace(path)
    elif magic == b"PBSS":
        shown = _snapshot(path)
    elif is_directory or magic in (b"PBSC", b"PBSX"):
        shown = _image(load(path))
    else:
        raise Rejected("file_unrecognized", subject=file, available=magic.hex() or "an empty file")
    if as_json:
        print_json("inspect", {"verb": "inspect", **shown})
    else:
        _say(shown)
    return 0


def _image(image: Image) -> dict[str, Any]:
    tell_warnings(image.warnings)
    program, manifest = image.program, image.manifest
    return {
        "kind": "program" if manifest is None else "cartridge",
        "cartridge": cartridge_object(image),
        "target": {
            "isa": program.meta.isa,
            "profile": program.meta.profile,
            "profile_version": program.meta.profile_version,
        },
        "runtime": str(manifest.runtime) if manifest else program.meta.runtime_min,
        "toolchain": program.meta.toolchain,
        "limits": asdict(image.limits),
        "host_calls": [
            {"identity": s.identity, "effect": s.effect, "shim_of": s.shim_of, "capability": s.capability}
            for s in sorted(image.services.values(), key=lambda s: s.identity)
        ],
        "capabilities": list(manifest.capabilities) if manifest else [],
        "entries": [e.name for e in manifest.entries] if manifest else ["main"],
        "exports": [e.name for e in program.exports],
        "assets": [
            {"name": asset.name, "width": bitmap.width, "height": bitmap.height, "frames": bitmap.frames}
            for asset, bitmap in zip(manifest.assets if manifest else (), image.assets, strict=True)
        ],
        "functions": [
            {
                "index": i,
                "name": program.function_name(i),
                "code_bytes": len(f.function.code),
                "instructions": len(f.instructions),
                "blocks": len(f.blocks),
                "frame_words": f.frame_words,
                "may_stop": f.may_stop,
            }
            for i, f in enumerate(image.facts.functions)
        ],
        "warnings": warning_objects(image.warnings),
    }


def _trace(path: Path) -> dict[str, Any]:
    from ..replay import Trace

    trace = Trace.read(path, partial=True)
    return {
        "kind": "trace",
        "cartridge": cartridge_object(trace.image()),
        "complete": trace.status is not None,
        "status": trace.status.value if trace.status else None,
        "frames": len(trace),
        "cycles": int(trace.rows["cycles"].sum()),
        "seed": trace.header.seed,
        "from_snapshot": bool(trace.header.start),
        "axes": dict(sorted(trace.header.axes.items())),
        "last_digest": trace.digests[-1].hex(),
    }


def _snapshot(path: Path) -> dict[str, Any]:
    from ..vm.snapshot import read_header

    data = read_bytes(path)
    return {"kind": "snapshot", "bytes": len(data), "cartridge_digest": read_header(data).image.hex()}


def _say(shown: dict[str, Any]) -> None:
    """The object as indented lines; long tables one row a line."""
    for key, value in shown.items():
        if isinstance(value, dict):
            say(f"{key}:")
            for inner, text in value.items():
                say(f"  {inner}: {_text(text)}")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            say(f"{key}:")
            for row in value:
                say("  " + ", ".join(f"{k} {_text(v)}" for k, v in row.items() if v not in (None, "")))
        elif value not in ([], None):
            say(f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else _text(value)}")


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
