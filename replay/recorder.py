"""Recording: rows are appended and flushed as frames go by, so that whatever happens, what was played is kept.

Rows go to `NAME.partial` beside the output and reach the disk about once a second of play; when the recording ends it gets its
end and its name. A process that is killed leaves the partial file, which `Trace.read(..., partial=True)` reads.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from ..contract import UsageError
from ..contract.files import cannot_write, sync_directory, writable
from ..vm import FrameResult, Input, Machine, Status
from .trace import TraceHeader, encode_block, encode_end, make_row

FLUSH_FRAMES = 60

Row = npt.NDArray[np.void]  # shape (1,)


class Recorder:
    """A recording being made. Use it as a context; `close` gives the file its end and its name."""

    def __init__(self, path: Path, machine: Machine, *, replace: bool = False, from_here: bool = False) -> None:
        # The partial file may be all that is left of another recording.
        for taken in (path, Path(f"{path}.partial")):
            if os.path.exists(taken) and not replace:  # unlike Path.exists it has an answer for every name
                raise UsageError("output_exists", subject=str(taken))
        self.path = writable(path)
        self.partial = writable(Path(f"{self.path}.partial"))
        self._waiting: list[tuple[Row, Status]] = []
        self._end = 0  # in the file: of all that is whole in it
        self._flushed = 0
        self._status = Status.SYNCED
        try:
            self._file = open(self.partial, "wb", buffering=0)  # noqa: SIM115 - open as long as the recording
        except OSError as error:
            raise cannot_write(self.partial, error) from None
        self._end = self._write(TraceHeader.of(machine, from_here=from_here).encode())

    @property
    def frames(self) -> int:
        """How many frames were kept so far."""
        return self._flushed + len(self._waiting)

    def add(self, given: Input, result: FrameResult) -> None:
        """Keep one finished frame."""
        self._waiting.append((make_row(given, result), result.status))
        if len(self._waiting) >= FLUSH_FRAMES:
            self.flush()

    def flush(self) -> None:
        """Bring what was recorded to the disk. Where that fails or is interrupted, the next time writes it again."""
        waiting = self._waiting
        if waiting:
            end = self._write(encode_block(np.concatenate([row for row, _ in waiting])))
            flushed, status = self._flushed + len(waiting), waiting[-1][1]
            self._waiting, self._end, self._flushed, self._status = [], end, flushed, status

    def _write(self, part: bytes) -> int:
        """Put the part behind all that is whole, and wait for the disk. Where it ends."""
        left = memoryview(part)
        try:
            self._file.seek(self._end)
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self.partial, error) from None
        return self._end + len(part)

    def close(self) -> None:
        """End the recording. Without a single frame there is nothing to keep, and no file."""
        if self._file.closed:
            return
        try:
            self.flush()
            if self._flushed:
                self._write(encode_end(self._flushed, self._status))
        finally:
            self._file.close()
        try:
            if self._flushed:
                os.replace(self.partial, self.path)
                sync_directory(self.path.parent)
            else:
                self.partial.unlink()
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
