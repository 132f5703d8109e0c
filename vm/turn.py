"""The native engine's turn: from the frames that the state holds into the handlers, and back.

Compiled by numba like a kernel, and only ever run compiled: `peek` and its like are intrinsics that `native_build` puts here.
"""

from __future__ import annotations

from ..host.devices import ROW_WORDS, Words
from .context import (
    BLOCK_COUNT,
    BLOCK_RECORDS,
    BLOCKS,
    CALL_BYTES,
    CALL_LIMIT,
    CALLS,
    CALLS_STRIDE,
    HELD,
    KNOWN,
    LEADER_COST,
    LEADERS,
    OPCODES,
    RECORDS,
    REST,
    SAVED_BUDGET,
    SAVED_CALLS,
    SAVED_FP,
    SAVED_IP,
    SAVED_STATUS,
    STACK_END,
    STATE,
    STATUS_BITS,
    UNPAID,
    WHERE,
)
from .layout import (
    AT_FRAMES,
    AT_ROWS,
    AT_STACKS,
    BUDGET,
    DEPTH,
    DEPTH_LIMIT,
    FRAME_ENTRY_WORDS,
    OUT_OF_BUDGET,
    STACK_LIMIT,
    STACK_STRIDE,
    SYNCED,
    TRAP,
    TRAP_CODE,
    TRAP_FUNCTION,
    TRAP_OPCODE,
    TRAP_PC,
)

RECORD_BYTES = 32
FLOAT_BANK = 1 << 32


def peek(address: int) -> int:
    """The word at an address."""
    raise NotImplementedError(address)


def peek_float(address: int) -> float:
    """The float at an address."""
    raise NotImplementedError(address)


def poke(address: int, word: int) -> None:
    """Write a word to an address."""
    raise NotImplementedError(address, word)


def enter(ip: int, fp: int, budget: int, calls: int, engine: Words, acc: int, facc: float) -> None:
    """Run handlers from the record at `ip` until one stops; where and how is in the context's saved words."""
    raise NotImplementedError(ip, fp, budget, calls, engine, acc, facc)


def turn(state: Words, image: Words, engine: Words, row: int) -> int:  # noqa: ARG001 - the same parameters as in every engine
    """Run a coroutine until its turn ends; see `kernels.frames.turn`."""
    stack = engine[STATE] + 8 * (state[AT_STACKS] + row * state[STACK_STRIDE])
    calls = engine[CALLS] + row * engine[CALLS_STRIDE]
    frames = state[AT_FRAMES] + row * state[DEPTH_LIMIT] * FRAME_ENTRY_WORDS
    depth_at = state[AT_ROWS] + row * ROW_WORDS + DEPTH
    depth = state[depth_at]
    if depth == 1 or peek(engine[KNOWN] + 8 * row) != depth:
        push_known_frames(state, engine, frames, depth, stack, calls)
    top = frames + FRAME_ENTRY_WORDS * (depth - 1)
    record = record_at(engine, state[top])
    cost = peek(engine[LEADER_COST] + 8 * record)
    if cost > state[BUDGET]:
        return OUT_OF_BUDGET
    fp = stack + 8 * state[top + 1]
    held = peek(engine[HELD] + 8 * record)
    acc = 0
    facc = 0.0
    if held >= FLOAT_BANK:
        facc = peek_float(fp + 8 * (held - FLOAT_BANK))
    elif held >= 0:
        acc = peek(fp + 8 * held)
    engine[CALL_LIMIT] = calls + CALL_BYTES * state[DEPTH_LIMIT]
    engine[STACK_END] = stack + 8 * state[STACK_LIMIT]
    enter(
        engine[RECORDS] + RECORD_BYTES * record, fp, state[BUDGET] - cost, calls + CALL_BYTES * depth, engine, acc, facc
    )
    outcome = engine[SAVED_STATUS] & ((1 << STATUS_BITS) - 1)
    record = (engine[SAVED_IP] - engine[RECORDS]) // RECORD_BYTES
    state[BUDGET] = engine[SAVED_BUDGET]
    if outcome == UNPAID:
        # The instruction is the first of its block and nothing of the block was done: give all of it back.
        state[BUDGET] += peek(engine[LEADER_COST] + 8 * record)
        outcome = OUT_OF_BUDGET
    if outcome == TRAP:
        state[BUDGET] += peek(engine[REST] + 8 * record)
        where = peek(engine[WHERE] + 8 * record)
        state[TRAP_CODE] = engine[SAVED_STATUS] >> STATUS_BITS
        state[TRAP_OPCODE] = peek(engine[OPCODES] + 8 * record)
        state[TRAP_PC] = where & 0xFFFFFFFF
        state[TRAP_FUNCTION] = where >> 32
    elif outcome == SYNCED or outcome == OUT_OF_BUDGET:
        depth = (engine[SAVED_CALLS] - calls) // CALL_BYTES
        publish_frames(state, engine, frames, depth, stack, calls, record)
        state[depth_at] = depth
        poke(engine[KNOWN] + 8 * row, depth)
    return outcome


def record_at(engine: Words, where: int) -> int:
    """The first record of the block at a place. Binary search."""
    low = 0
    high = engine[BLOCK_COUNT]
    while low < high:
        middle = (low + high) >> 1
        if peek(engine[BLOCKS] + 8 * middle) < where:
            low = middle + 1
        else:
            high = middle
    return peek(engine[BLOCK_RECORDS] + 8 * low)


def push_known_frames(state: Words, engine: Words, frames: int, depth: int, stack: int, calls: int) -> int:
    """Make the native call stack of the frames in the state. Below the first is a call that nobody made."""
    poke(calls, engine[RECORDS])
    poke(calls + 8, stack)
    for i in range(1, depth):
        waiting = frames + FRAME_ENTRY_WORDS * (i - 1)
        # A call's record stands right before the block that its caller goes on with.
        record = record_at(engine, state[waiting]) - 1
        poke(calls + CALL_BYTES * i, engine[RECORDS] + RECORD_BYTES * record)
        poke(calls + CALL_BYTES * i + 8, stack + 8 * state[waiting + 1])
    return depth


def publish_frames(state: Words, engine: Words, frames: int, depth: int, stack: int, calls: int, record: int) -> int:
    """Write the frames of a stopped coroutine to the state, as places and stack slots."""
    for i in range(1, depth):
        call = (peek(calls + CALL_BYTES * i) - engine[RECORDS]) // RECORD_BYTES
        state[frames + FRAME_ENTRY_WORDS * (i - 1)] = peek(engine[LEADERS] + 8 * (call + 1))
        state[frames + FRAME_ENTRY_WORDS * (i - 1) + 1] = (peek(calls + CALL_BYTES * i + 8) - stack) >> 3
    top = frames + FRAME_ENTRY_WORDS * (depth - 1)
    state[top] = peek(engine[LEADERS] + 8 * record)
    state[top + 1] = (engine[SAVED_FP] - stack) >> 3
    return depth
