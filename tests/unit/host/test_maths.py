"""The fixed mathematics: judged by mpmath, by Annex F's special cases, and by its own compiled twin, bit for bit."""

from __future__ import annotations

import ast
import inspect
import math
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import pytest
from mpmath import mp, mpf

from pbs.host import maths

Function = Callable[..., float]

NAN, INF = math.nan, math.inf
PI, HALF_PI, QUARTER_PI, THREE_QUARTERS_PI = math.pi, math.pi / 2, math.pi / 4, 2.356194490192345
TINY, LEAST_NORMAL, LARGEST = 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308
NAMES = ("sin", "cos", "atan2", "exp", "log", "pow")

SIGNLESS = (
    *(0.0, TINY, 1e-310, LEAST_NORMAL, 1e-300, 7.450580596923828e-09, 1e-8, 0.1, 0.25, 0.5, 1.0, 1.0000000000000002),
    *(0.9999999999999999, 1.5, QUARTER_PI, HALF_PI, PI, 2.0, 3.0, 100.0, 709.782712893384, 745.1332191019411),
    *(1048575.9999999999, 1048576.0, 4503599627370497.0, 9007199254740991.0, 9007199254740992.0, 1e300, LARGEST, INF),
)
EDGES = (*SIGNLESS, *(-x for x in SIGNLESS), NAN)

