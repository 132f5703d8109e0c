"""A history as one static page: tables and plots, nothing loaded from anywhere, readable in light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from .benchmark import CARTRIDGE, COST, KERNEL
from .charts import Line, line_chart
from .surroundings import machine_line

_CSS = """
:root { color-scheme: light dark; --ink: #1f2328; --paper: #ffffff; --rule: #d1d9e0; --quiet: #59636e; }
@media (prefers-color-scheme: dark) { :root { --ink: #d1d9e0; --paper: #0d1117; --rule: #30363d; --quiet: #9198a1; } }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, sans-serif; }
svg { max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid var(--rule); text-align: right; }
th:first-child, td:first-child { text-align: left; }
p, th { color: var(--quiet); }
"""
_SECTIONS = (
    (KERNEL, "Kernels", "ns a unit", "ns_per_unit", 1.0),
    (CARTRIDGE, "Cartridges", "frames per second", "units_per_second", 1.0),
    (COST, "Costs", "us a unit", "ns_per_unit", 1e-3),
)
_Results = Sequence[Mapping[str, Any]]


def page(results: _Results) -> str:
    """The page. Results of different engines and sizes are different lines of development and stand apart."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault(f"engine {result['engine']}, size {result['size']}", []).append(result)
    return "\n".join(_page(results, groups)) + "\n"


def _page(results: _Results, groups: Mapping[str, _Results]) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width">\n<title>PBS benchmarks</title>'
    yield f"<style>{_CSS}</style>\n</head>\n<body>\n<h1>PBS benchmarks</h1>"
    machines = dict.fromkeys(machine_line(result["machine"]) for result in results)
    yield f"<p>{len(results)} results, {escape(results[0]['at'])} to {escape(results[-1]['at'])}. Medians."
    yield f"Measured on: {escape('; '.join(machines))}.</p>"
    for name, group in groups.items():
        yield f"<h2>{escape(name)}</h2>"
        for kind, title, unit, key, scale in _SECTIONS:
            yield from _section(group, kind, title, unit, key, scale)
    yield "</body>\n</html>"


def _section(group: _Results, kind: str, title: str, unit: str, key: str, scale: float) -> Iterator[str]:
    names = list(dict.fromkeys(row["name"] for result in group for row in result["benchmarks"] if row["kind"] == kind))
    if not names:
        return
    values = {name: [_value(result, name, key, scale) for result in group] for name in names}
    labels = [result["label"] for result in group]
    yield f"<h3>{title}, {unit}</h3>"
    if kind == COST:  # from microseconds to seconds: each for itself
        for name in names:
            yield _chart({name: values[name]}, labels, f"{name}, {unit}", unit)
    else:
        yield _chart(values, labels, f"{title}, {unit}", unit)
    yield from _table(values, group)


def _value(result: Mapping[str, Any], name: str, key: str, scale: float) -> float | None:
    for row in result["benchmarks"]:
        if row["name"] == name:
            value: float = row[key]["median"] if key == "ns_per_unit" else row[key]
            return value * scale
    return None


def _chart(values: Mapping[str, list[float | None]], labels: Sequence[str], title: str, unit: str) -> str:
    lines = []
    for name, column in values.items():
        known = [(float(i), value) for i, value in enumerate(column) if value is not None]
        lines.append(Line(name, [x for x, _ in known], [y for _, y in known]))
    return line_chart(lines, title=title, x_label="", y_label=unit, ticks=labels)


def _table(values: Mapping[str, list[float | None]], group: _Results) -> Iterator[str]:
    yield '<div class="scroll"><table>\n<tr><th>label</th><th>at</th>'
    yield "".join(f"<th>{escape(name)}</th>" for name in values) + "</tr>"
    for i, result in enumerate(group):
        cells = "".join(f"<td>{_figure(column[i])}</td>" for column in values.values())
        yield f"<tr><td>{escape(result['label'])}</td><td>{escape(result['at'])}</td>{cells}</tr>"
    yield "</table></div>"


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.2f}"
