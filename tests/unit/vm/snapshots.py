"""Snapshots of the world as words that can be changed, and sealed again."""

from __future__ import annotations

import struct
import zlib
from functools import cache

import numpy as np
import numpy.typing as npt

from pbs.vm import layout
from pbs.vm.snapshot import _HEADER_BYTES as HEADER_BYTES
from pbs.vm.snapshot import _spans
from tests.unit.vm.world import played, world

TAKEN_AT = 6  # frames
Words = npt.NDArray[np.int64]


@cache
def taken(frame: int = TAKEN_AT) -> bytes:
    """A snapshot of the world."""
    return bytes(played(frame).snapshot())


def words_of(data: bytes) -> Words:
    """A copy of the words behind the header."""
    return np.frombuffer(data, np.int64, offset=HEADER_BYTES).copy()


def sealed(data: bytes) -> bytes:
    """The bytes with the length and the checksum that they should have. docs/formats.md, snapshot."""
    out = bytearray(data)
    out[8:16] = struct.pack("<Q", len(out))
    out[HEADER_BYTES - 8 : HEADER_BYTES] = bytes(8)
    out[HEADER_BYTES - 8 : HEADER_BYTES - 4] = struct.pack("<I", zlib.crc32(out))
    return bytes(out)


def forged(words: Words, header: bytes | None = None) -> bytes:
    """A snapshot of these words."""
    return sealed((header or taken()[:HEADER_BYTES]) + words.tobytes())


@cache
def places() -> tuple[tuple[str, int], ...]:
    """Region and offset in it of every word of the snapshot, pixels left out."""
    machine = played(TAKEN_AT)
    regions = machine.layout.regions.items()
    found = []
    for first, count in _spans(world(), machine.state):
        name, begin = next((name, at) for name, (at, size) in regions if at <= first < at + size)
        found += [(name, first - begin + i) for i in range(count)] if name != "pixels" else []
    assert len(found) + layout.PIXEL_WORDS == len(words_of(taken()))
    return tuple(found)


def index_of(region: str, offset: int) -> int:
    """Where a word of a region stands among the snapshot's words."""
    return places().index((region, offset))
