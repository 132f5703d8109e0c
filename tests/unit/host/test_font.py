from itertools import combinations

import numpy as np
import pytest

from pbs.host import font

PRINTABLE = [chr(code) for code in range(font.FIRST, font.LAST + 1)]


def rows(character):
    first = (ord(character) - font.FIRST) * font.GLYPH_HEIGHT
    return [int(row) for row in font.GLYPHS[first : first + font.GLYPH_HEIGHT]]


def test_every_printable_ascii_character_has_eight_rows_of_a_byte():
    assert len(PRINTABLE) == 95
    assert font.GLYPHS.shape == (95 * 8,)
    assert font.UNKNOWN.shape == (8,)
    assert font.GLYPHS.dtype == font.UNKNOWN.dtype == np.uint8


def test_the_font_is_a_constant():
    with pytest.raises(ValueError, match="read-only"):
        font.GLYPHS[0] = 1


def test_bit_five_is_the_leftmost_column():
    assert rows("L") == [0b100000] * 6 + [0b111110] + [0]
    assert rows("T") == [0b111110] + [0b001000] * 6 + [0]
    assert rows("_") == [0] * 7 + [0b111110]


def test_the_last_column_is_empty_so_that_text_needs_no_other_spacing():
    assert not (font.GLYPHS & 0b000001).any()
    assert not (font.UNKNOWN & 0b000001).any()
    assert int(font.GLYPHS.max()) < 64


def test_only_descenders_reach_into_the_last_row():
    assert {c for c in PRINTABLE if rows(c)[7]} == set(",;_gjpqy")


def test_capitals_and_digits_stand_from_the_first_row_to_the_seventh():
    for character in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789":
        assert rows(character)[0], character
        assert rows(character)[6], character


def test_only_the_space_is_empty():
    assert [c for c in PRINTABLE if not any(rows(c))] == [" "]


def test_what_is_unknown_is_a_hollow_box_unlike_any_glyph():
    box = [int(row) for row in font.UNKNOWN]
    assert box == [0b111110, *[0b100010] * 5, 0b111110, 0]
    assert box not in [rows(c) for c in PRINTABLE]


def test_no_two_characters_look_alike():
    looks = {c: sum(row << (8 * i) for i, row in enumerate(rows(c))) for c in PRINTABLE}
    differences = {(a, b): (looks[a] ^ looks[b]).bit_count() for a, b in combinations(PRINTABLE, 2)}
    # A dot is enough for a zero, which else is a capital O.
    assert {pair for pair, pixels in differences.items() if pixels < 2} == {("0", "O")}
    for pair in ("1I", "1l", "Il", "5S", "8B", ":;", "2Z", "6G", "uv", "UV", ".,", "I|", "l|"):
        assert differences[tuple(sorted(pair))] >= 2, pair
