"""The page of figures, performance.md, from what `make performance` measured: docs/figures/*.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pbs.bench.costs import SNAPSHOT_BYTES
from pbs.bench.growth import formula
from pbs.bench.metering import cost
from pbs.bench.report import per_64_kib
from pbs.bench.surroundings import machine_line

FIGURES = Path(__file__).parent / "figures"
NOTE = "<!-- Made by docs/performance.py from docs/figures. `make performance` measures again, `make docs` writes it again. -->"
Result = Mapping[str, Any]


def performance() -> Iterator[str]:
    run, start, state, peers, metering, growth = map(_result, ("run", "start", "state", "peers", "metering", "growth"))
    yield NOTE
    yield "# Performance\n"
    yield f"Release {run['release']}, measured {run['at'][:10]} on {machine_line(run['machine'])}. Times are"
    yield "processor time where nothing else is said, ratios come from one run in which all took turns, and another day gives other"
    yield "figures, by a tenth or so. `make performance` measures everything on this page again.\n"
    yield from bars(run, start, state, peers, metering)
    yield from race(peers)
    yield from own(run, start, state)
    yield from metered(metering)
    yield from grown(growth)
    yield from method()


def _result(name: str) -> Result:
    found: Result = json.loads((FIGURES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join(['---', *['---:'] * (len(head) - 1)])}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


# ---- bars ----------------------------------------------------------------------------------------------------------


def bars(run: Result, start: Result, state: Result, peers: Result, metering: Result) -> Iterator[str]:
    yield "## Bars\n"
    yield "What was promised, and what is. Ratios are geometric means over fib, collatz, sieve, mandel, matmul and mix, with the"
    yield "smallest and the greatest of the rounds; our engines count cycles. A warm start is processor time, a first run"
    yield "is the time that one waits for it, on all cores: it begins on the reference, and two processes compile meanwhile.\n"
    race_, costs = "`pbs bench peers`", "`pbs bench run`"
    starts = "`pbs bench run start first first-wait core-wait`"
    states = "`pbs bench run snapshot snapshot-more digest digest-more`"
    yield from table(
        ("figure", "must", "aim", "measured", "command"),
        [
            ("interpreter / wasm3", "≤ 0.50", "≤ 0.40", _ratio(peers, "pbs interpreter", "wasm3"), race_),
            ("interpreter / gcc -O2", "≤ 6", "≤ 5", _ratio(peers, "pbs interpreter", "gcc -O2"), race_),
            ("compiled / gcc -O2", "≤ 1.35", "≤ 1.2", _ratio(peers, "pbs compiled", "gcc -O2"), race_),
            ("compiled / wasmtime without fuel", "≤ 1.05", "< 0.95", _ratio(peers, "pbs compiled", "wasmtime"), race_),
            ("metering cost in the compiled tier", "≤ 20 %", "≤ 8 %", _metering(metering), "`python -m pbs.bench.metering`"),
            ("compile, per 1,000 instructions, lean", "≤ 120 ms", "60 ms", f"{_ns(run, 'lean') / 1e3:.0f} ms", costs),
            ("compile, per 1,000 instructions, all passes", "≤ 400 ms", "250 ms", f"{_ns(run, 'full') / 1e3:.0f} ms", costs),
            ("verify + lower, per 1,000 instructions", "≤ 10 ms", "3 ms",
             f"{(_ns(run, 'verify') + _ns(run, 'lower')) / 1e3:.1f} ms", costs),
            ("`pbs run` warm, whole process, 1 frame", "≤ 0.25 s", "≤ 0.12 s", _seconds(start, "start"), starts),
            ("first ever run, nothing cached", "≤ 3 s", "≤ 1.5 s", _seconds(start, "first-wait"), starts),
            ("... on the interpreter, which is made before it begins", "", "", _seconds(start, "core-wait"), starts),
            ("snapshot + digest of 64 KiB of state, as 1/16 of what 1 MiB adds", "≤ 10 µs", "≤ 3 µs",
             f"{_more(state, 'snapshot')} + {_more(state, 'digest')} µs", states),
            (f"... of a whole machine, {SNAPSHOT_BYTES:,} bytes with both screens", "", "",
             f"{_ns(state, 'snapshot') / 1e3:.1f} + {_ns(state, 'digest') / 1e3:.1f} µs", states),
            ("pong, one core, devices and digest included", "≥ 20,000", "≥ 60,000",
             f"{_row(run, 'pong')['units_per_second']:,.0f} frames/s", costs),
            ("batch on 2 cores against 1", "≥ 1.8", "1.95", "[batches](batch.md#speed)", "`python -m pbs.bench.batches`"),
        ],
    )  # fmt: skip


def _row(report: Result, name: str) -> Result:
    rows: list[Result] = [row for row in report["benchmarks"] if row["name"] == name]
    return rows[0]


def _ns(report: Result, name: str) -> float:
    median: float = _row(report, name)["ns_per_unit"]["median"]
    return median


def _more(state: Result, name: str) -> str:
    each = per_64_kib(state["benchmarks"], name)
    assert each is not None
    return f"{each['median'] / 1e3:.2f}"


def _seconds(report: Result, name: str) -> str:
    spread = _row(report, name)["ns_per_unit"]
    return f"{spread['median'] / 1e9:.2f} s ({spread['least'] / 1e9:.2f}..{spread['greatest'] / 1e9:.2f})"


def _metering(report: Result) -> str:
    mean = report["geomean"]
    return f"{cost(mean['median'])} ({cost(mean['least'])}..{cost(mean['greatest'])})"


def _ratio(peers: Result, name: str, base: str) -> str:
    for row in peers["peers"]:
        for ratio in row["ratios"]:
            if (row["name"], ratio["to"]) == (name, base):
                return f"{ratio['median']:.2f} ({ratio['least']:.2f}..{ratio['greatest']:.2f})"
    return "not measured"


# ---- the race ------------------------------------------------------------------------------------------------------


def race(peers: Result) -> Iterator[str]:
    yield "## Peers\n"
    yield "Nanoseconds a unit of each kernel, as one writes it in the source: a call, a step, a store. All come to equal results."
    yield "What to know of the peers stands in [their folder](../bench/peers/sources/README.md).\n"
    yield "![geometric means of all peers](figures/peers.svg)\n"
    heads = [*peers["kernels"], "geomean", *(f"x {ratio['to']}" for ratio in peers["peers"][0]["ratios"])]
    yield from table(("", *heads), (_peer(row) for row in peers["peers"]))
    yield f"{peers['rounds']} rounds in turn; those that count what they execute are marked with \\*."
    for row in peers["missing"]:
        yield f"Not here: {row['name']}."
    yield ""


def _peer(row: Result) -> tuple[str, ...]:
    figures = [f"{figure['ns_per_unit']['median']:.2f}" for figure in row["kernels"]]
    name = f"**{row['name']}**" if row["ours"] else row["name"]
    ratios = [f"{ratio['median']:.2f}" for ratio in row["ratios"]]
    return (name + (" \\*" if row["metered"] else ""), *figures, f"{row['geomean_ns']:.2f}", *ratios)


# ---- our own -------------------------------------------------------------------------------------------------------


def own(run: Result, start: Result, state: Result) -> Iterator[str]:
    yield "## Kernels, cartridges, costs\n"
    yield f"Engine {run['engine']}, medians of {run['rounds']} rounds, with the fastest and the slowest.\n"
    rows = {kind: [row for row in run["benchmarks"] if row["kind"] == kind] for kind in ("kernel", "cartridge", "cost")}
    yield from table(
        ("kernel", "ns a unit", "spread", "million cycles/s"),
        ((row["name"], *_spread(row, 1), f"{row['cycles_per_second'] / 1e6:,.0f}") for row in rows["kernel"]),
    )
    yield from table(
        ("cartridge", "frames/s", "µs a frame", "spread", "cycles a frame"),
        (
            (row["name"], f"{row['units_per_second']:,.0f}", *_spread(row, 1e3), f"{row['cycles'] / row['units']:,.0f}")
            for row in rows["cartridge"]
        ),
    )
    apart = [*state["benchmarks"], *start["benchmarks"]]
    costs = [*(row for row in rows["cost"] if row["name"] not in {row["name"] for row in apart}), *apart]
    yield from table(
        ("cost of a ...", "µs", "spread", "of what"),
        ((f"{row['name']}: {row['unit']}", *_spread(row, 1e3), row["says"]) for row in costs),
    )
    if start["peak_bytes"] is not None:
        yield f"A process that plays pong holds at most {start['peak_bytes'] / 1e6:,.0f} MB.\n"


def _spread(row: Result, scale: float) -> tuple[str, str]:
    ns = row["ns_per_unit"]
    return f"{ns['median'] / scale:,.2f}", f"{ns['least'] / scale:,.2f}..{ns['greatest'] / scale:,.2f}"


# ---- metering ------------------------------------------------------------------------------------------------------


def metered(metering: Result) -> Iterator[str]:
    yield "## Metering\n"
    yield "`python -m pbs.bench.metering`. How much longer compiled code takes than the same code that neither pays for its blocks"
    yield "nor asks whether it can. Only this command makes such code."
    yield f"Medians of {metering['rounds']} rounds in turn, with the least and the greatest.\n"
    yield from table(
        ("kernel", "metering", "spread"),
        (
            (row["name"], cost(row["median"]), f"{cost(row['least'])}..{cost(row['greatest'])}")
            for row in [*metering["kernels"], {"name": "geomean", **metering["geomean"]}]
        ),
    )


# ---- growth --------------------------------------------------------------------------------------------------------


def grown(growth: Result) -> Iterator[str]:
    yield "## Growth\n"
    yield "`pbs bench growth --charts DIR`. The law that is fitted is a fixed cost and a constant for each unit; R² is how"
    yield "much of the differences between the logarithms it explains; the exponent is that of the upper half of the sizes alone,"
    yield "1 where growth is in proportion. Engine interpreter; medians of two or three rounds.\n"
    yield "Proving gets dearer by half towards a million instructions because Python's collector of cycles walks through all that"
    yield "was proved so far, again and again; without it an instruction costs the same at every size.\n"
    for study in growth["studies"]:
        yield f"### {study['title']}\n"
        yield f"{formula(study)}.\n"
        yield f"![{study['title']}, by {study['unit']}s](figures/{study['name']}.svg)\n"
        yield from table(
            (f"{study['unit']}s", "ms", "ns each"),
            (
                (f"{p['size']:,}", f"{1e3 * p['median_s']:,.3f}", f"{1e9 * p['median_s'] / p['size']:,.1f}")
                for p in study["points"]
            ),
        )


# ---- method --------------------------------------------------------------------------------------------------------


def method() -> Iterator[str]:
    yield """## How it is measured

- Everything runs on one core, and takes turns: A B C, A B C. What disturbs one disturbs all, and ratios of one run hold on a
  busy machine where times of two runs do not.
- Times are processor time of the process that runs, after a round to warm up; for a start of `pbs`
  that of the whole process and those that it started, which on an idle machine is its wall time or, where two compile at
  once, more.
- Results are checked: each kernel's against a number that every language agrees on, cycles from round to round. Where two
  releases differ in a result, in a frame's digest or in its cycles, `pbs bench compare` refuses to compare them.
- `pbs bench compare` gives the ratio of the medians, and its interval by a bootstrap: rounds are drawn as pairs, ten thousand
  times, always the same draws, and the middle 95 % of the ratios make the interval. Each release runs in several processes,
  since where code lies in memory differs from one to the next. A release is slower where a whole interval lies above the
  threshold; the exit code is then 8.
- No test asks how long anything takes."""
