"""The thread that compiles while machines run: one per process, started when it is first needed, ended with the process."""

from __future__ import annotations

import atexit
import threading
from functools import cache
from typing import Protocol

PATIENCE_S = 0.03  # what is over sooner is not worth compiling
LOOK_S = 0.01


class Watched(Protocol):
    """Something that may have work for the thread."""

    def look(self) -> bool:
        """Do what is due; whether to look again."""


class _Thread(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="pbs-compiler", daemon=True)
        self._watched: set[Watched] = set()
        self._changed = threading.Condition()
        self._ending = threading.Event()

    def watch(self, one: Watched) -> None:
        if one not in self._watched:
            with self._changed:
                self._watched.add(one)
                self._changed.notify()

    def run(self) -> None:
        while not self._ending.is_set():
            with self._changed:
                if not self._watched:
                    self._changed.wait()
            self._ending.wait(PATIENCE_S)
            while self._watched and not self._ending.wait(LOOK_S):
                for one in list(self._watched):
                    if not self._ending.is_set() and not one.look():
                        with self._changed:
                            self._watched.discard(one)

    def end(self) -> None:
        """Finish what is being compiled and stop: LLVM must not be at work when the process takes itself down."""
        self._ending.set()
        with self._changed:
            self._changed.notify()
        self.join()


@cache
def _thread() -> _Thread:
    made = _Thread()
    made.start()
    atexit.register(made.end)
    return made


def watch(one: Watched) -> None:
    """Look at this until it says that there is no more to see."""
    _thread().watch(one)
