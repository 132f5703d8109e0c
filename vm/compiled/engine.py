"""The engines that compile: `compiled` everything before the first frame, `auto` what turns out to be run often.

A short run with `auto` is the interpreter's: what compiles is loaded when a machine has run for some time.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ...contract import InternalError
from ...loader.image import Image
from ..interpreter import Interpreter, native_image
from .background import watch

if TYPE_CHECKING:
    from ..stretch import Stretch
    from ..workers import Workers
    from .tiers import Tiers


class Growth:
    """What the machines of an image share that compile: records of their own, and tiers. As a context: while one of them runs.

    whole: everything is compiled at once, with all passes.
    """

    def __init__(self, image: Image, *, whole: bool) -> None:
        self.native = native_image(image).with_own_records()
        self.tiers: Tiers | None = None
        self._image = weakref.ref(image)  # whoever runs it keeps it
        self._running = 0
        self._lock = threading.Lock()
        self._failure: Exception | None = None
        if whole:
            self.tiers = _tiers(image, self, whole=True)

    def __enter__(self) -> None:
        if self._failure is not None:
            raise InternalError("a program was not compiled") from self._failure
        with self._lock:
            self._running += 1
        if self.tiers is None or self.tiers.is_waiting:
            watch(self)

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._running -= 1

    def look(self) -> bool:
        """Compile what is due; whether to look again. What fails is told to who next runs a machine."""
        try:
            if self.tiers is None:
                image = self._image()
                self.tiers = _tiers(image, self, whole=False) if image else None
            else:
                self.tiers.advance()
        except ReferenceError:  # the image is gone, and with it all who would run it
            return False
        except Exception as failure:  # raised again in `__enter__`
            self._failure = failure
            return False
        return bool(self._running and self.tiers is not None and self.tiers.is_waiting)


def _tiers(image: Image, growth: Growth, *, whole: bool) -> Tiers:
    from .tiers import Tiers

    return Tiers(image, growth.native, whole=whole)


class Auto(Interpreter):
    """Begins in the interpreter; functions and loops that are entered often are compiled in the background."""

    name = "auto"
    whole = False  # whether everything is compiled before the first frame

    def __init__(self, image: Image, state: npt.NDArray[np.int64]) -> None:
        self.growth = _growth(image, whole=self.whole)
        super().__init__(image, state, native=self.growth.native)

    def run_frames(self, inputs: Any, count: int, ticks: int, report: Any, log: Any, log_room: int) -> int:
        """`kernels.frames.run_frames` on this machine."""
        with self.growth:
            return super().run_frames(inputs, count, ticks, report, log, log_room)

    def run_call(self, function: int, arguments: Any, cycles: int) -> int:
        """`kernels.frames.run_call` on this machine."""
        with self.growth:
            return super().run_call(function, arguments, cycles)

    @staticmethod
    def run_stretch(engines: Sequence[Any], stretch: Stretch, workers: Workers) -> None:
        """`Interpreter.run_stretch`; all the machines count together."""
        with engines[0].growth:
            Interpreter.run_stretch(engines, stretch, workers)


class Compiled(Auto):
    """Runs compiled code from the first frame on; loops in the middle of which a frame ended follow in the background."""

    name = "compiled"
    whole = True


_GROWTH: dict[bool, WeakKeyDictionary[Image, Growth]] = {False: WeakKeyDictionary(), True: WeakKeyDictionary()}


def _growth(image: Image, *, whole: bool) -> Growth:
    """The image's, made once; all its machines count and compile together."""
    made = _GROWTH[whole].get(image)
    if made is None:
        made = _GROWTH[whole][image] = Growth(image, whole=whole)
    return made
