"""R12, R13: a snapshot is the whole state.

At every frame of the golden recordings, of random programs and of a program that uses everything, the machine runs on, is put
back and runs on again: the frames must be those of the straight run, and the state word for word what it was. Snapshots go on in
the other engine and in another process. A long run that is put back now and then equals one that never was, in the same memory.
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from random import Random

import pbs
from pbs.cartridges.make import CARTRIDGES, ROOT
from pbs.contract import PbsError
from pbs.host.devices import DEVICE_WORDS, HELD, HOLD, LOG_USED, RANDOM, TOUCH_X
from pbs.loader import Image
from pbs.vm import FrameResult, Input, Machine, Snapshot, layout, snapshot
from pbs.vm.interpreter import Interpreter
from pbs.vm.snapshot import Words, take
from tests.support.compare import ROOMY, SMALL, differences, dump, image_of, random_inputs
from tests.support.programs import random_program
from tests.unit.vm import world

from .checks import Disproved, Fault, Figures, Scale, patched

SHARDS = {Scale.TEST: 2, Scale.SOAK: 16}
ENGINES = ("interpreter", "reference")
DISTANCES = {Scale.TEST: (1, 2, 8), Scale.SOAK: tuple(range(1, 17))}
RANDOM_PROGRAMS = {Scale.TEST: 60, Scale.SOAK: 6_000}
PORTION = 60  # random programs tried in one go
LONG_FRAMES = {Scale.TEST: 4_000, Scale.SOAK: 5_184_000}  # the second: a day at 60 frames a second
CROSSING_STRIDE = {Scale.TEST: 75, Scale.SOAK: 5}  # frames between two that go to the reference, and to another process
AHEAD = 2  # frames that are run there
MAX_TICKS = 50
STRETCH = 600  # frames, of a long run, before the next rollback
GROWTH_BYTES = 1 << 20  # that a long run may add to its memory once a tenth of it is over
CHILD = "import sys; from tests.proof.rollback import onward; onward(sys.argv[1], int(sys.argv[2]))"
TIMEOUT_S = 3600

# Waits in one function, called from two places in turn: equally deep, but not the same calls
CALLERS = """
.global count: int
.func main() -> ()
again:
    CALL waits
    PUSH 1
    CALL add
    CALL waits
    PUSH 10
    CALL add
    JMP again
.end
.func waits() -> ()
    FRAME_SYNC
    RET
.end
.func add(n: int) -> ()
    GET_GLOBAL count
    GET_LOCAL n
    ADD
    SET_GLOBAL count
    RET
