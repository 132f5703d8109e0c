"""The picture: services that draw into the back buffer, and the one that shows it.

The screen is 320 by 180 pixels of RGB565; of a colour only the low 16 bits count. Coordinates, sizes and radii first
saturate to -32768..32767, so no int64 can overflow, and everything is clipped to the screen. Shapes and text are made
of filled boxes, so `fill` clips and writes for nearly all. What a call costs follows from what of it can be visible.

Loops over a row of pixels start at an index that the compiler can see is not negative: that makes them vector code.
"""

from __future__ import annotations

from .devices import ASSET_COUNT, FRONT, HEIGHT, PRESENTS, SCREEN, WIDTH, Bytes, Pixels, Words
from .font import FIRST, GLYPH_HEIGHT, GLYPH_WIDTH, GLYPHS, LAST, UNKNOWN
from .log import tenth
from .registry import Service

OK = 0
NO_SUCH_ASSET = 1
NO_SUCH_FRAME = 2

# The view `asset_table`: one row of this many words per asset
ASSET_WORDS = 8
ASSET_KIND = 0
ASSET_START = 1  # first byte of the pixels in the view `assets`: uint16, low byte first, row by row, frame after frame
ASSET_WIDTH = 2
ASSET_HEIGHT = 3
ASSET_FRAMES = 4
ASSET_KEY = 5  # the colour that is not drawn, or -1
BITMAP = 1  # the kind that can be drawn

NEWLINE = 10
MINUS = 45
DIGIT_ZERO = 48


# ---- shapes --------------------------------------------------------------------------------------------------------


def clear(device: Words, pixels: Pixels, color: int) -> None:
    """Give every pixel one colour."""
    first, color = back_buffer(device), color & 0xFFFF
    for at in range(first, first + SCREEN):
        pixels[at] = color


def pixel(device: Words, pixels: Pixels, x: int, y: int, color: int) -> None:
    """Set one pixel, where it is on the screen."""
    if 0 <= x < WIDTH and 0 <= y < HEIGHT:
        pixels[back_buffer(device) + y * WIDTH + x] = color & 0xFFFF


def line(device: Words, pixels: Pixels, x0: int, y0: int, x1: int, y1: int, color: int) -> None:
    """Bresenham's line, both ends included.

    Step `i` of `n` along the longer axis lies floor((2 * i * shorter + n) / (2 * n)) steps along the shorter one. That
    is what Bresenham's error term counts, so drawing can begin in the midst of the line and still meet the same pixels.
    """
    x0, y0, x1, y1 = saturate(x0), saturate(y0), saturate(x1), saturate(y1)
    right, down = 1 if x1 >= x0 else -1, 1 if y1 >= y0 else -1
    longer, shorter = abs(x1 - x0), abs(y1 - y0)
    steep = longer < shorter
    if steep:
        longer, shorter = shorter, longer
    skipped = steps_before(y0, y1, HEIGHT) if steep else steps_before(x0, x1, WIDTH)
    span = 2 * max(longer, 1)
    progress = 2 * skipped * shorter + longer
    aside, rest = progress // span, progress % span
    first = back_buffer(device)
    for step in range(skipped, skipped + line_steps(x0, y0, x1, y1)):
        x = x0 + right * (aside if steep else step)
        y = y0 + down * (step if steep else aside)
        if 0 <= x < WIDTH and 0 <= y < HEIGHT:
            pixels[first + y * WIDTH + x] = color & 0xFFFF
        rest += 2 * shorter
        if rest >= span:
            rest -= span
            aside += 1


def line_cycles(x0: int, y0: int, x1: int, y1: int, color: int) -> int:
    """A cycle for every four steps inside the screen's extent along the longer axis."""
    return line_steps(saturate(x0), saturate(y0), saturate(x1), saturate(y1)) >> 2


def rectangle(device: Words, pixels: Pixels, x: int, y: int, width: int, height: int, color: int) -> None:
    """The outline of a box, one pixel thick."""
    x, y, width, height = saturate(x), saturate(y), saturate(width), saturate(height)
    if width >= 1 and height >= 1:
        fill(device, pixels, x, y, width, 1, color)
        fill(device, pixels, x, y + height - 1, width, 1, color)
        fill(device, pixels, x, y, 1, height, color)
        fill(device, pixels, x + width - 1, y, 1, height, color)


