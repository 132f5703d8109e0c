"""`pbs verify`: check that a program or cartridge may run."""

from __future__ import annotations

from pathlib import Path

import click

from ..loader import load
from .options import JSON
from .output import cartridge_object, print_json, say, tell_warnings, warning_objects


@click.command()
@click.argument("file")
@JSON
def command(file: str, as_json: bool) -> int:
    """Load FILE (.pbx, .cart or a cartridge directory) and prove it; nothing is run.

    Ends with exit code 3 and every finding where it is refused.
    """
    image = load(Path(file))
    facts = image.facts
    instructions = sum(len(f.instructions) for f in facts.functions)
    if as_json:
        print_json(
            "verify",
            {
                "verb": "verify",
                "cartridge": cartridge_object(image),
                "accepted": True,
                "functions": len(facts.functions),
                "instructions": instructions,
                "blocks": sum(len(f.blocks) for f in facts.functions),
                "work": facts.work,
                "warnings": warning_objects(image.warnings),
            },
        )
    else:
        tell_warnings(image.warnings)
        say(f"{file}: accepted, {len(facts.functions)} functions, {instructions} instructions")
    return 0
