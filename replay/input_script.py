"""Input scripts: what a player does, as text. One stretch of frames a line: `COUNT [button ...] [touch X,Y]`; `#` comments."""

from __future__ import annotations

import re

from ..contract import Rejected
from ..host.devices import BUTTONS, HEIGHT, WIDTH
from ..vm import Input

MAX_FRAMES = 10_000_000
_TOUCH = re.compile(r"([0-9]{1,3}),([0-9]{1,3})", re.ASCII)


def parse_script(text: str) -> list[Input]:
    """One input per frame. Raises Rejected("input_script_invalid") with the line."""
    inputs: list[Input] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            inputs += _stretch(words, number, MAX_FRAMES - len(inputs))
    return inputs


def _stretch(words: list[str], line: int, room: int) -> list[Input]:
    count, *rest = words
    if not (count.isascii() and count.isdigit() and len(count) < 9 and 0 < int(count) <= room):
        raise _wrong(line, count, f"a number of frames, at most {room}")
    buttons, touch = set(), None
    words_left = iter(rest)
    for word in words_left:
        if word == "touch":
            match = _TOUCH.fullmatch(next(words_left, ""))
            if match is None or int(match[1]) >= WIDTH or int(match[2]) >= HEIGHT:
                raise _wrong(line, word, f"touch X,Y inside {WIDTH} by {HEIGHT}")
            touch = (int(match[1]), int(match[2]))
        elif word in BUTTONS:
            buttons.add(word)
        else:
            raise _wrong(line, word, "touch or one of " + " ".join(BUTTONS))
    return [Input(frozenset(buttons), touch)] * int(count)


def _wrong(line: int, word: str, required: str) -> Rejected:
    return Rejected("input_script_invalid", subject=word[:40], required=required, details={"line": line})
