"""The frame: opening, turns, closing. Source: docs/machine.md, the frame; each step there is one function here."""

from __future__ import annotations

from typing import Any

from ...host.devices import FRAME as DEVICE_FRAME
from ...host.devices import HOST_CALLS, HOST_DIGEST, LOG_USED, ROW_SERIAL, ROW_WORDS, Bytes, Words, latch_input
from ..layout import (
    ALLOCATED,
    AT_LOG,
    AT_ORDER,
    AT_ROWS,
    AT_STACKS,
    BETWEEN,
    BUDGET,
    CHAIN,
    COROUTINE_LIMIT,
    CURRENT,
    CYCLES,
    DEPTH,
    DEVICE,
    ENDED,
    FRAME,
    FRAME_BUDGET,
    FRAME_CYCLES,
    GC_THRESHOLD,
    HAD_TURN,
    HALT,
    HALTED,
    IN_FRAME,
    MARK,
    MARK_FRAMES,
    NO_MARK,
    ORDER_COUNT,
    OUT_OF_BUDGET,
    STACK_STRIDE,
    STATUS,
    SYNCED,
    TICKS,
    TRAP,
    TRAP_CYCLES,
    TRAP_FRAME,
    TRAPPED,
    TURN,
)
from .coroutines import clear_turns, drop_finished, finished, push_first_frame, settle_frames, synced, wake
from .digest import digest
from .heap import collect

INPUT_WORDS = 4  # held, touch x, touch y, touch down

# A row of what `run_frames` reports
REPORT_WORDS = 8
REPORT_FRAME = 0
REPORT_STATUS = 1
REPORT_CYCLES = 2
REPORT_TICKS = 3
REPORT_HOST_CALLS = 4
REPORT_LOG_BYTES = 5
REPORT_DIGEST = 6  # two words


def turn(state: Words, image: Words, engine: Any, row: int) -> int:
    """Run the coroutine in `row` until its turn ends; how it ended. Each engine puts its own here.

    It takes cycles from BUDGET, leaves the coroutine's frames and DEPTH as they are at the end, and fills the trap words.
    """
    raise NotImplementedError(state, image, engine, row)


def run_frames(
    state: Words,
    image: Words,
    engine: Any,
    device: Words,
    inputs: Words,
    count: int,
    ticks: int,
    report: Words,
    log: Bytes,
    log_bytes: Bytes,
    log_room: int,
) -> int:
    """Run up to `count` frames, each with at most `ticks` host ticks. How many were completed.

    inputs: INPUT_WORDS a frame; that of a frame already open is not looked at. report: REPORT_WORDS a frame. log_bytes: the
    frames' logs one behind the other, from `log`; before it could run over, fewer frames are run. It stops early where the
    machine ends or a frame runs out of ticks.
    """
    done = 0
    logged = 0
    while done < count and state[STATUS] <= IN_FRAME and logged <= log_room:
        if state[STATUS] == BETWEEN:
            at = INPUT_WORDS * done
            open_frame(state, device, inputs[at], inputs[at + 1], inputs[at + 2], inputs[at + 3])
        outcome = OUT_OF_BUDGET
        tick = 0
        while outcome == OUT_OF_BUDGET and tick < ticks:
            state[BUDGET] += state[FRAME_BUDGET]
            state[TICKS] += 1
            tick += 1
            outcome = run_turns(state, image, engine)
        if outcome == OUT_OF_BUDGET:
            break
        close_frame(state, image)
        row = REPORT_WORDS * done
        used = state[DEVICE + LOG_USED]
        report[row + REPORT_FRAME] = state[FRAME] - 1
        report[row + REPORT_STATUS] = state[STATUS]
        report[row + REPORT_CYCLES] = state[FRAME_CYCLES]
        report[row + REPORT_TICKS] = state[TICKS]
        report[row + REPORT_HOST_CALLS] = state[DEVICE + HOST_CALLS]
        report[row + REPORT_LOG_BYTES] = used
        report[row + REPORT_DIGEST] = state[CHAIN]
        report[row + REPORT_DIGEST + 1] = state[CHAIN + 1]
        for i in range(used):
            log_bytes[logged + i] = log[i]
        logged += used
        done += 1
    return done


