"""Where compiled code looks at its budget, and how much must be left there.

Between two checkpoints cycles are counted and not compared: at a checkpoint there must be enough for the dearest way to any next
one. Checkpoints are a function's entry, the heads of its loops, and what it goes on with after a call; so every loop and every
call passes one. Where there is not enough, the interpreter takes over and stops exactly where it must.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...isa.table import Flow
from ...verifier import Block, FunctionFacts

_AFTER_CALL = (Flow.CALL, Flow.CALL_CLOSURE)
_LEAVES = (Flow.RETURN, Flow.HALT, Flow.TRAP, Flow.SYNC)  # what stands behind is reached from elsewhere, if at all


@dataclass(frozen=True, slots=True)
class Paths:
    """The blocks of a function that compiled code entering at `start` can reach, and what must be affordable at each.

    needs: by start pc, in program order: cycles of the dearest way from the block to a checkpoint. checkpoints: where it is asked.
    entered: blocks that another one leads to, other than by coming back from a call; and `start`.
    """

    start: int
    needs: Mapping[int, int]
    checkpoints: frozenset[int]
    entered: frozenset[int]


def loop_heads(function: FunctionFacts) -> list[int]:
    """Start pcs of the blocks that are jumped back to, in program order."""
    heads = set()
    for block in function.blocks:
        last = function.instructions[block.last - 1]
        if last.row.jumps and last.immediates[0] <= block.start:
            heads.add(last.immediates[0])
    return sorted(heads)


def paths(function: FunctionFacts, start: int) -> Paths:
    """Linear in the size of the function."""
    checkpoints = {start, *loop_heads(function)}
    checkpoints.update(
        block.end for block in function.blocks if function.instructions[block.last - 1].row.flow in _AFTER_CALL
    )
    reached, waiting, entered = {start}, [start], {start}
    while waiting:
        block = function.block_at[waiting.pop()]
        called = function.instructions[block.last - 1].row.flow in _AFTER_CALL
        for following in successors(function, block):
            if not called:
                entered.add(following)
            if following not in reached:
                reached.add(following)
                waiting.append(following)
    needs: dict[int, int] = {}
    for pc in sorted(reached, reverse=True):  # what a block leads to without a checkpoint stands behind it
        block = function.block_at[pc]
        behind = (needs[s] for s in successors(function, block) if s not in checkpoints)
        needs[pc] = block.cost + max(behind, default=0)
    return Paths(start, {pc: needs[pc] for pc in sorted(reached)}, frozenset(checkpoints & reached), frozenset(entered))


def successors(function: FunctionFacts, block: Block) -> list[int]:
    """Start pcs of the blocks that compiled code goes on with, a call's callee left out."""
    last = function.instructions[block.last - 1]
    found = [last.immediates[0]] if last.row.jumps else []
    if last.row.flow is not Flow.JUMP and last.row.flow not in _LEAVES:
        found.append(block.end)
    return found
