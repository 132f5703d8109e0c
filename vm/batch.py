"""A batch: many machines of one image, stepped together on all cores. For search, training, and trying many inputs at once."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import LimitReached, UsageError
from ..contract.limits import check_limits
from ..host.devices import DEVICE_WORDS, FRONT, HEIGHT, WIDTH, seed_random
from ..loader.image import Image
from . import layout
from .inputs import BatchInputs, Input, batch_words
from .kernels.frames import REPORT_LOG_BYTES, REPORT_WORDS
from .machine import DEFAULT_MAX_TICKS, MOST_TICKS, Machine, MakeEngine
from .results import BatchResult, require_slot
from .snapshot import Snapshot
from .stretch import Stretch
from .workers import Workers, cores

MOST_MACHINES = 1 << 16
MOST_BYTES = 1 << 40  # that their states may take
MOST_THREADS = 1 << 10
MOST_RESULTS = 1 << 24  # frames of all machines in one run: their results take a gigabyte
_STRETCH_FRAMES = 1 << 14  # of all machines in one native call; between two an interrupt is heard
_FRAME_CYCLES = 1 << 12  # that a frame is thought to take at least, with all that comes with it
_THREAD_CYCLES = 400_000  # below, a thread is not worth waking: it takes about a tenth of a millisecond
_LOG_ROOM = 1 << 12  # bytes of log that a machine may leave behind in it, and one frame's more
_STRIDE_WORDS = 16  # two cache lines: what two threads write never shares one


class Batch:
    """Machines of one image in slots 0 .. n - 1, run together by one native call on all cores. They share nothing else.

    A slot does exactly what a single machine does with its seed and inputs, whatever happens in the others and on however many
    threads. `batch[slot]` is the machine there, for everything that is not here.

    seed: one for all slots, or n of them. engine: as for Machine. threads: how many at most; None for one per core that the process
    may use. The reference runs on one. Raises UsageError for arguments out of range, LimitReached("batch_too_large") where
    memory does not suffice. Like a machine, a batch is used by one thread at a time.
    """

    def __init__(
        self,
        image: Image,
        n: int,
        *,
        engine: str | MakeEngine = "auto",
        seed: int | Sequence[int] | npt.NDArray[np.integer[Any]] = 0,
        threads: int | None = None,
    ) -> None:
        _require("n", n, 1, MOST_MACHINES)
        if threads is not None:
            _require("threads", threads, 1, MOST_THREADS)
        self._seeds = _seeds(seed, n)
        check_limits(image.limits)
        self.image = image
        try:
            self._states = _side_by_side(n, layout.lay_out(image.limits, len(image.program.globals)).words)
            self._machines = [
                Machine(image, engine=engine, seed=own, memory=memory)
                for own, memory in zip(self._seeds, self._states, strict=True)
            ]
        except MemoryError:
            raise _too_large(n) from None
        self._log = np.empty((n, _LOG_ROOM + image.limits.log_bytes + 8), np.uint8)
        self._start = self._machines[0].snapshot()
        self._workers = Workers(min(cores() if threads is None else threads, n))

    # ---- slots

    def __len__(self) -> int:
        return len(self._machines)

    def __iter__(self) -> Iterator[Machine]:
        return iter(self._machines)

    def __getitem__(self, slot: int) -> Machine:
        return self._machines[require_slot(slot, len(self))]

    def snapshot(self, slot: int) -> Snapshot:
        """The machine in a slot as it stands between two frames: the bytes that a single machine would give."""
        return self[slot].snapshot()

    def restore(self, slot: int, snapshot: Snapshot | bytes) -> None:
        """The machine in a slot becomes what the snapshot was taken from; see `Machine.restore`. The others go on."""
        self[slot].restore(snapshot)

    def reset(self, slot: int, *, seed: int | None = None) -> None:
        """The machine in a slot is as it was before frame 0, also after its end. seed: another than the slot has had so far."""
        machine = self[slot]
        if seed is not None:
            self._seeds[slot] = _require_seed(seed)
        machine.restore(self._start)
        machine.seed = self._seeds[slot]
        machine.state[layout.SEED] = machine.seed
        seed_random(machine.state.data[layout.DEVICE : layout.DEVICE + DEVICE_WORDS], machine.seed)

    # ---- running

    def run(self, frames: int, inputs: BatchInputs | None = None, *, max_ticks: int = DEFAULT_MAX_TICKS) -> BatchResult:
        """Run up to `frames` frames on every machine that has not ended; fewer where one ends.

        inputs: none; an Input for all frames; Inputs by frame, for all slots; Inputs by slot and frame; or an array of integers:
        button masks (frames,) or (n, frames), or the words of `Input.words` (n, frames, 4). A frame that is not done after
        `max_ticks` host ticks stays open, and its slot stops there: `in_frame`. Raises UsageError for arguments that do not fit.
        """
        _require("frames", frames, 0, MOST_RESULTS // len(self))
        _require("max_ticks", max_ticks, 1, MOST_TICKS)
        return self._run(frames, batch_words(inputs, len(self), frames), max_ticks)

    def run_frame(
        self, inputs: Input | Iterable[Input] | npt.NDArray[np.integer[Any]] | None = None, *, ticks: int = 1
    ) -> BatchResult:
        """Run one frame on every machine, for at most `ticks` host ticks; see `Machine.run_frame`. Arrays of the result are (n, 1).

        inputs: none, one for all, one for each slot, or integers: masks (n,), or words (n, 4).
        """
        _require("ticks", ticks, 1, MOST_TICKS)
        given: BatchInputs | None
        if isinstance(inputs, np.ndarray):
            given = inputs[:, None]
        elif inputs is None or isinstance(inputs, Input):
            given = inputs
        else:
            given = [[one] for one in inputs]
        return self._run(1, batch_words(given, len(self), 1), ticks)

    def _run(self, frames: int, inputs: npt.NDArray[np.int64], ticks: int) -> BatchResult:
        n = len(self)
        done = np.zeros(n, np.int64)
        report = np.zeros((n, frames, REPORT_WORDS), np.int64)
        logs: dict[int, bytes] = {}
        engines = [machine.engine for machine in self._machines]
        ended_before = self.ended
        open_slots = np.flatnonzero(~ended_before) if frames else np.zeros(0, np.int64)
        while len(open_slots):
            count = np.minimum(frames - done[open_slots], max(1, _STRETCH_FRAMES // len(open_slots)))
            stretch = Stretch(
                slots=open_slots,
                first=done[open_slots],
                count=count,
                ticks=ticks,
                inputs=inputs,
                report=report,
                log=self._log[: len(open_slots)],
                log_room=_LOG_ROOM,
                done=np.zeros(len(open_slots), np.int64),
                threads=self._threads_worth_waking(open_slots, count),
            )
            engines[0].run_stretch(engines, stretch, self._workers)
            done[open_slots] += stretch.done
            if self.image.limits.log_bytes:
                _keep_logs(stretch, logs)
            status = self._states[open_slots, layout.STATUS]
            open_slots = open_slots[(status == layout.BETWEEN) & (done[open_slots] < frames)]
        trapped = np.flatnonzero(~ended_before & (self._states[:, layout.STATUS] == layout.TRAPPED)).tolist()
        return BatchResult(
            done=done,
            traps={slot: trap for slot in trapped if (trap := self._machines[slot].trap) is not None},
            report=report,
            unfinished=self.in_frame if frames else np.zeros(n, np.bool_),
            logs=logs,
        )

    def _threads_worth_waking(self, slots: npt.NDArray[np.int64], frames: npt.NDArray[np.int64]) -> int:
        """One for each so much work, if the frames to come are like the last ones."""
        cycles = frames * np.maximum(self._states[slots, layout.FRAME_CYCLES], _FRAME_CYCLES)
        return 1 + int(cycles.sum()) // _THREAD_CYCLES

    # ---- looking at it

    @property
    def frame(self) -> npt.NDArray[np.int64]:
        """The number of each machine's next frame, or of the one that is unfinished: int64 (n,)."""
        return self._states[:, layout.FRAME].copy()

    @property
    def cycles(self) -> npt.NDArray[np.int64]:
        """Cycles that each machine has used since its start: int64 (n,)."""
        return self._states[:, layout.CYCLES].copy()

    @property
    def in_frame(self) -> npt.NDArray[np.bool_]:
        """Whether a frame of the machine is unfinished: bool (n,)."""
        return np.equal(self._states[:, layout.STATUS], layout.IN_FRAME)

    @property
    def ended(self) -> npt.NDArray[np.bool_]:
        """Whether the machine halted or trapped: bool (n,)."""
        return np.greater_equal(self._states[:, layout.STATUS], layout.HALTED)

    @property
    def threads(self) -> int:
        """How many threads run the machines at most."""
        return self._workers.threads

    def screens(self) -> npt.NDArray[np.uint16]:
        """A copy of every screen that is shown: shape (n, 180, 320), RGB565."""
        at = int(self._states[0, layout.AT_PIXELS])
        pixels = self._states[:, at : at + layout.PIXEL_WORDS].astype("<i8", copy=False).view("<u2")
        both = pixels.reshape(len(self), 2, HEIGHT, WIDTH)
        return both[np.arange(len(self)), self._states[:, layout.DEVICE + FRONT]].astype(np.uint16, copy=False)


