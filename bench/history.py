"""Results over time: a file of JSON lines, one result of `pbs bench run` each, to which more are appended."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..contract import Rejected
from ..contract.files import cannot_write, read_bytes, writable
from ..contract.schemas import violations

MAX_BYTES = 64 * 1024 * 1024


def check(path: Path) -> Path:
    """The file to append to. Raises StorageError where it cannot be written, Rejected where what is there is no history."""
    target = writable(path)
    if target.exists():
        read(target)
    return target


def append(path: Path, result: Mapping[str, Any]) -> None:
    """Add a line and flush it to the disk. Raises as `check` does."""
    target = check(path)
    line = json.dumps(result, ensure_ascii=True, separators=(",", ":")) + "\n"
    try:
        with target.open("ab") as file:
            file.write(line.encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from None


def read(path: Path) -> list[dict[str, Any]]:
    """The results, oldest line first. Raises Rejected("history_malformed") at the first line that is none."""
    results = []
    for number, line in enumerate(read_bytes(path, MAX_BYTES).split(b"\n"), 1):
        if not line.strip():
            continue
        results.append(_result(path, number, line))
    if not results:
        raise Rejected("history_malformed", subject=str(path), details={"reason": "it has no line"})
    return results


def _result(path: Path, number: int, line: bytes) -> dict[str, Any]:
    subject = f"{path}, line {number}"
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise Rejected("history_malformed", subject=subject, details={"reason": "it is no JSON"}) from None
    wrong = violations("bench", value)
    if wrong or value["action"] != "run":
        reason = f"{wrong[0][0]} {wrong[0][1]}" if wrong else "it is no result of `pbs bench run`"
        raise Rejected("history_malformed", subject=subject, details={"reason": reason[:200]})
    result: dict[str, Any] = value
    return result
