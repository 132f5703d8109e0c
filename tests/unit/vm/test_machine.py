"""The machine's own surface: what it takes, what it gives, and how it says no."""

import numpy as np
import pytest

from pbs.contract import LimitReached, Rejected, UsageError
from pbs.isa.traps import Trap
from pbs.vm import Input, Machine, Status, Trapped
from pbs.vm.kernels import frames
from pbs.vm.machine import DEFAULT_MAX_TICKS, MOST_CYCLES
from tests.unit.vm.world import ENGINES, image, inputs, played, recorded, world

WORD = 1 << 64
LEAST_INT = 1 << 63

EXPORTS = """
.type numbers = array int
.global calls: int
.func main() -> ()
turn:
    FRAME_SYNC
    JMP turn
.end
.func same(n: int, x: float, t: bool) -> (int, float, bool)
    GET_LOCAL n
    GET_LOCAL x
    GET_LOCAL t
    RET
.end
.func chosen(t: bool) -> int
    GET_LOCAL t
    JMP_IF_TRUE yes
    PUSH 20
    RET
yes:
    PUSH 10
    RET
.end
.func nothing() -> ()
    RET
.end
.func length(of: numbers) -> int
    GET_LOCAL of
    ARRAY_LEN
    RET
.end
.func ratio(a: int, b: int) -> int
    GET_GLOBAL calls
    PUSH 1
    ADD
    SET_GLOBAL calls
    GET_LOCAL a
    GET_LOCAL b
    DIV
    RET
.end
.func endless() -> ()
again:
    JMP again
.end
.export same
.export chosen
.export nothing
.export length
.export ratio
.export endless
.export start = main
"""


def machine(engine: str = "interpreter") -> Machine:
    return Machine(image(EXPORTS), engine=engine)


def code_of(call, *arguments, **options) -> str:
    with pytest.raises(UsageError) as caught:
        call(*arguments, **options)
    return caught.value.code


# ---- calls


@pytest.mark.parametrize("engine", ENGINES)
def test_a_call_takes_and_gives_words(engine):
    one = machine(engine)
    x = 0x3FF8_0000_0000_0000
    for n in (0, 1, LEAST_INT, WORD - 1):
        assert one.call("same", [n, x, 1]) == (n, x, 1)
    assert one.call("nothing") == ()
    assert one.call("ratio", [WORD - 7, 2]) == (WORD - 3,)


@pytest.mark.parametrize("engine", ENGINES)
def test_any_nan_comes_back_as_the_one_nan(engine):
    for bits in (0x7FF8_0000_0000_0000, 0x7FF0_0000_0000_0001, WORD - 1):
        assert machine(engine).call("same", [0, bits, 0]) == (0, 0x7FF8_0000_0000_0000, 0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("export", "words"),
    [
        ("same", []),
        ("same", [1, 2]),
        ("same", [1, 2, 1, 1]),
        ("same", [-1, 0, 0]),
        ("same", [WORD, 0, 0]),
        ("same", [0, 0, 2]),
        ("same", [0, 0, WORD - 1]),
        ("chosen", [2]),
        ("chosen", [LEAST_INT]),
        ("nothing", [0]),
        ("length", [0]),
    ],
)
def test_arguments_that_do_not_fit_are_refused(engine, export, words):
    one = machine(engine)
    before = bytes(one.snapshot())
    assert code_of(one.call, export, words) == "arguments_wrong"
    assert bytes(one.snapshot()) == before


def test_a_bool_is_one_of_two_words():
    assert [machine().call("chosen", [word]) for word in (0, 1)] == [(20,), (10,)]


@pytest.mark.parametrize("export", ["unknown", "", "start", "main", "SAME"])
def test_only_what_is_exported_and_not_main_is_called(export):
    assert code_of(machine().call, export) == "export_unknown"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_trap_in_a_call_is_raised_with_its_record_and_ends_the_machine(engine):
    one = machine(engine)
    one.run(2)
    with pytest.raises(Trapped) as caught:
        one.call("ratio", [1, 0])
    record = caught.value.record
    assert (record.code, record.instruction, record.frame) == (Trap.DIV_ZERO, "DIV", 2)
    assert record == one.trap
    assert (caught.value.code, caught.value.exit_code) == ("trap", 1)
    place = caught.value.diagnostic.place
    assert place is not None
    assert (place.name, place.pc, place.line) == ("ratio", record.pc, EXPORTS[: EXPORTS.index("DIV")].count("\n") + 1)
    assert code_of(one.call, "nothing") == "machine_ended"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_call_is_given_cycles_and_no_more(engine):
    one = machine(engine)
    with pytest.raises(LimitReached) as caught:
        one.call("endless", cycles=1000)
    assert caught.value.code == "call_unfinished"
    assert one.ended
    assert one.trap is None
    enough = machine(engine)
    enough.call("chosen", [1])
    exact = machine(engine)
    assert exact.call("chosen", [1], cycles=enough.cycles) == (10,)
    with pytest.raises(LimitReached):
        machine(engine).call("chosen", [1], cycles=enough.cycles - 1)


@pytest.mark.parametrize("cycles", [-1, MOST_CYCLES + 1])
def test_cycles_beyond_all_reason_are_refused(cycles):
    assert code_of(machine().call, "nothing", cycles=cycles) == "usage"
    assert code_of(machine().run_frame, budget=cycles) == "usage"


def test_no_call_is_made_inside_of_a_frame():
    one = machine()
    one.run_frame(budget=0)
    assert one.in_frame
    assert code_of(one.call, "nothing") == "not_at_frame_boundary"


