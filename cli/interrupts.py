"""Ctrl-C and a request to terminate, noted rather than raised, so that they fall between two frames and nothing is torn."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # by name: not every system has them all


class Interrupts:
    """A context in which the first of these signals is noted, and whoever plays looks for it between frames.

    While `playing` is set another one raises KeyboardInterrupt at once, since a frame may take very long. Signals that are
    ignored stay ignored, and outside of the main thread nothing is caught.
    """

    def __init__(self) -> None:
        self.noted = False
        self.playing = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for name in _SIGNALS:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.noted and self.playing:
            raise KeyboardInterrupt
        self.noted = True