SPECIAL_CASES = """
sin(0.0) = 0.0      sin(-0.0) = -0.0    sin(inf) = nan      sin(-inf) = nan     sin(nan) = nan
sin(5e-324) = 5e-324                    sin(-2.2250738585072014e-308) = -2.2250738585072014e-308
cos(0.0) = 1.0      cos(-0.0) = 1.0     cos(inf) = nan      cos(-inf) = nan     cos(nan) = nan
cos(5e-324) = 1.0   cos(-1e-300) = 1.0
exp(0.0) = 1.0      exp(-0.0) = 1.0     exp(inf) = inf      exp(-inf) = 0.0     exp(nan) = nan
exp(709.782712893384) = 1.7976931348622732e+308             exp(709.7827128933841) = inf
exp(1e300) = inf    exp(-1e300) = 0.0   exp(-745.1332191019411) = 5e-324        exp(-745.1332191019412) = 0.0
log(1.0) = 0.0      log(0.0) = -inf     log(-0.0) = -inf    log(-1.0) = nan     log(-5e-324) = nan
log(inf) = inf      log(-inf) = nan     log(nan) = nan      log(5e-324) = -744.4400719213812
atan2(0.0, 1.0) = 0.0       atan2(-0.0, 1.0) = -0.0     atan2(0.0, 0.0) = 0.0       atan2(-0.0, 0.0) = -0.0
atan2(0.0, -0.0) = pi       atan2(-0.0, -0.0) = -pi     atan2(0.0, -1.0) = pi       atan2(-0.0, -1.0) = -pi
atan2(0.0, 5e-324) = 0.0    atan2(-0.0, 5e-324) = -0.0  atan2(0.0, -5e-324) = pi    atan2(-0.0, -5e-324) = -pi
atan2(0.0, inf) = 0.0       atan2(-0.0, inf) = -0.0     atan2(0.0, -inf) = pi       atan2(-0.0, -inf) = -pi
atan2(1.0, 0.0) = pi/2      atan2(-1.0, 0.0) = -pi/2    atan2(1.0, -0.0) = pi/2     atan2(-1.0, -0.0) = -pi/2
atan2(1.0, inf) = 0.0       atan2(-1.0, inf) = -0.0     atan2(1.0, -inf) = pi       atan2(-1.0, -inf) = -pi
atan2(inf, 1.0) = pi/2      atan2(-inf, 1.0) = -pi/2    atan2(inf, -1.0) = pi/2     atan2(-inf, 0.0) = -pi/2
atan2(inf, inf) = pi/4      atan2(-inf, inf) = -pi/4    atan2(inf, -inf) = 3pi/4    atan2(-inf, -inf) = -3pi/4
atan2(1.0, 1.0) = pi/4      atan2(-1.0, 1.0) = -pi/4    atan2(1.0, -1.0) = 3pi/4    atan2(-1.0, -1.0) = -3pi/4
atan2(5e-324, 5e-324) = pi/4                            atan2(1e308, -1e308) = 3pi/4
atan2(5e-324, 1e308) = 0.0  atan2(-5e-324, 1e308) = -0.0                            atan2(5e-324, -1e308) = pi
atan2(1e308, 5e-324) = pi/2 atan2(-1e308, -5e-324) = -pi/2                          atan2(5e-324, 1.0) = 5e-324
atan2(nan, 1.0) = nan       atan2(1.0, nan) = nan       atan2(nan, inf) = nan       atan2(0.0, nan) = nan
pow(nan, 0.0) = 1.0         pow(nan, -0.0) = 1.0        pow(0.0, 0.0) = 1.0         pow(inf, 0.0) = 1.0
pow(-inf, -0.0) = 1.0       pow(1.0, nan) = 1.0         pow(1.0, inf) = 1.0         pow(1.0, -inf) = 1.0
pow(nan, 1.0) = nan         pow(2.0, nan) = nan         pow(nan, inf) = nan         pow(-1.0, nan) = nan
pow(-1.0, inf) = 1.0        pow(-1.0, -inf) = 1.0       pow(-1.0, 3.0) = -1.0       pow(-1.0, 1e300) = 1.0
pow(-1.0, 9007199254740991.0) = -1.0                    pow(-1.0, 9007199254740992.0) = 1.0
pow(-1.0, -9007199254740991.0) = -1.0                   pow(-1.0, 2251799813685248.5) = nan
pow(-8.0, 0.3333333333333333) = nan                     pow(-8.0, -0.5) = nan       pow(-1.0, 0.5) = nan
pow(-2.0, 3.0) = -8.0       pow(-2.0, 2.0) = 4.0        pow(-2.0, -1.0) = -0.5      pow(-2.0, -2.0) = 0.25
pow(0.0, 3.0) = 0.0         pow(-0.0, 3.0) = -0.0       pow(0.0, 2.0) = 0.0         pow(-0.0, 2.0) = 0.0
pow(0.0, 0.5) = 0.0         pow(-0.0, 0.5) = 0.0        pow(0.0, inf) = 0.0         pow(-0.0, inf) = 0.0
pow(0.0, -1.0) = inf        pow(-0.0, -1.0) = -inf      pow(0.0, -2.0) = inf        pow(-0.0, -2.0) = inf
pow(0.0, -0.5) = inf        pow(-0.0, -0.5) = inf       pow(0.0, -inf) = inf        pow(-0.0, -inf) = inf
pow(0.5, inf) = 0.0         pow(0.5, -inf) = inf        pow(2.0, inf) = inf         pow(2.0, -inf) = 0.0
pow(-0.5, inf) = 0.0        pow(-0.5, -inf) = inf       pow(-2.0, inf) = inf        pow(-2.0, -inf) = 0.0
pow(inf, 1.0) = inf         pow(inf, -1.0) = 0.0        pow(inf, inf) = inf         pow(inf, -inf) = 0.0
pow(-inf, 3.0) = -inf       pow(-inf, 2.0) = inf        pow(-inf, 0.5) = inf        pow(-inf, inf) = inf
pow(-inf, -3.0) = -0.0      pow(-inf, -2.0) = 0.0       pow(-inf, -0.5) = 0.0       pow(-inf, -inf) = 0.0
pow(2.0, -1075.0) = 0.0     pow(-2.0, -1075.0) = -0.0   pow(2.0, 1024.0) = inf      pow(-2.0, 1025.0) = -inf
pow(1.7976931348623157e+308, 1.0) = 1.7976931348623157e+308                         pow(5e-324, 1.0) = 5e-324
pow(5e-324, -1.0) = inf     pow(5e-324, 5e-324) = 1.0   pow(1e308, 1e308) = inf     pow(0.9999999999999999, 1e308) = 0.0
pow(1.0000000000000002, 1e308) = inf                    pow(1.0000000000000002, -1e308) = 0.0
"""
ANGLES = {"pi": PI, "pi/2": HALF_PI, "pi/4": QUARTER_PI, "3pi/4": THREE_QUARTERS_PI}


