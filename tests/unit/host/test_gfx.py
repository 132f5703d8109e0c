"""Pictures against slow oracles, and native code against plain Python."""

import inspect
import random
from types import FunctionType

import numba
import numpy as np
import pytest

from pbs.host import devices, font, gfx
from pbs.host.devices import FRONT, HEIGHT, SCREEN, WIDTH
from pbs.host.gfx import line, pixel
from pbs.host.registry import VIEWS, views_of

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
INK = 0xBEEF
LOUD_INK = INK | 0x7ABC_0000_0000_0000 | (1 << 16)  # only its low 16 bits may count

KEY = 0x0102
FIRST_BITMAP, NOT_A_BITMAP, SECOND_BITMAP = range(3)
TEXT = b"Hi, PBS 1.0!\nline two\x00\x7f\xff\n\n~ end"
NULL, FULL_TEXT, EMPTY_TEXT, BOX_TEXT = range(4)


class Machine:
    """The views, as arrays; `views` hands them out as memoryviews, as the reference engine does."""

    def __init__(self, text=TEXT, front=0):
        self.device = np.zeros(devices.DEVICE_WORDS, np.int64)
        self.device[FRONT] = front
        self.device[devices.ASSET_COUNT] = 3
        self.pixels = np.zeros(2 * SCREEN, np.uint16)
        heap = bytes(8) + text + bytes(-len(text) % 8) + b"\x80" + bytes(7)
        self.heap_bytes = np.frombuffer(heap, np.uint8).copy()
        box = 1 + (len(text) + 7) // 8
        self.objects = np.array([0, 0, 1, len(text), 1, 0, box, 1], np.int64)
        source = random.Random(7)
        first = [KEY if source.random() < 0.3 else source.randrange(1, 65536) for _ in range(5 * 3 * 2)]
        second = [source.randrange(1, 65536) for _ in range(16 * 9 * 3)]
        words = np.array([0xAAAA, *first, 0xBBBB, *second], "<u2")
        self.assets = words.view(np.uint8).copy()
        self.asset_table = np.array(
            [1, 2, 5, 3, 2, KEY, 0, 0, 2, 0, 9, 9, 9, -1, 0, 0, 1, 2 * (2 + len(first)), 16, 9, 3, -1, 0, 0], np.int64
        )
        self.colors = {FIRST_BITMAP: first, SECOND_BITMAP: second}

    def arrays(self, function):
        return [getattr(self, name) for name in views_of(function)]

    def call(self, function, *args):
        """Run it in plain Python over memoryviews."""
        return function(*[memoryview(array) for array in self.arrays(function)], *args)

    def native(self, function, *args):
        return compiled(function)(*self.arrays(function), *args)

    def screen(self, which):
        return self.pixels[which * SCREEN : (which + 1) * SCREEN].reshape(HEIGHT, WIDTH)

    def drawn(self):
        """Colour by (x, y) of what is in the back buffer; the front must not have been touched."""
        front = int(self.device[FRONT])
        assert not self.screen(front).any()
        back = self.screen(1 - front)
        return {(int(x), int(y)): int(back[y, x]) for y, x in np.argwhere(back)}


def draw(function, *args, front=0):
    """The places that a call sets on an empty screen, all of them in INK."""
    machine = Machine(front=front)
    machine.call(function, *args)
    drawn = machine.drawn()
    assert set(drawn.values()) <= {INK}
    return set(drawn)


def on_screen(places):
    return {(x, y) for x, y in places if 0 <= x < WIDTH and 0 <= y < HEIGHT}


def saturated(*values):
    return tuple(min(max(value, -32768), 32767) for value in values)


# ---- clear, pixel, present -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("front", [0, 1])
def test_clear_fills_the_back_buffer_only(front):
    assert len(draw(gfx.clear, LOUD_INK, front=front)) == SCREEN


