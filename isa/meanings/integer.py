"""Integers: 64-bit two's complement, WebAssembly's i64 word for word."""

from __future__ import annotations

from ..algebra import Algebra, F, T, W
from ..traps import Trap

INT_MIN = -(1 << 63)


def add(m: Algebra[W, F, T], a: W, b: W) -> W:
    """Sum, wrapping around."""
    return m.add(a, b)


def sub(m: Algebra[W, F, T], a: W, b: W) -> W:
    """Difference, wrapping around."""
    return m.sub(a, b)


def mul(m: Algebra[W, F, T], a: W, b: W) -> W:
    """Product, wrapping around."""
    return m.mul(a, b)


def div(m: Algebra[W, F, T], a: W, b: W) -> W:
    """Quotient rounded toward zero."""
    m.trap_if(m.eq(b, m.word(0)), m.word(Trap.DIV_ZERO))
    m.trap_if(m.both(m.eq(a, m.word(INT_MIN)), m.eq(b, m.word(-1))), m.word(Trap.INT_OVERFLOW))
    return m.div_s(a, b)


def mod(m: Algebra[W, F, T], a: W, b: W) -> W:
    """Remainder with the sign of the dividend; anything by -1 leaves 0."""
    m.trap_if(m.eq(b, m.word(0)), m.word(Trap.DIV_ZERO))
    return m.rem_s(a, m.choose(m.eq(b, m.word(-1)), m.word(1), b))


def neg(m: Algebra[W, F, T], a: W) -> W:
    """Negation; the smallest int is its own negation."""
    return m.sub(m.word(0), a)


def abs_(m: Algebra[W, F, T], a: W) -> W:
    """Distance from zero; the smallest int is left as it is."""
    return m.choose(m.lt_s(a, m.word(0)), m.sub(m.word(0), a), a)


def min_(m: Algebra[W, F, T], a: W, b: W) -> W:
    """The smaller."""
    return m.choose(m.lt_s(b, a), b, a)


def max_(m: Algebra[W, F, T], a: W, b: W) -> W:
    """The larger."""
    return m.choose(m.lt_s(a, b), b, a)


def div_u(m: Algebra[W, F, T], a: W, b: W) -> W:
    """Quotient of unsigned words."""
    m.trap_if(m.eq(b, m.word(0)), m.word(Trap.DIV_ZERO))
    return m.div_u(a, b)


def mod_u(m: Algebra[W, F, T], a: W, b: W) -> W:
    """Remainder of unsigned words."""
    m.trap_if(m.eq(b, m.word(0)), m.word(Trap.DIV_ZERO))
    return m.rem_u(a, b)


def bit_and(m: Algebra[W, F, T], a: W, b: W) -> W:
    """Bitwise and."""
    return m.and_(a, b)


def bit_or(m: Algebra[W, F, T], a: W, b: W) -> W:
    """Bitwise or."""
    return m.or_(a, b)


def bit_xor(m: Algebra[W, F, T], a: W, b: W) -> W:
    """Bitwise exclusive or."""
    return m.xor(a, b)


def shl(m: Algebra[W, F, T], a: W, n: W) -> W:
    """Shift left; the count is taken modulo 64."""
    return m.shl(a, m.and_(n, m.word(63)))


def shr(m: Algebra[W, F, T], a: W, n: W) -> W:
    """Shift right keeping the sign; the count is taken modulo 64."""
    return m.shr_s(a, m.and_(n, m.word(63)))


def shr_u(m: Algebra[W, F, T], a: W, n: W) -> W:
    """Shift right bringing in zeros; the count is taken modulo 64."""
    return m.shr_u(a, m.and_(n, m.word(63)))


def rotl(m: Algebra[W, F, T], a: W, n: W) -> W:
    """Rotate left; the count is taken modulo 64."""
    return m.rotl(a, n)


def rotr(m: Algebra[W, F, T], a: W, n: W) -> W:
    """Rotate right; the count is taken modulo 64."""
    return m.rotr(a, n)


def clz(m: Algebra[W, F, T], a: W) -> W:
    """Leading zero bits, 64 for zero."""
    return m.clz(a)


def ctz(m: Algebra[W, F, T], a: W) -> W:
    """Trailing zero bits, 64 for zero."""
    return m.ctz(a)


def popcnt(m: Algebra[W, F, T], a: W) -> W:
    """One bits."""
    return m.popcnt(a)


def eq(m: Algebra[W, F, T], a: W, b: W) -> T:
    """Same word: equal ints, equal bools, the same object, or both null."""
    return m.eq(a, b)


def neq(m: Algebra[W, F, T], a: W, b: W) -> T:
    """Not the same word."""
    return m.not_(m.eq(a, b))


def lt(m: Algebra[W, F, T], a: W, b: W) -> T:
    """Signed less than."""
    return m.lt_s(a, b)


def lte(m: Algebra[W, F, T], a: W, b: W) -> T:
    """Signed less than or equal."""
    return m.not_(m.lt_s(b, a))


def gt(m: Algebra[W, F, T], a: W, b: W) -> T:
    """Signed greater than."""
    return m.lt_s(b, a)


def gte(m: Algebra[W, F, T], a: W, b: W) -> T:
    """Signed greater than or equal."""
    return m.not_(m.lt_s(a, b))


def lt_u(m: Algebra[W, F, T], a: W, b: W) -> T:
    """Unsigned less than."""
    return m.lt_u(a, b)


def lte_u(m: Algebra[W, F, T], a: W, b: W) -> T:
    """Unsigned less than or equal."""
    return m.not_(m.lt_u(b, a))


def gt_u(m: Algebra[W, F, T], a: W, b: W) -> T:
    """Unsigned greater than."""
    return m.lt_u(b, a)


def gte_u(m: Algebra[W, F, T], a: W, b: W) -> T:
    """Unsigned greater than or equal."""
    return m.not_(m.lt_u(a, b))


def and_(m: Algebra[W, F, T], a: T, b: T) -> T:
    """Both hold."""
    return m.both(a, b)


def or_(m: Algebra[W, F, T], a: T, b: T) -> T:
    """At least one holds."""
    return m.either(a, b)


def not_(m: Algebra[W, F, T], a: T) -> T:
    """Does not hold."""
    return m.not_(a)
