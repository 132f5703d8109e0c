"""Charts by matplotlib, the same bytes for the same figures; lines and text follow the reader's light or dark page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..contract import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#3b82c4", "#d97706", "#3a9a5b", "#c2477f", "#8b6cc9", "#6b8e23", "#b5533c", "#4b9aa8", "#8a7a5c")
_INK = "#123456"  # stands for the colour of the page's text until the file is written
_DARK = "#1f2328"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pbs",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#888888",
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
}
_INKED = ("axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "text.color", "xtick.color", "ytick.color")
_PAGE_COLORS = "<style>svg{color:#1f2328}@media(prefers-color-scheme:dark){svg{color:#d1d9e0}}</style>"


@dataclass(frozen=True, slots=True)
class Line:
    """Measured points, and the line that was fitted to them, if one was."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    fitted: Sequence[float] | None = None


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    x_label: str,
    y_label: str,
    logarithmic: bool = False,
    ticks: Sequence[str] | None = None,
) -> str:
    """Lines over x, as SVG. ticks: names of x = 0, 1, 2 ... instead of numbers."""
    with _style(_INK):
        figure, axes = _figure(6.4, 3.0)
        for number, line in enumerate(lines):
            _draw(axes, line, COLORS[number % len(COLORS)])
        if logarithmic:
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.minorticks_off()
        else:
            axes.set_ylim(bottom=0)
        if ticks is not None:
            shown = range(0, len(ticks), max(1, (len(ticks) + 11) // 12))
            axes.set_xticks(list(shown), [ticks[i] for i in shown], rotation=30, ha="right")
        axes.set_title(title, loc="left")
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        if len(lines) > 1:
            figure.legend(loc="outside right upper", fontsize=8)
        return _svg(figure)


def _draw(axes: Axes, line: Line, color: str) -> None:
    if line.fitted is not None:
        axes.plot(line.x, line.fitted, color=color, linewidth=1, alpha=0.6)
    axes.plot(line.x, line.y, "o" if line.fitted is not None else "o-", color=color, markersize=4, label=line.name)


def bar_chart(bars: Mapping[str, float], *, title: str, x_label: str, marked: Sequence[str], kind: str) -> bytes:
    """Horizontal bars on a logarithmic scale, the first on top. marked: those that are ours. kind: svg, or png on white."""
    with _style(_INK if kind == "svg" else _DARK):
        figure, axes = _figure(6.4, 0.8 + 0.27 * len(bars))
        names = list(bars)
        colors = [COLORS[1] if name in marked else COLORS[0] for name in names]
        drawn = axes.barh(names, [bars[name] for name in names], color=colors, height=0.7)
        axes.bar_label(drawn, labels=[f"{bars[name]:.2f}" for name in names], padding=3, fontsize=8)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlim(left=0.6 * min(bars.values()), right=2 * max(bars.values()))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.grid(visible=False, axis="y")
        axes.set_title(title, loc="left")
        axes.set_xlabel(x_label)
        return _svg(figure).encode("utf-8") if kind == "svg" else _png(figure)


def require_matplotlib() -> None:
    """Raise UsageError where the package is missing that draws charts."""
    if find_spec("matplotlib") is None:
        raise UsageError("bench_package_missing", subject="matplotlib")


# ---- matplotlib ----------------------------------------------------------------------------------------------------


def _style(ink: str) -> AbstractContextManager[None]:
    require_matplotlib()
    from matplotlib import rc_context

    inked: dict[Any, Any] = dict.fromkeys(_INKED, ink)
    return rc_context({**_STYLE, **inked})


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _png(figure: Figure) -> bytes:
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=144, facecolor="white", metadata={"Software": None})
    return written.getvalue()


def _svg(figure: Figure) -> str:
    written = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(written, format="svg", transparent=True, metadata=nothing)
    text = written.getvalue()
    drawing = text[text.index("<svg") :].replace(_INK, "currentColor")
    drawing = re.sub(r" <metadata>.*?</metadata>\n", "", drawing, flags=re.DOTALL)
    start = drawing.index(">") + 1
    return drawing[:start] + "\n" + _PAGE_COLORS + drawing[start:]
