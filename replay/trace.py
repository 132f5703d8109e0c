"""Traces `.pbt`: what happened, frame by frame, so that it can be made to happen again and be checked.

    header | block ... block | end

The header says which cartridge (digest and content), under which contract versions, limits and seed, and from which state. A
block holds up to 65,535 rows of 32 bytes, one a frame: input, cycles, digest. Every part ends with its CRC-32. A trace without its
end was cut short: its whole blocks can be read on request, and it is never taken for a complete one. Source: docs/formats.md.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import construct as c
import numpy as np
import numpy.typing as npt

from ..contract import Diagnostic, Rejected, axes
from ..contract.evaluate import AtLeastRequirement, evaluate
from ..contract.files import read_bytes, write_bytes
from ..contract.limits import Limits
from ..contract.versions import parse_version
from ..host.devices import BUTTONS, HEIGHT, WIDTH
from ..loader import Image, load
from ..vm import FrameResult, Input, Machine, Snapshot, Status

MAGIC = b"PBST"
FORMAT_VERSION = 1
MAX_TRACE_BYTES = 1 << 30
ROWS_PER_BLOCK = 65_535

_LIMITS = tuple(field.name for field in fields(Limits))
_Head = c.Struct("magic" / c.Bytes(4), "version" / c.Int16ul, "flags" / c.Int16ul, "length" / c.Int32ul)
_Header = c.Struct(
    "digest" / c.Bytes(32),
    "seed" / c.Int64sl,
    "limits" / c.Array(len(_LIMITS), c.Int64ul),
    "axes" / c.PascalString(c.Int16ul, "ascii"),
    "cartridge" / c.Prefixed(c.Int32ul, c.GreedyBytes),
    "start" / c.Prefixed(c.Int32ul, c.GreedyBytes),  # a snapshot, or nothing: from power on
)
_Block = c.Struct("kind" / c.Const(b"ROWS"), "count" / c.Int16ul, "reserved" / c.Const(0, c.Int16ul))
_End = c.Struct("kind" / c.Const(b"DONE"), "status" / c.Int8ul, "reserved" / c.Const(bytes(3)), "frames" / c.Int64ul)
_CHECKSUM_BYTES = 4

ROW = np.dtype(
    [
        ("held", "<u2"),
        ("touch_x", "<u2"),
        ("touch_y", "u1"),
        ("touch_down", "u1"),
        ("events", "<u2"),
        ("cycles", "<u8"),
        ("digest", "u1", 16),
    ]
)
_STATUS = {0: Status.SYNCED, 2: Status.HALTED, 3: Status.TRAPPED}
_STATUS_NUMBERS = {status: number for number, status in _STATUS.items()}


@dataclass(frozen=True, kw_only=True)
class TraceHeader:
    """Under what a trace was recorded."""

    digest: bytes  # of the cartridge, 32 bytes
    seed: int
    limits: Limits
    axes: Mapping[str, str]
    cartridge: bytes  # a flat cartridge or a bare program
    start: bytes  # a snapshot, or empty: from power on

    @staticmethod
    def of(machine: Machine, *, from_here: bool = False) -> TraceHeader:
        """The header of a recording of this machine, from power on or from where it stands."""
        image = machine.image
        return TraceHeader(
            digest=image.digest,
            seed=machine.seed,
            limits=image.limits,
            axes=dict(axes.CURRENT),
            cartridge=image.source,
            start=bytes(machine.snapshot()) if from_here else b"",
        )

    def encode(self) -> bytes:
        """The header's bytes, checksum included."""
        body: bytes = _Header.build(
            {
                "digest": self.digest,
                "seed": self.seed,
                "limits": [getattr(self.limits, name) for name in _LIMITS],
                "axes": axes.canonical(self.axes).decode("ascii"),
                "cartridge": self.cartridge,
                "start": self.start,
            }
        )
        head = {"magic": MAGIC, "version": FORMAT_VERSION, "flags": 0, "length": len(body)}
        return sealed(_Head.build(head) + body)


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A recording. rows: one a frame, dtype ROW. status: how the last frame ended; None where the end is missing."""

    header: TraceHeader
    rows: npt.NDArray[np.void]
    status: Status | None

    def __len__(self) -> int:
        return len(self.rows)

    @staticmethod
    def read(source: Path | str | bytes, *, partial: bool = False) -> Trace:
        """The trace in a file or in bytes. partial: take what whole blocks there are of one that has no end.

        Raises Rejected for anything that is no trace, is damaged, cut short (unless `partial`) or empty.
        """
        data = source if isinstance(source, bytes) else read_bytes(Path(source), MAX_TRACE_BYTES)
        return _Reader(data).read(partial=partial)

    def __bytes__(self) -> bytes:
        """The trace as a file's bytes."""
        assert self.status is not None, "a partial trace is not written again"
        parts = [self.header.encode()]
        for first in range(0, len(self.rows), ROWS_PER_BLOCK):
            parts.append(encode_block(self.rows[first : first + ROWS_PER_BLOCK]))
        parts.append(encode_end(len(self.rows), self.status))
        return b"".join(parts)

    def write(self, path: Path) -> None:
        """Write the file; whole or not at all."""
        write_bytes(path, bytes(self))

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """The frame digests."""
        return tuple(row["digest"].tobytes() for row in self.rows)

    def inputs(self) -> Iterator[Input]:
        """What the player did, frame by frame."""
        for row in self.rows:
            buttons = frozenset(name for i, name in enumerate(BUTTONS) if int(row["held"]) >> i & 1)
            touch = (int(row["touch_x"]), int(row["touch_y"])) if row["touch_down"] else None
            yield Input(buttons, touch)

    def image(self) -> Image:
        """The image of the cartridge that the trace carries. Raises Rejected where that is not the one it names."""
        image = load(self.header.cartridge, limits=self.header.limits)
        if image.digest != self.header.digest:
            raise Rejected("trace_malformed", details={"reason": "the cartridge in it is not the one it names"})
        return image

    def machine(self, image: Image, engine: str = "auto") -> Machine:
        """A machine that stands where the recording began. Raises Rejected where `image` or this runtime is not the trace's."""
        if image.digest != self.header.digest or image.limits != self.header.limits:
            required, available = self.header.digest.hex(), image.digest.hex()
            raise Rejected("trace_cartridge_mismatch", required=required, available=available)
        findings = list(_axis_findings(self.header.axes))
        if findings:
            raise Rejected.of(findings)
        machine = Machine(image, engine=engine, seed=self.header.seed)
        if self.header.start:
            machine.restore(Snapshot.read(self.header.start, image))
        return machine


