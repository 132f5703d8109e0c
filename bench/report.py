"""`pbs bench run`: every benchmark in turn, as one object and as a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..contract import UsageError
from ..contract.notices import notify
from ..contract.release import VERSION
from ..vm.machine import ENGINES
from .benchmark import CARTRIDGE, COST, KERNEL, Benchmark, Outcome
from .benchmarks import choose
from .costs import MORE_WORDS, STATE_WORDS, peak_bytes
from .suite import FULL, SMALL
from .surroundings import machine_line, machine_object
from .timing import Measured, on_one_core, take_turns

DEFAULT_ROUNDS = 5


def run(names: tuple[str, ...], *, engine: str, size: str | None, rounds: int, label: str | None) -> dict[str, Any]:
    """Measure and give the object of `pbs bench run --json`.

    size: full or small; without one, full, but small on the reference, which is some thousand times slower. Raises UsageError
    for unknown names and engines.
    """
    if engine not in ENGINES:
        raise UsageError("engine_unknown", subject=engine, required=", ".join(ENGINES))
    size = size or (SMALL if engine == "reference" else FULL)
    chosen = choose(names, engine, size)
    machine = machine_object()
    notify(f"{len(chosen)} benchmarks in turn, {rounds} rounds and one to warm up, on one core")
    with on_one_core():
        measured = take_turns({benchmark.name: benchmark.job for benchmark in chosen}, rounds)
        peak = peak_bytes(engine) if "start" in measured else None
    return {
        "verb": "bench",
        "action": "run",
        "release": VERSION,
        "label": label or VERSION,
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": machine,
        "engine": engine,
        "size": size,
        "rounds": rounds,
        "benchmarks": [_row(benchmark, measured[benchmark.name]) for benchmark in chosen],
        "peak_bytes": peak,
    }


def _row(benchmark: Benchmark, measured: Measured[Outcome]) -> dict[str, Any]:
    samples, cycles = measured.samples, measured.result.cycles
    return {
        "name": benchmark.name,
        "kind": benchmark.kind,
        "says": benchmark.says,
        "unit": benchmark.unit,
        "units": benchmark.units,
        "ns_per_unit": {
            "median": _per_unit(samples.median, benchmark),
            "least": _per_unit(samples.least, benchmark),
            "greatest": _per_unit(samples.greatest, benchmark),
        },
        "units_per_second": benchmark.units / samples.median,
        "cycles": cycles,
        "cycles_per_second": None if cycles is None else cycles / samples.median,
        "clock": benchmark.job.clock,
        "seconds": list(samples.seconds),
    }


def _per_unit(seconds: float, benchmark: Benchmark) -> float:
    return seconds / benchmark.units * 1e9


def per_64_kib(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, float] | None:
    """Nanoseconds that 64 KiB more of guest data take in a `snapshot` or a `digest`: a part of the difference, round by round.

    None where not both rows are there.
    """
    found = {row["name"]: row for row in rows}
    if not {name, f"{name}-more"} <= found.keys():
        return None
    base, more = found[name], found[f"{name}-more"]
    times = base["units"] * MORE_WORDS / STATE_WORDS
    each = [(b - a) / times * 1e9 for a, b in zip(base["seconds"], more["seconds"], strict=True)]
    return {"median": statistics.median(each), "least": min(each), "greatest": max(each)}


# ---- for people ----------------------------------------------------------------------------------------------------


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The object as tables."""
    rows = {kind: [row for row in report["benchmarks"] if row["kind"] == kind] for kind in (KERNEL, CARTRIDGE, COST)}
    yield f"PBS {report['release']}, engine {report['engine']}, size {report['size']}, {report['rounds']} rounds"
    yield machine_line(report["machine"])
    if rows[KERNEL]:
        yield from _kernels(rows[KERNEL])
    if rows[CARTRIDGE]:
        yield from _cartridges(rows[CARTRIDGE])
    if rows[COST]:
        yield from _costs(rows[COST])
    if report["peak_bytes"] is not None:
        yield f"{'memory':10}  {report['peak_bytes'] / 1e6:7,.1f} MB  most that a process playing pong holds"


def _kernels(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield ""
    yield f"{'kernel':10}  {'ns a unit':>10}  {'spread':>17}  {'Mcycles/s':>9}  {'unit':14}  stresses"
    for row in rows:
        ns = row["ns_per_unit"]
        yield (
            f"{row['name']:10}  {ns['median']:10,.2f}  {_spread(ns, 1, 2)}  {row['cycles_per_second'] / 1e6:9,.0f}  "
            f"{row['unit']:14}  {row['says']}"
        )
    middle = statistics.geometric_mean(row["ns_per_unit"]["median"] for row in rows)
    yield f"{'geomean':10}  {middle:10,.2f}"


def _cartridges(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield ""
    yield f"{'cartridge':10}  {'frames/s':>10}  {'us a frame':>17}  {'Mcycles/s':>9}  cycles a frame"
    for row in rows:
        yield (
            f"{row['name']:10}  {row['units_per_second']:10,.0f}  {_spread(row['ns_per_unit'], 1e3, 2)}  "
            f"{row['cycles_per_second'] / 1e6:9,.0f}  {row['cycles'] / row['units']:,.0f}"
        )


def _costs(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield ""
    yield f"{'cost':13}  {'us a unit':>10}  {'spread':>17}  {'unit':11}  of what"
    for row in rows:
        ns = row["ns_per_unit"]
        yield f"{row['name']:13}  {ns['median'] / 1e3:10,.2f}  {_spread(ns, 1e3, 2)}  {row['unit']:11}  {row['says']}"
    for name in ("snapshot", "digest"):
        each = per_64_kib(rows, name)
        if each is not None:
            says = f"of data more in a {name}: 1/16 of what 1 MiB adds"
            yield f"{'':13}  {each['median'] / 1e3:10,.2f}  {_spread(each, 1e3, 2)}  {'64 KiB':11}  {says}"


def _spread(ns: Mapping[str, float], scale: float, digits: int) -> str:
    text = f"{ns['least'] / scale:,.{digits}f}..{ns['greatest'] / scale:,.{digits}f}"
    return f"{text:>17}"
