"""Which functions are valid, a second time: follow every path and keep every stack that arrives anywhere.

Written from docs/machine.md and docs/isa.md, for small functions, without the verifier, its typing rules or the instruction table.
Types are words: `int`, `float`, `bool`, `null`, or the number of an entry of the type table for a ref to it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Type = str | int
Stack = tuple[Type, ...]
Instruction = tuple[
    str, tuple[Any, ...]
]  # a name and immediates; a jump's is a position, None where no instruction starts

NAN = bytes.fromhex("000000000000f87f")
_FIXED = {
    "->": "NOP YIELD FRAME_SYNC HALT TRAP JMP",
    "bool ->": "JMP_IF_FALSE JMP_IF_TRUE",
    "int ->": "SLEEP",
    "-> int": "PUSH_I64 PUSH_I32",
    "-> float": "PUSH_F64",
    "-> bool": "PUSH_BOOL",
    "-> null": "PUSH_NULL",
    "int -> int": "CLZ CTZ POPCNT",
    "int -> float": "INT_TO_FLOAT BITS_FLOAT",
    "float -> int": "FLOAT_TO_INT FLOAT_TO_INT_SAT FLOAT_BITS",
    "float -> float": "SQRT FLOOR CEIL TRUNC NEAREST",
    "float float -> float": "COPYSIGN",
    "bool -> bool": "NOT",
    "bool bool -> bool": "AND OR",
    "int int -> bool": "LT_U LTE_U GT_U GTE_U",
    "int int -> int": "MOD DIV_U MOD_U BIT_AND BIT_OR BIT_XOR SHL SHR SHR_U ROTL ROTR",
}
FIXED: Mapping[str, tuple[list[str], list[str]]] = {
    name: (effect.split("->")[0].split(), effect.split("->")[1].split())
    for effect, names in _FIXED.items()
    for name in names.split()
}
ONE_NUMBER = frozenset({"NEG", "ABS"})
TWO_NUMBERS = frozenset({"ADD", "SUB", "MUL", "DIV", "MIN", "MAX"})
ORDERS = frozenset({"LT", "LTE", "GT", "GTE"})
SAMENESS = frozenset({"EQ", "NEQ"})
JUMPS = frozenset({"JMP", "JMP_IF_FALSE", "JMP_IF_TRUE"})
ENDS = frozenset({"JMP", "RET", "HALT", "TRAP"})


class Invalid(Exception):
    """The function breaks a rule."""


@dataclass(frozen=True)
class Signature:
    """What a function takes and gives."""

    params: Stack
    results: Stack


@dataclass(frozen=True, kw_only=True)
class World:
    """What a function may refer to. Tables are by index; signatures of host calls by number."""

    arrays: Mapping[int, Type]  # entry -> what an element is in a slot
    records: Mapping[int, Stack]
    signatures: Mapping[int, Signature]  # of the type table's function entries
    coroutine: int
    constants: Stack
    globals: Stack
    functions: Sequence[tuple[int, Stack | None]]  # entry of the signature, captures
    services: Mapping[int, Signature]
    intrinsics: Mapping[int, Signature]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What came of it. `valid` is None where null met a ref: the order of paths then has a say."""

    valid: bool | None
    deepest: int


def check_function(world: World, function: int, slots: Stack, code: Sequence[Instruction]) -> Checked:
    """Follow every path of a function with these slots (closure, parameters, locals)."""
    checker = Checker(world, function, slots)
    try:
        arrived = _follow(checker, code)
    except Invalid:
        return Checked(valid=False, deepest=checker.deepest)
    if len(arrived) < len(code):  # something is never reached
        return Checked(valid=False, deepest=checker.deepest)
    agree = all(len(stacks) == 1 for stacks in arrived.values())
    return Checked(valid=True if agree else None, deepest=checker.deepest)


def _follow(checker: Checker, code: Sequence[Instruction]) -> dict[int, set[Stack]]:
    """The stacks that arrive at each position. Raises Invalid."""
    for name, immediates in code:
        _need(name not in JUMPS or immediates[0] is not None)
    arrived: dict[int, set[Stack]] = {}
    paths: list[tuple[int, Stack]] = [(0, ())]
    while paths:
        position, stack = paths.pop()
        _need(position < len(code))
        seen = arrived.setdefault(position, set())
        if stack in seen:
            continue
        _need(not any(_clash(stack, other) for other in seen))
        seen.add(stack)
        name, immediates = code[position]
        after = checker.step(name, immediates, stack)
        if name in JUMPS:
            paths.append((immediates[0], after))
        if name not in ENDS:
            paths.append((position + 1, after))
    return arrived


def _clash(a: Stack, b: Stack) -> bool:
    """Whether two stacks may not meet: null joins with any ref, nothing else joins."""
    if len(a) != len(b):
        return True
    return any(x != y and not ("null" in (x, y) and _is_ref(x) and _is_ref(y)) for x, y in zip(a, b, strict=True))


def _is_ref(t: Type) -> bool:
    return t == "null" or isinstance(t, int)


def _need(condition: bool) -> None:
    if not condition:
        raise Invalid


