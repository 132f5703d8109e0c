"""`pbs version`: release and contract versions."""

from __future__ import annotations

import click

from ..contract import axes
from ..contract.release import VERSION
from .options import JSON
from .output import print_json, say


@click.command()
@JSON
def command(as_json: bool) -> int:
    """Show the release, and the contract versions by which compatibility is judged."""
    if as_json:
        print_json("version", {"verb": "version", "release": VERSION, "axes": dict(axes.CURRENT)})
        return 0
    say(f"pbs {VERSION}")
    for name, value in axes.CURRENT.items():
        say(f"  {name:28} {value}")
    return 0