@pytest.mark.parametrize("front", [0, 1])
@pytest.mark.parametrize("place", [(0, 0), (WIDTH - 1, 0), (0, HEIGHT - 1), (WIDTH - 1, HEIGHT - 1), (17, 100)])
def test_pixel_sets_one_place(place, front):
    assert draw(gfx.pixel, *place, LOUD_INK, front=front) == {place}


@pytest.mark.parametrize("out", [-1, INT_MIN, INT_MAX, 2**32, 2**31, 65536])
def test_pixel_outside_sets_nothing(out):
    for place in ((out, 5), (5, out), (out, out)):
        assert draw(gfx.pixel, *place, INK) == set()
    assert draw(gfx.pixel, WIDTH, 0, INK) == draw(gfx.pixel, 0, HEIGHT, INK) == set()


def test_present_swaps_the_screens_and_keeps_what_they_hold():
    machine = Machine()
    machine.call(gfx.pixel, 1, 2, INK)
    machine.call(gfx.present)
    assert machine.device[FRONT] == 1
    assert machine.screen(1)[2, 1] == INK
    machine.call(gfx.pixel, 3, 4, INK)
    assert machine.screen(0)[4, 3] == INK
    machine.call(gfx.present)
    assert machine.device[FRONT] == 0
    assert np.count_nonzero(machine.pixels) == 2


# ---- lines ---------------------------------------------------------------------------------------------------------


def bresenham(x0, y0, x1, y1):
    """The textbook's loop over one error term, unclipped."""
    dx, dy = abs(x1 - x0), -abs(y1 - y0)
    step_x, step_y = (1 if x0 < x1 else -1), (1 if y0 < y1 else -1)
    error = dx + dy
    while True:
        yield x0, y0
        if (x0, y0) == (x1, y1):
            return
        doubled = 2 * error
        if doubled >= dy:
            error += dy
            x0 += step_x
        if doubled <= dx:
            error += dx
            y0 += step_y


def test_lines_in_every_direction_are_bresenhams():
    for x in range(-9, 10):
        for y in range(-9, 10):
            assert draw(gfx.line, 50, 60, 50 + x, 60 + y, LOUD_INK) == set(bresenham(50, 60, 50 + x, 60 + y)), (x, y)


def test_clipped_lines_are_bresenhams_inside_the_screen():
    source = random.Random(1)
    reach = [(-40, 360, -40, 220), (-3000, 3000, -2000, 2000), (300, 340, 160, 200), (-20, 20, -20, 20)]
    for round_ in range(200):
        left, right, top, bottom = reach[round_ % len(reach)]
        ends = [source.randint(*((left, right) if i % 2 == 0 else (top, bottom))) for i in range(4)]
        assert draw(gfx.line, *ends, INK) == on_screen(bresenham(*ends)), ends


@pytest.mark.parametrize(
    "ends",
    [
        (INT_MIN, INT_MIN, INT_MAX, INT_MAX),
        (INT_MAX, 90, INT_MIN, 91),
        (160, INT_MAX, 161, INT_MIN),
        (-32768, 179, 32767, 0),
        (0, 0, INT_MAX, 17),
        (319, 179, INT_MIN, INT_MIN),
        (INT_MIN, 0, INT_MIN, 179),
        (0, INT_MAX, 319, INT_MAX),
        (-20, 50, 60, 130),
        (50, -20, -30, 60),
        (340, 150, 200, 10),
        (30, 200, 130, 100),
    ],
)
def test_the_longest_lines_saturate_first_and_diagonals_enter_anywhere(ends):
    assert draw(gfx.line, *ends, INK) == on_screen(bresenham(*saturated(*ends)))


# ---- boxes ---------------------------------------------------------------------------------------------------------


def box(x, y, width, height):
    """Columns and rows of a box on the screen."""
    x, y, width, height = saturated(x, y, width, height)
    columns, rows = range(max(x, 0), min(x + width, WIDTH)), range(max(y, 0), min(y + height, HEIGHT))
    return {(column, row) for column in columns for row in rows}