def rectangle_cycles(x: int, y: int, width: int, height: int, color: int) -> int:
    """Two rows of at most the width, and two pixels in every visible row."""
    x, y, width, height = saturate(x), saturate(y), saturate(width), saturate(height)
    return (visible(x, width, WIDTH) >> 4) + (visible(y, height, HEIGHT) >> 1)


def fill_rectangle(device: Words, pixels: Pixels, x: int, y: int, width: int, height: int, color: int) -> None:
    """A filled box."""
    fill(device, pixels, saturate(x), saturate(y), saturate(width), saturate(height), color)


def fill_rectangle_cycles(x: int, y: int, width: int, height: int, color: int) -> int:
    """What the visible part costs."""
    return fill_cycles(saturate(x), saturate(y), saturate(width), saturate(height))


def circle(device: Words, pixels: Pixels, x: int, y: int, radius: int, color: int) -> None:
    """The outline that the midpoint algorithm draws. Rows at one distance from the centre are drawn together.

    A row of the outline reaches from the end of the disc's row to just behind the end of the next, shorter one.
    """
    x, y, radius = saturate(x), saturate(y), saturate(radius)
    nearest, farthest = distance_to_rows(y), min(radius, max(y, HEIGHT - 1 - y))
    outer = half_width(radius, nearest)
    for distance in range(nearest, farthest + 1):
        beyond = half_width(radius, distance + 1)
        thickness = max(outer - beyond, 1)
        for row in range(y - distance, y + distance + 1, max(2 * distance, 1)):
            fill(device, pixels, x - outer, row, thickness, 1, color)
            fill(device, pixels, x + outer - thickness + 1, row, thickness, 1, color)
        outer = beyond


def circle_cycles(x: int, y: int, radius: int, color: int) -> int:
    """Four for every visible row, whose ends must be found, and one for every four visible columns."""
    x, y, radius = saturate(x), saturate(y), saturate(radius)
    side = 2 * radius + 1
    return 4 * visible(y - radius, side, HEIGHT) + (visible(x - radius, side, WIDTH) >> 2)


def disc(device: Words, pixels: Pixels, x: int, y: int, radius: int, color: int) -> None:
    """What `circle` encloses, the outline included."""
    x, y, radius = saturate(x), saturate(y), saturate(radius)
    for row in range(max(y - radius, 0), min(y + radius, HEIGHT - 1) + 1):
        half = half_width(radius, abs(row - y))
        fill(device, pixels, x - half, row, 2 * half + 1, 1, color)


def disc_cycles(x: int, y: int, radius: int, color: int) -> int:
    """As if the visible part of the square around it were filled, and two for every row, whose ends must be found."""
    x, y, radius = saturate(x), saturate(y), saturate(radius)
    side = 2 * radius + 1
    return fill_cycles(x - radius, y - radius, side, side) + 2 * visible(y - radius, side, HEIGHT)


# ---- text ----------------------------------------------------------------------------------------------------------


def draw_text(
    device: Words, pixels: Pixels, objects: Words, heap_bytes: Bytes, x: int, y: int, text: int, color: int, scale: int
) -> None:
    """Glyph after glyph to the right of x, y, each pixel `scale` wide and high; a newline goes back to x and down."""
    x, y, scale = saturate(x), saturate(y), text_scale(scale)
    index = text & 0xFFFFFFFF
    start = objects[2 * index] * 8
    left = x
    for i in range(objects[2 * index + 1]):
        character = heap_bytes[start + i]
        if character == NEWLINE:
            left = x
            y += GLYPH_HEIGHT * scale
        else:
            draw_glyph(device, pixels, left, y, character, color, scale)
            left += GLYPH_WIDTH * scale


def draw_text_cycles(objects: Words, x: int, y: int, text: int, color: int, scale: int) -> int:
    """What each character costs, drawn or not."""
    return objects[2 * (text & 0xFFFFFFFF) + 1] * glyph_cycles(text_scale(scale))


def draw_text_1(
    device: Words, pixels: Pixels, objects: Words, heap_bytes: Bytes, x: int, y: int, text: int, color: int
) -> None:
    """Shim: text before it could be scaled."""
    draw_text(device, pixels, objects, heap_bytes, x, y, text, color, 1)


