"""The figures of a run as the table in docs/testing.md."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pbs.contract.files import write_bytes
from pbs.contract.release import VERSION

BEGIN, END = (
    "<!-- figures: written by `python -m tests.proof soak --page docs/testing.md` -->\n",
    "<!-- end of figures -->\n",
)


def table(report: Mapping[str, Any], command: str) -> str:
    """The run as Markdown."""
    where = f"{platform.python_implementation()} {platform.python_version()} on {platform.machine()}"
    lines = [
        f"Last run: `{command}`, release {VERSION}, {where}: {report['failures']} failures in {report['wall_s']:.0f} s.",
        "",
        "| id | promise | counted | CPU s |",
        "|---|---|---|---|",
    ]
    for row in report["checks"].values():
        counted = ", ".join(f"{count:,} {name}" for name, count in sorted(row["figures"].items()))
        lines.append(f"| {row['id']} | {row['promise']} | {counted or 'nothing'} | {row['cpu_s']:.0f} |")
    return "\n".join(lines) + "\n"


def write(page: Path, report: Mapping[str, Any], command: str) -> None:
    """Put the table between the marks of the page."""
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, mark, tail = rest.partition(END)
    if not mark:
        raise ValueError(f"{page} has no place for figures")
    write_bytes(page, (head + BEGIN + table(report, command) + END + tail).encode())
