"""`python -m tests.proof soak [CHECK ...] [--scale test] [--json FILE]`, and `fuzz --seconds S --seed N`."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from pbs.contract.files import write_bytes

from . import page
from .checks import CHECKS, Scale, run_shard, shards_of

FAILED = 1


def main() -> int:
    """Run what was asked for; 0 when every promise held."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof")
    verbs = parser.add_subparsers(required=True)
    soak = verbs.add_parser("soak", help="run checks at full scale")
    soak.add_argument("checks", nargs="*", metavar="CHECK", help="all, or some of: " + " ".join(CHECKS))
    soak.add_argument("--scale", choices=[s.value for s in Scale], default=Scale.SOAK.value)
    soak.add_argument("--json", type=Path, metavar="FILE", help="write what was counted")
    soak.add_argument("--page", type=Path, metavar="FILE", help="put the figures into this page")
    soak.set_defaults(run=_soak)
    fuzz = verbs.add_parser("fuzz", help="random programs through all engines for some time")
    fuzz.add_argument("--seconds", type=float, default=60)
    fuzz.add_argument("--seed", type=int, default=0)
    fuzz.add_argument(
        "--keep", type=Path, default=Path("fuzz-failure.pbx"), help="where the smallest failing program goes"
    )
    fuzz.set_defaults(run=_fuzz)
    options = parser.parse_args()
    unknown = set(getattr(options, "checks", ())) - set(CHECKS)
    if unknown:
        parser.error(f"no such check: {' '.join(sorted(unknown))}")
    status: int = options.run(options)
    return status


def _soak(options: argparse.Namespace) -> int:
    scale = Scale(options.scale)
    report: dict[str, Any] = {
        name: {"id": CHECKS[name][0], "promise": CHECKS[name][1], "figures": Counter(), "cpu_s": 0.0, "failures": []}
        for name in options.checks or CHECKS
    }
    start = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = {pool.submit(run_shard, *part, scale): part[0] for part in shards_of(list(report), scale)}
        for done in as_completed(waiting):
            row = report[waiting[done]]
            try:
                figures, failure, spent = done.result()
            except BrokenProcessPool:
                figures, failure, spent = {}, "a process died", 0.0
            row["figures"].update(figures)
            row["cpu_s"] = round(row["cpu_s"] + spent, 1)
            row["failures"] += [failure] if failure else []
            print(f"{waiting[done]}: {failure or dict(row['figures'])}", flush=True)
    failures = sum(len(row["failures"]) for row in report.values())
    result = {
        "scale": scale.value,
        "wall_s": round(time.monotonic() - start, 1),
        "failures": failures,
        "checks": report,
    }
    if options.json:
        write_bytes(options.json, (json.dumps(result, indent=2) + "\n").encode())
    if options.page:
        page.write(options.page, result, " ".join(["python -m tests.proof soak --scale", scale.value, *options.checks]))
    print(f"{failures} failures in {result['wall_s']} s")
    return FAILED if failures else 0


def _fuzz(options: argparse.Namespace) -> int:
    from .differential import fuzz

    return fuzz(seconds=options.seconds, seed=options.seed, keep=options.keep)


if __name__ == "__main__":
    sys.exit(main())
