"""A stretch: frames of many machines that are run in one go, and the memory that they are given and leave behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.int64]
ARGUMENTS = 6  # of `run_frames`, behind the views


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What `kernels.frames.run_frames` is given for each of these machines. All arrays are in C order.

    slots, first, count: (m,) machines, their first frame in `inputs` and `report`, and how many. inputs: (n or 1, frames,
    INPUT_WORDS), by slot or the same for all. report: (n, frames, REPORT_WORDS), by slot. log: (m, bytes). done: (m,) the frames
    that were completed.
    """

    slots: Words
    first: Words
    count: Words
    ticks: int
    inputs: Words
    report: Words
    log: npt.NDArray[np.uint8]
    log_room: int
    done: Words
    threads: int  # as many are worth waking for it

    def write_arguments(self, to: Words) -> None:
        """The arguments of `run_frames` behind the views, arrays as addresses, to (m, ARGUMENTS) words."""
        inputs, report = self.inputs, self.report
        to[:, 0] = inputs.ctypes.data + inputs.strides[1] * self.first
        if len(inputs) > 1:
            to[:, 0] += inputs.strides[0] * self.slots
        to[:, 1] = self.count
        to[:, 2] = self.ticks
        to[:, 3] = report.ctypes.data + report.strides[0] * self.slots + report.strides[1] * self.first
        to[:, 4] = self.log.ctypes.data + self.log.strides[0] * np.arange(len(self.slots))
        to[:, 5] = self.log_room

    def of(self, number: int) -> tuple[memoryview, int, memoryview, memoryview]:
        """The inputs, count, report and log of a machine, as plain Python takes them."""
        slot, first, count = (int(column[number]) for column in (self.slots, self.first, self.count))
        inputs = self.inputs[slot if len(self.inputs) > 1 else 0, first : first + count]
        report = self.report[slot, first : first + count]
        return inputs.reshape(-1).data, count, report.reshape(-1).data, self.log[number].data
