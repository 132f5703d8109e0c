"""Sine, cosine, arc tangent, exponential, logarithm and power: the project's own, the same bits on every machine.

No libm: only IEEE binary64 + - * / and comparisons, and ints that stay within 63 bits. The one thing beyond these is
the sign operation `copysign`, exact by definition: no arithmetic that is safe in Python tells -0.0 from 0.0.

Error bounds, measured against mpmath: 0.53 ulp of the exact value, for sin and cos 0.6, for subnormal results of exp
and pow 0.76 (those are rounded twice). Where the exact value of exp, log or pow is a float, it is the result. Special
cases as in C's Annex F.

Values that need more than 53 bits are pairs (high, low) that stand for their unevaluated sum, by the error-free sum of
Knuth and the error-free product of Dekker and Veltkamp. The polynomials are minimax in the relative error that they
leave in the function (weighted Remez exchange at 300 bits, then rounded); each docstring states that error.
"""

from __future__ import annotations

from math import copysign

import numpy as np

from .registry import Service

_INFINITY = 1e308 * 10.0
_NAN = _INFINITY - _INFINITY

_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.6931471805598903  # 42 bits, so that its product with an exponent is exact
_LN2_LOW = 5.497923018708371e-14
_SQRT_2 = 1.4142135623730951
_THIRD_LOW = 1.850371707708594e-17  # what the floats 1/3, 1/6, 1/5 leave out
_SIXTH_LOW = 9.25185853854297e-18
_FIFTH_LOW = -1.1102230246251566e-17

_TWO_OVER_PI = 0.6366197723675814
_HALF_PI_1 = 1.5707963267341256  # pi/2 cut into 33 bits, 33 bits, and a float
_HALF_PI_2 = 6.077100506303966e-11
_HALF_PI_3 = 2.0222662487959506e-21
_HALF_PI = 1.5707963267948966
_HALF_PI_LOW = 6.123233995736766e-17

# 2 ** (i - 540): twice within reach of every exponent
_POWERS = np.array([1.0 / (1 << -n) if n < 0 else float(1 << n) for n in range(-540, 541)])

# fmt: off
# atan(i / 8) as pairs
_ATAN_HIGH = np.array([
    0.0, 0.12435499454676144, 0.24497866312686414, 0.35877067027057225, 0.4636476090008061, 0.5585993153435624,
    0.6435011087932844, 0.7188299996216245, 0.7853981633974483,
])
_ATAN_LOW = np.array([
    0.0, -3.1253241424539383e-18, 1.0698755618734451e-17, -2.4623815582638635e-17, 2.2698777452961687e-17,
    -5.4556305485916264e-18, 1.5834785051444286e-17, -2.1478388444456983e-17, 3.061616997868383e-17,
])

# The binary digits of 2/pi, 27 to a limb, behind three limbs of zeros that stand for the places before the point
_TWO_OVER_PI_LIMBS = np.array([
    0, 0, 0, 85445659, 60002565, 39057486, 92086099, 40820845, 92952164, 126382600, 33444195, 90109406,
    22572489, 14447748, 81604096, 52729717, 2573896, 60801981, 52212009, 87684932, 9272651, 91654409,
    110741250, 56242111, 17098311, 46608490, 54129820, 69401693, 125717006, 104853807, 134078553, 67630999,
    71708008, 21865453, 87457487, 20863053, 97767823, 114113727, 111335250, 64840693, 127387116, 127985470,
    126505618, 122904538, 132925411, 45748396, 3343471,
])
# fmt: on
_LIMB = (1 << 27) - 1
_HALF_LIMB = 1 << 26
_LOWEST_LIMB = 1.0 / (1 << 189)


def sin(x: float) -> float:
    """Sine of radians, any finite argument reduced in full; NaN for an infinity. A zero keeps its sign."""
    if not abs(x) < _INFINITY:
        return _NAN
    if abs(x) < 7.450580596923828e-09:  # 2**-27: the cube is below half an ulp
        return x
    quadrant, high, low = _reduce(x)
    return _sine(quadrant, high, low)


def cos(x: float) -> float:
    """Cosine of radians, any finite argument reduced in full; NaN for an infinity."""
    if not abs(x) < _INFINITY:
        return _NAN
    quadrant, high, low = _reduce(x)
    return _sine(quadrant + 1, high, low)


