import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbs.contract import Rejected
from pbs.host import bitmap
from pbs.host.bitmap import Bitmap

SMALL = Bitmap(width=3, height=2, frames=2, key=0x1234, pixels=bytes(range(24)))


def file(width=3, height=2, frames=2, key=-1, pixels=bytes(24), magic=b"PBSI", version=1):
    """A file's bytes by the format's description, with the right checksum for whatever they say."""
    before = struct.pack("<4sHHHHi", magic, version, width, height, frames, key)
    return before + struct.pack("<I", zlib.crc32(before + pixels)) + pixels


def reason(data):
    with pytest.raises(Rejected) as caught:
        bitmap.decode(data)
    assert caught.value.code == "asset_malformed"
    return caught.value.diagnostic.details["reason"]


@st.composite
def bitmaps(draw):
    width, height, frames = draw(st.integers(1, 12)), draw(st.integers(1, 9)), draw(st.integers(1, 4))
    size = width * height * frames * 2
    return Bitmap(
        width=width,
        height=height,
        frames=frames,
        key=draw(st.integers(-1, 65535)),
        pixels=draw(st.binary(min_size=size, max_size=size)),
    )


def test_the_bytes_are_those_of_the_format():
    assert bitmap.encode(SMALL) == file(key=0x1234, pixels=SMALL.pixels)
    assert bitmap.HEADER_BYTES == 20


@given(bitmaps())
def test_reading_is_the_inverse_of_writing(image):
    data = bitmap.encode(image)
    assert bitmap.decode(data) == image
    assert bitmap.encode(bitmap.decode(data)) == data


@pytest.mark.parametrize(("width", "height"), [(1, 1), (320, 180), (320, 1), (1, 180)])
def test_frames_may_be_as_large_as_the_screen(width, height):
    pixels = bytes(width * height * 2)
    image = bitmap.decode(file(width=width, height=height, frames=1, pixels=pixels))
    assert (image.width, image.height, image.pixels) == (width, height, pixels)


def test_there_may_be_as_many_frames_as_can_be_counted():
    assert bitmap.decode(file(width=1, height=1, frames=65535, pixels=bytes(131070))).frames == 65535


@pytest.mark.parametrize("key", [-1, 0, 65535])
def test_a_key_is_a_colour_or_none(key):
    assert bitmap.decode(file(key=key)).key == key


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"magic": b"PBSX"}, "it does not begin with PBSI"),
        ({"version": 0}, "a version of the format that is not known"),
        ({"version": 2}, "a version of the format that is not known"),
        ({"width": 0}, "a frame that is empty or larger than the screen"),
        ({"width": 321}, "a frame that is empty or larger than the screen"),
        ({"height": 0}, "a frame that is empty or larger than the screen"),
        ({"height": 181}, "a frame that is empty or larger than the screen"),
        ({"frames": 0}, "no frames, or more than can be counted"),
        ({"key": -2}, "a key that is no colour"),
        ({"key": 65536}, "a key that is no colour"),
        ({"width": 4}, "more or fewer pixels than its size says"),
        ({"pixels": bytes(23)}, "more or fewer pixels than its size says"),
        ({"pixels": bytes(25)}, "more or fewer pixels than its size says"),
    ],
)
def test_what_breaks_a_rule_is_rejected_with_it(changed, expected):
    assert reason(file(**changed)) == expected


def test_every_prefix_is_rejected():
    data = bitmap.encode(SMALL)
    for length in range(len(data)):
        assert reason(data[:length])
    assert reason(data[:19]) == "its header is cut short"


def test_every_damaged_bit_is_noticed():
    data = bitmap.encode(SMALL)
    for at in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            assert reason(bytes(damaged))
    assert reason(data[:-1] + b"\xff") == "its checksum is wrong"


def test_a_large_claim_allocates_nothing():
    data = file(width=320, height=180, frames=65535, pixels=b"")
    reason(data)
    tracemalloc.start()
    try:
        reason(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000


@given(st.binary(max_size=64))
def test_any_bytes_are_a_bitmap_or_rejected(data):
    for candidate in (data, b"PBSI" + data, b"PBSI\x01\x00" + data):
        try:
            image = bitmap.decode(candidate)
        except Rejected:
            assert reason(candidate)
        else:
            assert bitmap.encode(image) == candidate


@pytest.mark.parametrize(
    "parts",
    [
        {"width": 321, "pixels": bytes(321 * 2 * 2 * 2)},
        {"height": 0, "pixels": b""},
        {"width": 1, "height": 1, "frames": 65536, "pixels": bytes(131072)},
        {"frames": 0, "pixels": b""},
        {"key": 65536},
        {"key": -2},
        {"pixels": b""},
    ],
)
def test_a_bitmap_that_could_not_be_written_cannot_be_made(parts):
    fields = {"width": 3, "height": 2, "frames": 2, "key": -1, "pixels": bytes(24), **parts}
    with pytest.raises(Rejected):
        Bitmap(**fields)