def outline(x, y, width, height):
    x, y, width, height = saturated(x, y, width, height)
    inside = box(x + 1, y + 1, width - 2, height - 2) if width > 2 and height > 2 else set()
    return box(x, y, width, height) - inside


BOXES = [
    (10, 20, 30, 40),
    (10, 20, 1, 1),
    (10, 20, 2, 2),
    (10, 20, 1, 9),
    (10, 20, 9, 1),
    (10, 20, 0, 5),
    (10, 20, 5, 0),
    (10, 20, -1, 5),
    (10, 20, 5, INT_MIN),
    (0, 0, WIDTH, HEIGHT),
    (-1, -1, WIDTH + 2, HEIGHT + 2),
    (-5, 7, 10, 10),
    (7, -5, 10, 10),
    (WIDTH - 5, 7, 10, 10),
    (7, HEIGHT - 5, 10, 10),
    (WIDTH, 7, 10, 10),
    (7, HEIGHT, 10, 10),
    (-10, 7, 10, 10),
    (-9, 7, 10, 10),
    (INT_MIN, INT_MIN, INT_MAX, INT_MAX),
    (-32768, 3, 32769, 4),
    (5, 6, INT_MAX, INT_MAX),
    (INT_MAX, INT_MAX, INT_MAX, INT_MAX),
    (-20000, -20000, 32767, 32767),
]


@pytest.mark.parametrize("measures", BOXES)
def test_boxes_and_their_outlines_are_clipped(measures):
    assert draw(gfx.fill_rectangle, *measures, LOUD_INK) == box(*measures)
    assert draw(gfx.rectangle, *measures, LOUD_INK) == outline(*measures)


# ---- circles -------------------------------------------------------------------------------------------------------


def midpoint_circle(x, y, radius):
    """The textbook's octant, mirrored eight times, unclipped."""
    if radius < 0:
        return set()
    places, a, b, decision = set(), 0, radius, 1 - radius
    while a <= b:
        for u, v in ((a, b), (b, a)):
            places |= {(x + u, y + v), (x - u, y + v), (x + u, y - v), (x - u, y - v)}
        a += 1
        if decision < 0:
            decision += 2 * a + 1
        else:
            b -= 1
            decision += 2 * (a - b) + 1
    return places


def filled(places):
    """Every row from its first to its last place."""
    ends = {}
    for x, y in places:
        low, high = ends.get(y, (x, x))
        ends[y] = min(low, x), max(high, x)
    return {
        (x, y)
        for y, (low, high) in ends.items()
        if 0 <= y < HEIGHT
        for x in range(max(low, 0), min(high, WIDTH - 1) + 1)
    }


def check_circle(x, y, radius):
    expected = midpoint_circle(*saturated(x, y, radius))
    assert draw(gfx.circle, x, y, radius, LOUD_INK) == on_screen(expected), (x, y, radius)
    assert draw(gfx.disc, x, y, radius, LOUD_INK) == filled(expected), (x, y, radius)


@pytest.mark.parametrize("radius", [-1, -2, INT_MIN, *range(91)])
def test_circles_are_the_midpoint_algorithms_and_discs_what_they_enclose(radius):
    check_circle(160, 90, radius)


def test_every_circle_has_the_midpoint_algorithms_rows():
    for radius in range(91, 700, 7):
        places = midpoint_circle(0, 0, radius)
        widest = {y: max(x for x, row in places if row == y) for y in range(0, radius + 1, 13)}
        assert {y: gfx.half_width(radius, y) for y in widest} == widest
        assert gfx.half_width(radius, radius + 1) == -1


