"""Objects: allocation, bulk moves, and the collector.

The heap is bump-allocated; `heap_order` lists the live objects' table entries in the order of their places. A handle is
entry | generation << 32 and 0 is null; entry 0 stays empty, so null has length 0. Words at and above the top are zero.
"""

from __future__ import annotations

from ...host.devices import ROW_STATE, ROW_WORDS, Bytes, Words
from ..image_tables import (
    BYTES,
    FIELD_COUNT,
    FIELDS,
    FLOAT_COUNT,
    FLOATS,
    GLOBAL_REF_COUNT,
    GLOBAL_REFS,
    LAYOUT_WORDS,
    LAYOUTS,
    LIVE_REF_COUNT,
    LIVE_REFS,
    PLAIN_WORDS,
    REF_COUNT,
    REFS,
    SAFEPOINT_COUNT,
    SAFEPOINT_KEYS,
    SAFEPOINT_ROWS,
    SAFEPOINT_WORDS,
    SHAPE,
    TYPE_COUNT,
)
from ..image_tables import CONSTANT_OBJECTS as CONSTANT_OBJECTS_WORD
from ..layout import (
    ALLOCATED,
    AT_FRAMES,
    AT_GLOBALS,
    AT_HEAP,
    AT_HEAP_ORDER,
    AT_INFO,
    AT_OBJECTS,
    AT_ROWS,
    AT_STACKS,
    AT_WORKLIST,
    COLLECTIONS,
    COROUTINE_LIMIT,
    CURSOR,
    DEPTH,
    DEPTH_LIMIT,
    FINISHED,
    FRAME_ENTRY_WORDS,
    FREE,
    HEAP_LIMIT,
    HEAP_TOP,
    INFO_SHIFT,
    LIVE_COUNT,
    MAX_GENERATION,
    OBJECT_COUNT,
    OBJECT_LIMIT,
    STACK_STRIDE,
)

LAYOUT_MASK = 0xFFFFFFFF
NAN_BITS = 0x7FF8000000000000


def allocate(state: Words, image: Words, type_index: int, length: int) -> int:
    """A zeroed object of a type table entry: `length` elements or fields. Its handle, or 0 where it does not fit."""
    return new_object(state, image, 1 + type_index, length)


def new_object(state: Words, image: Words, layout: int, length: int) -> int:
    """A zeroed object of a layout. Its handle, or 0 where heap or object table are full."""
    size = length
    if image[image[LAYOUTS] + LAYOUT_WORDS * layout + SHAPE] == BYTES:
        size = (length + 7) >> 3
    top = state[HEAP_TOP]
    if size > state[HEAP_LIMIT] - top:
        return 0
    info = state[AT_INFO]
    entry = state[CURSOR]
    limit = state[OBJECT_LIMIT]
    # An entry is free when it has no layout; one whose generations are used up is never taken again.
    while entry < limit and (
        (state[info + entry] & LAYOUT_MASK) != 0 or state[info + entry] >> INFO_SHIFT == MAX_GENERATION
    ):
        entry += 1
    if entry >= limit:
        return 0
    generation = (state[info + entry] >> INFO_SHIFT) + 1
    state[info + entry] = layout | generation << INFO_SHIFT
    state[state[AT_OBJECTS] + 2 * entry] = top
    state[state[AT_OBJECTS] + 2 * entry + 1] = length
    state[state[AT_HEAP_ORDER] + state[LIVE_COUNT]] = entry
    state[LIVE_COUNT] += 1
    state[CURSOR] = entry + 1
    state[HEAP_TOP] = top + size
    state[ALLOCATED] += size
    if entry >= state[OBJECT_COUNT]:
        state[OBJECT_COUNT] = entry + 1
    return entry | generation << INFO_SHIFT


def fill_words(state: Words, cell: int, count: int, value: int) -> int:
    """Set heap words."""
    start = state[AT_HEAP] + cell
    for i in range(start, start + count):
        state[i] = value
    return 0


def fill_bytes(state: Words, heap_bytes: Bytes, at: int, count: int, value: int) -> int:  # noqa: ARG001 - kernels take the state first
    """Set heap bytes."""
    for i in range(at, at + count):
        heap_bytes[i] = value
    return 0


def copy_words(state: Words, to: int, source: int, count: int) -> int:
    """Copy heap words as if through a third place."""
    heap = state[AT_HEAP]
    if to <= source:
        for i in range(count):
            state[heap + to + i] = state[heap + source + i]
    else:
        for i in range(count):
            state[heap + to + count - 1 - i] = state[heap + source + count - 1 - i]
    return 0


def copy_bytes(state: Words, heap_bytes: Bytes, to: int, source: int, count: int) -> int:  # noqa: ARG001 - kernels take the state first
    """Copy heap bytes as if through a third place."""
    if to <= source:
        for i in range(count):
            heap_bytes[to + i] = heap_bytes[source + i]
    else:
        for i in range(count):
            heap_bytes[to + count - 1 - i] = heap_bytes[source + count - 1 - i]
    return 0


def make_closure(state: Words, image: Words, function: int, at: int) -> int:
    """A closure of `function` that captures the words at state word `at`; its handle, or 0 where it does not fit."""
    layout = 1 + image[TYPE_COUNT] + function
    facts = image[LAYOUTS] + LAYOUT_WORDS * layout
    size = image[facts + FIELD_COUNT]
    handle = new_object(state, image, layout, size)
    if handle != 0:
        cell = state[AT_HEAP] + state[state[AT_OBJECTS] + 2 * (handle & LAYOUT_MASK)]
        state[cell] = function
        for i in range(1, size):
            state[cell + i] = state[at + i - 1]
        for i in range(image[facts + FLOAT_COUNT]):
            captured = cell + image[image[facts + FLOATS] + i]
            state[captured] = canonical(state[captured])
    return handle


