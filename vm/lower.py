"""Verified stack code to records: the stack is followed symbolically, values are computed where they are needed.

An entry of the symbolic stack is a slot, a constant, or a pure tree not yet computed. A pure instruction joins the trees of its
operands; what has an effect is written as a record at once, its operands as trees where that kind exists and in slots where not.
At the end of every block all live values stand in their home slots, so engines may stop there and agree on every word.

A value's home is `slots + depth` for the operand at that depth, and its own slot for a local.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..contract import InternalError
from ..isa.program import Constant
from ..isa.table import Flow
from ..isa.types import FLOAT
from ..isa.typing import immediate_operands
from ..loader.image import Image
from ..verifier import Block, FunctionFacts
from .exact_words import MASK, float_bits, signed
from .image_tables import constant_handle
from .kinds import (
    BRANCHES,
    COMMUTATIVE,
    INVERTED,
    KINDS,
    KNOWN_KINDS,
    MIRRORED,
    PENDING,
    STEPS,
    Kind,
    leaves,
    substitute,
)
from .layout import STACK_SLACK
from .symbols import Entry, Symbols, bank

SMALL = 1 << 16
_GOES_ON = frozenset({Flow.MOVE, Flow.NEXT, Flow.CLOSURE, Flow.SPAWN, Flow.HOST})  # in the same block


class _Crowded(Exception):
    """More values are out of place than there are spare slots."""


@dataclass(slots=True)
class Record:
    """One step. Operands are beside the kind's places; `dest` is where the result goes, or where operands stand."""

    kind: Kind
    operands: list[int]
    pc: int
    rest: int  # cycles of the block's instructions behind this one: given back when it traps
    dest: int = 0
    target: int | None = None  # pc of a jump, number of a function or service
    count: int = 0  # of operands in slots from `dest` on
    reads_slots: bool = False  # it reads slots that are not among its operands
    stored: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LoweredBlock:
    """A block's records. `live` are the operand slots that mean something behind it."""

    block: Block
    records: list[Record]
    live: range


def lower(image: Image, index: int, *, fuse: bool = True) -> list[LoweredBlock]:
    """The records of a function, block by block in program order."""
    return _Lowering(image, index, fuse=fuse).run()


