"""What a coroutine handle can be asked."""

from __future__ import annotations

from .devices import COROUTINE_ROWS, ROW_SERIAL, ROW_STATE, ROW_WORDS, Bytes, Words
from .registry import Service

READY = 0
SLEEPING = 1
FINISHED = 2


def state(device: Words, coroutines: Words, objects: Words, heap_bytes: Bytes, handle: int) -> int:
    """Ready, sleeping or finished; a null handle counts as finished."""
    index = handle & 0xFFFFFFFF
    if index == 0:
        return FINISHED
    start = objects[2 * index] * 8
    serial = 0
    for i in range(8):
        serial |= heap_bytes[start + i] << (8 * i)
    for row in range(device[COROUTINE_ROWS]):
        if coroutines[row * ROW_WORDS + ROW_STATE] != 0 and coroutines[row * ROW_WORDS + ROW_SERIAL] == serial:
            return coroutines[row * ROW_WORDS + ROW_STATE] - 1
    return FINISHED


def state_cycles(device: Words, handle: int) -> int:
    """A cycle for every four rows to look through."""
    return device[COROUTINE_ROWS] >> 2


ROWS = (
    Service(
        module="coroutine",
        name="state",
        version=1,
        number=0x0001,
        effect="handle: coroutine -> state: int",
        summary="0 when the coroutine is ready, 1 while it sleeps, 2 when it has finished. A null handle counts as finished.",
        function=state,
        extra_cycles=state_cycles,
        intrinsic=True,
        cycles=8,
    ),
)
