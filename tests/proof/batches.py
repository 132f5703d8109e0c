"""A slot of a batch does what a single machine does, whatever the other slots do and on however many threads.

Batches of the cartridges, of a program that uses everything, and of random programs are run in portions. Between them slots are
reset, put back, and given the snapshots of others. Each slot has a machine beside it to which the same is done alone: results,
logs, traps, screens, snapshots and states must be equal after every portion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

import pbs
from pbs.cartridges.make import CARTRIDGES, ROOT
from pbs.contract import PbsError
from pbs.loader import Image
from pbs.vm import Batch, FrameResult, Input, Machine, Snapshot, batch
from pbs.vm.stretch import Stretch
from tests.support.compare import ROOMY, SMALL, differences, dump, image_of, random_inputs
from tests.support.programs import random_program
from tests.unit.vm import world

from .checks import Disproved, Fault, Figures, Scale, patched

SHARDS = {Scale.TEST: 1, Scale.SOAK: 16}
THREADS = (2, 1, 3, 7)
SLOTS = 5
PORTIONS = {Scale.TEST: 6, Scale.SOAK: 200}  # of each cartridge, on each engine
RANDOM_PROGRAMS = {Scale.TEST: 60, Scale.SOAK: 24_000}
AT_ONCE = 60  # random programs in one part
ENGINES = ("interpreter", "auto", "compiled", "reference")  # of a batch; the machines beside it are on the interpreter
FRAMES = {engine: 2 if engine == "reference" else 40 for engine in ENGINES}  # of a portion, at most
RARELY = {
    7: "reference",
    13: "auto",
    15: "compiled",
}  # random programs, by their number modulo 30, that are run on others
MAX_TICKS = 3
LIMITS = tuple(replace(limits, frame_cycles=1 << 13) for limits in (SMALL, ROOMY))  # some frames are not done in time


def check(scale: Scale, shard: int, shards: int) -> Figures:
    """Every so manieth part."""
    rounds = PORTIONS[scale]
    parts = [
        partial(_everything, rounds),
        *(partial(_random_programs, range(at, at + AT_ONCE)) for at in range(0, RANDOM_PROGRAMS[scale], AT_ONCE)),
        *(partial(_cartridge, name, engine, rounds) for name in CARTRIDGES for engine in ENGINES),
    ]
    figures: Counter[str] = Counter()
    for part in parts[shard::shards]:
        try:
            with patched(batch, "_THREAD_CYCLES", 1):  # every thread is worth waking
                figures.update(part())
        except PbsError as refused:
            raise Disproved(f"{part}: {refused.diagnostic}") from refused
    return figures


def _everything(rounds: int) -> Mapping[str, int]:
    figures: Counter[str] = Counter()
    for engine in ENGINES:
        figures.update(_Beside("everything", world.world(), engine, rounds).run(rounds))
    return figures


def _cartridge(name: str, engine: str, rounds: int) -> Mapping[str, int]:
    beside = _Beside(name, pbs.load(ROOT / name), engine, rounds)
    if engine == "reference":
        return beside.run(1)
    beside.play_recording()
    return beside.run(rounds)


def _random_programs(numbers: range) -> Mapping[str, int]:
    figures: Counter[str] = Counter({"random programs": len(numbers)})
    for number in numbers:
        image = image_of(random_program(Random(number), size=4 + number % 30), LIMITS[number & 1])
        figures.update(_Beside(f"random program {number}", image, RARELY.get(number % 30, ENGINES[0]), number).run(2))
    return figures


class _Beside:
    """A batch, and for every slot a machine to which the same is done alone."""

    def __init__(self, name: str, image: Image, engine: str, number: int) -> None:
        self.name, self.image, self.engine = name, image, engine
        self.rng = Random(f"{name} {engine}")
        self.threads = THREADS[number % len(THREADS)]
        seeds = [self.rng.randrange(-(1 << 63), 1 << 63) for _ in range(SLOTS)]
        self.batch = Batch(image, SLOTS, engine=engine, seed=seeds, threads=self.threads)
        self.machines = [Machine(image, engine=ENGINES[0], seed=seed) for seed in seeds]
        self.seeds = seeds
        self.figures: Counter[str] = Counter(batches=1)

    def play_recording(self) -> None:
        """The golden recording in one slot, and something else in the others."""
        trace = pbs.Trace.read(ROOT / self.name / "golden" / f"{CARTRIDGES[self.name]}.pbt")
        self.reset(2, trace.header.seed)
        inputs = [random_inputs(self.rng, len(trace)) for _ in range(SLOTS)]
        inputs[2] = list(trace.inputs())
        result = self.compare(len(trace), inputs, MAX_TICKS)
        self.require(tuple(frame.digest for frame in result[2]) == trace.digests, 2, "is not what was recorded")

    def run(self, portions: int) -> Mapping[str, int]:
        """So many portions, with changes between them; what was counted."""
        most = FRAMES[self.engine]
        for _ in range(portions):
            frames = self.rng.randrange(1, most + 1)
            self.compare(
                frames, [random_inputs(self.rng, frames) for _ in range(SLOTS)], self.rng.randrange(1, MAX_TICKS + 1)
            )
            self.change()
        self.compare(1, [random_inputs(self.rng, 1) for _ in range(SLOTS)], MAX_TICKS)
        return self.figures

    def change(self) -> None:
        """Reset a slot; give another the snapshot of a third."""
        reset, to, source = self.rng.sample(range(SLOTS), 3)
        self.reset(reset, self.rng.choice((None, self.rng.randrange(1 << 40))))
        if not self.machines[source].ended and not self.machines[source].in_frame:
            taken = self.batch.snapshot(source)
            self.require(bytes(taken) == bytes(self.machines[source].snapshot()), source, "gives another snapshot")
            given: Snapshot | bytes = self.rng.choice((taken, bytes(taken)))
            self.batch.restore(to, given)
            self.machines[to].restore(given)
            self.figures["snapshots moved"] += 1

    def reset(self, slot: int, seed: int | None) -> None:
        """Reset a slot; its machine is another."""
        self.batch.reset(slot, seed=seed)
        self.seeds[slot] = self.seeds[slot] if seed is None else seed
        self.machines[slot] = Machine(self.image, engine=ENGINES[0], seed=self.seeds[slot])
        self.figures["resets"] += 1

    def compare(self, frames: int, inputs: list[list[Input]], ticks: int) -> batch.BatchResult:
        """Run the batch and the machines."""
        result = self.batch.run(frames, inputs, max_ticks=ticks)
        for slot, machine in enumerate(self.machines):
            expected = _alone(machine, inputs[slot], ticks)
            self.require(result[slot] == expected, slot, f"does {result[slot]}, and alone {expected}")
            found = self.batch[slot]
            self.require((found.ended, found.in_frame) == (machine.ended, machine.in_frame), slot, "stands elsewhere")
            self.require(found.seed == machine.seed, slot, "has another seed")
            if not machine.ended:
                wrong = differences(dump(found), dump(machine))
                self.require(not wrong, slot, f"has another {', '.join(wrong)}")
            self.figures["frames"] += len(expected)
        screens = np.array([machine.screen() for machine in self.machines])
        self.require(np.array_equal(self.batch.screens(), screens), -1, "shows something else")
        digests = b"".join(frame.digest for row in result for frame in row)
        ran = np.arange(frames) < result.done[:, None]
        self.require(result.digests[ran].tobytes() == digests, -1, "has other digests in its arrays")
        return result

    def require(self, holds: bool, slot: int, what: str) -> None:
        """Raises Disproved unless it holds."""
        if not holds:
            where = f"slot {slot} of {SLOTS}" if slot >= 0 else "the batch"
            raise Disproved(f"{self.name} on the {self.engine}, {self.threads} threads: {where} {what}")


def _alone(machine: Machine, inputs: list[Input], ticks: int) -> list[FrameResult]:
    results: list[FrameResult] = []
    while len(results) < len(inputs) and not machine.ended:
        results += machine.advance(inputs[len(results) :], ticks)
        if machine.in_frame:
            break
    return results


# ---- faults --------------------------------------------------------------------------------------------------------------


def planted() -> list[Fault]:
    """Faults of batches that this check must find."""
    return [
        Fault("slots share a part of their states", patched(batch, "_side_by_side", _overlapping)),
        Fault("every slot gets the inputs of slot 0", patched(Stretch, "write_arguments", _first_inputs)),
        Fault("every slot gets the seed of slot 0", patched(batch, "_seeds", _first_seed)),
        Fault("a reset keeps the random numbers", patched(batch, "seed_random", lambda _device, _seed: None)),
        Fault("a trap stops all slots", patched(Batch, "ended", property(_any_ended))),
        Fault("a log has another last letter", patched(batch, "_keep_logs", _other_logs)),
    ]


def _overlapping(n: int, words: int) -> npt.NDArray[np.int64]:
    shared = 2 * batch._STRIDE_WORDS
    room = _SIDE_BY_SIDE(n, words)
    return np.lib.stride_tricks.as_strided(room, (n, words), (room.strides[0] - 8 * shared, 8))


def _first_inputs(stretch: Stretch, to: npt.NDArray[np.int64]) -> None:
    _WRITE_ARGUMENTS(stretch, to)
    to[:, 0] = to[0, 0]


def _first_seed(seed: Any, n: int) -> list[int]:
    return [_SEEDS(seed, n)[0]] * n


def _any_ended(one: Batch) -> npt.NDArray[np.bool_]:
    return np.full(len(one), any(machine.ended for machine in one))


def _other_logs(stretch: Stretch, logs: dict[int, bytes]) -> None:
    found: dict[int, bytes] = {}
    _KEEP_LOGS(stretch, found)
    for slot, data in found.items():
        logs[slot] = logs.get(slot, b"") + data[:-1] + bytes([data[-1] ^ 1])


_SIDE_BY_SIDE, _SEEDS, _KEEP_LOGS = batch._side_by_side, batch._seeds, batch._keep_logs
_WRITE_ARGUMENTS = Stretch.write_arguments
