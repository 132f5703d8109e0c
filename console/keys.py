"""What a terminal sends when keys are pressed and the mouse is moved, as events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """A key went down (or repeated); terminals do not say when it goes up. Names are those of `views.KEYS`."""

    name: str


@dataclass(frozen=True, slots=True)
class Mouse:
    """The pointer, in character cells from 0; `down` is whether its button is held."""

    column: int
    row: int
    down: bool


_MOUSE = re.compile(rb"\x1b\[<([0-9]{1,4});([0-9]{1,5});([0-9]{1,5})([Mm])")
_ARROW = re.compile(rb"\x1b[\[O](?:1;[0-9])?([ABCD])")
_OTHER = re.compile(rb"\x1b[\[O][0-?]*[ -/]*[@-~]")
_ARROWS = {b"A": "up", b"B": "down", b"C": "right", b"D": "left"}
_NAMED = {b"\r": "return", b"\n": "return", b" ": "space", b"\x03": "escape", b"\x04": "escape"}
_LEFT_BUTTON, _MOTION = 0, 32
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}|O)?\Z")


def unfinished(data: bytes) -> int:
    """How many bytes at the end may be the beginning of a sequence: a lone Escape, or what follows is still under way."""
    match = _UNFINISHED.search(data)
    return len(data) - match.start() if match else 0


def events(data: bytes) -> Iterator[Key | Mouse]:
    """The events in what was read from the terminal. Unknown sequences are passed over."""
    at = 0
    while at < len(data):
        if match := _MOUSE.match(data, at):
            button, column, row = (int(group) for group in match.groups()[:3])
            if button & ~_MOTION == _LEFT_BUTTON:
                yield Mouse(column - 1, row - 1, match[4] == b"M")
        elif match := _ARROW.match(data, at):
            yield Key(_ARROWS[match[1]])
        elif not (match := _OTHER.match(data, at)):
            byte = data[at : at + 1]
            if byte == b"\x1b":
                yield Key("escape")
            elif byte in _NAMED:
                yield Key(_NAMED[byte])
            elif byte.isalpha():
                yield Key(byte.decode("ascii").lower())
        at = match.end() if match else at + 1