def test_circles_are_clipped_at_every_edge():
    source = random.Random(2)
    for _ in range(60):
        check_circle(source.randint(-60, 380), source.randint(-60, 240), source.randint(0, 120))
    for x, y in ((0, 0), (WIDTH - 1, 0), (0, HEIGHT - 1), (WIDTH - 1, HEIGHT - 1)):
        check_circle(x, y, 5)


@pytest.mark.parametrize(
    ("x", "y", "radius"),
    [
        (160, -32700, INT_MAX),
        (160, -32767, 32767),
        (160, 32767 + 90, 32767),
        (-32500, 90, 32767),
        (32767, 90, 32600),
        (-23000, -23000, 32700),
        (INT_MAX, INT_MIN, INT_MAX),
        (160, 90, INT_MAX),
        (160, 90, 184),
    ],
)
def test_huge_circles_pass_through_the_screen(x, y, radius):
    check_circle(x, y, radius)


# ---- text ----------------------------------------------------------------------------------------------------------


def glyph(character):
    """Columns and rows of a character's pixels."""
    at = (character - 32) * 8
    rows = font.GLYPHS[at : at + 8] if 32 <= character <= 126 else font.UNKNOWN
    return {(column, row) for row in range(8) for column in range(6) if rows[row] & (32 >> column)}


def typeset(x, y, text, scale):
    x, y = saturated(x, y)
    places, left = set(), x
    for character in text:
        if character == 10:
            left, y = x, y + 8 * scale
            continue
        for column, row in glyph(character):
            places |= {(left + column * scale + i, y + row * scale + j) for i in range(scale) for j in range(scale)}
        left += 6 * scale
    return on_screen(places)


@pytest.mark.parametrize("scale", range(1, 9))
def test_text_is_set_in_cells_and_newlines_return(scale):
    assert draw(gfx.draw_text, 3, 4, FULL_TEXT, LOUD_INK, scale) == typeset(3, 4, TEXT, scale)


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (-1, 1), (INT_MIN, 1), (9, 8), (INT_MAX, 8)])
def test_scales_saturate(asked, given):
    assert draw(gfx.draw_text, 3, 4, FULL_TEXT, INK, asked) == draw(gfx.draw_text, 3, 4, FULL_TEXT, INK, given)


@pytest.mark.parametrize("scale", [1, 3])
def test_text_is_clipped_at_every_edge(scale):
    for x, y in ((-4, 50), (50, -5), (WIDTH - 9, 50), (50, HEIGHT - 3), (-70, -3), (WIDTH, 0), (0, HEIGHT)):
        assert draw(gfx.draw_text, x, y, FULL_TEXT, INK, scale) == typeset(x, y, TEXT, scale), (x, y)
    for x, y in ((INT_MIN, 0), (0, INT_MIN), (INT_MAX, 0), (0, INT_MAX)):
        assert draw(gfx.draw_text, x, y, FULL_TEXT, INK, scale) == set()


def test_null_and_empty_text_draw_nothing():
    assert draw(gfx.draw_text, 5, 5, NULL, INK, 2) == draw(gfx.draw_text, 5, 5, EMPTY_TEXT, INK, 2) == set()


def test_only_the_low_half_of_a_handle_is_an_index():
    for handle in (FULL_TEXT | (0x1234 << 32), FULL_TEXT - 2**63):
        assert draw(gfx.draw_text, 3, 4, handle, INK, 1) == typeset(3, 4, TEXT, 1)


def test_unknown_characters_are_a_hollow_box():
    expected = {(column, row) for column in range(5) for row in range(7) if column in (0, 4) or row in (0, 6)}
    assert draw(gfx.draw_text, 0, 0, BOX_TEXT, INK, 1) == expected


def test_text_is_transparent():
    machine = Machine()
    machine.call(gfx.clear, 0x1234)
    machine.call(gfx.draw_text, 3, 4, FULL_TEXT, INK, 1)
    drawn = machine.drawn()
    assert {place for place, color in drawn.items() if color == INK} == typeset(3, 4, TEXT, 1)
    assert set(drawn.values()) == {INK, 0x1234}


