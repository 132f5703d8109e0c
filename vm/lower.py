"""Verified stack code to records: the stack is followed symbolically, values are computed where they are needed.

An entry of the symbolic stack is a slot, a constant, or a pure tree not yet computed. A pure instruction joins the trees of its
operands; what has an effect is written as a record at once, its operands as trees where that kind exists and in slots where not.
At the end of every block all live values stand in their home slots, so engines may stop there and agree on every word.

A value's home is `slots + depth` for the operand at that depth, and its own slot for a local.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..isa.program import Constant
from ..isa.table import ROWS, Flow, Instruction
from ..isa.types import FLOAT
from ..isa.typing import immediate_operands
from ..loader.image import Image
from ..verifier import Block, FunctionFacts
from .exact_words import MASK, float_bits, signed
from .image_tables import constant_handle
from .kinds import INVERTED, KINDS, MIRRORED, STEPS, Kind
from .records import Crowded, Record, Records
from .shapes import CONSTANTS, SMALL, shape_of
from .symbols import Entry, bank, constant, in_slot

_NULL = constant(0, "W")
_CLOSURE: Entry = ("W", "r", (0,))


class LoweredBlock(NamedTuple):
    """A block's records. `live` are the operand slots that mean something behind it."""

    block: Block
    records: list[Record]
    live: range


def lower(image: Image, index: int, *, fuse: bool = True) -> list[LoweredBlock]:
    """The records of a function, block by block in program order."""
    return _Lowering(image, index, fuse=fuse).run()


