"""The closed set of record kinds: what one step of the interpreter may do.

A kind is a tree of instruction forms over operand places:

    ("ADD.int", "r", "k")                              slot + constant
    ("JMP_IF_TRUE", ("LT.int", "r", "r"))              compare and branch
    ("ARRAY_GET.word", "r", ("ADD.int", "r", "k"))     indexed load

    r  a slot of the frame        k  a 64-bit constant      s  a constant below 2**16
    a  the accumulator: the value that the step before passed on
    =  around a tree: its value is also stored to the record's destination

Which trees exist is derived from the table here; how one runs is derived from the forms' meanings (`handlers`). To fuse more
is to add trees to this set, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

from ..isa.table import BY_NAME, FORMS, ROWS, Flow

KNOWN_KINDS = 1 << 14  # kinds whose parts are remembered; programs make few

Place = str
Tree = Any  # a Place, or a tuple of a form's name and its trees
Kind = tuple[Any, ...]


class Step(NamedTuple):
    """What a form's name at the root of a kind stands for."""

    takes: str  # kinds of its operands, `W`, `F`, `T`
    gives: str
    immediates: int  # how many of `takes`, at the end, are constants of the instruction
    pure: bool
    operands: int  # the others: those on the stack


def _steps() -> dict[str, Step]:
    steps = {}
    for row in ROWS:
        for form in row.forms:
            immediates = 0 if row.flow is not Flow.NEXT else len(row.immediates)
            if row.name == "NEW_RECORD":
                immediates = 2  # type and number of fields
            pure = form.effects.pure and row.flow is Flow.NEXT
            steps[form.name] = Step(form.takes, form.gives, immediates, pure, len(form.takes) - immediates)
    steps["COPY.W"] = Step("W", "W", 0, pure=True, operands=1)
    steps["COPY.F"] = Step("F", "F", 0, pure=True, operands=1)
    steps["RET.W"] = Step("W", "", 0, pure=False, operands=1)
    steps["RET.F"] = Step("F", "", 0, pure=False, operands=1)
    return steps


STEPS: Mapping[str, Step] = _steps()

# Kinds without operands in a tree: their operands stand in slots from the destination on.
FIXED = (
    *("JMP", "CHARGE", "CALL", "CALL_CLEAR", "CALL_CLOSURE", "RET.N", "HALT", "TRAP"),
    *("FRAME_SYNC", "MAKE_CLOSURE", "SPAWN", "END"),
    "COUNT",  # stands in front of another handler; no lowering makes it
)

COMMUTATIVE = frozenset(f"{name}.{form}" for name in ("ADD", "MUL", "EQ", "NEQ") for form in ("int", "float")) | {
    "BIT_AND",
    "BIT_OR",
    "BIT_XOR",
}
_MIRRORED = {"LT": "GT", "GT": "LT", "LTE": "GTE", "GTE": "LTE"}
_INVERTED = {"LT": "GTE", "GTE": "LT", "GT": "LTE", "LTE": "GT", "EQ": "NEQ", "NEQ": "EQ"}


def _renamed(names: Mapping[str, str], suffixes: Iterable[str]) -> dict[str, str]:
    return {f"{a}{suffix}": f"{b}{suffix}" for a, b in names.items() for suffix in suffixes}


# With operands exchanged, or with the answer negated (not for ordering floats: NaN), a test is another test.
MIRRORED = _renamed(_MIRRORED, (".int", ".float")) | {
    "LT_U": "GT_U",
    "GT_U": "LT_U",
    "LTE_U": "GTE_U",
    "GTE_U": "LTE_U",
}
INVERTED = (
    _renamed(_INVERTED, (".int",))
    | {"EQ.float": "NEQ.float", "NEQ.float": "EQ.float"}
    | {"LT_U": "GTE_U", "GTE_U": "LT_U", "GT_U": "LTE_U", "LTE_U": "GT_U"}
)

INT_TESTS = ("EQ.int", "NEQ.int", "LT.int", "LTE.int", "GT.int", "GTE.int")
UNSIGNED_TESTS = ("LT_U", "LTE_U", "GT_U", "GTE_U")
FLOAT_TESTS = ("EQ.float", "NEQ.float", "LT.float", "LTE.float", "GT.float", "GTE.float")
BRANCHES = ("JMP_IF_TRUE", "JMP_IF_FALSE")

