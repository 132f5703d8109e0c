"""`pbs warmup`: everything that a first run would have to make, made now."""

from __future__ import annotations

from pathlib import Path

import click

from ..contract import StorageError
from ..host import standard
from ..loader import load
from ..vm import Machine, cache
from ..vm.kept import load_kept
from ..vm.native import core
from ..vm.native_build import part_names
from ..vm.native_names import BASE_PARTS, KIND
from .options import JSON
from .output import cartridge_object, print_json, say, tell_warnings


@click.command()
@click.argument("cartridges", nargs=-1)
@JSON
def command(cartridges: tuple[str, ...], as_json: bool) -> int:
    """Make the native core, every host module, and what the CARTRIDGES need, and keep it in the cache."""
    kept = cache.current()
    if kept is None:
        raise StorageError("cache_unavailable", subject=str(cache.base()))
    for cartridge in cartridges:  # before anything is made
        tell_warnings(load(Path(cartridge)).warnings)
    parts = part_names(standard())
    had = {part for part in parts if kept.read(KIND, part) is not None}
    images = [load_kept(Path(cartridge)) for cartridge in cartridges]
    core(standard()).require(part for part in parts if part not in BASE_PARTS)
    for image in images:
        Machine(image, engine="interpreter")
    if as_json:
        value = {
            "verb": "warmup",
            "folder": str(kept.path),
            "parts": [{"name": part, "made": part not in had} for part in parts],
            "cartridges": [cartridge_object(image) for image in images],
        }
        print_json("warmup", value)
        return 0
    made = [part for part in parts if part not in had]
    say(f"made: {', '.join(made) or 'nothing'}")
    if had:
        say(f"there already: {', '.join(part for part in parts if part in had)}")
    for image in images:
        say(f"ready: {image.title}, digest {image.digest.hex()}")
    say(f"kept in {kept.path}")
    return 0