class _Lowering(Records):
    """Instruction by instruction. A method for each way that instructions are carried out; `_WAYS` says which is whose."""

    def __init__(self, image: Image, index: int, *, fuse: bool) -> None:
        facts: FunctionFacts = image.facts.functions[index]
        super().__init__(len(facts.slots), facts.function.max_stack, fuse=fuse)
        self.image, self.facts = image, facts
        self.locals: list[Entry] = [(bank(t), "r", (slot,)) for slot, t in enumerate(facts.slots)]

    def run(self) -> list[LoweredBlock]:
        """Block by block. Where too many values are out of place, nothing waits: every value goes home at once."""
        lowered = []
        for block in self.facts.blocks:
            try:
                lowered.append(self._block(block))
            except Crowded:
                lowered.append(self._block(block, waiting=False))
        return lowered

    def _block(self, block: Block, *, waiting: bool = True) -> LoweredBlock:
        instructions, stack = self.facts.instructions, self.stack
        self.out = []
        stack.restart(block.stack)
        for position in range(block.first, block.last):
            self.position = position
            _, row, immediates = instructions[position]
            _WAYS[row.opcode](self, row, immediates)
            if not waiting and not row.ends_block:  # no instruction leaves more than two out of place
                self.flush(max(len(stack.entries) - 2, 0), len(stack.entries))
        if not row.ends_block:
            self._flush_all()
            self.emit(_CHARGE)
        return LoweredBlock(block, self.out, range(self.slots, self.slots + len(stack.entries)))

    def _flush_all(self) -> None:
        if self.stack.entries:
            self.flush(0, len(self.stack.entries))

    # ---- moves

    def _nop(self, _: Instruction, __: tuple[Any, ...]) -> None:
        pass

    def _get_local(self, _: Instruction, immediates: tuple[Any, ...]) -> None:
        self.stack.entries.append(self.locals[immediates[0]])

    def _push_word(self, _: Instruction, immediates: tuple[Any, ...]) -> None:
        self.stack.entries.append(constant(immediates[0] & MASK, "W"))

    def _push_float(self, _: Instruction, immediates: tuple[Any, ...]) -> None:
        self.stack.entries.append(constant(float_bits(immediates[0]), "F"))

    def _push_null(self, _: Instruction, __: tuple[Any, ...]) -> None:
        self.stack.entries.append(_NULL)

    def _push_constant(self, _: Instruction, immediates: tuple[Any, ...]) -> None:
        self.stack.entries.append(program_constant(self.image.program.constants, immediates[0]))

    def _pop(self, _: Instruction, __: tuple[Any, ...]) -> None:
        self.stack.pop()

    def _pop_n(self, _: Instruction, immediates: tuple[Any, ...]) -> None:
        self.stack.cut(len(self.stack.entries) - immediates[0])

    def _dup(self, _: Instruction, __: tuple[Any, ...]) -> None:
        entries = self.stack.entries
        if isinstance(entries[-1][1], tuple):
            self.place(len(entries) - 1)  # computed once, read twice
        entries.append(entries[-1])

    def _swap(self, _: Instruction, __: tuple[Any, ...]) -> None:
        upper, lower_one = self.stack.pop(), self.stack.pop()
        self.stack.entries += (upper, lower_one)

    def _set_local(self, _: Instruction, immediates: tuple[Any, ...]) -> None:
        slot, stack = immediates[0], self.stack
        entry = stack.pop()
        if entry[1] == "r":
            source = entry[2][0]
            if source == slot:
                return
            last = self.out[-1] if self.out else None
            just_made = last is not None and last.shape.gives and source == last.dest >= self.slots
            if just_made and last is not None and not (stack.is_read(slot) or stack.is_read(source)):
                last.dest = slot  # let it be made in place
                return
        stack.entries.append(entry)
        self.settle(slot, len(stack.entries) - 1)
        self.compute(stack.pop(), slot)

    # ---- instructions with a meaning

    def _meaning(self, row: Instruction, immediates: tuple[Any, ...]) -> None:
        """A tree if it is pure, a record if not."""
        form, promoted = self.facts.resolved[self.position]
        assert form is not None
        step, stack = STEPS[form.name], self.stack
        low = len(stack.entries) - step.operands
        if promoted:
            self._promote(low, promoted)
        words = immediate_operands(self.image.program, row, immediates) if immediates else ()
        joined, shape, operands = self.join(form.name, step.operands, words)
        if step.pure:
            stack.cut(low)
            stack.entries.append((step.gives, joined.tree, operands))
            return
        home = self.slots + low
        if form.gives:  # its result goes to its home; who still reads what is there must be computed first
            self.settle(home, low)
        self.emit(shape, operands, home)
        stack.cut(low)
        if form.gives:
            stack.entries.append(in_slot(home, form.gives))

    def _get_capture(self, row: Instruction, immediates: tuple[Any, ...]) -> None:
        self.stack.entries.append(_CLOSURE)
        self._meaning(row, immediates)

    def _promote(self, low: int, promoted: int) -> None:
        """Make floats of the operands from depth `low` on whose bits are set."""
        for depth in range(low, len(self.stack.entries)):
            if promoted >> (depth - low) & 1:
                _, tree, operands = self.stack.entries[depth]
                if tree in CONSTANTS:
                    self.stack.put(depth, constant(float_bits(float(signed(operands[0]))), "F"))
                    continue
                if tree != "r":
                    self.place(depth)
                self.stack.put(depth, ("F", ("INT_TO_FLOAT", "r"), self.stack.entries[depth][2]))

    # ---- branches

    def _branch(self, row: Instruction, immediates: tuple[Any, ...]) -> None:
        self.flush(0, len(self.stack.entries) - 1)
        name = self._normalize_test(row.name)
        _, shape, operands = self.join(name, 1)
        self.stack.pop()
        if not self._fuse_with_step(shape.kind, operands, immediates[0]):
            self.emit(shape, operands, target=immediates[0])

    def _normalize_test(self, name: str) -> str:
        """Say a test the one way that kinds are written in: jumps on true, constants on the right, less before greater."""
        gives, tree, operands = self.stack.entries[-1]
        if not isinstance(tree, tuple) or len(tree) != 3:
            return name
        test, left, right = tree
        if name == "JMP_IF_FALSE" and test in INVERTED:
            name, test = "JMP_IF_TRUE", INVERTED[test]
        if test in MIRRORED and left == right == "r" and (name, (test, "r", "r")) not in KINDS:
            test, operands = MIRRORED[test], operands[::-1]
        self.stack.put(len(self.stack.entries) - 1, (gives, (test, left, right), operands))
        return name

    def _fuse_with_step(self, kind: Kind, operands: tuple[int, ...], target: int) -> bool:
        """`i += k` right before a test of i: one record that steps, stores, tests and branches."""
        last = self.out[-1] if self.out else None
        test = kind[1]
        if not self.fuse or last is None or not last.shape.gives or not isinstance(test, tuple) or len(test) != 3:
            return False
        if test[1] != "r" or operands[0] != last.dest or operands[1:] == (last.dest,):
            return False
        bounds = [test[2]] + (["s"] if test[2] == "k" and operands[1] < SMALL else [])
        for bound in bounds:
            joined = (kind[0], (test[0], ("=", last.kind), bound))
            if joined in KINDS:
                self.out.pop()
                self.emit(shape_of(joined), last.operands + operands[1:], last.dest, target)
                return True
        return False

    # ---- calls, coroutines, the host

    def _jump(self, _: Instruction, immediates: tuple[Any, ...]) -> None:
        self._flush_all()
        self.emit(_JMP, target=immediates[0])

    def _call(self, _: Instruction, immediates: tuple[Any, ...]) -> None:
        callee = self.image.facts.functions[immediates[0]]
        self._flush_all()
        low, to_clear = len(self.stack.entries) - callee.params, len(callee.slots) - callee.params
        fields = (callee.frame_words, callee.params, to_clear)
        self.emit(_CALL_CLEAR if to_clear else _CALL, fields, self.slots + low, immediates[0])
        self.stack.cut(low)

    def _call_closure(self, _: Instruction, immediates: tuple[Any, ...]) -> None:
        self._flush_all()
        low = len(self.stack.entries) - immediates[0] - 1
        self.emit(_CALL_CLOSURE, (immediates[0],), self.slots + low)
        self.stack.cut(low)

    def _return(self, _: Instruction, __: tuple[Any, ...]) -> None:
        results = self.facts.signature.results
        if len(results) == 1:
            joined = self.join("RET.F" if results[0] == FLOAT else "RET.W", 1)
            self.emit(joined[1], joined[2])
            self.stack.pop()
        else:
            self._flush_all()
            self.emit(_RETURN_MANY, (len(results),), self.slots)
            self.stack.cut(0)

    def _make(self, row: Instruction, immediates: tuple[Any, ...]) -> None:
        """A closure or a coroutine."""
        self._from_slots(row.name, immediates[1], "W", immediates[0])

    def _host(self, row: Instruction, immediates: tuple[Any, ...]) -> None:
        is_service = row.name == "SYSCALL"
        service = (self.image.services if is_service else self.image.intrinsics)[immediates[0]]
        results = "".join("F" if kind == "float" else "W" for _, kind in service.results)
        member = 0 if is_service else service.member or 0
        self._from_slots(row.name, len(service.params), results, member, immediates[0])

    def _from_slots(self, name: str, count: int, results: str, word: int, target: int | None = None) -> None:
        """A step that finds its operands in consecutive home slots and leaves its results there."""
        low = len(self.stack.entries) - count
        home = self.slots + low
        self.flush(low, low + count)
        for i in range(len(results)):
            self.settle(home + i, low)
        self.emit(shape_of((name,)), (word,), home, target)
        self.stack.cut(low)
        for i, gives in enumerate(results):
            self.stack.entries.append(in_slot(home + i, gives))

    def _sync(self, _: Instruction, __: tuple[Any, ...]) -> None:
        self._flush_all()
        self.emit(_SYNC)

    def _end(self, row: Instruction, _: tuple[Any, ...]) -> None:
        self.emit(shape_of((row.name,)))  # HALT, TRAP: nothing of the stack is looked at again