def atan2(y: float, x: float) -> float:
    """Angle of the point (x, y) in radians, from -pi to pi; the signs of zeros and the pairs of infinities count.

    With t the ratio of the smaller to the larger and c the nearest eighth: atan t = atan c + atan((t - c) / (1 + c t)).
    """
    if not (abs(x) <= _INFINITY and abs(y) <= _INFINITY):
        return _NAN
    large, small = abs(x), abs(y)
    if large == small and not 0.0 < large < _INFINITY:
        small = 0.0 if large == 0.0 else 1.0
        large = 1.0
    steep = small > large
    if steep:
        large, small = small, large
    if small < large * 8.673617379884035e-19:  # 2**-60
        if not steep and x > 0.0:
            return y / x
        high, low = 0.0, 0.0
    else:
        _, exponent = _normalize(large)
        high, low = _atan(_scale(small, -exponent), _scale(large, -exponent))
    behind = copysign(1.0, x) < 0.0
    quarters = 0.0
    if steep:
        quarters = 1.0
    elif behind:
        quarters = 2.0
    if steep != behind:
        high, low = -high, -low
    high, error = _sum(quarters * _HALF_PI, high)
    return copysign(high + (error + low + quarters * _HALF_PI_LOW), y)


def exp(x: float) -> float:
    """Exponential, from 0 by way of the subnormals to infinity."""
    if not x <= _INFINITY:
        return _NAN
    return _exp(x, 0.0)


def log(x: float) -> float:
    """Natural logarithm; -infinity at both zeros, NaN below."""
    if x == 0.0:
        return -_INFINITY
    if not x > 0.0:
        return _NAN
    if x == _INFINITY:
        return x
    value, _ = _log(x)
    return value


def pow(base: float, exponent: float) -> float:
    """Base to the exponent, as exp(exponent * log |base|) with some 68 bits; the special cases are C's.

    Anything to the 0 and 1 to anything, NaN included, is 1. A negative base needs an integral exponent, else NaN.
    """
    if exponent == 0.0 or base == 1.0:
        return 1.0
    if not (abs(base) <= _INFINITY and abs(exponent) <= _INFINITY):
        return _NAN
    integral, odd = True, False
    if abs(exponent) < 9007199254740992.0:  # 2**53; from there on every float is an even integer
        whole = int(exponent)
        integral, odd = whole == exponent, (whole & 1) == 1 and whole == exponent
    sign = copysign(1.0, base) if odd else 1.0
    size = abs(base)
    if not 0.0 < size < _INFINITY:
        return sign * (0.0 if (size == 0.0) == (exponent > 0.0) else _INFINITY)
    if base < 0.0 and not integral:
        return _NAN
    if size == 1.0:
        return sign
    if abs(exponent) == _INFINITY:
        return _INFINITY if (size > 1.0) == (exponent > 0.0) else 0.0
    high, low = _log(size)
    high, low = _product(exponent, 0.0, high, low)
    return sign * _exp(high, low)


def _sum(a: float, b: float) -> tuple[float, float]:
    """The sum exactly, as the rounded sum and its error (Knuth)."""
    total = a + b
    from_b = total - a
    return total, (a - (total - from_b)) + (b - from_b)


def _product(a: float, a_low: float, b: float, b_low: float) -> tuple[float, float]:
    """The product of two pairs, its leading part exact: a and b split into halves of 26 bits (Veltkamp, Dekker)."""
    product = a * b
    spread = a * 134217729.0  # 2**27 + 1
    a_1 = spread - (spread - a)
    a_2 = a - a_1
    spread = b * 134217729.0
    b_1 = spread - (spread - b)
    b_2 = b - b_1
    error = ((a_1 * b_1 - product) + a_1 * b_2 + a_2 * b_1) + a_2 * b_2
    return product, error + (a * b_low + a_low * b)


def _normalize(x: float) -> tuple[float, int]:
    """A positive finite x as (m, k) with x = m * 2**k exactly and 1 <= m < 2."""
    k = 0
    while x < 1.0:
        x *= float(_POWERS[1080])
        k -= 540
    step = 512
    while step > 0:
        if x >= float(_POWERS[540 + step]):
            x *= float(_POWERS[540 - step])
            k += step
        step >>= 1
    return x, k


def _scale(x: float, k: int) -> float:
    """The product x * 2**k for |k| <= 1080, rounded once: the first of the two steps stays within the normal range."""
    half = k >> 1
    return x * float(_POWERS[540 + half]) * float(_POWERS[540 + k - half])


