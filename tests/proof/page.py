"""The figures of a run as a table in docs/testing.md, which has a place for each scale."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pbs.contract.files import write_bytes


def marks(scale: str) -> tuple[str, str]:
    """The lines of the page around the figures of that scale."""
    command = f"python -m tests.proof soak --scale {scale} --page docs/testing.md"
    return f"<!-- figures of {scale}: written by `{command}` -->\n", f"<!-- end of figures of {scale} -->\n"


def table(report: Mapping[str, Any]) -> str:
    """The run as Markdown."""
    rows = report["checks"].values()
    where = ", ".join(dict.fromkeys(f"release {row['release']}, {row['where']}" for row in rows))
    failures, spent = sum(len(row["failures"]) for row in rows), sum(row["cpu_s"] for row in rows)
    lines = [
        f"{where}: {failures} failures in {spent:,.0f} CPU seconds.",
        "",
        "| id | promise | counted | parts | CPU s | sources |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        counted = ", ".join(f"{count:,} {name}" for name, count in sorted(row["figures"].items())) or "nothing"
        parts = f"{len(row['done'])} of {row['parts']}"
        cells = (row["id"], row["promise"], counted, parts, f"{row['cpu_s']:,.0f}", f"`{row['sources'][:8]}`")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write(page: Path, report: Mapping[str, Any]) -> None:
    """Put the table between the marks of its scale."""
    text, (begin, end) = page.read_text(encoding="utf-8"), marks(report["scale"])
    head, _, rest = text.partition(begin)
    _, mark, tail = rest.partition(end)
    if not mark:
        raise ValueError(f"{page} has no place for figures of that scale")
    write_bytes(page, (head + begin + table(report) + end + tail).encode())
