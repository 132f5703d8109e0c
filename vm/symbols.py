"""The stack as `lower` follows it: for every operand a slot, a constant, or a tree not yet computed, and who reads which slot."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..isa.types import FLOAT, SlotType
from .kinds import Tree, leaves


class Entry(NamedTuple):
    """A value on the symbolic stack. `gives` is W or F, or T for a tree that is a truth and not yet a word."""

    gives: str
    tree: Tree  # "r", "k", or a kind
    operands: list[int]

    @classmethod
    def in_slot(cls, slot: int, gives: str) -> Entry:
        """A value that stands in a slot; a truth stands there as a word."""
        return cls("F" if gives == "F" else "W", "r", [slot])


def bank(slot_type: SlotType) -> str:
    """W or F: how a value of the type is held."""
    return "F" if slot_type == FLOAT else "W"


class Symbols:
    """Entries by depth. An entry's home is the slot `first_home + depth`.

    Who reads a slot is kept in an index, so that preparing a program takes time in proportion to its size, however deep its stack.
    Entries at home are not in it: that they read their own home goes without saying.
    """

    def __init__(self, first_home: int) -> None:
        self.first_home = first_home
        self._entries: list[Entry] = []
        self._readers: dict[int, set[int]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, depth: int) -> Entry:
        return self._entries[depth]

    def home(self, depth: int) -> int:
        """The slot where the operand at this depth belongs."""
        return self.first_home + depth

    def at_home(self, depth: int) -> bool:
        """Whether it stands there."""
        entry = self._entries[depth]
        return entry.tree == "r" and entry.operands[0] == self.first_home + depth

    def restart(self, types: Iterable[SlotType]) -> None:
        """Operands of these types, all at home, and nothing else."""
        self._readers.clear()
        self._entries = [Entry(bank(t), "r", [self.first_home + depth]) for depth, t in enumerate(types)]

    def push(self, entry: Entry) -> None:
        """One more, on top."""
        self._note(len(self._entries), entry)
        self._entries.append(entry)

    def pop(self) -> Entry:
        """The topmost, taken off."""
        entry = self._entries.pop()
        self._forget(len(self._entries), entry)
        return entry

    def put(self, depth: int, entry: Entry) -> None:
        """Another entry at this depth."""
        self._forget(depth, self._entries[depth])
        self._entries[depth] = entry
        self._note(depth, entry)

    def cut(self, height: int) -> None:
        """Only the lowest `height` stay."""
        while len(self._entries) > height:
            self.pop()

    def readers(self, slot: int) -> list[int]:
        """Depths of the entries that read `slot` and are not at home, lowest first."""
        return sorted(self._readers.get(slot, ()))

    def is_read(self, slot: int, *, but: int = -1) -> bool:
        """Whether an entry reads `slot`, that at depth `but` aside."""
        depth = slot - self.first_home
        if depth != but and 0 <= depth < len(self._entries) and self.at_home(depth):
            return True
        readers = self._readers.get(slot)
        return bool(readers) and readers != {but}

    def _note(self, depth: int, entry: Entry) -> None:
        _, tree, operands = entry
        if tree == "r":
            slot = operands[0]
            if slot != self.first_home + depth:
                self._readers.setdefault(slot, set()).add(depth)
        elif tree != "k":
            for place, slot in zip(leaves(tree), operands, strict=True):
                if place == "r":
                    self._readers.setdefault(slot, set()).add(depth)

    def _forget(self, depth: int, entry: Entry) -> None:
        _, tree, operands = entry
        if tree != "k" and not (tree == "r" and operands[0] == self.first_home + depth):
            for slot in operands:  # constants among them do no harm: only this entry is noted at this depth
                readers = self._readers.get(slot)
                if readers:
                    readers.discard(depth)
