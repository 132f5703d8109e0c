"""What single steps cost: loading, proving, making ready, compiling, snapshots, digests, starting."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from ..contract import InternalError
from ..loader import Image, load
from ..verifier import verify
from ..vm import Machine
from .benchmark import COST, Benchmark, Outcome
from .programs import keeping, long_program
from .suite import FULL, GAMES, KERNELS, SMALL, Game
from .timing import Job, Run

STATE_WORDS = 8192  # 64 KiB of guest data
MORE_WORDS = 16 * STATE_WORDS  # 1 MiB: what 64 KiB as such cost is a sixteenth of the difference that it makes
KEPT_SNAPSHOTS = 8  # as for rollback; if all were, the system's work for fresh memory would be most of what is measured
SNAPSHOT_BYTES = 300_624  # with STATE_WORDS: two screens of 115,200 bytes are in it
_LONG = {FULL: 10_000, SMALL: 500}
_REPEATS = {FULL: 200, SMALL: 2}
_START_TIMEOUT_S = 600
_MADE_FIRST = "interpreter"  # an engine that waits for what it needs
(_PONG,) = (game for game in GAMES if game.name == "pong")


def costs(engine: str, size: str) -> Iterator[Benchmark]:
    """One benchmark for each, in the order in which a program meets them."""
    data, count = long_program(_LONG[size])
    long = cache(lambda: load(data))
    yield _cost(
        "load", "cartridge", 1, "a cartridge's directory to an image", lambda: _doing(lambda: load(_PONG.folder))
    )
    yield _cost("verify", "instruction", count, "the proof", lambda: _doing(lambda: verify(long().program, {}, {})))
    yield _cost("lower", "instruction", count, "proved code to records", lambda: _readying(long(), "interpreter"))
    yield _cost("ready", "instruction", count, "for the engine, all of it", lambda: _readying(long(), engine))
    yield from _compiling(size)
    yield from _state(engine, _REPEATS[size])
    yield from _starts(engine)


def _cost(name: str, unit: str, units: int, says: str, prepare: Callable[[], Run[Outcome]]) -> Benchmark:
    return Benchmark(name=name, kind=COST, unit=unit, units=units, says=says, job=Job(prepare))


def _doing(step: Callable[[], object]) -> Run[Outcome]:
    def run() -> Outcome:
        step()
        return Outcome()

    return run


def _readying(image: Image, engine: str) -> Run[Outcome]:
    fresh = replace(image)  # what engines make of an image they keep for that very image
    return _doing(lambda: Machine(fresh, engine=engine))


def _state(engine: str, repeats: int) -> Iterator[Benchmark]:
    """Snapshots of a whole machine, and frames that do nothing but hash it; both once more with 1 MiB more of guest data."""
    size = f"{SNAPSHOT_BYTES:,} bytes: 64 KiB of data, two screens, the rest; the last {KEPT_SNAPSHOTS} kept"
    for name, words, says in (
        ("snapshot", STATE_WORDS, size),
        ("snapshot-more", STATE_WORDS + MORE_WORDS, f"{SNAPSHOT_BYTES + 8 * MORE_WORDS:,} bytes: 1 MiB more"),
    ):
        yield _cost(name, "snapshot", repeats, says, partial(_snapshots, engine, words, repeats))
    for name, words, says in (
        ("digest", STATE_WORDS, "that does nothing, with its digest of 64 KiB of data and the screen that is shown"),
        ("digest-more", STATE_WORDS + MORE_WORDS, "the same with 1 MiB more"),
    ):
        yield _cost(name, "frame", repeats, says, partial(_idle_frames, engine, words, repeats))


def _snapshots(engine: str, words: int, repeats: int) -> Run[Outcome]:
    machine = _keeping(engine, words)
    return _doing(lambda: deque((machine.snapshot() for _ in range(repeats)), maxlen=KEPT_SNAPSHOTS))


def _idle_frames(engine: str, words: int, repeats: int) -> Run[Outcome]:
    machine = _keeping(engine, words)
    return _doing(lambda: machine.run(repeats))


def _keeping(engine: str, words: int) -> Machine:
    machine = Machine(keeping(words), engine=engine)
    machine.run(1)
    return machine


# ---- the compiled tier ---------------------------------------------------------------------------------------------


def _compiling(size: str) -> Iterator[Benchmark]:
    """All functions of the cartridges to machine code, never from the cache, with few passes and with all."""
    images = cache(lambda: [load(game.folder) for game in GAMES] if size == FULL else [KERNELS[0].image()])
    count = sum(len(function.instructions) for image in images() for function in image.facts.functions)
    yield _cost(
        "lean", "instruction", count, "cartridges to machine code, few passes", lambda: _compile(images(), "lean")
    )
    yield _cost("full", "instruction", count, "... with all passes", lambda: _compile(images(), "full"))


def _compile(images: list[Image], level: str) -> Run[Outcome]:
    from ..vm.compiled.image import CompiledImage
    from ..vm.compiled.objects import Level, make_object
    from ..vm.interpreter import native_image

    def compile_all() -> None:
        for image in images:
            functions = range(len(image.facts.functions))
            native = native_image(image).with_own_records()
            code = CompiledImage(image, native).code([(index, 0) for index in functions], functions, Level(level))
            make_object(code.text, Level(level))

    return _doing(compile_all)


# ---- processes -----------------------------------------------------------------------------------------------------


def _starts(engine: str) -> Iterator[Benchmark]:
    def started(name: str, says: str, prepare: Callable[[], Run[Outcome]]) -> Benchmark:
        return replace(_cost(name, "process", 1, says, prepare), job=Job(prepare, "children"))

    yield started("start", "`pbs run pong --frames 1`, warm", lambda: _starting(_PONG, engine))
    first = started("first", "the same with nothing compiled before", lambda: _first_start(_PONG, engine))
    yield replace(first, by_default=False)

    def waited(name: str, says: str, engine: str) -> Benchmark:
        row = _cost(name, "process", 1, says, lambda: _on_all_cores(_first_start(_PONG, engine)))
        return replace(row, job=Job(row.job.prepare, "wall"), by_default=False)

    yield waited("first-wait", "... as long as one waits for it, on all cores", engine)
    yield waited("core-wait", "... on the interpreter, which is made before it begins", _MADE_FIRST)


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
    kept = _ColdCache()
    start = _starting(game, engine, kept.folder)

    def run() -> Outcome:
        assert kept.folder.exists()
        return start()

    return run


class _ColdCache:
    """A cache in which there is nothing; removed once the run that holds it is gone.

    What is then still being made for it would disturb whatever is measured next, so that is waited for.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pbs-bench-"))
        weakref.finalize(self, _remove_cache, self.folder)


def _remove_cache(folder: Path) -> None:
    if any(folder.iterdir()):
        _on_all_cores(_starting(_PONG, _MADE_FIRST, folder))()
    shutil.rmtree(folder)


def _on_all_cores(run: Run[Outcome]) -> Run[Outcome]:
    """The run on every core there is; else all are kept on one."""
    if not hasattr(os, "sched_setaffinity"):
        return run

    def spread() -> Outcome:
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # those that are not ours are left out
        try:
            return run()
        finally:
            os.sched_setaffinity(0, before)

    return spread


def peak_bytes(engine: str) -> int | None:
    """The most memory that a process playing one frame of pong ever holds; None where the system does not tell."""
    if not hasattr(os, "wait4"):
        return None
    process = subprocess.Popen(  # noqa: S603 - as above
        start_command(_PONG, engine), env=surroundings(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise InternalError(f"pong ended with exit code {process.returncode}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
