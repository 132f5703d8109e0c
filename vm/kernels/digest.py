"""The frame digest: what a frame is observed to be, as 128 bits, chained to the frame before.

It is the XXH3-128 of a record of words; what is large enters the record as its own XXH3-128. Everything that is hashed is at
least 32 words long, with zeros behind its end. Source: docs/machine.md, frame digest.
"""

from __future__ import annotations

from ...host.devices import DEVICE_WORDS, FRONT, HOST_CALLS, HOST_DIGEST, LOG_USED, ROW_STATE, ROW_WORDS, SCREEN, Words
from ..layout import (
    AT_FRAMES,
    AT_GLOBALS,
    AT_HEAP,
    AT_INFO,
    AT_LOG,
    AT_OBJECTS,
    AT_ORDER,
    AT_PIXELS,
    AT_RECORD,
    AT_ROWS,
    AT_SCRATCH,
    AT_SLEEPERS,
    AT_STACKS,
    CHAIN,
    COROUTINE_LIMIT,
    CYCLES,
    DEPTH,
    DEPTH_LIMIT,
    DEVICE,
    FRAME,
    FRAME_CYCLES,
    FRAME_ENTRY_WORDS,
    FREE,
    GLOBAL_COUNT,
    HASH_WORDS,
    HEAP_TOP,
    OBJECT_COUNT,
    ORDER_COUNT,
    SLEEPER_COUNT,
    STACK_STRIDE,
    STATUS,
    TRAP_CODE,
    TRAP_CYCLES,
)
from .heap import safepoint_row

# The record, in words. Two words are one XXH3-128, low half first.
R_CHAIN = 0
R_FRAME = 2
R_STATUS = 3
R_CYCLES = 4
R_FRAME_CYCLES = 5
R_HOST_CALLS = 6
R_HOST_DIGEST = 7
R_PIXELS = 8
R_AUDIO = 10  # no audio device yet: zero
R_LOG = 12
R_GLOBALS = 14
R_HEAP = 16
R_OBJECTS = 18
R_INFO = 20
R_TRAP = 22  # code, opcode, pc, function, frame, cycles
R_ORDER = 28  # coroutines in the order, coroutines asleep
R_DEVICE = 32  # the devices' words
R_COROUTINES = 96  # two words per row
COMPONENTS = ("pixels", "audio", "log", "globals", "heap", "objects", "info")


def hash128(state: Words, at: int, words: int, to: int) -> int:
    """XXH3-128 of the state words at `at` (at least 32), written to two words at `to`. Each engine puts its own here."""
    raise NotImplementedError(at, words, to, state)


def digest(state: Words, image: Words) -> int:
    """Write the record of the frame that closes, and chain its digest to the one before."""
    record = state[AT_RECORD]
    words = R_COROUTINES + 2 * state[COROUTINE_LIMIT]
    for i in range(words):
        state[record + i] = 0
    state[record + R_CHAIN] = state[CHAIN]
    state[record + R_CHAIN + 1] = state[CHAIN + 1]
    state[record + R_FRAME] = state[FRAME]
    state[record + R_STATUS] = state[STATUS]
    state[record + R_CYCLES] = state[CYCLES]
    state[record + R_FRAME_CYCLES] = state[FRAME_CYCLES]
    state[record + R_HOST_CALLS] = state[DEVICE + HOST_CALLS]
    state[record + R_HOST_DIGEST] = state[DEVICE + HOST_DIGEST]
    hash128(state, state[AT_PIXELS] + state[DEVICE + FRONT] * (SCREEN // 4), SCREEN // 4, record + R_PIXELS)
    hash128(state, state[AT_LOG], at_least((state[DEVICE + LOG_USED] + 7) >> 3), record + R_LOG)
    hash128(state, state[AT_GLOBALS], at_least(state[GLOBAL_COUNT]), record + R_GLOBALS)
    hash128(state, state[AT_HEAP], at_least(state[HEAP_TOP]), record + R_HEAP)
    hash128(state, state[AT_OBJECTS], at_least(2 * state[OBJECT_COUNT]), record + R_OBJECTS)
    hash128(state, state[AT_INFO], at_least(state[OBJECT_COUNT]), record + R_INFO)
    for i in range(TRAP_CYCLES - TRAP_CODE + 1):
        state[record + R_TRAP + i] = state[TRAP_CODE + i]
    state[record + R_ORDER] = state[ORDER_COUNT]
    state[record + R_ORDER + 1] = state[SLEEPER_COUNT]
    for i in range(DEVICE_WORDS):
        state[record + R_DEVICE + i] = state[DEVICE + i]
    for row in range(state[COROUTINE_LIMIT]):
        if state[state[AT_ROWS] + row * ROW_WORDS + ROW_STATE] != FREE:
            digest_coroutine(state, image, row, record + R_COROUTINES + 2 * row)
    hash128(state, record, words, CHAIN)
    return 0


def digest_coroutine(state: Words, image: Words, row: int, to: int) -> int:
    """The hash of one coroutine: its row, its places in order and sleep, its frames and the live words of its stack."""
    scratch = state[AT_SCRATCH]
    for i in range(ROW_WORDS):
        state[scratch + i] = state[state[AT_ROWS] + row * ROW_WORDS + i]
    at = scratch + ROW_WORDS
    state[at] = position(state, state[AT_ORDER], state[ORDER_COUNT], row)
    state[at + 1] = position(state, state[AT_SLEEPERS], state[SLEEPER_COUNT], row)
    at += 2
    depth = state[state[AT_ROWS] + row * ROW_WORDS + DEPTH]
    frames = state[AT_FRAMES] + row * state[DEPTH_LIMIT] * FRAME_ENTRY_WORDS
    for i in range(FRAME_ENTRY_WORDS * depth):
        state[at + i] = state[frames + i]
    at += FRAME_ENTRY_WORDS * depth
    live = live_words(state, image, frames, depth)
    stack = state[AT_STACKS] + row * state[STACK_STRIDE]
    for i in range(live):
        state[at + i] = state[stack + i]
    at += live
    while at < scratch + HASH_WORDS:
        state[at] = 0
        at += 1
    return hash128(state, scratch, at - scratch, to)


def position(state: Words, at: int, count: int, row: int) -> int:
    """Where the row stands in a list of rows, from 1; 0 where it is not in it."""
    for i in range(count):
        if state[at + i] == row:
            return i + 1
    return 0


def live_words(state: Words, image: Words, frames: int, depth: int) -> int:
    """How much of a waiting coroutine's stack means something: up to the last operand of its topmost frame."""
    if depth == 0:
        return 0
    top = frames + FRAME_ENTRY_WORDS * (depth - 1)
    return state[top + 1] + image[safepoint_row(image, state[top])]


def at_least(words: int) -> int:
    """What is hashed has 32 words or more; regions are zero behind their end."""
    return max(words, HASH_WORDS)
