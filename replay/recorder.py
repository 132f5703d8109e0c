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

from ..contract import UsageError
from ..contract.files import cannot_write, sync_directory
from ..vm import FrameResult, Input, Machine, Status
from .trace import ROW, TraceHeader, encode_block, encode_end, make_row

FLUSH_FRAMES = 60


class Recorder:
    """A recording being made. Use it as a context; `close` gives the file its end and its name."""

    def __init__(self, path: Path, machine: Machine, *, replace: bool = False, from_here: bool = False) -> None:
        if path.exists() and not replace:
            raise UsageError("output_exists", subject=str(path))
        self.path = path
        self.partial = path.with_name(path.name + ".partial")
        self.frames = 0
        self.status = Status.SYNCED
        self._rows = np.zeros(FLUSH_FRAMES, ROW)
        self._waiting = 0
        try:
            self._file = self.partial.open("wb")
            self._append(TraceHeader.of(machine, from_here=from_here).encode())
        except OSError as error:
            raise cannot_write(self.partial, error) from None

    def add(self, given: Input, result: FrameResult) -> None:
        """Keep one finished frame."""
        self._rows[self._waiting] = make_row(given, result)[0]
        self._waiting += 1
        self.frames += 1
        self.status = result.status
        if self._waiting == FLUSH_FRAMES:
            self.flush()

    def flush(self) -> None:
        """Bring what was recorded to the disk."""
        if self._waiting:
            self._append(encode_block(self._rows[: self._waiting]))
            self._waiting = 0

    def _append(self, part: bytes) -> None:
        try:
            self._file.write(part)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self.partial, error) from None

    def close(self) -> None:
        """End the recording. Without a single frame there is nothing to keep, and no file."""
        if self._file.closed:
            return
        self.flush()
        if self.frames:
            self._append(encode_end(self.frames, self.status))
        self._file.close()
        try:
            if self.frames:
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
