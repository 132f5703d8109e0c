"""The benchmarks of `pbs bench run`: kernels, cartridges, and what single steps cost. One list, one shape."""

from __future__ import annotations

from functools import cache

from ..contract import InternalError, UsageError
from ..loader import load
from ..replay import Trace
from ..vm import Input, Machine
from .benchmark import CARTRIDGE, KERNEL, Benchmark, Outcome
from .costs import costs
from .suite import GAMES, KERNELS, Game, Kernel
from .timing import Job, Run


def benchmarks(engine: str, size: str) -> list[Benchmark]:
    """All of them, in the order in which they are shown."""
    return [
        *(_kernel(kernel, engine, size) for kernel in KERNELS),
        *(_game(game, engine, size) for game in GAMES),
        *costs(engine, size),
    ]


def choose(names: tuple[str, ...], engine: str, size: str) -> list[Benchmark]:
    """Those of these names, or without names all but the slow ones. Raises UsageError for unknown names."""
    known = benchmarks(engine, size)
    for name in names:
        if name not in {benchmark.name for benchmark in known}:
            listed = ", ".join(benchmark.name for benchmark in known)
            raise UsageError("benchmark_unknown", subject=name, required=listed)
    return [b for b in known if (b.name in names if names else b.by_default)]


# ---- kernels -------------------------------------------------------------------------------------------------------


def _kernel(kernel: Kernel, engine: str, size: str) -> Benchmark:
    given = kernel.sizes[size]
    image = cache(kernel.image)

    def prepare() -> Run[Outcome]:
        machine = Machine(image(), engine=engine)

        def run() -> Outcome:
            (found,) = machine.call(kernel.name, [given.argument])
            if found != given.result:
                raise InternalError(f"{kernel.name} gives {found}, not {given.result}")
            return Outcome(machine.cycles)

        return run

    return Benchmark(
        name=kernel.name, kind=KERNEL, unit=kernel.unit, units=given.units, says=kernel.stresses, job=Job(prepare)
    )


# ---- cartridges ----------------------------------------------------------------------------------------------------


def recorded_inputs(game: Game, frames: int) -> list[Input]:
    """So many frames of input: those of the golden recording, over and over."""
    script = list(Trace.read(game.trace).inputs())
    return (script * (frames // len(script) + 1))[:frames]


def _game(game: Game, engine: str, size: str) -> Benchmark:
    frames = game.frames[size]
    image = cache(lambda: load(game.folder))
    inputs = cache(lambda: recorded_inputs(game, frames))

    def prepare() -> Run[Outcome]:
        machine, given = Machine(image(), engine=engine), inputs()

        def run() -> Outcome:
            machine.run(frames, given)
            return Outcome(machine.cycles)

        return run

    says = "its recorded game, devices and digest included, without a screen"
    return Benchmark(name=game.name, kind=CARTRIDGE, unit="frame", units=frames, says=says, job=Job(prepare))
