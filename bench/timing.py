"""Timing on a noisy machine: A and B take turns, the ratio is taken within each turn, raw samples are kept."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds per run, in the order of the rounds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)


def stay_on_one_core() -> None:
    """Keep this process on one core, where the system has such a thing: both sides then share its fate."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def take_turns(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Samples]:
    """Time every run once a round, in turn, after one untimed round."""
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: Samples(tuple(taken)) for name, taken in seconds.items()}


def ratios(ours: Samples, theirs: Samples) -> tuple[float, float, float]:
    """Median, least and greatest of ours / theirs, round by round."""
    each = [a / b for a, b in zip(ours.seconds, theirs.seconds, strict=True)]
    return statistics.median(each), min(each), max(each)