def _axis_findings(recorded: Mapping[str, str]) -> Iterator[Diagnostic]:
    """Axes of the recording that this runtime does not honour. SemVer axes may have grown since, the others must be equal."""
    for name in sorted(recorded):
        if name in (axes.CLI_CONTRACT, axes.ERROR_CONTRACT):
            continue  # no part of what a machine does
        try:
            minimum = parse_version(recorded[name])
        except ValueError:
            if axes.CURRENT.get(name) != recorded[name]:
                available = axes.CURRENT.get(name, "nothing")
                yield Diagnostic(code="trace_axes_mismatch", subject=name, required=recorded[name], available=available)
            continue
        yield from evaluate([AtLeastRequirement(axis=name, minimum=minimum, code="trace_axes_mismatch")])


def sealed(part: bytes) -> bytes:
    """A part of the file with its CRC-32 behind it."""
    return part + zlib.crc32(part).to_bytes(_CHECKSUM_BYTES, "little")


def encode_block(rows: npt.NDArray[np.void]) -> bytes:
    """A block of rows, checksum included."""
    return sealed(_Block.build({"count": len(rows)}) + rows.tobytes())


def encode_end(frames: int, status: Status) -> bytes:
    """The end of a trace, checksum included."""
    return sealed(_End.build({"status": _STATUS_NUMBERS[status], "frames": frames}))


def make_row(given: Input, result: FrameResult) -> npt.NDArray[np.void]:
    """The row of one frame, shape (1,)."""
    held, x, y, down = given.words()
    row = np.zeros(1, ROW)
    row[0] = (held, x, y, down, 0, result.cycles, np.frombuffer(result.digest, np.uint8))
    return row


def trace_of(header: TraceHeader, inputs: Sequence[Input], results: Sequence[FrameResult]) -> Trace:
    """The trace of frames that were run with these inputs."""
    rows = (
        np.concatenate([make_row(i, r) for i, r in zip(inputs, results, strict=False)]) if results else np.zeros(0, ROW)
    )
    return Trace(header=header, rows=rows, status=results[-1].status if results else Status.SYNCED)


