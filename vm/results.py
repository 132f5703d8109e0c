"""What a machine gives back: how a frame ended, what it logged, what trapped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from ..contract import PbsError, Place, UsageError
from ..isa.traps import Trap
from ..loader.image import Image
from .kernels.frames import (
    REPORT_CYCLES,
    REPORT_DIGEST,
    REPORT_FRAME,
    REPORT_HOST_CALLS,
    REPORT_LOG_BYTES,
    REPORT_STATUS,
    REPORT_TICKS,
)
from .layout import BETWEEN, HALTED, TRAPPED


class Status(Enum):
    """How a frame ended."""

    SYNCED = "synced"  # every coroutine had its turn; the machine goes on
    UNFINISHED = "unfinished"  # the budget ran out; the same frame goes on at the next host tick
    HALTED = "halted"
    TRAPPED = "trapped"


_STATUS = {BETWEEN: Status.SYNCED, HALTED: Status.HALTED, TRAPPED: Status.TRAPPED}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrapRecord:
    """Why and where the guest was stopped; equal in every engine. `cycles` counts the trapping instruction."""

    code: Trap
    opcode: int
    function: int
    pc: int
    frame: int
    cycles: int

    @property
    def instruction(self) -> str:
        """The name of the instruction that trapped."""
        from ..isa.table import BY_OPCODE

        return BY_OPCODE[self.opcode].name


class Trapped(PbsError):
    """A guest function called from the host trapped; the machine has ended."""

    def __init__(self, record: TrapRecord, image: Image) -> None:
        place = Place(
            function=record.function,
            name=image.program.function_name(record.function),
            pc=record.pc,
            line=image.program.line_at(record.function, record.pc),
        )
        details: dict[str, str | int] = {"trap": record.code.name, "frame": record.frame, "cycles": record.cycles}
        super().__init__("trap", subject=record.instruction, place=place, details=details)
        self.record = record


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One line that the guest logged. Levels: 0 trace, 1 debug, 2 info, 3 warning, 4 error."""

    level: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameResult:
    """What one frame came to. `digest` is empty while the frame is unfinished."""

    frame: int
    status: Status
    cycles: int
    ticks: int
    host_calls: int
    digest: bytes
    log: tuple[LogEntry, ...]
    trap: TrapRecord | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchResult:
    """What a run of a batch of n machines came to. Arrays have a row for each slot and in it a place for each frame asked for.

    done: int64 (n,), how many frames a slot completed; fewer than asked for where it ended or could not finish a frame. Places
    behind them are zero. traps: by slot, of the machines that trapped in this run. `result[slot]` is what `Machine.run` gives.
    """

    done: npt.NDArray[np.int64]
    traps: Mapping[int, TrapRecord]
    report: npt.NDArray[np.int64]  # (n, frames, kernels.frames.REPORT_WORDS)
    unfinished: npt.NDArray[np.bool_]  # (n,), whether the frame behind the last one done began and did not end
    logs: Mapping[int, bytes]  # by slot, of those that logged

    def __len__(self) -> int:
        return len(self.done)

    def __getitem__(self, slot: int) -> list[FrameResult]:
        done = self.done[require_slot(slot, len(self))]
        return frame_results(self.report[slot, :done].tolist(), self.logs.get(slot, b""), self.traps.get(slot))

    def __iter__(self) -> Iterator[list[FrameResult]]:
        return (self[slot] for slot in range(len(self)))

    @property
    def status(self) -> npt.NDArray[np.int8]:
        """How each frame ended: int8 (n, frames). 0 synced, 1 unfinished, 2 halted, 3 trapped, -1 where none was run."""
        status = self.report[:, :, REPORT_STATUS].astype(np.int8)
        places = np.arange(status.shape[1])
        status[places >= self.done[:, None]] = -1
        status[(places == self.done[:, None]) & self.unfinished[:, None]] = 1
        return status

    @property
    def frame(self) -> npt.NDArray[np.int64]:
        """The frames' numbers: int64 (n, frames)."""
        return self.report[:, :, REPORT_FRAME]

    @property
    def cycles(self) -> npt.NDArray[np.int64]:
        """Cycles used in each frame: int64 (n, frames)."""
        return self.report[:, :, REPORT_CYCLES]

    @property
    def ticks(self) -> npt.NDArray[np.int64]:
        """Host ticks that each frame took: int64 (n, frames)."""
        return self.report[:, :, REPORT_TICKS]

    @property
    def host_calls(self) -> npt.NDArray[np.int64]:
        """Services called in each frame: int64 (n, frames)."""
        return self.report[:, :, REPORT_HOST_CALLS]

    @property
    def digests(self) -> npt.NDArray[np.uint8]:
        """The frames' digests, chained as those of a single machine: uint8 (n, frames, 16)."""
        high_first = self.report[:, :, [REPORT_DIGEST + 1, REPORT_DIGEST]]
        return np.ascontiguousarray(high_first, ">i8").view(np.uint8)


def require_slot(slot: int, machines: int) -> int:
    """The slot, if it is one of a batch of so many machines. Raises UsageError("slot_unknown")."""
    if not 0 <= slot < machines:
        raise UsageError("slot_unknown", subject=str(slot)[:40], required=f"0 to {machines - 1}")
    return slot


def frame_results(rows: Iterable[Sequence[int]], log: bytes | bytearray, trap: TrapRecord | None) -> list[FrameResult]:
    """The results of frames that were run one after the other.

    rows: what `kernels.frames.run_frames` reports of each. log: their logs, one behind the other. trap: where the machine trapped.
    """
    results, at = [], 0
    for row in rows:
        low, high = (word & 0xFFFF_FFFF_FFFF_FFFF for word in row[REPORT_DIGEST : REPORT_DIGEST + 2])
        status = _STATUS[row[REPORT_STATUS]]
        end = at + row[REPORT_LOG_BYTES]
        results.append(
            FrameResult(
                frame=row[REPORT_FRAME],
                status=status,
                cycles=row[REPORT_CYCLES],
                ticks=row[REPORT_TICKS],
                host_calls=row[REPORT_HOST_CALLS],
                digest=(high << 64 | low).to_bytes(16, "big"),
                log=tuple(_entries(log[at:end])),
                trap=trap if status is Status.TRAPPED else None,
            )
        )
        at = end
    return results


def _entries(data: bytes | bytearray) -> Iterator[LogEntry]:
    at = 0
    while at < len(data):
        length = data[at + 1] | data[at + 2] << 8
        text = data[at + 3 : at + 3 + length].decode("utf-8", "replace")
        yield LogEntry(level=data[at], text=text)
        at += 3 + length
