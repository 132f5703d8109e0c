"""The stack as `lower` follows it: for every operand a slot, a constant, or a tree not yet computed, and who reads which slot."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache

from ..isa.types import FLOAT, SlotType
from .kinds import KNOWN_KINDS, Tree, leaves
from .shapes import CONSTANTS, OPEN, SMALL

# What it gives: W or F, or T for a tree that is a truth and not yet a word. The tree: `r`, `k`, `c`, or a tree. Its operands.
# A plain tuple, for there is one for nearly every instruction of a program.
Entry = tuple[str, Tree, tuple[int, ...]]
FEW = 8  # with so many entries, looking at all of them takes less time than an index


def in_slot(slot: int, gives: str) -> Entry:
    """A value that stands in a slot; a truth stands there as a word."""
    return ("F" if gives == "F" else "W", "r", (slot,))


def constant(word: int, gives: str) -> Entry:
    """A constant by its word."""
    return (gives, OPEN if word < SMALL else "k", (word,))


def bank(slot_type: SlotType) -> str:
    """W or F: how a value of the type is held."""
    return "F" if slot_type == FLOAT else "W"


class Symbols:
    """Entries by depth. An entry's home is the slot `first_home + depth`.

    Who reads a slot is kept in an index where entries are many, so that preparing a program takes time in proportion to its
    size, however deep its stack. It is brought up to date when somebody asks: most entries are gone by then. What it says may
    be out of date, and is held against the entry. Entries at home are not in it: that they read their own home goes without
    saying.
    """

    def __init__(self, first_home: int) -> None:
        self.first_home = first_home
        self.entries: list[Entry] = []  # to be read, and pushed to; all other changes are made by the methods
        self._readers: defaultdict[int, list[int]] = defaultdict(list)
        self._homes: dict[
            tuple[SlotType, ...], list[Entry]
        ] = {}  # what blocks that begin with such operands begin with
        self._indexed = 0  # so many of the lowest entries are in the index

    def restart(self, types: tuple[SlotType, ...]) -> None:
        """Operands of these types, all at home, and nothing else."""
        if self._readers:
            self._readers.clear()
        if types not in self._homes:
            self._homes[types] = [(bank(t), "r", (self.first_home + depth,)) for depth, t in enumerate(types)]
        self.entries = self._homes[types].copy()
        self._indexed = len(self.entries)

    def at_home(self, depth: int) -> bool:
        """Whether the entry stands where it belongs."""
        _, tree, operands = self.entries[depth]
        return tree == "r" and operands[0] == self.first_home + depth

    def pop(self) -> Entry:
        """The topmost, taken off."""
        entry = self.entries.pop()
        self._indexed = min(self._indexed, len(self.entries))
        return entry

    def cut(self, height: int) -> None:
        """Only the lowest `height` stay."""
        del self.entries[height:]
        self._indexed = min(self._indexed, height)

    def put(self, depth: int, entry: Entry) -> None:
        """Another entry at this depth."""
        self.entries[depth] = entry
        if depth < self._indexed:
            self._index(depth)

    def readers(self, slot: int) -> list[int]:
        """Depths of the entries that read `slot` and are not at home, lowest first."""
        if len(self.entries) <= FEW:
            return self._found(slot)
        if not self._known_readers(slot):
            return []
        found = sorted({depth for depth in self._readers[slot] if self._reads(depth, slot)})
        self._readers[slot] = found
        return found

    def is_read(self, slot: int, *, but: int = -1) -> bool:
        """Whether an entry reads `slot`, that at depth `but` aside."""
        depth = slot - self.first_home
        if depth != but and 0 <= depth < len(self.entries) and self.at_home(depth):
            return True
        if len(self.entries) <= FEW:
            return any(depth != but for depth in self._found(slot))
        known = self._known_readers(slot)
        while known and not self._reads(known[-1], slot):
            known.pop()
        return any(depth != but and self._reads(depth, slot) for depth in reversed(known))

    def _found(self, slot: int) -> list[int]:
        """The same without the index: all entries are looked at, most only for whether the number occurs."""
        return [depth for depth, entry in enumerate(self.entries) if slot in entry[2] and self._reads(depth, slot)]

    def _known_readers(self, slot: int) -> list[int]:
        """What the index says, up to date but for those that do so no more."""
        for depth in range(self._indexed, len(self.entries)):
            self._index(depth)
        self._indexed = len(self.entries)
        return self._readers[slot]

    def _index(self, depth: int) -> None:
        if not self.at_home(depth):
            for slot in self._slots(depth):
                self._readers[slot].append(depth)

    def _reads(self, depth: int, slot: int) -> bool:
        return depth < len(self.entries) and not self.at_home(depth) and slot in self._slots(depth)

    def _slots(self, depth: int) -> list[int]:
        _, tree, operands = self.entries[depth]
        if not isinstance(tree, tuple):
            return [] if tree in CONSTANTS else [operands[0]]
        return [operands[i] for i in _slot_places(tree)]


@lru_cache(KNOWN_KINDS)
def _slot_places(tree: Tree) -> tuple[int, ...]:
    return tuple(i for i, place in enumerate(leaves(tree)) if place == "r")
