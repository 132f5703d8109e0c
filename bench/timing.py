"""Timing on a noisy machine: all jobs take turns, round by round, on one core; raw samples are kept."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..contract import InternalError

Result = TypeVar("Result")
Run = Callable[[], Result]  # what is timed


def _of_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


CLOCKS: Mapping[str, Callable[[], float]] = {
    "processor": time.process_time,  # given to this process: what others do on the machine disturbs it less
    "children": _of_children,  # given to processes that have ended, in hundredths; on an idle machine hardly less than wall time
    "wall": time.perf_counter,  # for what uses several cores
}


@dataclass(frozen=True, slots=True)
class Job(Generic[Result]):
    """Something to time. `prepare` makes everything that one timed run needs, and gives the run."""

    prepare: Callable[[], Run[Result]]
    clock: str = "processor"


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds per run, in the order of the rounds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    @property
    def least(self) -> float:
        """The fastest."""
        return min(self.seconds)

    @property
    def greatest(self) -> float:
        """The slowest."""
        return max(self.seconds)


@dataclass(frozen=True, slots=True)
class Measured(Generic[Result]):
    """How long a job took in every round, and what its last run came to."""

    samples: Samples
    result: Result


@contextmanager
def on_one_core() -> Iterator[None]:
    """Keep this process and its children on one core, where the system has such a thing: all then share its fate."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def take_turns(jobs: Mapping[str, Job[Result]], rounds: int, *, warm_up: bool = True) -> dict[str, Measured[Result]]:
    """Time every job once a round, in turn, after one untimed round. Making a run ready is not timed.

    Raises InternalError where a job comes to something else than in the round before: nothing here may vary but time.
    """
    results: dict[str, Result] = {}
    if warm_up:
        for name, job in jobs.items():
            results[name] = job.prepare()()
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            run, clock = job.prepare(), CLOCKS[job.clock]
            start = clock()
            result = run()
            seconds[name].append(clock() - start)
            if results.setdefault(name, result) != result:
                raise InternalError(f"{name} came to {result}, and to {results[name]} before")
    return {name: Measured(Samples(tuple(taken)), results[name]) for name, taken in seconds.items()}
