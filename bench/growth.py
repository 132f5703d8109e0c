"""`pbs bench growth`: how costs grow with what causes them; each should grow in proportion, and no faster."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np

from ..contract import UsageError
from ..contract.notices import notify
from ..contract.release import VERSION
from ..loader import Image, load
from ..replay import Trace, record, replay
from ..verifier import verify
from ..vm import Batch, Machine
from .benchmarks import recorded_inputs
from .charts import Line, line_chart
from .programs import NODE_WORDS, living, long_program
from .suite import FULL, GAMES, SMALL
from .surroundings import machine_line, machine_object
from .timing import Job, on_one_core, take_turns

_GC_WORDS = 12_000_000  # collected in a run, in as many frames as that takes
_MOST_GC_FRAMES = 2_000
_ENGINE = "interpreter"  # auto would become faster on the way
_BATCH_FRAMES = 60


def _it(taken: Mapping[str, float]) -> float:
    return taken["it"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A cost and what it should be proportional to. `seconds` gives, per job, the seconds of one measured thing."""

    name: str
    title: str
    unit: str  # of the sizes
    sizes: Mapping[str, Sequence[int]]  # full and small
    jobs: Callable[[int], Mapping[str, Job[int]]]  # for a size: what is timed; the job comes to how often it did it
    seconds: Callable[[Mapping[str, float]], float] = _it


def run(names: Sequence[str], *, size: str | None, rounds: int) -> dict[str, Any]:
    """Measure and give the object of `pbs bench growth --json`. Raises UsageError for unknown names."""
    for name in names:
        if name not in {study.name for study in STUDIES}:
            raise UsageError("benchmark_unknown", subject=name, required=", ".join(study.name for study in STUDIES))
    chosen = [study for study in STUDIES if not names or study.name in names]
    with on_one_core():
        studies = [_study(study, size or FULL, rounds) for study in chosen]
    return {
        "verb": "bench",
        "action": "growth",
        "release": VERSION,
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": machine_object(),
        "size": size or FULL,
        "rounds": rounds,
        "studies": studies,
    }


def _study(study: Study, size: str, rounds: int) -> dict[str, Any]:
    sizes = study.sizes[size]
    notify(f"{study.name}: {sizes[0]:,} to {sizes[-1]:,} {study.unit}s, {rounds} rounds in turn")
    jobs = {f"{at} {name}": job for at in sizes for name, job in study.jobs(at).items()}
    measured = take_turns(jobs, rounds)
    points: list[dict[str, Any]] = []
    for at in sizes:
        taken = {name: measured[f"{at} {name}"] for name in study.jobs(at)}
        once = {name: [s / found.result for s in found.samples.seconds] for name, found in taken.items()}
        each = [study.seconds({name: once[name][i] for name in once}) for i in range(rounds)]
        points.append({"size": at, "median_s": statistics.median(each), "seconds": each})
    law = fit([point["size"] for point in points], [point["median_s"] for point in points])
    return {"name": study.name, "title": study.title, "unit": study.unit, "points": points, **law}