def special_cases() -> Iterator[tuple[str, tuple[float, ...], float]]:
    """The table's cells as (function, arguments, expected)."""
    for cell in SPECIAL_CASES.replace(") = ", ")=").replace(", ", ",").split():
        call, _, expected = cell.partition("=")
        name, _, arguments = call.rstrip(")").partition("(")
        sign, angle = (-1.0, expected[1:]) if expected[0] == "-" else (1.0, expected)
        value = sign * ANGLES[angle] if angle in ANGLES else float(expected)
        yield name, tuple(float(a) for a in arguments.split(",")), value


def same(a: float, b: float) -> bool:
    """Equal in every bit, or both NaN."""
    return (a != a and b != b) or struct.pack("<d", a) == struct.pack("<d", b)


def ulps(value: float, exact: mpf) -> float:
    """Distance in units of the last place of a float of the exact value's size; overflow must round to infinity."""
    if math.isinf(value):
        return 0.0 if abs(exact) >= mpf(2) ** 1024 - mpf(2) ** 970 else INF
    unit = max(mp.frexp(exact)[1] - 53, -1074)
    return float(abs(mpf(value) - exact) / mpf(2) ** unit)


def any_float(draw: random.Random) -> float:
    """Random bits that make a finite float: every exponent alike, subnormals among them."""
    while True:
        value: float = struct.unpack("<d", draw.randbytes(8))[0]
        if math.isfinite(value):
            return value


def compile_all() -> dict[str, Any]:
    """Every function of the module jitted, helpers first, as the machine does it: by rebinding globals in a copy."""
    done: dict[FunctionType, Any] = {}

    def compiled(function: FunctionType) -> Any:
        if function not in done:
            names = dict(function.__globals__)
            for name in function.__code__.co_names:
                if isinstance(names.get(name), FunctionType):
                    names[name] = compiled(names[name])
            copy = FunctionType(function.__code__, names, function.__name__)
            done[function] = numba.njit(copy, error_model="numpy")
        return done[function]

    return {name: compiled(getattr(maths, name)) for name in NAMES}


@pytest.fixture(scope="module")
def native() -> dict[str, Any]:
    return compile_all()


# Accuracy


def nearest_to_quarter_turns() -> Iterator[float]:
    """For every e the hardest n * 2**e: the last denominator of 53 bits among the convergents of 2**e * 2/pi."""
    bits = 2600
    with mp.workprec(bits + 100):
        digits = int(mp.floor(2 / mp.pi * mpf(2) ** bits))
    for exponent in range(-52, 971):
        above, below = (digits << (exponent + 52)) % (1 << (bits + 52)), 1 << (bits + 52)
        before, now, best = 0, 1, 1
        while above and now < 1 << 53:
            quotient, rest = divmod(below, above)
            below, above = above, rest
            before, now = now, before + quotient * now
            if now < 1 << 53:
                best = now
        yield math.ldexp(best, exponent)


def near_quarter_turns(draw: random.Random) -> float:
    turns = draw.getrandbits(draw.randint(1, 45))
    with mp.workprec(150):
        value = float(turns * mp.pi / 2)
    return math.nextafter(value, draw.choice((value, INF, -INF)))


def power_arguments(draw: random.Random) -> tuple[float, float]:
    """A base of any size, often near 1, and an exponent that brings the result anywhere from 0 to infinity."""
    while True:
        base = math.ldexp(draw.uniform(1, 2), draw.choice((draw.randint(-1074, 1023), draw.randint(-3, 3), 0, -1)))
        base = draw.choice((base, base, 1 + draw.uniform(-1, 1) * 2.0 ** -draw.randint(1, 52)))
        if base not in (0.0, 1.0):
            wide = draw.choice((draw.uniform(-745.2, 709.7), draw.uniform(-745.2, -708.3), draw.uniform(700, 709.8)))
            return base, draw.choice((wide / math.log(base), draw.uniform(-20, 20), float(draw.randint(-40, 40))))


