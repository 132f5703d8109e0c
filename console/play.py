"""Playing: frames at the pace of the machine's clock, each sampled, run, shown, and kept if wanted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ..contract import LimitReached
from ..vm import NO_INPUT, FrameResult, Input, Machine, Status
from .views import View

FRAMES_PER_SECOND = 60
MAX_LATE_S = 0.25  # after a longer pause the clock starts over, instead of running to catch up


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What was played. `last` is None where not one frame was."""

    frames: int
    last: FrameResult | None
    elapsed_s: float


class Pace:
    """Sixty frames a second, on average."""

    def __init__(self) -> None:
        self._due = time.perf_counter()

    def wait(self) -> None:
        """Until the next frame is due."""
        self._due += 1 / FRAMES_PER_SECOND
        late = time.perf_counter() - self._due
        if late < 0:
            time.sleep(-late)
        elif late > MAX_LATE_S:
            self._due = time.perf_counter()


def play(
    machine: Machine,
    view: View,
    *,
    frames: int | None = None,
    max_ticks: int,
    keep: Callable[[Input, FrameResult], None] = lambda _given, _result: None,
    given: Callable[[int], Input | None] = lambda _frame: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Played:
    """Play until the player ends it, the machine ends, or `frames` are over. The view is left open.

    A frame that needs more host ticks than one simply takes longer; after `max_ticks` LimitReached is raised. keep: gets
    every finished frame with its input. given: input that takes the player's place.
    stopped: asked before every host tick; it ends the play as the player could.
    """
    start, pace = time.perf_counter(), Pace()
    done, ticks = 0, 0
    last: FrameResult | None = None
    chosen = NO_INPUT
    while not machine.ended and (frames is None or done < frames):
        sampled = view.sample()
        if sampled is None or stopped():
            break
        if ticks == 0:  # an open frame goes on with the input it was opened with
            chosen = given(done) or sampled
        result = machine.run_frame(chosen)
        ticks += 1
        if result.status is Status.UNFINISHED:
            if ticks >= max_ticks:
                raise LimitReached(
                    "frame_unfinished", subject=f"frame {machine.frame}", required=f"at most {max_ticks} ticks"
                )
        else:
            done, last, ticks = done + 1, result, 0
            keep(chosen, result)
            view.show(machine.screen())
        pace.wait()
    return Played(frames=done, last=last, elapsed_s=time.perf_counter() - start)
