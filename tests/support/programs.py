"""Random valid programs, drawn from the instruction table.

A program has a main function that runs for ever, one frame a turn, coroutines, plain functions and closures over a fixed set of
types. Every loop is bounded, every row of the table can occur, and every program passes the verifier: a rejection is a mistake
of the generator or of the verifier. The source of choices is anything like `random.Random`; hypothesis gives one that shrinks.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from itertools import accumulate
from random import Random
from typing import Any

from pbs.host import standard
from pbs.isa.program import Constant, Export, Function, Import, Meta, Program
from pbs.isa.table import BY_NAME, ROWS, Flow, Instruction
from pbs.isa.types import (
    BOOL,
    BYTE,
    FLOAT,
    INT,
    NULL,
    ArrayType,
    CoroutineType,
    FunctionType,
    RecordType,
    Type,
    is_ref,
    ref_to,
)
from pbs.isa.typing import RULES, FunctionTyping

META = Meta(
    isa="1.0.0", runtime_min="1.0.0", runtime_max=None, profile="core", profile_version="1.0.0", toolchain="tests"
)

EDGE_INTS = (
    0,
    1,
    -1,
    2,
    3,
    7,
    63,
    64,
    65,
    255,
    256,
    65535,
    65536,
    2**31,
    -(2**31),
    2**32,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
    -(2**63) + 1,
)
EDGE_FLOATS = (
    0.0,
    -0.0,
    1.0,
    -1.5,
    0.5,
    2.0,
    0.1,
    1e308,
    -1e308,
    5e-324,
    float("inf"),
    float("-inf"),
    float("nan"),
    2.0**63,
    -(2.0**63),
    9.2e18,
)

BYTES, INTS, FLOATS, BOOLS, NODE, NODES, TASK = (ref_to(i) for i in range(7))
NODE_FIELDS = (INT, FLOAT, BOOL, NODE, INTS)
FIXED_TYPES: tuple[Type, ...] = (
    ArrayType(BYTE), ArrayType(INT), ArrayType(FLOAT), ArrayType(BOOL), RecordType(NODE_FIELDS), ArrayType(NODE), CoroutineType(),
    FunctionType((), ()), FunctionType((INT,), (INT,)), FunctionType((FLOAT, INT), (FLOAT,)), FunctionType((NODE, BOOL), (NODE,)),
    FunctionType((INT,), ()), FunctionType((), (INT, FLOAT)), FunctionType((BOOL,), (BOOL, INT, NODE)),
)  # fmt: skip
NO_ARGS, INT_INT, FLOAT_INT, NODE_BOOL, INT_NONE, TO_PAIR, TO_THREE = range(7, 14)
CLOSURE_TYPES = (INT_INT, FLOAT_INT, TO_PAIR, NO_ARGS)
VALUES = (INT, FLOAT, BOOL, BYTES, INTS, FLOATS, BOOLS, NODE, NODES, TASK, ref_to(INT_INT), ref_to(FLOAT_INT))
ELEMENTS = {BYTES: INT, INTS: INT, FLOATS: FLOAT, BOOLS: BOOL, NODES: NODE}

# Host calls that random programs make: identities with basic operands, cheap enough.
SERVICES = (
    "gfx.pixel/1", "gfx.fill_rectangle/1", "gfx.line/1", "gfx.text/1", "gfx.text/2", "gfx.present/1",
    "gfx.sprite/1", "log.write/1", "log.number/1", "random.bits/1", "random.below/1", "random.unit/1", "clock.frame/1",
    "math.sin/1", "math.pow/1",
)  # fmt: skip
DEAR_SERVICE = "gfx.clear/1"  # 57,600 pixels take the reference as long as a whole program: few programs make it


@dataclass
class _Code:
    """Instructions with labels, to be laid out."""

    items: list[tuple[Instruction, tuple[Any, ...]]] = field(default_factory=list)
    labels: dict[int, int] = field(default_factory=dict)  # label -> position in items

    def layout(self) -> bytes:
        starts = [0, *accumulate([row.size for row, _ in self.items])]
        return b"".join(
            [
                row.pack(row.opcode, starts[self.labels[immediates[0]]] if row.jumps else immediates[0])
                if len(immediates) == 1
                else row.pack(row.opcode, *immediates)
                for row, immediates in self.items
            ]
        )

    def deepest(self, typing: FunctionTyping) -> int:
        """How many operands there are at most: of every path, the first way that leads to an instruction."""
        deepest, seen = 0, bytearray(len(self.items))
        work: list[tuple[int, list[int]]] = [(0, [])]
        while work:
            position, stack = work.pop()
            while not seen[position]:
                seen[position] = True
                row, immediates = self.items[position]
                RULES[row.opcode](typing, immediates, stack)
                if len(stack) > deepest:
                    deepest = len(stack)
                if row.jumps:
                    work.append((self.labels[immediates[0]], list(stack)))
                if not row.falls_through:
                    break
                position += 1
        return deepest


EXPORTED = (INT_INT, None, False)
SMALL_SIZE = 4  # programs of at most so many statements have few functions, and little in their variables


def random_program(rng: Random, *, size: int = 24) -> Program:
    """A random valid program. `size` is about how many statements its functions have in all."""
    return _Generator(rng, size).program()


class _Generator:
    def __init__(self, rng: Random, size: int) -> None:
        self.rng = rng
        self.size = size
        self.careful = rng.random() < 0.6  # most programs should get far; the others trap early
        self.prepared = 0.85 if size > SMALL_SIZE else 0.1  # how many refs have something to refer to at the start
        self.constants: list[Constant] = [
            Constant(b"hello"),
            Constant(7),
            Constant(2.5),
            Constant(b""),
            Constant(-(2**63)),
        ]
        self.imports: list[Import] = []
        self.globals = (INT, INT, FLOAT, BOOL, BYTES, INTS, FLOATS, NODE, NODES, ref_to(INT_INT))
        helpers = rng.randrange(0, 4)
        # index -> (signature, captures or None, may stop)
        self.shapes: list[tuple[int, tuple[int, ...] | None, bool]] = [(NO_ARGS, None, True)]
        for _ in range(helpers):
            self.shapes.append(
                (rng.choice((INT_INT, FLOAT_INT, NODE_BOOL, TO_PAIR, TO_THREE, INT_NONE)), None, rng.random() < 0.3)
            )
        for _ in range(rng.randrange(0, 3)):
            captures = tuple(rng.choice(VALUES[:10]) for _ in range(rng.randrange(0, 4)))
            self.shapes.append((rng.choice(CLOSURE_TYPES), captures, False))
        if rng.random() < 0.5:
            self.shapes.append((INT_NONE, None, True))  # a coroutine's body
        self.shapes.append(EXPORTED)
        if size <= SMALL_SIZE and rng.random() < 0.95:
            self.shapes = [self.shapes[0], rng.choice(self.shapes[1:])][: 1 if rng.random() < 0.6 else 2]

    def program(self) -> Program:
        bodies = [self._body(index) for index in range(len(self.shapes))]
        functions = tuple(
            Function(signature=signature, captures=captures, locals=body.locals, max_stack=0, code=body.code.layout())
            for (signature, captures, _), body in zip(self.shapes, bodies, strict=True)
        )
        program = Program(
            meta=META,
            constants=tuple(self.constants),
            types=FIXED_TYPES,
            globals=self.globals,
            functions=functions,
            exports=(Export(name="entry", function=len(functions) - 1),) if self.shapes[-1] == EXPORTED else (),
            imports=tuple(self.imports),
        )
        intrinsics = intrinsics_of(program)
        heights = [
            body.code.deepest(FunctionTyping(program, function, {}, intrinsics))
            for body, function in zip(bodies, functions, strict=True)
        ]
        true = (replace(function, max_stack=height) for function, height in zip(functions, heights, strict=True))
        return replace(program, functions=tuple(true))

    def _body(self, index: int) -> _Body:
        signature, captures, may_stop = self.shapes[index]
        size = self.size if index == 0 else max(2, self.size // len(self.shapes))
        return _Body(self, index, signature, captures, may_stop, size)

    def import_of(self, identity: str) -> int:
        for i, row in enumerate(self.imports):
            if row.identity == identity:
                return i
        service = standard().services[identity]
        signature = service.signature.within(FIXED_TYPES)
        assert signature is not None
        self.imports.append(
            Import(
                module=service.module,
                name=service.name,
                version=service.version,
                params=signature.params,
                results=signature.results,
            )
        )
        return len(self.imports) - 1


class _Body:
    """One function being written. `stack` is what the instructions so far leave, as types."""

    COUNTERS = 3

    def __init__(
        self,
        generator: _Generator,
        index: int,
        signature: int,
        captures: tuple[int, ...] | None,
        may_stop: bool,
        size: int,
    ) -> None:
        self.g, self.rng, self.index, self.may_stop = generator, generator.rng, index, may_stop
        self.captures = captures
        entry = FIXED_TYPES[signature]
        assert isinstance(entry, FunctionType)
        self.signature = entry
        self.locals = (
            *([INT] * self.COUNTERS),
            INT,
            FLOAT,
            BOOL,
            INTS,
            NODE,
            *(self.rng.choice(VALUES) for _ in range(self.rng.randrange(0, 3))),
        )
        closure = (ref_to(signature),) if captures is not None else ()
        self.slots = (*closure, *entry.params, *self.locals)
        self.first_counter = len(closure) + len(entry.params)
        self.code = _Code()
        self.stack: list[int] = []
        self.loops = 0
        self.next_label = 0
        self.left = size
        self.wheres = 0
        if self.rng.random() < 0.2:
            self._loop_at_the_start()
        else:
            self._prologue()
        if index == 0:
            self._main(size)
        else:
            self._statements(size, 0)
            self._leave()

    def _prologue(self) -> None:
        """Give most refs something to refer to, so that not every program ends at its first null."""
        for slot in range(self.first_counter + self.loops, len(self.slots)):
            if is_ref(self.slots[slot]) and self.rng.random() < self.g.prepared:
                self._fresh(self.slots[slot])
                self.emit("SET_LOCAL", slot)
            elif self.slots[slot] in (INT, FLOAT) and self.rng.random() < 0.8 * self.g.prepared:
                self._leaf(self.slots[slot], 0)
                self.emit("SET_LOCAL", slot)
                self.stack.pop()
        if self.index == 0:
            for index, slot_type in enumerate(self.g.globals):
                if is_ref(slot_type) and self.rng.random() < self.g.prepared:
                    self._fresh(slot_type)
                    self.emit("SET_GLOBAL", index)

    def _loop_at_the_start(self) -> None:
        """The prologue and more in a loop whose head is the function's first instruction; its counter is zero at first."""
        counter, top = self.first_counter, self.label()
        self.loops += 1
        self.mark(top)
        self._prologue()
        self._statements(self.rng.randrange(0, 3), 1)
        self._pop_to(0)
        self._count_down(counter, -self.rng.randrange(1, 4), top)
        self.loops -= 1

    def _count_down(self, counter: int, last: int, top: int) -> None:
        """The end of a loop: once more while the counter, less one, is greater than `last`."""
        self.emit("GET_LOCAL", counter)
        self.emit("PUSH_I32", 1)
        self.emit("SUB")
        self.emit("SET_LOCAL", counter)
        self.emit("GET_LOCAL", counter)
        self.emit("PUSH_I32", last)
        self.emit("GT")
        self.emit("JMP_IF_TRUE", top)

    def _fresh(self, wanted: int) -> None:
        if wanted in ELEMENTS:
            self.emit("PUSH_I32", self.rng.randrange(3, 9))
            self.emit("NEW_ARRAY", wanted - 16)
        elif wanted == NODE:
            self.emit("NEW_RECORD", NODE - 16)
        elif not self._closure(wanted):
            self.emit("PUSH_NULL")

    # ---- emission

    def emit(self, name: str, *immediates: Any) -> None:
        self.code.items.append((BY_NAME[name], immediates))

    def label(self) -> int:
        self.next_label += 1
        return self.next_label

    def mark(self, label: int) -> None:
        self.code.labels[label] = len(self.code.items)

    def _main(self, size: int) -> None:
        self._statements(size // 3, 0)
        self._pop_to(0)
        top = self.label()
        self.mark(top)
        self._statements(size, 0)
        self.emit("FRAME_SYNC")
        self._pop_to(0)
        if self.rng.random() < 0.15:  # end one day
            self.emit("GET_LOCAL", self.first_counter + self.COUNTERS)
            self.emit("PUSH_I32", self.rng.randrange(0, 5))
            self.emit("GT")
            self.emit("JMP_IF_FALSE", top)
            self.emit(self.rng.choice(("RET", "HALT")))
        else:
            self.emit("JMP", top)

    def _leave(self) -> None:
        self._pop_to(0)
        for slot_type in self.signature.results:
            self.push(slot_type, 0)
        self.emit("RET")

    def _pop_to(self, height: int) -> None:
        extra = len(self.stack) - height
        if extra > 1 and self.rng.random() < 0.3:
            self.emit("POP_N", extra)
        else:
            for _ in range(extra):
                self.emit("POP")
        del self.stack[height:]

    # ---- statements

    def _statements(self, count: int, depth: int) -> None:
        floor = len(self.stack)
        for _ in range(count):
            self._statement(depth, floor)
            if len(self.stack) > floor + 8:
                self._pop_to(floor + 2)

    def _statement(self, depth: int, floor: int) -> None:
        rng = self.rng
        roll = rng.randrange(100)
        if roll < 10 and depth < 3:
            self._branch(depth)
        elif roll < 18 and depth < 2 and self.loops < self.COUNTERS:
            self._loop(depth)
        elif roll < 30:
            slot = rng.randrange(len(self.slots))
            if slot in range(self.first_counter, self.first_counter + self.loops) or (
                slot == 0 and self.captures is not None
            ):
                return  # a running counter, or the closure itself
            self.push(self.slots[slot], 1)
            self.emit("SET_LOCAL", slot)
            self.stack.pop()
        elif roll < 38:
            index = rng.randrange(len(self.g.globals))
            self.push(self.g.globals[index], 1)
            self.emit("SET_GLOBAL", index)
            self.stack.pop()
        elif roll < 46:
            self._store(rng.choice(tuple(ELEMENTS)))
        elif roll < 52:
            index = rng.randrange(len(NODE_FIELDS))
            self._object(NODE, 1)
            self.push(NODE_FIELDS[index], 1)
            self.emit("SET_FIELD", index)
            del self.stack[-2:]
        elif roll < 56:
            self._bulk()
        elif roll < 62:
            self._shuffle(floor)
        elif roll < 70:
            self._host()
        elif roll < 76:
            self._coroutines()
        elif roll < 78 and rng.random() < 0.1:
            skip = self.label()
            self.push(BOOL, 1)
            self.stack.pop()
            self.emit("JMP_IF_TRUE", skip)
            self.emit("TRAP")
            self.mark(skip)
        elif roll < 80:
            self.emit("NOP")
        elif roll < 92:
            self._calculate()
        else:
            self.push(rng.choice(VALUES), 0)

    def _calculate(self) -> None:
        """Some arithmetic, kept in a global or returned to the stack, so that it is seen."""
        wanted = self.rng.choice((INT, INT, FLOAT, BOOL))
        self._compute(wanted, 0)
        homes = [index for index, slot_type in enumerate(self.g.globals) if slot_type == wanted]
        if homes:
            self.emit("SET_GLOBAL", self.rng.choice(homes))
            self.stack.pop()

    def _branch(self, depth: int) -> None:
        rng = self.rng
        self.push(BOOL, 0)
        self.stack.pop()
        other, end = self.label(), self.label()
        self.emit(rng.choice(("JMP_IF_FALSE", "JMP_IF_TRUE")), other)
        before = list(self.stack)
        left = rng.choice((None, INT, FLOAT, BOOL, NODE))  # a value that both arms leave
        self._statements(rng.randrange(0, 3), depth + 1)
        self._arm_end(before, left)
        self.emit("JMP", end)
        self.mark(other)
        self.stack = list(before)
        self._statements(rng.randrange(0, 3), depth + 1)
        self._arm_end(before, left)
        self.mark(end)
        self.emit("NOP")  # there is always something behind the join

    def _arm_end(self, before: list[int], left: int | None) -> None:
        self._pop_to(len(before))
        if left is not None:
            if left == NODE and self.rng.random() < 0.3:
                self.emit("PUSH_NULL")
                self.stack.append(NODE)
            else:
                self.push(left, 1)

    def _loop(self, depth: int) -> None:
        counter = self.first_counter + self.loops
        self.loops += 1
        self.emit("PUSH_I32", self.rng.randrange(1, 5))
        self.emit("SET_LOCAL", counter)
        top = self.label()
        self.mark(top)
        height = len(self.stack)
        self._statements(self.rng.randrange(1, 4), depth + 1)
        self._pop_to(height)
        self._count_down(counter, 0, top)
        self.loops -= 1

    def _index(self) -> None:
        """An index that is mostly inside of a small array."""
        if self.rng.random() < (0.999 if self.g.careful else 0.97):
            self.emit("PUSH_I32", self.rng.randrange(0, 2))
            self.stack.append(INT)
        else:
            self.push(INT, 2)

    def _object(self, wanted: int, depth: int) -> None:
        """A ref to an array or record to work on; a careful program looks whether it is null, and makes one if so."""
        self.push(wanted, depth)
        if self.g.careful:
            there = self.label()
            self.emit("DUP")
            self.emit("IS_NULL")
            self.emit("JMP_IF_FALSE", there)
            self.emit("POP")
            self._fresh(wanted)
            self.mark(there)

    def _store(self, array: int) -> None:
        self._object(array, 1)
        self._index()
        self.push(ELEMENTS[array], 1)
        self.emit("ARRAY_SET")
        del self.stack[-3:]

    def _bulk(self) -> None:
        array = self.rng.choice(tuple(ELEMENTS))
        self._object(array, 1)
        self._index()
        if self.rng.random() < 0.5:
            self._index()
            self.push(ELEMENTS[array], 1)
            self.emit("ARRAY_FILL")
            del self.stack[-4:]
        else:
            self._object(array, 1)
            self._index()
            self._index()
            self.emit("ARRAY_COPY")
            del self.stack[-5:]

    def _shuffle(self, floor: int) -> None:
        height = len(self.stack) - floor
        if height >= 2 and self.rng.random() < 0.6:
            self.emit("SWAP")
            self.stack[-2:] = [self.stack[-1], self.stack[-2]]
        elif height >= 1 and self.rng.random() < 0.6:
            self.emit("DUP")
            self.stack.append(self.stack[-1])
        elif height >= 1:
            self.emit("POP")
            self.stack.pop()

    def _host(self) -> None:
        identity = self.rng.choice(SERVICES) if self.rng.random() < 0.99 else DEAR_SERVICE
        index = self.g.import_of(identity)
        row = self.g.imports[index]
        for slot_type in row.params:
            if slot_type == INT and self.rng.random() < 0.7:
                self.emit("PUSH_I32", self.rng.randrange(-20, 340))
                self.stack.append(INT)
            else:
                self.push(slot_type, 2)
        self.emit("HOSTCALL", index)
        del self.stack[len(self.stack) - len(row.params) :]
        self.stack += row.results

    def _coroutines(self) -> None:
        roll = self.rng.randrange(4)
        bodies = [i for i, (s, c, _) in enumerate(self.g.shapes) if s == INT_NONE and c is None]
        if roll == 0 and bodies:
            self.push(INT, 2)
            self.emit("SPAWN", self.rng.choice(bodies), 1)
            self.stack[-1] = TASK
        elif not self.may_stop:
            return
        elif roll == 1:
            self.emit("YIELD")
        elif roll == 2:
            self.emit("PUSH_I32", self.rng.randrange(-1, 4))
            self.emit("SLEEP")
        else:
            self.emit("FRAME_SYNC")

    # ---- values

    def push(self, wanted: int, depth: int) -> None:
        """Leave one value of that type."""
        makers: list[Callable[[int, int], bool]] = [self._leaf, self._leaf]
        if depth < 4:
            makers += [self._compute, self._compute, self._read, self._call]
        if not self.rng.choice(makers)(wanted, depth):
            self._leaf(wanted, depth)

    def _leaf(self, wanted: int, _depth: int) -> bool:
        rng = self.rng
        slots = [i for i, t in enumerate(self.slots) if t == wanted]
        if slots and rng.random() < (0.7 if is_ref(wanted) else 0.55):
            self.emit("GET_LOCAL", rng.choice(slots))
        elif wanted == INT:
            self._int_literal()
        elif wanted == FLOAT:
            value = rng.choice(EDGE_FLOATS) if rng.random() < 0.5 else round(rng.uniform(-9, 9), 3)
            if rng.random() < 0.15:
                self.emit("PUSH_CONST", self._constant(value))
            else:
                self.emit("PUSH_F64", value)
        elif wanted == BOOL:
            self.emit("PUSH_BOOL", rng.randrange(2))
        elif wanted == BYTES and rng.random() < 0.5:
            self.emit("PUSH_CONST", 0 if self.g.careful else rng.choice((0, 3)))
        elif wanted in ELEMENTS:
            usual = self.g.careful or rng.random() < 0.9
            self.emit("PUSH_I32", rng.randrange(3, 7) if usual else rng.randrange(-1, 3))
            self.emit("NEW_ARRAY", wanted - 16)
        elif wanted == NODE:
            self.emit("NEW_RECORD", NODE - 16)
        elif not self._closure(wanted):
            self._null(wanted)
        self.stack.append(wanted)
        return True

    def _null(self, wanted: int) -> None:
        """Null as a value of a ref type: through a local or global of that type, or bare."""
        assert is_ref(wanted)
        self.emit("PUSH_NULL")

    def _int_literal(self) -> None:
        rng = self.rng
        if rng.random() < 0.4:
            self.emit("PUSH_I64", rng.choice(EDGE_INTS))
        elif rng.random() < 0.1:
            self.emit("PUSH_CONST", self._constant(rng.choice(EDGE_INTS)))
        else:
            self.emit("PUSH_I32", rng.randrange(-20, 40))

    def _constant(self, value: float) -> int:
        def bits(v: object) -> bytes:
            return struct.pack("<d", v) if isinstance(v, float) else repr(v).encode()

        for i, constant in enumerate(self.g.constants):
            if type(constant.value) is type(value) and bits(constant.value) == bits(value):
                return i
        self.g.constants.append(Constant(value))
        return len(self.g.constants) - 1

    def _closure(self, wanted: int) -> bool:
        """MAKE_CLOSURE for the function type, if some function has it; only for functions behind this one."""
        for i, (signature, captures, _) in enumerate(self.g.shapes):
            if captures is not None and ref_to(signature) == wanted and i > self.index:
                height = len(self.stack)
                for slot_type in captures:
                    self.push(slot_type, 4)
                self.emit("MAKE_CLOSURE", i, len(captures))
                del self.stack[height:]
                return True
        return False

    def _compute(self, wanted: int, depth: int) -> bool:
        """A value row of the table whose result is wanted."""
        rng = self.rng
        rows = _VALUE_ROWS.get(wanted, ())
        if not rows:
            return False
        row, takes = rng.choice(rows)
        height = len(self.stack)
        if takes == "numbers":  # int or float each; at least one float where a float is wanted
            kinds = [rng.choice((INT, FLOAT)) for _ in range(len(row.forms[0].takes))]
            if wanted == FLOAT:
                kinds[rng.randrange(len(kinds))] = FLOAT
            elif wanted == INT:
                kinds = [INT] * len(kinds)
            takes = tuple(kinds)
        elif takes == "same":
            kind = rng.choice((BOOL, NODE, INTS, INT, FLOAT))
            takes = (kind, kind)
            if is_ref(kind) and rng.random() < 0.3:
                self.push(kind, depth + 1)
                self.emit("PUSH_NULL")
                self.stack.append(NULL)
                takes = ()
        elif takes == "ref":
            takes = (rng.choice((NODE, INTS, BYTES, TASK)),)
        elif takes == "array":
            takes = (rng.choice(tuple(ELEMENTS)),)
        assert not isinstance(takes, str)
        name = row.name
        for slot_type in takes:
            if name == "ARRAY_LEN":
                self._object(slot_type, depth + 1)
            else:
                self.push(slot_type, depth + 1)
        if self.g.careful and name in ("DIV", "MOD", "DIV_U", "MOD_U") and takes[-1] == INT:
            self.emit("PUSH_I32", rng.choice((1, 3, 5)))  # never zero
            self.emit("BIT_OR")
        elif self.g.careful and name == "FLOAT_TO_INT":
            name = "FLOAT_TO_INT_SAT"
        self.emit(name)
        del self.stack[height:]
        self.stack.append(wanted)
        return True

    def _read(self, wanted: int, depth: int) -> bool:
        """A value from a global, an array, a record, a capture, or an intrinsic."""
        rng = self.rng
        choices: list[Callable[[], None]] = []
        for i, slot_type in enumerate(self.g.globals):
            if slot_type == wanted:
                choices.append(lambda i=i: self.emit("GET_GLOBAL", i))  # type: ignore[misc]
        for array, element in ELEMENTS.items():
            if element == wanted:
                choices.append(lambda array=array: self._array_get(array, depth))  # type: ignore[misc]
        for i, slot_type in enumerate(NODE_FIELDS):
            if slot_type == wanted:
                choices.append(lambda i=i: self._get_field(i, depth))  # type: ignore[misc]
        for i, slot_type in enumerate(self.captures or ()):
            if slot_type == wanted:
                choices.append(lambda i=i: self.emit("GET_CAPTURE", i))  # type: ignore[misc]
        if wanted in (INT, BOOL):
            choices.append(lambda: self.emit("INTRINSIC", rng.choice(_intrinsics_giving(wanted))))
        if wanted == INT:
            choices.append(lambda: self._coroutine_state(depth))
        if not choices:
            return False
        height = len(self.stack)
        rng.choice(choices)()
        del self.stack[height:]
        self.stack.append(wanted)
        return True

    def _coroutine_state(self, depth: int) -> None:
        self.push(TASK, depth + 1)
        self.emit("INTRINSIC", standard().intrinsics["coroutine.state/1"].number)

    def _array_get(self, array: int, depth: int) -> None:
        self._object(array, depth + 1)
        self._index()
        self.emit("ARRAY_GET")

    def _get_field(self, index: int, depth: int) -> None:
        self._object(NODE, depth + 1)
        self.emit("GET_FIELD", index)

    def _call(self, wanted: int, depth: int) -> bool:
        """A call whose last result is wanted; functions call those behind them, now and then themselves."""
        rng = self.rng
        for index in rng.sample(range(len(self.g.shapes)), len(self.g.shapes)):
            signature, captures, stops = self.g.shapes[index]
            entry = FIXED_TYPES[signature]
            assert isinstance(entry, FunctionType)
            if not entry.results or entry.results[-1] != wanted or (stops and not self.may_stop):
                continue
            if index < self.index or (index == self.index and rng.random() < 0.95) or index == 0:
                continue
            height = len(self.stack)
            for slot_type in entry.params:
                self.push(slot_type, depth + 1)
            if captures is None:
                self.emit("CALL", index)
            else:
                if not self._own_closure(signature):
                    self._pop_to(height)
                    continue
                self.emit("CALL_CLOSURE", len(entry.params))
            del self.stack[height:]
            self.stack += entry.results
            extra = len(entry.results) - 1
            if extra:  # keep the last, drop the others
                for _ in range(extra):
                    self.emit("SWAP")
                    self.emit("POP")
                del self.stack[height:]
                self.stack.append(wanted)
            return True
        return False

    def _own_closure(self, signature: int) -> bool:
        """A closure of the signature on the stack: from a local or global, or made here."""
        wanted = ref_to(signature)
        places = [
            ("GET_LOCAL", i)
            for i, t in enumerate(self.slots)
            if t == wanted and not (i == 0 and self.captures is not None)
        ]
        places += [("GET_GLOBAL", i) for i, t in enumerate(self.g.globals) if t == wanted]
        if places and self.rng.random() < 0.4:
            self.emit(*self.rng.choice(places))
            self.stack.append(wanted)
            return True
        if self._closure(wanted):
            self.stack.append(wanted)
            return True
        return False


def _value_rows() -> dict[int, list[tuple[Instruction, Any]]]:
    """Rows that compute a basic value, by the type of value, with what they take."""
    basic = {"int": INT, "float": FLOAT, "bool": BOOL}
    rows: dict[int, list[tuple[Instruction, Any]]] = {INT: [], FLOAT: [], BOOL: []}
    for row in ROWS:
        if row.flow is not Flow.NEXT or row.immediates:
            continue
        before, after = (side.split() for side in row.effect.split("->"))
        if len(after) != 1:
            continue
        takes: Any = None
        if all(word in basic for word in before) and after[0] in basic:
            takes = tuple(basic[word] for word in before)
        elif before and before[0] == "number":
            takes = "numbers"
        elif before and before[0] == "same":
            takes = "same"
        elif row.name == "IS_NULL":
            takes = "ref"
        elif row.name == "ARRAY_LEN":
            takes = "array"
        if takes is None:
            continue
        for gives in [basic[after[0]]] if after[0] in basic else [INT, FLOAT]:
            rows[gives].append((row, takes))
    return rows


_VALUE_ROWS = _value_rows()


def intrinsics_of(program: Program) -> Mapping[int, FunctionType]:
    """Signatures of the intrinsics that a program with its types can call."""
    return _intrinsics_over(program.types)


@cache
def _intrinsics_giving(wanted: int) -> Sequence[int]:
    """Numbers of the intrinsics that take nothing and give that."""
    rows = standard().intrinsics.values()
    return [row.number for row in rows if not row.params and row.signature.results == (wanted,)]


@lru_cache(16)
def _intrinsics_over(types: tuple[Type, ...]) -> Mapping[int, FunctionType]:
    known = ((s.number, s.signature.within(types)) for s in standard().intrinsics.values())
    return {number: signature for number, signature in known if signature is not None}


class Invalid(Exception):
    """A program without true heights."""


def with_true_heights(program: Program) -> Program:
    """The program with every function's max_stack as it truly is. Raises Invalid where it has none."""
    from pbs.isa.assembler import _deepest, _Stuck

    intrinsics = intrinsics_of(program)
    try:
        functions = tuple(
            replace(function, max_stack=_deepest(FunctionTyping(program, function, {}, intrinsics), function.code))
            for function in program.functions
        )
    except _Stuck as stuck:
        raise Invalid(stuck) from None
    return replace(program, functions=functions)


def rows_used(programs: Sequence[Program]) -> set[str]:
    """Names of the rows that occur in the code of these programs."""
    from pbs.isa.code import decode_code

    return {
        decoded.row.name
        for program in programs
        for function in program.functions
        for decoded in decode_code(function.code)
    }