def points_of_ratio(draw: random.Random) -> tuple[float, float]:
    """Points of any distance with ratios from 2**-64 to 2**64."""
    exponent, ratio = draw.randint(-950, 950), draw.randint(-64, 64)
    y, x = math.ldexp(draw.uniform(1, 2), exponent), math.ldexp(draw.uniform(1, 2), exponent + ratio)
    return draw.choice((y, -y)), draw.choice((x, -x))


def subnormal(draw: random.Random) -> float:
    return math.ldexp(draw.getrandbits(draw.randint(1, 52)) | 1, -1074)


Draw = Callable[[random.Random], tuple[float, ...]]
DRAWS: dict[str, tuple[str, float, Draw]] = {
    "sin within a turn": ("sin", 0.6, lambda d: (d.uniform(-7, 7),)),
    "sin up to two million": ("sin", 0.6, lambda d: (d.uniform(-2e6, 2e6),)),
    "sin of anything": ("sin", 0.6, lambda d: (any_float(d),)),
    "sin near quarter turns": ("sin", 0.6, lambda d: (near_quarter_turns(d),)),
    "cos within a turn": ("cos", 0.6, lambda d: (d.uniform(-7, 7),)),
    "cos up to two million": ("cos", 0.6, lambda d: (d.uniform(-2e6, 2e6),)),
    "cos of anything": ("cos", 0.6, lambda d: (any_float(d),)),
    "cos near quarter turns": ("cos", 0.6, lambda d: (near_quarter_turns(d),)),
    "exp over its range": ("exp", 0.53, lambda d: (d.uniform(-745.2, 709.8),)),
    "exp near one": ("exp", 0.53, lambda d: (d.uniform(-1, 1) * 2.0 ** -d.randint(0, 60),)),
    "exp where it is subnormal": ("exp", 0.53, lambda d: (d.uniform(-745.2, -708.3),)),
    "log of anything": ("log", 0.501, lambda d: (abs(any_float(d)) or 1.0,)),
    "log near one": ("log", 0.501, lambda d: (1 + d.uniform(-0.5, 1) * 2.0 ** -d.randint(0, 52),)),
    "log of subnormals": ("log", 0.501, lambda d: (subnormal(d),)),
    "atan2 of anything": ("atan2", 0.51, lambda d: (any_float(d), any_float(d))),
    "atan2 in the square": ("atan2", 0.51, lambda d: (d.uniform(-1, 1), d.uniform(-1, 1))),
    "atan2 by ratio": ("atan2", 0.51, points_of_ratio),
    "atan2 of subnormals": ("atan2", 0.51, lambda d: (subnormal(d), d.choice((1, -1)) * subnormal(d))),
    "pow": ("pow", 0.53, power_arguments),
}
EXACT: dict[str, Callable[..., mpf]] = {
    "sin": mp.sin,
    "cos": mp.cos,
    "atan2": mp.atan2,
    "exp": mp.exp,
    "log": mp.log,
    "pow": mp.power,
}


@pytest.mark.parametrize("draws", DRAWS)
def test_results_are_close_to_exact(draws: str, native: dict[str, Any]) -> None:
    name, bound, draw_arguments = DRAWS[draws]
    draw = random.Random(draws)
    with mp.workprec(200):
        for _ in range(8000):
            arguments = draw_arguments(draw)
            exact = EXACT[name](*map(mpf, arguments))
            limit = bound if abs(exact) >= LEAST_NORMAL else 0.76  # rounded twice
            assert ulps(native[name](*arguments), exact) <= limit, arguments


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_reduction_keeps_every_bit_at_the_hardest_arguments(name: str, native: dict[str, Any]) -> None:
    closest = INF
    with mp.workprec(200):
        for x in (math.ldexp(6381956970095103, 797), *nearest_to_quarter_turns()):
            for argument in (x, -x):
                exact = EXACT[name](mpf(argument))
                closest = min(closest, abs(float(exact)))
                assert ulps(native[name](argument), exact) <= 0.6, argument
    assert closest < 2.0**-53  # or these are not the hard ones


