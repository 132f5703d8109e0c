"""Replaying: the recorded inputs once more, every frame's digest held against the recorded one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..contract import Diverged, LimitReached
from ..loader import Image
from ..vm import FrameResult, Input, Machine, Status
from ..vm.machine import DEFAULT_MAX_TICKS
from .trace import Trace, TraceHeader, trace_of

STRETCH = 256  # frames between two looks at the digests


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """A replay in which every frame was as recorded. `complete` is False for a partial trace."""

    frames: int
    cycles: int
    digest: bytes  # of the last frame, which chains all
    status: Status
    engine: str
    complete: bool


def record(
    image: Image,
    inputs: Iterable[Input],
    *,
    engine: str = "auto",
    seed: int = 0,
) -> Trace:
    """Run a new machine with these inputs, one a frame, until they or the machine end; the trace of it."""
    machine = Machine(image, engine=engine, seed=seed)
    given = list(inputs)
    header = TraceHeader.of(machine)
    results = machine.run(len(given), given) if given else []
    return trace_of(header, given, results)


def replay(
    trace: Trace,
    image: Image | None = None,
    *,
    engine: str = "auto",
    max_ticks: int = DEFAULT_MAX_TICKS,
    watch: Callable[[Machine, FrameResult], None] | None = None,
) -> ReplayReport:
    """Replay a trace and check every frame. image: the cartridge's; without one, that which the trace carries.

    watch: called after every frame (the machine then stands there). Raises Diverged at the first frame that is not as
    recorded, Rejected where cartridge or runtime are not the trace's, and LimitReached where a frame takes more than
    `max_ticks` host ticks.
    """
    machine = trace.machine(image or trace.image(), engine)
    given = list(trace.inputs())
    done = 0
    last: FrameResult | None = None
    while done < len(trace):
        if machine.ended:
            raise Diverged(
                "replay_ended_early",
                subject=f"frame {machine.frame}",
                required=f"{len(trace)} frames",
                available=str(done),
            )
        count = 1 if watch is not None else min(STRETCH, len(trace) - done)
        # A recorded frame finished within its cycles, so one that takes more than those is not the recorded one.
        ticks = int(trace.rows["cycles"][done : done + count].max()) // machine.image.limits.frame_cycles + 2
        for result in machine.advance(given[done : done + count], min(ticks, max_ticks)):
            _check(trace, done, result)
            last = result
            done += 1
        if machine.in_frame:
            subject, recorded = f"frame {machine.frame}", int(trace.rows["cycles"][done])
            if ticks > max_ticks:
                raise LimitReached("frame_unfinished", subject=subject, required=f"at most {max_ticks} ticks")
            raise Diverged("replay_diverged", subject=subject, required=f"{recorded} cycles", available="more")
        if watch is not None and last is not None:
            watch(machine, last)
    assert last is not None
    if trace.status is not None and trace.status is not last.status:
        code = "replay_ran_on" if last.status is Status.SYNCED else "replay_ended_early"
        raise Diverged(code, subject=f"frame {done - 1}", required=trace.status.value, available=last.status.value)
    return ReplayReport(
        frames=done,
        cycles=machine.cycles,
        digest=last.digest,
        status=last.status,
        engine=machine.engine.name,
        complete=trace.status is not None,
    )


def _check(trace: Trace, index: int, result: FrameResult) -> None:
    expected = trace.digests[index]
    if result.digest != expected:
        recorded_cycles = int(trace.rows[index]["cycles"])
        details: dict[str, str | int] = {"recorded cycles": recorded_cycles, "cycles": result.cycles}
        if result.trap is not None:
            details["trap"] = result.trap.code.name
        raise Diverged(
            "replay_diverged",
            subject=f"frame {result.frame}",
            required=expected.hex(),
            available=result.digest.hex(),
            details=details,
        )
    if int(trace.rows[index]["cycles"]) != result.cycles:
        raise Diverged(
            "replay_diverged",
            subject=f"frame {result.frame}",
            required=f"{int(trace.rows[index]['cycles'])} cycles",
            available=f"{result.cycles} cycles",
        )
