"""The exact algebra: words are Python ints below 2**64, floats Python floats, truths bools, traps exceptions.

It states what every primitive means; the vectors of `tests/conformance` hold it to the specification.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

MASK = (1 << 64) - 1
NAN: float = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_0000))[0]
TWO_63 = 2.0**63


def signed(word: int) -> int:
    """The word as a two's complement number."""
    return word - (1 << 64) if word >> 63 else word


def float_bits(value: float) -> int:
    """The bit pattern of a float, any NaN as the one NaN."""
    if value != value:
        return 0x7FF8_0000_0000_0000
    bits: int = struct.unpack("<Q", struct.pack("<d", value))[0]
    return bits


def bits_float(word: int) -> float:
    """The float of a bit pattern."""
    value: float = struct.unpack("<d", struct.pack("<Q", word))[0]
    return value


class Trapped(Exception):
    """A meaning trapped."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ExactWords:
    """The primitives that need no machine. Subclasses add memory, kernels and payment."""

    def word(self, value: int) -> int:
        return value & MASK

    def real(self, value: float) -> float:
        return value

    def add(self, a: int, b: int) -> int:
        return (a + b) & MASK

    def sub(self, a: int, b: int) -> int:
        return (a - b) & MASK

    def mul(self, a: int, b: int) -> int:
        return a * b & MASK

    def div_s(self, a: int, b: int) -> int:
        x, y = signed(a), signed(b)
        quotient = abs(x) // abs(y)
        return (-quotient if (x < 0) != (y < 0) else quotient) & MASK

    def rem_s(self, a: int, b: int) -> int:
        x, y = signed(a), signed(b)
        remainder = abs(x) % abs(y)
        return (-remainder if x < 0 else remainder) & MASK

    def div_u(self, a: int, b: int) -> int:
        return a // b

    def rem_u(self, a: int, b: int) -> int:
        return a % b

    def and_(self, a: int, b: int) -> int:
        return a & b

    def or_(self, a: int, b: int) -> int:
        return a | b

    def xor(self, a: int, b: int) -> int:
        return a ^ b

    def shl(self, a: int, n: int) -> int:
        return a << n & MASK

    def shr_s(self, a: int, n: int) -> int:
        return signed(a) >> n & MASK

    def shr_u(self, a: int, n: int) -> int:
        return a >> n

    def rotl(self, a: int, n: int) -> int:
        n %= 64
        return (a << n | a >> (64 - n)) & MASK

    def rotr(self, a: int, n: int) -> int:
        n %= 64
        return (a >> n | a << (64 - n)) & MASK

    def clz(self, a: int) -> int:
        return 64 - a.bit_length()

    def ctz(self, a: int) -> int:
        return (a & -a).bit_length() - 1 if a else 64

    def popcnt(self, a: int) -> int:
        return a.bit_count()

    def eq(self, a: int, b: int) -> bool:
        return a == b

    def lt_s(self, a: int, b: int) -> bool:
        return signed(a) < signed(b)

    def lt_u(self, a: int, b: int) -> bool:
        return a < b

    def fadd(self, a: float, b: float) -> float:
        return a + b

    def fsub(self, a: float, b: float) -> float:
        return a - b

    def fmul(self, a: float, b: float) -> float:
        return a * b

    def fdiv(self, a: float, b: float) -> float:
        if b != 0:
            return a / b
        if a != a or a == 0:
            return NAN
        return math.inf if math.copysign(1.0, a) == math.copysign(1.0, b) else -math.inf

    def fsqrt(self, a: float) -> float:
        return math.sqrt(a) if a >= 0 else NAN

    def ffloor(self, a: float) -> float:
        return _integral(math.floor, a)

    def fceil(self, a: float) -> float:
        return _integral(math.ceil, a)

    def ftrunc(self, a: float) -> float:
        return _integral(math.trunc, a)

    def fnearest(self, a: float) -> float:
        return _integral(round, a)

    def feq(self, a: float, b: float) -> bool:
        return a == b

    def flt(self, a: float, b: float) -> bool:
        return a < b

    def fle(self, a: float, b: float) -> bool:
        return a <= b

    def not_(self, a: bool) -> bool:
        return not a

    def both(self, a: bool, b: bool) -> bool:
        return a and b

    def either(self, a: bool, b: bool) -> bool:
        return a or b

    def choose(self, condition: bool, a: int, b: int) -> int:
        return a if condition else b

    def fchoose(self, condition: bool, a: float, b: float) -> float:
        return a if condition else b

    def int_to_float(self, a: int) -> float:
        return float(signed(a))

    def float_to_int(self, a: float) -> int:
        return int(a) & MASK if -TWO_63 <= a < TWO_63 else 0

    def bits(self, a: float) -> int:
        bits: int = struct.unpack("<Q", struct.pack("<d", a))[0]
        return bits

    def from_bits(self, a: int) -> float:
        return bits_float(a)

    def canonical(self, a: float) -> float:
        return NAN if a != a else a

    def trap_if(self, condition: bool, code: int) -> None:
        if condition:
            raise Trapped(code)


def _integral(rounding: Callable[[float], int], a: float) -> float:
    """Round a float to an integral one; infinities and NaN stay, and so does the sign of what becomes zero."""
    if a != a or a in (math.inf, -math.inf):
        return a
    return math.copysign(float(rounding(a)), a)