def draw_text_1_cycles(objects: Words, x: int, y: int, text: int, color: int) -> int:
    """As for the text that it becomes."""
    return draw_text_cycles(objects, x, y, text, color, 1)


def number(device: Words, pixels: Pixels, x: int, y: int, value: int, color: int, scale: int) -> None:
    """An int in decimal, from its last digit to its first, as `draw_text` would draw it."""
    x, y, scale = saturate(x), saturate(y), text_scale(scale)
    advance = GLYPH_WIDTH * scale
    left = x + number_length(value) * advance
    rest = value
    for _ in range(number_length(value) - (1 if value < 0 else 0)):
        left -= advance
        above = tenth(rest)
        draw_glyph(device, pixels, left, y, DIGIT_ZERO + abs(rest - above * 10), color, scale)
        rest = above
    if value < 0:
        draw_glyph(device, pixels, x, y, MINUS, color, scale)


def number_cycles(x: int, y: int, value: int, color: int, scale: int) -> int:
    """What each character costs, drawn or not."""
    return number_length(value) * glyph_cycles(text_scale(scale))


# ---- sprites and the screen ----------------------------------------------------------------------------------------


def sprite(
    device: Words, pixels: Pixels, assets: Bytes, asset_table: Words, asset: int, frame: int, x: int, y: int, flip: int
) -> int:
    """Draw one frame of a bitmap asset; a flipped axis walks through the source backwards."""
    if not has_bitmap(device, asset_table, asset):
        return NO_SUCH_ASSET
    about = asset * ASSET_WORDS
    if not 0 <= frame < asset_table[about + ASSET_FRAMES]:
        return NO_SUCH_FRAME
    width, height = asset_table[about + ASSET_WIDTH], asset_table[about + ASSET_HEIGHT]
    key = asset_table[about + ASSET_KEY]
    x, y = saturate(x), saturate(y)
    left, right = clamp(x, WIDTH), clamp(x + width, WIDTH)
    source_x = width - 1 - (left - x) if flip & 1 else left - x
    first = back_buffer(device)
    for row in range(clamp(y, HEIGHT), clamp(y + height, HEIGHT)):
        source_y = height - 1 - (row - y) if flip & 2 else row - y
        source = asset_table[about + ASSET_START] + 2 * ((frame * height + source_y) * width + source_x)
        source &= 0x7FFFFFFF  # changes nothing; it shows the compiler that the index is not negative
        at = first + row * WIDTH + left
        # Sums and products, not shifts: shifted bytes are unsigned to numba, and a key of -1 is not.
        if flip & 1:
            for i in range(right - left):
                color = assets[source - 2 * i] + assets[source - 2 * i + 1] * 256
                if color != key:
                    pixels[at + i] = color
        else:
            for i in range(right - left):
                color = assets[source + 2 * i] + assets[source + 2 * i + 1] * 256
                if color != key:
                    pixels[at + i] = color
    return OK


def sprite_cycles(
    device: Words,
    asset_table: Words,
    asset: int,
    frame: int,
    x: int,
    y: int,
    flip: int,
) -> int:
    """A cycle for every four visible pixels, and one for every row."""
    if not has_bitmap(device, asset_table, asset):
        return 0
    columns = visible(saturate(x), asset_table[asset * ASSET_WORDS + ASSET_WIDTH], WIDTH)
    return visible(saturate(y), asset_table[asset * ASSET_WORDS + ASSET_HEIGHT], HEIGHT) * (1 + (columns >> 2))


def present(device: Words) -> None:
    """Show the back buffer; what was shown becomes the back buffer, with what it holds."""
    device[FRONT] = 1 - device[FRONT]
    device[PRESENTS] += 1


# ---- what they share -----------------------------------------------------------------------------------------------


def has_bitmap(device: Words, asset_table: Words, asset: int) -> bool:
    """Whether there is such an asset and it can be drawn."""
    return 0 <= asset < device[ASSET_COUNT] and asset_table[asset * ASSET_WORDS + ASSET_KIND] == BITMAP


def saturate(value: int) -> int:
    """The nearest int of 16 bits."""
    return min(max(value, -32768), 32767)


def text_scale(scale: int) -> int:
    """The nearest scale that there is."""
    return min(max(scale, 1), 8)


def back_buffer(device: Words) -> int:
    """Where in `pixels` the screen that is not shown starts."""
    return ((1 - device[FRONT]) & 1) * SCREEN