def fit(sizes: Sequence[float], seconds: Sequence[float]) -> dict[str, float]:
    """The law "a fixed cost, and a constant for each unit", by least squares of relative errors; and how well it holds.

    r_squared: how much of the differences between the logarithms it explains. exponent: by what power of the size the upper half
    of the points grows, where the fixed cost no longer counts; free of that law, in proportion it is 1. A time that is itself a
    difference may be lost in the noise: what is not above zero is left out.
    """
    n, t = np.array(sizes, np.float64), np.array(seconds, np.float64)
    n, t = n[t > 0], t[t > 0]
    (fixed, each), *_ = np.linalg.lstsq(np.stack([1 / t, n / t], axis=1), np.ones(len(t)))
    if fixed < 0:
        fixed, each = 0.0, float(np.sum(n / t) / np.sum((n / t) ** 2))
    logs, predicted = np.log(t), np.log(fixed + each * n)
    upper = slice(len(n) // 2 - (len(n) < 4), None)
    exponent, _ = np.polyfit(np.log(n[upper]), logs[upper], 1)
    left = float(np.sum((logs - predicted) ** 2) / np.sum((logs - np.mean(logs)) ** 2))
    return {"fixed_s": float(fixed), "each_s": float(each), "r_squared": 1 - left, "exponent": float(exponent)}


# ---- studies -------------------------------------------------------------------------------------------------------


def _doing(step: Callable[[], object], times: int = 1) -> Callable[[], int]:
    def run() -> int:
        step()
        return times

    return run


@cache
def _long(instructions: int) -> Image:
    return load(long_program(instructions)[0])


def _verifying(instructions: int) -> Mapping[str, Job[int]]:
    return {"it": Job(lambda: _doing(lambda: verify(_long(instructions).program, {}, {})))}


def _lowering(instructions: int) -> Mapping[str, Job[int]]:
    def prepare() -> Callable[[], int]:
        fresh = replace(_long(instructions))  # what engines make of an image they keep for that very image
        return _doing(lambda: Machine(fresh, engine=_ENGINE))

    return {"it": Job(prepare)}


def _collecting(words: int) -> Mapping[str, Job[int]]:
    """Frames that collect, and the same frames without."""
    count = min(_GC_WORDS // words, _MOST_GC_FRAMES)

    def frames(*, collect: bool) -> Job[int]:
        @cache
        def machine() -> Machine:
            made = Machine(living(words // NODE_WORDS, collect=collect))
            made.run(2)
            return made

        return Job(lambda: _doing(lambda: machine().run(count), count))

    return {"with": frames(collect=True), "without": frames(collect=False)}


def _replaying(frames: int) -> Mapping[str, Job[int]]:
    @cache
    def recorded() -> tuple[Trace, Image]:
        (pong,) = (game for game in GAMES if game.name == "pong")
        image = load(pong.folder)
        return record(image, recorded_inputs(pong, frames), engine=_ENGINE), image

    return {"it": Job(lambda: _doing(lambda: replay(*recorded(), engine=_ENGINE)))}


def _batching(machines: int) -> Mapping[str, Job[int]]:
    def prepare() -> Callable[[], int]:
        (pong,) = (game for game in GAMES if game.name == "pong")
        batch = Batch(load(pong.folder), machines, engine=_ENGINE, threads=1)
        batch.run(1)
        return _doing(lambda: batch.run(_BATCH_FRAMES))

    return {"it": Job(prepare)}


_INSTRUCTIONS = {FULL: (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000), SMALL: (200, 400)}
STUDIES = (
    Study(name="verify", title="Proving a program", unit="instruction", sizes=_INSTRUCTIONS, jobs=_verifying),
    Study(name="lower", title="Lowering a program for the interpreter", unit="instruction", sizes=_INSTRUCTIONS, jobs=_lowering),
    Study(name="collect", title="Pause of a collection", unit="live word",
          sizes={FULL: (3_000, 9_000, 30_000, 90_000, 300_000, 600_000), SMALL: (3_000, 30_000)}, jobs=_collecting,
          seconds=lambda taken: taken["with"] - taken["without"]),
    Study(name="replay", title="Replaying pong", unit="frame",
          sizes={FULL: (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000), SMALL: (10, 100)}, jobs=_replaying),
    Study(name="batch", title=f"{_BATCH_FRAMES} frames of pong in a batch, on one thread", unit="machine",
          sizes={FULL: (1, 3, 10, 30, 100, 300), SMALL: (1, 3)}, jobs=_batching),
)  # fmt: skip


# ---- for people ----------------------------------------------------------------------------------------------------


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The object as a table."""
    yield f"{machine_line(report['machine'])}; size {report['size']}, {report['rounds']} rounds in turn, one core"
    for study in report["studies"]:
        yield ""
        yield f"{study['name']}: {study['title']}; {formula(study)}"
        for point in study["points"]:
            each = point["median_s"] / point["size"]
            yield f"  {point['size']:11,} {study['unit']}s  {point['median_s'] * 1e3:12,.3f} ms  {each * 1e9:10,.1f} ns each"


def formula(study: Mapping[str, Any]) -> str:
    """What was fitted, in words."""
    fixed, each = study["fixed_s"], study["each_s"]
    return (
        f"{fixed * 1e3:.3g} ms and {each * 1e9:,.3g} ns for each {study['unit']} (R² {study['r_squared']:.4f}); "
        f"exponent of the upper half {study['exponent']:.3f}"
    )


def chart(study: Mapping[str, Any]) -> str:
    """One study as SVG, both axes logarithmic, with the fitted law."""
    x = [float(point["size"]) for point in study["points"]]
    y = [1e3 * point["median_s"] for point in study["points"]]
    law = [1e3 * (study["fixed_s"] + study["each_s"] * at) for at in x]
    label = f"{study['unit']}s; exponent {study['exponent']:.2f}, R² {study['r_squared']:.4f}"
    title = f"{study['title']}: ms by {study['unit']}s"
    return line_chart([Line(study["name"], x, y, law)], title=title, x_label=label, y_label="ms", logarithmic=True)
