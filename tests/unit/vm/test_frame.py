"""The frame as the host sees it: input latched once, turns in order, ends, trap records; the vectors test each step by itself."""

import pytest

from pbs.contract import UsageError
from pbs.isa.traps import Trap
from pbs.vm import Input, Machine, Status, layout
from tests.unit.vm.world import ENGINES, image

pytestmark = pytest.mark.parametrize("engine", ENGINES)

# Everybody logs its own number at every turn.
TURNS = """
.target profile "game" "1.0.0"
.func main() -> ()
    PUSH 10
    SPAWN stays 1
    PUSH 20
    SPAWN yields 1
    PUSH 30
    SPAWN sleeps 1
    PUSH 40
    SPAWN ends 1
    POP_N 4
turn:
    PUSH 0
    CALL say
    FRAME_SYNC
    JMP turn
.end
.func say(n: int) -> ()
    PUSH 2
    GET_LOCAL n
    HOSTCALL log.number/1
    POP
    RET
.end
.func stays(n: int) -> ()
turn:
    GET_LOCAL n
    CALL say
    FRAME_SYNC
    JMP turn
.end
.func yields(n: int) -> ()
turn:
    GET_LOCAL n
    CALL say
    YIELD
    FRAME_SYNC
    JMP turn
.end
.func sleeps(n: int) -> ()
turn:
    GET_LOCAL n
    CALL say
    PUSH 2
    SLEEP
    FRAME_SYNC
    JMP turn
.end
.func ends(n: int) -> ()
    GET_LOCAL n
    CALL say
    RET
.end
"""


def said(result):
    return [int(entry.text) for entry in result.log]


def test_turns_are_taken_in_the_order_of_the_specification(engine):
    """Worked out by hand from docs/machine.md, the frame: who yields goes to the back, who sleeps 2 is back two frames later."""
    machine = Machine(image(TURNS), engine=engine)
    frames = [said(result) for result in machine.run(6)]
    assert frames == [
        [0, 10, 20, 30, 40],  # the order of being spawned; 40 ends
        [0, 10, 20],  # 30 sleeps in frames 1 and 2
        [0, 10, 20],
        [0, 10, 20, 30],  # awake, behind those that stayed
        [0, 10, 20],
        [0, 10, 20],
    ]


def test_a_coroutine_that_ended_leaves_its_row(engine):
    machine = Machine(image(TURNS), engine=engine)
    rows = machine.layout.offset("rows")
    machine.run(1)
    states = [int(machine.state[rows + 8 * row]) for row in range(6)]
    assert states == [layout.READY, layout.READY, layout.READY, layout.SLEEPING, layout.FREE, layout.FREE]


def test_a_frame_that_was_cut_off_goes_on_behind_the_turns_that_are_over(engine):
    machine = Machine(image(TURNS), engine=engine)
    whole = Machine(image(TURNS), engine=engine).run(4)
    for expected in whole:
        result = machine.run_frame(budget=25)
        ticks = 1
        while result.status is Status.UNFINISHED:
            assert result.digest == b""
            assert result.log == ()
            assert machine.in_frame
            result = machine.run_frame(budget=25)
            ticks += 1
        assert ticks == result.ticks > 1
        assert (result.digest, result.log, result.cycles) == (expected.digest, expected.log, expected.cycles)


LISTENS = """
.target profile "game" "1.0.0"
.global seen: bool
.func main() -> ()
turn:
    PUSH 2
    PUSH 1
    PUSH 0
    INTRINSIC input.a.down
    JMP_IF_TRUE held
    SWAP
held:
    POP
    HOSTCALL log.number/1
    POP
    FRAME_SYNC
    JMP turn
.end
"""


def test_input_is_latched_when_the_frame_opens(engine):
    machine = Machine(image(LISTENS), engine=engine)
    pressed, nothing = Input(frozenset({"a"})), Input()
    assert machine.run_frame(pressed, budget=3).status is Status.UNFINISHED
    result = machine.run_frame(nothing)  # the frame goes on with its own input
    assert (result.frame, said(result)) == (0, [1])
    assert said(machine.run_frame(nothing)) == [0]


def test_halt_ends_the_machine_in_its_frame(engine):
    machine = Machine(image(".func main() -> ()\nFRAME_SYNC\nHALT\n.end\n"), engine=engine)
    assert [result.status for result in machine.run(9)] == [Status.SYNCED, Status.HALTED]
    assert (machine.ended, machine.trap, machine.frame) == (True, None, 2)


# ---- traps

TRAPS = """
.func main() -> ()
    FRAME_SYNC
    PUSH 3
    CALL deeper
    RET
.end
.func deeper(n: int) -> ()
    .local none: numbers
    NOP
    GET_LOCAL none
    GET_LOCAL n
    ARRAY_GET
    POP
    RET
.end
.type numbers = array int
.func careful(n: int) -> int
    PUSH 9
    GET_LOCAL n
    DIV
    RET
.end
.export careful
"""


PUSH, CALL, NOP, GET_LOCAL, ARRAY_GET = (
    1,
    5,
    1,
    1,
    2,
)  # docs/isa.md; a function of two slots costs nothing more to enter


def test_a_trap_record_says_what_and_where(engine):
    machine = Machine(image(TRAPS), engine=engine)
    last = machine.run(5)[-1]
    assert last.status is Status.TRAPPED
    trap = last.trap
    assert trap is not None
    assert trap == machine.trap
    assert (trap.code, trap.instruction, trap.opcode) == (Trap.NULL_REF, "ARRAY_GET", 0x61)
    assert (trap.function, trap.pc, trap.frame) == (1, 2 + 6 + 6, 1)  # behind NOP and two GET_LOCAL
    in_frame = PUSH + CALL + NOP + 2 * GET_LOCAL + ARRAY_GET
    assert (last.cycles, trap.cycles, machine.cycles) == (in_frame, 1 + in_frame, 1 + in_frame)


def test_a_trapped_machine_refuses_everything_but_restore(engine):
    machine = Machine(image(TRAPS), engine=engine)
    before = machine.snapshot()
    machine.run(5)
    for refused in (
        machine.run_frame,
        machine.snapshot,
        lambda: machine.run(1),
        lambda: machine.advance([Input()]),
        lambda: machine.call("careful", [1]),
    ):
        with pytest.raises(UsageError) as caught:
            refused()
        assert caught.value.code == "machine_ended"
    assert machine.run(0) == []
    machine.restore(before)
    assert machine.call("careful", [4]) == (2,)


def test_a_trapped_coroutine_has_no_frames_left(engine):
    machine = Machine(image(TRAPS), engine=engine)
    machine.run(5)
    assert machine.state[machine.layout.offset("rows") + layout.DEPTH] == 0