def test_a_call_does_not_disturb_the_frames():
    one, other = played(0), played(0)
    for frame, given in enumerate(inputs()):
        assert one.call("probe", [1, 0, 1]) == (1 + int(one.state[one.layout.offset("globals")]), 0, 1)
        (result,), (expected,) = one.run(1, [given]), other.run(1, [given])
        assert (result.frame, result.cycles, result.log) == (frame, expected.cycles, expected.log)


# ---- making one


@pytest.mark.parametrize("engine", ["", "native", "Reference", "auto "])
def test_an_unknown_engine_is_refused(engine):
    assert code_of(Machine, world(), engine=engine) == "engine_unknown"


def test_the_engine_is_auto_where_nothing_is_said():
    assert Machine(world()).engine.name == "auto"


@pytest.mark.parametrize("seed", [LEAST_INT, -LEAST_INT - 1])
def test_a_seed_is_a_signed_word(seed):
    assert code_of(Machine, world(), seed=seed) == "usage"


def test_the_seed_decides_what_is_random_and_nothing_else_does():
    for seed in (-LEAST_INT, -1, 0, LEAST_INT - 1):
        first, second = (Machine(world(), seed=seed).run(2)[-1] for _ in range(2))
        assert first == second
        assert first != Machine(world(), seed=5).run(2)[-1]


# ---- running


def test_run_is_one_frame_after_the_other():
    one = played(0)
    assert tuple(one.run_frame(given) for given in inputs()) == recorded()
    assert tuple(played(0).advance(inputs())) == recorded()


def test_fewer_inputs_than_frames_are_refused_and_more_are_left_over():
    assert code_of(played(0).run, 5, inputs(4)) == "inputs_too_few"
    assert len(played(0).run(3, inputs(9))) == 3
    assert played(0).run(0) == []
    assert code_of(played(0).run, -1) == "usage"


@pytest.mark.parametrize("ticks", [0, -1, (1 << 20) + 1])
def test_ticks_are_counted_from_one(ticks):
    assert code_of(played(0).run, 1, max_ticks=ticks) == "usage"
    assert code_of(played(0).run_frame, ticks=ticks) == "usage"


def test_advance_wants_a_frame():
    assert code_of(played(0).advance, []) == "usage"


@pytest.mark.parametrize("given", [Input(frozenset({"A"})), Input(frozenset({"up", ""}))], ids=["A", "nameless"])
def test_a_button_that_does_not_exist_is_refused(given):
    assert code_of(played(0).run_frame, given) == "input_invalid"


@pytest.mark.parametrize("touch", [(-1, 0), (0, -1), (320, 0), (0, 180)])
def test_a_touch_outside_of_the_screen_is_refused(touch):
    assert code_of(played(0).run_frame, Input(touch=touch)) == "input_invalid"


LONG = ".func main() -> ()\nturn:\n" + "NOP\n" * 3000 + "FRAME_SYNC\nJMP turn\n.end\n"  # three ticks of 1,024 cycles


@pytest.mark.parametrize("engine", ENGINES)
def test_a_frame_that_takes_too_many_ticks_reaches_the_limit_and_can_go_on(engine):
    one = Machine(image(LONG, frame_cycles=1024), engine=engine)
    with pytest.raises(LimitReached) as caught:
        one.run(1, max_ticks=2)
    assert (caught.value.code, one.in_frame, one.frame) == ("frame_unfinished", True, 0)
    whole = Machine(image(LONG), engine=engine).run(2)
    results = one.run(2)
    assert [result.digest for result in results] == [result.digest for result in whole]
    assert [result.ticks for result in results] == [3, 3]


def test_frames_before_the_one_that_takes_too_long_are_kept_in_the_machine():
    text = ".func main() -> ()\nFRAME_SYNC\nFRAME_SYNC\nagain:\nJMP again\n.end\n"
    one = Machine(image(text, frame_cycles=1024))
    with pytest.raises(LimitReached):
        one.run(9)
    assert (one.frame, one.in_frame) == (2, True)
    result = one.run_frame(ticks=2)
    assert (result.status, result.frame, result.ticks) == (Status.UNFINISHED, 2, DEFAULT_MAX_TICKS + 2)


def test_a_machine_that_ends_ends_the_run():
    one = Machine(image(".func main() -> ()\nFRAME_SYNC\nRET\n.end\n"))
    assert len(one.run(5000)) == 2
    assert code_of(one.run, 1) == "machine_ended"


def test_limits_beyond_every_profile_are_refused_before_anything_is_allocated():
    with pytest.raises(Rejected) as caught:
        image(EXPORTS, heap_words=1 << 62, stack_words=1 << 62)
    assert caught.value.code == "limits_invalid"


# ---- what it shows


def test_the_screen_is_a_copy_of_what_is_shown():
    one = played(3)
    screen = one.screen()
    assert screen.shape == (180, 320)
    assert screen[5, 3] == 65535
    screen[:] = 0
    assert one.screen()[5, 3] == 65535


def test_much_log_is_given_frame_by_frame():
    text = """.target profile "game" "1.0.0"
.const TEXT = "0123456789012345678901234567890123456789012345678901234567890123456789"
.func main() -> ()
turn:
    PUSH 4
    PUSH TEXT
    HOSTCALL log.write/1
    POP
    FRAME_SYNC
    JMP turn
.end
"""
    results = Machine(image(text)).run(2000)
    assert len(results) == 2000
    assert {(len(result.log), result.log[0].level, len(result.log[0].text)) for result in results} == {(1, 4, 70)}


def test_the_kernels_alone_run_no_turn():
    """Each engine puts its own in this place; one that forgot to would not run on silently."""
    words = np.zeros(1, np.int64)
    with pytest.raises(NotImplementedError):
        frames.turn(words, words, None, 0)
