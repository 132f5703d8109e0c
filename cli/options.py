"""Options that several verbs take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
ENGINE = click.option(
    "--engine",
    default="auto",
    metavar="NAME",
    envvar="PBS_ENGINE",
    help="reference (plain Python, exact, slow), interpreter, compiled (all of it, first), or auto: compiles what is run often.",
)
SEED = click.option("--seed", type=int, default=0, show_default=True, help="Where random numbers start.")
MAX_TICKS = click.option(
    "--max-ticks",
    type=click.IntRange(1, 1 << 20),
    default=600,
    show_default=True,
    help="Host ticks that one frame may take.",
)
VIEW = click.option(
    "--view",
    type=click.Choice(["auto", "window", "term", "none"]),
    default=None,
    envvar="PBS_VIEW",
    help="What to show the screen on. auto takes a window, else the terminal, else none.",
)
INPUT = click.option(
    "--input", "script", metavar="FILE", help="Take the player's input from a script (docs/formats.md)."
)
SCREENSHOT = click.option("--screenshot", metavar="FILE", help="Save the last screen as a PNG file.")


def playing_options(command: _Command) -> _Command:
    """What `run` and `record` have in common."""
    for option in (SCREENSHOT, MAX_TICKS, SEED, INPUT, VIEW, ENGINE, JSON):
        command = option(command)
    return command
