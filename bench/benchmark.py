"""What a benchmark is."""

from __future__ import annotations

from dataclasses import dataclass

from .timing import Job

KERNEL, CARTRIDGE, COST = "kernel", "cartridge", "cost"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to; the same in every round. cycles: None where nothing of a guest ran."""

    cycles: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """Something that is timed. One run of it is `units` units of work."""

    name: str
    kind: str
    unit: str
    units: int
    says: str
    job: Job[Outcome]
    by_default: bool = True
