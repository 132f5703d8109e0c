"""The vocabulary in which instructions are given their meaning.

A meaning is a plain function over an algebra `m`; whoever implements these primitives can run every instruction. There are
three: exact Python words (`vm.exact_words`, the reference), LLVM values (`vm.llvm_words`, the native engines) and the probe
(`isa.effects`), which runs a meaning on nothing to learn what it can do.

Three kinds of value, kept apart by the type variables so that the type checker reads every meaning: `W` a 64-bit word, `F` an
IEEE binary64, `T` a truth value. Words have no sign; operations that care carry `_s` or `_u`.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

W = TypeVar("W")
F = TypeVar("F")
T = TypeVar("T")


class Algebra(Protocol[W, F, T]):
    """The primitives. All are total: where a meaning must not let a case through, it traps first."""

    # constants
    def word(self, value: int) -> W:
        """The word of a Python integer, modulo 2**64."""

    def real(self, value: float) -> F:
        """A binary64 constant."""

    # words
    def add(self, a: W, b: W) -> W:
        """Sum modulo 2**64."""

    def sub(self, a: W, b: W) -> W:
        """Difference modulo 2**64."""

    def mul(self, a: W, b: W) -> W:
        """Product modulo 2**64."""

    def div_s(self, a: W, b: W) -> W:
        """Signed quotient toward zero. Only for b != 0 and not (smallest, -1)."""

    def rem_s(self, a: W, b: W) -> W:
        """Signed remainder with the sign of a. Only for b != 0 and b != -1."""

    def div_u(self, a: W, b: W) -> W:
        """Unsigned quotient. Only for b != 0."""

    def rem_u(self, a: W, b: W) -> W:
        """Unsigned remainder. Only for b != 0."""

    def and_(self, a: W, b: W) -> W:
        """Bitwise and."""

    def or_(self, a: W, b: W) -> W:
        """Bitwise or."""

    def xor(self, a: W, b: W) -> W:
        """Bitwise exclusive or."""

    def shl(self, a: W, n: W) -> W:
        """Shift left. Only for n < 64."""

    def shr_s(self, a: W, n: W) -> W:
        """Arithmetic shift right. Only for n < 64."""

    def shr_u(self, a: W, n: W) -> W:
        """Logical shift right. Only for n < 64."""

    def rotl(self, a: W, n: W) -> W:
        """Rotate left by n modulo 64."""

    def rotr(self, a: W, n: W) -> W:
        """Rotate right by n modulo 64."""

    def clz(self, a: W) -> W:
        """Leading zero bits; 64 for zero."""

    def ctz(self, a: W) -> W:
        """Trailing zero bits; 64 for zero."""

    def popcnt(self, a: W) -> W:
        """One bits."""

    def eq(self, a: W, b: W) -> T:
        """Same bits."""

    def lt_s(self, a: W, b: W) -> T:
        """Signed less than."""

    def lt_u(self, a: W, b: W) -> T:
        """Unsigned less than."""

    # floats, IEEE binary64, ties to even, no contraction
    def fadd(self, a: F, b: F) -> F:
        """Sum."""

    def fsub(self, a: F, b: F) -> F:
        """Difference."""

    def fmul(self, a: F, b: F) -> F:
        """Product."""

    def fdiv(self, a: F, b: F) -> F:
        """Quotient; division by zero gives infinities or NaN."""

    def fsqrt(self, a: F) -> F:
        """Square root, correctly rounded."""

    def ffloor(self, a: F) -> F:
        """Largest integral value not above a."""

    def fceil(self, a: F) -> F:
        """Smallest integral value not below a."""

    def ftrunc(self, a: F) -> F:
        """Integral value toward zero."""

    def fnearest(self, a: F) -> F:
        """Nearest integral value, ties to even."""

    def feq(self, a: F, b: F) -> T:
        """Equal; false with NaN."""

    def flt(self, a: F, b: F) -> T:
        """Less than; false with NaN."""

    def fle(self, a: F, b: F) -> T:
        """Less than or equal; false with NaN."""

    # truth
    def not_(self, a: T) -> T:
        """Negation."""

    def both(self, a: T, b: T) -> T:
        """Conjunction; both are always computed."""

    def either(self, a: T, b: T) -> T:
        """Disjunction; both are always computed."""

    def choose(self, condition: T, a: W, b: W) -> W:
        """A or b, both computed."""

    def fchoose(self, condition: T, a: F, b: F) -> F:
        """A or b, both computed."""

    # between kinds
    def int_to_float(self, a: W) -> F:
        """Nearest binary64 of the signed word, ties to even."""

    def float_to_int(self, a: F) -> W:
        """Truncation toward zero. Any word where the result would not fit."""

    def bits(self, a: F) -> W:
        """The bit pattern as it is."""

    def from_bits(self, a: W) -> F:
        """The value of a bit pattern."""

    def canonical(self, a: F) -> F:
        """A, or the one NaN (positive, quiet, empty payload) for any NaN."""

    # stopping
    def trap_if(self, condition: T, code: W) -> None:
        """End the machine with a trap; the instruction has no effect."""

    def charge(self, cycles: W) -> None:
        """Pay for work that depends on operands. Without enough budget the machine stops before this instruction."""

    # the object table; handles are valid or null, null has length 0
    def object_offset(self, handle: W) -> W:
        """First word of the object in the heap."""

    def object_length(self, handle: W) -> W:
        """Elements of an array; 0 for null."""

    # the heap, addressed in words or in bytes (8 * word)
    def load_word(self, cell: W) -> W:
        """A heap word."""

    def store_word(self, cell: W, value: W) -> None:
        """Replace a heap word."""

    def load_float(self, cell: W) -> F:
        """A heap word as binary64."""

    def store_float(self, cell: W, value: F) -> None:
        """Replace a heap word; the value must be canonical."""

    def load_byte(self, at: W) -> W:
        """A heap byte, 0..255."""

    def store_byte(self, at: W, value: W) -> None:
        """Replace a heap byte by the low 8 bits."""

    # globals
    def load_global(self, index: W) -> W:
        """A global word."""

    def store_global(self, index: W, value: W) -> None:
        """Replace a global word."""

    def load_global_float(self, index: W) -> F:
        """A global as binary64."""

    def store_global_float(self, index: W, value: F) -> None:
        """Replace a global; the value must be canonical."""

    # the rest of the machine
    def kernel(self, name: str, *operands: W) -> W:
        """Call a kernel of the machine by name (allocate, fill, copy, marks); words in, one word out."""


Meaning = (
    Any  # Callable[[Algebra[W, F, T], ...], W | F | T | None]; rows differ in arity, so the table holds them loosely
)
