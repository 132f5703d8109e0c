"""A program as data: what a `.pbx` file says, before anyone has checked that it makes sense.

Indices are as in the file and may be wrong; the verifier proves them. Code stays bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from .types import BYTE, FLOAT, INT, ArrayType, FunctionType, SlotType, Type, find

CANONICAL_NAN = (0x7FF8_0000_0000_0000).to_bytes(8, "little")  # the bytes of the one NaN
MAX_LOCALS = 1024  # parameters and the closure included
MAX_STACK = 1024
MAX_CODE_BYTES = 1 << 24  # of one function
MAX_NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant: `int` a signed 64-bit value, `float`, or `bytes` (a string)."""

    value: int | float | bytes

    def slot_type(self, types: tuple[Type, ...]) -> SlotType | None:
        """The type that PUSH_CONST gives; None for a string where the program has no type `array of byte`."""
        if isinstance(self.value, bytes):
            return find(types, ArrayType(BYTE))
        return FLOAT if isinstance(self.value, float) else INT


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function. Its slots are: the closure if it is one, the parameters, then the other locals."""

    signature: int  # index of a FunctionType
    captures: tuple[SlotType, ...] | None  # None: a plain function; a tuple: a closure with these captured values
    locals: tuple[SlotType, ...]  # beyond the parameters
    max_stack: int
    code: bytes

    @property
    def is_closure(self) -> bool:
        """Whether it runs only through a closure, which it then receives as hidden argument 0."""
        return self.captures is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A name for a function, callable by the host between frames."""

    name: str
    function: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """A host call by identity. Parameter and result types are basic types or refs into the type table."""

    module: str
    name: str
    version: int
    params: tuple[SlotType, ...]
    results: tuple[SlotType, ...]

    @property
    def identity(self) -> str:
        """The identity as text, `module.name/version`."""
        return f"{self.module}.{self.name}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What the program was made for. Versions are SemVer text, unchecked here."""

    isa: str
    runtime_min: str
    runtime_max: str | None
    profile: str
    profile_version: str
    toolchain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Debug:
    """Names and places for people. It never changes what a program does; any part may be shorter than what it names."""

    source: str = ""
    functions: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    fields: tuple[tuple[str, ...], ...] = ()  # beside each type entry
    globals: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    locals: tuple[tuple[str, ...], ...] = ()  # beside each function: parameters, then locals
    lines: tuple[tuple[tuple[int, int], ...], ...] = ()  # beside each function: (pc, line), by rising pc


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Everything in a program file."""

    meta: Meta
    constants: tuple[Constant, ...] = ()
    types: tuple[Type, ...] = ()
    globals: tuple[SlotType, ...] = ()
    functions: tuple[Function, ...] = ()
    exports: tuple[Export, ...] = ()
    imports: tuple[Import, ...] = ()
    debug: Debug | None = field(default=None)

    def signature(self, function: Function) -> FunctionType:
        """The function's type; for verified programs."""
        entry = self.types[function.signature]
        assert isinstance(entry, FunctionType)
        return entry

    def function_name(self, index: int) -> str | None:
        """The debug name of a function, if it has one."""
        names = self.debug.functions if self.debug else ()
        return names[index] if index < len(names) and names[index] else None

    def line_at(self, function: int, pc: int) -> int | None:
        """The source line of an instruction, if the debug section says."""
        lines = self.debug.lines if self.debug else ()
        spans = lines[function] if function < len(lines) else ()
        behind = bisect_right(spans, pc, key=lambda span: span[0])
        return spans[behind - 1][1] if behind else None