.end
"""


@dataclass(frozen=True, kw_only=True)
class Game:
    """An image, what is played, and the frames of the straight run."""

    name: str
    image: Image
    seed: int
    inputs: tuple[Input, ...]
    frames: tuple[FrameResult, ...]

    def machine(self, engine: str) -> Machine:
        """A machine at its start."""
        return Machine(self.image, engine=engine, seed=self.seed)

    def run(self, one: Machine, count: int, what: str) -> int:
        """Run up to `count` frames, which must be those of the straight run. How many there were."""
        first = one.frame
        count = min(count, len(self.frames) - first)
        for result in one.run(count, self.inputs[first : first + count], max_ticks=MAX_TICKS) if count else ():
            if result != self.frames[result.frame]:
                raise Disproved(f"{self.name}: {what}: {result}, but straight: {self.frames[result.frame]}")
        return count


@cache
def game(name: str) -> Game:
    """A cartridge's golden recording, `everything`, `callers`, or a random program's number."""
    if name in CARTRIDGES:
        trace = pbs.Trace.read(ROOT / name / "golden" / f"{CARTRIDGES[name]}.pbt")
        played = _straight(name, trace.image(), trace.header.seed, tuple(trace.inputs()))
        if tuple(frame.digest for frame in played.frames) != trace.digests:
            raise Disproved(f"{name}: the straight run is not the recorded one")
        return played
    if name == "everything":
        return _straight(name, world.world(), -5, tuple(world.inputs(30)))
    if name == "callers":
        return _straight(name, world.image(CALLERS), 0, tuple(world.inputs(12)))
    number = int(name)
    image = image_of(random_program(Random(number), size=4 + number % 30), ROOMY if number & 1 else SMALL)
    return _straight(name, image, number, tuple(random_inputs(Random(number), 8)))


def _straight(name: str, image: Image, seed: int, inputs: tuple[Input, ...]) -> Game:
    one, frames = Machine(image, engine="interpreter", seed=seed), []
    while len(frames) < len(inputs) and not one.ended and not one.in_frame:
        frames += one.advance(inputs[len(frames) :], MAX_TICKS)
    return Game(name=name, image=image, seed=seed, inputs=inputs, frames=tuple(frames))


# ---- the check -----------------------------------------------------------------------------------------------------------

Part = Callable[[], Mapping[str, int]]


def check(scale: Scale, shard: int, shards: int) -> Figures:
    """Every so manieth part."""
    figures: Counter[str] = Counter()
    for part in _parts(scale)[shard::shards]:
        try:
            figures.update(part())
        except PbsError as refused:
            raise Disproved(f"{part}: {refused.diagnostic}") from refused
    return figures


def _parts(scale: Scale) -> list[Part]:
    distances, stride, is_soak = DISTANCES[scale], CROSSING_STRIDE[scale], scale is Scale.SOAK
    long: list[Part] = [partial(long_run, name, LONG_FRAMES[scale], bounded=is_soak) for name in CARTRIDGES]
    rolls: list[Part] = [partial(roll_back, name, "interpreter", distances) for name in CARTRIDGES]
    slow: list[Part] = [partial(roll_back, name, "reference", (), turn=16) for name in CARTRIDGES] if is_soak else []
    crossings: list[Part] = [partial(cross, name, stride) for name in CARTRIDGES]
    first = range(0, RANDOM_PROGRAMS[scale], PORTION)
    programs: list[Part] = [partial(_random_programs, range(at, at + PORTION), distances) for at in first]
    processes = partial(other_process, [*CARTRIDGES, "everything", "callers"], stride)
    return [partial(_everything, distances), *long, *slow, *rolls, *programs, *crossings, processes]


def _everything(distances: Sequence[int]) -> Mapping[str, int]:
    figures: Counter[str] = Counter()
    for name in ("everything", "callers"):
        figures.update(cross(name, 1))
        for engine in ENGINES:
            figures.update(roll_back(name, engine, distances))
    return figures


def _random_programs(numbers: range, distances: Sequence[int]) -> Mapping[str, int]:
    figures: Counter[str] = Counter({"random programs": len(numbers)})
    for number in numbers:
        figures.update(roll_back(str(number), ENGINES[number % 8 == 0], distances))
        figures.update(cross(str(number), 3))
    game.cache_clear()
    return figures


def roll_back(name: str, engine: str, distances: Sequence[int], *, turn: int = 0) -> Mapping[str, int]:
    """At every frame: run on by each distance, go back, run on, go back. turn: instead, one distance a frame, 1 to `turn`."""
    figures: Counter[str] = Counter()
    played = game(name)
    one = played.machine(engine)
    for frame in range(len(played.frames)):
        before, state = one.snapshot(), dump(one)
        for distance in distances or (1 + frame % turn,):
            what = f"on the {engine}, {distance} frames from frame {frame}"
            played.run(one, distance, what)
            one.restore(before)
            if distances:
                played.run(one, distance, f"{what}, once more")
                one.restore(before)
            figures["rollbacks"] += 1
        data = bytes(before)
        one.restore(data)
        if bytes(one.snapshot()) != data or bytes(Snapshot.read(data, played.image)) != data:
            raise Disproved(f"{name}: on the {engine}: what is saved at frame {frame} is not what was loaded")
        if wrong := differences(state, dump(one)):
            raise Disproved(f"{name}: on the {engine}: going back to frame {frame} changed {', '.join(wrong)}")
        figures["rolled frames"] += played.run(one, 1, f"on the {engine}, from frame {frame}")
    return figures


def cross(name: str, stride: int) -> Mapping[str, int]:
    """Snapshots of each engine, as bytes, go on in the other; the machine there stood somewhere else before."""
    played, crossings = game(name), 0
    giver = played.machine("interpreter")
    there, again = Machine(played.image, engine="reference"), Machine(played.image, engine="interpreter", seed=1)
    for frame in range(0, len(played.frames), stride):
        data = bytes(giver.snapshot())
        there.restore(data)
        if (there.seed, there.frame, bytes(there.snapshot())) != (giver.seed, frame, data):
            raise Disproved(f"{name}: the reference makes something else of frame {frame}")
        ended = frame + AHEAD >= len(played.frames)
        played.run(there, AHEAD, f"from the interpreter to the reference at frame {frame}")
        if not ended:
            again.restore(bytes(there.snapshot()))
            played.run(again, AHEAD, f"from the reference to the interpreter at frame {frame + AHEAD}")
        played.run(giver, stride, "straight on")
        crossings += 2 - ended
    return {"crossings": crossings}


# ---- another process -----------------------------------------------------------------------------------------------------


def other_process(names: Sequence[str], stride: int) -> Mapping[str, int]:
    """Snapshots of every so manieth frame go on in a new process, on both engines."""
    wanted = []
    with tempfile.TemporaryDirectory(prefix="pbs-rollback-") as folder:
        for name in names:
            played = game(name)
            one = played.machine("interpreter")
            for frame in range(0, len(played.frames), stride):
                Path(folder, f"{name} {frame:06}").write_bytes(bytes(one.snapshot()))
                rest = played.frames[frame : frame + AHEAD]
                wanted += [f"{name} {frame:06} {e} {' '.join(r.digest.hex() for r in rest)}" for e in ENGINES]
                played.run(one, stride, "straight on")
        done = subprocess.run(
            [sys.executable, "-c", CHILD, folder, str(AHEAD)],
            cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    if done.returncode:
        raise Disproved(f"another process ended with {done.returncode}: {done.stderr[-500:]}")
    for line, found in zip(sorted(wanted), sorted(done.stdout.splitlines()), strict=True):
        if line != found:
            raise Disproved(f"in another process: {found}, but here: {line}")
    return {"snapshots in another process": len(wanted)}


def onward(folder: str, ahead: int) -> None:
    """Go on from the snapshots in a folder; print their digests. Runs in the other process."""
    for path in sorted(Path(folder).iterdir()):
        name, frame = path.name.split()
        played = game(name)
        for engine in ENGINES:
            one = played.machine(engine)
            one.restore(path.read_bytes())
            results = one.run(min(ahead, len(played.inputs) - one.frame), played.inputs[one.frame :])
            print(name, frame, engine, *(result.digest.hex() for result in results))


# ---- long runs -----------------------------------------------------------------------------------------------------------


def long_run(name: str, frames: int, *, bounded: bool) -> Mapping[str, int]:
    """Two machines with the same random inputs; one of them is put back now and then. bounded: look at memory and files too."""
    rng = Random(f"{name} {frames}")
    pool = random_inputs(rng, 4096)
    image = game(name).image
    straight, other = Machine(image, seed=frames), Machine(image, seed=frames)
    done = rollbacks = 0
    settled: tuple[int, int] | None = None
    kept: dict[str, int] = {}
    while done < frames:
        inputs = rng.choices(pool, k=min(rng.randrange(1, 2 * STRETCH), frames - done))
        before = other.snapshot()
        other.run(rng.randrange(1, 30), rng.choices(pool, k=30))
        other.restore(before if rng.random() < 0.5 else bytes(before))
        expected, found = straight.run(len(inputs), inputs)[-1], other.run(len(inputs), inputs)[-1]
        if found != expected or straight.ended:
            raise Disproved(f"{name}, long: put back before frame {done}: {found}, but straight: {expected}")
        done += len(inputs)
        rollbacks += 1
        if bounded and settled is None and done >= frames // 10:
            settled = _held()
    if settled is not None:
        memory, files = (now - then for now, then in zip(_held(), settled, strict=True))
        if memory > GROWTH_BYTES or files > 0:
            raise Disproved(f"{name}: {frames} frames took {memory} bytes and {files} open files that they keep")
        kept = {"bytes kept by long runs": max(memory, 0)}
    return {"frames of long runs": done, "rollbacks of long runs": rollbacks, **kept}


def _held() -> tuple[int, int]:
    """Bytes of memory and open files of this process."""
    gc.collect()
    pages = Path("/proc/self/statm")
    if pages.exists():
        memory = int(pages.read_text().split()[1]) * resource.getpagesize()
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return memory, len(os.listdir("/dev/fd"))


# ---- faults --------------------------------------------------------------------------------------------------------------


def planted() -> list[Fault]:
    """Faults of snapshots that this check must find."""
    device = layout.DEVICE
    return [
        Fault("buttons held are not saved", _forgets(device + HELD, 2)),
        Fault("how long they are held is not saved", _forgets(device + HOLD, 12)),
        Fault("where it was touched is not saved", _forgets(device + TOUCH_X, 4)),
        Fault("the state of the random numbers is not saved", _forgets(device + RANDOM, 4)),
        Fault("what was logged is not saved", _forgets(device + LOG_USED, 1)),
        Fault("the last digest is not saved", _forgets(layout.CHAIN, 2)),
        Fault("no device is saved", _forgets(device, DEVICE_WORDS)),
        Fault("a global is not saved", _forgets(layout.AT_GLOBALS, 1, is_pointer=True)),
        Fault("the picture is not saved", _forgets(layout.AT_PIXELS, layout.PIXEL_WORDS, is_pointer=True)),
        Fault("sleepers are saved in another order", patched(snapshot, "take", _other_order)),
        Fault("who sleeps how long is not saved", patched(snapshot, "take", _no_wake_frames)),
        Fault("the engine keeps its own calls", patched(Interpreter, "state_replaced", lambda _engine: None)),
        Fault("the machine keeps its own seed", patched(Machine, "restore", _keeps_seed)),
    ]


def _forgets(first: int, count: int, *, is_pointer: bool = False) -> AbstractContextManager[None]:
    """Snapshots with zeros in the place of some words. is_pointer: `first` is the word that says where they are."""

    def wrong(image: Image, state: Words) -> Snapshot:
        state = state.copy()
        at = int(state[first]) if is_pointer else first
        state[at : at + count] = 0
        return take(image, state)

    return patched(snapshot, "take", wrong)


def _other_order(image: Image, state: Words) -> Snapshot:
    state = state.copy()
    at, sleepers = int(state[layout.AT_SLEEPERS]), int(state[layout.SLEEPER_COUNT])
    state[at : at + sleepers] = state[at : at + sleepers][::-1].copy()
    return take(image, state)


def _no_wake_frames(image: Image, state: Words) -> Snapshot:
    state = state.copy()
    first, end = int(state[layout.AT_ROWS]), int(state[layout.AT_ORDER])
    state[first + layout.WAKE_FRAME : end : layout.ROW_WORDS] = 0
    return take(image, state)


def _keeps_seed(one: Machine, snapshot: Snapshot | bytes) -> None:
    seed = one.seed
    _RESTORE(one, snapshot)
    one.seed = seed


_RESTORE = Machine.restore
