"""The reference as it plays until something faster is there: it stops at the first block after that."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..loader.image import Image
from ..verifier import Block
from . import layout
from .reference import Frame, Reference


class HandOver(Exception):
    """Another engine may go on with `run_frames`; the frame that it was in is open, and the host tick has not begun."""


class HandingOver(Reference):
    """Raises HandOver at the first block at which `is_due` says so; it is asked once every `blocks` blocks."""

    def __init__(self, image: Image, state: npt.NDArray[np.int64], is_due: Callable[[], bool], blocks: int) -> None:
        super().__init__(image, state)
        self._is_due, self._blocks, self._passed = is_due, blocks, 0

    def turn(self, row: int) -> int:
        """As ever. Where it is handed over, the machine is left as if the tick had used its cycles before it began."""
        before = self.state[layout.BUDGET]
        try:
            return super().turn(row)
        except HandOver:
            self._store_frames(layout.OUT_OF_BUDGET)
            used = before - self.state[layout.BUDGET]
            self.state[layout.CYCLES] += used
            self.state[layout.FRAME_CYCLES] += used
            self.state[layout.BUDGET] -= self.state[layout.FRAME_BUDGET]
            self.state[layout.TICKS] -= 1
            raise

    def _check_block(self, frame: Frame, block: Block) -> None:
        self._passed += 1
        if self._passed % self._blocks == 0 and self._is_due():
            raise HandOver
        super()._check_block(frame, block)