# Forms common enough in loops to be given variants that take operands from the accumulator.
HOT = frozenset(
    {
        *(f"{name}.{form}" for name in ("ADD", "SUB", "MUL") for form in ("int", "float")),
        *("DIV.float", "BIT_AND", "BIT_OR", "BIT_XOR", "SHL", "SHR", "SHR_U"),
        *("ARRAY_GET.word", "ARRAY_GET.float", "ARRAY_GET.byte", "ARRAY_SET.word", "ARRAY_SET.float", "ARRAY_SET.byte"),
        *("GET_FIELD.word", "GET_FIELD.float", "SET_FIELD.word", "SET_FIELD.float", "SET_GLOBAL.word"),
        *("INT_TO_FLOAT", "SQRT", "COPY.W", "COPY.F", "RET.W", "RET.F", "JMP_IF_TRUE", "JMP_IF_FALSE"),
    }
)


@lru_cache(KNOWN_KINDS)
def leaves(tree: Kind) -> tuple[Place, ...]:
    """The places of a kind, in order."""
    found: list[Place] = []
    for part in tree[1:]:
        found += leaves(part) if isinstance(part, tuple) else [part]
    return tuple(found)


@lru_cache(KNOWN_KINDS)
def leaf_kinds(tree: Kind) -> tuple[str, ...]:
    """The kinds (`W`, `F`, `T`) of the places of a kind, in order."""
    if tree[0] == "=":
        return leaf_kinds(tree[1])
    found: list[str] = []
    for part, kind in zip(tree[1:], STEPS[tree[0]].takes, strict=True) if tree[0] in STEPS else ():
        found += leaf_kinds(part) if isinstance(part, tuple) else [kind]
    return tuple(found)


def substitute(tree: Kind, places: Iterator[Any]) -> Kind:
    """The tree with its leaves replaced, in order."""
    return (tree[0], *(substitute(part, places) if isinstance(part, tuple) else next(places) for part in tree[1:]))


@lru_cache(KNOWN_KINDS)
def stores_inside(tree: Kind) -> bool:
    """Whether a part of the tree is stored as well as passed on."""
    return any(isinstance(part, tuple) and (part[0] == "=" or stores_inside(part)) for part in tree[1:])


# ---- the set ------------------------------------------------------------------------------------------------------------


def _modes(name: str, *, metered: bool = False) -> Iterator[Kind]:
    """A form over slots, and with one operand a constant where that is not better said otherwise."""
    step = STEPS[name]
    operands = step.takes[: len(step.takes) - step.immediates]
    constants = ("s",) * step.immediates
    for mode in product("rk", repeat=len(operands)):
        wide = [i for i, place in enumerate(mode) if place == "k"]
        if len(wide) > 1 or any(operands[i] == "T" for i in wide) or (wide and (metered or len(operands) > 3)):
            continue
        if wide == [0] and (name in COMMUTATIVE or name in MIRRORED or len(operands) == 3):
            continue  # written with the operands exchanged; and a null array is not worth a kind
        if wide and len(operands) == 1 and step.pure and name not in ("COPY.W", "COPY.F"):
            continue  # folding constants is the compiler's business
        yield (name, *mode, *constants)


def _plain() -> Iterator[Kind]:
    for name in STEPS:
        row = BY_NAME.get(name.partition(".")[0])
        metered = row is not None and row.flow is Flow.NEXT and FORMS[name].effects.metered
        yield from _modes(name, metered=metered)


def _tests() -> Iterator[tuple[str, Kind]]:
    """Branch and test pairs; mirrored and inverted spellings are left out (see `lower`)."""
    for test in (*INT_TESTS, *UNSIGNED_TESTS):
        if test not in ("GT.int", "LTE.int", "GT_U", "LTE_U"):
            yield "JMP_IF_TRUE", (test, "r", "r")
        yield "JMP_IF_TRUE", (test, "r", "k")
    for branch in BRANCHES:
        for test in FLOAT_TESTS:
            if branch == "JMP_IF_FALSE" and test in INVERTED:
                continue
            if test not in ("GT.float", "GTE.float"):
                yield branch, (test, "r", "r")
            yield branch, (test, "r", "k")
    for branch in BRANCHES:
        yield branch, ("IS_NULL", "r")
        yield branch, ("NOT", "r")


