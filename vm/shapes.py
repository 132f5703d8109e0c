"""What lowering and encoding must know of each kind of record, worked out once; and which kind an instruction comes to."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from .kinds import (
    BRANCHES,
    COMMUTATIVE,
    KINDS,
    KNOWN_KINDS,
    PENDING,
    STEPS,
    VARIANTS,
    Kind,
    Place,
    Tree,
    gives,
    leaf_kinds,
    leaves,
    stores_inside,
    substitute,
)

# Where what stands in a record: see `encode`.
DEST, FIELDS, CONSTANT, BEHIND_COST, TARGET_COST, TARGET = 8, (10, 12, 14), 16, 24, 26, 28
MORE_FIELDS = (16, 18, 20, 22)

SMALL = 1 << 16
OPEN = "c"  # in trees that wait: a constant below SMALL, which may become an `s` or a `k`
CONSTANTS = (OPEN, "k")

_CALL_FIELDS = ("s", "s", "s")  # words of the frame, slots that the caller fills, slots to clear
_FIXED_PLACES: dict[str, tuple[Place, ...]] = {
    "CALL": _CALL_FIELDS,
    "CALL_CLEAR": _CALL_FIELDS,
    "CALL_CLOSURE": ("s",),
    "RET.N": ("s",),
    **dict.fromkeys(("MAKE_CLOSURE", "SPAWN", "SYSCALL", "INTRINSIC"), ("k",)),
}
_NUMBERS = {variant: number for number, variant in enumerate(VARIANTS)}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Shape:
    """A kind of record. There is one object for each kind; `shape_of` finds it."""

    kind: Kind
    name: str
    gives: str  # the accumulator that its result is left in, `W` or `F`; empty where it has none
    reads: tuple[tuple[int, str], ...]  # operands in slots, and the accumulator that could hold each (a truth: none)
    reads_slots: bool  # it finds operands in slots from its destination on, and leaves there what it likes
    is_call: bool
    is_host: bool
    stores_inside: bool
    may_be_unstored: bool  # there is a variant that does not store its result
    numbers: tuple[
        int, int
    ]  # of the variant that does not store its result, and of the one that does; -1: there is none
    order: tuple[int, ...] | None  # of the operands in the record, where it is not that of the kind's places
    pack_into: Callable[
        ..., None
    ]  # buffer, offset, number, destination, operands, costs behind and of the target, distance


@lru_cache(KNOWN_KINDS)
def shape_of(kind: Kind) -> Shape:
    """The shape of a kind, or of a tree that may become part of one."""
    places = enumerate(zip(leaves(kind), leaf_kinds(kind), strict=True))
    packed = [place for place in _FIXED_PLACES.get(kind[0], leaves(kind)) if place != "a"]
    wide = packed.index("k") if "k" in packed else len(packed)
    small = len(packed) - packed.count("k")
    end, constant = (CONSTANT, "Q") if small < len(packed) else (BEHIND_COST, "")
    padding = end - FIELDS[0] - 2 * small
    return Shape(
        kind=kind,
        name=kind[0],
        gives=_bank(gives(kind)),
        reads=tuple((i, "" if bank == "T" else bank) for i, (place, bank) in places if place == "r"),
        reads_slots=kind[0] in _FIXED_PLACES,
        is_call=kind[0] in ("CALL", "CALL_CLEAR", "CALL_CLOSURE"),
        is_host=kind[0] in ("SYSCALL", "INTRINSIC"),
        stores_inside=stores_inside(kind),
        may_be_unstored=(kind, False) in _NUMBERS,
        numbers=(_NUMBERS.get((kind, False), -1), _NUMBERS.get((kind, True), -1)),
        order=(*range(wide), *range(wide + 1, len(packed)), wide) if wide < small else None,
        pack_into=struct.Struct(f"<QH{small}H{padding}x{constant}HHi").pack_into,
    )


def _bank(given: str) -> str:
    return "W" if given == "T" else given


@lru_cache(KNOWN_KINDS)
def fields(kind: Kind) -> list[tuple[Place, int | None]]:
    """The places of a kind with their offsets in the record; None for the accumulator."""
    places = leaves(kind)
    free = iter(FIELDS if "k" in places else FIELDS + MORE_FIELDS)
    return [(p, CONSTANT if p == "k" else None if p == "a" else next(free)) for p in places]


# ---- which kind it is ----------------------------------------------------------------------------------------------------


class Join(NamedTuple):
    """What an instruction over operands comes to. Where `shape` is None, operand `first` must be computed by itself first."""

    shape: Shape | None
    tree: Tree  # the same with its constants still open
    is_turned: bool  # the operands exchange their places
    first: int


@lru_cache(KNOWN_KINDS)
def join(name: str, trees: tuple[Tree, ...], immediates: int, fuse: bool) -> Join:
    """The kind of the form `name` over operands that are trees, or slots or constants (`r`, `k`, `c`)."""
    turned = trees[::-1]
    orders = (trees,) if name not in COMMUTATIVE else (trees, turned)
    if len(orders) == 2 and _rank(trees[0]) < _rank(trees[1]):
        orders = orders[::-1]
    for order in orders:
        tree = (name, *order, *("s",) * immediates)
        kind = _closed(tree, fuse)
        if kind is not None:
            return Join(shape_of(kind), tree, order is not trees, 0)
    first = max(range(len(trees)), key=lambda i: (isinstance(trees[i], tuple), trees[i] in CONSTANTS, i))
    return Join(None, None, False, first)


def _rank(tree: Tree) -> int:
    """Trees stand left of slots, slots left of constants."""
    return 2 if isinstance(tree, tuple) else 0 if tree in CONSTANTS else 1


def _closed(tree: Tree, fuse: bool) -> Kind | None:
    """The tree as a kind that may wait or, where it must run at once, that a record can have."""
    name = tree[0]
    if not fuse and name not in BRANCHES and any(isinstance(part, tuple) for part in tree[1:]):
        return None
    return _with_constants(tree, PENDING if name in STEPS and STEPS[name].pure else KINDS)


@lru_cache(KNOWN_KINDS)
def shape_by_itself(tree: Tree) -> Shape | None:
    """The shape of a record that computes the tree; None where it exists only inside of others."""
    kind = _with_constants(tree, KINDS)
    return None if kind is None else shape_of(kind)


def _with_constants(tree: Tree, wanted: frozenset[Kind]) -> Kind | None:
    """The tree with one of its constants a wide one, or none, and all others small."""
    places = leaves(tree)
    constants = [i for i, place in enumerate(places) if place in CONSTANTS]
    for wide in (*constants, None):
        if all(places[i] == OPEN for i in constants if i != wide):
            spelled = ["k" if i == wide else "s" if i in constants else place for i, place in enumerate(places)]
            kind = substitute(tree, iter(spelled))
            if kind in wanted:
                return kind
    return None


@lru_cache(KNOWN_KINDS)
def taking(shape: Shape, in_hand: tuple[int, ...]) -> tuple[Shape, tuple[int, ...]]:
    """The shape that takes from the accumulators as many of these operands as there is a variant for, and which."""
    places = leaves(shape.kind)
    for pick in () if shape.stores_inside else (in_hand, *((i,) for i in in_hand)):
        kind = substitute(shape.kind, iter(["a" if i in pick else place for i, place in enumerate(places)]))
        if (kind, True) in _NUMBERS:
            return shape_of(kind), pick
    return shape, ()
