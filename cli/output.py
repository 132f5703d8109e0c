"""What verbs print: one JSON object, or lines for people; and the shapes that several verbs share."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contract import UsageError
from ..contract.diagnostics import Diagnostic, line, printable

if TYPE_CHECKING:  # what only prints loads no loader
    from ..loader import Image


def print_json(schema: str, value: dict[str, Any]) -> None:
    """One object on standard output, as `schemas/<schema>.schema.json` says; keys in the order given, then a newline."""
    del schema  # the name stands at every call, and the tests hold the output against it
    sys.stdout.write(json.dumps(value, ensure_ascii=True, indent=2) + "\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    """A line for people, on standard output; nothing in it moves the cursor."""
    print(printable(text))


def complain(text: str) -> None:
    """Lines for people, on standard error. They are no result: where they cannot be written, nothing else changes."""
    try:
        print("\n".join(map(printable, text.splitlines())), file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - what is left unsaid would fail again when the process ends


def tell_warnings(warnings: tuple[Diagnostic, ...]) -> None:
    """Warnings go to standard error; they change nothing."""
    for warning in warnings:
        complain(f"pbs: warning: {line(warning)}")


def warning_objects(warnings: tuple[Diagnostic, ...]) -> list[dict[str, Any]]:
    """Warnings in JSON output."""
    return [{"code": w.code, "message": w.entry.sentence, "subject": w.subject} for w in warnings]


def cartridge_object(image: Image) -> dict[str, Any]:
    """How JSON output names what was loaded."""
    return {
        "id": image.id,
        "title": image.title,
        "version": image.version,
        "digest": image.digest.hex(),
    }


def members_of(path: Path, image: Image) -> list[Path]:
    """The files that were read for a cartridge or program."""
    from ..loader.cartridge import MANIFEST, PROGRAM

    if not os.path.isdir(path):
        return [path]
    assets = image.manifest.assets if image.manifest else ()
    return [path / name for name in (MANIFEST, PROGRAM, *(asset.file for asset in assets))]


def keep_apart(output: str | None, *others: Path | str | None) -> None:
    """What is written must not be what was read, or written otherwise. Raises UsageError before anything is lost."""
    for other in others:
        if output is not None and other is not None and _is_same(output, other):
            reason = "the command reads or writes this file already; choose another name"
            raise UsageError("usage", subject=output, details={"reason": reason})


def _is_same(one: str, other: Path | str) -> bool:
    with contextlib.suppress(OSError, ValueError):  # no such file, no such name
        return os.path.realpath(one) == os.path.realpath(other) or os.path.samefile(one, other)
    return False


def write_output(path: str, data: bytes, *, as_json: bool) -> None:
    """Data to a file, or to standard output for `-`; binary data never to a terminal, nor mixed with a JSON object."""
    if path == "-":
        if as_json:
            raise UsageError(
                "usage", subject="-o -", details={"reason": "with --json standard output holds the object"}
            )
        if sys.stdout.isatty() and not data.isascii():
            raise UsageError("usage", subject="-o -", details={"reason": "binary data is not written to a terminal"})
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    from ..contract.files import write_bytes

    write_bytes(Path(path), data)
