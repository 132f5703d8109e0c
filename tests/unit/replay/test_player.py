"""Replaying: every recorded field is held against what happens, and the first frame that differs is named."""

from dataclasses import replace

import numpy as np
import pytest

from pbs.contract import Diverged, LimitReached, Rejected, UsageError
from pbs.loader import assemble, load
from pbs.replay import Trace, record, replay
from pbs.replay.player import STRETCH
from pbs.vm import Input, Status
from pbs.vm.machine import DEFAULT_MAX_TICKS
from tests.support.compare import SMALL
from tests.unit.replay.recordings import ENGINES, FRAMES, HALTING, image, inputs, machine, recorded

LONG = STRETCH + 40


def with_row(trace: Trace, frame: int, **fields) -> Trace:
    """The trace with other fields in one row."""
    rows = trace.rows.copy()
    for name, value in fields.items():
        rows[frame][name] = value
    return replace(trace, rows=rows)


def diverges(trace: Trace, **options) -> tuple[str, str | None]:
    with pytest.raises(Diverged) as caught:
        replay(trace, **options)
    assert caught.value.exit_code == 6
    return caught.value.code, caught.value.diagnostic.subject


@pytest.mark.parametrize("engine", ENGINES)
def test_a_replay_reports_what_was_recorded(engine):
    report = replay(recorded(), engine=engine)
    expected = machine()
    expected.run(FRAMES, inputs())
    assert (report.frames, report.cycles, report.digest) == (FRAMES, expected.cycles, recorded().digests[-1])
    assert (report.status, report.engine, report.complete) == (Status.SYNCED, engine, True)
    assert replay(recorded(), image(), engine=engine) == report


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("frame", [0, 1, STRETCH - 1, STRETCH, LONG - 1])
def test_another_digest_diverges_at_its_frame(frame, watched):
    digest = recorded(LONG).rows[frame]["digest"].copy()
    digest[15] ^= 1
    watch = (lambda *_: None) if watched else None
    assert diverges(with_row(recorded(LONG), frame, digest=digest), watch=watch) == (
        "replay_diverged",
        f"frame {frame}",
    )


@pytest.mark.parametrize("frame", [0, 3, STRETCH, LONG - 1])
@pytest.mark.parametrize("change", [-1, 1, 1 << 40])
def test_other_cycles_diverge_at_their_frame(frame, change):
    cycles = int(recorded(LONG).rows[frame]["cycles"]) + change
    assert diverges(with_row(recorded(LONG), frame, cycles=cycles)) == ("replay_diverged", f"frame {frame}")


def test_fewer_cycles_than_the_machine_needs_are_a_divergence_and_no_limit():
    """A frame that does not end within its recorded cycles is not the recorded one."""
    body = "PUSH 1\nPOP\n" * 3000
    small = load(
        assemble(f".func main() -> ()\nagain:\n{body}FRAME_SYNC\nJMP again\n.end\n"),
        limits=replace(SMALL, frame_cycles=1024),
    )
    trace = record(small, inputs(3))
    assert replay(trace).frames == 3
    shortened = trace
    for frame in range(3):
        shortened = with_row(shortened, frame, cycles=10)
    assert diverges(shortened) == ("replay_diverged", "frame 0")


@pytest.mark.parametrize("frame", [0, 2, FRAMES - 1])
def test_another_input_diverges_at_its_frame(frame):
    held = int(recorded().rows[frame]["held"]) ^ 1
    assert diverges(with_row(recorded(), frame, held=held)) == ("replay_diverged", f"frame {frame}")


def test_the_status_at_the_end_is_checked():
    halted = record(image(), HALTING)
    assert replay(halted).status is Status.HALTED
    assert diverges(replace(halted, status=Status.SYNCED)) == ("replay_ended_early", "frame 3")
    assert diverges(replace(halted, status=Status.TRAPPED)) == ("replay_ended_early", "frame 3")
    assert diverges(replace(recorded(), status=Status.HALTED)) == ("replay_ran_on", f"frame {FRAMES - 1}")


def test_a_machine_that_ends_before_the_recording_diverges():
    halted = record(image(), HALTING)
    rows = np.concatenate([halted.rows, halted.rows[-1:]])
    assert diverges(replace(halted, rows=rows)) == ("replay_ended_early", "frame 4")


def test_a_trace_without_its_end_is_replayed_and_never_complete():
    partial = replace(recorded(), status=None)
    report = replay(partial)
    assert (report.frames, report.complete, report.status) == (FRAMES, False, Status.SYNCED)


def test_every_frame_is_watched_where_the_machine_then_stands():
    seen = []
    replay(recorded(), watch=lambda one, result: seen.append((result.frame, one.frame, result.digest)))
    assert seen == [(frame, frame + 1, digest) for frame, digest in enumerate(recorded().digests)]


def test_a_watcher_that_stops_stops_the_replay():
    def stop(_, result):
        if result.frame == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(recorded(), watch=stop)


# ---- ticks

SLOW = ".func main() -> ()\nagain:\n" + "PUSH 1\nPOP\n" * 3000 + "FRAME_SYNC\nJMP again\n.end\n"


def slow() -> Trace:
    """Frames of six ticks."""
    return record(load(assemble(SLOW), limits=replace(SMALL, frame_cycles=1024)), inputs(2))


def test_a_replay_takes_no_more_ticks_than_allowed():
    assert replay(slow(), max_ticks=6).frames == 2
    with pytest.raises(LimitReached) as caught:
        replay(slow(), max_ticks=5)
    assert caught.value.code == "frame_unfinished"


@pytest.mark.parametrize("ticks", [0, -1])
def test_ticks_are_counted_from_one(ticks):
    with pytest.raises(UsageError):
        replay(recorded(), max_ticks=ticks)


def test_recorded_cycles_beyond_reason_do_not_let_an_endless_frame_go_on_for_ever():
    text = ".func main() -> ()\nFRAME_SYNC\nagain:\nINTRINSIC input.a.down\nJMP_IF_TRUE again\nFRAME_SYNC\nJMP again\n.end\n"
    small = load(assemble(f'.target profile "core" "1.0.0"\n{text}'), limits=replace(SMALL, frame_cycles=1024))
    trace = with_row(record(small, [Input()] * 2), 1, held=1 << 4, cycles=(1 << 64) - 1)
    with pytest.raises(LimitReached) as caught:
        replay(trace)
    assert caught.value.diagnostic.required == f"at most {DEFAULT_MAX_TICKS} ticks"


# ---- contract versions


@pytest.mark.parametrize(
    ("axis", "value"),
    [("isa_version", "2.0.0"), ("isa_version", "1.999.0"), ("no_such_axis", "1.0.0"), ("no_such_axis", "?")],
)
def test_a_runtime_that_is_not_the_traces_is_refused(axis, value):
    header = recorded().header
    with pytest.raises(Rejected) as caught:
        replay(replace(recorded(), header=replace(header, axes={**header.axes, axis: value})))
    assert caught.value.code == "trace_axes_mismatch"
