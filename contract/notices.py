"""Notices: what a person should know while something goes on. To standard error, never part of a result."""

from __future__ import annotations

import sys
from collections.abc import Callable

_LISTENERS: list[Callable[[str], None]] = []


def notify(message: str) -> None:
    """Tell the person in front of the program."""
    if _LISTENERS:
        _LISTENERS[-1](message)
    else:
        print(f"pbs: {message}", file=sys.stderr, flush=True)


class listening:  # noqa: N801 - reads as a clause: `with listening(to):`
    """A context in which notices go to `listener` instead."""

    def __init__(self, listener: Callable[[str], None]) -> None:
        self.listener = listener

    def __enter__(self) -> None:
        _LISTENERS.append(self.listener)

    def __exit__(self, *_: object) -> None:
        _LISTENERS.pop()
