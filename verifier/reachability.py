"""Which functions may make their coroutine wait or the machine end."""

from __future__ import annotations

from collections.abc import Sequence

from ..isa.code import Decoded
from ..isa.program import Program
from ..isa.table import Flow

STOPPING = frozenset({"FRAME_SYNC", "YIELD", "SLEEP", "HALT"})


def may_stop_functions(program: Program, code: Sequence[Sequence[Decoded]]) -> frozenset[int]:
    """Functions that contain such an instruction or may call one that does. A closure call may reach every closure function.

    Spawning does not count: the new coroutine waits by itself. Linear in the size of the code.
    """
    callers: dict[int, list[int]] = {}
    closure_callers: list[int] = []
    stopping: list[int] = []
    for index, instructions in enumerate(code):
        rows = {decoded.row.name for decoded in instructions}
        if rows & STOPPING:
            stopping.append(index)
        if any(decoded.row.flow is Flow.CALL_CLOSURE for decoded in instructions):
            closure_callers.append(index)
        for decoded in instructions:
            if decoded.row.flow is Flow.CALL:
                callers.setdefault(decoded.immediates[0], []).append(index)
    found = set(stopping)
    while stopping:
        index = stopping.pop()
        waiting = callers.get(index, [])
        if program.functions[index].is_closure:
            waiting, closure_callers = [*waiting, *closure_callers], []
        for caller in waiting:
            if caller not in found:
                found.add(caller)
                stopping.append(caller)
    return frozenset(found)
