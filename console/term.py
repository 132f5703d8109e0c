"""The terminal as screen and pad. Everything it changes about the terminal it changes back, whatever happens."""

from __future__ import annotations

import atexit
import os
import select
import sys
import termios
import tty

from ..contract.notices import notify
from ..host.devices import HEIGHT, WIDTH
from ..vm import Input
from .halfblocks import Colors, fit, render, resample
from .keys import Key, Mouse, events
from .picture import Screen, to_rgb
from .views import KEY_HELP, KEYS

HOLD_FRAMES = 9  # a key counts as held for that long after each time the terminal reports it
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?1002h\x1b[?1006h\x1b[2J"
_LEAVE = "\x1b[?1006l\x1b[?1002l\x1b[0m\x1b[?25h\x1b[?1049l"


class Terminal:
    """Half blocks on the alternate screen; keys and mouse from standard input."""

    name = "term"

    def __init__(self, title: str) -> None:
        notify(f"{title}: {KEY_HELP}")
        self.title = title
        self.colors = terminal_colors()
        self._input = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._input)
        self._held: dict[str, int] = {}
        self._touch: tuple[int, int] | None = None
        self._lines: list[str] = []
        self._size = (0, 0)
        self._place = (0, 0, 1, 1)  # left, top, columns, rows of the picture in cells
        self._open = True
        atexit.register(self.close)
        tty.setcbreak(self._input)
        self._write(_ENTER)

    def show(self, screen: Screen) -> None:
        """Draw the lines that changed."""
        size = os.get_terminal_size(sys.stdout.fileno())
        if (size.columns, size.lines) != self._size:
            self._size, self._lines = (size.columns, size.lines), []
            self._write("\x1b[0m\x1b[2J")
        columns, pixel_rows = fit(size.columns, max(size.lines - 1, 1), WIDTH, HEIGHT)
        left, top = (size.columns - columns) // 2, (size.lines - 1 - pixel_rows // 2) // 2
        self._place = (left, top, columns, pixel_rows // 2)
        lines = render(resample(to_rgb(screen), columns, pixel_rows), self.colors)
        known = self._lines if len(self._lines) == len(lines) else [""] * len(lines)
        changed = [
            f"\x1b[{top + i + 1};{left + 1}H{line}"
            for i, (line, old) in enumerate(zip(lines, known, strict=True))
            if line != old
        ]
        if not self._lines:
            status = f"{self.title}   Esc ends"[: size.columns]
            changed.append(f"\x1b[{size.lines};1H\x1b[0m\x1b[2m{status}\x1b[0m")
        self._lines = lines
        if changed:
            self._write("".join(changed))

    def sample(self) -> Input | None:
        """Keys seen since the last frame, and those still held."""
        self._held = {button: left - 1 for button, left in self._held.items() if left > 1}
        for event in events(self._read()):
            if isinstance(event, Mouse):
                self._touch = self._pixel(event) if event.down else None
            elif isinstance(event, Key):
                if event.name == "escape":
                    return None
                if event.name in KEYS:
                    self._held[KEYS[event.name]] = HOLD_FRAMES
        return Input(frozenset(self._held), self._touch)

    def close(self) -> None:
        """Give the terminal back."""
        if self._open:
            self._open = False
            atexit.unregister(self.close)
            self._write(_LEAVE)
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)

    def _pixel(self, mouse: Mouse) -> tuple[int, int] | None:
        left, top, columns, rows = self._place
        x, y = (mouse.column - left) * WIDTH // columns, (mouse.row - top) * HEIGHT // rows
        return (x, y) if 0 <= x < WIDTH and 0 <= y < HEIGHT else None

    def _read(self) -> bytes:
        data = b""
        while select.select([self._input], [], [], 0)[0]:
            more = os.read(self._input, 4096)
            if not more:
                return data + b"\x1b"  # the terminal is gone
            data += more
        return data

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def terminal_colors() -> Colors:
    """What this terminal can show, by the usual variables."""
    if os.environ.get("NO_COLOR"):
        return Colors.NONE
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return Colors.TRUE
    return Colors.CUBE