def _fused() -> Iterator[Kind]:
    yield from _tests()
    for bound in "rs":  # step a counter, test it, branch
        for test in INT_TESTS:
            for step in ("ADD.int", "SUB.int"):
                yield "JMP_IF_TRUE", (test, ("=", (step, "r", "k")), bound)
    for test in ("EQ.int", "NEQ.int"):  # test a bit, branch
        yield "JMP_IF_TRUE", (test, ("BIT_AND", "r", "s"), "k")
    for branch in BRANCHES:
        for test in ("LT.float", "GT.float", "LTE.float", "GTE.float"):
            yield branch, (test, ("ADD.float", "r", "r"), "k")
    for outer, inner in product(("ADD", "SUB", "MUL"), repeat=2):  # two float operations in a row
        pair = (f"{inner}.float", "r", "r")
        yield f"{outer}.float", pair, "r"
        if outer == "SUB":
            yield f"{outer}.float", "r", pair
    yield "ADD.float", ("MUL.float", "r", "k"), "r"
    yield "ADD.float", ("MUL.float", "r", "r"), "k"
    yield "ADD.float", ("MUL.float", ("MUL.float", "r", "k"), "r"), "r"
    yield "ADD.int", ("MUL.int", "r", "r"), "r"
    yield "ADD.int", ("MUL.int", "r", "k"), "r"
    yield "ADD.int", ("MUL.int", "r", "s"), "k"
    yield "SUB.int", ("MUL.int", "r", "r"), "r"
    for shift in ("SHL", "SHR", "SHR_U"):
        yield "BIT_AND", (shift, "r", "s"), "k"
        yield "BIT_XOR", "r", (shift, "r", "k")
    yield "BIT_XOR", "r", ("BIT_AND", ("SHL", "r", "s"), "k")
    yield "ADD.int", "r", ("BIT_AND", "r", "k")
    for name in ("ARRAY_GET.word", "ARRAY_GET.float", "ARRAY_GET.byte"):  # indexed load
        yield name, "r", ("ADD.int", "r", "r")
        yield name, "r", ("ADD.int", "r", "k")
        yield name, "r", ("ADD.int", ("MUL.int", "r", "r"), "r")
    for name in ("ARRAY_SET.word", "ARRAY_SET.float"):
        yield name, "r", ("ADD.int", "r", "r"), "r"


KINDS: frozenset[Kind] = frozenset((*_plain(), *_fused(), *((name,) for name in FIXED)))


def _subtrees(kind: Kind) -> Iterator[Kind]:
    for part in kind[1:]:
        if isinstance(part, tuple):
            yield part
            yield from _subtrees(part)


# Trees that may wait on the symbolic stack: kinds, and what only exists inside of one.
PENDING: frozenset[Kind] = KINDS | frozenset(
    tree for kind in KINDS for tree in _subtrees(kind) if tree[0] != "=" and not stores_inside(tree)
)


# ---- variants: with operands from the accumulator, with or without storing the result -----------------------------------

Variant = tuple[Kind, bool]  # the kind, and whether its result is stored


def gives(kind: Kind) -> str:
    """The kind of value that a step leaves in its destination and passes on; empty where none."""
    return STEPS[kind[0]].gives if kind[0] in STEPS and kind[0] not in BRANCHES else ""


def _variants(kind: Kind) -> Iterator[Variant]:
    places, kinds = leaves(kind), leaf_kinds(kind)
    hot = kind[0] in HOT
    slots = (
        []
        if stores_inside(kind) or not hot
        else [i for i, (p, k) in enumerate(zip(places, kinds, strict=True)) if p == "r" and k != "T"]
    )
    picks: list[tuple[int, ...]] = [(), *((i,) for i in slots)]
    if len(slots) == 2 and kinds[slots[0]] == kinds[slots[1]]:
        picks.append(tuple(slots))
    for pick in picks:
        picked = substitute(kind, iter(["a" if i in pick else place for i, place in enumerate(places)]))
        yield picked, True
        if hot and gives(kind):
            yield picked, False


def _all_variants() -> tuple[Variant, ...]:
    return tuple(dict.fromkeys(v for kind in sorted(KINDS, key=str) for v in _variants(kind)))


VARIANTS: tuple[Variant, ...] = _all_variants()
