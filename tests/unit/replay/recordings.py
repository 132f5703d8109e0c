"""A small program that is played, its recordings, and their parts as bytes."""

from __future__ import annotations

import zlib
from functools import cache
from random import Random

from pbs.loader import Image, assemble, load
from pbs.replay import Trace, record
from pbs.vm import Input, Machine
from tests.support.compare import SMALL, random_inputs

FRAMES = 5
ENGINES = ("reference", "interpreter")

# Counts frames, does more while a is held, halts while select is.
PLAYED = """
.target profile "core" "1.0.0"
.global frames: int
.func main() -> ()
again:
    GET_GLOBAL frames
    PUSH 1
    ADD
    SET_GLOBAL frames
    INTRINSIC input.select.down
    JMP_IF_TRUE over
    INTRINSIC input.a.down
    JMP_IF_FALSE done
    PUSH 3
    GET_GLOBAL frames
    MUL
    SET_GLOBAL frames
done:
    FRAME_SYNC
    JMP again
over:
    HALT
.end
"""
HALTING = [Input()] * 3 + [Input(frozenset({"select"}))]


@cache
def image() -> Image:
    """The image of the program."""
    return load(assemble(PLAYED), limits=SMALL)


def machine(engine: str = "interpreter") -> Machine:
    """A new machine of it."""
    return Machine(image(), engine=engine, seed=11)


def inputs(count: int = FRAMES) -> list[Input]:
    """What is played; nobody holds select."""
    return [Input(one.buttons - {"select"}, one.touch) for one in random_inputs(Random(2), count)]


@cache
def recorded(count: int = FRAMES) -> Trace:
    """A recording of so many frames."""
    return record(image(), inputs(count), seed=11)


def sealed(part: bytes) -> bytes:
    """A part with its checksum. docs/formats.md, trace."""
    return part + zlib.crc32(part).to_bytes(4, "little")


def parts_of(data: bytes) -> list[bytes]:
    """Header, blocks and end of a trace file, each without its checksum; read by docs/formats.md alone."""
    at = 12 + int.from_bytes(data[8:12], "little")
    parts = [data[:at]]
    at += 4
    while at < len(data):
        size = 8 + 32 * int.from_bytes(data[at + 4 : at + 6], "little") if data[at : at + 4] == b"ROWS" else 16
        parts.append(data[at : at + size])
        at += size + 4
    return parts
