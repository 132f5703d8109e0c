"""RGB565 to RGB, and PNG files that other programs read."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pbs.console.picture import png, save_png, to_rgb
from pbs.contract import StorageError


def screen(rng=None):
    """Every RGB565 colour that fits, or black."""
    if rng is None:
        return np.zeros((180, 320), np.uint16)
    return rng.integers(0, 1 << 16, (180, 320)).astype(np.uint16)


def test_every_colour_gets_its_highest_bits_below_its_lowest():
    packed = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    red, green, blue = (to_rgb(packed)[..., i].astype(int) for i in range(3))
    wide = packed.astype(int)
    for channel, value, bits in ((red, wide >> 11, 5), (green, wide >> 5 & 63, 6), (blue, wide & 31, 5)):
        # the nearest of 256 levels, by no more than the rounding of the usual formula
        assert np.abs(channel - value * 255 / ((1 << bits) - 1)).max() < 1
        assert np.array_equal(channel >> (8 - bits), value)
    assert to_rgb(packed).dtype == np.uint8


@pytest.mark.parametrize(
    ("packed", "rgb"),
    [(0, (0, 0, 0)), (0xFFFF, (255, 255, 255)), (0xF800, (255, 0, 0)), (0x07E0, (0, 255, 0)), (0x001F, (0, 0, 255)),
     (0x8410, (132, 130, 132)), (0x0841, (8, 8, 8))],
)  # fmt: skip
def test_some_colours_by_hand(packed, rgb):
    assert to_rgb(np.array([[packed]], np.uint16))[0, 0].tolist() == list(rgb)


def chunks(data):
    """Type and content of every part of a PNG file, checksums verified."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0]
        yield kind, body
        at += 12 + length


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_a_png_file_holds_every_pixel(scale):
    given = screen(np.random.default_rng(2))
    parts = list(chunks(png(given, scale)))
    assert (parts[0][0], parts[-1]) == (b"IHDR", (b"IEND", b""))
    width, height, depth, color, *rest = struct.unpack(">IIBBBBB", parts[0][1])
    assert (width, height, depth, color, rest) == (320 * scale, 180 * scale, 8, 2, [0, 0, 0])
    # no time, no name of a program: the same screen gives the same file
    assert {kind for kind, _ in parts} == {b"IHDR", b"IDAT", b"IEND"}
    with Image.open(io.BytesIO(png(given, scale))) as read:
        pixels = np.asarray(read)
    assert np.array_equal(pixels, to_rgb(given).repeat(scale, axis=0).repeat(scale, axis=1))
    assert png(given, scale) == png(given.copy(), scale)


def test_a_picture_is_written_whole_or_not_at_all(tmp_path):
    save_png(tmp_path / "a.png", screen(), scale=2)
    assert (tmp_path / "a.png").read_bytes() == png(screen(), 2)
    with pytest.raises(StorageError) as caught:
        save_png(tmp_path / "no" / "a.png", screen())
    assert caught.value.code == "file_unwritable"
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
