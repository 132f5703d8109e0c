"""Coroutines: who lives, whose turn it is, who sleeps. Source: docs/machine.md, the frame."""

from __future__ import annotations

from ...host.devices import ROW_SERIAL, ROW_STATE, ROW_WORDS, Words
from ..image_tables import (
    COROUTINE_LAYOUT,
    FUNCTION_WORDS,
    FUNCTIONS,
    LIVE_FLOAT_COUNT,
    LIVE_FLOATS,
    PARAMS,
    SLOTS,
)
from ..layout import (
    AT_FRAMES,
    AT_HEAP,
    AT_OBJECTS,
    AT_ORDER,
    AT_ROWS,
    AT_SLEEPERS,
    AT_STACKS,
    COROUTINE_LIMIT,
    CURRENT,
    DEPTH,
    DEPTH_LIMIT,
    FINISHED,
    FRAME,
    FRAME_ENTRY_WORDS,
    FREE,
    HAD_TURN,
    MARK,
    MARK_FRAMES,
    NEXT_SERIAL,
    NO_MARK,
    ORDER_COUNT,
    READY,
    SLEEP_MARK,
    SLEEPER_COUNT,
    SLEEPING,
    STACK_STRIDE,
    TURN,
    WAKE_FRAME,
    YIELD_MARK,
)
from .heap import LAYOUT_MASK, canonical, new_object, safepoint_row

LONGEST_SLEEP = 1 << 40  # frames; 600 years


def free_row(state: Words) -> int:
    """The first row that no coroutine has, or -1."""
    for row in range(state[COROUTINE_LIMIT]):
        if state[state[AT_ROWS] + row * ROW_WORDS + ROW_STATE] == FREE:
            return row
    return -1


def start(state: Words, image: Words, row: int, function: int, at: int) -> int:
    """A new coroutine in a free row, its arguments the words at state word `at`; enqueued last. Its serial."""
    push_first_frame(state, image, row, function, at)
    begin = state[AT_ROWS] + row * ROW_WORDS
    serial = state[NEXT_SERIAL]
    state[begin + ROW_STATE] = READY
    state[begin + ROW_SERIAL] = serial
    state[begin + DEPTH] = 1
    state[NEXT_SERIAL] = serial + 1
    state[state[AT_ORDER] + state[ORDER_COUNT]] = row
    state[ORDER_COUNT] += 1
    return serial


def push_first_frame(state: Words, image: Words, row: int, function: int, at: int) -> int:
    """Lay the first frame of `function` on the stack of `row`: arguments, then zeros. Floats get the one NaN."""
    facts = image[FUNCTIONS] + FUNCTION_WORDS * function
    stack = state[AT_STACKS] + row * state[STACK_STRIDE]
    for i in range(image[facts + PARAMS]):
        state[stack + i] = state[at + i]
    for i in range(image[facts + PARAMS], image[facts + SLOTS]):
        state[stack + i] = 0
    frames = state[AT_FRAMES] + row * state[DEPTH_LIMIT] * FRAME_ENTRY_WORDS
    state[frames] = function << 32
    state[frames + 1] = 0
    return settle_frames(state, image, row, 1)


def settle_frames(state: Words, image: Words, row: int, depth: int) -> int:
    """Give every NaN in the float slots of waiting frames its one bit pattern: from now on they can be seen."""
    frames = state[AT_FRAMES] + row * state[DEPTH_LIMIT] * FRAME_ENTRY_WORDS
    stack = state[AT_STACKS] + row * state[STACK_STRIDE]
    for i in range(depth):
        safepoint = safepoint_row(image, state[frames + FRAME_ENTRY_WORDS * i])
        base = state[frames + FRAME_ENTRY_WORDS * i + 1]
        end = image[safepoint]
        if i + 1 < depth:
            end = state[frames + FRAME_ENTRY_WORDS * (i + 1) + 1] - base
        for j in range(image[safepoint + LIVE_FLOAT_COUNT]):
            slot = image[image[safepoint + LIVE_FLOATS] + j]
            if slot < end:
                state[stack + base + slot] = canonical(state[stack + base + slot])
    return 0


def spawn(state: Words, image: Words, function: int, at: int) -> int:
    """SPAWN: start a coroutine and make its handle. The handle, or 0 where either does not fit; then nothing is changed."""
    row = free_row(state)
    handle = new_object(state, image, image[COROUTINE_LAYOUT], 1) if row >= 0 else 0
    if handle != 0:
        serial = start(state, image, row, function, at)
        state[state[AT_HEAP] + state[state[AT_OBJECTS] + 2 * (handle & LAYOUT_MASK)]] = serial
    return handle