class _Lowering:
    def __init__(self, image: Image, index: int, *, fuse: bool) -> None:
        self.image, self.fuse = image, fuse
        self.facts: FunctionFacts = image.facts.functions[index]
        self.slots = len(self.facts.slots)
        self.spare = self.slots + self.facts.function.max_stack
        self.out: list[Record] = []
        self.stack = Symbols(self.slots)
        self.pc = 0
        self.rest = 0

    def run(self) -> list[LoweredBlock]:
        return [self._block(block) for block in self.facts.blocks]

    # ---- blocks and instructions

    def _block(self, block: Block) -> LoweredBlock:
        """The block's records. Where too many values are out of place, nothing waits: every value goes home at once."""
        try:
            return self._lowered(block, waiting=True)
        except _Crowded:
            return self._lowered(block, waiting=False)

    def _lowered(self, block: Block, *, waiting: bool) -> LoweredBlock:
        facts = self.facts
        self.out, self.rest = [], block.cost
        self.stack.restart(block.stack)
        flow = Flow.MOVE
        for position in range(block.first, block.last):
            self.pc, row, immediates = facts.instructions[position]
            self.rest -= facts.costs[position]
            flow = row.flow
            if flow is Flow.MOVE:
                self._move(row.name, immediates)
            elif flow is Flow.NEXT:
                self._next(position)
            elif flow is Flow.BRANCH:
                self._branch(row.name, immediates[0])
            else:
                self._other(flow, row.name, immediates)
            if not waiting and flow in _GOES_ON:  # no instruction leaves more than two out of place
                self._flush(max(len(self.stack) - 2, 0), len(self.stack))
        if flow in _GOES_ON:
            self._flush(0, len(self.stack))
            self._emit(("CHARGE",), [])
        return LoweredBlock(block=block, records=self.out, live=range(self.slots, self.slots + len(self.stack)))

    def _move(self, name: str, immediates: tuple[Any, ...]) -> None:
        stack = self.stack
        if name == "GET_LOCAL":
            stack.push(Entry(bank(self.facts.slots[immediates[0]]), "r", [immediates[0]]))
        elif name == "SET_LOCAL":
            self._set_local(immediates[0], stack.pop())
        elif name == "PUSH_CONST":
            stack.push(constant(self.image.program.constants, immediates[0]))
        elif name == "PUSH_F64":
            stack.push(Entry("F", "k", [float_bits(immediates[0])]))
        elif name == "PUSH_NULL":
            stack.push(Entry("W", "k", [0]))
        elif name in ("PUSH_I64", "PUSH_I32", "PUSH_BOOL"):
            stack.push(Entry("W", "k", [immediates[0] & MASK]))
        elif name == "POP":
            stack.pop()
        elif name == "POP_N":
            stack.cut(len(stack) - immediates[0])
        elif name == "DUP":
            if isinstance(stack[-1].tree, tuple):
                self._place(len(stack) - 1)  # computed once, read twice
            stack.push(stack[-1])
        elif name == "SWAP":
            upper, lower_one = stack.pop(), stack.pop()
            stack.push(upper)
            stack.push(lower_one)
        elif name != "NOP":
            raise InternalError(f"no move {name}")

    def _set_local(self, slot: int, entry: Entry) -> None:
        last = self.out[-1] if self.out else None
        just_made = (
            last is not None
            and _has_result(last)
            and entry.tree == "r"
            and entry.operands == [last.dest]
            and last.dest >= self.slots
        )
        if just_made and last is not None and not (self.stack.is_read(slot) or self.stack.is_read(last.dest)):
            last.dest = slot  # let it be made in place
        elif entry.tree != "r" or entry.operands != [slot]:
            self.stack.push(entry)
            self._settle(slot, len(self.stack) - 1)
            self._compute(self.stack.pop(), slot)

    def _next(self, position: int) -> None:
        """An instruction with a meaning: a tree if it is pure, a record if not."""
        facts = self.facts
        _, row, immediates = facts.instructions[position]
        form, promoted = facts.resolved[position]
        assert form is not None
        step = STEPS[form.name]
        count = len(step.takes) - step.immediates
        if row.name == "GET_CAPTURE":
            self.stack.push(Entry("W", "r", [0]))  # the closure
        for i in range(count):
            if promoted >> i & 1:
                self._promote(len(self.stack) - count + i)
        constants = immediate_operands(self.image.program, row, immediates)
        low = len(self.stack) - count
        kind, operands = self._join(form.name, count, constants)
        if step.pure:
            self.stack.cut(low)
            self.stack.push(Entry(step.gives, kind, operands))
            return
        if form.gives:
            # Its result goes to its home; who still reads what is there must be computed first.
            self._settle(self._home(low), low)
            kind, operands = self._join(form.name, count, constants)
        self._emit(kind, operands, dest=self._home(low))
        self.stack.cut(low)
        if form.gives:
            self.stack.push(Entry.in_slot(self._home(low), form.gives))

    def _promote(self, depth: int) -> None:
        entry = self.stack[depth]
        if entry.tree == "k":
            self.stack.put(depth, Entry("F", "k", [float_bits(float(signed(entry.operands[0])))]))
            return
        if entry.tree != "r":
            self._place(depth)
        self.stack.put(depth, Entry("F", ("INT_TO_FLOAT", "r"), self.stack[depth].operands))

    def _branch(self, name: str, target: int) -> None:
        low = len(self.stack) - 1
        self._flush(0, low)
        self._normalize_test(name)
        kind, operands = self._join(self.branch, 1, ())
        self.stack.pop()
        if not self._fuse_with_step(kind, operands, target):
            self._emit(kind, operands, target=target)

    def _normalize_test(self, name: str) -> None:
        """Say a test the one way that kinds are written in: jumps on true, constants on the right, less before greater."""
        self.branch = name
        entry = self.stack[-1]
        if not isinstance(entry.tree, tuple) or len(entry.tree) != 3:
            return
        test, left, right = entry.tree
        operands = entry.operands
        if name == "JMP_IF_FALSE" and test in INVERTED:
            self.branch, test = "JMP_IF_TRUE", INVERTED[test]
        if test in MIRRORED and left == right == "r" and (self.branch, (test, "r", "r")) not in KINDS:
            test, operands = MIRRORED[test], operands[::-1]
        self.stack.put(len(self.stack) - 1, Entry(entry.gives, (test, left, right), operands))

    def _fuse_with_step(self, kind: Kind, operands: list[int], target: int) -> bool:
        """`i += k` right before a test of i: one record that steps, stores, tests and branches."""
        last = self.out[-1] if self.out else None
        test = kind[1]
        if not self.fuse or last is None or not _has_result(last) or not isinstance(test, tuple) or len(test) != 3:
            return False
        if test[1] != "r" or operands[0] != last.dest or operands[1:] == [last.dest]:
            return False
        bounds = [test[2]] + (["s"] if test[2] == "k" and operands[1] < SMALL else [])
        for bound in bounds:
            joined = (kind[0], (test[0], ("=", last.kind), bound))
            if joined in KINDS:
                self.out.pop()
                self._emit(joined, last.operands + operands[1:], dest=last.dest, target=target)
                return True
        return False

    def _other(self, flow: Flow, name: str, immediates: tuple[Any, ...]) -> None:
        stack = self.stack
        if flow is Flow.JUMP:
            self._flush(0, len(stack))
            self._emit(("JMP",), [], target=immediates[0])
        elif flow is Flow.CALL:
            callee = self.image.facts.functions[immediates[0]]
            self._flush(0, len(stack))
            low = len(stack) - callee.params
            kind = ("CALL_CLEAR",) if len(callee.slots) > callee.params else ("CALL",)
            self._emit(kind, [], dest=self._home(low), target=immediates[0], reads_slots=True)
            stack.cut(low)
        elif flow is Flow.CALL_CLOSURE:
            self._flush(0, len(stack))
            low = len(stack) - immediates[0] - 1
            self._emit(("CALL_CLOSURE",), [], dest=self._home(low), count=immediates[0], reads_slots=True)
            stack.cut(low)
        elif flow is Flow.RETURN:
            self._return()
        elif flow is Flow.CLOSURE:
            self._from_slots(("MAKE_CLOSURE",), immediates[0], immediates[1], "W")
        elif flow is Flow.SPAWN:
            self._from_slots(("SPAWN",), immediates[0], immediates[1], "W")
        elif flow is Flow.HOST:
            service = (self.image.services if name == "SYSCALL" else self.image.intrinsics)[immediates[0]]
            results = "".join("F" if kind == "float" else "W" for _, kind in service.results)
            self._from_slots((name,), immediates[0], len(service.params), results)
        elif flow is Flow.SYNC:
            self._flush(0, len(stack))
            self._emit(("FRAME_SYNC",), [])
        else:
            self._emit((name,), [])  # HALT, TRAP: nothing of the stack is looked at again

    def _return(self) -> None:
        results = self.facts.signature.results
        if len(results) == 1:
            self._emit(*self._join("RET.F" if results[0] == FLOAT else "RET.W", 1, ()))
            self.stack.pop()
        else:
            self._flush(0, len(self.stack))
            self._emit(("RET.N",), [], dest=self.slots, count=len(results), reads_slots=True)
            self.stack.cut(0)

    def _from_slots(self, kind: Kind, target: int, count: int, results: str) -> None:
        """A step that finds its operands in consecutive home slots and leaves its results there."""
        low = len(self.stack) - count
        self._flush(low, len(self.stack))
        for i in range(len(results)):
            self._settle(self._home(low + i), low)
        self._emit(kind, [], dest=self._home(low), target=target, count=count, reads_slots=True)
        self.stack.cut(low)
        for i, gives in enumerate(results):
            self.stack.push(Entry.in_slot(self._home(low + i), gives))

    # ---- records and places

    def _emit(
        self,
        kind: Kind,
        operands: list[int],
        *,
        dest: int = 0,
        target: int | None = None,
        count: int = 0,
        reads_slots: bool = False,
    ) -> None:
        self.out.append(
            Record(kind, operands, self.pc, self.rest, dest=dest, target=target, count=count, reads_slots=reads_slots)
        )

    def _compute(self, entry: Entry, dest: int) -> None:
        if not isinstance(entry.tree, tuple):
            self._emit((f"COPY.{entry.gives}", entry.tree), entry.operands, dest=dest)
            return
        kind, operands = entry.tree, entry.operands
        if kind not in KINDS:  # it exists only inside of a kind that did not come about: compute its parts first
            kind, operands = self._flatten(kind, operands)
            if kind not in KINDS:  # a small constant was wanted for the whole; alone it is a wide one
                kind = tuple("k" if part == "s" else part for part in kind)
        self._emit(kind, operands, dest=dest)

    def _flatten(self, kind: Kind, operands: list[int]) -> tuple[Kind, list[int]]:
        """The same over slots: every tree among its operands is computed into a spare slot."""
        rest, flat_operands, parts = list(operands), [], []
        taken: list[int] = []
        for part in kind[1:]:
            if isinstance(part, tuple):
                inner, rest = rest[: len(leaves(part))], rest[len(leaves(part)) :]
                slot = self._free_spare(taken + operands)
                taken.append(slot)
                self._compute(Entry(STEPS[part[0]].gives, part, inner), slot)
                flat_operands.append(slot)
                parts.append("r")
            else:
                flat_operands.append(rest.pop(0))
                parts.append(part)
        return (kind[0], *parts), flat_operands

    def _home(self, depth: int) -> int:
        return self.stack.home(depth)

    def _place(self, depth: int) -> None:
        """Compute the entry into its home, or into a spare slot while others still read what is there."""
        if self.stack.at_home(depth):
            return
        slot = self._home(depth)
        if self.stack.is_read(slot, but=depth):
            slot = self._free_spare()
        entry = self.stack[depth]
        self._compute(entry, slot)
        self.stack.put(depth, Entry.in_slot(slot, entry.gives))

    def _free_spare(self, taken: Sequence[int] = ()) -> int:
        """The first slot behind the frame that no entry reads and that is not taken."""
        for slot in range(self.spare, self.spare + STACK_SLACK):
            if slot not in taken and not self.stack.is_read(slot):
                return slot
        raise _Crowded

    def _settle(self, slot: int, count: int) -> None:
        """Of the lowest `count` entries, compute those that still read `slot`: it is about to change."""
        for depth in self.stack.readers(slot):
            if depth < count:
                self._place(depth)
        if any(depth < count for depth in self.stack.readers(slot)):
            raise InternalError("a value could not leave the slot that is about to change")

    def _flush(self, low: int, high: int) -> None:
        """Put the entries at these depths into their homes."""
        for depth in range(low, high):
            if self.stack.at_home(depth):
                continue
            for reader in self.stack.readers(self._home(depth)):
                if reader != depth:
                    self._place(reader)
            entry = self.stack[depth]
            self._compute(entry, self._home(depth))
            self.stack.put(depth, Entry.in_slot(self._home(depth), entry.gives))

    def _join(self, name: str, count: int, constants: Sequence[int]) -> tuple[Kind, list[int]]:
        """The kind and operands of `name` over the topmost entries; operands are computed until such a kind exists."""
        low = len(self.stack) - count
        tail = ("s",) * len(constants)
        if any(value >= SMALL for value in constants):
            raise InternalError(f"{name} with an index beyond 16 bits")
        while True:
            depths = list(range(low, low + count))
            if name in COMMUTATIVE and _rank(self.stack[low]) < _rank(self.stack[low + 1]):
                depths.reverse()
            for order in (depths, depths[::-1]) if name in COMMUTATIVE else (depths,):
                entries = [self.stack[depth] for depth in order]
                kind = (name, *(entry.tree for entry in entries), *tail)
                operands = [x for entry in entries for x in entry.operands] + list(constants)
                found = _usable(kind, tuple([x < SMALL for x in operands]), self.fuse)
                if found is not None:
                    return found, operands
            self._place(
                max(depths, key=lambda d: (isinstance(self.stack[d].tree, tuple), self.stack[d].tree == "k", d))
            )


