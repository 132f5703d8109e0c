"""What the verifier proved, in the form the engines use it. Facts exist only for programs that were accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ..isa.code import Decoded
from ..isa.program import Function
from ..isa.table import Flow
from ..isa.types import FunctionType, SlotType
from ..isa.typing import Resolved

MAX_BLOCK_CYCLES = 1024  # a longer run of instructions is cut, so that a budget is met closely
LOCALS_PER_CYCLE = 8  # entering a function clears that many locals for one cycle


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCall:
    """What the verifier must know of a service or intrinsic."""

    signature: FunctionType  # in terms of the program's type table
    cycles: int  # beyond those of the instruction
    metered: bool  # it may cost more, by its arguments


HostCalls = Mapping[int, HostCall]


class Block(NamedTuple):
    """A run of instructions that is entered at its start only and paid for on entry. Engines stop nowhere else."""

    start: int  # pc of its first instruction
    end: int  # pc behind its last
    first: int  # the same as positions in the function's instructions
    last: int  # behind the last
    cost: int  # cycles of all its instructions
    stack: tuple[SlotType, ...]  # operand types on entry


@dataclass(frozen=True, kw_only=True)
class FunctionFacts:
    """One accepted function. Everything is in program order."""

    function: Function
    signature: FunctionType
    slots: tuple[SlotType, ...]  # the closure if it is one, parameters, locals
    instructions: tuple[Decoded, ...]
    resolved: tuple[Resolved, ...]  # beside each instruction: its form and promoted operands
    costs: tuple[int, ...]  # beside each instruction
    blocks: tuple[Block, ...]
    may_stop: bool  # it, or what it calls, has FRAME_SYNC, YIELD, SLEEP or HALT

    @cached_property
    def block_at(self) -> Mapping[int, Block]:
        """Blocks by start pc."""
        return {block.start: block for block in self.blocks}

    @property
    def params(self) -> int:
        """Slots that a caller fills: the closure if it is one, and the parameters."""
        return len(self.signature.params) + self.function.is_closure

    @property
    def frame_words(self) -> int:
        """Stack words that a frame needs: slots and operands."""
        return len(self.slots) + self.function.max_stack

    def safepoints(self) -> list[Block]:
        """Blocks where a frame may wait: the entry, behind calls, and behind FRAME_SYNC."""
        waits = (Flow.CALL, Flow.CALL_CLOSURE, Flow.SYNC)
        return [b for b in self.blocks if b.start == 0 or self.instructions[b.first - 1].row.flow in waits]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A whole accepted program."""

    functions: tuple[FunctionFacts, ...]
    work: int  # steps the verifier took
