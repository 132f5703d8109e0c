"""Damaged copies of a file, and the same with lengths and checksums set right again, so that what stands behind them is met.

The sealing is written here a second time, from docs/formats.md, and takes nothing from the code that it is to try.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

BITS = tuple(f"bit {i}" for i in range(8))
KINDS = (*BITS, "zero", "ones", "plus one", "minus one", "delete", "double", "swap")
GROWTH = {"delete": -1, "double": 1}

Seal = Callable[[bytearray, int, int], None]  # of a mutant, changed at a byte, grown by so many bytes there


def changed(data: bytes, kind: str, at: int) -> bytearray:
    """The data with one byte changed in one way."""
    made, byte = bytearray(data), data[at]
    if kind in BITS:
        made[at] = byte ^ 1 << int(kind[4:])
    elif kind in ("plus one", "minus one"):
        made[at] = byte + (1 if kind == "plus one" else -1) & 255
    elif kind == "swap":
        made[at : at + 2] = data[at : at + 2][::-1]
    else:
        made[at : at + 1] = {"zero": b"\x00", "ones": b"\xff", "delete": b"", "double": bytes([byte, byte])}[kind]
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One way to damage a file. at: which byte."""

    kind: str
    at: int
    sealed: bool

    def __str__(self) -> str:
        return f"{self.kind} at byte {self.at}" + (", sealed again" if self.sealed else "")

    def of(self, data: bytes, seal: Seal) -> bytes:
        """The damaged file. It may be equal to the data where sealing undoes the damage."""
        if self.kind == "cut":
            return data[: self.at]
        made = changed(data, self.kind, self.at)
        if self.sealed:
            seal(made, self.at, GROWTH.get(self.kind, 0))
        return bytes(made)


def _crc(data: bytearray | bytes) -> bytes:
    return struct.pack("<I", zlib.crc32(data))


def _add(data: bytearray, field: int, form: str, at: int, growth: int) -> None:
    """Let a length field count what has grown, unless it is itself what was changed."""
    size = struct.calcsize(form)
    if growth and not field <= at < field + size:
        data[field : field + size] = struct.pack(form, struct.unpack_from(form, data, field)[0] + growth)


def program_seal(base: bytes) -> Seal:
    """Of a `.pbx`: lengths and offsets of the sections, their checksums, the header's."""
    count = struct.unpack_from("<I", base, 12)[0]
    end = 20 + 16 * count
    table = [struct.unpack_from("<III", base, 20 + 16 * i) for i in range(count)]  # kind, offset, length

    def seal(data: bytearray, at: int, growth: int) -> None:
        _add(data, 8, "<I", at, growth)
        for i, (_, offset, length) in enumerate(table):
            entry = 20 + 16 * i
            first, size = offset, length
            if at >= end and growth:
                if offset <= at < offset + length:
                    _add(data, entry + 8, "<I", at, growth)
                    size += growth
                elif offset > at:
                    _add(data, entry + 4, "<I", at, growth)
                    first += growth
            elif entry <= at < entry + 16 and not growth:  # what it now says, as far as that is there
                first, size = struct.unpack_from("<II", data, entry + 4)
            if at >= end or not growth:
                data[entry + 12 : entry + 16] = _crc(data[first : first + size])
        sections = struct.unpack_from("<I", data, 12)[0]
        data[16:20] = bytes(4)
        data[16:20] = _crc(data[: 20 + 16 * sections])

    return seal


def cart_seal(base: bytes) -> Seal:
    """Of a `.cart`: lengths of its members, their checksums, the header's. What a member seals for itself stays as it is."""
    rows, position = [], 20
    for _ in range(struct.unpack_from("<H", base, 6)[0]):
        fields = position + 1 + base[position]
        rows.append((fields, struct.unpack_from("<I", base, fields)[0]))
        position = fields + 8
    end = position

    def seal(data: bytearray, at: int, growth: int) -> None:
        _add(data, 8, "<Q", at, growth)
        first = end
        for fields, length in rows:
            size = length
            if first <= at < first + length:
                _add(data, fields, "<I", at, growth)
                size += growth
            if at >= end or not growth:
                data[fields + 4 : fields + 8] = _crc(data[first : first + size])
            first += size
        data[16:20] = bytes(4)
        data[16:20] = _crc(data[: end + (growth if at < end else 0)])

    return seal


def trace_seal(base: bytes) -> Seal:
    """Of a `.pbt`: the lengths in its header, the checksum of every part."""
    parts = [(0, 12 + struct.unpack_from("<I", base, 8)[0])]  # first byte, where its checksum stands
    axes = 12 + 32 + 8 + 72
    cartridge = axes + 2 + struct.unpack_from("<H", base, axes)[0]
    start = cartridge + 4 + struct.unpack_from("<I", base, cartridge)[0]
    while (first := parts[-1][1] + 4) < len(base):
        is_block = base[first : first + 4] == b"ROWS"
        size = 8 + 32 * struct.unpack_from("<H", base, first + 4)[0] if is_block else 16
        parts.append((first, first + size))
    lengths = ((axes, "<H", cartridge), (cartridge, "<I", start), (start, "<I", parts[0][1]))

    def seal(data: bytearray, at: int, growth: int) -> None:
        if 12 <= at < parts[0][1]:
            _add(data, 8, "<I", at, growth)
            for field, form, until in lengths:
                if field + struct.calcsize(form) <= at < until:
                    _add(data, field, form, at, growth)
        for first, until in parts:
            end = until + (growth if at < until else 0)
            data[end : end + 4] = _crc(data[first + (growth if at < first else 0) : end])

    return seal


def snapshot_seal(_base: bytes) -> Seal:
    """Of a snapshot: its length, and the checksum of all the rest."""

    def seal(data: bytearray, at: int, growth: int) -> None:
        _add(data, 8, "<Q", at, growth)
        reserved, data[120:128] = data[124:128], bytes(8)
        data[120:128] = _crc(data) + reserved

    return seal


def no_seal(_base: bytes) -> Seal:
    """Of text, which has none."""
    return lambda *_: None


SEALS: Mapping[str, Callable[[bytes], Seal]] = {
    "program": program_seal,
    "cart": cart_seal,
    "trace": trace_seal,
    "snapshot": snapshot_seal,
    "manifest": no_seal,
}
