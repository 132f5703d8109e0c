"""The devices' share of a machine's state, and the views through which services see the machine.

A service is a plain function. Its leading parameters are named after the views it needs, the rest are the guest's
arguments; so the signature says what it can touch. The same function is compiled by numba for the native engines and runs as
it stands in the reference. To mean the same in both it keeps to a small subset: ints that stay within 63 bits, floats, `if`,
`while`, `for` over `range`, indexing by non-negative ints (a view has no length), and calls of functions written likewise.
Bools come and go as 0 or 1.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol


class Words(Protocol):
    """A view of int64 elements: a pointer in native code, a memoryview in the reference."""

    def __getitem__(self, index: int, /) -> int:
        """The element; the index is not negative."""

    def __setitem__(self, index: int, value: int, /) -> None:
        """Replace the element."""


class Bytes(Words, Protocol):
    """A view of uint8 elements."""


class Pixels(Words, Protocol):
    """A view of uint16 elements, RGB565."""


# The screen (docs/machine.md, devices)
WIDTH = 320
HEIGHT = 180
SCREEN = WIDTH * HEIGHT

BUTTONS = ("up", "down", "left", "right", "a", "b", "x", "y", "l", "r", "start", "select")

# Words of the view `device`
FRAME = 0  # number of the running frame
HELD = 1  # bit mask of buttons, as latched for this frame
HELD_BEFORE = 2  # ... for the frame before
HOLD = 3  # 12 words: frames in a row that the button has been held, this one included
TOUCH_X = 15
TOUCH_Y = 16
TOUCH_DOWN = 17
TOUCH_BEFORE = 18
RANDOM = 19  # 4 words of generator state
FRONT = 23  # which of the two screens is shown, 0 or 1
LOG_USED = 24  # bytes of this frame's log
LOG_LIMIT = 25
HOST_CALLS = 26  # calls in this frame
HOST_DIGEST = 27  # mixed over identity, arguments and results of this frame's calls
PRESENTS = 28  # how often the screens were swapped
ASSET_COUNT = 29  # rows of the asset table
COROUTINE_ROWS = 30  # rows of the view `coroutines`
DEVICE_WORDS = 31

# The view `coroutines`: one row of this many words per coroutine that may live
ROW_WORDS = 8
ROW_STATE = 0  # FREE, or 1 + READY, or 1 + SLEEPING (host/coroutine.py)
ROW_SERIAL = 1  # which coroutine of the run this is; handles name it

# Views by name: element type of the array
VIEWS: Mapping[str, str] = MappingProxyType(
    {
        "device": "int64",
        "pixels": "uint16",  # two screens, one behind the other
        "log": "uint8",
        "objects": "int64",  # per object: offset of its first word in the heap, length in elements
        "heap_bytes": "uint8",
        "coroutines": "int64",
        "assets": "uint8",
        "asset_table": "int64",
    }
)


def power_on(device: Words, seed: int, log_limit: int, assets: int, coroutines: int) -> None:
    """The devices as they are before frame 0. `seed` is any int64, the others are sizes."""
    for i in range(DEVICE_WORDS):
        device[i] = 0
    device[LOG_LIMIT] = log_limit
    device[ASSET_COUNT] = assets
    device[COROUTINE_ROWS] = coroutines
    for i, word in enumerate(_seeded(seed)):
        device[RANDOM + i] = word


@lru_cache(64)
def _seeded(seed: int) -> tuple[int, ...]:
    """The state of the generator for a seed."""
    device = array("q", bytes(8 * DEVICE_WORDS))
    seed_random(device, seed)
    return tuple(device[RANDOM : RANDOM + 4])


def seed_random(device: Words, seed: int) -> None:
    """Spread a seed over the generator's state (sfc32: three words and a counter, then twelve rounds to mix them)."""
    device[RANDOM] = seed & 0xFFFFFFFF
    device[RANDOM + 1] = (seed >> 32) & 0xFFFFFFFF
    device[RANDOM + 2] = 0x9E3779B9
    device[RANDOM + 3] = 1
    for _ in range(12):
        next_random(device)


def next_random(device: Words) -> int:
    """The next 32 bits of sfc32 (Chris Doty-Humphrey's small fast chaotic generator): sums, shifts and xors only."""
    a, b, c, counter = device[RANDOM], device[RANDOM + 1], device[RANDOM + 2], device[RANDOM + 3]
    result = (a + b + counter) & 0xFFFFFFFF
    device[RANDOM + 3] = (counter + 1) & 0xFFFFFFFF
    device[RANDOM] = b ^ (b >> 9)
    device[RANDOM + 1] = (c + ((c << 3) & 0xFFFFFFFF)) & 0xFFFFFFFF
    device[RANDOM + 2] = ((((c << 21) & 0xFFFFFFFF) | (c >> 11)) + result) & 0xFFFFFFFF
    return result


def latch_input(device: Words, held: int, touch_x: int, touch_y: int, touch_down: int) -> None:
    """Take one sample of the input for the frame that opens; it stays as it is until the next frame.

    held: bit mask over BUTTONS. touch_x 0..319, touch_y 0..179; where nothing touches, the last position stays.
    """
    device[HELD_BEFORE] = device[HELD]
    device[HELD] = held & 0xFFF
    for button in range(12):
        device[HOLD + button] = device[HOLD + button] + 1 if (held >> button) & 1 else 0
    device[TOUCH_BEFORE] = device[TOUCH_DOWN]
    device[TOUCH_DOWN] = touch_down & 1
    if touch_down & 1:
        device[TOUCH_X] = min(max(touch_x, 0), WIDTH - 1)
        device[TOUCH_Y] = min(max(touch_y, 0), HEIGHT - 1)
