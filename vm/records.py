"""The records of a block while it is lowered, and moving values to where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..contract import InternalError
from .kinds import STEPS, Kind, leaves
from .layout import STACK_SLACK
from .shapes import SMALL, Join, Shape, join, shape_by_itself, shape_of
from .symbols import Entry, Symbols, in_slot

_COPIES = {(bank, place): shape_of((f"COPY.{bank}", "r" if place == "r" else "k")) for bank in "WF" for place in "rkc"}


class Crowded(Exception):
    """More values are out of place than there are spare slots."""


@dataclass(slots=True)
class Record:
    """One step. Operands are beside the kind's places; `dest` is where the result goes, or where operands stand."""

    shape: Shape
    operands: tuple[int, ...]
    position: int  # of its instruction in the function
    dest: int = 0
    target: int | None = None  # pc of a jump, number of a function or service
    stored: bool = True

    @property
    def kind(self) -> Kind:
        """What it does."""
        return self.shape.kind


class Records:
    """A block's records so far, and its stack. A value's home is `slots + depth` for the operand at that depth."""

    def __init__(self, slots: int, max_stack: int, *, fuse: bool) -> None:
        self.slots, self.spare, self.fuse = slots, slots + max_stack, fuse
        self.out: list[Record] = []
        self.stack = Symbols(slots)
        self.position = 0

    def emit(self, shape: Shape, operands: tuple[int, ...] = (), dest: int = 0, target: int | None = None) -> None:
        """One more record, for the instruction at hand."""
        self.out.append(Record(shape, operands, self.position, dest, target))

    def join(self, name: str, count: int, immediates: tuple[int, ...] = ()) -> tuple[Join, Shape, tuple[int, ...]]:
        """The kind and operands of `name` over the topmost entries; operands are computed until such a kind exists."""
        if immediates and max(immediates) >= SMALL:
            raise InternalError(f"{name} with an index beyond 16 bits")
        entries = self.stack.entries
        low = len(entries) - count
        while True:
            top = entries[low:]
            joined = join(name, tuple([tree for _, tree, _ in top]), len(immediates), self.fuse)
            if joined.shape is not None:
                break
            self.place(low + joined.first)
        if joined.is_turned:
            top.reverse()
        operands: tuple[int, ...] = ()
        for _, _, own in top:
            operands += own
        return joined, joined.shape, operands + immediates

    def compute(self, entry: Entry, dest: int) -> None:
        """Write what computes the entry into a slot."""
        gives, tree, operands = entry
        if not isinstance(tree, tuple):
            self.emit(_COPIES[gives, tree], operands, dest)
            return
        shape = shape_by_itself(tree)
        if shape is None:  # it exists only inside of a kind that did not come about: compute its parts first
            tree, operands = self._flatten(tree, operands)
            shape = shape_by_itself(tree)
            if shape is None:
                raise InternalError(f"nothing computes {tree}")
        self.emit(shape, operands, dest)

    def _flatten(self, tree: Kind, operands: tuple[int, ...]) -> tuple[Kind, tuple[int, ...]]:
        """The same over slots: every tree among its operands is computed into a spare slot."""
        flat: list[int] = []
        parts, taken, at = [], list(operands), 0
        for part in tree[1:]:
            count = len(leaves(part)) if isinstance(part, tuple) else 1
            own = operands[at : at + count]
            at += count
            if isinstance(part, tuple):
                slot = self._free_spare(taken)
                taken.append(slot)
                self.compute((STEPS[part[0]].gives, part, own), slot)
                own = (slot,)
            flat += own
            parts.append("r" if isinstance(part, tuple) else part)
        return (tree[0], *parts), tuple(flat)

    def place(self, depth: int) -> None:
        """Compute the entry into its home, or into a spare slot while others still read what is there."""
        if self.stack.at_home(depth):
            return
        slot = self.slots + depth
        if self.stack.is_read(slot, but=depth):
            slot = self._free_spare()
        entry = self.stack.entries[depth]
        self.compute(entry, slot)
        self.stack.put(depth, in_slot(slot, entry[0]))

    def _free_spare(self, taken: Sequence[int] = ()) -> int:
        """The first slot behind the frame that no entry reads and that is not taken."""
        for slot in range(self.spare, self.spare + STACK_SLACK):
            if slot not in taken and not self.stack.is_read(slot):
                return slot
        raise Crowded

    def settle(self, slot: int, count: int) -> None:
        """Of the lowest `count` entries, compute those that still read `slot`: it is about to change."""
        if count == 0 or not self._place_readers(slot, count):
            return
        if any(depth < count for depth in self.stack.readers(slot)):
            raise InternalError("a value could not leave the slot that is about to change")

    def _place_readers(self, slot: int, count: int) -> bool:
        """Of the lowest `count` entries, compute those that read `slot`; whether there were any."""
        readers = [depth for depth in self.stack.readers(slot) if depth < count]
        for depth in readers:
            self.place(depth)
        return bool(readers)

    def flush(self, low: int, high: int) -> None:
        """Put the entries at these depths into their homes."""
        stack, slots = self.stack, self.slots
        for depth in range(low, high):
            gives, tree, operands = stack.entries[depth]
            home = slots + depth
            if tree == "r" and operands[0] == home:
                continue
            if len(stack.entries) > 1:
                for reader in stack.readers(home):
                    if reader != depth:
                        self.place(reader)
            self.compute(stack.entries[depth], home)
            stack.put(depth, in_slot(home, gives))
