"""Conditions and marks. What follows a jump, a call or a return is each engine's business; these are their operands."""

from __future__ import annotations

from ..algebra import Algebra, F, T, W


def if_true(m: Algebra[W, F, T], condition: T) -> T:  # noqa: ARG001 - every meaning takes the algebra first
    """Jumps when the condition holds."""
    return condition


def if_false(m: Algebra[W, F, T], condition: T) -> T:
    """Jumps when the condition does not hold."""
    return m.not_(condition)


def mark_yield(m: Algebra[W, F, T]) -> None:
    """At its next FRAME_SYNC this coroutine moves to the back of the order."""
    m.kernel("mark_yield")


def mark_sleep(m: Algebra[W, F, T], frames: W) -> None:
    """At its next FRAME_SYNC this coroutine is taken out for that many frames; below 1 there is no mark."""
    m.kernel("mark_sleep", frames)
