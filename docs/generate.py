"""Writes the documents that are made from tables: isa.md, host.md, codes.md, performance.md; the marked tables in machine.md.

python docs/generate.py            write them
python docs/generate.py --check    exit 1 where a file differs from what its table says
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from difflib import unified_diff
from pathlib import Path

from performance import performance

from pbs.contract import axes
from pbs.contract.diagnostics import Family, registry
from pbs.contract.limits import LIMIT_NAMES, PROFILES, SMALLEST
from pbs.host import standard
from pbs.host.registry import Service
from pbs.isa.table import ROWS, Instruction
from pbs.isa.traps import EXCLUDED, MEANINGS, Trap

DOCS = Path(__file__).parent
NOTE = "<!-- Made by docs/generate.py. Change {source}, then run `make docs`. -->"


def main(arguments: Sequence[str]) -> int:
    stale = []
    for name, text in documents():
        path = DOCS / name
        known = path.read_text(encoding="utf-8") if path.exists() else ""
        if known == text:
            continue
        if "--check" in arguments:
            stale.append(name)
            sys.stdout.writelines(list(unified_diff(known.splitlines(True), text.splitlines(True), name, "made"))[:40])
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote docs/{name}")
    if stale:
        print(f"out of date: {', '.join(stale)}; run `make docs`", file=sys.stderr)
    return int(bool(stale))


def documents() -> Iterator[tuple[str, str]]:
    """Name and text of every document that is made here."""
    yield "isa.md", _page(isa())
    yield "host.md", _page(host())
    yield "codes.md", _page(codes())
    yield "performance.md", _page(performance())
    machine = (DOCS / "machine.md").read_text(encoding="utf-8")
    begin, end = "<!-- limits: made by docs/generate.py -->\n", "<!-- end -->"
    made = begin + "\n".join(limits()) + "\n" + end
    yield "machine.md", re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: made, machine, flags=re.DOTALL)


def _page(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table in Markdown."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        cells = [cell.replace("|", r"\|") for cell in row]
        yield f"| {' | '.join(cells)} |"
    yield ""


# ---- instructions --------------------------------------------------------------------------------------------------

GROUPS = {
    0x00: "Control",
    0x10: "Stack",
    0x20: "Arithmetic",
    0x30: "Compare, logic, bits",
    0x40: "Variables",
    0x50: "Calls and coroutines",
    0x60: "Heap",
    0x70: "Host",
    0x80: "Frame",
    0x90: "Conversion",
    0xA0: "More bits, unsigned",
}


def isa() -> Iterator[str]:
    yield NOTE.format(source="isa/table.py")
    yield "# Instructions\n"
    yield f"ISA version {axes.CURRENT[axes.ISA]}, {len(ROWS)} instructions. Effect: the stack before and after, top at"
    yield "the right; `number` is int or float, the same for all (an int beside a float is promoted). Cycles marked + grow"
    yield "with the operands: see [machine.md, cycles](machine.md#4-cycles-and-blocks). Bytes include the opcode.\n"
    for first, title in GROUPS.items():
        yield f"## {first:#04x} {title}\n"
        rows = [row for row in ROWS if row.opcode & 0xF0 == first]
        yield from table(
            ("number", "name", "immediates", "effect", "bytes", "cycles", "traps", "what it does"),
            (_instruction(row) for row in rows),
        )


def _instruction(row: Instruction) -> tuple[str, ...]:
    cycles = f"{row.cycles}{'+' if row.metered or row.name in ('SYSCALL', 'HOSTCALL', 'INTRINSIC') else ''}"
    return (
        f"`{row.opcode:#04x}`",
        f"`{row.name}`",
        ", ".join(immediate.value[0] for immediate in row.immediates),
        f"`{row.effect}`",
        str(row.size),
        cycles,
        " ".join(trap.name for trap in sorted(row.traps)),
        row.summary + ("" if row.since == "1.0.0" else f" Since {row.since}."),
    )


# ---- host ----------------------------------------------------------------------------------------------------------


def host() -> Iterator[str]:
    rows = standard()
    yield NOTE.format(source="the rows in host/")
    yield "# Services and intrinsics\n"
    yield "What a program may call; the rules are in [machine.md, the host](machine.md#7-the-host). Cycles come on top of"
    yield "those of the instruction; a + says that more are charged by the arguments, before the call does anything. Types:"
    yield "`bytes` is a ref to an array of byte.\n"
    offered = ", ".join(f"`{family}@{version}`" for family, version in sorted(rows.capabilities.items()))
    yield f"Capabilities of this host: {offered}.\n"
    yield "## Services\n"
    yield "Called by `HOSTCALL`, imported by identity.\n"
    for service in sorted(rows.services.values(), key=lambda s: (s.module, s.name, s.version)):
        yield from _service(service)
    yield "## Intrinsics\n"
    yield "Called by `INTRINSIC`, with a fixed number.\n"
    yield from table(
        ("number", "name", "effect", "cycles", "what it does"),
        (
            (f"`{s.number:#06x}`", f"`{s.module}.{s.name}`", f"`{s.effect}`", _cycles(s), s.summary)
            for s in sorted(rows.intrinsics.values(), key=lambda s: s.number)
        ),
    )


def _cycles(service: Service) -> str:
    return f"{service.cycles}{'+' if service.extra_cycles else ''}"


def _service(service: Service) -> Iterator[str]:
    yield f"### `{service.identity}`\n"
    yield f"`{service.effect}`\n"
    yield f"{service.summary}\n"
    facts = [f"capability {service.capability or 'none'}", f"{_cycles(service)} cycles", f"since {service.since}"]
    if service.deprecated:
        facts.append(f"deprecated since {service.deprecated}, a shim of `{service.shim_of}`")
        facts.append(f"removed in {service.removed or 'no release so far'}")
    yield "; ".join(facts) + ".\n"


# ---- codes ---------------------------------------------------------------------------------------------------------


def codes() -> Iterator[str]:
    yield NOTE.format(source="contract/diagnostics.yaml, isa/traps.py or contract/axes.py")
    yield "# Codes\n"
    yield "Codes are frozen: they are added, never changed. `pbs explain CODE` says the same in the terminal.\n"
    yield "## Diagnostics\n"
    for family in Family:
        yield f"### {family.value}: exit code {family.exit_code}\n"
        rows = [entry for entry in registry().values() if entry.family is family]
        yield from table(("code", "meaning", "what to do"), ((f"`{e.code}`", e.sentence, e.hint) for e in rows))
    yield "## Traps\n"
    yield from table(
        ("number", "name", "meaning", "raised by"),
        ((f"`{trap:#04x}`", f"`{trap.name}`", MEANINGS[trap], _raised_by(trap)) for trap in Trap),
    )
    yield "## Contract axes\n"
    yield "What may change, each on its own version. `pbs version --json` shows them; nothing else decides compatibility.\n"
    yield from table(("axis", "value"), ((f"`{name}`", value) for name, value in axes.CURRENT.items()))


def _raised_by(trap: Trap) -> str:
    if trap in EXCLUDED:
        return "nothing: the verifier excludes it"
    return " ".join(row.name for row in ROWS if trap in row.traps)


# ---- limits --------------------------------------------------------------------------------------------------------


def limits() -> Iterator[str]:
    yield from table(
        ("limit", "least", *PROFILES),
        (
            (f"`{name}`", f"{getattr(SMALLEST, name):,}", *(f"{getattr(p, name):,}" for p in PROFILES.values()))
            for name in LIMIT_NAMES
        ),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
