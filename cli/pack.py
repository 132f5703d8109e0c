"""`pbs pack`: a cartridge directory to one file."""

from __future__ import annotations

from pathlib import Path

import click

from ..loader.cartridge import encode_cartridge, read_directory
from ..loader.loading import load_cartridge
from .options import JSON
from .output import keep_apart, members_of, print_json, say, write_output


@click.command()
@click.argument("directory")
@click.option("-o", "--output", metavar="FILE", help="The file to write. Otherwise the directory's name with .cart.")
@JSON
def command(directory: str, output: str | None, as_json: bool) -> int:
    """Put the members of the cartridge in DIRECTORY into one file. Both forms have the same digest."""
    path = Path(directory)
    cartridge = read_directory(path)
    image = load_cartridge(cartridge)
    target = output or f"{path.resolve().name}.cart"
    keep_apart(target, *members_of(path, image))
    data = encode_cartridge(cartridge.members)
    write_output(target, data, as_json=as_json)
    if as_json:
        print_json("pack", {"verb": "pack", "output": target, "bytes": len(data), "digest": image.digest.hex()})
    elif target != "-":
        say(f"{target}: {len(cartridge.members)} members, {len(data)} bytes, digest {image.digest.hex()}")
    return 0