def test_normalize_and_scale_are_exact() -> None:
    draw = random.Random("normalize")
    for x in (*(math.ldexp(1.0, n) for n in range(-1074, 1024)), *(abs(any_float(draw)) or 1.0 for _ in range(3000))):
        m, k = maths._normalize(x)
        assert 1.0 <= m < 2.0
        assert math.ldexp(m, k) == x
        assert maths._scale(m, k) == x


def test_log_keeps_the_bits_that_pow_needs() -> None:
    draw = random.Random("log")
    with mp.workprec(200):
        for _ in range(2000):
            x = draw.choice((draw.uniform(0.5, 2), abs(any_float(draw)), 1 + draw.uniform(-1, 1) * 2.0**-20))
            high, low = maths._log(x)
            assert abs((mpf(high) + mpf(low)) / mp.log(x) - 1) < mpf(2) ** -67, x


def test_powers_of_two_are_exact() -> None:
    for n in range(-1074, 1024):
        assert maths.pow(2.0, float(n)) == math.ldexp(1.0, n)
        assert maths.pow(0.5, float(-n)) == math.ldexp(1.0, n)
        assert maths.pow(math.ldexp(1.0, n), 1.0) == math.ldexp(1.0, n)


@pytest.mark.parametrize("base", [3, 5, 6, 7, 10, 11, 15, 97, 1023])
def test_integer_powers_and_their_roots_are_exact(base: int) -> None:
    exponent = 1
    while base**exponent < 1 << 53:
        power = float(base**exponent)
        assert maths.pow(float(base), float(exponent)) == power
        assert maths.pow(-float(base), float(exponent)) == (-power if exponent % 2 else power)
        if exponent in (2, 4, 8):
            assert maths.pow(power, 1.0 / exponent) == base
        exponent += 1


@pytest.mark.parametrize(("name", "arguments", "expected"), list(special_cases()))
def test_special_cases(name: str, arguments: tuple[float, ...], expected: float, native: dict[str, Any]) -> None:
    assert same(getattr(maths, name)(*arguments), expected)
    assert same(native[name](*arguments), expected)


# One meaning in Python and in native code


@pytest.mark.parametrize("name", NAMES)
def test_native_code_gives_the_same_bits(name: str, native: dict[str, Any]) -> None:
    draw = random.Random(name)
    binary = name in ("atan2", "pow")
    arguments: list[tuple[float, ...]] = [(a, b) for a in EDGES for b in EDGES] if binary else [(a,) for a in EDGES]
    for row, _, draw_arguments in DRAWS.values():
        if row == name:
            arguments += [draw_arguments(draw) for _ in range(4000)]
    arguments += [(any_float(draw), any_float(draw))[: 1 + binary] for _ in range(20000)]
    if binary:
        arguments += [(any_float(draw), float(draw.randint(-9, 9))) for _ in range(5000)]
    different = [a for a in arguments if not same(getattr(maths, name)(*a), native[name](*a))]
    assert different == []


def test_native_code_holds_no_fused_multiply_add(native: dict[str, Any]) -> None:
    for name in NAMES:
        native[name](*([0.5] * len(inspect.signature(getattr(maths, name)).parameters)))
        assert all("vfm" not in text and "vfn" not in text for text in native[name].inspect_asm().values())


def test_module_uses_no_libm_and_no_power_operator() -> None:
    tree = ast.parse(Path(maths.__file__).read_text(encoding="utf-8"))
    imported = {
        f"{getattr(node, 'module', None) or ''}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert imported == {"__future__.annotations", "math.copysign", ".numpy", "registry.Service"}
    assert not any(isinstance(node, ast.Pow) for node in ast.walk(tree))
    from_numpy = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "np"}
    assert from_numpy == {"array"}


