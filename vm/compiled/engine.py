"""The engines that compile: `compiled` everything before the first frame, `auto` what turns out to be entered often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ...loader.image import Image
from ..interpreter import Interpreter
from ..stretch import Stretch
from ..workers import Workers
from .tiers import Tiers


class Auto(Interpreter):
    """Begins in the interpreter; functions and loops that are entered often are compiled in the background."""

    name = "auto"
    whole = False  # whether everything is compiled before the first frame

    def __init__(self, image: Image, state: npt.NDArray[np.int64]) -> None:
        self._tiers = _tiers(image, whole=self.whole)
        super().__init__(image, state, native=self._tiers.compiled.native)

    def run_frames(self, inputs: Any, count: int, ticks: int, report: Any, log: Any, log_room: int) -> int:
        """`kernels.frames.run_frames` on this machine."""
        with self._tiers:
            return super().run_frames(inputs, count, ticks, report, log, log_room)

    def run_call(self, function: int, arguments: Any, cycles: int) -> int:
        """`kernels.frames.run_call` on this machine."""
        with self._tiers:
            return super().run_call(function, arguments, cycles)

    @staticmethod
    def run_stretch(engines: Sequence[Auto], stretch: Stretch, workers: Workers) -> None:  # type: ignore[override]  # its own
        """`Interpreter.run_stretch`; all the machines count together."""
        with engines[0]._tiers:
            Interpreter.run_stretch(engines, stretch, workers)


class Compiled(Auto):
    """Runs compiled code from the first frame on; loops in the middle of which a frame ended follow in the background."""

    name = "compiled"
    whole = True


_TIERS: dict[bool, WeakKeyDictionary[Image, Tiers]] = {False: WeakKeyDictionary(), True: WeakKeyDictionary()}


def _tiers(image: Image, *, whole: bool) -> Tiers:
    """The image's, made once; all its machines count and compile together."""
    made = _TIERS[whole].get(image)
    if made is None:
        made = _TIERS[whole][image] = Tiers(image, whole=whole)
    return made
