"""`pbs bench peers`: the race as one object, as a table, as a chart."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ...contract import Diagnostic, UsageError
from ...contract.notices import notify
from ...contract.release import VERSION
from ..charts import bar_chart
from ..suite import FULL, KERNELS, Kernel
from ..surroundings import machine_line, machine_object
from ..timing import Samples
from .race import Race, race
from .rows import PEERS, Peer, our_peers

BASES = ("gcc -O2", "wasm3", "wasmtime")  # whom the others are held against, where they are here


def run(kernel_names: Sequence[str], peer_names: Sequence[str], *, size: str | None, rounds: int) -> dict[str, Any]:
    """Race, and give the object of `pbs bench peers --json`. Without names: all. Raises UsageError for unknown names."""
    everyone = [*our_peers(), *PEERS]
    kernels = _chosen(KERNELS, kernel_names, "benchmark_unknown")
    peers = _chosen(everyone, peer_names, "peer_unknown")
    size = size or FULL
    notify(f"{len(peers)} peers, {len(kernels)} kernels, {rounds} rounds in turn, on one core")
    done = race(peers, kernels, size=size, rounds=rounds)
    if not done.samples:
        raise UsageError("peers_missing", findings=[_missing(peer, reason) for peer, reason in done.absent.items()])
    bases = [peer for name in BASES for peer in done.samples if peer.name == name]
    rows = [_row(peer, done, kernels, size, bases) for peer in done.samples]
    return {
        "verb": "bench",
        "action": "peers",
        "release": VERSION,
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": machine_object(),
        "size": size,
        "rounds": rounds,
        "kernels": [kernel.name for kernel in kernels],
        "peers": sorted(rows, key=lambda row: row["geomean_ns"]),
        "missing": [
            {"name": peer.name, "reason": reason, "install": peer.install} for peer, reason in done.absent.items()
        ],
    }


def _chosen(known: Sequence[Any], names: Sequence[str], code: str) -> list[Any]:
    listed = [one.name for one in known]
    for name in names:
        if name not in listed:
            raise UsageError(code, subject=name, required=", ".join(listed))
    return [one for one in known if not names or one.name in names]


def _missing(peer: Peer, reason: str) -> Diagnostic:
    return Diagnostic(code="peers_missing", subject=peer.name, required=peer.install or None, available=reason)


def _row(peer: Peer, done: Race, kernels: Sequence[Kernel], size: str, bases: Sequence[Peer]) -> dict[str, Any]:
    samples = done.samples[peer]
    figures = [_figure(kernel, samples[kernel], size) for kernel in kernels]
    return {
        "name": peer.name,
        "kind": peer.kind,
        "ours": peer.ours,
        "metered": peer.metered,
        "version": VERSION if peer.ours else peer.release,
        "kernels": figures,
        "geomean_ns": statistics.geometric_mean(figure["ns_per_unit"]["median"] for figure in figures),
        "ratios": [_ratio(base, samples, done.samples[base], kernels) for base in bases],
    }


def _figure(kernel: Kernel, samples: Samples, size: str) -> dict[str, Any]:
    scale = 1e9 / kernel.sizes[size].units
    return {
        "name": kernel.name,
        "ns_per_unit": {
            "median": samples.median * scale,
            "least": samples.least * scale,
            "greatest": samples.greatest * scale,
        },
        "seconds": list(samples.seconds),
    }


def _ratio(
    base: Peer, ours: Mapping[Kernel, Samples], theirs: Mapping[Kernel, Samples], kernels: Sequence[Kernel]
) -> dict[str, Any]:
    """Geometric mean over the kernels of time / time of the base: of medians, and of each round by itself."""
    middle = statistics.geometric_mean(ours[k].median / theirs[k].median for k in kernels)
    rounds = min(len(row[k].seconds) for row in (ours, theirs) for k in kernels)
    each = [
        statistics.geometric_mean(ours[k].seconds[i] / theirs[k].seconds[i] for k in kernels) for i in range(rounds)
    ]
    return {"to": base.name, "median": middle, "least": min(each), "greatest": max(each)}


# ---- for people ----------------------------------------------------------------------------------------------------


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The object as a table: ns a unit of each kernel, then times of whom it is held against."""
    yield f"{machine_line(report['machine'])}; size {report['size']}, {report['rounds']} rounds in turn, one core"
    bases = [ratio["to"] for ratio in report["peers"][0]["ratios"]]
    yield ""
    heads = "".join(f"{name:>9}" for name in report["kernels"])
    yield f"{'ns a unit':16}{heads}{'geomean':>9}" + "".join(f"{'x ' + base:>22}" for base in bases)
    for row in report["peers"]:
        figures = "".join(f"{figure['ns_per_unit']['median']:9,.2f}" for figure in row["kernels"])
        ratios = "".join(f"{_with_spread(ratio):>22}" for ratio in row["ratios"])
        note = "  metered" if row["metered"] else ""
        yield f"{row['name']:16}{figures}{row['geomean_ns']:9,.2f}{ratios}{note}"
    if report["missing"]:
        yield ""
    for row in report["missing"]:
        how = f"; {row['install']}" if row["install"] else ""
        yield f"missing: {row['name']}: {row['reason']}{how}"


def _with_spread(ratio: Mapping[str, Any]) -> str:
    return f"{ratio['median']:.2f} ({ratio['least']:.2f}..{ratio['greatest']:.2f})"


def chart(report: Mapping[str, Any], kind: str) -> bytes:
    """The geometric means as bars, fastest first: times of the first base where there is one. kind: svg or png."""
    rows = report["peers"]
    held = bool(rows[0]["ratios"])
    bars = {row["name"]: row["ratios"][0]["median"] if held else row["geomean_ns"] for row in rows}
    what = f"times of {rows[0]['ratios'][0]['to']}" if held else "ns a unit"
    title = f"{', '.join(report['kernels'])}: geometric mean, {what}"
    marked = [row["name"] for row in rows if row["ours"]]
    return bar_chart(bars, title=title, x_label=f"{what}, less is faster", marked=marked, kind=kind)
