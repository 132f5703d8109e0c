"""Snapshots: a whole machine between two frames, as bytes.

    header | limits | control words | device words | rows, order, sleepers | frames and stacks | globals | objects | heap |
    log | pixels

Only what means something is written, so the same state gives the same bytes on every engine; save, load, save is byte-equal.
What is read back is not believed: `check` holds every word against the verifier's facts before anything is taken over.
Source: docs/formats.md, snapshot.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import construct as c
import numpy as np
import numpy.typing as npt

from ..contract import Rejected
from ..contract.limits import Limits
from ..host.devices import DEVICE_WORDS, LOG_USED, ROW_STATE, ROW_WORDS
from ..loader.image import Image
from . import layout
from .image_tables import LIVE, tables_of
from .kernels.heap import safepoint_row
from .snapshot_check import check

MAGIC = b"PBSS"
FORMAT_VERSION = 1
SAVED_CONTROL_WORDS = layout.FRAME_BUDGET  # the words behind are constants

Words = npt.NDArray[np.int64]
_WORD = np.dtype("<i8")  # as it stands in a file, whatever the processor's own order

_Header = c.Struct(
    "magic" / c.Bytes(4),
    "version" / c.Int16ul,
    "flags" / c.Int16ul,
    "length" / c.Int64ul,
    "image" / c.Bytes(32),
    "limits" / c.Array(len(fields(Limits)), c.Int64ul),
    "checksum" / c.Int32ul,
    "reserved" / c.Int32ul,
)
_HEADER_BYTES = _Header.sizeof()


@dataclass(frozen=True)
class Snapshot:
    """A machine's state between two frames. Made by `Machine.snapshot`, or by `read` from bytes that were checked."""

    image: Image
    body: bytes  # the words, behind the header

    @cached_property
    def data(self) -> bytes:
        """The whole file. Its checksum takes longer than the snapshot: it is made when it is asked for."""
        return _header(self.image, self.body) + self.body

    @staticmethod
    def read(data: bytes, image: Image) -> Snapshot:
        """The snapshot in these bytes, for machines of `image`. Raises Rejected where it is not one."""
        state = _decode(data, image)
        reason = check(image, state)
        if reason is not None:
            raise Rejected("snapshot_invalid", details={"reason": reason})
        return Snapshot(image, data[_HEADER_BYTES:])

    def __bytes__(self) -> bytes:
        return self.data


def take(image: Image, state: Words) -> Snapshot:
    """The snapshot of a machine that stands between two frames."""
    words = state.astype(_WORD, copy=False).data
    known = state.astype(np.int64, copy=False)  # in the order of bytes that this processor reads
    return Snapshot(image, b"".join([words[first : first + count] for first, count in _spans(image, known) if count]))


def put(snapshot: Snapshot, state: Words) -> None:
    """Make `state` what it was when the snapshot was taken. Its limits and constants must be those of the same image."""
    words = np.frombuffer(snapshot.body, _WORD)
    _clear(state)
    _fill(snapshot.image, state, words)


def _header(image: Image, body: bytes) -> bytes:
    header = {
        "magic": MAGIC,
        "version": FORMAT_VERSION,
        "flags": 0,
        "length": _HEADER_BYTES + len(body),
        "image": image.digest,
        "limits": [getattr(image.limits, field.name) for field in fields(Limits)],
        "checksum": 0,
        "reserved": 0,
    }
    header["checksum"] = zlib.crc32(body, zlib.crc32(_Header.build(header)))
    built: bytes = _Header.build(header)
    return built


def _spans(image: Image, state: Words) -> Iterator[tuple[int, int]]:
    """(first word, count) of everything a snapshot holds, in order. Later counts are read from earlier words."""
    yield 0, SAVED_CONTROL_WORDS
    yield layout.DEVICE, DEVICE_WORDS
    words = state.data
    word: list[int] = words[: layout.CONTROL_WORDS].tolist()
    rows, at_rows = word[layout.COROUTINE_LIMIT], word[layout.AT_ROWS]
    yield at_rows, rows * ROW_WORDS
    yield word[layout.AT_ORDER], word[layout.ORDER_COUNT]
    yield word[layout.AT_SLEEPERS], word[layout.SLEEPER_COUNT]
    tables = tables_of(image).data
    states = state[at_rows + ROW_STATE : at_rows + rows * ROW_WORDS : ROW_WORDS]
    for row in states.nonzero()[0].tolist():  # FREE is 0
        depth = words[at_rows + row * ROW_WORDS + layout.DEPTH]
        if depth:
            frames = word[layout.AT_FRAMES] + row * word[layout.DEPTH_LIMIT] * layout.FRAME_ENTRY_WORDS
            yield frames, depth * layout.FRAME_ENTRY_WORDS
            top = frames + (depth - 1) * layout.FRAME_ENTRY_WORDS
            safepoint = safepoint_row(tables, words[top])
            if safepoint < 0:
                raise _Invalid("a coroutine waits where none can")
            base, live = words[top + 1], tables[safepoint + LIVE]
            if not 0 <= base <= word[layout.STACK_LIMIT] - live:
                raise _Invalid("a frame reaches beyond its stack")
            yield word[layout.AT_STACKS] + row * word[layout.STACK_STRIDE], base + live
    yield word[layout.AT_GLOBALS], word[layout.GLOBAL_COUNT]
    yield word[layout.AT_OBJECTS], 2 * word[layout.OBJECT_COUNT]
    yield word[layout.AT_INFO], word[layout.OBJECT_COUNT]
    yield word[layout.AT_HEAP_ORDER], word[layout.LIVE_COUNT]
    yield word[layout.AT_HEAP], word[layout.HEAP_TOP]
    yield word[layout.AT_LOG], (words[layout.DEVICE + LOG_USED] + 7) // 8
    yield word[layout.AT_PIXELS], layout.PIXEL_WORDS


