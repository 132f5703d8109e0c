"""The loop that plays: what it samples, shows, keeps, and when it ends."""

from __future__ import annotations

import pytest

import pbs
from pbs.console import play as module
from pbs.console.play import FRAMES_PER_SECOND, MAX_LATE_S, Pace, play
from pbs.contract import LimitReached
from pbs.vm import Input, Machine, Status

HEAD = '.target profile "core" "1.0.0"\n.func main()\n'
TICK = f"{HEAD}again:\n    FRAME_SYNC\n    JMP again\n.end\n"
HALT = f"{HEAD}    FRAME_SYNC\n    HALT\n.end\n"
LOOP = f"{HEAD}    FRAME_SYNC\nagain:\n    JMP again\n.end\n"
A, B = Input(frozenset({"a"})), Input(frozenset({"b"}))


class Clock:
    """Time that passes only while somebody sleeps, or works for as long as a test says."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.slept = []
        monkeypatch.setattr(module.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(module.time, "sleep", self.sleep)

    def sleep(self, seconds):
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


class Player:
    """A view: gives these inputs, then the last for ever; None ends the play. Counts what it was shown."""

    name = "player"

    def __init__(self, *inputs):
        self.inputs = list(inputs)
        self.shown = 0
        self.sampled = 0

    def sample(self):
        self.sampled += 1
        return self.inputs.pop(0) if len(self.inputs) > 1 else self.inputs[0]

    def show(self, screen):
        assert screen.shape == (180, 320)
        self.shown += 1

    def close(self):
        raise AssertionError("the view is left open")


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def machine(text):
    return Machine(pbs.load(pbs.assemble(text)))


def test_frames_are_played_shown_and_kept_with_their_input(clock):
    kept = []
    view = Player(A, B, A)
    played = play(
        machine(TICK), view, frames=5, max_ticks=1, keep=lambda given, result: kept.append((given, result.frame))
    )
    assert (played.frames, played.last.frame, view.shown) == (5, 4, 5)
    assert kept == [(A, 0), (B, 1), (A, 2), (A, 3), (A, 4)]
    assert played.elapsed_s == pytest.approx(5 / FRAMES_PER_SECOND)


def test_the_player_ends_it(clock):
    played = play(machine(TICK), Player(A, A, None), max_ticks=1)
    assert (played.frames, played.last.status) == (2, Status.SYNCED)
    none = play(machine(TICK), Player(None), max_ticks=1)
    assert (none.frames, none.last) == (0, None)


def test_it_is_asked_before_every_tick_whether_it_is_stopped(clock):
    answers = iter([False, False, True])
    assert play(machine(TICK), Player(A), max_ticks=1, stopped=lambda: next(answers)).frames == 2
    answers = iter([False] * 4 + [True])
    assert play(machine(LOOP), Player(A), max_ticks=100, stopped=lambda: next(answers)).frames == 1


def test_the_end_of_the_machine_ends_it(clock):
    played = play(machine(HALT), Player(A), max_ticks=1)
    assert (played.frames, played.last.status) == (2, Status.HALTED)


def test_given_input_takes_the_place_of_the_players(clock):
    kept = []
    play(
        machine(TICK),
        Player(A),
        frames=3,
        max_ticks=1,
        keep=lambda given, _: kept.append(given),
        given=[B, None, B].__getitem__,
    )
    assert kept == [B, A, B]


def test_a_frame_without_end_is_played_for_so_many_ticks(clock):
    view = Player(A)
    with pytest.raises(LimitReached) as caught:
        play(machine(LOOP), view, max_ticks=3)
    assert (caught.value.code, caught.value.diagnostic.subject) == ("frame_unfinished", "frame 1")
    assert (view.sampled, view.shown) == (1 + 3, 1)


def test_an_open_frame_keeps_the_input_it_was_opened_with(clock):
    count = "    PUSH 250_000\nagain:\n    PUSH 1\n    SUB\n    DUP\n    PUSH 0\n    GT\n    JMP_IF_TRUE again\n"
    text = f"{HEAD}{count}    POP\n    HALT\n.end\n"
    kept = []
    played = play(
        machine(text), Player(A, B), max_ticks=9, keep=lambda given, result: kept.append((given, result.ticks))
    )
    assert (played.frames, kept[0][0]) == (1, A)
    assert kept[0][1] > 1


def test_a_pace_is_sixty_frames_a_second_on_average(clock):
    pace = Pace()
    for work in (0.001, 0.010, 0.030, 0.0, 0.016) * 12:
        clock.now += work
        pace.wait()
    assert clock.now == pytest.approx(60 / FRAMES_PER_SECOND)


def test_after_a_long_pause_the_clock_starts_over(clock):
    pace = Pace()
    clock.now += 100
    pace.wait()
    assert clock.slept == []
    pace.wait()
    assert clock.slept == [pytest.approx(1 / FRAMES_PER_SECOND)]
    clock.now += MAX_LATE_S / 2  # a short one is made up for
    for _ in range(60):
        pace.wait()
    assert clock.now == pytest.approx(100 + 61 / FRAMES_PER_SECOND)
