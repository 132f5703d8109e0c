"""Pictures as text: every character cell shows two pixels, one above the other, as a coloured half block."""

from __future__ import annotations

from enum import Enum

import numpy as np

from .picture import Picture

UPPER_HALF = "▀"
_CUBE_STEPS = (48, 115, 155, 195, 235)  # half way between its levels 0, 95, 135, 175, 215, 255
_RAMP = " .:-=+*#%@"


class Colors(Enum):
    """What a terminal can show."""

    TRUE = "true"  # 24 bits
    CUBE = "256"  # the 6x6x6 cube
    NONE = "none"  # brightness as characters


def fit(columns: int, rows: int, width: int, height: int) -> tuple[int, int]:
    """The largest (columns, pixel rows) of the picture's shape that fits; pixel rows are even."""
    scale = min(columns / width, 2 * rows / height)
    across, down = int(width * scale), int(height * scale)
    return max(across, 1), max(down - down % 2, 2)


def resample(picture: Picture, columns: int, pixel_rows: int) -> Picture:
    """The picture at another size, nearest pixels taken."""
    height, width = picture.shape[:2]
    down = (np.arange(pixel_rows) * 2 + 1) * height // (2 * pixel_rows)
    across = (np.arange(columns) * 2 + 1) * width // (2 * columns)
    resampled: Picture = picture[down[:, None], across[None, :]]
    return resampled


def render(picture: Picture, colors: Colors) -> list[str]:
    """One text line for every two pixel rows; each line sets its own colours and ends with them reset."""
    if colors is Colors.NONE:
        brightness = picture.astype(np.uint16) @ np.array([54, 183, 19], np.uint16) >> 8
        pairs = (brightness[0::2] + brightness[1::2]) // 2
        return ["".join(_RAMP[int(value) * len(_RAMP) // 256] for value in row) for row in pairs]
    codes = _codes(picture, colors)
    return [
        _line(upper, lower, colors) for upper, lower in zip(codes[0::2].tolist(), codes[1::2].tolist(), strict=True)
    ]


def _codes(picture: Picture, colors: Colors) -> np.ndarray:
    """A number per pixel: packed RGB, or the index in the cube."""
    wide = picture.astype(np.uint32)
    if colors is Colors.TRUE:
        return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    levels = np.searchsorted(_CUBE_STEPS, wide, side="right")
    return 16 + 36 * levels[..., 0] + 6 * levels[..., 1] + levels[..., 2]


def _line(upper: list[int], lower: list[int], colors: Colors) -> str:
    parts, last = [], (-1, -1)
    for pair in zip(upper, lower, strict=True):
        if pair != last:
            parts.append(_set_colors(*pair, colors))
            last = pair
        parts.append(UPPER_HALF)
    return "".join(parts) + "\x1b[0m"


def _set_colors(front: int, back: int, colors: Colors) -> str:
    if colors is Colors.CUBE:
        return f"\x1b[38;5;{front};48;5;{back}m"
    return f"\x1b[38;2;{front >> 16};{front >> 8 & 255};{front & 255};48;2;{back >> 16};{back >> 8 & 255};{back & 255}m"
