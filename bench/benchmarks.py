"""The benchmarks of `pbs bench run`: kernels, cartridges, and what single steps cost. One list, one shape."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ..contract import InternalError, UsageError
from ..loader import Image, load
from ..replay import Trace
from ..verifier import verify
from ..vm import Input, Machine
from .programs import keeping, long_program
from .suite import FULL, GAMES, KERNELS, Game, Kernel
from .timing import Job, Run

KERNEL, CARTRIDGE, COST = "kernel", "cartridge", "cost"
STATE_WORDS = 8192  # 64 KiB of guest data
_LONG = {FULL: 10_000, "small": 500}
_REPEATS = {FULL: 200, "small": 2}
_START_TIMEOUT_S = 600


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


def benchmarks(engine: str, size: str) -> list[Benchmark]:
    """All of them, in the order in which they are shown."""
    return [
        *(_kernel(kernel, engine, size) for kernel in KERNELS),
        *(_game(game, engine, size) for game in GAMES),
        *_costs(engine, size),
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


# ---- costs ---------------------------------------------------------------------------------------------------------


def _costs(engine: str, size: str) -> Iterator[Benchmark]:
    (pong,) = (game for game in GAMES if game.name == "pong")
    long = cache(lambda: load(long_program(_LONG[size])[0]))
    repeats = _REPEATS[size]

    count = long_program(_LONG[size])[1]

    def cost(name: str, unit: str, units: int, says: str, prepare: Callable[[], Run[Outcome]]) -> Benchmark:
        return Benchmark(name=name, kind=COST, unit=unit, units=units, says=says, job=Job(prepare))

    def started(name: str, says: str, prepare: Callable[[], Run[Outcome]]) -> Benchmark:
        return replace(cost(name, "process", 1, says, prepare), job=Job(prepare, "wall"))

    yield cost("load", "cartridge", 1, "a cartridge's directory to an image", lambda: _doing(lambda: load(pong.folder)))
    yield cost("verify", "instruction", count, "the proof", lambda: _doing(lambda: verify(long().program, {}, {})))
    yield cost(
        "compile", "instruction", count, "an image made ready for the engine", lambda: _compiling(long(), engine)
    )
    yield cost("snapshot", "snapshot", repeats, "of 64 KiB and the devices", lambda: _snapshots(engine, repeats))
    yield cost("digest", "frame", repeats, "that does nothing, with 64 KiB", lambda: _idle_frames(engine, repeats))
    yield started("start", "`pbs run pong --frames 1`, warm", lambda: _starting(pong, engine))
    first = started("first", "the same with nothing compiled before", lambda: _first_start(pong, engine))
    yield replace(first, by_default=False)


def _doing(step: Callable[[], object]) -> Run[Outcome]:
    def run() -> Outcome:
        step()
        return Outcome()

    return run


def _compiling(image: Image, engine: str) -> Run[Outcome]:
    fresh = replace(image)  # what engines make of an image they keep for that very image
    return _doing(lambda: Machine(fresh, engine=engine))


def _snapshots(engine: str, repeats: int) -> Run[Outcome]:
    machine = Machine(keeping(STATE_WORDS), engine=engine)
    machine.run(1)
    return _doing(lambda: [machine.snapshot() for _ in range(repeats)])


def _idle_frames(engine: str, repeats: int) -> Run[Outcome]:
    machine = Machine(keeping(STATE_WORDS), engine=engine)
    machine.run(1)
    return _doing(lambda: machine.run(repeats))


def start_command(game: Game, engine: str) -> list[str]:
    """The command that plays one frame."""
    return [sys.executable, "-m", "pbs", "run", str(game.folder), "--frames", "1", "--engine", engine]


def surroundings() -> dict[str, str]:
    """The environment of processes that are measured: as in anyone's shell."""
    return {name: value for name, value in os.environ.items() if name == "PYTHONPATH" or not name.startswith("PYTHON")}


def _starting(game: Game, engine: str, cache_folder: Path | None = None) -> Run[Outcome]:
    environment = surroundings()
    if cache_folder is not None:
        environment["PBS_CACHE_DIR"] = str(cache_folder)

    def start() -> None:
        subprocess.run(  # noqa: S603 - our own interpreter and our own command
            start_command(game, engine), env=environment, capture_output=True, check=True, timeout=_START_TIMEOUT_S
        )

    return _doing(start)


def _first_start(game: Game, engine: str) -> Run[Outcome]:
    kept = tempfile.TemporaryDirectory(prefix="pbs-bench-")  # removed once the run that holds it is gone
    start = _starting(game, engine, Path(kept.name))

    def run() -> Outcome:
        assert Path(kept.name).exists()
        return start()

    return run


def peak_bytes(engine: str) -> int | None:
    """The most memory that a process playing one frame of pong ever holds; None where the system does not tell."""
    if not hasattr(os, "wait4"):
        return None
    (pong,) = (game for game in GAMES if game.name == "pong")
    process = subprocess.Popen(  # noqa: S603 - as above
        start_command(pong, engine), env=surroundings(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise InternalError(f"pong ended with exit code {process.returncode}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
