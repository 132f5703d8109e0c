"""The kernels of the frame find everything through the control words, wherever it stands, and leave alone what is not theirs."""

from itertools import pairwise

import numpy as np
import pytest

from pbs.host.devices import DEVICE_WORDS, LOG_USED
from pbs.isa.traps import Trap
from pbs.vm import Machine, Status, Trapped, layout
from pbs.vm.image_tables import tables_of
from pbs.vm.kernels import frames
from tests.unit.vm.world import ENGINES, FRAMES, image, inputs, recorded, world

STRANGER = -77  # stands between the regions
PLAIN = layout.lay_out


def scattered(limits, global_count):
    """A layout whose regions begin one word before a multiple of eight, with some words between them."""
    regions, at = {}, 0
    for name, (_, size) in PLAIN(limits, global_count).regions.items():
        at += 0 if name in ("control", "device") else 15 - at % 8
        regions[name] = (at, size)
        at += size
    return layout.Layout(regions=regions, words=at)


def strangers(machine):
    """The words between the regions."""
    spans = sorted(machine.layout.regions.values())
    return np.concatenate([machine.state[at + size : after] for (at, size), (after, _) in pairwise(spans)])


@pytest.fixture
def scatter(monkeypatch):
    """Makes a machine that is scattered over its memory."""

    def make(of, seed=0):
        with monkeypatch.context() as patch:
            patch.setattr(layout, "lay_out", scattered)
            patch.setattr(layout, "constants", layout.constants.__wrapped__)  # which remembers
            made = Machine(of, engine="reference", seed=seed)
        for (at, size), (after, _) in pairwise(sorted(made.layout.regions.values())):
            made.state[at + size : after] = STRANGER
        return made

    return make


def test_it_does_not_matter_where_a_region_stands(scatter):
    machine = scatter(world(), seed=-5)
    assert tuple(machine.run(FRAMES, inputs())) == recorded()
    assert (strangers(machine) == STRANGER).all()
    assert len(strangers(machine)) > 100


@pytest.mark.parametrize("end", ["HALT", "TRAP", "RET", "PUSH 1\nPUSH 0\nDIV\nPOP\nRET"])
def test_it_does_not_matter_to_how_a_machine_ends(scatter, end):
    text = f".func main() -> ()\nFRAME_SYNC\nCALL ends\nRET\n.end\n.func ends() -> ()\n{end}\n.end\n"
    machine, plain = scatter(image(text)), Machine(image(text), engine="reference")
    assert machine.run(5) == plain.run(5)
    assert machine.ended
    assert machine.trap == plain.trap
    row = machine.layout.offset("rows")
    assert machine.state[row + layout.DEPTH] == 0
    assert (strangers(machine) == STRANGER).all()


def test_a_call_from_the_host_leaves_only_its_cycles(scatter):
    machine = scatter(world(), seed=-5)
    machine.run(3, inputs(3))
    before = machine.state.copy()
    assert machine.call("probe", [5, 0, 1]) == (8, 0, 1)  # behind three frames the count is 3
    changed = set(np.flatnonzero(machine.state != before).tolist())
    at, size = machine.layout.regions["stacks"]
    own = range(at + size - int(machine.state[layout.STACK_STRIDE]), at + size)
    at, _ = machine.layout.regions["frames"]
    entries = layout.FRAME_ENTRY_WORDS * int(machine.state[layout.DEPTH_LIMIT] * machine.state[layout.COROUTINE_LIMIT])
    entry = range(at + entries, at + entries + layout.FRAME_ENTRY_WORDS)
    assert changed - set(own) - set(entry) == {layout.CYCLES}


def test_the_log_is_cleared_when_a_frame_opens_and_nothing_behind_it():
    log, used, room = 200, 41, 64
    state = [STRANGER] * (log + room)
    device = [0] * DEVICE_WORDS
    for at in (layout.SLEEPER_COUNT, layout.ORDER_COUNT, layout.TICKS):
        state[at] = 0
    state[layout.AT_LOG], device[LOG_USED] = log, used
    frames.open_frame(state, device, 0, 0, 0, 0)
    assert state[log:] == [0] * 6 + [STRANGER] * (room - 6)
    assert device[LOG_USED] == 0


# ---- what a frame reports


@pytest.mark.parametrize("engine", ENGINES)
def test_frames_are_numbered_through(engine):
    machine = Machine(world(), engine=engine, seed=-5)
    assert [result.frame for result in machine.run(5, inputs(5)) + machine.run(3, inputs(3))] == list(range(8))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("ticks", [1, 2, 3, 4])
def test_a_frame_gets_as_many_host_ticks_as_it_may_have(engine, ticks):
    machine = Machine(image(".func main() -> ()\nagain:\nJMP again\n.end\n"), engine=engine)
    for more, so_far in ((ticks, ticks), (3, ticks + 3)):
        result = machine.run_frame(ticks=more, budget=11)
        assert (result.status, result.ticks, result.cycles) == (Status.UNFINISHED, so_far, 11 * so_far // 2 * 2)


# ---- the end of a turn

WAITS = """
.func main() -> ()
    .local x: float
    PUSH 1.5
    CALL waits
    POP
    RET
.end
.func waits() -> ()
    .local y: float
    FRAME_SYNC
    RET
.end
"""


def test_a_nan_that_waits_gets_its_one_bit_pattern_in_every_frame_of_the_stack(scatter):
    machine = scatter(image(WAITS))
    machine.run(1)
    at = machine.layout.offset("stacks")
    machine.state[at : at + 4] = -1  # a NaN as well; the fourth word is nobody's
    machine.state[layout.CURRENT] = 0
    frames.end_turn(machine.state.data, tables_of(machine.image).data, 0, layout.SYNCED)
    assert machine.state[at : at + 4].tolist() == [0x7FF8 << 48] * 3 + [-1]


# ---- the end

SPAWNS_AND_ENDS = """
.target profile "game" "1.0.0"
.type handle = coroutine
.func main() -> ()
    SPAWN says 0
    POP
    {end}
.end
.func says() -> ()
    PUSH 2
    PUSH 1
    HOSTCALL log.number/1
    POP
    FRAME_SYNC
    RET
.end
"""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("end", "said"), [("RET", 0), ("HALT", 0), ("FRAME_SYNC\n    RET", 1)])
def test_who_stands_behind_main_gets_no_turn_once_main_has_ended(engine, end, said):
    machine = Machine(image(SPAWNS_AND_ENDS.format(end=end)), engine=engine)
    assert len(machine.run(1)[0].log) == said
    machine.run(0 if machine.ended else 1)
    assert machine.ended
    assert machine.state[layout.STATUS] == layout.HALTED


@pytest.mark.parametrize("engine", ENGINES)
def test_a_call_that_traps_says_in_which_frame(engine):
    text = ".func main() -> ()\nFRAME_SYNC\nRET\n.end\n.func falls() -> ()\nTRAP\n.end\n.export falls\n"
    machine = Machine(image(text), engine=engine)
    machine.run(1)
    before = machine.cycles
    with pytest.raises(Trapped):
        machine.call("falls")
    record = machine.trap
    assert record is not None
    assert (record.code, record.frame, record.cycles) == (Trap.EXPLICIT, 1, machine.cycles)
    assert machine.cycles > before
