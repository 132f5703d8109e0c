"""Single words of a snapshot: the last value that is taken, and the first that is not, on both sides."""

import pytest

from pbs.contract import Rejected
from pbs.host import devices
from pbs.host.devices import ROW_WORDS
from pbs.vm import Snapshot, layout
from tests.unit.vm.snapshots import forged, index_of, taken, words_of
from tests.unit.vm.world import LIMITS, world

MOST = 1 << 62
WORDS = words_of(taken())


def word(region, offset):
    return int(WORDS[index_of(region, offset)])


def is_taken(region, offset, value):
    words = WORDS.copy()
    words[index_of(region, offset)] = value
    try:
        Snapshot.read(forged(words), world())
    except Rejected as refused:
        assert refused.code == "snapshot_invalid"
        return False
    return True


def test_the_words_as_they_are_are_taken():
    assert is_taken("control", layout.STATUS, layout.BETWEEN)


# ---- control words

AT_REST = (
    layout.BUDGET, layout.TURN, layout.MARK, layout.MARK_FRAMES, layout.TRAP_CODE, layout.TRAP_OPCODE, layout.TRAP_PC,
    layout.TRAP_FUNCTION, layout.TRAP_FRAME, layout.TRAP_CYCLES, layout.STATUS, *range(layout.SEED + 1, layout.FRAME_BUDGET),
)  # fmt: skip


@pytest.mark.parametrize("offset", AT_REST)
def test_between_frames_these_words_are_zero(offset):
    assert word("control", offset) == 0
    assert not is_taken("control", offset, 1)
    assert not is_taken("control", offset, -1)


def test_between_frames_nobody_has_the_turn():
    assert word("control", layout.CURRENT) == -1
    assert not is_taken("control", layout.CURRENT, 0)
    assert not is_taken("control", layout.CURRENT, -2)


COUNTERS = {
    "ticks": (layout.TICKS, 0, MOST - 1),
    "allocated": (layout.ALLOCATED, 0, MOST - 1),
    "collections": (layout.COLLECTIONS, 0, MOST - 1),
    "cycles": (layout.CYCLES, word("control", layout.FRAME_CYCLES), MOST - 1),
    "frame cycles": (layout.FRAME_CYCLES, 0, word("control", layout.CYCLES)),
    "next serial": (layout.NEXT_SERIAL, word("control", layout.NEXT_SERIAL), MOST - 1),
}


@pytest.mark.parametrize(("offset", "least", "most"), COUNTERS.values(), ids=COUNTERS)
def test_a_counter_stays_in_its_range(offset, least, most):
    assert is_taken("control", offset, least)
    assert is_taken("control", offset, most)
    assert not is_taken("control", offset, most + 1)
    if offset != layout.NEXT_SERIAL:  # what has a serial may be gone
        assert not is_taken("control", offset, least - 1)


@pytest.mark.parametrize("offset", [layout.CHAIN, layout.CHAIN + 1, layout.SEED])
def test_digest_and_seed_may_be_anything(offset):
    assert all(is_taken("control", offset, value) for value in (0, -1, 1 << 62, -(1 << 63)))


# ---- devices

DEVICES = {
    **{f"random {i}": (devices.RANDOM + i, 0, (1 << 32) - 1) for i in range(4)},
    "touch x": (devices.TOUCH_X, 0, devices.WIDTH - 1),
    "touch y": (devices.TOUCH_Y, 0, devices.HEIGHT - 1),
    "touch down": (devices.TOUCH_DOWN, 0, 1),
    "touch before": (devices.TOUCH_BEFORE, 0, 1),
    "front": (devices.FRONT, 0, 1),
    "held before": (devices.HELD_BEFORE, 0, 4095),
    "host calls": (devices.HOST_CALLS, 0, LIMITS.host_calls),
    "presents": (devices.PRESENTS, 0, MOST - 1),
    "frame": (devices.FRAME, *[word("control", layout.FRAME) - 1] * 2),
    "log limit": (devices.LOG_LIMIT, LIMITS.log_bytes, LIMITS.log_bytes),
    "assets": (devices.ASSET_COUNT, 0, 0),
    "coroutine rows": (devices.COROUTINE_ROWS, LIMITS.coroutines, LIMITS.coroutines),
    **{
        f"hold {i}": (devices.HOLD + i, *((1, MOST - 1) if word("device", devices.HELD) >> i & 1 else (0, 0)))
        for i in range(12)
    },
}


@pytest.mark.parametrize(("offset", "least", "most"), DEVICES.values(), ids=DEVICES)
def test_a_device_word_stays_in_its_range(offset, least, most):
    assert is_taken("device", offset, least)
    assert is_taken("device", offset, most)
    assert not is_taken("device", offset, least - 1)
    assert not is_taken("device", offset, most + 1)


def test_the_held_buttons_are_those_that_were_held_for_some_time():
    held = word("device", devices.HELD)
    assert 0 < held < 4095, "the world holds some buttons and not others"
    assert not any(is_taken("device", devices.HELD, held ^ 1 << i) for i in range(13))


# ---- rows


def rows():
    """(row, its words) of every coroutine."""
    for row in range(LIMITS.coroutines):
        words = [word("rows", row * ROW_WORDS + i) for i in range(ROW_WORDS)]
        if words[0] != layout.FREE:
            yield row, words


def test_sleepers_wake_in_frames_to_come_and_in_their_order():
    first, second = (int(word("sleepers", i)) for i in range(2))
    sooner, later = (first * ROW_WORDS + layout.WAKE_FRAME, second * ROW_WORDS + layout.WAKE_FRAME)
    frame = word("control", layout.FRAME)
    assert (word("rows", sooner), word("rows", later)) == (frame + 1, frame + 2)
    assert [is_taken("rows", sooner, frame + i) for i in (-1, 0, 1, 2, 3)] == [False, True, True, True, False]
    assert [is_taken("rows", later, value) for value in (frame, frame + 1, MOST - 1, MOST)] == [
        False,
        True,
        True,
        False,
    ]


def test_who_is_ready_waits_for_no_frame_and_may_have_had_a_turn():
    ready = [row for row, words in rows() if words[0] == layout.READY]
    assert ready
    for row in ready:
        at = row * ROW_WORDS
        assert not is_taken("rows", at + layout.WAKE_FRAME, 1)
        assert [is_taken("rows", at + layout.HAD_TURN, value) for value in (-1, 0, 1, 2)] == [False, True, True, False]
        for spare in range(5, ROW_WORDS):
            assert not is_taken("rows", at + spare, 1)


def test_a_free_row_is_empty():
    used = {row for row, _ in rows()}
    free = [row for row in range(LIMITS.coroutines) if row not in used]
    assert free
    assert not any(is_taken("rows", free[0] * ROW_WORDS + i, 1) for i in range(ROW_WORDS))
