"""`pbs disasm`: program to assembly text."""

from __future__ import annotations

from pathlib import Path

import click

from ..contract import Rejected
from ..contract.files import read_bytes
from ..isa import container
from ..isa.disassembler import disassemble
from ..loader.cartridge import MAGIC as CARTRIDGE_MAGIC
from ..loader.cartridge import PROGRAM, decode_cartridge, read_directory
from .options import JSON
from .output import print_json, write_output


@click.command()
@click.argument("file")
@click.option("-o", "--output", metavar="FILE", default="-", help="Where to write the text; - is standard output.")
@JSON
def command(file: str, output: str, as_json: bool) -> int:
    """Disassemble FILE (.pbx, or the program of a cartridge). Assembling the text gives the same bytes."""
    path = Path(file)
    if path.is_dir():
        data = read_directory(path).members[PROGRAM]
    else:
        data = read_bytes(path)
        if data[:4] == CARTRIDGE_MAGIC:
            data = decode_cartridge(data).members[PROGRAM]
    if data[:4] == b"PBST":
        raise Rejected("file_unrecognized", subject=file, available="a trace")
    text = disassemble(container.decode(data))
    if as_json:
        print_json("disasm", {"verb": "disasm", "text": text})
    else:
        write_output(output, text.encode("ascii"))
    return 0
