"""`pbs cache`: what is kept between runs."""

from __future__ import annotations

from typing import Any

import click

from ..contract import Denied
from ..vm import cache
from .options import JSON
from .output import print_json, say


@click.command()
@click.argument("action", type=click.Choice(["info", "clear"]))
@JSON
def command(action: str, as_json: bool) -> int:
    """Show what PBS keeps between runs (info), or remove it (clear).

    Everything there can be made again. The folder is PBS_CACHE_DIR, or pbs in the user's cache folder.
    """
    if action == "clear" and not cache.is_trusted():
        raise Denied("cache_untrusted", subject=str(cache.base()))
    removed = cache.clear() if action == "clear" else None
    entries = cache.entries()
    if as_json:
        print_json("cache", _object(action, entries, removed))
        return 0
    if removed is not None:
        say(f"removed {removed[0]} files, {removed[1]} bytes, from {cache.base()}")
        return 0
    trust = "private" if cache.is_trusted() else "not used: others own it or may write to it"
    say(f"{cache.base()} ({trust})")
    say(f"runtime {cache.runtime()}, {len(entries)} entries, {sum(e.size_bytes for e in entries)} bytes")
    for entry in entries:
        standing = "untrusted" if not entry.is_trusted else "current" if entry.is_current else "stale"
        say(f"  {standing:9} {entry.size_bytes:10} {entry.runtime[:8]} {entry.kind} {entry.key}")
    return 0


def _object(action: str, entries: list[cache.Entry], removed: tuple[int, int] | None) -> dict[str, Any]:
    return {
        "verb": "cache",
        "action": action,
        "folder": str(cache.base()),
        "trusted": cache.is_trusted(),
        "runtime": cache.runtime(),
        "bytes": sum(entry.size_bytes for entry in entries),
        "entries": [
            {
                "runtime": entry.runtime,
                "kind": entry.kind,
                "key": entry.key,
                "bytes": entry.size_bytes,
                "current": entry.is_current,
                "trusted": entry.is_trusted,
            }
            for entry in entries
        ],
        "removed": None if removed is None else {"files": removed[0], "bytes": removed[1]},
    }