class Checker:
    """The rules of one function of a world: what each instruction makes of a stack. `deepest` is the most it came to."""

    def __init__(self, world: World, function: int, slots: Stack) -> None:
        entry, self.captures = world.functions[function]
        self.world, self.slots, self.results = world, slots, world.signatures[entry].results
        self.deepest = 0

    def step(self, name: str, immediates: tuple[Any, ...], before: Stack) -> Stack:
        """The stack behind one instruction."""
        self.stack = list(before)
        if name in FIXED:
            _need(name != "PUSH_BOOL" or immediates[0] in (0, 1))
            _need(name != "PUSH_F64" or immediates[0] == immediates[0] or struct.pack("<d", immediates[0]) == NAN)
            takes, gives = FIXED[name]
            self.take(*takes)
            self.stack += gives
        elif name in ONE_NUMBER:
            number = self.number()
            self.stack.append(number)
        elif name in TWO_NUMBERS or name in ORDERS:
            numbers = {self.number(), self.number()}
            self.stack.append("bool" if name in ORDERS else "float" if "float" in numbers else "int")
        elif name in SAMENESS:
            a, b = self.pop(), self.pop()
            numbers = {a, b} <= {"int", "float"}
            _need(numbers or a == b == "bool" or (_is_ref(a) and _is_ref(b) and (a == b or "null" in (a, b))))
            self.stack.append("bool")
        else:
            getattr(self, name.lower())(*immediates)
        self.deepest = max(self.deepest, len(self.stack))
        return tuple(self.stack)

    def pop(self) -> Type:
        _need(bool(self.stack))
        return self.stack.pop()

    def number(self) -> Type:
        got = self.pop()
        _need(got in ("int", "float"))
        return got

    def take(self, *wanted: Type) -> None:
        for t in reversed(wanted):
            got = self.pop()
            _need(got == t or (got == "null" and _is_ref(t)))

    def array(self) -> Type:
        got = self.pop()
        _need(got in self.world.arrays)
        return self.world.arrays[got]  # type: ignore[index]

    # ---- instructions that look at more than the stack

    def push_const(self, index: int) -> None:
        self.push_of(self.world.constants, index)

    def push_of(self, table: Stack, index: int) -> None:
        _need(index < len(table))
        self.stack.append(table[index])

    def pop_n(self, count: int) -> None:
        for _ in range(count):
            self.pop()

    def dup(self) -> None:
        top = self.pop()
        self.stack += [top, top]

    def swap(self) -> None:
        top, below = self.pop(), self.pop()
        self.stack += [top, below]

    def get_global(self, index: int) -> None:
        self.push_of(self.world.globals, index)

    def set_global(self, index: int) -> None:
        _need(index < len(self.world.globals))
        self.take(self.world.globals[index])

    def get_local(self, index: int) -> None:
        self.push_of(self.slots, index)

    def set_local(self, index: int) -> None:
        _need(index < len(self.slots) and not (index == 0 and self.captures is not None))
        self.take(self.slots[index])

    def get_capture(self, index: int) -> None:
        self.push_of(self.captures or (), index)

    def function(self, index: int) -> tuple[int, Signature, Stack | None]:
        _need(index < len(self.world.functions))
        entry, captures = self.world.functions[index]
        return entry, self.world.signatures[entry], captures

    def call(self, index: int) -> None:
        _, signature, captures = self.function(index)
        _need(captures is None)
        self.take(*signature.params)
        self.stack += signature.results

    def ret(self) -> None:
        self.take(*self.results)
        _need(not self.stack)

    def make_closure(self, index: int, count: int) -> None:
        entry, _, captures = self.function(index)
        _need(captures is not None and len(captures) == count)
        self.take(*(captures or ()))
        self.stack.append(entry)

    def call_closure(self, count: int) -> None:
        got = self.pop()
        _need(got in self.world.signatures)
        signature = self.world.signatures[got]  # type: ignore[index]
        _need(len(signature.params) == count)
        self.take(*signature.params)
        self.stack += signature.results

    def spawn(self, index: int, count: int) -> None:
        _, signature, captures = self.function(index)
        _need(captures is None and not signature.results and len(signature.params) == count)
        self.take(*signature.params)
        self.stack.append(self.world.coroutine)

    def new_array(self, index: int) -> None:
        _need(index in self.world.arrays)
        self.take("int")
        self.stack.append(index)

    def array_get(self) -> None:
        self.take("int")
        self.stack.append(self.array())

    def array_set(self, indices: int = 1) -> None:
        value = self.pop()
        self.take(*["int"] * indices)
        element = self.array()
        self.stack.append(value)
        self.take(element)

    def array_fill(self) -> None:
        self.array_set(2)

    def array_len(self) -> None:
        self.array()
        self.stack.append("int")

    def array_copy(self) -> None:
        self.take("int", "int")
        source = self.stack[-1] if self.stack else None
        self.array()
        self.take("int")
        target = self.stack[-1] if self.stack else None
        self.array()
        _need(source == target)  # array types stand once in a table

    def new_record(self, index: int) -> None:
        _need(index in self.world.records)
        self.stack.append(index)

    def field(self, index: int) -> Type:
        got = self.pop()
        _need(got in self.world.records and index < len(self.world.records[got]))  # type: ignore[index]
        return self.world.records[got][index]  # type: ignore[index]

    def get_field(self, index: int) -> None:
        self.stack.append(self.field(index))

    def set_field(self, index: int) -> None:
        value = self.pop()
        self.stack += [self.field(index)]
        wanted = self.pop()
        self.stack.append(value)
        self.take(wanted)

    def is_null(self) -> None:
        _need(_is_ref(self.pop()))
        self.stack.append("bool")

    def syscall(self, number: int) -> None:
        self.host(self.world.services, number)

    def intrinsic(self, number: int) -> None:
        self.host(self.world.intrinsics, number)

    def hostcall(self, _index: int) -> None:
        raise Invalid  # a loaded program has none

    def host(self, table: Mapping[int, Signature], number: int) -> None:
        _need(number in table)
        self.take(*table[number].params)
        self.stack += table[number].results
