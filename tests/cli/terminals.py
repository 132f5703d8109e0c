"""A real pseudo-terminal: the command runs in it, and what it writes is read back as a screen."""

from __future__ import annotations

import contextlib
import os
import re
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pyte

from .commands import COMMAND, TIMEOUT_S, environment

ENTER_ALTERNATE, LEAVE_ALTERNATE = b"\x1b[?1049h", b"\x1b[?1049l"
LINES, COLUMNS = 24, 80
_CURSOR_MOVE = re.compile(rb"(?=\x1b\[[0-9]+;[0-9]+H)")  # each line of a picture begins with one


class Terminal:
    """A terminal with one command in it."""

    def __init__(self, *arguments: object, cwd: Path, env: dict[str, str] | None = None) -> None:
        given = environment({"TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})})
        self.screen = pyte.Screen(COLUMNS, LINES)
        self.raw = b""  # everything that was written
        self._stream = pyte.ByteStream(self.screen)
        self._unseen: list[bytes] = []  # what was read after what the last `until` waited for
        self.child = pexpect.spawn(
            COMMAND[0], [*COMMAND[1:], *map(str, arguments)], cwd=str(cwd), env=given, dimensions=(LINES, COLUMNS),
            timeout=TIMEOUT_S, echo=True,
        )  # fmt: skip
        self.before = self.after = self.modes()

    def modes(self) -> list[Any]:
        """The settings of the terminal."""
        return termios.tcgetattr(self.child.child_fd)

    def until(self, holds: Callable[[], bool]) -> None:
        """Read until that holds. Looks after every line, so a picture is seen even when the next one was read with it."""
        while not holds():
            if not self._unseen:
                data = self.child.read_nonblocking(65536, timeout=TIMEOUT_S)
                self._unseen = _CURSOR_MOVE.split(data)[::-1]
            piece = self._unseen.pop()
            self.raw += piece
            self._stream.feed(piece)

    def shown(self, text: str) -> bool:
        """Whether a line of the screen holds the text."""
        return any(text in line for line in self.screen.display)

    def cell(self, column: int = 40, row: int = 10) -> tuple[str, str, str]:
        """Character, and colours of its upper and lower half."""
        cell = self.screen.buffer[row][column]
        return cell.data, cell.fg, cell.bg

    def type(self, keys: bytes) -> None:
        """What a person types."""
        self.child.send(keys)

    def end(self) -> int:
        """Read to the end of the command; its exit code."""
        with contextlib.suppress(pexpect.EOF):
            self.until(lambda: False)
        self.after = self.modes()
        self.child.close()
        code: int = self.child.exitstatus if self.child.exitstatus is not None else -self.child.signalstatus
        return code

    def hang_up(self) -> int:
        """Close the terminal while the command runs in it; the command's exit code."""
        self.child.ptyproc.fileobj.close()
        code: int = self.child.wait()
        self.child.ptyproc.closed = True
        return code

    def resize(self, lines: int, columns: int) -> None:
        """Another size, as a window manager gives it."""
        self.screen.resize(lines, columns)
        self.child.setwinsize(lines, columns)

    def wait_stopped(self) -> None:
        """Until the command has stopped, as by Ctrl-Z."""
        os.waitid(os.P_PID, self.child.pid, os.WSTOPPED)


LAMP_COLORS = {"off": ("▀", "000000", "000000"), "a": ("▀", "ff0000", "ff0000"), "touch": ("▀", "00ff00", "00ff00")}
# Red while a is held, green while touched, else black; halts when start is pressed.
LAMP = """.target profile "game" "1.0.0"
.func main()
again:
    INTRINSIC input.start.down
    JMP_IF_FALSE on
    HALT
on:
    INTRINSIC input.a.down
    JMP_IF_TRUE red
    INTRINSIC input.touch.down
    JMP_IF_TRUE green
    PUSH 0
    HOSTCALL gfx.clear/1
    JMP done
red:
    PUSH 63488
    HOSTCALL gfx.clear/1
    JMP done
green:
    PUSH 2016
    HOSTCALL gfx.clear/1
done:
    HOSTCALL gfx.present/1
    FRAME_SYNC
    JMP again
.end
"""
