"""Seeded random numbers. The seed belongs to the run and stands in its trace; the generator is part of the machine's state."""

from __future__ import annotations

from .devices import Words, next_random, seed_random
from .registry import Service


def bits(device: Words) -> int:
    """32 random bits."""
    return next_random(device)


def below(device: Words, bound: int) -> int:
    """0 .. bound - 1; bounds below 1 count as 1, above 2**31 - 1 as that. High bits scaled down, so no loop."""
    limit = min(max(bound, 1), 0x7FFFFFFF)
    return (next_random(device) * limit) >> 32


def unit(device: Words) -> float:
    """A float in [0, 1) with 53 random bits."""
    high, low = next_random(device) >> 5, next_random(device) >> 6
    return (high * 67108864.0 + low) / 9007199254740992.0


def seed(device: Words, value: int) -> None:
    """Start over from another seed."""
    seed_random(device, value)


ROWS = (
    Service(
        module="random",
        name="bits",
        version=1,
        number=0x0201,
        effect="-> bits: int",
        summary="32 random bits, as an int from 0 to 2**32 - 1.",
        function=bits,
        cycles=6,
    ),
    Service(
        module="random",
        name="below",
        version=1,
        number=0x0202,
        effect="bound: int -> value: int",
        summary="A random int from 0 to bound - 1. A bound below 1 counts as 1, one above 2**31 - 1 as that.",
        function=below,
        cycles=6,
    ),
    Service(
        module="random",
        name="unit",
        version=1,
        number=0x0203,
        effect="-> value: float",
        summary="A random float from 0 up to but not including 1.",
        function=unit,
        cycles=12,
    ),
    Service(
        module="random",
        name="seed",
        version=1,
        number=0x0204,
        effect="value: int ->",
        summary="Starts the generator over from another seed; the run's own seed is used until then.",
        function=seed,
        cycles=80,
    ),
)