class _Reader:
    """Reads a trace's parts one behind the other; total over any bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def read(self, *, partial: bool) -> Trace:
        header = self._header()
        blocks: list[npt.NDArray[np.void]] = []
        status: Status | None = None
        while status is None:
            kind = self.data[self.at : self.at + 4]
            if kind == b"ROWS":
                block = self._block(partial=partial)
                if block is None:
                    break
                blocks.append(block)
            elif kind == b"DONE":
                status = self._end(sum(map(len, blocks)), partial=partial)
                if status is None:
                    break
            elif partial or b"ROWS".startswith(kind) or b"DONE".startswith(kind):
                break
            else:
                raise self._malformed("a part of unknown kind")
        if status is None and not partial:
            raise Rejected("trace_truncated", details={"offset": self.at})
        if status is not None and self.at != len(self.data):
            raise self._malformed("it goes on behind its end")
        rows = np.concatenate(blocks) if blocks else np.zeros(0, ROW)
        if not len(rows):
            raise Rejected("trace_empty")
        return Trace(header=header, rows=rows, status=status)

    def _malformed(self, reason: str) -> Rejected:
        return Rejected("trace_malformed", details={"reason": reason, "offset": self.at})

    def _header(self) -> TraceHeader:
        data = self.data
        if data[:4] != MAGIC[: len(data)] or not data:
            raise Rejected("trace_malformed", required="PBST", available=data[:4].hex() or "nothing")
        if len(data) < _Head.sizeof():
            raise Rejected("trace_truncated", details={"offset": len(data)})
        head = _Head.parse(data)
        if head.version != FORMAT_VERSION:
            raise Rejected("trace_format_unsupported", required=str(FORMAT_VERSION), available=str(head.version))
        body = self._sealed(_Head.sizeof() + head.length)
        if body is None:
            raise Rejected("trace_truncated", details={"offset": len(data)})
        if head.flags:
            raise self._malformed("flags that mean nothing")
        stream = io.BytesIO(body[_Head.sizeof() :])
        try:
            header = _Header.parse_stream(stream)
            limits = Limits(**dict(zip(_LIMITS, header.limits, strict=True)))
            vector = dict(line.split("=", 1) for line in header.axes.splitlines())
            if axes.canonical(vector) != header.axes.encode("ascii"):  # no line twice, no other order
                raise self._malformed("its axes are not in order")
        except (c.ConstructError, UnicodeDecodeError, ValueError):
            raise self._malformed("its header cannot be read") from None
        if stream.read(1):
            raise self._malformed("its header goes on behind its end")
        return TraceHeader(
            digest=header.digest,
            seed=header.seed,
            limits=limits,
            axes=vector,
            cartridge=header.cartridge,
            start=header.start,
        )

    def _sealed(self, size: int) -> bytes | None:
        """The next `size` bytes, whose checksum must follow; None where the file ends before that."""
        end = self.at + size + _CHECKSUM_BYTES
        if end > len(self.data):
            return None
        part = self.data[self.at : self.at + size]
        if zlib.crc32(part) != int.from_bytes(self.data[self.at + size : end], "little"):
            raise Rejected("trace_checksum_wrong", details={"offset": self.at})
        self.at = end
        return part

    def _block(self, *, partial: bool) -> npt.NDArray[np.void] | None:
        if self.at + _Block.sizeof() > len(self.data):
            return None
        count = int.from_bytes(self.data[self.at + 4 : self.at + 6], "little")
        start = self.at
        try:
            part = self._sealed(_Block.sizeof() + count * ROW.itemsize)
        except Rejected:
            if partial and start + _Block.sizeof() + count * ROW.itemsize + _CHECKSUM_BYTES >= len(self.data):
                return None  # the last block, torn while it was written
            raise
        if part is None:
            return None
        if part[6:8] != bytes(2) or not count:
            raise self._malformed("a block without rows, or with a reserved field in use")
        rows = np.frombuffer(part, ROW, offset=_Block.sizeof())
        wrong = (rows["held"] >> len(BUTTONS)) | (rows["touch_x"] >= WIDTH) | (rows["touch_y"] >= HEIGHT)
        wrong = wrong | (rows["touch_down"] > 1) | (rows["events"] != 0)
        if np.any(wrong):
            raise self._malformed(f"frame {int(np.argmax(wrong != 0))} of a block has an impossible input")
        return rows

    def _end(self, frames: int, *, partial: bool) -> Status | None:
        try:
            part = self._sealed(_End.sizeof())
        except Rejected:
            if partial:
                return None
            raise
        if part is None:
            return None
        try:
            end = _End.parse(part)
        except c.ConstructError:
            raise self._malformed("its end cannot be read") from None
        if end.frames != frames or end.status not in _STATUS:
            raise self._malformed("its end does not fit its rows")
        return _STATUS[end.status]
