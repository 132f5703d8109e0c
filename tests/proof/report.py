"""What the checks have counted, kept in a file after each part so that a run that was stopped can go on.

Each check's figures say which sources they belong to. A run goes on only with figures of the same sources; what failed is tried
again.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pbs.contract.files import write_bytes
from pbs.contract.release import VERSION

from .checks import CHECKS, Scale, find
from .shards import Outcome, Part

ROOT = Path(__file__).resolve().parents[2]
HARNESS = ("tests/proof", "tests/support", "tests/unit/vm/world.py", "constraints.txt")
KINDS = {".py", ".txt", ".yaml", ".json", ".pbasm", ".pbx", ".pbt", ".inputs"}

Report = dict[str, Any]


def sources() -> str:
    """A digest of the package, of what tries it, and of the versions that it is pinned to."""
    rooms = sorted(link.resolve() for link in (ROOT / "src" / "pbs").iterdir() if link.is_dir())
    digest = hashlib.sha256()
    for top in (*rooms, ROOT / "src" / "pbs" / "__init__.py", *(ROOT / name for name in HARNESS)):
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.suffix in KINDS:
                data = path.read_bytes()
                digest.update(f"{path.relative_to(ROOT).as_posix()}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def begin(scale: Scale, names: Iterable[str], earlier: Report | None, digest: str) -> Report:
    """A report on these checks and on those of an earlier one, whose figures of the same sources count."""
    known: Report = earlier["checks"] if earlier and earlier["scale"] == scale.value else {}
    rows = {name: known.get(name) for name in CHECKS if name in known or name in names}
    for name in names:
        row = rows[name]
        if row is None or row["sources"] != digest or row["parts"] != find(name).SHARDS[scale]:
            rows[name] = _nothing(name, scale, digest)
        else:
            row["failures"] = []
    return {"scale": scale.value, "checks": rows}


def _nothing(name: str, scale: Scale, digest: str) -> Report:
    return {
        "id": CHECKS[name][0],
        "promise": CHECKS[name][1],
        "release": VERSION,
        "sources": digest,
        "where": f"{platform.python_implementation()} {platform.python_version()} on {platform.machine()}",
        "parts": find(name).SHARDS[scale],
        "done": [],
        "figures": {},
        "cpu_s": 0.0,
        "failures": [],
    }


def left(report: Report, names: Iterable[str]) -> list[Part]:
    """The parts of these checks that are still to be tried, in the order of the names."""
    rows = report["checks"]
    return [
        (name, i, rows[name]["parts"])
        for name in names
        for i in range(rows[name]["parts"])
        if i not in rows[name]["done"]
    ]


def add(report: Report, part: Part, outcome: Outcome) -> None:
    """Count what came of a part."""
    row, (figures, failure, spent) = report["checks"][part[0]], outcome
    row["cpu_s"] = round(row["cpu_s"] + spent, 1)
    if failure:
        row["failures"].append(failure)
    else:
        row["done"] = sorted([*row["done"], part[1]])
        row["figures"] = dict(sorted((Counter(row["figures"]) + Counter(figures)).items()))


def failures(report: Report) -> int:
    """How many parts disproved something."""
    return sum(len(row["failures"]) for row in report["checks"].values())


def read(path: Path) -> Report | None:
    """The report in that file, if there is one."""
    return json.loads(path.read_bytes()) if path.exists() else None


def write(path: Path, report: Report) -> None:
    """Put it into a file."""
    write_bytes(path, (json.dumps(report, indent=2) + "\n").encode())
