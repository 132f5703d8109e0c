"""What arithmetic comes to, a second time: whole numbers, fractions and strings of bits, and nothing of the machine's algebra.

A value is a word, as in a slot. Floats are decoded into exact fractions; a result is rounded once, by Python's exact division
of integers, so no floating-point unit is asked. Source: docs/machine.md, values; IEEE 754; WebAssembly's i64 and f64.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import isqrt

WORD = 2**64
NAN = 0x7FF8_0000_0000_0000
INFINITY = 0x7FF0_0000_0000_0000
SIGN = 2**63
LEAST, MOST = -(2**63), 2**63 - 1
DIV_ZERO, INT_OVERFLOW = "DIV_ZERO", "INT_OVERFLOW"

Outcome = int | str  # the word of the result, or the name of the trap


def outcome(row: str, takes: Sequence[str], operands: Sequence[int]) -> Outcome:
    """What the row makes of operands of these types (`int`, `float`, `bool`). A KeyError where this module does not know it."""
    if row in _BY_WORDS:
        return _BY_WORDS[row](*operands)
    if "float" in takes:
        promoted = [nearest_float(signed(w)) if kind == "int" else w for w, kind in zip(operands, takes, strict=True)]
        return _ON_FLOATS[row](*promoted)
    return _ON_INTS[row](*map(signed, operands))


def signed(word: int) -> int:
    """The number of a word in two's complement."""
    return word if word < SIGN else word - WORD


# ---- ints ---------------------------------------------------------------------------------------------------------------


def _wrapped(compute: Callable[..., int]) -> Callable[..., int]:
    return lambda *numbers: compute(*numbers) % WORD


def _toward_zero(a: int, b: int) -> int:
    return int(Fraction(a, b))


def _quotient(a: int, b: int) -> Outcome:
    if b == 0:
        return DIV_ZERO
    exact = _toward_zero(a, b)
    return INT_OVERFLOW if exact > MOST else exact % WORD


def _remainder(a: int, b: int) -> Outcome:
    return DIV_ZERO if b == 0 else (a - b * _toward_zero(a, b)) % WORD


def _unsigned(compute: Callable[[int, int], int]) -> Callable[[int, int], Outcome]:
    return lambda a, b: DIV_ZERO if b == 0 else compute(a, b)


def _text(word: int) -> str:
    return format(word, "064b")


def _bitwise(rule: Callable[[str, str], bool]) -> Callable[[int, int], int]:
    def combined(a: int, b: int) -> int:
        return int("".join("01"[rule(x, y)] for x, y in zip(_text(a), _text(b), strict=True)), 2)

    return combined


def _moved(rule: Callable[[str, int], str]) -> Callable[[int, int], int]:
    """A shift or rotation as one of text; the count is modulo 64."""
    return lambda a, count: int(rule(_text(a), count % 64), 2)


# ---- floats -------------------------------------------------------------------------------------------------------------


def is_nan(word: int) -> bool:
    """Whether a word is the pattern of a NaN."""
    return word % SIGN > INFINITY


def _infinite(word: int) -> bool:
    return word % SIGN == INFINITY


def _negative(word: int) -> int:
    return word & SIGN


def fraction(word: int) -> Fraction:
    """The exact value of a finite float."""
    exponent, mantissa = word % SIGN >> 52, word % 2**52
    magnitude = mantissa + 2**52 if exponent else mantissa
    return Fraction(-magnitude if _negative(word) else magnitude) * Fraction(2) ** (max(exponent, 1) - 1075)


def rounded(exact: Fraction, sign: int) -> int:
    """The float nearest to a number, ties to even; a zero has the sign given."""
    try:
        value = abs(exact.numerator) / exact.denominator  # integers: CPython rounds their quotient correctly
    except OverflowError:
        value = float("inf")
    (magnitude,) = struct.unpack("<Q", struct.pack("<d", value))
    return magnitude | (sign if exact == 0 else SIGN if exact < 0 else 0)


def nearest_float(number: int) -> int:
    """The float nearest to an int."""
    return rounded(Fraction(number), 0)


def _sum(a: int, b: int) -> int:
    if is_nan(a) or is_nan(b) or (_infinite(a) and _infinite(b) and a != b):
        return NAN
    if _infinite(a) or _infinite(b):
        return a if _infinite(a) else b
    both_negative = _negative(a) & _negative(b) if a % SIGN == b % SIGN == 0 else 0
    return rounded(fraction(a) + fraction(b), both_negative)


def _product(a: int, b: int) -> int:
    sign = _negative(a ^ b)
    if is_nan(a) or is_nan(b):
        return NAN
    if _infinite(a) or _infinite(b):
        return NAN if 0 in (a % SIGN, b % SIGN) else INFINITY | sign
    return rounded(fraction(a) * fraction(b), sign) % SIGN | sign


def _ratio(a: int, b: int) -> int:
    sign = _negative(a ^ b)
    if is_nan(a) or is_nan(b) or (_infinite(a) and _infinite(b)) or a % SIGN == b % SIGN == 0:
        return NAN
    if _infinite(a) or b % SIGN == 0:
        return INFINITY | sign
    return sign if _infinite(b) else rounded(fraction(a) / fraction(b), sign) % SIGN | sign


def _root(a: int) -> int:
    if is_nan(a) or (_negative(a) and a != SIGN):
        return NAN
    if _infinite(a) or a in (0, SIGN):
        return a
    exact, scale = fraction(a), 640  # enough for any float to become an integer with 150 bits to spare
    whole = exact * 4**scale
    root = isqrt(int(whole))
    sticky = root * root != whole  # a bit behind the last keeps ties apart
    return rounded(Fraction(2 * root + sticky, 2 ** (scale + 1)), 0)