@lru_cache(KNOWN_KINDS)
def _usable(kind: Kind, fits: tuple[bool, ...], fuse: bool) -> Kind | None:
    """The kind itself, or with some constants as small ones, if it is in the set. fits: operands below 2**16."""
    name = kind[0]
    wanted = PENDING if name in STEPS and STEPS[name].pure else KINDS
    if not fuse and name not in BRANCHES and any(isinstance(part, tuple) for part in kind[1:]):
        return None
    places = leaves(kind)
    wide = [i for i, place in enumerate(places) if place == "k"]
    for keep in dict.fromkeys([*wide, None]):
        small = [i for i in wide if i != keep]
        if len(wide) - len(small) <= 1 and all(fits[i] for i in small):
            candidate = substitute(kind, iter(["s" if i in small else place for i, place in enumerate(places)]))
            if candidate in wanted:
                return candidate
    return kind if kind in wanted else None


def constant(constants: Sequence[Constant], index: int) -> Entry:
    """The entry that PUSH_CONST pushes. A string's handle is the same in every machine."""
    value = constants[index].value
    if isinstance(value, bytes):
        return Entry("W", "k", [constant_handle(constants, index)])
    return Entry("F", "k", [float_bits(value)]) if isinstance(value, float) else Entry("W", "k", [value & MASK])


def _rank(entry: Entry) -> int:
    """Trees stand left of slots, slots left of constants."""
    return 2 if isinstance(entry.tree, tuple) else 0 if entry.tree == "k" else 1


def _has_result(record: Record) -> bool:
    """Whether the record leaves one value in its destination, which may be moved."""
    step = STEPS.get(record.kind[0])
    return step is not None and bool(step.gives) and record.kind[0] not in BRANCHES
