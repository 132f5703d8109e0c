"""What shows the screen and says what the player does: a window, the terminal, or nothing at all."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from ..contract import UsageError
from ..contract.notices import notify

if TYPE_CHECKING:
    from ..vm import Input
    from .picture import Screen

CHOICES = ("auto", "window", "term", "none")

# Keys, the same in window and terminal. Named as pygame names them.
KEYS = {
    "up": "up",
    "down": "down",
    "left": "left",
    "right": "right",
    "z": "a",
    "x": "b",
    "a": "x",
    "s": "y",
    "q": "l",
    "w": "r",
    "return": "start",
    "space": "select",
}
KEY_HELP = (
    "arrows move, Z is a, X is b, A is x, S is y, Q is l, W is r, Enter is start, Space is select; "
    "the mouse touches; Esc ends"
)


class View(Protocol):
    """Shows screens and samples input, once a frame."""

    name: str

    def show(self, screen: Screen) -> None:
        """Put the screen before the player."""

    def sample(self) -> Input | None:
        """What the player does now; None when they want to end."""

    def close(self) -> None:
        """Leave everything as it was found."""


def open_view(choice: str, title: str) -> View | None:
    """The view that was chosen; None for none. `auto` takes a window, else the terminal, else none, and never fails.

    Raises UsageError("view_unavailable") where the chosen view cannot be had.
    """
    if choice == "none":
        return None
    if choice == "window" or (choice == "auto" and _has_screen() and find_spec("pygame") is not None):
        try:
            return _window(title)
        except UsageError as error:
            if choice == "window":
                raise
            notify(f"no window ({error.diagnostic.details.get('reason', 'unavailable')}); using the terminal")
    if choice == "term" or _is_terminal():
        return _terminal(title)
    return None


def _has_screen() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _window(title: str) -> View:
    if find_spec("pygame") is None:
        reason = "pygame-ce is not installed; pip install 'pbs-machine[window]' brings it"
        raise UsageError("view_unavailable", subject="window", details={"reason": reason})
    from .window import Window

    return Window(title)


def _terminal(title: str) -> View:
    if not _is_terminal():
        raise UsageError(
            "view_unavailable", subject="term", details={"reason": "standard input or output is no terminal"}
        )
    if find_spec("termios") is None:
        raise UsageError(
            "view_unavailable", subject="term", details={"reason": "this system's terminals are not supported"}
        )
    from .term import Terminal

    return Terminal(title)