def _reduce(x: float) -> tuple[int, float, float]:
    """Finite x as (n, high, low): x = n * pi/2 + high + low, the rest within pi/4 and a hair, n modulo 4.

    Cody-Waite: below 2**20 the first two products are exact. Where so little is left that the third part's
    end (2**-119) would show, and beyond, the exact way takes over.
    """
    if abs(x) < 1048576.0:
        n = int(x * _TWO_OVER_PI + copysign(0.5, x))
        high, error = _sum(x - n * _HALF_PI_1, -n * _HALF_PI_2)
        if abs(high) > 9.313225746154785e-10 or n == 0:  # 2**-30
            high, low = _sum(high, error - n * _HALF_PI_3)
            return n & 3, high, low
    return _reduce_exactly(x)


def _reduce_exactly(x: float) -> tuple[int, float, float]:
    """The same for 1 <= |x| of any size (Payne-Hanek): only those digits of 2/pi that matter are multiplied.

    x is an integer of three limbs times a power of 2**27. Of its product with 2/pi the seven limbs behind the point are
    kept, each made to lie within +-2**26, so that the carry into the place before it rounds to nearest. The limbs
    left out weigh under 2**-158; no float is closer than 2**-62 to a multiple of pi/2.
    """
    mantissa, exponent = _normalize(abs(x))
    whole = int(mantissa * 4503599627370496.0)  # 2**52
    limb = (exponent - 52) // 27
    shift = exponent - 52 - limb * 27
    bottom = (whole & _LIMB) << shift
    rest = ((whole >> 27) << shift) + (bottom >> 27)
    x_0, x_1, x_2 = bottom & _LIMB, rest & _LIMB, rest >> 27

    turns, low, weight, total = 0.0, 0.0, _LOWEST_LIMB, 0
    digit_1, digit_2 = int(_TWO_OVER_PI_LIMBS[limb + 10]), int(_TWO_OVER_PI_LIMBS[limb + 11])
    for column in range(8):
        digit = int(_TWO_OVER_PI_LIMBS[limb + 9 - column])
        total = (total >> 27) + x_0 * digit + x_1 * digit_1 + x_2 * digit_2
        digit_1, digit_2 = digit, digit_1
        if column < 7:
            total += _HALF_LIMB
            turns, error = _sum(((total & _LIMB) - _HALF_LIMB) * weight, turns)
            low += error
            weight *= 134217728.0
    high, low = _product(turns, low, _HALF_PI, _HALF_PI_LOW)
    high, low = _sum(high, low)
    if x < 0.0:
        return -total & 3, -high, -low
    return total & 3, high, low


def _sine(quadrant: int, x: float, low: float) -> float:
    """Sine of quadrant * pi/2 + x + low, |x| up to pi/4 and a hair, by the sine or cosine of the rest.

    Taylor's terms up to the cube stand as pairs, then a polynomial, good to 2**-68 of the sine, 2**-64 of the cosine.
    """
    z, z_low = _product(x, low, x, low)
    if quadrant & 1:
        first = 0.0416666666666666 + z * (-0.0013888888888874138 + z * 2.4801587289491803e-05)
        second = -2.7557314355235325e-07 + z * (2.087572368353495e-09 + z * -1.1359669819474485e-11)
        high, error = _sum(1.0, -0.5 * z)
        value = high + (error + (z * z * (first + z * z * z * second) - 0.5 * z_low))
    else:
        first = 0.00833333333333333 + z * (-0.00019841269841261157 + z * 2.7557319216865242e-06)
        second = -2.505210551935129e-08 + z * (1.6058435612869096e-10 + z * -7.581793115237157e-13)
        cube, cube_low = _product(z, z_low, -0.16666666666666666, -_SIXTH_LOW)
        cube, error = _sum(cube, z * z * (first + z * z * z * second))
        cube, cube_low = _product(x, low, cube, cube_low + error)
        high, error = _sum(x, cube)
        value = high + (error + (cube_low + low))
    return -value if quadrant & 2 else value


def _atan(y: float, x: float) -> tuple[float, float]:
    """Arc tangent of y / x as a pair, 0 <= y <= x and x in [1, 2).

    The remaining ratio t is at most 1/16 and a pair; t + t**3 (...) has a polynomial good to 2**-72 of its arc tangent.
    """
    eighths = int(8.0 * y / x + 0.5)
    c = eighths * 0.125
    product, error = _product(c, 0.0, x, 0.0)
    above, above_low = y - product, -error
    product, error = _product(c, 0.0, y, 0.0)
    below, below_low = _sum(x, product)
    t = above / below
    product, error = _product(t, 0.0, below, below_low + error)
    t_low = ((above - product) + (above_low - error)) / below
    z = t * t
    first = -0.3333333333333333 + z * (0.19999999999999035 + z * -0.14285714284115214)
    second = 0.11111109891773992 + z * (-0.09090438811264925 + z * 0.07602978592849396)
    high, error = _sum(float(_ATAN_HIGH[eighths]), t)
    return high, error + (float(_ATAN_LOW[eighths]) + (t_low + t * z * (first + z * z * z * second)))