def _keep_logs(stretch: Stretch, logs: dict[int, bytes]) -> None:
    """Add to `logs`, by slot, what the machines logged in these frames."""
    last = stretch.first + stretch.done
    frames = stretch.first[:, None] + np.arange(stretch.done.max())
    within = np.minimum(frames, stretch.report.shape[1] - 1)
    sizes = stretch.report[stretch.slots[:, None], within, REPORT_LOG_BYTES]
    used = np.where(frames < last[:, None], sizes, 0).sum(axis=1)
    for i in np.flatnonzero(used).tolist():
        slot = int(stretch.slots[i])
        logs[slot] = logs.get(slot, b"") + stretch.log[i, : used[i]].tobytes()


def _side_by_side(n: int, words: int) -> npt.NDArray[np.int64]:
    """Zeros for n states, (n, words), each on cache lines of its own. Raises LimitReached."""
    stride = -(-words // _STRIDE_WORDS) * _STRIDE_WORDS
    if 8 * n * stride > MOST_BYTES:
        raise _too_large(n)
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}
    try:
        room = mmap.mmap(-1, 8 * n * stride, **private)  # pages that no machine touches are never there
    except OSError:
        raise _too_large(n) from None
    return np.frombuffer(room, np.int64).reshape(n, stride)[:, :words]


def _too_large(n: int) -> LimitReached:
    return LimitReached("batch_too_large", available=str(n))


def _seeds(seed: int | Sequence[int] | npt.NDArray[np.integer[Any]], n: int) -> list[int]:
    if isinstance(seed, (int, np.integer)):
        return [_require_seed(seed)] * n
    if len(seed) != n:
        raise UsageError("usage", subject="seed", required=f"one, or {n} of them", available=str(len(seed)))
    return [_require_seed(one) for one in seed]


def _require_seed(seed: int) -> int:
    _require("seed", seed, -(1 << 63), (1 << 63) - 1)
    return int(seed)


def _require(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise UsageError("usage", subject=name, required=f"{least} to {most}", available=str(value)[:40])
