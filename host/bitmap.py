"""The image file `.pbi`: a sheet of equally sized frames, bytes to Bitmap and back, byte for byte.

    header | pixels, row by row, frame after frame

All numbers are little-endian. The header's last field is the CRC-32 of everything else. Reading is total: any bytes
give a Bitmap or one coded rejection. Source: docs/formats.md, image file.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import construct as c

from ..contract import Rejected
from .devices import HEIGHT, WIDTH

MAGIC = b"PBSI"
FORMAT_VERSION = 1
MAX_FRAMES = 65535
NO_KEY = -1

_Header = c.Struct(
    "magic" / c.Bytes(4),
    "version" / c.Int16ul,
    "width" / c.Int16ul,
    "height" / c.Int16ul,
    "frames" / c.Int16ul,
    "key" / c.Int32sl,
    "checksum" / c.Int32ul,
)
HEADER_BYTES = _Header.sizeof()
_CHECKSUM_AT = HEADER_BYTES - 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitmap:
    """Frames of one size. Raises Rejected where its parts do not fit, so every Bitmap can be drawn and encoded.

    key: the colour that is not drawn, or -1. pixels: RGB565 in two bytes each, the low one first.
    """

    width: int
    height: int
    frames: int
    key: int
    pixels: bytes

    def __post_init__(self) -> None:
        _check(self.width, self.height, self.frames, self.key, len(self.pixels))


def decode(data: bytes) -> Bitmap:
    """The bitmap in a file's bytes. Raises Rejected with the first thing that is wrong, in the order of the file."""
    if data[:4] != MAGIC:
        raise _malformed("it does not begin with PBSI")
    if len(data) < HEADER_BYTES:
        raise _malformed("its header is cut short")
    header = _Header.parse(data[:HEADER_BYTES])
    if header.version != FORMAT_VERSION:
        raise _malformed("a version of the format that is not known")
    width, height, frames, key = header.width, header.height, header.frames, header.key
    _check(width, height, frames, key, len(data) - HEADER_BYTES)
    pixels = data[HEADER_BYTES:]
    if header.checksum != _checksum(data[:_CHECKSUM_AT], pixels):
        raise _malformed("its checksum is wrong")
    return Bitmap(width=width, height=height, frames=frames, key=key, pixels=pixels)


def encode(bitmap: Bitmap) -> bytes:
    """The file's bytes. The inverse of `decode`."""
    fields = {
        "magic": MAGIC,
        "version": FORMAT_VERSION,
        "width": bitmap.width,
        "height": bitmap.height,
        "frames": bitmap.frames,
        "key": bitmap.key,
        "checksum": 0,
    }
    before: bytes = _Header.build(fields)[:_CHECKSUM_AT]
    header: bytes = _Header.build({**fields, "checksum": _checksum(before, bitmap.pixels)})
    return header + bitmap.pixels


def _check(width: int, height: int, frames: int, key: int, pixel_bytes: int) -> None:
    if not (1 <= width <= WIDTH and 1 <= height <= HEIGHT):
        raise _malformed("a frame that is empty or larger than the screen")
    if not 1 <= frames <= MAX_FRAMES:
        raise _malformed("no frames, or more than can be counted")
    if not NO_KEY <= key <= 0xFFFF:
        raise _malformed("a key that is no colour")
    if pixel_bytes != width * height * frames * 2:
        raise _malformed("more or fewer pixels than its size says")


def _checksum(before: bytes, behind: bytes) -> int:
    return zlib.crc32(behind, zlib.crc32(before))


def _malformed(reason: str) -> Rejected:
    return Rejected("asset_malformed", details={"reason": reason})
