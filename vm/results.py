"""What a machine gives back: how a frame ended, what it logged, what trapped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from ..contract import PbsError, Place
from ..isa.table import BY_OPCODE
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
