"""Values passed on in a register: a step that follows its operand's maker takes the operand from the accumulator.

There are two accumulators, for words and for floats; every step that makes a value leaves it in one. A value that nobody reads
from memory any more is not stored at all. Values that must be found in memory: those live at the end of the block, and operands
that a step finds in slots by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from .kinds import KNOWN_KINDS, VARIANTS, Kind, gives, leaf_kinds, leaves, stores_inside, substitute
from .lower import Record

_KNOWN = frozenset(VARIANTS)


class Held(NamedTuple):
    """Which slot's value is in which accumulator: `W` or `F`."""

    slot: int
    bank: str


def use_accumulators(records: Sequence[Record], slots: int, held_at_entry: Held | None, live: range) -> None:
    """Change the records of one block in place. `slots` is the number of locals: operands' homes begin there."""
    held: dict[str, int] = {} if held_at_entry is None else {held_at_entry.bank: held_at_entry.slot}
    makers: dict[int, Record] = {}  # slot -> the record that made what is in it
    needed: set[int] = set()  # by id: records whose result is read from memory
    for record in records:
        _take(record, held, makers, needed)
        if record.reads_slots:
            needed.update(id(maker) for maker in makers.values())
            held.clear()  # these steps write slots of their own choice
        bank = gives(record.kind)
        if bank:
            bank = "F" if bank == "F" else "W"
            held = {other: slot for other, slot in held.items() if slot != record.dest and other != bank}
            held[bank] = record.dest
            makers[record.dest] = record
        elif stores_inside(record.kind):
            held = {other: slot for other, slot in held.items() if slot != record.dest and other != "W"}
    needed.update(id(makers[slot]) for slot in live if slot in makers)
    for record in records:
        if gives(record.kind) and record.dest >= slots and id(record) not in needed and (record.kind, False) in _KNOWN:
            record.stored = False


def _take(record: Record, held: dict[str, int], makers: dict[int, Record], needed: set[int]) -> None:
    """Let the record take from the accumulators what it can, and note what it reads from memory."""
    slots, operands = _read_slots(record.kind), record.operands
    in_hand = tuple([i for i, kind in slots if held.get(kind) == operands[i]]) if held else ()
    if in_hand:
        record.kind, pick = _picked(record.kind, in_hand)
        record.operands = [x for i, x in enumerate(operands) if i not in pick]
    else:
        pick = ()
    for i, _ in slots:
        if i not in pick and operands[i] in makers:
            needed.add(id(makers[operands[i]]))


@lru_cache(KNOWN_KINDS)
def _read_slots(kind: Kind) -> tuple[tuple[int, str], ...]:
    """Which operands of a kind are slots, with the accumulator that could hold each; a truth stands in none."""
    places = enumerate(zip(leaves(kind), leaf_kinds(kind), strict=True))
    return tuple((i, "" if bank == "T" else bank) for i, (place, bank) in places if place == "r")


@lru_cache(KNOWN_KINDS)
def _picked(kind: Kind, in_hand: tuple[int, ...]) -> tuple[Kind, tuple[int, ...]]:
    """The kind that takes from the accumulators as many of these operands as there is a variant for, and which."""
    places = leaves(kind)
    for pick in () if stores_inside(kind) else (in_hand, *((i,) for i in in_hand)):
        taking = substitute(kind, iter(["a" if i in pick else place for i, place in enumerate(places)]))
        if (taking, True) in _KNOWN:
            return taking, pick
    return kind, ()
