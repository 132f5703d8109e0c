"""Snapshots that are wrong in one respect, and the reason that is given for each."""

import numpy as np
import pytest

from pbs.contract import Rejected
from pbs.host.devices import HELD, HOLD, LOG_USED, ROW_WORDS
from pbs.vm import Machine, Snapshot, layout
from pbs.vm.snapshot import _spans
from tests.unit.vm.snapshots import forged, words_of
from tests.unit.vm.world import FRAMES, image, played


def place_of(machine, region, offset):
    """Where a word of a region stands among the words of the machine's snapshot."""
    wanted, at = machine.layout.offset(region) + offset, 0
    for first, count in _spans(machine.image, machine.state):
        if first <= wanted < first + count:
            return at + wanted - first
        at += count
    raise AssertionError(f"not in a snapshot: {region} {offset}")


def reason(machine, *changes):
    """Why the machine's snapshot is refused after these changes (region, offset, value); None where it is not."""
    data = bytes(machine.snapshot())
    words = words_of(data)
    for region, offset, value in changes:
        words[place_of(machine, region, offset)] = value
    try:
        Snapshot.read(forged(words, data[: len(data) - 8 * len(words)]), machine.image)
    except Rejected as refused:
        return refused.diagnostic.details["reason"]
    return None


KEEPS_BYTES = """
.type bytes = array byte
.global kept: bytes
.func main() -> ()
    PUSH {length}
    NEW_ARRAY bytes
    SET_GLOBAL kept
again:
    FRAME_SYNC
    JMP again
.end
"""


# ---- counts, which say how much is read


@pytest.fixture(scope="module")
def machine():
    return played(6)


@pytest.mark.parametrize(
    ("count", "limit"),
    [
        (layout.ORDER_COUNT, layout.COROUTINE_LIMIT), (layout.SLEEPER_COUNT, layout.COROUTINE_LIMIT),
        (layout.OBJECT_COUNT, layout.OBJECT_LIMIT), (layout.LIVE_COUNT, layout.OBJECT_LIMIT),
        (layout.HEAP_TOP, layout.HEAP_LIMIT),
    ],
)  # fmt: skip
def test_a_count_stays_within_its_limit(machine, count, limit):
    most = int(machine.state[limit])
    for value in (-1, most + 1, 1 << 62, -(1 << 63)):
        assert reason(machine, ("control", count, value)) == "a count is beyond its limit"
    assert reason(machine, ("control", count, most)) not in (None, "a count is beyond its limit")
    assert reason(machine, ("control", count, 0)) not in (None, "a count is beyond its limit")


def test_the_log_stays_within_its_limit(machine):
    most = machine.image.limits.log_bytes
    for value in (-1, most + 1, -(1 << 63)):
        assert reason(machine, ("device", LOG_USED, value)) == "the log is longer than its limit"
    assert reason(machine, ("device", LOG_USED, most)) not in (None, "the log is longer than its limit")


@pytest.mark.parametrize("row", range(3))
def test_a_call_depth_stays_within_its_limit(machine, row):
    most = machine.image.limits.call_depth
    at = row * ROW_WORDS + layout.DEPTH
    for value in (-1, most + 1, 1 << 62):
        assert reason(machine, ("rows", at, value)) == "a call depth is beyond its limit"
    assert reason(machine, ("rows", at, most)) not in (None, "a call depth is beyond its limit")


def test_words_are_neither_left_out_nor_left_over(machine):
    data = bytes(machine.snapshot())
    words = words_of(data)
    for wrong, expected in (
        (words[:-1], "it is too short for what it counts"),
        (words[:0], "it is too short for what it counts"),
        (np.append(words, 0), "it goes on behind its end"),
    ):
        with pytest.raises(Rejected) as caught:
            Snapshot.read(forged(wrong, data[: len(data) - 8 * len(words)]), machine.image)
        assert caught.value.diagnostic.details["reason"] == expected


