"""What terminals send, as events."""

from __future__ import annotations

import pytest

from pbs.console.keys import Key, Mouse, events, unfinished
from pbs.console.views import KEYS


def names(data):
    return [event.name for event in events(data)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x1b[A", ["up"]), (b"\x1b[B", ["down"]), (b"\x1b[C", ["right"]), (b"\x1b[D", ["left"]), (b"\x1bOA", ["up"]),
        (b"\x1bOD", ["left"]), (b"\x1b[1;5A", ["up"]), (b"\x1b[1;2D", ["left"]),
        (b"\x1b[A\x1b[A\x1b[B", ["up", "up", "down"]),
        (b"z", ["z"]), (b"Z", ["z"]), (b"\r", ["return"]), (b"\n", ["return"]), (b" ", ["space"]),
        (b"zx as", ["z", "x", "space", "a", "s"]),
        (b"\x1b", ["escape"]), (b"\x03", ["escape"]), (b"\x04", ["escape"]), (b"z\x1b", ["z", "escape"]),
        (b"\x1b\x1b[A", ["escape", "up"]),
        (b"", []), (b"1;!\t\x00\x7f\xff", []), ("é".encode(), []),
        (b"\x1b[3~", []), (b"\x1b[15~z", ["z"]), (b"\x1b[200~z", ["z"]), (b"\x1bOP", []), (b"\x1b[?1;2c", []),
        (b"\x1b[I\x1b[O", []),
        (b"\x1b[24;80R", []), (b"\x1b[1;5Pq", ["q"]),
    ],
)  # fmt: skip
def test_keys(data, expected):
    assert names(data) == expected


def test_every_key_of_the_pad_can_be_typed():
    sent = {"up": b"\x1b[A", "down": b"\x1b[B", "left": b"\x1b[D", "right": b"\x1b[C", "return": b"\r", "space": b" "}
    for name in KEYS:
        assert names(sent.get(name, name.encode())) == [name]
    assert len(set(KEYS.values())) == 12


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x1b[<0;1;1M", [Mouse(0, 0, True)]), (b"\x1b[<0;1;1m", [Mouse(0, 0, False)]),
        (b"\x1b[<32;80;24M", [Mouse(79, 23, True)]),
        (b"\x1b[<0;300;200M", [Mouse(299, 199, True)]), (b"\x1b[<1;5;5M", []), (b"\x1b[<2;5;5M", []), (b"\x1b[<64;5;5M", []),
        (b"\x1b[<35;5;5M", []),
        (b"\x1b[<0;5;5M\x1b[<32;6;5M\x1b[<0;6;5m", [Mouse(4, 4, True), Mouse(5, 4, True), Mouse(5, 4, False)]),
        (b"z\x1b[<0;1;1M\x1b[A", [Key("z"), Mouse(0, 0, True), Key("up")]),
    ],
)  # fmt: skip
def test_the_left_button_is_the_touch(data, expected):
    assert list(events(data)) == expected


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"", 0), (b"z", 0), (b"\x1b", 1), (b"z\x1b", 1), (b"\x1b[", 2), (b"\x1bO", 2), (b"\x1b[<0;4", 6), (b"\x1b[1;5", 5),
        (b"\x1b[A", 0),
        (b"\x1bOA", 0), (b"\x1b[A\x1b[", 2), (b"\x1b[<0;1;1M", 0), (b"\x1bz", 0), (b"\x1b\x1b", 1), (b"\x1b[\x04", 0),
    ],
)  # fmt: skip
def test_a_sequence_whose_rest_is_under_way_is_told_from_a_whole_one(data, count):
    assert unfinished(data) == count


@pytest.mark.parametrize(
    "data", [b"\x1b[A", b"\x1bOB", b"\x1b[1;5C", b"\x1b[<0;40;10M", b"\x1b[<32;123;45m", b"\x1b[15~"]
)
def test_a_sequence_is_under_way_until_its_last_byte(data):
    for size in range(1, len(data)):
        assert unfinished(data[:size]) == size
    assert unfinished(data) == 0


def test_any_bytes_give_events_and_end():
    for first in range(256):
        for second in range(256):
            for data in (bytes([first, second]), bytes([0x1B, first, second]), bytes([0x1B, 0x5B, first, second])):
                assert len(list(events(data))) <= len(data)
    assert 0 <= unfinished(b"\x1b[" + b"9" * 100_000) <= 64  # nobody can make it wait for ever
