"""What verbs print: one JSON object, or lines for people; and the shapes that several verbs share."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ..contract import UsageError
from ..contract.diagnostics import Diagnostic, line
from ..loader import Image


def print_json(schema: str, value: dict[str, Any]) -> None:
    """One object on standard output, as `schemas/<schema>.schema.json` says; keys in the order given, then a newline."""
    del schema  # the name stands at every call, and the tests hold the output against it
    sys.stdout.write(json.dumps(value, ensure_ascii=True, indent=2) + "\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    """A line for people, on standard output."""
    print(text)


def tell_warnings(warnings: tuple[Diagnostic, ...]) -> None:
    """Warnings go to standard error; they change nothing."""
    for warning in warnings:
        print(f"pbs: warning: {line(warning)}", file=sys.stderr)


def warning_objects(warnings: tuple[Diagnostic, ...]) -> list[dict[str, Any]]:
    """Warnings in JSON output."""
    return [{"code": w.code, "message": w.entry.sentence, "subject": w.subject} for w in warnings]


def cartridge_object(image: Image) -> dict[str, Any]:
    """How JSON output names what was loaded."""
    manifest = image.manifest
    return {
        "id": manifest.id if manifest else None,
        "title": image.title,
        "version": str(manifest.version) if manifest else None,
        "digest": image.digest.hex(),
    }


def write_output(path: str, data: bytes) -> None:
    """Data to a file, or to standard output for `-`; binary data never to a terminal."""
    if path == "-":
        if sys.stdout.isatty() and not data.isascii():
            raise UsageError("usage", subject="-o -", details={"reason": "binary data is not written to a terminal"})
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    from ..contract.files import write_bytes

    write_bytes(Path(path), data)
