"""`pbs explain`: what a code, trap or instruction means."""

from __future__ import annotations

import difflib
from typing import Any

import click

from ..contract import UsageError
from ..contract.diagnostics import registry
from ..isa.table import BY_NAME
from ..isa.traps import EXCLUDED, MEANINGS, Trap
from .options import JSON
from .output import print_json, say


@click.command()
@click.argument("code")
@JSON
def command(code: str, as_json: bool) -> int:
    """Explain CODE: a diagnostic (stack_underflow), a trap (DIV_ZERO or 0x0A) or an instruction (ARRAY_GET)."""
    found = _diagnostic(code) or _trap(code) or _instruction(code)
    if found is None:
        names = [*registry(), *Trap.__members__, *BY_NAME]
        near = difflib.get_close_matches(code, names, n=1, cutoff=0.6)
        raise UsageError("code_unknown", subject=code[:60], details={"did you mean": near[0]} if near else None)
    if as_json:
        print_json("explain", {"verb": "explain", **found})
        return 0
    say(f"{found['code']} ({found['kind']})")
    say(f"  {found['meaning']}")
    for key, value in found["facts"].items():
        say(f"  {key}: {value}")
    if found["hint"]:
        say(f"  hint: {found['hint']}")
    return 0


def _diagnostic(code: str) -> dict[str, Any] | None:
    entry = registry().get(code)
    if entry is None:
        return None
    facts = {"family": entry.family.value, "exit code": str(entry.family.exit_code)}
    return {"kind": "diagnostic", "code": code, "meaning": entry.sentence, "facts": facts, "hint": entry.hint}


def _trap(code: str) -> dict[str, Any] | None:
    trap = Trap.__members__.get(code.upper())
    if trap is None and code.lower().startswith("0x") and code[2:].isalnum():
        trap = next((t for t in Trap if f"0x{t:02x}" == code.lower()), None)
    if trap is None:
        return None
    raised = ", ".join(row.name for row in BY_NAME.values() if trap in row.traps) or "no instruction"
    facts = {
        "number": f"0x{trap:02X}",
        "raised by": raised,
        "can happen": "no, the verifier excludes it" if trap in EXCLUDED else "yes",
    }
    return {"kind": "trap", "code": trap.name, "meaning": MEANINGS[trap], "facts": facts, "hint": ""}


def _instruction(code: str) -> dict[str, Any] | None:
    row = BY_NAME.get(code.upper())
    if row is None:
        return None
    facts = {
        "opcode": f"0x{row.opcode:04X}",
        "operands": ", ".join(i.value[0] for i in row.immediates) or "none",
        "stack": row.effect,
        "cycles": str(row.cycles) + (" and more, by its operands" if row.metered else ""),
        "traps": ", ".join(sorted(trap.name for trap in row.traps)) or "none",
        "since": row.since,
    }
    return {"kind": "instruction", "code": row.name, "meaning": row.summary, "facts": facts, "hint": ""}
