"""The kernels of the frame find everything through the control words, wherever it stands, and leave alone what is not theirs."""

from itertools import pairwise

import numpy as np
import pytest

from pbs.host.devices import DEVICE_WORDS, LOG_USED
from pbs.isa.traps import Trap
from pbs.vm import Machine, Status, Trapped, layout
from pbs.vm.kernels import frames
from tests.unit.vm.world import ENGINES, FRAMES, image, inputs, recorded, world

STRANGER = -77  # stands between the regions
PLAIN = layout.lay_out


def scattered(limits, global_count):
    """A layout whose regions begin at words that are no multiple of anything, with some words between them."""
    regions, at = {}, 0
    for gap, (name, (_, size)) in enumerate(PLAIN(limits, global_count).regions.items()):
        at += 0 if name in ("control", "device") else 2 * gap + 1
        regions[name] = (at, size)
        at += size
    return layout.Layout(regions=regions, words=at)


def strangers(machine):
    """The words between the regions."""
    spans = sorted(machine.layout.regions.values())
    return np.concatenate([machine.state[at + size : after] for (at, size), (after, _) in pairwise(spans)])


@pytest.fixture
def machine(monkeypatch):
    """A machine of the world, scattered over its memory."""
    monkeypatch.setattr(layout, "lay_out", scattered)
    made = Machine(world(), engine="reference", seed=-5)
    for (at, size), (after, _) in pairwise(sorted(made.layout.regions.values())):
        made.state[at + size : after] = STRANGER
    return made


def test_it_does_not_matter_where_a_region_stands(machine):
    assert tuple(machine.run(FRAMES, inputs())) == recorded()
    assert (strangers(machine) == STRANGER).all()
    assert len(strangers(machine)) > 100


def test_a_call_from_the_host_leaves_only_its_cycles(machine):
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
        result = machine.run_frame(ticks=more, budget=10)
        assert (result.status, result.ticks, result.cycles) == (Status.UNFINISHED, so_far, 10 * so_far)


# ---- NaN

SYNCS_WITH_NAN = """
.func main() -> ()
    .local x: float
    PUSH 0.0
    PUSH 0.0
    DIV
    NEG
    SET_LOCAL x
    GET_LOCAL x
    CALL waits
    POP
    RET
.end
.func waits() -> ()
    .local y: float
    PUSH 0.0
    PUSH 0.0
    DIV
    NEG
    SET_LOCAL y
    FRAME_SYNC
    RET
.end
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_nan_that_waits_has_its_one_bit_pattern_in_every_frame_of_the_stack(engine):
    machine = Machine(image(SYNCS_WITH_NAN), engine=engine)
    machine.run(1)
    at = machine.layout.offset("stacks")
    assert [int(word) for word in machine.state[at : at + 3]] == [0x7FF8 << 48] * 3


# ---- the end


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
