"""The files of the house."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("contract", "isa", "verifier", "host", "loader", "vm", "replay", "console", "bench", "cli", "cartridges")
OBSERVABLE = ("isa", "verifier", "host", "loader", "vm", "replay")  # what they do must be the same everywhere, always
MADE = {"__pycache__", "results"}  # folders that are no sources


def files_of(rooms: Iterable[str]) -> list[Path]:
    """Every file of these rooms that belongs to the sources."""
    found = (path for room in rooms for path in sorted((ROOT / room).rglob("*")))
    return [path for path in found if path.is_file() and not MADE & set(path.relative_to(ROOT).parts)]


def python_files(rooms: Iterable[str]) -> list[Path]:
    """The Python files of these rooms."""
    return [path for path in files_of(rooms) if path.suffix == ".py"]


def imports_in(source: str) -> Iterator[tuple[int, str]]:
    """(level, module) of every import, also inside of functions; level 0 is absolute."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""
