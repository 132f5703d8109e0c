"""Which instructions decide about the flow, and which functions may make their coroutine wait or the machine end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..isa.program import Program
from ..isa.table import ROWS, Flow, Instruction

STOPPING = frozenset({"FRAME_SYNC", "YIELD", "SLEEP", "HALT"})

# Opcodes of the instructions that a function's flow, blocks and costs depend on. All others only change the stack, at their cost.
NOTABLE = frozenset(
    row.opcode
    for row in ROWS
    if row.metered or row.ends_block or row.jumps or row.flow is Flow.HOST or row.name in STOPPING
)


class Notable(NamedTuple):
    """One of them: its position in its function."""

    position: int
    row: Instruction
    immediates: tuple[Any, ...]


def may_stop_functions(program: Program, code: Sequence[Sequence[Notable]]) -> frozenset[int]:
    """Functions that contain such an instruction or may call one that does. A closure call may reach every closure function.

    Spawning does not count: the new coroutine waits by itself. Linear in the size of the code.
    """
    callers: dict[int, list[int]] = {}
    closure_callers: list[int] = []
    stopping: list[int] = []
    for index, instructions in enumerate(code):
        if any(row.name in STOPPING for _, row, _ in instructions):
            stopping.append(index)
        if any(row.flow is Flow.CALL_CLOSURE for _, row, _ in instructions):
            closure_callers.append(index)
        for _, row, immediates in instructions:
            if row.flow is Flow.CALL:
                callers.setdefault(immediates[0], []).append(index)
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
