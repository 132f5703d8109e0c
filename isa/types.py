"""The types of the machine. A slot's type is a small number, so that stacks of types compare fast.

0 int, 1 float, 2 bool, 3 null (the type of PUSH_NULL; never declared), 4 byte (an array's element; never in a slot), and
16 + n for a ref to entry n of the program's type table. The numbers are those of the program file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

INT = 0
FLOAT = 1
BOOL = 2
NULL = 3
BYTE = 4
FIRST_REF = 16

NAMES = {INT: "int", FLOAT: "float", BOOL: "bool", NULL: "null", BYTE: "byte"}
NUMBERS = {name: number for number, name in NAMES.items()}

SlotType = int


@dataclass(frozen=True, slots=True)
class ArrayType:
    """`array of element`; element is int, float, bool, byte or a ref."""

    element: SlotType


@dataclass(frozen=True, slots=True)
class RecordType:
    """A record; two entries with the same fields are two types."""

    fields: tuple[SlotType, ...]


@dataclass(frozen=True, slots=True)
class FunctionType:
    """What a function takes and gives; a ref to it is a closure."""

    params: tuple[SlotType, ...]
    results: tuple[SlotType, ...]


@dataclass(frozen=True, slots=True)
class CoroutineType:
    """The handle that SPAWN gives."""


Type = ArrayType | RecordType | FunctionType | CoroutineType


def is_ref(slot_type: SlotType) -> bool:
    """Whether a slot of this type holds a handle or null."""
    return slot_type >= FIRST_REF or slot_type == NULL


def ref_to(index: int) -> SlotType:
    """The slot type of a ref to type table entry `index`."""
    return FIRST_REF + index


def entry_of(slot_type: SlotType) -> int:
    """The type table entry that a ref type points to."""
    return slot_type - FIRST_REF


def find(types: Sequence[Type], wanted: Type) -> SlotType | None:
    """The ref type of the entry equal to `wanted`, or None. Arrays, functions and coroutine stand once in a table."""
    for index, entry in enumerate(types):
        if entry == wanted:
            return ref_to(index)
    return None


ClosedType = int | Type  # a type that means the same in every program: int, float, bool, or an entry without refs in it


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSignature:
    """What a service or intrinsic takes and gives, for any program."""

    params: tuple[ClosedType, ...]
    results: tuple[ClosedType, ...]
    _everywhere: FunctionType | None = field(init=False, repr=False, compare=False)  # where it needs no type table

    def __post_init__(self) -> None:
        params, results = ([t for t in side if isinstance(t, int)] for side in (self.params, self.results))
        basic = len(params) == len(self.params) and len(results) == len(self.results)
        object.__setattr__(self, "_everywhere", FunctionType(tuple(params), tuple(results)) if basic else None)

    def within(self, types: Sequence[Type]) -> FunctionType | None:
        """The same in terms of a program's type table; None where the table lacks an entry it needs."""
        if self._everywhere is not None:
            return self._everywhere
        params, results = ([close(types, t) for t in side] for side in (self.params, self.results))
        if None in params or None in results:
            return None
        return FunctionType(tuple(t for t in params if t is not None), tuple(t for t in results if t is not None))


def close(types: Sequence[Type], closed: ClosedType) -> SlotType | None:
    """The slot type of a closed type in a program's type table, or None."""
    return closed if isinstance(closed, int) else find(types, closed)


def spell(slot_type: SlotType, type_names: Sequence[str]) -> str:
    """The type as assembly text; `type_names` are the names of the type table's entries."""
    if slot_type < FIRST_REF:
        return NAMES.get(slot_type, f"type{slot_type}")
    index = entry_of(slot_type)
    return type_names[index] if index < len(type_names) else f"type{slot_type}"
