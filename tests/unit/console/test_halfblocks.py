"""Pictures as text, read back pixel by pixel."""

from __future__ import annotations

import re

import numpy as np
import pytest

from pbs.console.halfblocks import Colors, fit, render, resample

_PART = re.compile(r"\x1b\[([0-9;]*)m|(.)", re.DOTALL)


def picture(rows):
    """A picture of colours 0xRRGGBB."""
    packed = np.array(rows, np.uint32)
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)


def cells(line):
    """(upper, lower) of every cell as the terminal's own colour words; the line must leave them reset."""
    front = back = None
    found = []
    for sgr, character in _PART.findall(line):
        if character:
            assert character == "▀"
            found.append((front, back))
        elif sgr == "0":
            front = back = None
        else:
            words = sgr.split(";")
            half = len(words) // 2
            assert (words[0], words[half]) == ("38", "48")
            front, back = tuple(map(int, words[1:half])), tuple(map(int, words[half + 1 :]))
    assert (front, back) == (None, None)
    return found


def test_every_cell_shows_two_pixels_one_above_the_other():
    lines = render(picture([[0xFF0000, 0x000001], [0x00FF00, 0xFEDCBA], [1, 2], [3, 4]]), Colors.TRUE)
    assert [cells(line) for line in lines] == [
        [((2, 255, 0, 0), (2, 0, 255, 0)), ((2, 0, 0, 1), (2, 254, 220, 186))],
        [((2, 0, 0, 1), (2, 0, 0, 3)), ((2, 0, 0, 2), (2, 0, 0, 4))],
    ]


def test_any_picture_can_be_read_back():
    rng = np.random.default_rng(1)
    for height, width in ((2, 1), (2, 80), (44, 80), (180, 320)):
        # few colours, so that neighbours are often equal and their colours are not set again
        given = rng.integers(0, 2, (height, width, 3), np.uint8) * 255
        lines = render(given, Colors.TRUE)
        shown = np.array([cells(line) for line in lines])
        assert np.array_equal(shown[:, :, 0, 1:], given[0::2])
        assert np.array_equal(shown[:, :, 1, 1:], given[1::2])
        assert (shown[:, :, :, 0] == 2).all()


def test_colours_are_set_only_where_they_change():
    (line,) = render(picture([[5] * 40 + [6] * 40, [7] * 80]), Colors.TRUE)
    assert line.count("\x1b[38") == 2
    assert line.count("▀") == 80
    assert line.endswith("\x1b[0m")


LEVELS = (0, 95, 135, 175, 215, 255)  # of the 6x6x6 cube, as xterm has them


@pytest.mark.parametrize(
    ("color", "index"),
    [
        (0x000000, 16), (0xFFFFFF, 231), (0xFF0000, 196), (0x00FF00, 46), (0x0000FF, 21), (0x5F87AF, 16 + 36 * 1 + 6 * 2 + 3),
        (0x2F2F2F, 16), (0x303030, 16 + 36 + 6 + 1), (0x081018, 16),
    ],
)  # fmt: skip
def test_the_cube_shows_the_nearest_colour_it_has(color, index):
    (line,) = render(picture([[color], [color]]), Colors.CUBE)
    assert cells(line) == [((5, index), (5, index))]


def test_every_value_becomes_a_nearest_level():
    for value, line in enumerate(render(picture([[v << 8] for v in np.arange(256).repeat(2)]), Colors.CUBE)):
        ((upper, _),) = cells(line)
        level = LEVELS[(upper[1] - 16) // 6]
        assert abs(level - value) == min(abs(one - value) for one in LEVELS)


def test_without_colours_brightness_is_a_character():
    lines = render(picture([[0x000000, 0xFFFFFF, 0xFFFFFF], [0x000000, 0xFFFFFF, 0x000000]]), Colors.NONE)
    assert lines == [" @="]
    ramp = [render(picture([[v * 0x10101], [v * 0x10101]]), Colors.NONE)[0] for v in range(256)]
    assert list(dict.fromkeys(ramp)) == list(" .:-=+*#%@")


@pytest.mark.parametrize(
    ("columns", "rows", "size"),
    [
        (80, 23, (80, 44)), (320, 90, (320, 180)), (640, 180, (640, 360)), (1000, 90, (320, 180)), (320, 1000, (320, 180)),
        (30, 11, (30, 16)), (1, 1, (1, 2)), (0, 0, (1, 2)), (2, 1, (2, 2)), (213, 60, (213, 118)),
    ],
)  # fmt: skip
def test_the_picture_is_as_large_as_fits_and_keeps_its_shape(columns, rows, size):
    assert fit(columns, rows, 320, 180) == size


def test_every_size_fits_and_has_whole_cells():
    for columns in range(1, 200, 7):
        for rows in range(1, 70):
            across, down = fit(columns, rows, 320, 180)
            assert 1 <= across <= columns
            assert down % 2 == 0
            assert 2 <= down <= 2 * rows


def test_resampling_takes_the_nearest_pixels():
    given = picture([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]])
    assert resample(given, 4, 4).tolist() == given.tolist()
    assert resample(given, 2, 2)[..., 2].tolist() == [[6, 8], [14, 16]]
    assert resample(given, 8, 8).tolist() == given.repeat(2, axis=0).repeat(2, axis=1).tolist()
    assert resample(given, 1, 1)[..., 2].tolist() == [[11]]
