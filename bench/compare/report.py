"""`pbs bench compare`: two releases in turn, held against each other before they are timed against each other."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ...contract import Diverged, UsageError
from ...contract.files import write_bytes
from ...contract.notices import notify
from ...contract.release import VERSION
from ...loader.cartridge import encode_cartridge, read_directory
from ...replay import Trace
from ..suite import FULL, GAMES, KERNELS, Game, Kernel
from ..surroundings import machine_line, machine_object
from ..timing import on_one_core
from .intervals import CONFIDENCE, RESAMPLES, SEED, SLOWER, Interval, intervals
from .releases import Release, prepare
from .workers import Worker

ROUNDS_A_PROCESS = 5
Request = dict[str, Any]
_Pair = tuple[list[float], list[float]]
_Pairs = dict[str, _Pair]


def run(
    specs: tuple[str, str],
    names: Sequence[str],
    *,
    repository: Path,
    engine: str,
    size: str | None,
    rounds: int,
    threshold: float,
) -> dict[str, Any]:
    """Compare, and give the object of `pbs bench compare --json`.

    Raises UsageError("release_unknown" or "release_unusable"), and Diverged("releases_differ") at the first frame whose digest or
    cycles differ, or the first kernel whose result or cycles do: what does something else is not faster or slower.
    """
    size = size or FULL
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pbs-compare-")))
        requests = _requests(names, folder, engine, size)
        releases = [_prepared(spec, folder / side, repository) for side, spec in zip("ab", specs, strict=True)]
        stack.enter_context(on_one_core())
        pairs, versions = _race(releases, requests, rounds)
    rows, overall = intervals(list(pairs.values()))
    found = dict(zip(pairs, rows, strict=True))
    return {
        "verb": "bench",
        "action": "compare",
        "release": VERSION,
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": machine_object(),
        "a": _release(releases[0], versions[0]),
        "b": _release(releases[1], versions[1]),
        "engine": engine,
        "size": size,
        "rounds": rounds,
        "threshold": threshold,
        "confidence": CONFIDENCE,
        "resamples": RESAMPLES,
        "seed": SEED,
        "benchmarks": [
            {"name": name, **_interval(found[name], threshold), "a_seconds": pair[0], "b_seconds": pair[1]}
            for name, pair in pairs.items()
        ],
        "geomean": _interval(overall, threshold),
        "slower": [name for name, row in [*found.items(), ("geomean", overall)] if row.verdict(threshold) == SLOWER],
    }


def _prepared(spec: str, folder: Path, repository: Path) -> Release:
    folder.mkdir()
    return prepare(spec, folder, repository)


def _release(release: Release, version: str) -> dict[str, str]:
    return {"spec": release.spec, "kind": release.kind, "identity": release.identity, "version": version}


def _interval(interval: Interval, threshold: float) -> dict[str, Any]:
    verdict = interval.verdict(threshold)
    return {"ratio": interval.ratio, "low": interval.low, "high": interval.high, "verdict": verdict}


# ---- what both are asked -------------------------------------------------------------------------------------------


def _requests(names: Sequence[str], folder: Path, engine: str, size: str) -> dict[str, Request]:
    """Kernels and cartridges of this release as files that both load; by name. Raises UsageError for unknown names."""
    every: list[Kernel | Game] = [*KERNELS, *GAMES]
    for name in names:
        if name not in {one.name for one in every}:
            raise UsageError("benchmark_unknown", subject=name, required=", ".join(one.name for one in every))
    chosen = [one for one in every if not names or one.name in names]
    return {
        one.name: _kernel(one, folder, engine, size) if isinstance(one, Kernel) else _game(one, folder, engine, size)
        for one in chosen
    }


def _kernel(kernel: Kernel, folder: Path, engine: str, size: str) -> Request:
    file = folder / f"{kernel.name}.pbx"
    write_bytes(file, kernel.program())
    argument = kernel.sizes[size].argument
    return {"do": "kernel", "name": kernel.name, "file": str(file), "argument": argument, "engine": engine}


def _game(game: Game, folder: Path, engine: str, size: str) -> Request:
    file = folder / f"{game.name}.cart"
    write_bytes(file, encode_cartridge(read_directory(game.folder).members))
    inputs = [[sorted(given.buttons), given.touch] for given in Trace.read(game.trace).inputs()]
    return {"do": "cartridge", "file": str(file), "inputs": inputs, "frames": game.frames[size], "engine": engine,
            "every_frame": False}  # fmt: skip


# ---- the race ------------------------------------------------------------------------------------------------------


def _race(releases: Sequence[Release], requests: Mapping[str, Request], rounds: int) -> tuple[_Pairs, list[str]]:
    """Seconds of both, by benchmark; and their versions.

    Where code lies in memory differs from process to process, and with it the speed: so there are several, each for some rounds.
    """
    pairs: _Pairs = {name: ([], []) for name in requests}
    versions = []
    for first in range(0, rounds, ROUNDS_A_PROCESS):
        with Worker(releases[0]) as a, Worker(releases[1]) as b:
            versions = [a.version, b.version]
            if first == 0:
                notify(
                    f"comparing {a.version} ({releases[0].spec}) with {b.version} ({releases[1].spec}), {rounds} rounds"
                )
            for name, request in requests.items():
                _require_equal(name, a, b, request)
                _time(name, a, b, request, range(first, min(first + ROUNDS_A_PROCESS, rounds)), pairs[name])
    return pairs, versions


def _require_equal(name: str, a: Worker, b: Worker, request: Request) -> None:
    """The same request to both, every frame compared. It also warms both up."""
    asked = {**request, "every_frame": True}
    _compare(name, a.ask(asked)["observed"], b.ask(asked)["observed"])


def _compare(name: str, left: Sequence[str], right: Sequence[str]) -> None:
    for one, other in zip_longest(left, right, fillvalue="nothing"):
        if one != other:
            raise Diverged("releases_differ", subject=name, required=one, available=other)


def _time(name: str, a: Worker, b: Worker, request: Request, rounds: range, seconds: _Pair) -> None:
    """One after the other; who is first changes with the round."""
    for number in rounds:
        answers: dict[int, dict[str, Any]] = {}
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            answers[side] = (a, b)[side].ask(request)
            seconds[side].append(answers[side]["seconds"])
        _compare(name, answers[0]["observed"], answers[1]["observed"])


# ---- for people ----------------------------------------------------------------------------------------------------


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The object as a table."""
    for side in ("a", "b"):
        release = report[side]
        yield f"{side.upper()}: {release['version']}, {release['kind']} {release['spec']} ({release['identity'][:12]})"
    yield machine_line(report["machine"])
    yield f"engine {report['engine']}, size {report['size']}, {report['rounds']} rounds; results, cycles and digests are equal"
    yield ""
    confidence = f"{report['confidence']:.0%} interval"
    yield f"{'benchmark':10}  {'time B / A':>10}  {confidence:>15}  beyond {report['threshold']:.1%}?"
    for row in [*report["benchmarks"], {"name": "geomean", **report["geomean"]}]:
        interval = f"{row['low']:.3f}..{row['high']:.3f}"
        yield f"{row['name']:10}  {row['ratio']:10.3f}  {interval:>15}  {row['verdict']}"