def test_the_old_text_is_the_new_one_at_scale_one():
    assert draw(gfx.draw_text_1, 3, 4, FULL_TEXT, LOUD_INK) == typeset(3, 4, TEXT, 1)
    machine = Machine()
    cost = machine.call(gfx.draw_text_cycles, 3, 4, FULL_TEXT, INK, 1)
    assert machine.call(gfx.draw_text_1_cycles, 3, 4, FULL_TEXT, INK) == cost


@pytest.mark.parametrize(
    "value", [0, 7, 9, 10, -1, -9, -10, 99, 100, 1234567890, 10**18, 10**18 - 1, INT_MAX, INT_MIN, INT_MIN + 1]
)
@pytest.mark.parametrize("scale", [1, 2])
def test_numbers_are_set_like_their_text(value, scale):
    for x in (1, -13, 300):
        assert draw(gfx.number, x, 4, value, LOUD_INK, scale) == typeset(x, 4, str(value).encode(), scale)
    assert gfx.number_cycles(1, 4, value, INK, scale) == 16 * scale * scale * len(str(value))


# ---- sprites -------------------------------------------------------------------------------------------------------


def sprite_places(machine, asset, frame, x, y, flip):
    colors = machine.colors[asset]
    width, height, key = (5, 3, KEY) if asset == FIRST_BITMAP else (16, 9, -1)
    x, y = saturated(x, y)
    places = {}
    for row in range(height):
        for column in range(width):
            color = colors[(frame * height + row) * width + column]
            if color != key:
                across = width - 1 - column if flip & 1 else column
                down = height - 1 - row if flip & 2 else row
                places[x + across, y + down] = color
    return {place: places[place] for place in on_screen(places)}


@pytest.mark.parametrize("flip", [0, 1, 2, 3, -4, INT_MAX])
@pytest.mark.parametrize(("asset", "frames"), [(FIRST_BITMAP, 2), (SECOND_BITMAP, 3)])
def test_sprites_show_every_frame_flipped_and_clipped(asset, frames, flip):
    corners = [(100, 50), (-3, 20), (20, -2), (WIDTH - 4, 20), (20, HEIGHT - 2), (-2, HEIGHT - 1), (WIDTH - 1, -1)]
    outside = [(WIDTH, 0), (0, HEIGHT), (-16, 0), (0, -9), (INT_MIN, 0), (0, INT_MAX)]
    for frame in range(frames):
        for x, y in corners + outside:
            machine = Machine(front=frame & 1)
            assert machine.call(gfx.sprite, asset, frame, x, y, flip) == gfx.OK
            assert machine.drawn() == sprite_places(machine, asset, frame, x, y, flip), (frame, x, y)


@pytest.mark.parametrize("asset", [NOT_A_BITMAP, 3, -1, 2**61, INT_MIN, INT_MAX])
def test_what_is_no_bitmap_is_not_drawn(asset):
    machine = Machine()
    assert machine.call(gfx.sprite, asset, 0, 10, 10, 0) == gfx.NO_SUCH_ASSET
    assert machine.call(gfx.sprite_cycles, asset, 0, 10, 10, 0) == 0
    assert not machine.drawn()


@pytest.mark.parametrize("frame", [2, -1, INT_MIN, INT_MAX])
def test_a_frame_that_is_not_there_is_not_drawn(frame):
    machine = Machine()
    assert machine.call(gfx.sprite, FIRST_BITMAP, frame, 10, 10, 0) == gfx.NO_SUCH_FRAME
    assert not machine.drawn()


def test_a_cartridge_without_assets_has_no_sprites():
    machine = Machine()
    machine.asset_table = np.zeros(0, np.int64)
    machine.device[devices.ASSET_COUNT] = 0
    assert machine.call(gfx.sprite, 0, 0, 0, 0, 0) == gfx.NO_SUCH_ASSET


