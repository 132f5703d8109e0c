"""`pbs disasm`: program to assembly text."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..contract import Rejected
from ..contract.files import read_bytes
from ..isa import container
from ..isa.disassembler import disassemble
from ..loader.cartridge import MAGIC as CARTRIDGE_MAGIC
from ..loader.cartridge import MANIFEST, PROGRAM, decode_cartridge, read_directory
from .options import JSON
from .output import keep_apart, print_json, say, write_output


@click.command()
@click.argument("file")
@click.option("-o", "--output", metavar="FILE", default="-", help="Where to write the text; - is standard output.")
@JSON
def command(file: str, output: str, as_json: bool) -> int:
    """Disassemble FILE (.pbx, or the program of a cartridge). Assembling the text gives the same bytes."""
    path = Path(file)
    if os.path.isdir(path):  # unlike Path.is_dir it has an answer for every name
        data = read_directory(path).members[PROGRAM]
    else:
        data = read_bytes(path)
        if data[:4] == CARTRIDGE_MAGIC:
            data = decode_cartridge(data).members[PROGRAM]
    if data[:4] == b"PBST":
        raise Rejected("file_unrecognized", subject=file, available="a trace")
    text = disassemble(container.decode(data))
    if output != "-":
        keep_apart(output, path, path / MANIFEST, path / PROGRAM)
        write_output(output, text.encode("ascii"), as_json=as_json)
    if as_json:
        print_json("disasm", {"verb": "disasm", "text": text})
    elif output == "-":
        write_output(output, text.encode("ascii"), as_json=False)
    else:
        say(f"{output}: {len(text.splitlines())} lines")
    return 0