def _log(x: float) -> tuple[float, float]:
    """Logarithm of a positive finite x as a pair, good to 2**-68 of it.

    x = m * 2**k with m about 1; log m = 2 s (1 + z/3 + z**2/5 + ...) with s = (m - 1) / (m + 1) and z = s**2.
    The terms from z**3 on, a polynomial good to 2**-72, are small enough for floats.
    """
    m, k = _normalize(x)
    if m > _SQRT_2:
        m *= 0.5
        k += 1
    below, below_low = _sum(m, 1.0)
    s = (m - 1.0) / below
    product, error = _product(s, 0.0, below, below_low)
    s_low = ((m - 1.0 - product) - error) / below
    z, z_low = _product(s, s_low, s, s_low)
    first = 0.14285714285716578 + z * (0.11111111110007363 + z * 0.09090909302535145)
    second = 0.07692286464460993 + z * (0.066678809111762 + z * (0.058425352052540916 + z * 0.05955359777368446))
    high, low = _sum(0.2, z * (first + z * z * z * second))
    high, low = _product(z, z_low, high, low + _FIFTH_LOW)
    high, error = _sum(0.3333333333333333, high)
    high, low = _product(z, z_low, high, error + low + _THIRD_LOW)
    product, low = _product(2.0 * s, 2.0 * s_low, high, low)
    high, error = _sum(k * _LN2_HIGH, 2.0 * s)
    high, error_2 = _sum(high, product)
    return _sum(high, error + error_2 + (low + 2.0 * s_low + k * _LN2_LOW))


def _exp(x: float, low: float) -> float:
    """Exponential of x + low, rounded; x is not NaN.

    x = k ln 2 + r; of e**r the terms up to the square are summed as pairs, then a polynomial, good to 2**-64 of it.
    """
    if x > 710.0:
        return _INFINITY
    if x < -746.0:
        return 0.0
    k = int(x * _LOG2_E + copysign(0.5, x))
    r, low = _sum(x - k * _LN2_HIGH, low - k * _LN2_LOW)
    square, square_low = _product(0.5 * r, 0.0, r, 0.0)
    first = 0.16666666666666682 + r * (0.0416666666666667 + r * (0.00833333333331684 + r * 0.001388888888886511))
    second = 0.0001984126989686839 + r * (2.480158736522933e-05 + r * 2.7557234388116763e-06)
    third = 2.755723856068067e-07 + r * (2.5112196861926268e-08 + r * 2.092571626308748e-09)
    tail = first + r * r * r * r * (second + r * r * r * third)
    high, error = _sum(r, square)
    high, error_2 = _sum(1.0, high)
    rest = error + (square_low + (low * (1.0 + r) + r * r * r * tail))
    return _scale(high + (error_2 + rest), k)


ROWS = (
    Service(
        module="math",
        name="sin",
        version=1,
        number=0x0301,
        effect="x: float -> value: float",
        summary="Sine of an angle in radians, of any size; NaN for an infinity.",
        function=sin,
        cycles=40,
    ),
    Service(
        module="math",
        name="cos",
        version=1,
        number=0x0302,
        effect="x: float -> value: float",
        summary="Cosine of an angle in radians, of any size; NaN for an infinity.",
        function=cos,
        cycles=40,
    ),
    Service(
        module="math",
        name="atan2",
        version=1,
        number=0x0303,
        effect="y: float, x: float -> angle: float",
        summary="The angle of the point (x, y), in radians from -pi to pi. Note that y comes first.",
        function=atan2,
        cycles=60,
    ),
    Service(
        module="math",
        name="exp",
        version=1,
        number=0x0304,
        effect="x: float -> value: float",
        summary="e to the power of x; infinity where that is too large for a float, 0.0 where it is too small.",
        function=exp,
        cycles=40,
    ),
    Service(
        module="math",
        name="log",
        version=1,
        number=0x0305,
        effect="x: float -> value: float",
        summary="Natural logarithm; minus infinity for zero, NaN for less.",
        function=log,
        cycles=60,
    ),
    Service(
        module="math",
        name="pow",
        version=1,
        number=0x0306,
        effect="base: float, exponent: float -> value: float",
        summary="Base to the power of exponent; NaN for a negative base with an exponent that is not whole.",
        function=pow,
        cycles=100,
    ),
)