def _integral(rule: Callable[[Fraction], int]) -> Callable[[int], int]:
    def integral(a: int) -> int:
        if is_nan(a) or _infinite(a):
            return NAN if is_nan(a) else a
        return rounded(Fraction(rule(fraction(a))), _negative(a))

    return integral


def _nearest(exact: Fraction) -> int:
    below = exact.numerator // exact.denominator
    rest = exact - below
    up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and below % 2 == 1)
    return below + up


def _key(a: int) -> tuple[Fraction | float, int]:
    """Where a float that is no NaN stands among the others, -0.0 below 0.0."""
    value = float("-inf" if _negative(a) else "inf") if _infinite(a) else fraction(a)
    return value, -bool(_negative(a))


def _extreme(choose: Callable[..., int]) -> Callable[[int, int], int]:
    return lambda a, b: NAN if is_nan(a) or is_nan(b) else choose(a, b, key=_key)


def _ordered(rule: Callable[[Fraction | float, Fraction | float], bool]) -> Callable[[int, int], int]:
    return lambda a, b: int(not is_nan(a) and not is_nan(b) and rule(_key(a)[0], _key(b)[0]))


def _to_int(a: int) -> Outcome:
    if is_nan(a) or _infinite(a) or not LEAST <= int(fraction(a)) <= MOST:
        return INT_OVERFLOW
    return int(fraction(a)) % WORD


def _to_int_saturating(a: int) -> int:
    within = _to_int(a)
    if isinstance(within, int):
        return within
    return 0 if is_nan(a) else (LEAST if _negative(a) else MOST) % WORD


def _copied_sign(a: int, b: int) -> int:
    return NAN if is_nan(a) else a % SIGN | (0 if is_nan(b) else _negative(b))


def _one_nan(a: int) -> int:
    return NAN if is_nan(a) else a


# ---- rows ---------------------------------------------------------------------------------------------------------------

_BY_WORDS: Mapping[str, Callable[..., Outcome]] = {  # rows of one form, on the bits as they are
    "AND": lambda a, b: a * b,
    "OR": max,
    "NOT": lambda a: 1 - a,
    "BIT_AND": _bitwise(lambda x, y: x == y == "1"),
    "BIT_OR": _bitwise(lambda x, y: "1" in (x, y)),
    "BIT_XOR": _bitwise(lambda x, y: x != y),
    "SHL": _moved(lambda text, n: text[n:] + "0" * n),
    "SHR": _moved(lambda text, n: text[0] * n + text[: 64 - n]),
    "SHR_U": _moved(lambda text, n: "0" * n + text[: 64 - n]),
    "ROTL": _moved(lambda text, n: text[n:] + text[:n]),
    "ROTR": _moved(lambda text, n: text[64 - n :] + text[: 64 - n]),
    "CLZ": lambda a: (_text(a) + "1").index("1"),
    "CTZ": lambda a: (_text(a)[::-1] + "1").index("1"),
    "POPCNT": lambda a: _text(a).count("1"),
    "DIV_U": _unsigned(lambda a, b: a // b),
    "MOD_U": _unsigned(lambda a, b: a - b * (a // b)),
    "LT_U": lambda a, b: int(a < b),
    "LTE_U": lambda a, b: int(a <= b),
    "GT_U": lambda a, b: int(a > b),
    "GTE_U": lambda a, b: int(a >= b),
    "SQRT": _root,
    "FLOOR": _integral(lambda exact: exact.numerator // exact.denominator),
    "CEIL": _integral(lambda exact: -(-exact.numerator // exact.denominator)),
    "TRUNC": _integral(int),
    "NEAREST": _integral(_nearest),
    "COPYSIGN": _copied_sign,
    "INT_TO_FLOAT": lambda a: nearest_float(signed(a)),
    "FLOAT_TO_INT": _to_int,
    "FLOAT_TO_INT_SAT": _to_int_saturating,
    "FLOAT_BITS": _one_nan,
    "BITS_FLOAT": _one_nan,
}

_ON_INTS: Mapping[str, Callable[..., Outcome]] = {
    "ADD": _wrapped(lambda a, b: a + b),
    "SUB": _wrapped(lambda a, b: a - b),
    "MUL": _wrapped(lambda a, b: a * b),
    "DIV": _quotient,
    "MOD": _remainder,
    "NEG": _wrapped(lambda a: -a),
    "ABS": _wrapped(abs),
    "MIN": _wrapped(min),
    "MAX": _wrapped(max),
    "EQ": lambda a, b: int(a == b),
    "NEQ": lambda a, b: int(a != b),
    "LT": lambda a, b: int(a < b),
    "LTE": lambda a, b: int(a <= b),
    "GT": lambda a, b: int(a > b),
    "GTE": lambda a, b: int(a >= b),
}

_ON_FLOATS: Mapping[str, Callable[..., int]] = {
    "ADD": _sum,
    "SUB": lambda a, b: _sum(a, b ^ SIGN),
    "MUL": _product,
    "DIV": _ratio,
    "NEG": lambda a: _one_nan(a ^ SIGN),
    "ABS": lambda a: _one_nan(a % SIGN),
    "MIN": _extreme(min),
    "MAX": _extreme(max),
    "EQ": _ordered(lambda a, b: a == b),
    "NEQ": lambda a, b: 1 - _ordered(lambda x, y: x == y)(a, b),
    "LT": _ordered(lambda a, b: a < b),
    "LTE": _ordered(lambda a, b: a <= b),
    "GT": _ordered(lambda a, b: a > b),
    "GTE": _ordered(lambda a, b: a >= b),
}
