"""`pbs bench`: how fast it is, against whom, and against which release."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from ..contract import PbsError, UsageError
from ..contract.diagnostics import text
from .options import JSON
from .output import complain, keep_apart, print_json, say, write_output

ROUNDS = click.option(
    "--rounds", type=click.IntRange(1, 1000), default=5, show_default=True, help="How often each is timed, in turn."
)
SIZE = click.option(
    "--size",
    type=click.Choice(["full", "small"]),
    help="How long one run is. small is for slow engines and for trying out.",
)
ENGINE = click.option("--engine", default="auto", show_default=True, metavar="NAME", help="As for pbs run.")


@click.group(epilog="Every one of them takes --json.")
def command() -> None:
    """Measure: this machine's engines, other languages beside them, releases against each other."""


@command.command("run")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@ENGINE
@SIZE
@ROUNDS
@click.option("--label", help="What the history calls this result; without it, the release.")
@click.option("--history", metavar="FILE", help="Append the result to FILE, a JSON line.")
@JSON
def run(
    names: tuple[str, ...],
    engine: str,
    size: str | None,
    rounds: int,
    label: str | None,
    history: str | None,
    as_json: bool,
) -> int:
    """Time kernels, cartridges, and what single steps cost; or only those that are named.

    All take turns on one core. Medians, with the fastest and slowest round. `first`, a start with nothing compiled before,
    runs only when named.
    """
    from ..bench import history as kept
    from ..bench import report

    if history is not None:
        kept.check(Path(history))  # before minutes have passed
    result = report.run(names, engine=engine, size=size, rounds=rounds, label=label)
    if history is not None:
        kept.append(Path(history), result)
    _show(result, report.lines(result), as_json=as_json)
    return 0


@command.command("peers")
@click.argument("kernels", nargs=-1, metavar="[KERNEL]...")
@click.option("--only", "peers", multiple=True, metavar="PEER", help="Race only that peer; may be given several times.")
@SIZE
@ROUNDS
@click.option("--chart", metavar="FILE", help="Draw the geometric means: NAME.svg or NAME.png.")
@JSON
def peers(
    kernels: tuple[str, ...], peers: tuple[str, ...], size: str | None, rounds: int, chart: str | None, as_json: bool
) -> int:
    """Run the same kernels in every other language that is here, and say which are missing and how to install each.

    Nanoseconds a unit; each takes its turn in every round, on one core, and must come to the same result: else the exit
    code is 6.
    """
    from ..bench.peers import report

    kind = None if chart is None else _chart_kind(chart)
    result = report.run(kernels, peers, size=size, rounds=rounds)
    if chart is not None and kind is not None:
        write_output(chart, report.chart(result, kind), as_json=as_json)
    _show(result, report.lines(result), as_json=as_json)
    return 0


@command.command("compare")
@click.argument("a")
@click.argument("b")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 100_000),
    default=5.0,
    show_default=True,
    help="Per cent that B may be slower.",
)
@click.option("--repository", metavar="DIR", default=".", help="Where git revisions are looked up; without it, here.")
@ENGINE
@SIZE
@click.option(
    "--rounds", type=click.IntRange(5, 1000), default=15, show_default=True, help="How often each is timed, in turn."
)
@JSON
def compare(
    a: str,
    b: str,
    names: tuple[str, ...],
    threshold: float,
    repository: str,
    engine: str,
    size: str | None,
    rounds: int,
    as_json: bool,
) -> int:
    """Time release B against release A, on kernels and cartridges, or on those that are named.

    A release is a wheel (FILE.whl), a git revision, a version (==0.1.0), a Python that has PBS (its file, or the folder of
    its environment), or `installed`. Where results, cycles or any frame's digest differ nothing is compared, and the exit
    code is 6. It is 8 where B is slower: where a whole 95 % interval lies beyond the threshold.
    """
    from ..bench.compare import report

    result = report.run(
        (a, b), names, repository=Path(repository), engine=engine, size=size, rounds=rounds, threshold=threshold / 100
    )
    _show(result, report.lines(result), as_json=as_json)
    if not result["slower"]:
        return 0
    error = PbsError("release_slower", subject=b, details={"where": ", ".join(result["slower"])})
    complain(f"pbs: {text(error)}")
    return error.exit_code


@command.command("growth")
@click.argument("studies", nargs=-1, metavar="[STUDY]...")
@click.option("--charts", metavar="DIR", help="Draw each study: DIR/STUDY.svg.")
@SIZE
@click.option(
    "--rounds", type=click.IntRange(1, 1000), default=3, show_default=True, help="How often each is timed, in turn."
)
@JSON
def growth(studies: tuple[str, ...], charts: str | None, size: str | None, rounds: int, as_json: bool) -> int:
    """Measure how costs grow: verify and lower with the program, collect with live words, replay with frames, batch with machines.

    Each with a law fitted to it, a fixed cost and a constant for each unit, how well it holds, and the exponent of the growth.
    """
    from ..bench import growth as grown
    from ..bench.charts import require_matplotlib

    if charts is not None:
        require_matplotlib()
    result = grown.run(studies, size=size, rounds=rounds)
    if charts is not None:
        for study in result["studies"]:
            write_output(
                os.path.join(charts, f"{study['name']}.svg"), grown.chart(study).encode("utf-8"), as_json=as_json
            )
    _show(result, grown.lines(result), as_json=as_json)
    return 0


@command.command("page")
@click.argument("history")
@click.argument("output")
@JSON
def page(history: str, output: str, as_json: bool) -> int:
    """Draw HISTORY, as `pbs bench run --history` writes it, on a static page: OUTPUT, usually NAME.html."""
    from ..bench import history as kept
    from ..bench.page import page as drawn

    results = kept.read(Path(history))
    keep_apart(output, history)
    write_output(output, drawn(results).encode("utf-8"), as_json=as_json)
    if as_json:
        print_json("bench", {"verb": "bench", "action": "page", "results": len(results), "output": output})
    elif output != "-":
        say(f"{output}: {len(results)} results")
    return 0


def _chart_kind(path: str) -> str:
    """Svg or png, by the name, once it is sure that the chart can be drawn."""
    from ..bench.charts import require_matplotlib

    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in ("svg", "png"):
        raise UsageError("usage", subject=path, required="a name that ends with .svg or .png")
    require_matplotlib()
    return kind


def _show(result: dict[str, Any], lines: Any, *, as_json: bool) -> None:
    if as_json:
        print_json("bench", result)
        return
    for line in lines:
        say(line) if line.strip() else say()
