"""Records as bytes: 32 each, and beside them the tables that say what a record stands for.

     0 u64 address of the handler (a variant's number until a core is known)
     8 u16 destination          10 u16, 12 u16, 14 u16 operands
    16 u64 constant, or u16 operands where there is none
    24 u16 cost of the block behind   26 u16 cost of the target's block   28 i32 bytes to the target's record

The first two records are the end of every coroutine: a call that nobody made, and what its return leads to.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from ..isa.types import FLOAT
from ..loader.image import Image
from ..verifier import FunctionFacts
from .accumulate import Held, use_accumulators
from .image_tables import place
from .kinds import BRANCHES, KNOWN_KINDS, Kind, Place, leaves
from .lower import LoweredBlock, Record, lower

RECORD = 32
DEST, FIELDS, CONSTANT, BEHIND_COST, TARGET_COST, TARGET = 8, (10, 12, 14), 16, 24, 26, 28
MORE_FIELDS = (16, 18, 20, 22)
END_RECORDS = 2
NO_SLOT = -1
_ZEROS = (0,) * (len(FIELDS) + len(MORE_FIELDS))
FLOAT_BANK = 1 << 32  # added to a slot held in the float accumulator


_WITH_CONSTANT = struct.Struct("<QHHHHQHHi")
_WITHOUT_CONSTANT = struct.Struct("<QHHHHHHHHHHi")


def fields(kind: Kind) -> list[tuple[Place, int | None]]:
    """The places of a kind with their offsets in the record; None for the accumulator."""
    places = leaves(kind)
    free = iter(FIELDS if "k" in places else FIELDS + MORE_FIELDS)
    return [(p, CONSTANT if p == "k" else None if p == "a" else next(free)) for p in places]


@lru_cache(KNOWN_KINDS)
def _constant_at(kind: Kind) -> int | None:
    """Which of a kind's operands, those in accumulators not counted, is its 64-bit constant."""
    places = [place for place in leaves(kind) if place != "a"]
    return places.index("k") if "k" in places else None


