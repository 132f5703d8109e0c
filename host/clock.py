"""The frame clock: time is counted in frames, sixty of them a second, and nothing else."""

from __future__ import annotations

from .devices import FRAME, Words
from .registry import Service


def frame(device: Words) -> int:
    """Number of the running frame."""
    return device[FRAME]


ROWS = (
    Service(
        module="clock",
        name="frame",
        version=1,
        number=0x0101,
        effect="-> frame: int",
        summary="The number of the running frame; the first is 0. A second has 60.",
        function=frame,
    ),
)