def clamp(value: int, limit: int) -> int:
    """The nearest int in 0 .. limit."""
    return min(max(value, 0), limit)


def visible(start: int, size: int, limit: int) -> int:
    """How many of `size` places from `start` on lie in 0 .. limit - 1."""
    return max(clamp(start + size, limit) - clamp(start, limit), 0)


def steps_before(start: int, end: int, limit: int) -> int:
    """Steps from `start` toward `end` before a place in 0 .. limit - 1 is reached, if one is."""
    return max(-start, 0) if end >= start else max(start - (limit - 1), 0)


def line_steps(x0: int, y0: int, x1: int, y1: int) -> int:
    """Places along a line's longer axis that lie within the screen's extent along it."""
    if abs(x1 - x0) >= abs(y1 - y0):
        return visible(min(x0, x1), abs(x1 - x0) + 1, WIDTH)
    return visible(min(y0, y1), abs(y1 - y0) + 1, HEIGHT)


def fill(device: Words, pixels: Pixels, x: int, y: int, width: int, height: int, color: int) -> None:
    """The visible part of a box, all of whose measures are saturated or small."""
    left, right = clamp(x, WIDTH), clamp(x + width, WIDTH)
    first = back_buffer(device)
    for row in range(clamp(y, HEIGHT), clamp(y + height, HEIGHT)):
        for at in range(first + row * WIDTH + left, first + row * WIDTH + right):
            pixels[at] = color & 0xFFFF


def fill_cycles(x: int, y: int, width: int, height: int) -> int:
    """A cycle for every 32 pixels, or part of them, in every visible row."""
    return visible(y, height, HEIGHT) * ((visible(x, width, WIDTH) + 31) >> 5)


def distance_to_rows(y: int) -> int:
    """How far a row is from the nearest one on the screen."""
    return max(-y, y - (HEIGHT - 1), 0)


def half_width(radius: int, distance: int) -> int:
    """How far a disc reaches to each side of its centre in the row at this distance; -1 where it has no such row.

    A place (a, b) with b the greater belongs to the disc if the midpoint below it, (a, b - 1/2), is inside the circle.
    In ints that is the condition here; the 1 lets the centre of the smallest disc in. Bisection finds the greatest `a`.
    """
    low, high = -1, max(radius, -1)
    while low < high:
        middle = (low + high + 1) >> 1
        if middle * middle + distance * distance < radius * radius + max(middle, distance, 1):
            low = middle
        else:
            high = middle - 1
    return low


def draw_glyph(device: Words, pixels: Pixels, x: int, y: int, character: int, color: int, scale: int) -> None:
    """One character; those without a glyph are a box."""
    if visible(x, GLYPH_WIDTH * scale, WIDTH) > 0 and visible(y, GLYPH_HEIGHT * scale, HEIGHT) > 0:
        for row in range(GLYPH_HEIGHT):
            known = FIRST <= character <= LAST
            bits = GLYPHS[(character - FIRST) * GLYPH_HEIGHT + row] if known else UNKNOWN[row]
            for column in range(GLYPH_WIDTH):
                if (bits >> (GLYPH_WIDTH - 1 - column)) & 1:
                    fill(device, pixels, x + column * scale, y + row * scale, scale, scale, color)


def glyph_cycles(scale: int) -> int:
    """A cycle for every three of its pixels."""
    return 16 * scale * scale


def number_length(value: int) -> int:
    """Characters of an int in decimal, the sign included."""
    length = 2 if value < 0 else 1
    rest = tenth(value)
    while rest != 0:
        length += 1
        rest = tenth(rest)
    return length


# ---- the rows ------------------------------------------------------------------------------------------------------