LOGS = """
.target profile "game" "1.0.0"
.const TEXT = "%s"
.func main() -> ()
again:
    PUSH 2
    PUSH TEXT
    HOSTCALL log.write/1
    POP
    FRAME_SYNC
    JMP again
.end
"""


@pytest.mark.parametrize("size", [1, 5, 30, 100, 300, 600])
@pytest.mark.parametrize("coroutines", [1, 9, 17])
def test_logs_of_any_length_stand_anywhere(size, coroutines):
    machine = Machine(image(LOGS % ("x" * size), coroutines=coroutines, log_bytes=1024, heap_words=400))
    machine.run(1)
    used = int(machine.state[layout.DEVICE + LOG_USED])
    assert used == 3 + size
    assert reason(machine) is None
    last = (used + 7) // 8 - 1
    if used % 8:
        assert reason(machine, ("log", last, -1)) == "the log does not end with its last entry"
    for value in (used - 1, used + 1):
        if (value + 7) // 8 == (used + 7) // 8:
            expected = ("the log does not end with its last entry", "a log entry is cut short")
            assert reason(machine, ("device", LOG_USED, value)) in expected


@pytest.mark.parametrize("size", [*range(1, 9), 257, 300])
def test_a_log_is_followed_from_entry_to_entry(size):
    twice = LOGS.replace("again:\n", "again:\n    PUSH 3\n    PUSH TEXT\n    HOSTCALL log.write/1\n    POP\n")
    machine = Machine(image(twice % ("x" * size), log_bytes=1024))
    machine.run(1)
    assert int(machine.state[layout.DEVICE + LOG_USED]) == 2 * (3 + size)
    assert reason(machine) is None


# ---- objects of the world


def offset_of(machine, entry):
    return int(machine.state[machine.layout.offset("objects") + 2 * entry])


def entry_in_global(machine, index):
    return int(machine.state[machine.layout.offset("globals") + index]) & 0xFFFF_FFFF


def test_nothing_is_wrong_with_what_was_not_changed(machine):
    assert reason(machine) is None


@pytest.mark.parametrize(("region", "offset"), [("objects", 0), ("objects", 1), ("info", 0)])
def test_null_is_no_object(machine, region, offset):
    assert reason(machine, (region, offset, 1)) == "null has become an object"


@pytest.mark.parametrize("global_index", [3, 5], ids=["a record", "a closure"])
def test_an_object_has_the_size_of_its_type(machine, global_index):
    at = 2 * entry_in_global(machine, global_index) + 1
    size = int(machine.state[machine.layout.offset("objects") + at])
    for other in (size - 1, size + 1):
        assert reason(machine, ("objects", at, other)) == "an object has another size than its type"


@pytest.mark.parametrize("byte", [5, 6, 7])
def test_behind_the_bytes_of_an_array_are_zeros(machine, byte):
    at = offset_of(machine, entry_in_global(machine, 7))  # of five bytes
    word = int(machine.state[machine.layout.offset("heap") + at])
    assert reason(machine, ("heap", at, word ^ 1 << 8 * 4)) is None
    assert reason(machine, ("heap", at, word | 1 << 8 * byte)) == "bytes behind the end of an array"


