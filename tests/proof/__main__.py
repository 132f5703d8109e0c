"""`python -m tests.proof soak [CHECK ...] [--scale test] [--jobs N] [--json FILE [--resume]]`, and `fuzz --seconds S --seed N`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from . import page, report
from .checks import CHECKS, Scale
from .shards import outcomes

FAILED = 1


def main() -> int:
    """Run what was asked for; 0 when every promise held."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof")
    verbs = parser.add_subparsers(required=True)
    soak = verbs.add_parser("soak", help="run checks at full scale")
    soak.add_argument("checks", nargs="*", metavar="CHECK", help="all, or some of: " + " ".join(CHECKS))
    soak.add_argument("--scale", choices=[s.value for s in Scale], default=Scale.SOAK.value)
    soak.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes at a time")
    soak.add_argument("--json", type=Path, metavar="FILE", help="write what was counted, after each part of a check")
    soak.add_argument("--resume", action="store_true", help="go on with what FILE says, where the sources are the same")
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
    if getattr(options, "resume", False) and not options.json:
        parser.error("--resume needs --json FILE")
    status: int = options.run(options)
    return status


def _soak(options: argparse.Namespace) -> int:
    scale, names, start = Scale(options.scale), options.checks or list(CHECKS), time.monotonic()
    earlier = report.read(options.json) if options.resume else None
    # Told to end, it leaves as any Python does, which ends the processes of the parts too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    found = report.begin(scale, names, earlier, report.sources())
    for part, outcome in outcomes(report.left(found, names), scale, options.jobs):
        report.add(found, part, outcome)
        if options.json:
            report.write(options.json, found)
        print(f"{part[0]} {part[1]}: {outcome[1] or found['checks'][part[0]]['figures']}", flush=True)
    if options.page:
        page.write(options.page, found)
    failures = report.failures(found)
    print(f"{failures} failures in {time.monotonic() - start:.1f} s")
    return FAILED if failures else 0


def _fuzz(options: argparse.Namespace) -> int:
    from .differential import fuzz

    return fuzz(seconds=options.seconds, seed=options.seed, keep=options.keep)


if __name__ == "__main__":
    sys.exit(main())
