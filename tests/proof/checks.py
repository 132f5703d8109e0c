"""What a check is, and which there are."""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from typing import Any, Protocol, cast

from pbs.vm import reference

Figures = Mapping[str, int]  # what was counted: sums over shards


class Scale(Enum):
    """How much is tried."""

    TEST = "test"  # a slice of it, in every `make test`
    SOAK = "soak"  # all of it


class Disproved(AssertionError):
    """A promise does not hold. The message is the smallest case known, in a form that can be run again."""


@dataclass(frozen=True)
class Fault:
    """A mistake to be found: its name, and a context in which it is there."""

    name: str
    present: AbstractContextManager[None]


@contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """A context in which an attribute is another."""
    before = vars(owner).get(name, getattr(owner, name))  # as it stands there, also a static method
    setattr(owner, name, value)
    reference._kernels.cache_clear()  # the reference's copies of kernels are made anew, with the change in them
    try:
        yield
    finally:
        setattr(owner, name, before)
        reference._kernels.cache_clear()


@contextmanager
def without_collector() -> Iterator[None]:
    """A context in which nobody looks for cycles of objects: small programs and their machines leave none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Check(Protocol):
    """A module of this folder that tries one promise."""

    SHARDS: Mapping[Scale, int]

    def check(self, scale: Scale, shard: int, shards: int) -> Figures:
        """Try part `shard` of `shards`. Raises Disproved."""

    def planted(self) -> list[Fault]:
        """Faults that this check must find, each in a context of its own."""


# Name -> id and promise. The name is the module's.
CHECKS: Mapping[str, tuple[str, str]] = {
    "differential": ("R1", "every engine configuration does the same"),
    "compiled": ("R1-R2", "compiled code does the same, whatever is compiled, and when"),
    "cold_start": ("R1", "a machine may begin on the reference and go on in native code at any block"),
    "metering": ("R2", "every budget leads to the same end"),
    "boundaries": ("R3", "every operation is exact at its boundaries"),
    "small_scope": ("R4", "what the verifier accepts never does what it excludes"),
    "hostile_files": ("R7-R10", "no file crashes, hangs or fools the machine"),
    "determinism": ("R11", "nothing around the machine reaches the game"),
    "rollback": ("R12-R13", "a snapshot is the whole state"),
    "limits": ("R24", "limits are met at the same place everywhere, and hold"),
    "batches": ("batches", "a slot of a batch does what a single machine does"),
    "planted": ("planted faults", "each harness finds the fault that it is there for"),
}


def find(name: str) -> Check:
    """The module of a check."""
    return cast(Check, import_module(f"{__package__}.{name}"))


def shards_of(names: list[str], scale: Scale) -> list[tuple[str, int, int]]:
    """Check, shard and number of shards, for everything that these checks do at that scale."""
    return [(name, i, find(name).SHARDS[scale]) for name in names for i in range(find(name).SHARDS[scale])]


def run_shard(name: str, shard: int, shards: int, scale: Scale) -> tuple[dict[str, int], str | None, float]:
    """Figures, what was disproved, and CPU seconds of one part; for a process of its own."""
    figures, failure = {}, None
    try:
        figures = dict(find(name).check(scale, shard, shards))
    except Disproved as disproved:
        failure = str(disproved)
    except Exception:  # whatever it is, it was to be excluded
        failure = traceback.format_exc()
    return figures, failure, _cpu_seconds()


def _cpu_seconds() -> float:
    """Of this process and those that it waited for."""
    return sum(os.times()[:4])