_CHARGE, _JMP, _CALL, _CALL_CLEAR, _CALL_CLOSURE, _RETURN_MANY, _SYNC = (
    shape_of((name,)) for name in ("CHARGE", "JMP", "CALL", "CALL_CLEAR", "CALL_CLOSURE", "RET.N", "FRAME_SYNC")
)

_Way = Callable[[_Lowering, Instruction, tuple[Any, ...]], None]
_MOVES: Mapping[str, _Way] = {
    "NOP": _Lowering._nop,
    "PUSH_CONST": _Lowering._push_constant,
    "POP": _Lowering._pop,
    "DUP": _Lowering._dup,
    "SWAP": _Lowering._swap,
    "PUSH_I64": _Lowering._push_word,
    "PUSH_F64": _Lowering._push_float,
    "PUSH_BOOL": _Lowering._push_word,
    "PUSH_I32": _Lowering._push_word,
    "POP_N": _Lowering._pop_n,
    "PUSH_NULL": _Lowering._push_null,
    "GET_LOCAL": _Lowering._get_local,
    "SET_LOCAL": _Lowering._set_local,
}
_FLOWS: Mapping[Flow, _Way] = {
    Flow.NEXT: _Lowering._meaning,
    Flow.JUMP: _Lowering._jump,
    Flow.BRANCH: _Lowering._branch,
    Flow.CALL: _Lowering._call,
    Flow.CALL_CLOSURE: _Lowering._call_closure,
    Flow.RETURN: _Lowering._return,
    Flow.HALT: _Lowering._end,
    Flow.TRAP: _Lowering._end,
    Flow.CLOSURE: _Lowering._make,
    Flow.SPAWN: _Lowering._make,
    Flow.HOST: _Lowering._host,
    Flow.SYNC: _Lowering._sync,
}
_WAYS: Mapping[int, _Way] = {
    row.opcode: _MOVES[row.name] if row.flow is Flow.MOVE else _FLOWS[row.flow] for row in ROWS
} | {row.opcode: _Lowering._get_capture for row in ROWS if row.name == "GET_CAPTURE"}


def program_constant(constants: Sequence[Constant], index: int) -> Entry:
    """The entry that PUSH_CONST pushes. A string's handle is the same in every machine."""
    value = constants[index].value
    if isinstance(value, bytes):
        return constant(constant_handle(constants, index), "W")
    return constant(float_bits(value), "F") if isinstance(value, float) else constant(value & MASK, "W")