class _Invalid(Exception):
    """Words that no machine of the image has."""


# Counts of the control words, and what each must not exceed: checked before anything is read by them.
_COUNTS = (
    (layout.ORDER_COUNT, layout.COROUTINE_LIMIT),
    (layout.SLEEPER_COUNT, layout.COROUTINE_LIMIT),
    (layout.OBJECT_COUNT, layout.OBJECT_LIMIT),
    (layout.LIVE_COUNT, layout.OBJECT_LIMIT),
    (layout.HEAP_TOP, layout.HEAP_LIMIT),
)


def read_header(data: bytes) -> Any:
    """The header of a whole and undamaged snapshot of any image: image digest, limits. Raises Rejected for anything else."""
    if not data.startswith(MAGIC) or len(data) < _HEADER_BYTES:
        raise Rejected("snapshot_malformed", required="PBSS and a header", available=f"{len(data)} bytes")
    header = _Header.parse(data[:_HEADER_BYTES])
    if header.version != FORMAT_VERSION:
        raise Rejected("snapshot_format_unsupported", required=str(FORMAT_VERSION), available=str(header.version))
    if header.length != len(data) or header.flags or header.reserved or len(data) % 8:
        raise Rejected("snapshot_malformed", required=str(header.length), available=str(len(data)))
    blank = data[: _HEADER_BYTES - 8] + bytes(8)
    if zlib.crc32(memoryview(data)[_HEADER_BYTES:], zlib.crc32(blank)) != header.checksum:
        raise Rejected("snapshot_checksum_wrong")
    return header


def _decode(data: bytes, image: Image) -> Words:
    """A state array with the snapshot's words in their places. Raises Rejected for anything that is no snapshot of the image."""
    header = read_header(data)
    limits = [getattr(image.limits, field.name) for field in fields(Limits)]
    if header.image != image.digest or list(header.limits) != limits:
        raise Rejected("snapshot_cartridge_mismatch", required=header.image.hex(), available=image.digest.hex())
    state = _blank_state(image)
    try:
        _fill(image, state, np.frombuffer(data, _WORD, offset=_HEADER_BYTES))
    except _Invalid as problem:
        raise Rejected("snapshot_invalid", details={"reason": str(problem)}) from None
    return state


def _blank_state(image: Image) -> Words:
    placed = layout.lay_out(image.limits, len(image.program.globals))
    state = np.zeros(placed.words, dtype=np.int64)
    for at, value in layout.constants(image.limits, len(image.program.globals)).items():
        state[at] = value
    return state


def _clear(state: Words) -> None:
    """Zero what a machine has written where zeros must stand behind what is filled in. All that it did not use is zero."""
    for pointer, count in (
        (layout.AT_ORDER, state[layout.COROUTINE_LIMIT]),
        (layout.AT_SLEEPERS, state[layout.COROUTINE_LIMIT]),
        (layout.AT_OBJECTS, 2 * state[layout.OBJECT_COUNT]),
        (layout.AT_INFO, state[layout.OBJECT_COUNT]),
        (layout.AT_HEAP_ORDER, state[layout.OBJECT_COUNT]),
        (layout.AT_HEAP, state[layout.HEAP_TOP]),
        (layout.AT_LOG, (state[layout.DEVICE + LOG_USED] + 7) // 8),
    ):
        state[state[pointer] : state[pointer] + count] = 0


def _fill(image: Image, state: Words, words: Words) -> None:
    """Write the words to their places, where zeros stand. Raises _Invalid where they do not add up."""
    taken = 0
    for step, (first, count) in enumerate(_spans(image, state)):
        if count < 0 or count > len(words) - taken:
            raise _Invalid("it is too short for what it counts")
        state[first : first + count] = words[taken : taken + count]
        taken += count
        if step == 0:
            for counter, limit in _COUNTS:
                if not 0 <= state[counter] <= state[limit]:
                    raise _Invalid("a count is beyond its limit")
        elif step == 1 and not 0 <= state[layout.DEVICE + LOG_USED] <= image.limits.log_bytes:
            raise _Invalid("the log is longer than its limit")
        elif step == 2:
            _check_depths(state)
    if taken != len(words):
        raise _Invalid("it goes on behind its end")


def _check_depths(state: Words) -> None:
    rows = state[int(state[layout.AT_ROWS]) :][: int(state[layout.COROUTINE_LIMIT]) * ROW_WORDS].reshape(-1, ROW_WORDS)
    depths = rows[:, layout.DEPTH]
    if np.any(depths < 0) or np.any(depths > state[layout.DEPTH_LIMIT]):
        raise _Invalid("a call depth is beyond its limit")