@pytest.mark.parametrize("length", range(1, 10))
def test_behind_the_bytes_of_an_array_are_zeros_whatever_its_length(length):
    machine = Machine(image(KEEPS_BYTES.format(length=length)))
    machine.run(1)
    at = offset_of(machine, entry_in_global(machine, 0))
    words = machine.state[machine.layout.offset("heap") + at :][: (length + 7) // 8]
    for byte in range(8 * len(words)):
        word, shift = divmod(byte, 8)
        found = reason(machine, ("heap", at + word, np.int64(words[word]) | np.int64(1) << np.int64(8 * shift)))
        assert found == (None if byte < length else "bytes behind the end of an array")


def test_there_is_no_thirteenth_button(machine):
    let_go = [("device", HOLD + i, 0) for i in range(12)]
    assert reason(machine, ("device", HELD, 0), *let_go) is None
    assert reason(machine, ("device", HELD, 1 << 12), *let_go) == "buttons that do not exist"


def test_a_closure_names_its_own_function(machine):
    at = offset_of(machine, entry_in_global(machine, 5))
    function = int(machine.state[machine.layout.offset("heap") + at])
    for other in (function - 1, function + 1, 0, -1):
        assert reason(machine, ("heap", at, other)) == "a closure of another function"


def test_a_handle_names_a_coroutine_that_was_spawned(machine):
    at, serials = offset_of(machine, entry_in_global(machine, 6)), int(machine.state[layout.NEXT_SERIAL])
    for serial, expected in (
        (0, None), (serials - 1, None), (serials, "a handle of a coroutine that never was"),
        (-1, "a handle of a coroutine that never was"),
    ):  # fmt: skip
        assert reason(machine, ("heap", at, serial)) == expected


@pytest.mark.parametrize(
    ("region", "offset", "value"),
    [("objects", 3, 6), ("info", 1, 2 << 32 | 6), ("info", 1, 1 << 32 | 1)],
    ids=["another length", "another generation", "another type"],
)
def test_a_string_constant_is_as_the_program_says(machine, region, offset, value):
    found = reason(machine, (region, offset, value))
    assert found in ("a string constant is another object", "an object is not where it should be")
    assert found.startswith("a string") or value == 1 << 32 | 1


WAITS_IN_A_CLOSURE = """
.type pair = function (a: int, b: int) -> ()
.type single = function (a: int) -> ()
.global kept: pair
.func main() -> ()
    MAKE_CLOSURE other 0
    SET_GLOBAL kept
    PUSH 1
    PUSH 2
    MAKE_CLOSURE two 0
    CALL_CLOSURE 2
    RET
.end
.closure two(a: int, b: int) -> () captures ()
    FRAME_SYNC
    RET
.end
.closure other(a: int, b: int) -> () captures ()
    RET
.end
.closure one(a: int) -> () captures ()
    .local b: int
    FRAME_SYNC
    RET
.end
"""


def test_who_waits_for_a_closure_gave_it_what_it_takes():
    machine = Machine(image(WAITS_IN_A_CLOSURE))
    machine.run(1)
    frames = machine.layout.offset("frames")
    where = int(machine.state[frames + 2])
    assert where >> 32 == 1
    assert reason(machine) is None
    assert reason(machine, ("frames", 2, where + (2 << 32))) == "a frame waits for no call"


def test_a_frame_of_a_closure_holds_that_very_closure():
    machine = Machine(image(WAITS_IN_A_CLOSURE))
    machine.run(1)
    base = int(machine.state[machine.layout.offset("frames") + 3])
    for other in (0, int(machine.state[machine.layout.offset("globals")])):
        assert reason(machine, ("stacks", base, other)) == "a frame without its closure"


@pytest.mark.parametrize("count", [0, 7, 8, 15, 16, 31, 32, 63])
def test_a_closure_stands_in_its_frame_wherever_that_begins(count):
    locals_ = "\n".join(f"    .local l{i}: int" for i in range(count))
    machine = Machine(image(WAITS_IN_A_CLOSURE.replace(".func main() -> ()", f".func main() -> ()\n{locals_}")))
    machine.run(1)
    assert int(machine.state[machine.layout.offset("frames") + 3]) >= count
    assert reason(machine) is None


FREE_ROW_BETWEEN = """
.type handle = coroutine
.func main() -> ()
    SPAWN ends 0
    SPAWN stays 0
    POP
    POP
again:
    FRAME_SYNC
    JMP again
.end
.func ends() -> ()
    RET
.end
.func stays() -> ()
again:
    FRAME_SYNC
    JMP again
.end
"""


def test_rows_behind_a_free_one_are_looked_at():
    machine = Machine(image(FREE_ROW_BETWEEN))
    machine.run(1)
    states = [int(machine.state[machine.layout.offset("rows") + 8 * row]) for row in range(4)]
    assert states == [layout.READY, layout.FREE, layout.READY, layout.FREE]
    assert reason(machine) is None
    for serial in (-1, 0, 3, 4, 99):  # 0 is main's, 3 the next one's
        assert reason(machine, ("rows", 2 * 8 + 1, serial)) == "coroutines with wrong serials"


def test_a_free_entry_is_not_passed_over():
    for frame in range(FRAMES):
        machine = played(frame)
        count = int(machine.state[layout.OBJECT_COUNT])
        infos = machine.state[machine.layout.offset("info") :][:count]
        if any(int(info) & 0xFFFF_FFFF == 0 for info in infos[1:]):
            assert reason(machine, ("control", layout.CURSOR, count)) == "a free entry was passed over"
            assert reason(machine, ("control", layout.CURSOR, 1)) is None
            return
    raise AssertionError("no frame of the world has a free entry")


# ---- frames and stacks, where nothing is aligned

NESTED = """
.target profile "game" "1.0.0"
.func main() -> ()
    CALL first
    HALT
.end
.func first() -> ()
    .local a: bool
    .local b: bool
    .local c: bool
    CALL second
    RET
.end
.func second() -> ()
    .local d: bool
    .local e: bool
    PUSH 3
    PUSH true
    CALL waits
    POP_N 2
    RET
.end
.func waits() -> ()
    .local f: bool
again:
    PUSH true
    FRAME_SYNC
    POP
    JMP again
.end
.func spawned() -> ()
    CALL first
    RET
.end
"""
TWICE = NESTED.replace("CALL first\n    HALT", "SPAWN spawned 0\n    POP\n    CALL first\n    HALT")
# Slot of the stack, and whether it holds a bool. main and spawned: none; first: a b c; second: d e, 3, true; waits: f, true.
SLOTS = dict(enumerate([True, True, True, True, True, False, True, True, True]))


@pytest.mark.parametrize("limits", [{}, {"call_depth": 5, "stack_words": 21}, {"call_depth": 7, "stack_words": 37}])
@pytest.mark.parametrize("row", [0, 1])
def test_every_slot_of_every_frame_is_looked_at_in_its_place(limits, row):
    machine = Machine(image(TWICE, **limits))
    machine.run(2)
    assert reason(machine) is None
    stride = int(machine.state[layout.STACK_STRIDE])
    for slot, is_bool in SLOTS.items():
        found = reason(machine, ("stacks", row * stride + slot, 2))
        assert found == (f"coroutine in row {row}: a bool that is neither" if is_bool else None), slot


@pytest.mark.parametrize("limits", [{}, {"call_depth": 5}])
@pytest.mark.parametrize("row", [0, 1])
def test_every_frame_waits_for_the_one_above_it(limits, row):
    machine = Machine(image(TWICE, **limits))
    machine.run(2)
    at = row * 2 * int(machine.state[layout.DEPTH_LIMIT])
    words = [int(word) for word in machine.state[machine.layout.offset("frames") + at :][:8]]
    assert [word >> 32 for word in words[::2]] == [4 if row else 0, 1, 2, 3]
    assert words[1::2] == [0, 0, 3, 7]
    for i in range(3):
        start = words[2 * i] & ~0xFFFF_FFFF
        assert reason(machine, ("frames", at + 2 * i, start)) == "a frame waits for nothing"
    for function in (-1, len(machine.image.program.functions)):
        assert reason(machine, ("frames", at + 4, function << 32 | 1)) == "a frame waits for nothing"
    assert reason(machine, ("frames", at + 6, words[6] - 1)) == "a coroutine waits where none can"
    assert reason(machine, ("frames", at + 6, words[6] & ~0xFFFF_FFFF)) is not None
    for i in range(4):
        assert reason(machine, ("frames", at + 2 * i + 1, words[2 * i + 1] + 1)) is not None


def test_a_stack_is_kept_up_to_its_last_live_word():
    machine = Machine(image(TWICE))
    machine.run(2)
    stacks = int(machine.state[layout.AT_STACKS])
    kept = [count for first, count in _spans(machine.image, machine.state) if first >= stacks][:2]
    assert kept == [len(SLOTS), len(SLOTS)]