def open_frame(state: Words, device: Words, held: int, touch_x: int, touch_y: int, touch_down: int) -> int:
    """Input is latched, then sleepers whose frame has come are woken. No device delivers events yet."""
    device[DEVICE_FRAME] = state[FRAME]
    latch_input(device, held, touch_x, touch_y, touch_down)
    log = state[AT_LOG]
    for i in range((device[LOG_USED] + 7) >> 3):
        state[log + i] = 0
    device[LOG_USED] = 0
    device[HOST_CALLS] = 0
    device[HOST_DIGEST] = 0
    wake(state)
    clear_turns(state)
    state[STATUS] = IN_FRAME
    state[FRAME_CYCLES] = 0
    state[BUDGET] = 0
    state[TICKS] = 0
    return 0


def run_turns(state: Words, image: Words, engine: Any) -> int:
    """Give every coroutine in the order its turn. SYNCED when all have had one, else what ended the frame."""
    while state[TURN] < state[ORDER_COUNT]:
        row = state[state[AT_ORDER] + state[TURN]]
        if state[state[AT_ROWS] + row * ROW_WORDS + HAD_TURN] != 0:
            state[TURN] += 1
            continue
        if state[CURRENT] != row:
            state[CURRENT] = row
            state[MARK] = NO_MARK
            state[MARK_FRAMES] = 0
        before = state[BUDGET]
        outcome = turn(state, image, engine, row)
        state[CYCLES] += before - state[BUDGET]
        state[FRAME_CYCLES] += before - state[BUDGET]
        if outcome == OUT_OF_BUDGET:
            return outcome
        end_turn(state, image, row, outcome)
        state[CURRENT] = -1
        if outcome == TRAP or outcome == HALT:
            return outcome
        if outcome == ENDED and state[STATUS] == HALTED:
            return HALT
    return SYNCED


def end_turn(state: Words, image: Words, row: int, outcome: int) -> int:
    """What a turn's end means for its coroutine, and for the machine."""
    at = state[AT_ROWS] + row * ROW_WORDS
    if outcome == SYNCED:
        settle_frames(state, image, row, state[at + DEPTH])
        synced(state)
    elif outcome == TRAP:
        # Inside a block engines keep operands in different places; the trap record says where it stood instead.
        state[STATUS] = TRAPPED
        state[TRAP_FRAME] = state[FRAME]
        state[TRAP_CYCLES] = state[CYCLES]
        state[at + DEPTH] = 0
    else:
        if outcome == HALT or state[at + ROW_SERIAL] == 0:
            state[STATUS] = HALTED
        finished(state)
    return 0


def close_frame(state: Words, image: Words) -> int:
    """Finished coroutines are dropped, collection runs if due, the digest is written; the next frame has the next number."""
    drop_finished(state)
    if state[ALLOCATED] >= state[GC_THRESHOLD] and state[STATUS] != TRAPPED:
        collect(state, image)
    if state[STATUS] == IN_FRAME:
        state[STATUS] = BETWEEN
    state[BUDGET] = 0
    state[TURN] = 0
    state[MARK] = NO_MARK
    state[MARK_FRAMES] = 0
    digest(state, image)
    state[FRAME] += 1
    return 0


def run_call(state: Words, image: Words, engine: Any, function: int, arguments: Words, count: int, cycles: int) -> int:
    """Run a function between two frames, on the stack kept for that; how it ended. Results are the first words there."""
    row = state[COROUTINE_LIMIT]
    stack = state[AT_STACKS] + row * state[STACK_STRIDE]
    for i in range(count):
        state[stack + i] = arguments[i]
    push_first_frame(state, image, row, function, stack)
    at = state[AT_ROWS] + row * ROW_WORDS
    state[at + DEPTH] = 1
    state[BUDGET] = cycles
    outcome = turn(state, image, engine, row)
    state[CYCLES] += cycles - state[BUDGET]
    state[BUDGET] = 0
    state[at + DEPTH] = 0
    if outcome == TRAP:
        state[STATUS] = TRAPPED
        state[TRAP_FRAME] = state[FRAME]
        state[TRAP_CYCLES] = state[CYCLES]
    return outcome
