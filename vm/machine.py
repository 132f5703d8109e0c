"""The machine: an image being run."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ..contract import LimitReached, UsageError
from ..contract.limits import check_limits
from ..host.devices import DEVICE_WORDS, FRONT, HEIGHT, HOST_CALLS, SCREEN, WIDTH, power_on
from ..isa.traps import Trap
from ..loader.image import Image
from . import layout
from .image_tables import (
    CHARACTERS,
    CONSTANT_OBJECTS,
    GLOBAL_COUNT,
    STRING_BYTES,
    STRING_TYPE,
    STRING_WORDS,
    STRINGS,
    tables_of,
)
from .inputs import NO_INPUT, Input
from .kernels import coroutines, heap
from .kernels.frames import REPORT_WORDS
from .results import FrameResult, Status, Trapped, TrapRecord, frame_results
from .views import ASSET_WORDS, assets_of

if TYPE_CHECKING:
    from ..isa.types import SlotType
    from .snapshot import Snapshot
    from .stretch import Stretch
    from .workers import Workers

DEFAULT_MAX_TICKS = 600  # host ticks that a frame may take before a run gives up: ten seconds
MOST_CYCLES = 1 << 40  # that a tick or a call may be given; their sums stay far below a word
MOST_TICKS = 1 << 20
_STRETCH = 4096  # frames in one native call
_LOG_ROOM = 1 << 16  # bytes of log that it may leave behind, and one frame's more


class Engine(Protocol):
    """What runs a machine's turns. State is the machine's; what else an engine keeps it can make again."""

    name: str

    def run_frames(self, inputs: Any, count: int, ticks: int, report: Any, log: Any, log_room: int) -> int:
        """See `kernels.frames.run_frames`."""

    def run_call(self, function: int, arguments: Any, cycles: int) -> int:
        """See `kernels.frames.run_call`."""

    def state_replaced(self) -> None:
        """The state was written by someone else."""

    @staticmethod
    def run_stretch(engines: Sequence[Any], stretch: Stretch, workers: Workers) -> None:
        """Run frames of many machines of one image: `engines` are theirs, by slot."""


MakeEngine = Callable[[Image, npt.NDArray[np.int64]], Engine]
ENGINES = ("auto", "reference", "interpreter", "compiled")


class Machine:
    """An image, running. Deterministic: the same image, seed and inputs give the same frames on every engine.

    seed: where the guest's random numbers start, any int64. engine: `interpreter` (numba and LLVM), `compiled` (machine
    code of the whole program, made first), `auto` (the interpreter, compiling what turns out to be worth it; while there is
    none yet, the reference), `reference` (plain Python, slow, checks everything), or what makes another. Raises UsageError for
    other names. memory: where the state is to be, zeros, as many words as `layout.lay_out` says.
    """

    def __init__(
        self,
        image: Image,
        *,
        engine: str | MakeEngine = "auto",
        seed: int = 0,
        memory: npt.NDArray[np.int64] | None = None,
    ) -> None:
        if not -(1 << 63) <= seed < 1 << 63:
            raise UsageError("usage", subject="seed", required="a signed 64-bit number", available=str(seed)[:40])
        check_limits(image.limits)
        self.image = image
        self.seed = seed
        self.layout = layout.lay_out(image.limits, int(tables_of(image)[GLOBAL_COUNT]))
        self.state = np.zeros(self.layout.words, dtype=np.int64) if memory is None else memory
        self._power_on()
        make = _engine_named(engine) if isinstance(engine, str) else engine
        self.engine = make(image, self.state)

    def _power_on(self) -> None:
        image, state, tables = self.image, self.state.data, tables_of(self.image).data
        for at, value in layout.constants(image.limits, tables[GLOBAL_COUNT]).items():
            state[at] = value
        state[layout.SEED] = self.seed
        state[layout.CURRENT] = -1
        state[layout.OBJECT_COUNT] = 1
        state[layout.CURSOR] = 1
        device = state[layout.DEVICE : layout.DEVICE + DEVICE_WORDS]
        assets = len(assets_of(image).table) // ASSET_WORDS
        power_on(device, self.seed, image.limits.log_bytes, assets, image.limits.coroutines)
        _place_strings(state, tables)
        coroutines.start(state, tables, 0, 0, 0)
        state[layout.ALLOCATED] = 0

    # ---- running

    @property
    def frame(self) -> int:
        """The number of the next frame, or of the one that is unfinished."""
        return int(self.state[layout.FRAME])

    @property
    def cycles(self) -> int:
        """Cycles used since the start."""
        return int(self.state[layout.CYCLES])

    @property
    def in_frame(self) -> bool:
        """Whether a frame is unfinished."""
        return bool(self.state[layout.STATUS] == layout.IN_FRAME)

    @property
    def ended(self) -> bool:
        """Whether the machine halted or trapped."""
        return int(self.state[layout.STATUS]) >= layout.HALTED

    @property
    def trap(self) -> TrapRecord | None:
        """The trap that ended the machine, if one did."""
        if self.state[layout.STATUS] != layout.TRAPPED:
            return None
        code, opcode, pc, function, frame, cycles = (
            int(w) for w in self.state[layout.TRAP_CODE : layout.TRAP_CYCLES + 1]
        )
        return TrapRecord(code=Trap(code), opcode=opcode, function=function, pc=pc, frame=frame, cycles=cycles)

    def run_frame(self, given: Input = NO_INPUT, *, ticks: int = 1, budget: int | None = None) -> FrameResult:
        """Run one frame for at most `ticks` host ticks. An unfinished frame goes on at the next call, with its old input.

        budget: cycles given at each tick, instead of limits.frame_cycles. How a frame is cut into ticks changes nothing
        that the guest, the digest or the cycle count could see. Raises UsageError("machine_ended") after the end.
        """
        state = self.state
        if budget is not None:
            if not 0 <= budget <= MOST_CYCLES:
                raise UsageError("usage", subject="budget", required=f"0 to {MOST_CYCLES}", available=str(budget)[:40])
            state[layout.FRAME_BUDGET] = budget
        try:
            results = self.advance([given], ticks)
        finally:
            state[layout.FRAME_BUDGET] = self.image.limits.frame_cycles
        return results[0] if results else self._unfinished()

    def run(
        self, frames: int, inputs: Iterable[Input] | None = None, *, max_ticks: int = DEFAULT_MAX_TICKS
    ) -> list[FrameResult]:
        """Run up to `frames` frames, each with its input (none: no input); fewer where the machine ends.

        Raises LimitReached("frame_unfinished") where a frame is not done after `max_ticks` host ticks, and
        UsageError("machine_ended") where there is nothing to run.
        """
        if frames < 0:
            raise UsageError("usage", subject="frames", required="0 or more", available=str(frames)[:40])
        given = None if inputs is None else list(inputs)[:frames]
        if given is not None and len(given) < frames:
            raise UsageError("inputs_too_few", required=str(frames), available=str(len(given)))
        done: list[FrameResult] = []
        while len(done) < frames and not (done and self.ended):
            count = min(frames - len(done), _STRETCH)
            done += self.advance(given[len(done) : len(done) + count] if given else [NO_INPUT] * count, max_ticks)
            if self.in_frame:
                raise LimitReached(
                    "frame_unfinished", subject=f"frame {self.frame}", required=f"at most {max_ticks} ticks"
                )
        return done

    def advance(self, inputs: Sequence[Input], max_ticks: int = DEFAULT_MAX_TICKS) -> list[FrameResult]:
        """One native call: as many of these frames as it completes, at least one unless that takes more host ticks.

        It ends early with the machine, with a frame that is not done (`in_frame`), and where much was logged.
        """
        count = len(inputs)
        if self.ended:
            raise UsageError("machine_ended", subject=f"frame {self.frame}")
        if count < 1 or not 1 <= max_ticks <= MOST_TICKS:
            wanted = f"at least one frame, and 1 to {MOST_TICKS} ticks"
            raise UsageError("usage", required=wanted, available=f"{count} and {max_ticks}")
        given = array("q", [word for one in inputs for word in one.words()])
        report = array("q", bytes(8 * REPORT_WORDS * count))
        log = bytearray(_LOG_ROOM + self.image.limits.log_bytes + 8)
        done = self.engine.run_frames(given, count, max_ticks, report, log, _LOG_ROOM)
        rows = (report[REPORT_WORDS * i : REPORT_WORDS * (i + 1)] for i in range(done))
        return frame_results(rows, log, self.trap)

    def _unfinished(self) -> FrameResult:
        state = self.state
        return FrameResult(
            frame=self.frame,
            status=Status.UNFINISHED,
            cycles=int(state[layout.FRAME_CYCLES]),
            ticks=int(state[layout.TICKS]),
            host_calls=int(state[layout.DEVICE + HOST_CALLS]),
            digest=b"",
            log=(),
            trap=None,
        )

    def call(self, export: str, words: Sequence[int] = (), *, cycles: int = MOST_CYCLES) -> tuple[int, ...]:
        """Call an exported function between two frames. Arguments and results are unsigned 64-bit words.

        Raises UsageError for unknown names and arguments that do not fit, Trapped with the trap record, LimitReached
        where `cycles` do not suffice (the machine has then ended). It is no part of a recording.
        """
        from ..isa.types import FLOAT, is_ref

        function = self.image.export(export)
        if function is None:
            raise UsageError("export_unknown", subject=export)
        self.require_boundary()
        if not 0 <= cycles <= MOST_CYCLES:
            raise UsageError("usage", subject="cycles", required=f"0 to {MOST_CYCLES}", available=str(cycles)[:40])
        facts = self.image.facts.functions[function]
        if (
            len(words) != facts.params
            or any(is_ref(slot_type) for slot_type in facts.slots[: facts.params])
            or not all(_is_word(word, slot_type) for word, slot_type in zip(words, facts.slots, strict=False))
        ):
            raise UsageError(
                "arguments_wrong", subject=export, required=f"{facts.params} words", available=str(len(words))
            )
        arguments = array("Q", words)
        outcome = self.engine.run_call(function, array("q", arguments.tobytes()), cycles)
        if outcome == layout.TRAP:
            record = self.trap
            assert record is not None
            raise Trapped(record, self.image)
        if outcome == layout.OUT_OF_BUDGET:
            self.state[layout.STATUS] = layout.HALTED
            raise LimitReached("call_unfinished", subject=export, required=f"at most {cycles} cycles")
        at = int(self.state[layout.AT_STACKS] + self.state[layout.COROUTINE_LIMIT] * self.state[layout.STACK_STRIDE])
        results = [int(word) & 0xFFFF_FFFF_FFFF_FFFF for word in self.state[at : at + len(facts.signature.results)]]
        return tuple(
            heap.canonical(word) if slot_type == FLOAT else word
            for word, slot_type in zip(results, facts.signature.results, strict=True)
        )

    def require_boundary(self) -> None:
        """Raise UsageError unless the machine stands between two frames."""
        status = int(self.state[layout.STATUS])
        if status >= layout.HALTED:
            raise UsageError("machine_ended", subject=f"frame {self.frame}")
        if status == layout.IN_FRAME:
            raise UsageError("not_at_frame_boundary", subject=f"frame {self.frame}")

    # ---- snapshots

    def snapshot(self) -> Snapshot:
        """The whole machine as it stands between two frames. Raises UsageError inside of a frame and after the end."""
        self.require_boundary()
        from .snapshot import take

        return take(self.image, self.state)

    def restore(self, snapshot: Snapshot | bytes) -> None:
        """Become what the snapshot was taken from; all or nothing, also after the end or inside of a frame.

        Bytes are checked word by word first. Raises Rejected where they are no snapshot of this image.
        """
        from .snapshot import Snapshot, put

        taken = Snapshot.read(snapshot, self.image) if isinstance(snapshot, bytes) else snapshot
        if taken.image is not self.image:
            taken = Snapshot.read(taken.data, self.image)
        put(taken, self.state)
        self.seed = int(self.state[layout.SEED])
        self.engine.state_replaced()

    # ---- looking at it

    def screen(self) -> npt.NDArray[np.uint16]:
        """A copy of the screen that is shown: shape (180, 320), RGB565."""
        first = 4 * int(self.state[layout.AT_PIXELS]) + SCREEN * int(self.state[layout.DEVICE + FRONT])
        pixels = self.state.astype("<i8", copy=False).view("<u2")
        return pixels[first : first + SCREEN].reshape(HEIGHT, WIDTH).astype(np.uint16)


def _place_strings(state: memoryview, tables: memoryview) -> None:
    """String constants are the first objects, in the order of the constants, and stay."""
    for row in range(tables[STRINGS], tables[STRINGS] + STRING_WORDS * tables[CONSTANT_OBJECTS], STRING_WORDS):
        length, characters = tables[row + STRING_BYTES], tables[row + CHARACTERS]
        handle = heap.allocate(state, tables, tables[row + STRING_TYPE], length)
        assert handle, "loading checked that the constants fit"
        at = state[layout.AT_HEAP] + state[state[layout.AT_OBJECTS] + 2 * (handle & heap.LAYOUT_MASK)]
        words = (length + 7) // 8
        state[at : at + words] = tables[characters : characters + words]


def _is_word(word: int, slot_type: SlotType) -> bool:
    """Whether a slot of this type, which is no ref, may hold the word."""
    from ..isa.types import BOOL

    return 0 <= word < (2 if slot_type == BOOL else 1 << 64)


def _engine_named(name: str) -> MakeEngine:
    if name == "reference":
        from .reference import Reference

        return Reference
    if name == "interpreter":
        from .interpreter import Interpreter

        return Interpreter
    if name == "auto":
        from .cold_start import auto

        return auto
    if name == "compiled":
        from .compiled.engine import Compiled

        return Compiled
    raise UsageError("engine_unknown", subject=name, required=", ".join(ENGINES))
