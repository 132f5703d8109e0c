"""The terminal as screen and pad. Everything it changes about the terminal it changes back, whatever happens."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import sys
import termios
import threading
import time
import tty
from typing import Any

from ..contract.notices import notify
from ..host.devices import HEIGHT, WIDTH
from ..vm import Input
from .halfblocks import Colors, fit, render, resample
from .keys import Key, Mouse, events, unfinished
from .picture import Screen, to_rgb
from .views import KEY_HELP, KEYS

ESCAPE_S = 0.1  # so long a lone Escape waits for the rest of a sequence; not in frames, of which late ones hurry
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
        self._begun, self._read_at = b"", 0.0  # the beginning of a sequence, and when its last byte was read
        self._suspend_asked = False
        self._suspend_before: Any = None
        self._open = True
        atexit.register(self.close)
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL:
            self._suspend_before = signal.signal(signal.SIGTSTP, self._ask_suspend)
        self._enter()

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
        if self._suspend_asked:
            self._suspend()
        self._held = {button: left - 1 for button, left in self._held.items() if left > 1}
        for event in events(self._sequences()):
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
            if self._suspend_before is not None:
                signal.signal(signal.SIGTSTP, self._suspend_before)
            with contextlib.suppress(OSError, termios.error):  # the terminal may be gone
                self._leave()

    def _enter(self) -> None:
        tty.setcbreak(self._input)
        self._write(_ENTER)
        self._lines, self._size = [], (0, 0)

    def _leave(self) -> None:
        self._write(_LEAVE)
        termios.tcsetattr(self._input, termios.TCSAFLUSH, self._before)  # what the pad was sent is not for the shell

    def _ask_suspend(self, _number: int, _frame: Any) -> None:
        self._suspend_asked = True

    def _suspend(self) -> None:
        """Ctrl-Z: the shell gets its terminal as it was, and we get it back with the job."""
        self._suspend_asked = False
        self._leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._enter()

    def _pixel(self, mouse: Mouse) -> tuple[int, int] | None:
        left, top, columns, rows = self._place
        x, y = (mouse.column - left) * WIDTH // columns, (mouse.row - top) * HEIGHT // rows
        return (x, y) if 0 <= x < WIDTH and 0 <= y < HEIGHT else None

    def _sequences(self) -> bytes:
        """What was read, up to a sequence whose rest is still under way."""
        new = self._read()
        data = self._begun + new
        now = time.monotonic()
        self._read_at = now if new else self._read_at
        if data == b"\x1b" and now - self._read_at >= ESCAPE_S:
            self._begun = b""
            return data
        cut = len(data) - unfinished(data)
        self._begun = data[cut:]
        return data[:cut]

    def _read(self) -> bytes:
        data = b""
        while select.select([self._input], [], [], 0)[0]:
            more = os.read(self._input, 4096)
            if not more:
                return data + b"\x04"  # the terminal is gone
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
