"""Compiled code where chance wants it, and when: any functions and any blocks, with few passes or all, also in mid-frame."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from pbs.loader import Image
from pbs.vm.compiled.image import CompiledImage
from pbs.vm.compiled.objects import Level
from pbs.vm.interpreter import Interpreter, native_image

PIECES = 2  # of code in the life of a machine


class WhollyCompiled(Interpreter):
    """The interpreter whose records lead into compiled code of every function."""

    name = "compiled"
    level = Level.LEAN

    def __init__(self, image: Image, state: npt.NDArray[np.int64]) -> None:
        native = native_image(image).with_own_records()
        self._compiled = CompiledImage(image, native)
        super().__init__(image, state, native=native)
        functions = range(len(image.facts.functions))
        roots = [(index, 0) for index in functions]
        self._compiled.install(self._compiled.code(roots, functions, self.level), keep=False)


class FullyCompiled(WhollyCompiled):
    """The same, made with all passes."""

    level = Level.FULL


class TieredAtRandom(Interpreter):
    """The interpreter with records of its own, which lead into compiled code from the start, and into more after some host tick."""

    name = "compiled"

    def __init__(self, image: Image, state: npt.NDArray[np.int64], *, seed: int) -> None:
        self._image, self._random = image, Random(seed)
        native = native_image(image).with_own_records()
        self._compiled = CompiledImage(image, native)
        super().__init__(image, state, native=native)
        self._pieces = 0
        self._tier_up()

    def run_frames(self, inputs: Any, count: int, ticks: int, report: Any, log: Any, log_room: int) -> int:
        """As ever; and perhaps there is more compiled code afterwards."""
        done = super().run_frames(inputs, count, ticks, report, log, log_room)
        if self._pieces < PIECES and self._random.random() < 0.5:
            self._tier_up()
        return done

    def _tier_up(self) -> None:
        chance, functions = self._random, self._image.facts.functions
        blocks = [(index, block.start) for index, function in enumerate(functions) for block in function.blocks]
        wanted = [root for root in blocks if chance.random() < (0.8 if root[1] == 0 else 0.3)]
        called = [index for index in range(len(functions)) if chance.random() < 0.8]
        level = Level.FULL if chance.random() < 0.2 else Level.LEAN
        self._compiled.install(self._compiled.code(wanted or blocks[:1], called, level), keep=False)
        self._pieces += 1
