"""The terminal as pad: what comes in parts, by a clock that the test sets."""

from __future__ import annotations

import os
import sys

import pytest

from pbs.console import term
from pbs.vm import NO_INPUT


class Line:
    """The far end of the terminal, and the time there."""

    def __init__(self, end: int) -> None:
        self._end = end
        self.now = 1000.0

    def send(self, data: bytes) -> None:
        """The bytes lie there to be read when this returns."""
        assert os.write(self._end, data) == len(data)


@pytest.fixture
def line(monkeypatch):
    far, near = os.openpty()
    with os.fdopen(near, "r") as stdin, open(os.devnull, "w") as stdout:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stdout", stdout)
        made = Line(far)
        monkeypatch.setattr(term.time, "monotonic", lambda: made.now)
        yield made
        os.close(far)


@pytest.fixture
def pad(line, capsys):
    shown = term.Terminal("test")
    yield shown
    shown.close()


def test_nothing_typed_is_no_input(pad):
    assert pad.sample() == NO_INPUT


@pytest.mark.parametrize("frames", [1, 2, 3, 15, 1000])
def test_an_escape_waits_for_its_rest_by_the_clock_and_not_by_frames(line, pad, frames):
    """Frames that are late are run one right after the other."""
    line.send(b"\x1b")
    for _ in range(frames):
        assert pad.sample() == NO_INPUT
    line.now += term.ESCAPE_S * 0.99
    assert pad.sample() == NO_INPUT
    line.send(b"[A")
    assert pad.sample().buttons == {"up"}


def test_an_escape_that_stays_alone_ends_the_run(line, pad):
    line.send(b"\x1b")
    assert pad.sample() == NO_INPUT
    line.now += term.ESCAPE_S
    assert pad.sample() is None


def test_an_escape_with_its_rest_right_behind_it_waits_for_nothing(line, pad):
    line.send(b"\x1b[B")
    assert pad.sample().buttons == {"down"}


def test_what_is_there_is_read_before_an_escape_is_taken_for_one(line, pad):
    """A machine that stood still for a while, with the whole sequence in the line."""
    line.send(b"\x1b")
    assert pad.sample() == NO_INPUT
    line.now += term.ESCAPE_S * 50
    line.send(b"[C")
    assert pad.sample().buttons == {"right"}


def test_every_byte_of_a_sequence_may_come_by_itself(line, pad):
    for byte in b"\x1b[1;5":
        line.send(bytes([byte]))
        assert pad.sample() == NO_INPUT
        line.now += term.ESCAPE_S / 2
    line.send(b"D")
    assert pad.sample().buttons == {"left"}


def test_a_key_is_held_for_a_while_after_each_report(line, pad):
    line.send(b"z")
    for _ in range(term.HOLD_FRAMES):
        assert pad.sample().buttons == {"a"}
    assert pad.sample() == NO_INPUT