# ---- rows and costs ------------------------------------------------------------------------------------------------

ROWS = {row.identity: row for row in gfx.ROWS}


def test_identities_and_numbers_are_frozen():
    assert {row.identity: row.number for row in gfx.ROWS} == {
        "gfx.clear/1": 0x1001,
        "gfx.pixel/1": 0x1002,
        "gfx.line/1": 0x1003,
        "gfx.rectangle/1": 0x1004,
        "gfx.fill_rectangle/1": 0x1005,
        "gfx.circle/1": 0x1006,
        "gfx.disc/1": 0x1007,
        "gfx.text/1": 0x1008,
        "gfx.text/2": 0x1009,
        "gfx.number/1": 0x100A,
        "gfx.sprite/1": 0x100B,
        "gfx.present/1": 0x100C,
    }
    assert {row.capability for row in gfx.ROWS} == {"gfx@1.0"}


def test_circles_skip_the_rows_that_cannot_be_seen():
    assert [gfx.distance_to_rows(y) for y in (-32768, -1, 0, 90, 179, 180, 32767)] == [32768, 1, 0, 0, 0, 1, 32588]


def test_only_the_old_text_is_on_its_way_out():
    old = ROWS["gfx.text/1"]
    assert (old.deprecated, old.removed, old.shim_of) == ("1.0.0", "2.0.0", "gfx.text/2")
    assert [row.identity for row in gfx.ROWS if row.deprecated or row.removed or row.shim_of] == ["gfx.text/1"]


@pytest.mark.parametrize("row", gfx.ROWS, ids=lambda row: row.identity)
def test_functions_take_what_their_rows_declare(row):
    for function in filter(None, (row.function, row.extra_cycles)):
        names = [name for name in inspect.signature(function).parameters if name not in VIEWS]
        assert names == [name for name, _ in row.params]
    assert 4 <= row.cycles <= 16 or row.identity == "gfx.clear/1"
    assert row.summary.endswith(".")


def test_what_cannot_be_seen_costs_nothing_beyond_its_base():
    assert gfx.line_cycles(-9, -9, -9, 400, INK) == HEIGHT >> 2  # its rows could be seen, so they are walked
    assert gfx.line_cycles(-9, -9, -1, -200, INK) == 0
    for x, y in ((WIDTH, 0), (0, HEIGHT), (-8, 0), (0, -8)):
        assert gfx.fill_rectangle_cycles(x, y, 8, 8, INK) == 0
    assert Machine().call(gfx.sprite_cycles, FIRST_BITMAP, 0, 50, HEIGHT, 0) == 0
    for x, y in ((160, -100), (160, 400)):
        assert gfx.disc_cycles(x, y, 50, INK) == 0
    assert gfx.disc_cycles(160, 90, -1, INK) == gfx.circle_cycles(160, 90, -1, INK) == 0


def test_costs_follow_the_visible_pixels():
    assert gfx.fill_rectangle_cycles(INT_MIN, INT_MIN, INT_MAX, INT_MAX, INK) == 0
    assert gfx.fill_rectangle_cycles(0, 0, WIDTH, HEIGHT, INK) == SCREEN // 32 == ROWS["gfx.clear/1"].cycles
    assert gfx.fill_rectangle_cycles(10, 10, 33, 7, INK) == 2 * 7
    assert gfx.line_cycles(0, 0, 99, 3, INK) == 25
    assert gfx.line_cycles(0, 0, 3, 99, INK) == 25
    assert gfx.line_cycles(INT_MIN, 0, INT_MAX, 0, INK) == WIDTH // 4
    assert gfx.circle_cycles(160, 90, 10, INK) == 4 * 21 + 21 // 4
    assert gfx.disc_cycles(160, 90, 10, INK) == 21 + 2 * 21
    assert gfx.rectangle_cycles(10, 10, 32, 20, INK) == 2 + 10
    machine = Machine()
    assert machine.call(gfx.draw_text_cycles, 0, 0, FULL_TEXT, INK, 3) == len(TEXT) * 16 * 9
    assert machine.call(gfx.draw_text_cycles, 0, 0, NULL, INK, 8) == 0
    assert machine.call(gfx.sprite_cycles, SECOND_BITMAP, 0, 10, 10, 0) == 9 * (1 + 4)
    assert machine.call(gfx.sprite_cycles, SECOND_BITMAP, 0, -12, -5, 0) == 4 * (1 + 1)


