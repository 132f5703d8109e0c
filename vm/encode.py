"""Records as bytes: 32 each, and beside them the tables that say what a record stands for.

     0 u64 address of the handler (a variant's number until a core is known)
     8 u16 destination          10 u16, 12 u16, 14 u16 operands
    16 u64 constant, or u16 operands where there is none
    24 u16 cost of the block behind   26 u16 cost of the target's block   28 i32 bytes to the target's record

The first two records are the end of every coroutine: a call that nobody made, and what its return leads to.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import numpy as np

from ..isa.types import FLOAT
from ..loader.image import Image
from ..verifier import FunctionFacts
from .accumulate import Held, use_accumulators
from .code import FLOAT_BANK, RECORD, Code
from .image_tables import place
from .lower import LoweredBlock, lower
from .records import Record
from .shapes import shape_of

END_RECORDS = 2
NONE = -1  # no block begins with the record, no slot is held


def encode(image: Image, numbers: Mapping[object, int], *, fuse: bool = True, accumulators: bool = True) -> Code:
    """All functions of an image. numbers: variant or host call to handler number, see `handlers`."""
    return _Encoder(image, numbers, fuse=fuse, accumulators=accumulators).run()


class _Encoder:
    """Functions one after another. Lists are beside the records, or beside the blocks."""

    def __init__(self, image: Image, numbers: Mapping[object, int], *, fuse: bool, accumulators: bool) -> None:
        self.image, self.numbers = image, numbers
        self.fuse, self.accumulators = fuse, accumulators
        end = Record(shape_of(("END",)), (), 0)
        self.records = [end] * END_RECORDS
        self.where, self.opcodes, self.rest = ([at] * END_RECORDS for at in (0, self._first_opcode(), 0))
        self.blocks: list[int] = []  # places
        self.costs: list[int] = []
        self.held: list[int] = []
        self.firsts: list[int] = []  # records
        self.starts: dict[int, int] = {}  # place of a block -> its position among them
        self.behind: list[int] = []  # positions of blocks that stand behind others

    def run(self) -> Code:
        facts = self.image.facts.functions
        for index, function in enumerate(facts):
            self._function(index, function)
        count, blocks, firsts = len(self.records), np.array(self.blocks, np.int64), np.array(self.firsts, np.int64)
        leaders, leader_cost, held = np.full((3, count), NONE, np.int64)
        leaders[firsts], leader_cost[firsts], held[firsts] = blocks, self.costs, self.held
        entries = [self.starts[place(i, 0)] for i in range(len(facts))]
        functions = [
            (self.firsts[entry], self.costs[entry], f.frame_words, f.params, len(f.slots) - f.params)
            for entry, f in zip(entries, facts, strict=True)
        ]
        return Code(
            records=np.frombuffer(self._packed(), np.int64).reshape(-1, RECORD // 8),
            where=np.array(self.where, np.int64),
            opcodes=np.array(self.opcodes, np.int64),
            leaders=leaders,
            rest=np.array(self.rest, np.int64),
            leader_cost=leader_cost,
            held=held,
            blocks=blocks,
            block_records=firsts,
            functions=np.array(functions, np.int64),
        )

    def _first_opcode(self) -> int:
        return self.image.facts.functions[0].instructions[0].row.opcode

    def _function(self, index: int, function: FunctionFacts) -> None:
        instructions, slots, first = function.instructions, len(function.slots), len(self.records)
        ends = (instructions[block.last - 1] for block in function.blocks)
        targets = {immediates[0] for _, row, immediates in ends if row.jumps}
        paid = [0, *accumulate(function.costs)]  # before each instruction
        after_call: Held | None = None
        for low in lower(self.image, index, fuse=self.fuse):
            block, held = low.block, None
            if self.accumulators:
                held = after_call if block.start not in targets else None
                use_accumulators(low.records, slots, held, low.live)
                after_call = _returned(function, low)
            where = place(index, block.start)
            if block.start:
                self.behind.append(len(self.blocks))
            self.starts[where] = len(self.blocks)
            self.blocks.append(where)
            self.costs.append(block.cost)
            self.firsts.append(len(self.records))
            self.held.append(NONE if held is None else held.slot + (FLOAT_BANK if held.bank == "F" else 0))
            self.records += low.records
            all_paid = paid[block.last]
            self.rest += [all_paid - paid[record.position + 1] for record in low.records]
        positions = [record.position for record in self.records[first:]]
        self.where += [place(index, 0) | instructions[position][0] for position in positions]
        self.opcodes += [instructions[position][1].opcode for position in positions]

    def _packed(self) -> bytearray:
        """All records as bytes."""
        data, at = bytearray(RECORD * len(self.records)), 0
        for record in self.records[:END_RECORDS]:
            record.shape.pack_into(data, at, record.shape.numbers[True], 0, 0, 0, 0)
            at += RECORD
        costs_behind = {RECORD * (self.firsts[i] - 1): self.costs[i] for i in self.behind}
        for record, where in zip(self.records[END_RECORDS:], self.where[END_RECORDS:], strict=True):
            shape, operands, target = record.shape, record.operands, record.target
            number = shape.numbers[record.stored]
            cost = distance = 0
            if target is not None:
                if shape.is_host:
                    number = self.numbers[shape.name, target]
                else:
                    goal = self.starts[place(target, 0) if shape.is_call else where >> 32 << 32 | target]
                    cost, distance = self.costs[goal], RECORD * self.firsts[goal] - at
            if shape.order is not None:
                operands = tuple([operands[i] for i in shape.order])
            shape.pack_into(data, at, number, record.dest, *operands, costs_behind.get(at, 0), cost, distance)
            at += RECORD
        return data


def _returned(function: FunctionFacts, low: LoweredBlock) -> Held | None:
    """What is in an accumulator behind a block that ends with a call of one result."""
    last = low.records[-1]
    if not last.shape.is_call:
        return None
    following = function.block_at[low.block.end]
    slot = last.dest
    results = following.stack[slot - len(function.slots) :]
    return Held(slot, "F" if results[0] == FLOAT else "W") if len(results) == 1 else None
