"""`python -m pbs.bench.batches`: many machines on one thread and on all cores, and what a machine costs as there are more.

--rounds N      how often each runs, in turn (15)
--machines N    in the batches that are compared (32)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from ..loader import load
from ..vm import Batch
from ..vm.workers import cores
from .suite import GAMES, Game
from .timing import Job, Run, Samples, take_turns

FRAMES = {"pong": 250, "life": 60, "orbits": 80}  # a machine and run: about a tenth of a second for 32 on one core
GROWTH = (1, 4, 16, 64, 256)  # machines
GROWTH_FRAMES = 100


def main(arguments: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pbs.bench.batches", description="Many machines at a time.")
    parser.add_argument("--rounds", type=int, default=15, help="how often each runs, in turn")
    parser.add_argument("--machines", type=int, default=32, help="in the batches that are compared")
    chosen = parser.parse_args(arguments)
    print(f"{chosen.machines} machines on 1 and on {cores()} threads, {chosen.rounds} rounds in turn; frames a second")
    print(f"{'cartridge':10}  {'1 thread':>9}  {f'{cores()} threads':>10}  {'ratio':>6}  {'spread':>12}")
    for game in GAMES:
        print(scaling(game, chosen.machines, chosen.rounds).line())
    print(f"\nOne thread, {GROWTH_FRAMES} frames of pong on every machine; microseconds of processor time a frame")
    for machines, taken in growth(GROWTH, chosen.rounds).items():
        print(f"{machines:>10} machines  {taken.least / machines / GROWTH_FRAMES * 1e6:6.2f}")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Seconds of the same frames on one thread and on all, round by round."""

    name: str
    frames: int
    one: Samples
    all: Samples

    @property
    def ratios(self) -> list[float]:
        """How much faster all threads are, in every round."""
        return [alone / together for alone, together in zip(self.one.seconds, self.all.seconds, strict=True)]

    def line(self) -> str:
        """As a row of the table: rates of the fastest rounds, and the median of the ratios."""
        ratios = self.ratios
        return (
            f"{self.name:10}  {self.frames / self.one.least:9,.0f}  {self.frames / self.all.least:10,.0f}  "
            f"{median(ratios):6.3f}  {min(ratios):.3f}..{max(ratios):.3f}"
        )


def scaling(game: Game, machines: int, rounds: int, *, frames: int | None = None) -> Scaling:
    """Run a batch of a cartridge on one thread and on all cores, in turn. The digests must be equal."""
    frames = frames or FRAMES[game.name]
    image = load(game.folder)
    batches = {threads: Batch(image, machines, seed=range(machines), threads=threads) for threads in {1, cores()}}
    jobs = {str(threads): Job(partial(_running, batch, frames), "wall") for threads, batch in batches.items()}
    measured = {name: found.samples for name, found in take_turns(jobs, rounds).items()}
    return Scaling(name=game.name, frames=machines * frames, one=measured["1"], all=measured[str(cores())])


def growth(machines: Sequence[int], rounds: int, *, frames: int = GROWTH_FRAMES) -> dict[int, Samples]:
    """Seconds of processor time for so many frames on every machine of larger and larger batches of pong."""
    (pong,) = (game for game in GAMES if game.name == "pong")
    image = load(pong.folder)
    jobs = {str(n): Job(partial(_running, Batch(image, n, threads=1), frames)) for n in machines}
    return {int(name): found.samples for name, found in take_turns(jobs, rounds).items()}


def _running(batch: Batch, frames: int) -> Run[bytes]:
    """Every round is the same: all machines begin anew."""
    for slot in range(len(batch)):
        batch.reset(slot)

    def run() -> bytes:
        return batch.run(frames).digests[:, -1].tobytes()

    return run


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
