"""`pbs asm`: assembly text to program."""

from __future__ import annotations

from pathlib import Path

import click

from ..contract import Rejected
from ..contract.files import read_bytes
from ..isa.assembly import MAX_TEXT_BYTES
from ..loader import assemble, load
from .options import JSON
from .output import keep_apart, print_json, say, write_output


@click.command()
@click.argument("source")
@click.option(
    "-o", "--output", metavar="FILE", help="The program to write; - is standard output. Otherwise SOURCE with .pbx."
)
@click.option("--no-verify", is_flag=True, help="Write the program without proving that it may run.")
@JSON
def command(source: str, output: str | None, no_verify: bool, as_json: bool) -> int:
    """Assemble SOURCE, prove that the program may run, and write it."""
    path = Path(source)
    data = read_bytes(path, MAX_TEXT_BYTES)
    target = output or str(path.with_suffix(".pbx"))
    keep_apart(target, path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Rejected("file_unrecognized", subject=source, details={"reason": "not UTF-8 text"}) from None
    program = assemble(text, source=path.name)
    if not no_verify:
        load(program)
    write_output(target, program, as_json=as_json)
    if as_json:
        print_json("asm", {"verb": "asm", "output": target, "bytes": len(program), "verified": not no_verify})
    elif target != "-":
        say(f"{target}: {len(program)} bytes")
    return 0