# Constants


def pair(exact: mpf) -> tuple[float, float]:
    high = float(exact)
    return high, float(exact - mpf(high))


def cut(exact: mpf, places: int) -> mpf:
    return mp.floor(exact * mpf(2) ** places) / mpf(2) ** places


def test_limbs_are_the_digits_of_two_over_pi() -> None:
    limbs = [int(limb) for limb in maths._TWO_OVER_PI_LIMBS]
    with mp.workprec(27 * len(limbs) + 100):
        expected = [int(mp.floor(2 / mp.pi * mpf(2) ** (27 * (n + 1)))) & (1 << 27) - 1 for n in range(len(limbs) - 3)]
    assert limbs == [0, 0, 0, *expected]


def test_constants_are_what_they_stand_for() -> None:
    with mp.workprec(400):
        first = cut(mp.pi / 2, 32)
        second = cut(mp.pi / 2 - first, 65)
        assert (first, second) == (maths._HALF_PI_1, maths._HALF_PI_2)
        assert float(mp.pi / 2 - first - second) == maths._HALF_PI_3
        assert pair(mp.pi / 2) == (maths._HALF_PI, maths._HALF_PI_LOW)
        assert float(2 / mp.pi) == maths._TWO_OVER_PI
        assert cut(mp.ln2, 42) == maths._LN2_HIGH
        assert float(mp.ln2 - cut(mp.ln2, 42)) == maths._LN2_LOW
        assert float(1 / mp.ln2) == maths._LOG2_E
        assert pair(mpf(1) / 3)[1] == maths._THIRD_LOW
        assert pair(mpf(1) / 6)[1] == maths._SIXTH_LOW
        assert pair(mpf(1) / 5)[1] == maths._FIFTH_LOW
        for i in range(9):
            assert pair(mp.atan(mpf(i) / 8)) == (float(maths._ATAN_HIGH[i]), float(maths._ATAN_LOW[i]))
    assert [float(p) for p in maths._POWERS] == [math.ldexp(1.0, n) for n in range(-540, 541)]


# Planted faults: the checks above can fail


def test_a_wrong_digit_of_two_over_pi_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    hardest = math.ldexp(6381956970095103, 797)
    with mp.workprec(200):
        exact = mp.cos(mpf(hardest))
        assert ulps(maths.cos(hardest), exact) <= 0.6
        wrong = maths._TWO_OVER_PI_LIMBS.copy()
        wrong[(797 // 27) + 7] ^= 1
        monkeypatch.setattr(maths, "_TWO_OVER_PI_LIMBS", wrong)
        assert ulps(maths.cos(hardest), exact) > 1


def test_a_lost_low_part_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maths, "_LN2_LOW", 0.0)
    with mp.workprec(200):
        assert max(ulps(maths.pow(3.0, y), mp.power(3, y)) for y in (100.5, 200.25, 300.125, 400.0625)) > 1


def test_the_measures_tell_neighbours_apart() -> None:
    assert not same(0.0, -0.0)
    assert not same(1.0, 1.0000000000000002)
    assert same(NAN, -NAN)
    assert ulps(1.0000000000000002, mpf(1)) == 1.0
    assert ulps(TINY, mpf(0.5) * mpf(TINY)) == 0.5
    assert ulps(INF, mpf(LARGEST)) == INF


def test_rows() -> None:
    assert [(row.identity, row.number, row.capability, row.function.__name__) for row in maths.ROWS] == [
        ("math.sin/1", 0x0301, None, "sin"),
        ("math.cos/1", 0x0302, None, "cos"),
        ("math.atan2/1", 0x0303, None, "atan2"),
        ("math.exp/1", 0x0304, None, "exp"),
        ("math.log/1", 0x0305, None, "log"),
        ("math.pow/1", 0x0306, None, "pow"),
    ]
    for row in maths.ROWS:
        assert list(inspect.signature(row.function).parameters) == [name for name, _ in row.params]
