"""`python -m tests.mutation [MODULE ...] [--mutants N] [--seed S] [--jobs J]`: exit 0 when every survivor is explained."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import cache
from pathlib import Path
from random import Random

import yaml

from .mutations import Mutant, mutant, places
from .targets import TARGETS
from .trials import KILLED, SURVIVED, TIMED_OUT, observe, prepare, try_all

ROOT = Path(__file__).resolve().parents[2]
EXPLAINED = ROOT / "tests" / "proof" / "survivors.yaml"
IN_COPY = "PBS_MUTATION_FROM"  # set where we run in a copy: the folder that paths of the command are relative to


def main() -> int:
    """Run in a copy of the tree, or make one and run there."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="all, or some of: " + " ".join(TARGETS))
    parser.add_argument("--mutants", type=int, default=0, metavar="N", help="so many, drawn by the seed; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--again", type=Path, metavar="REPORT", help="only the survivors of an earlier report")
    parser.add_argument("--report", type=Path, default=Path("mutants.json"))
    options = parser.parse_args()
    unknown = set(options.modules) - set(TARGETS)
    if unknown:
        parser.error(f"not one of the trusted modules: {' '.join(sorted(unknown))}")
    if IN_COPY not in os.environ:
        return _in_a_copy()
    options.report = Path(os.environ[IN_COPY], options.report)
    options.again = options.again and Path(os.environ[IN_COPY], options.again)
    return _run(options)


def _in_a_copy() -> int:
    """The same command beside a copy of the sources: others may change the tree meanwhile."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="pbs-mutants-") as made:
        copy = Path(made).resolve()
        for name in filter(None, listed.decode().split("\0")):
            if os.path.lexists(ROOT / name):
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PBS_", "PYTHON"))}
        environment |= {IN_COPY: os.getcwd(), "PYTHONPATH": f"{copy}/src", "OPENBLAS_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, "-m", "tests.mutation", *sys.argv[1:]], cwd=copy, env=environment, check=False
        ).returncode


def _run(options: argparse.Namespace) -> int:
    modules = options.modules or list(TARGETS)
    explained = {
        (row["module"], row["line"], becomes)
        for row in yaml.safe_load(EXPLAINED.read_text())
        for becomes in row["becomes"]
    }
    drawn = _survivors_of(options.again) if options.again else _draw(modules, options.mutants, options.seed)
    by_tests: dict[tuple[str, ...], list[Mutant]] = {}
    for one in drawn:
        by_tests.setdefault(TARGETS[one.place.module], []).append(one)
    prepare()
    counts: dict[str, Counter[str]] = {}
    unexplained: list[Mutant] = []
    lost: list[Mutant] = []
    start = time.monotonic()
    for tests, mutants in by_tests.items():
        used = sorted({one.place.module for one in mutants})
        baseline = observe(tests, used)
        print(f"{len(mutants)} mutants, {len(baseline.seconds)} tests: {' '.join(tests)}", flush=True)
        for one, outcome in try_all(mutants, TARGETS.__getitem__, _source, lambda _, it=baseline: it, options.jobs):
            is_explained = (one.place.module, one.line, one.becomes) in explained
            kind = "equivalent" if outcome == SURVIVED and is_explained else outcome
            counts.setdefault(one.place.module, Counter())[kind] += 1
            if outcome == SURVIVED and not is_explained:
                unexplained.append(one)
                print(f"  survived  {one}  [{one.place.operator.rpartition('/')[2]}]", flush=True)
            elif outcome == TIMED_OUT:
                lost.append(one)
        _write(options, counts, unexplained, lost, time.monotonic() - start)
    _print(counts)
    print(f"{len(unexplained)} survivors without an explanation; {time.monotonic() - start:.0f} s; {options.report}")
    return 1 if unexplained else 0


@cache
def _source(module: str) -> str:
    return (ROOT / module).read_text()


def _draw(modules: list[str], count: int, seed: int) -> list[Mutant]:
    """Mutants in the order of the modules; the same sources, modules, count and seed give the same ones."""
    every = sorted(place for module in modules for place in places(module, _source(module)))
    Random(seed).shuffle(every)
    drawn: list[Mutant] = []
    for place in every:
        if count and len(drawn) == count:
            break
        made = mutant(place, _source(place.module))
        if made is not None:
            drawn.append(made)
    return sorted(drawn, key=lambda one: (modules.index(one.place.module), one.place.first, one.place))


def _survivors_of(report: Path) -> list[Mutant]:
    """The mutants that survived, as far as their lines are still there."""
    rows = json.loads(report.read_text())["survivors"]
    wanted = {(row["module"], row["by"], row["line"], row["becomes"]) for row in rows}
    operators = {key[:2] for key in wanted}
    modules = [module for module in TARGETS if any(key[0] == module for key in wanted)]
    every = (place for module in modules for place in places(module, _source(module)))
    made = (mutant(place, _source(place.module)) for place in every if (place.module, place.operator) in operators)
    return [one for one in made if one and (one.place.module, one.place.operator, one.line, one.becomes) in wanted]


def _write(
    options: argparse.Namespace, counts: dict[str, Counter[str]], survivors: list[Mutant],
    lost: list[Mutant], seconds: float,
) -> None:  # fmt: skip
    def row(one: Mutant) -> dict[str, object]:
        place = one.place
        return {
            "module": place.module, "at": place.first, "line": one.line, "becomes": one.becomes, "by": place.operator,
        }  # fmt: skip

    result = {
        "seed": options.seed, "asked": options.mutants, "wall_s": round(seconds, 1), "modules": counts,
        "survivors": [row(one) for one in survivors], "timed_out": [row(one) for one in lost],
    }  # fmt: skip
    options.report.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")


def _print(counts: dict[str, Counter[str]]) -> None:
    kinds = (KILLED, TIMED_OUT, "equivalent", SURVIVED)
    total: Counter[str] = sum(counts.values(), Counter())
    print(f"{'module':28}{'run':>8}" + "".join(f"{kind:>12}" for kind in kinds))
    for name, row in [*sorted(counts.items()), ("all", total)]:
        print(f"{name:28}{sum(row.values()):>8}" + "".join(f"{row[kind]:>12}" for kind in kinds))


if __name__ == "__main__":
    sys.exit(main())