def mark_yield(state: Words) -> int:
    """YIELD: at the next FRAME_SYNC to the back of the order."""
    state[MARK] = YIELD_MARK
    return 0


def mark_sleep(state: Words, frames: int) -> int:
    """SLEEP: at the next FRAME_SYNC out of the order for that many frames; below 1 there is no mark. The last mark counts."""
    state[MARK] = SLEEP_MARK if frames > 0 else NO_MARK
    state[MARK_FRAMES] = frames if frames < LONGEST_SLEEP else LONGEST_SLEEP
    return 0


def synced(state: Words) -> int:
    """The current coroutine reached FRAME_SYNC: carry out its mark."""
    row = state[CURRENT]
    at = state[AT_ROWS] + row * ROW_WORDS
    state[at + HAD_TURN] = 1
    if state[MARK] == YIELD_MARK:
        leave_order(state)
        state[state[AT_ORDER] + state[ORDER_COUNT]] = row
        state[ORDER_COUNT] += 1
    elif state[MARK] == SLEEP_MARK:
        leave_order(state)
        state[at + ROW_STATE] = SLEEPING
        fall_asleep(state, row, state[FRAME] + 1 + state[MARK_FRAMES])
    else:
        state[TURN] += 1
    return 0


def leave_order(state: Words) -> int:
    """Take the current coroutine, which stands at TURN, out of the order; who follows moves up."""
    order = state[AT_ORDER]
    for i in range(state[TURN], state[ORDER_COUNT] - 1):
        state[order + i] = state[order + i + 1]
    state[ORDER_COUNT] -= 1
    state[order + state[ORDER_COUNT]] = 0
    return 0


def fall_asleep(state: Words, row: int, wake_frame: int) -> int:
    """Put the row among the sleepers: by wake frame, then by when they fell asleep."""
    state[state[AT_ROWS] + row * ROW_WORDS + WAKE_FRAME] = wake_frame
    sleepers = state[AT_SLEEPERS]
    i = state[SLEEPER_COUNT]
    while i > 0 and state[state[AT_ROWS] + state[sleepers + i - 1] * ROW_WORDS + WAKE_FRAME] > wake_frame:
        state[sleepers + i] = state[sleepers + i - 1]
        i -= 1
    state[sleepers + i] = row
    state[SLEEPER_COUNT] += 1
    return 0


def wake(state: Words) -> int:
    """The sleepers whose frame has come go to the back of the order."""
    sleepers = state[AT_SLEEPERS]
    due = 0
    while (
        due < state[SLEEPER_COUNT]
        and state[state[AT_ROWS] + state[sleepers + due] * ROW_WORDS + WAKE_FRAME] <= state[FRAME]
    ):
        row = state[sleepers + due]
        state[state[AT_ROWS] + row * ROW_WORDS + ROW_STATE] = READY
        state[state[AT_ROWS] + row * ROW_WORDS + WAKE_FRAME] = 0
        state[state[AT_ORDER] + state[ORDER_COUNT]] = row
        state[ORDER_COUNT] += 1
        due += 1
    for i in range(due, state[SLEEPER_COUNT]):
        state[sleepers + i - due] = state[sleepers + i]
    for i in range(state[SLEEPER_COUNT] - due, state[SLEEPER_COUNT]):
        state[sleepers + i] = 0
    state[SLEEPER_COUNT] -= due
    return due


def finished(state: Words) -> int:
    """The current coroutine's first function returned: out of the order now, its row is free when the frame closes."""
    at = state[AT_ROWS] + state[CURRENT] * ROW_WORDS
    leave_order(state)
    state[at + ROW_STATE] = FINISHED
    state[at + DEPTH] = 0
    return 0


def drop_finished(state: Words) -> int:
    """Free the rows of coroutines that have finished."""
    for row in range(state[COROUTINE_LIMIT]):
        at = state[AT_ROWS] + row * ROW_WORDS
        if state[at + ROW_STATE] == FINISHED:
            for i in range(ROW_WORDS):
                state[at + i] = 0
    return 0


def clear_turns(state: Words) -> int:
    """A new frame: nobody has had a turn."""
    for i in range(state[ORDER_COUNT]):
        state[state[AT_ROWS] + state[state[AT_ORDER] + i] * ROW_WORDS + HAD_TURN] = 0
    state[TURN] = 0
    return 0