def canonical(word: int) -> int:
    """The word of a float, with every NaN as the one NaN."""
    return NAN_BITS if (word & 0x7FFFFFFFFFFFFFFF) > 0x7FF0000000000000 else word


def safepoint_row(image: Words, key: int) -> int:
    """Where the row of the safepoint at a place stands in the image's words; -1 where there is none. Binary search."""
    keys = image[SAFEPOINT_KEYS]
    low = 0
    high = image[SAFEPOINT_COUNT]
    while low < high:
        middle = (low + high) >> 1
        if image[keys + middle] < key:
            low = middle + 1
        else:
            high = middle
    if low == image[SAFEPOINT_COUNT] or image[keys + low] != key:
        return -1
    return image[SAFEPOINT_ROWS] + SAFEPOINT_WORDS * low


# ---- the collector ------------------------------------------------------------------------------------------------------


def collect(state: Words, image: Words) -> int:
    """Free what nothing reaches: mark from the roots, slide the rest down in order. Handles stay valid. At frame end only.

    Roots are the constants' objects, refs among globals, and refs in the frames of all coroutines that live.
    """
    count = mark_roots(state, image)
    mark_reachable(state, image, count)
    slide(state, image)
    state[ALLOCATED] = 0
    state[COLLECTIONS] += 1
    return 0


# While collecting, an object's length is stored as -1 - length once it is marked: the table needs no further column.


def mark(state: Words, handle: int, count: int) -> int:
    """Mark an object and put it on the work list, unless it is null or already marked. The new length of the list."""
    entry = handle & LAYOUT_MASK
    length_at = state[AT_OBJECTS] + 2 * entry + 1
    if entry == 0 or state[length_at] < 0:
        return count
    state[length_at] = -1 - state[length_at]
    state[state[AT_WORKLIST] + count] = entry
    return count + 1


def mark_roots(state: Words, image: Words) -> int:
    """Mark what the machine itself refers to. The length of the work list."""
    count = 0
    for entry in range(1, image[CONSTANT_OBJECTS_WORD] + 1):
        count = mark(state, entry, count)
    for i in range(image[GLOBAL_REF_COUNT]):
        count = mark(state, state[state[AT_GLOBALS] + image[image[GLOBAL_REFS] + i]], count)
    for row in range(state[COROUTINE_LIMIT]):
        at = state[AT_ROWS] + row * ROW_WORDS
        if state[at + ROW_STATE] != FREE and state[at + ROW_STATE] != FINISHED:
            count = mark_frames(state, image, row, state[at + DEPTH], count)
    return count


def mark_frames(state: Words, image: Words, row: int, depth: int, count: int) -> int:
    """Mark the refs in a coroutine's frames. The new length of the work list."""
    frames = state[AT_FRAMES] + row * state[DEPTH_LIMIT] * FRAME_ENTRY_WORDS
    stack = state[AT_STACKS] + row * state[STACK_STRIDE]
    for i in range(depth):
        safepoint = safepoint_row(image, state[frames + FRAME_ENTRY_WORDS * i])
        base = state[frames + FRAME_ENTRY_WORDS * i + 1]
        # A waiting frame's arguments belong to the frame above it; its results are not there yet.
        end = image[safepoint]
        if i + 1 < depth:
            end = state[frames + FRAME_ENTRY_WORDS * (i + 1) + 1] - base
        for j in range(image[safepoint + LIVE_REF_COUNT]):
            slot = image[image[safepoint + LIVE_REFS] + j]
            if slot < end:
                count = mark(state, state[stack + base + slot], count)
    return count


def mark_reachable(state: Words, image: Words, count: int) -> int:
    """Mark everything that the objects on the work list refer to."""
    done = 0
    while done < count:
        entry = state[state[AT_WORKLIST] + done]
        done += 1
        layout = image[LAYOUTS] + LAYOUT_WORDS * (state[state[AT_INFO] + entry] & LAYOUT_MASK)
        cell = state[AT_HEAP] + state[state[AT_OBJECTS] + 2 * entry]
        shape = image[layout + SHAPE]
        if shape == FIELDS:
            for j in range(image[layout + REF_COUNT]):
                count = mark(state, state[cell + image[image[layout + REFS] + j]], count)
        elif shape != BYTES and shape != PLAIN_WORDS:
            for j in range(-1 - state[state[AT_OBJECTS] + 2 * entry + 1]):
                count = mark(state, state[cell + j], count)
    return count


def slide(state: Words, image: Words) -> int:
    """Move marked objects down, in order; free the entries of the others; zero what becomes free."""
    heap = state[AT_HEAP]
    order = state[AT_HEAP_ORDER]
    objects = state[AT_OBJECTS]
    top = 0
    kept = 0
    for i in range(state[LIVE_COUNT]):
        entry = state[order + i]
        at = objects + 2 * entry
        if state[at + 1] >= 0:
            info = state[AT_INFO] + entry
            state[info] = state[info] >> INFO_SHIFT << INFO_SHIFT
            state[at] = 0
            state[at + 1] = 0
            continue
        length = -1 - state[at + 1]
        size = length
        if image[image[LAYOUTS] + LAYOUT_WORDS * (state[state[AT_INFO] + entry] & LAYOUT_MASK) + SHAPE] == BYTES:
            size = (length + 7) >> 3
        source = state[at]
        if source != top:
            for j in range(size):
                state[heap + top + j] = state[heap + source + j]
        state[at] = top
        state[at + 1] = length
        state[order + kept] = entry
        kept += 1
        top += size
    for i in range(top, state[HEAP_TOP]):
        state[heap + i] = 0
    state[HEAP_TOP] = top
    state[LIVE_COUNT] = kept
    state[CURSOR] = 1
    return kept
