"""`auto` where nothing native has been made yet: the reference plays while the core is made, and hands the machine over.

The state is the same in all engines, also inside of a frame, so the reference may stop at any block. What it leaves is a machine
whose running host tick has not begun: its cycles are counted, and its budget is what is left less what the tick will bring.
Nothing observable depends on when that happens; the proof has chance choose.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ..contract.notices import notify
from ..loader.image import Image
from . import layout
from .compiled.engine import Auto
from .interpreter import core_of, modules_of
from .kernels.frames import INPUT_WORDS, REPORT_LOG_BYTES, REPORT_WORDS

if TYPE_CHECKING:
    import subprocess

    from .machine import Engine
    from .stretch import Stretch
    from .workers import Workers

_BLOCKS = 256  # of the reference between two looks at whether the core is there
_PATIENCE_S = 1.0  # of processor time that the reference may take from those who make the core


def auto(image: Image, state: npt.NDArray[np.int64]) -> Engine:
    """The engine `auto`: native at once where everything is kept, or where what is made could not be kept."""
    native = core_of(image)
    missing = native.missing(modules_of(image))
    if not missing or not native.is_standard:
        return Auto(image, state)
    from .native_parts import make_meanwhile

    making = make_meanwhile(missing)
    if making is None:
        return Auto(image, state)
    notify(
        "compiling the interpreter for this machine in the background; this happens once, and until then games run slowly"
    )
    return ColdStart(image, state, Making(making))


class Making:
    """The core being made by another process. Only when a machine is handed over depends on how long that takes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._begun = process, os.times()

    def is_due(self) -> bool:
        """Whether to hand over: the core is there, or would be sooner if we waited. A game at its own pace never waits."""
        if self._process.poll() is not None:
            return True
        now, begun = os.times(), self._begun
        busy = now.user + now.system - begun.user - begun.system
        return busy > _PATIENCE_S and 2 * busy > now.elapsed - begun.elapsed

    def engine(self, image: Image, state: npt.NDArray[np.int64]) -> Engine:
        """What takes over, when it is there."""
        self._process.wait()
        return Auto(image, state)


class Successor(Protocol):
    """What a machine is handed over to, and when."""

    def is_due(self) -> bool:
        """Whether to hand over now."""

    def engine(self, image: Image, state: npt.NDArray[np.int64]) -> Engine:
        """What takes over."""


class ColdStart:
    """The reference, until its successor is due. A call from the host and a batch do not wait until then."""

    name = "auto"

    def __init__(
        self,
        image: Image,
        state: npt.NDArray[np.int64],
        successor: Successor,
        *,
        blocks: int = _BLOCKS,
    ) -> None:
        from .handing_over import HandingOver

        self._image, self.state, self._successor = image, state, successor
        self._reference: HandingOver | None = HandingOver(image, state, successor.is_due, blocks)
        self._native: Any = None

    @property
    def is_native(self) -> bool:
        """Whether it has been handed over."""
        return self._native is not None

    def native(self) -> Any:
        """The engine that has taken over, or does now."""
        if self._native is None:
            self._native = self._successor.engine(self._image, self.state)
            self._reference = None
        return self._native

    def run_frames(self, inputs: Any, count: int, ticks: int, report: Any, log: Any, log_room: int) -> int:
        """`kernels.frames.run_frames` on this machine."""
        from .handing_over import HandOver

        given, reported, logged = memoryview(inputs), memoryview(report), memoryview(log)
        done = 0
        while self._reference is not None and done < count and log_room >= 0:
            before = self._ticks()
            engine: Any = self._reference
            try:
                completed = engine.run_frames(given, 1, ticks, reported, logged, log_room)
            except HandOver:
                left = ticks - (self._ticks() - before)
                completed = self.native().run_frames(given, 1, left, reported, logged, log_room)
            if not completed:
                return done
            done += 1
            used = reported[REPORT_LOG_BYTES]
            log_room -= used
            given, reported, logged = given[INPUT_WORDS:], reported[REPORT_WORDS:], logged[used:]
        if done < count and log_room >= 0:
            done += self.native().run_frames(given, count - done, ticks, reported, logged, log_room)
        return done

    def _ticks(self) -> int:
        """Host ticks that the open frame has taken; none where none is open."""
        return int(self.state[layout.TICKS]) if self.state[layout.STATUS] == layout.IN_FRAME else 0

    def run_call(self, function: int, arguments: Any, cycles: int) -> int:
        """`kernels.frames.run_call` on this machine."""
        outcome: int = self.native().run_call(function, arguments, cycles)
        return outcome

    def state_replaced(self) -> None:
        """The state was written by someone else."""
        if self.is_native:
            self._native.state_replaced()

    @staticmethod
    def run_stretch(engines: Sequence[Any], stretch: Stretch, workers: Workers) -> None:
        """`Auto.run_stretch`; a machine that was made later may be native already."""
        ready = [engine.native() if isinstance(engine, ColdStart) else engine for engine in engines]
        ready[0].run_stretch(ready, stretch, workers)