# ---- native code ---------------------------------------------------------------------------------------------------

_COMPILED = {}


def compiled(function):
    """The function as native code, the helpers that it refers to likewise; once each."""
    if function not in _COMPILED:
        names = dict(function.__globals__)
        for name in function.__code__.co_names:
            if isinstance(names.get(name), FunctionType):
                names[name] = compiled(names[name])
        copy = FunctionType(function.__code__, names, function.__name__)
        _COMPILED[function] = numba.njit(copy, error_model="numpy")
    return _COMPILED[function]


EXTREMES = [INT_MIN, INT_MIN + 1, -(2**32), -(2**31), -65536, -32769, -32768, -321, -1, 0, 1, 2, 3, 7, 8]
EXTREMES += [179, 180, 319, 320, 32766, 32767, 32768, 65535, 65536, 2**31, 2**32, INT_MAX - 1, INT_MAX]


MOST_CYCLES = 20 * 16 * 8 * 8  # the longest number in the largest scale


def arguments(row, source):
    """Random ones: most near the screen, many extreme, any value of an int now and then. Handles are always alive."""
    near = {"x": 330, "y": 190, "x0": 330, "y0": 190, "x1": 330, "y1": 190, "width": 330, "height": 190, "radius": 120}
    few = {"asset": 3, "frame": 3, "flip": 3, "scale": 3}
    values = []
    for name, kind in row.params:
        dice = source.random()
        if kind == "bytes":
            values.append(source.randrange(4) | source.randrange(-(2**31), 2**31) << 32)
        elif dice < 0.25:
            values.append(source.choice(EXTREMES))
        elif dice < 0.35:
            values.append(source.randint(INT_MIN, INT_MAX))
        elif name in few:
            values.append(source.randint(0, few[name]))
        else:
            reach = near.get(name, 65535)
            values.append(source.randint(-reach // 8, reach))
    return values


def difference(row, native_function, rounds):
    """The first call after which native code and plain Python are not in the same state, or None."""
    source = random.Random(row.number)
    text = bytes(source.choice([10, 31, 32, 65, 103, 126, 127, 255]) for _ in range(9))
    plain, native = Machine(text=text), Machine(text=text)
    for _ in range(rounds):
        values = arguments(row, source)
        results = plain.call(row.function, *values), native.native(native_function, *values)
        if row.extra_cycles is not None:
            costs = plain.call(row.extra_cycles, *values), native.native(row.extra_cycles, *values)
            if costs[0] != costs[1] or not 0 <= costs[0] <= MOST_CYCLES:
                return values, costs
        same = np.array_equal(plain.pixels, native.pixels) and np.array_equal(plain.device, native.device)
        if results[0] != results[1] or not same:
            return values, results
    return None


@pytest.mark.parametrize("row", gfx.ROWS, ids=lambda row: row.identity)
def test_native_code_does_what_plain_python_does(row):
    assert difference(row, row.function, rounds=20 if row.name in ("clear", "present") else 250) is None


def line_with_a_wrong_end(device, pixels, x0, y0, x1, y1, color):
    line(device, pixels, x0, y0, x1, y1, color)
    pixel(device, pixels, x1, y1, color ^ 1)


def test_a_difference_of_one_pixel_would_be_noticed():
    assert difference(ROWS["gfx.line/1"], line_with_a_wrong_end, rounds=250) is not None
