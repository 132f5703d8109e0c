"""Input: twelve buttons and one touch, sampled once when a frame opens. Intrinsics, so no capability and nothing to resolve."""

from __future__ import annotations

from .devices import BUTTONS, HELD, HELD_BEFORE, HOLD, TOUCH_BEFORE, TOUCH_DOWN, TOUCH_X, TOUCH_Y, Words
from .registry import Service


def down(device: Words, button: int) -> int:
    """Held in this frame."""
    return (device[HELD] >> button) & 1


def pressed(device: Words, button: int) -> int:
    """Held in this frame and not in the one before."""
    return ((device[HELD] & ~device[HELD_BEFORE]) >> button) & 1


def released(device: Words, button: int) -> int:
    """Held in the frame before and not in this one."""
    return ((device[HELD_BEFORE] & ~device[HELD]) >> button) & 1


def hold(device: Words, button: int) -> int:
    """Frames in a row, this one included."""
    return device[HOLD + button]


def touch_x(device: Words) -> int:
    """Column of the touch, or of the last one."""
    return device[TOUCH_X]


def touch_y(device: Words) -> int:
    """Row of the touch, or of the last one."""
    return device[TOUCH_Y]


def touch_down(device: Words) -> int:
    """Touched in this frame."""
    return device[TOUCH_DOWN]


def touch_pressed(device: Words) -> int:
    """Touched in this frame and not in the one before."""
    return device[TOUCH_DOWN] & (1 - device[TOUCH_BEFORE])


def touch_released(device: Words) -> int:
    """Touched in the frame before and not in this one."""
    return device[TOUCH_BEFORE] & (1 - device[TOUCH_DOWN])


_FAMILIES = (
    ("down", 0x0100, "-> down: bool", "Whether {} is held in this frame.", down),
    ("pressed", 0x0110, "-> pressed: bool", "Whether {} went down in this frame.", pressed),
    ("released", 0x0120, "-> released: bool", "Whether {} was let go in this frame.", released),
    ("hold", 0x0130, "-> frames: int", "How many frames in a row {} has been held, this one included.", hold),
)
_TOUCH = (
    ("x", 0x0140, "-> x: int", "Column of the touch, 0 to 319; where nothing touches, of the last one.", touch_x),
    ("y", 0x0141, "-> y: int", "Row of the touch, 0 to 179; where nothing touches, of the last one.", touch_y),
    ("down", 0x0142, "-> down: bool", "Whether the screen is touched in this frame.", touch_down),
    ("pressed", 0x0143, "-> pressed: bool", "Whether a touch began in this frame.", touch_pressed),
    ("released", 0x0144, "-> released: bool", "Whether a touch ended in this frame.", touch_released),
)

ROWS = tuple(
    Service(
        module="input",
        name=f"{button}.{what}",
        version=1,
        number=first + index,
        effect=effect,
        summary=summary.format(button),
        function=function,
        member=index,
        intrinsic=True,
        cycles=1,
    )
    for what, first, effect, summary, function in _FAMILIES
    for index, button in enumerate(BUTTONS)
) + tuple(
    Service(
        module="input",
        name=f"touch.{what}",
        version=1,
        number=number,
        effect=effect,
        summary=summary,
        function=function,
        intrinsic=True,
        cycles=1,
    )
    for what, number, effect, summary, function in _TOUCH
)
