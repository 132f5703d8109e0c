"""Floats: IEEE binary64, WebAssembly's f64 word for word. A NaN's bits are nobody's business until they can be seen."""

from __future__ import annotations

from ..algebra import Algebra, F, T, W
from ..traps import Trap

SIGN = 1 << 63
MAGNITUDE = SIGN - 1
TWO_63 = 2.0**63


def add(m: Algebra[W, F, T], a: F, b: F) -> F:
    """Sum."""
    return m.fadd(a, b)


def sub(m: Algebra[W, F, T], a: F, b: F) -> F:
    """Difference."""
    return m.fsub(a, b)


def mul(m: Algebra[W, F, T], a: F, b: F) -> F:
    """Product."""
    return m.fmul(a, b)


def div(m: Algebra[W, F, T], a: F, b: F) -> F:
    """Quotient; by zero it is infinite or NaN, never a trap."""
    return m.fdiv(a, b)


def neg(m: Algebra[W, F, T], a: F) -> F:
    """The other sign, also of zero."""
    return m.from_bits(m.xor(m.bits(a), m.word(SIGN)))


def abs_(m: Algebra[W, F, T], a: F) -> F:
    """The sign cleared."""
    return m.from_bits(m.and_(m.bits(a), m.word(MAGNITUDE)))


def min_(m: Algebra[W, F, T], a: F, b: F) -> F:
    """The smaller; -0.0 is below 0.0, NaN wins."""
    equal = m.from_bits(m.or_(m.bits(a), m.bits(b)))
    smaller = m.fchoose(m.flt(a, b), a, m.fchoose(m.flt(b, a), b, equal))
    return m.fchoose(m.both(m.feq(a, a), m.feq(b, b)), smaller, m.fadd(a, b))


def max_(m: Algebra[W, F, T], a: F, b: F) -> F:
    """The larger; 0.0 is above -0.0, NaN wins."""
    equal = m.from_bits(m.and_(m.bits(a), m.bits(b)))
    larger = m.fchoose(m.flt(b, a), a, m.fchoose(m.flt(a, b), b, equal))
    return m.fchoose(m.both(m.feq(a, a), m.feq(b, b)), larger, m.fadd(a, b))


def sqrt(m: Algebra[W, F, T], a: F) -> F:
    """Square root, correctly rounded; NaN below zero."""
    return m.fsqrt(a)


def floor(m: Algebra[W, F, T], a: F) -> F:
    """Largest integral value not above."""
    return m.ffloor(a)


def ceil(m: Algebra[W, F, T], a: F) -> F:
    """Smallest integral value not below."""
    return m.fceil(a)


def trunc(m: Algebra[W, F, T], a: F) -> F:
    """Integral part."""
    return m.ftrunc(a)


def nearest(m: Algebra[W, F, T], a: F) -> F:
    """Nearest integral value, ties to even."""
    return m.fnearest(a)


def copysign(m: Algebra[W, F, T], a: F, b: F) -> F:
    """The magnitude of the first with the sign of the second; a NaN's sign reads as positive."""
    sign = m.and_(m.bits(m.canonical(b)), m.word(SIGN))
    return m.from_bits(m.or_(m.and_(m.bits(a), m.word(MAGNITUDE)), sign))


def eq(m: Algebra[W, F, T], a: F, b: F) -> T:
    """Equal; NaN equals nothing."""
    return m.feq(a, b)


def neq(m: Algebra[W, F, T], a: F, b: F) -> T:
    """Not equal; true with NaN."""
    return m.not_(m.feq(a, b))


def lt(m: Algebra[W, F, T], a: F, b: F) -> T:
    """Less than; false with NaN."""
    return m.flt(a, b)


def lte(m: Algebra[W, F, T], a: F, b: F) -> T:
    """Less than or equal; false with NaN."""
    return m.fle(a, b)


def gt(m: Algebra[W, F, T], a: F, b: F) -> T:
    """Greater than; false with NaN."""
    return m.flt(b, a)


def gte(m: Algebra[W, F, T], a: F, b: F) -> T:
    """Greater than or equal; false with NaN."""
    return m.fle(b, a)


def int_to_float(m: Algebra[W, F, T], a: W) -> F:
    """Nearest float, ties to even."""
    return m.int_to_float(a)


def float_to_int(m: Algebra[W, F, T], a: F) -> W:
    """Truncation toward zero; NaN and values outside the int range trap."""
    m.trap_if(m.not_(_fits(m, a)), m.word(Trap.INT_OVERFLOW))
    return m.float_to_int(a)


def float_to_int_sat(m: Algebra[W, F, T], a: F) -> W:
    """Truncation toward zero; outside the range the nearest int, NaN gives 0."""
    nearest_int = m.choose(m.flt(a, m.real(0.0)), m.word(-(1 << 63)), m.word((1 << 63) - 1))
    outside = m.choose(m.feq(a, a), nearest_int, m.word(0))
    return m.choose(_fits(m, a), m.float_to_int(a), outside)


def float_bits(m: Algebra[W, F, T], a: F) -> W:
    """The bit pattern; every NaN shows the same one."""
    return m.bits(m.canonical(a))


def bits_float(m: Algebra[W, F, T], a: W) -> F:
    """The float with that bit pattern; every NaN pattern means the same NaN."""
    return m.canonical(m.from_bits(a))


def _fits(m: Algebra[W, F, T], a: F) -> T:
    return m.both(m.fle(m.real(-TWO_63), a), m.flt(a, m.real(TWO_63)))
