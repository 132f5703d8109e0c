"""Who reads which slot: by the index as without it, and as the entries say."""

from __future__ import annotations

from random import Random

import pytest

from pbs.isa.types import FLOAT, INT
from pbs.vm import symbols
from pbs.vm.symbols import Symbols, constant, in_slot

HOME = 4  # locals before the operands
TREE = ("ADD", "r", "r")
MIXED = ("MUL", TREE, "c")


def random_entry(rng):
    kind = rng.randrange(5)
    if kind == 0:
        return constant(rng.randrange(20), "W")  # a number that could be taken for a slot's
    if kind == 1:
        return in_slot(rng.randrange(16), "F")
    if kind == 2:
        return ("W", TREE, (rng.randrange(16), rng.randrange(16)))
    return ("W", MIXED, (rng.randrange(16), rng.randrange(16), rng.randrange(16)))


def change(rng, *stacks):
    """The same change to both."""
    roll, entry = rng.randrange(10), random_entry(rng)
    height = len(stacks[0].entries)
    depth = rng.randrange(height) if height else 0
    for stack in stacks:
        if roll < 5 or not height:
            stack.entries.append(entry)
        elif roll < 6:
            stack.pop()
        elif roll < 7:
            stack.cut(max(depth, height - 3))
        elif roll < 9:
            stack.put(depth, in_slot(HOME + depth, "W") if roll == 7 else entry)
        else:
            stack.restart((INT, FLOAT) * (depth % 5))


def reading(stack, slot):
    """By the entries themselves: what `readers` should say."""
    found = []
    for depth, (_, tree, operands) in enumerate(stack.entries):
        slots = {
            "r": operands[:1], "c": (), "k": (), TREE: operands[:2], MIXED: operands[:2],
        }[tree]  # fmt: skip
        if slot in slots and not (tree == "r" and slot == HOME + depth):
            found.append(depth)
    return found


@pytest.mark.parametrize("few", [0, symbols.FEW, 10_000])
def test_readers_are_those_that_read(monkeypatch, few):
    monkeypatch.setattr(symbols, "FEW", few)
    deepest = 0
    for seed in range(60):
        rng, stack = Random(seed), Symbols(HOME)
        for _ in range(60):
            change(rng, stack)
            deepest = max(deepest, len(stack.entries))
            for slot in rng.sample(range(20), 4):
                expected = reading(stack, slot)
                assert stack.readers(slot) == expected
                but = rng.randrange(-1, 4)
                at_home = slot >= HOME and slot - HOME < len(stack.entries) and stack.at_home(slot - HOME)
                others = [depth for depth in expected if depth != but]
                assert stack.is_read(slot, but=but) == (bool(others) or (at_home and slot - HOME != but))
    assert deepest > 16