ROWS = (
    Service(
        module="gfx",
        name="clear",
        version=1,
        number=0x1001,
        effect="color: int ->",
        summary="Fills the back buffer with a colour: RGB565, five bits of red, six of green and five of blue.",
        function=clear,
        capability="gfx@1.0",
        cycles=1800,
    ),
    Service(
        module="gfx",
        name="pixel",
        version=1,
        number=0x1002,
        effect="x: int, y: int, color: int ->",
        summary="Sets one pixel. x runs right from 0 to 319, y down from 0 to 179; outside of that nothing is drawn.",
        function=pixel,
        capability="gfx@1.0",
        cycles=4,
    ),
    Service(
        module="gfx",
        name="line",
        version=1,
        number=0x1003,
        effect="x0: int, y0: int, x1: int, y1: int, color: int ->",
        summary="Draws a straight line, both ends included, with Bresenham's pixels.",
        function=line,
        extra_cycles=line_cycles,
        capability="gfx@1.0",
        cycles=12,
    ),
    Service(
        module="gfx",
        name="rectangle",
        version=1,
        number=0x1004,
        effect="x: int, y: int, width: int, height: int, color: int ->",
        summary="Outlines a box whose top left pixel is x, y. Nothing is drawn where width or height is below 1.",
        function=rectangle,
        extra_cycles=rectangle_cycles,
        capability="gfx@1.0",
        cycles=12,
    ),
    Service(
        module="gfx",
        name="fill_rectangle",
        version=1,
        number=0x1005,
        effect="x: int, y: int, width: int, height: int, color: int ->",
        summary="Fills a box whose top left pixel is x, y. Nothing is drawn where width or height is below 1.",
        function=fill_rectangle,
        extra_cycles=fill_rectangle_cycles,
        capability="gfx@1.0",
        cycles=8,
    ),
    Service(
        module="gfx",
        name="circle",
        version=1,
        number=0x1006,
        effect="x: int, y: int, radius: int, color: int ->",
        summary=(
            "Outlines a circle around x, y with the midpoint algorithm's pixels. With a radius of 0 that is one pixel, "
            "with a negative one nothing."
        ),
        function=circle,
        extra_cycles=circle_cycles,
        capability="gfx@1.0",
        cycles=16,
    ),
    Service(
        module="gfx",
        name="disc",
        version=1,
        number=0x1007,
        effect="x: int, y: int, radius: int, color: int ->",
        summary="Fills a circle: the outline that gfx.circle draws and all that it encloses.",
        function=disc,
        extra_cycles=disc_cycles,
        capability="gfx@1.0",
        cycles=12,
    ),
    Service(
        module="gfx",
        name="text",
        version=1,
        number=0x1008,
        effect="x: int, y: int, text: bytes, color: int ->",
        summary="Draws text in its natural size. Use gfx.text/2, which this is with a scale of 1.",
        function=draw_text_1,
        extra_cycles=draw_text_1_cycles,
        capability="gfx@1.0",
        cycles=8,
        deprecated="1.0.0",
        removed="2.0.0",
        shim_of="gfx.text/2",
    ),
    Service(
        module="gfx",
        name="text",
        version=2,
        number=0x1009,
        effect="x: int, y: int, text: bytes, color: int, scale: int ->",
        summary=(
            "Draws text over what is there, in cells of 6 by 8 pixels, each pixel enlarged to scale by scale. A scale "
            "below 1 counts as 1, one above 8 as 8. A newline, byte 10, goes back to x and one cell down; other bytes "
            "that are not printable ASCII show as a box. A null text draws nothing."
        ),
        function=draw_text,
        extra_cycles=draw_text_cycles,
        capability="gfx@1.0",
        cycles=8,
    ),
    Service(
        module="gfx",
        name="number",
        version=1,
        number=0x100A,
        effect="x: int, y: int, value: int, color: int, scale: int ->",
        summary="Draws an int in decimal, with a minus sign if it is negative, as gfx.text/2 would.",
        function=number,
        extra_cycles=number_cycles,
        capability="gfx@1.0",
        cycles=12,
    ),
    Service(
        module="gfx",
        name="sprite",
        version=1,
        number=0x100B,
        effect="asset: int, frame: int, x: int, y: int, flip: int -> status: int",
        summary=(
            "Draws a frame of a bitmap asset with its top left pixel at x, y; pixels of the key colour are left out. "
            "Bit 0 of flip mirrors left and right, bit 1 top and bottom. Status 0 is ok, 1 says that there is no such "
            "asset or it is not a bitmap, 2 that it has no such frame."
        ),
        function=sprite,
        extra_cycles=sprite_cycles,
        capability="gfx@1.0",
        cycles=12,
    ),
    Service(
        module="gfx",
        name="present",
        version=1,
        number=0x100C,
        effect="->",
        summary="Shows the back buffer; what was shown becomes the new back buffer and keeps what it holds.",
        function=present,
        capability="gfx@1.0",
        cycles=8,
    ),
)
