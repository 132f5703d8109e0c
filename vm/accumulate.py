"""Values passed on in a register: a step that follows its operand's maker takes the operand from the accumulator.

There are two accumulators, for words and for floats; every step that makes a value leaves it in one. A value that nobody reads
from memory any more is not stored at all. Values that must be found in memory: those live at the end of the block, and operands
that a step finds in slots by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .records import Record
from .shapes import taking

_NOWHERE = -1
_OTHER = {"W": "F", "F": "W"}


class Held(NamedTuple):
    """Which slot's value is in which accumulator: `W` or `F`."""

    slot: int
    bank: str


def use_accumulators(records: Sequence[Record], slots: int, held_at_entry: Held | None, live: range) -> None:
    """Change the records of one block in place. `slots` is the number of locals: operands' homes begin there."""
    held = {"W": _NOWHERE, "F": _NOWHERE, "": _NOWHERE}  # the slot whose value is in it; a truth is in none
    if held_at_entry is not None:
        held[held_at_entry.bank] = held_at_entry.slot
    makers: dict[int, Record] = {}  # slot -> the record that made what is in it, where nothing has read it yet
    for record in records:
        if record.shape.reads:
            _take(record, held, makers)
        shape, dest = record.shape, record.dest
        if shape.reads_slots:
            for maker in makers.values():
                maker.stored = True
            makers.clear()
            held["W"] = held["F"] = _NOWHERE
        elif shape.gives:
            held[shape.gives] = dest
            if held[_OTHER[shape.gives]] == dest:
                held[_OTHER[shape.gives]] = _NOWHERE
            record.stored = dest < slots or not shape.may_be_unstored  # or somebody will read it
            makers[dest] = record
        elif shape.stores_inside:
            held["W"] = _NOWHERE
            if held["F"] == dest:
                held["F"] = _NOWHERE
    for slot in live:
        if slot in makers:
            makers[slot].stored = True


def _take(record: Record, held: dict[str, int], makers: dict[int, Record]) -> None:
    """Let the record take from the accumulators what it can, and note what it reads from memory."""
    shape, operands = record.shape, record.operands
    in_hand = tuple([i for i, bank in shape.reads if operands[i] == held[bank]])
    pick: tuple[int, ...] = ()
    if in_hand:
        record.shape, pick = taking(shape, in_hand)
        record.operands = tuple([x for i, x in enumerate(operands) if i not in pick])
    for i, _ in shape.reads:
        if i not in pick and operands[i] in makers:
            makers[operands[i]].stored = True
