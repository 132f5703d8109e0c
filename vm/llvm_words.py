"""The LLVM algebra: the same primitives, each adding a line or two of IR text to a function being written.

Plain IR operations only: no `nsw`, no fast-math, no libm. A word is an i64, a float a double, a truth an i1.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from .exact_words import MASK


class Value(NamedTuple):
    """An IR value: its type and how it is written."""

    type: str
    text: str


DECLARATIONS = "\n".join(
    [
        *(f"declare double @llvm.{name}.f64(double)" for name in ("sqrt", "floor", "ceil", "trunc", "roundeven")),
        *(f"declare i64 @llvm.{name}.i64(i64, i64, i64)" for name in ("fshl", "fshr")),
        *(f"declare i64 @llvm.{name}.i64(i64, i1)" for name in ("ctlz", "cttz")),
        "declare i64 @llvm.ctpop.i64(i64)",
    ]
)

# What may alias what: the object table, heap cells and stack slots never overlap.
METADATA = """
!0 = !{!"branch_weights", i32 1, i32 100000}
!1 = !{!"machine"}
!2 = !{!"objects", !1, i64 0}
!3 = !{!"cells", !1, i64 0}
!4 = !{!"slots", !1, i64 0}
!5 = !{!"globals", !1, i64 0}
!12 = !{!2, !2, i64 0}
!13 = !{!3, !3, i64 0}
!14 = !{!4, !4, i64 0}
!15 = !{!5, !5, i64 0}
"""
OBJECTS_TAG, CELLS_TAG, SLOTS_TAG, GLOBALS_TAG = (f", !tbaa !{n}" for n in (12, 13, 14, 15))


NAN_BITS = 0x7FF8000000000000
_INFINITY_SHIFTED = -(1 << 53)  # the bits of infinity, the sign shifted out


class LLVMWords:
    """Writes one function. Subclasses say where the machine is, where traps go, and what payment means."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.here = ""  # the basic block being written
        self._counter = 0

    # ---- writing

    def name(self, stem: str = "v") -> str:
        """A fresh name for a value or label."""
        self._counter += 1
        return f"{stem}{self._counter}"

    def emit(self, line: str) -> None:
        """Add an instruction."""
        self.lines.append("  " + line)

    def label(self, name: str) -> None:
        """Begin a basic block."""
        self.here = name
        self.lines.append(name + ":")

    def define(self, type_: str, text: str) -> Value:
        """Add an instruction that makes a value."""
        name = "%" + self.name()
        self.emit(f"{name} = {text}")
        return Value(type_, name)

    def at(self, pointer: str, offset: int | str) -> str:
        """A pointer that many bytes further on."""
        if offset == 0:
            return pointer
        return self.define("ptr", f"getelementptr i8, ptr {pointer}, i64 {offset}").text

    def load(self, type_: str, pointer: str, offset: int | str = 0, tag: str = "") -> Value:
        """A value from memory."""
        return self.define(type_, f"load {type_}, ptr {self.at(pointer, offset)}{tag}")

    def store(self, value: Value, pointer: str, offset: int | str = 0, tag: str = "") -> None:
        """A value to memory."""
        self.emit(f"store {value.type} {value.text}, ptr {self.at(pointer, offset)}{tag}")

    def element(self, type_: str, pointer: str, index: Value) -> str:
        """A pointer to an element of an array."""
        return self.define("ptr", f"getelementptr {type_}, ptr {pointer}, i64 {index.text}").text

    def _binary(self, operation: str, a: Value, b: Value, type_: str = "") -> Value:
        return self.define(type_ or a.type, f"{operation} {a.type} {a.text}, {b.text}")

    def _intrinsic(self, function: str, type_: str, *operands: Value | str) -> Value:
        written = ", ".join(o if isinstance(o, str) else f"{o.type} {o.text}" for o in operands)
        return self.define(type_, f"call {type_} @{function}({written})")

    # ---- primitives

    def word(self, value: int) -> Value:
        word = value & MASK
        return Value("i64", str(word - (1 << 64) if word >> 63 else word))

    def real(self, value: float) -> Value:
        return Value("double", f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}")

    def add(self, a: Value, b: Value) -> Value:
        return self._binary("add", a, b)

    def sub(self, a: Value, b: Value) -> Value:
        return self._binary("sub", a, b)

    def mul(self, a: Value, b: Value) -> Value:
        return self._binary("mul", a, b)

    def div_s(self, a: Value, b: Value) -> Value:
        return self._binary("sdiv", a, b)

    def rem_s(self, a: Value, b: Value) -> Value:
        return self._binary("srem", a, b)

    def div_u(self, a: Value, b: Value) -> Value:
        return self._binary("udiv", a, b)

    def rem_u(self, a: Value, b: Value) -> Value:
        return self._binary("urem", a, b)

    def and_(self, a: Value, b: Value) -> Value:
        return self._binary("and", a, b)

    def or_(self, a: Value, b: Value) -> Value:
        return self._binary("or", a, b)

    def xor(self, a: Value, b: Value) -> Value:
        return self._binary("xor", a, b)

    def shl(self, a: Value, n: Value) -> Value:
        return self._binary("shl", a, n)

    def shr_s(self, a: Value, n: Value) -> Value:
        return self._binary("ashr", a, n)

    def shr_u(self, a: Value, n: Value) -> Value:
        return self._binary("lshr", a, n)

    def rotl(self, a: Value, n: Value) -> Value:
        return self._intrinsic("llvm.fshl.i64", "i64", a, a, n)

    def rotr(self, a: Value, n: Value) -> Value:
        return self._intrinsic("llvm.fshr.i64", "i64", a, a, n)

    def clz(self, a: Value) -> Value:
        return self._intrinsic("llvm.ctlz.i64", "i64", a, "i1 false")

    def ctz(self, a: Value) -> Value:
        return self._intrinsic("llvm.cttz.i64", "i64", a, "i1 false")

    def popcnt(self, a: Value) -> Value:
        return self._intrinsic("llvm.ctpop.i64", "i64", a)

    def eq(self, a: Value, b: Value) -> Value:
        return self._binary("icmp eq", a, b, "i1")

    def lt_s(self, a: Value, b: Value) -> Value:
        return self._binary("icmp slt", a, b, "i1")

    def lt_u(self, a: Value, b: Value) -> Value:
        return self._binary("icmp ult", a, b, "i1")

    def fadd(self, a: Value, b: Value) -> Value:
        return self._binary("fadd", a, b)

    def fsub(self, a: Value, b: Value) -> Value:
        return self._binary("fsub", a, b)

    def fmul(self, a: Value, b: Value) -> Value:
        return self._binary("fmul", a, b)

    def fdiv(self, a: Value, b: Value) -> Value:
        return self._binary("fdiv", a, b)

    def fsqrt(self, a: Value) -> Value:
        return self._intrinsic("llvm.sqrt.f64", "double", a)

    def ffloor(self, a: Value) -> Value:
        return self._intrinsic("llvm.floor.f64", "double", a)

    def fceil(self, a: Value) -> Value:
        return self._intrinsic("llvm.ceil.f64", "double", a)

    def ftrunc(self, a: Value) -> Value:
        return self._intrinsic("llvm.trunc.f64", "double", a)

    def fnearest(self, a: Value) -> Value:
        return self._intrinsic("llvm.roundeven.f64", "double", a)

    def feq(self, a: Value, b: Value) -> Value:
        return self._binary("fcmp oeq", a, b, "i1")

    def flt(self, a: Value, b: Value) -> Value:
        return self._binary("fcmp olt", a, b, "i1")

    def fle(self, a: Value, b: Value) -> Value:
        return self._binary("fcmp ole", a, b, "i1")

    def not_(self, a: Value) -> Value:
        return self.define("i1", f"xor i1 {a.text}, true")

    def both(self, a: Value, b: Value) -> Value:
        return self._binary("and", a, b)

    def either(self, a: Value, b: Value) -> Value:
        return self._binary("or", a, b)

    def choose(self, condition: Value, a: Value, b: Value) -> Value:
        return self.define(a.type, f"select i1 {condition.text}, {a.type} {a.text}, {b.type} {b.text}")

    def fchoose(self, condition: Value, a: Value, b: Value) -> Value:
        return self.choose(condition, a, b)

    def int_to_float(self, a: Value) -> Value:
        return self.define("double", f"sitofp i64 {a.text} to double")

    def float_to_int(self, a: Value) -> Value:
        # Out of range it is poison, which meanings only hand to a `choose` that does not take it.
        return self.define("i64", f"fptosi double {a.text} to i64")

    def bits(self, a: Value) -> Value:
        return self.define("i64", f"bitcast double {a.text} to i64")

    def from_bits(self, a: Value) -> Value:
        return self.define("double", f"bitcast i64 {a.text} to double")

    def canonical(self, a: Value) -> Value:
        # By its bits: of floats LLVM believes that one NaN is as good as another, and takes a choice between two away.
        bits = self.bits(a)
        is_nan = self.define("i1", f"icmp ugt i64 {self.shl(bits, self.word(1)).text}, {_INFINITY_SHIFTED}")
        return self.from_bits(self.choose(is_nan, self.word(NAN_BITS), bits))

    # ---- memory: subclasses name the pointers %heap, %objects and the one to the globals

    def _object(self, handle: Value) -> str:
        entry = self.and_(handle, self.word(0xFFFF_FFFF))
        return self.element("{i64, i64}", "%objects", entry)

    def object_offset(self, handle: Value) -> Value:
        return self.load("i64", self._object(handle), 0, OBJECTS_TAG)

    def object_length(self, handle: Value) -> Value:
        return self.load("i64", self._object(handle), 8, OBJECTS_TAG)

    def load_word(self, cell: Value) -> Value:
        return self.load("i64", self.element("i64", "%heap", cell), 0, CELLS_TAG)

    def load_float(self, cell: Value) -> Value:
        return self.load("double", self.element("i64", "%heap", cell), 0, CELLS_TAG)

    def store_word(self, cell: Value, value: Value) -> None:
        self.store(self._word_of(value), self.element("i64", "%heap", cell), 0, CELLS_TAG)

    def store_float(self, cell: Value, value: Value) -> None:
        self.store(value, self.element("i64", "%heap", cell), 0, CELLS_TAG)

    def load_byte(self, at: Value) -> Value:
        byte = self.load("i8", self.element("i8", "%heap", at), 0, CELLS_TAG)
        return self.define("i64", f"zext i8 {byte.text} to i64")

    def store_byte(self, at: Value, value: Value) -> None:
        byte = self.define("i8", f"trunc i64 {value.text} to i8")
        self.store(byte, self.element("i8", "%heap", at), 0, CELLS_TAG)

    def load_global(self, index: Value) -> Value:
        return self.load("i64", self.element("i64", self.globals_pointer(), index), 0, GLOBALS_TAG)

    def load_global_float(self, index: Value) -> Value:
        return self.load("double", self.element("i64", self.globals_pointer(), index), 0, GLOBALS_TAG)

    def store_global(self, index: Value, value: Value) -> None:
        self.store(self._word_of(value), self.element("i64", self.globals_pointer(), index), 0, GLOBALS_TAG)

    def store_global_float(self, index: Value, value: Value) -> None:
        self.store(value, self.element("i64", self.globals_pointer(), index), 0, GLOBALS_TAG)

    def _word_of(self, value: Value) -> Value:
        return self.define("i64", f"zext i1 {value.text} to i64") if value.type == "i1" else value

    def globals_pointer(self) -> str:
        """A pointer to the first global."""
        raise NotImplementedError

    def kernel(self, name: str, *operands: Value) -> Value:
        """Call a compiled kernel."""
        raise NotImplementedError

    def trap_if(self, condition: Value, code: Value) -> None:
        """Leave with a trap when the condition holds."""
        raise NotImplementedError

    def charge(self, cycles: Value) -> None:
        """Pay, or leave before anything was done."""
        raise NotImplementedError


def parameters(pairs: Sequence[tuple[str, str]]) -> str:
    """Typed parameters of a definition or call."""
    return ", ".join(f"{type_} %{name}" for type_, name in pairs)