@dataclass(frozen=True, kw_only=True)
class Code:
    """An image's records. Tables are beside the records unless they say otherwise; all int64.

    where, opcodes: place (function << 32 | pc) of the instruction, and which it is. rest: cycles given back when it traps.
    leaders, leader_cost: place and cost of the block that begins with the record, else -1. held: slot whose value the
    accumulator holds on entry (plus FLOAT_BANK), or -1.
    blocks, block_records: places of all blocks, sorted, and their first records. functions: per function the record of its
    entry, its block's cost, frame words, slots filled by a caller, slots to clear.
    """

    records: npt.NDArray[np.int64]  # (n, 4)
    where: npt.NDArray[np.int64]
    opcodes: npt.NDArray[np.int64]
    leaders: npt.NDArray[np.int64]
    rest: npt.NDArray[np.int64]
    leader_cost: npt.NDArray[np.int64]
    held: npt.NDArray[np.int64]
    blocks: npt.NDArray[np.int64]
    block_records: npt.NDArray[np.int64]
    functions: npt.NDArray[np.int64]  # (functions, 5)

    @cached_property
    def variants(self) -> frozenset[int]:
        """The numbers of the variants that occur."""
        return frozenset(int(number) for number in np.unique(self.records[:, 0]))

    def bound(self, handlers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The records with the addresses of their handlers. `handlers`: address by variant number."""
        records = self.records.copy()
        records[:, 0] = handlers[self.records[:, 0]]
        return records


def encode(image: Image, numbers: Mapping[object, int], *, fuse: bool = True, accumulators: bool = True) -> Code:
    """All functions of an image. numbers: variant or host call to handler number, see `handlers`."""
    return _Encoder(image, numbers, fuse=fuse, accumulators=accumulators).run()


class _Encoder:
    def __init__(self, image: Image, numbers: Mapping[object, int], *, fuse: bool, accumulators: bool) -> None:
        self.image, self.numbers = image, numbers
        self.fuse, self.accumulators = fuse, accumulators
        self.flat: list[tuple[int, Record, int]] = []  # function, record, cost of the block behind
        self.starts: dict[int, int] = {}  # place of a block -> its first record
        self.leader_cost: dict[int, int] = {}
        self.held: dict[int, int] = {}

    def run(self) -> Code:
        end = Record(("END",), [], 0, 0)
        self.flat += [(0, end, 0), (0, end, 0)]
        for index, function in enumerate(self.image.facts.functions):
            self._function(index, function)
        body = b"".join(self._record(i, *row) for i, row in enumerate(self.flat))
        count = len(self.flat)
        leader_cost = np.full(count, -1, np.int64)
        held = np.full(count, NO_SLOT, np.int64)
        leaders = np.full(count, -1, np.int64)
        for at, cost in self.leader_cost.items():
            leader_cost[at] = cost
        for where, at in self.starts.items():
            leaders[at] = where
        for at, slot in self.held.items():
            held[at] = slot
        blocks = sorted(self.starts)
        return Code(
            records=np.frombuffer(body, np.int64).reshape(-1, RECORD // 8),
            where=np.array([place(function, record.pc) for function, record, _ in self.flat], np.int64),
            opcodes=np.array([self._opcode(function, record) for function, record, _ in self.flat], np.int64),
            leaders=leaders,
            rest=np.array([record.rest for _, record, _ in self.flat], np.int64),
            leader_cost=leader_cost,
            held=held,
            blocks=np.array(blocks, np.int64),
            block_records=np.array([self.starts[at] for at in blocks], np.int64),
            functions=np.array(
                [
                    (self.starts[place(i, 0)], f.blocks[0].cost, f.frame_words, f.params, len(f.slots) - f.params)
                    for i, f in enumerate(self.image.facts.functions)
                ],
                np.int64,
            ),
        )

    def _opcode(self, function: int, record: Record) -> int:
        facts = self.image.facts.functions[function]
        return int.from_bytes(facts.function.code[record.pc : record.pc + 2], "little")

    def _function(self, index: int, function: FunctionFacts) -> None:
        targets = {d.immediates[0] for d in function.instructions if d.row.jumps}
        lowered = lower(self.image, index, fuse=self.fuse)
        after_call: Held | None = None
        for low, following in zip(lowered, [*lowered[1:], None], strict=True):
            block = low.block
            held = after_call if self.accumulators and block.start not in targets else None
            if self.accumulators:
                use_accumulators(low.records, len(function.slots), held, low.live)
            first = len(self.flat)
            self.starts[place(index, block.start)] = first
            self.leader_cost[first] = block.cost
            if held is not None:
                self.held[first] = held.slot + (FLOAT_BANK if held.bank == "F" else 0)
            cost_behind = following.block.cost if following else 0
            for record in low.records:
                self.flat.append((index, record, cost_behind if record is low.records[-1] else 0))
            after_call = self._returned(function, low)

    def _returned(self, function: FunctionFacts, low: LoweredBlock) -> Held | None:
        """What is in an accumulator behind a block that ends with a call of one result."""
        last = low.records[-1]
        if last.kind[0] not in ("CALL", "CALL_CLEAR", "CALL_CLOSURE"):
            return None
        following = function.block_at[low.block.end]
        slot = last.dest
        results = following.stack[slot - len(function.slots) :]
        return Held(slot, "F" if results[0] == FLOAT else "W") if len(results) == 1 else None

    def _record(self, at: int, function: int, record: Record, cost_behind: int) -> bytes:
        name, target, small = record.kind[0], record.target, record.operands
        key: object = (record.kind, record.stored)
        constant: int | None = None
        goal: int | None = None
        if target is None:
            if name in ("CALL_CLOSURE", "RET.N"):
                small = [record.count]
        elif name in BRANCHES or name == "JMP":
            goal = self.starts[place(function, target)]
        elif name in ("CALL", "CALL_CLEAR"):
            callee = self.image.facts.functions[target]
            small = [callee.frame_words, callee.params, len(callee.slots) - callee.params]
            goal = self.starts[place(target, 0)]
        else:  # MAKE_CLOSURE, SPAWN, SYSCALL, INTRINSIC
            constant = target
            if name in ("SYSCALL", "INTRINSIC"):
                key = (name, target)
                constant = self.image.intrinsics[target].member or 0 if name == "INTRINSIC" else 0
        constant_at = _constant_at(record.kind)
        if constant_at is not None:
            constant, small = small[constant_at], small[:constant_at] + small[constant_at + 1 :]
        cost, distance = (0, 0) if goal is None else (self.leader_cost[goal], RECORD * (goal - at))
        head, tail = (self.numbers[key], record.dest), (cost_behind, cost, distance)
        if constant is None:
            return _WITHOUT_CONSTANT.pack(*head, *small, *_ZEROS[len(small) :], *tail)
        return _WITH_CONSTANT.pack(*head, *small, *_ZEROS[len(small) + 4 :], constant, *tail)
