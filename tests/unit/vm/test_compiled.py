"""Compiled code: when it is made, what it is made of, and that a machine ends where it would have ended without it."""

import gc
import threading
import time

import pytest

from pbs.contract import InternalError
from pbs.contract.limits import PROFILES
from pbs.isa.traps import Trap
from pbs.loader import assemble, load
from pbs.vm import Machine, Trapped, layout
from pbs.vm.compiled import engine as engines
from pbs.vm.compiled import image as compiled_image
from pbs.vm.compiled import tiers as policy
from pbs.vm.compiled.background import LOOK_S, PATIENCE_S
from pbs.vm.compiled.image import CompiledImage
from pbs.vm.compiled.objects import Level
from pbs.vm.compiled.paths import loop_heads, paths
from pbs.vm.compiled.plan import Plan, Records
from pbs.vm.compiled.tiers import BEFORE_LEAN, LOOKS_BEFORE_FULL, Tiers
from pbs.vm.interpreter import Interpreter, native_image
from tests.unit.vm.world import inputs, world

PROGRAM = """
.type step = function (int) -> (int)
.func main() -> ()
turn:
    FRAME_SYNC
    JMP turn
.end
.func down(n: int) -> int
    GET_LOCAL n
    PUSH 0
    LTE
    JMP_IF_FALSE deeper
    PUSH 0
    RET
deeper:
    GET_LOCAL n
    PUSH 1
    SUB
    CALL down
    PUSH 1
    ADD
    RET
.end
.func sum(n: int) -> int
    .local total: int
    GET_LOCAL n
    PUSH 0
    GT
    JMP_IF_FALSE done
again:
    GET_LOCAL total
    GET_LOCAL n
    CALL one
    MUL
    ADD
    SET_LOCAL total
    GET_LOCAL n
    PUSH 1
    SUB
    SET_LOCAL n
    GET_LOCAL n
    PUSH 0
    GT
    JMP_IF_TRUE again
done:
    GET_LOCAL total
    RET
.end
.func one() -> int
    PUSH 1
    RET
.end
.closure added(n: int) -> int captures (by: int)
    GET_LOCAL n
    GET_CAPTURE by
    ADD
    RET
.end
.func through(n: int) -> int
    GET_LOCAL n
    PUSH 5
    MAKE_CLOSURE added 1
    CALL_CLOSURE 1
    RET
.end
.export down
.export sum
.export through
"""
DOWN, SUM, ONE, ADDED, THROUGH = 1, 2, 3, 4, 5


def fresh():
    """The image of PROGRAM, shared with no other test."""
    return load(assemble(PROGRAM), limits=PROFILES["ADVANCED"])


def tiered(image, **more):
    """Tiers that nobody but the test advances, and a machine that counts for them."""
    native = native_image(image).with_own_records()
    tiers = Tiers(image, native, **more)
    machine = Machine(image, engine=lambda image, state: Interpreter(image, state, native=native))
    return tiers, machine


def leads(tiers, function, start=0):
    """Where the first record of a block leads to: the interpreter, the counter, or compiled code."""
    record = tiers.compiled.records.first(function, start)
    handler = int(tiers.compiled.native.records[record, 0])
    if handler == int(tiers.compiled.places.base[record]):
        return "interpreter"
    counter = int(tiers.compiled.native.core.handlers[tiers.compiled.native.core.numbers[("COUNT",), True]])
    return "counter" if handler == counter else "compiled"


# ---- paths


def test_a_checkpoint_asks_for_the_dearest_way_to_the_next_ones():
    facts = fresh().facts.functions[SUM]
    (head,) = loop_heads(facts)
    found = paths(facts, 0)
    costs = {block.start: block.cost for block in facts.blocks}
    entry, again, behind_call, done = sorted(costs)
    assert head == again
    assert found.checkpoints == {entry, again, behind_call}
    assert found.needs == {
        entry: costs[entry] + costs[done],
        again: costs[again],
        behind_call: costs[behind_call] + costs[done],
        done: costs[done],
    }
    assert found.entered == {entry, again, done}, "what stands behind a call is entered by its return alone"


def test_a_clone_begins_at_its_block_and_has_no_more_than_it_can_reach():
    facts = fresh().facts.functions[SUM]
    done = facts.blocks[-1].start
    assert list(paths(facts, done).needs) == [done]


# ---- counting and tiers


def test_what_is_entered_often_is_compiled_with_what_it_calls():
    tiers, machine = tiered(fresh())
    assert leads(tiers, SUM) == leads(tiers, ONE) == "counter"
    assert machine.call("sum", [BEFORE_LEAN.calls - 1]) == (sum(range(BEFORE_LEAN.calls)),)
    tiers.advance()
    assert leads(tiers, ONE) == "counter", "one entry is missing"
    machine.call("sum", [1])
    tiers.advance()
    assert (leads(tiers, ONE), leads(tiers, SUM)) == ("compiled", "counter")
    (head,) = loop_heads(machine.image.facts.functions[SUM])
    machine.call("sum", [BEFORE_LEAN.loops + 1])
    tiers.advance()
    assert leads(tiers, SUM, head) == "compiled"
    assert leads(tiers, SUM) == "compiled", "its function is in the same piece"
    assert machine.call("sum", [1000]) == (500500,)


def test_what_machines_go_on_running_is_compiled_again_with_all_passes(monkeypatch):
    made = []
    make = compiled_image.make_object
    monkeypatch.setattr(compiled_image, "make_object", lambda text, level: made.append(level) or make(text, level))
    monkeypatch.setattr(compiled_image.cache, "read", lambda *_: None)
    monkeypatch.setattr(compiled_image.cache, "write", lambda *_: True)
    tiers, machine = tiered(fresh())
    machine.call("sum", [BEFORE_LEAN.calls])
    for _ in range(LOOKS_BEFORE_FULL):
        assert tiers.is_waiting
        tiers.advance()
    assert made == [Level.LEAN, Level.FULL]
    tiers.advance()
    assert made == [Level.LEAN, Level.FULL]
    assert machine.call("sum", [100]) == (5050,)


def test_what_was_compiled_before_is_taken_from_the_cache(monkeypatch, tmp_path):
    kept = {}
    monkeypatch.setattr(compiled_image.cache, "read", lambda kind, key: kept.get((kind, key)))
    monkeypatch.setattr(compiled_image.cache, "write", lambda kind, key, body: kept.__setitem__((kind, key), body))
    tiered(fresh(), whole=True)
    assert [kind for kind, _ in kept] == ["compiled"]
    monkeypatch.setattr(compiled_image, "make_object", None)
    _, machine = tiered(fresh(), whole=True)
    assert machine.call("sum", [10]) == (55,)
    assert machine.call("through", [1]) == (6,)


def test_a_large_function_is_left_to_the_interpreter(monkeypatch):
    monkeypatch.setattr(policy, "LARGEST_FUNCTION", 10)
    tiers, machine = tiered(fresh(), whole=True)
    assert (leads(tiers, SUM), leads(tiers, ONE)) == ("interpreter", "compiled")
    assert machine.call("sum", [10]) == (55,)


def test_so_much_and_no_more_is_compiled_together(monkeypatch):
    monkeypatch.setattr(policy, "MOST_INSTRUCTIONS", 12)
    tiers, machine = tiered(fresh())
    (head,) = loop_heads(machine.image.facts.functions[SUM])
    machine.call("sum", [BEFORE_LEAN.loops + 1])
    tiers.advance()
    assert leads(tiers, SUM, head) == "compiled"
    assert machine.call("sum", [100]) == (5050,)


# ---- the same end


@pytest.mark.parametrize("engine", ["reference", "interpreter", "compiled", "auto"])
def test_recursion_ends_where_the_limit_is(engine):
    depth = PROFILES["ADVANCED"].call_depth
    machine = Machine(fresh(), engine=engine)
    assert machine.call("down", [depth - 2]) == (depth - 2,)
    with pytest.raises(Trapped) as stopped:
        machine.call("down", [depth + 10])
    assert stopped.value.record.code is Trap.CALL_DEPTH
    assert stopped.value.record.function == DOWN
    entry, returns, deeper, behind_call = (block.cost for block in machine.image.facts.functions[DOWN].blocks)
    first = (depth - 2) * (entry + deeper + behind_call) + entry + returns
    assert stopped.value.record.cycles == first + depth * (entry + deeper)


@pytest.mark.parametrize("start", ["entry", "behind the call"])
def test_a_clone_that_is_entered_at_the_deepest_frame_calls_no_deeper(start):
    """Smallest case of a defect: a clone did not ask how deep it was, and each host tick let a frame be pushed past the limit."""
    image = fresh()
    native = native_image(image).with_own_records()
    compiled = CompiledImage(image, native)
    blocks = [block.start for block in image.facts.functions[DOWN].blocks]
    roots = [(DOWN, pc) for pc in (blocks[:1] if start == "entry" else blocks[1:])]
    compiled.install(compiled.code(roots, [DOWN], Level.LEAN), keep=False)
    machine = Machine(image, engine=lambda image, state: Interpreter(image, state, native=native))
    depth = image.limits.call_depth
    with pytest.raises(Trapped) as stopped:
        machine.call("down", [depth + 10])
    assert stopped.value.record.code is Trap.CALL_DEPTH
    plain = Machine(image, engine="interpreter")
    with pytest.raises(Trapped) as expected:
        plain.call("down", [depth + 10])
    assert stopped.value.record == expected.value.record


def test_recursion_fits_into_the_stack_of_a_small_thread():
    image = load(assemble(PROGRAM), limits=PROFILES["ADVANCED"])
    machine = Machine(image, engine="compiled")
    found = []
    before = threading.stack_size(2 << 20)
    try:
        thread = threading.Thread(target=lambda: found.append(machine.call("down", [image.limits.call_depth - 2])))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert found == [(image.limits.call_depth - 2,)]


def test_all_engines_play_the_same():
    digests = {
        name: [row.digest for row in Machine(world(), engine=name).run(12, inputs())]
        for name in ("interpreter", "compiled", "auto")
    }
    assert digests["compiled"] == digests["auto"] == digests["interpreter"]


def test_functions_that_call_themselves_are_inlined_in_themselves_where_they_are_small():
    image = fresh()
    records = Records(native_image(image).code)
    inlining = Plan(image, records, [], range(6), inlining=True)
    assert inlining.copies(DOWN) > 0
    assert inlining.copies(SUM) == inlining.copies(ONE) == 0
    assert Plan(image, records, [], range(6), inlining=False).copies(DOWN) == 0


# ---- in the background


def test_a_machine_that_runs_for_some_time_is_compiled_meanwhile():
    image = fresh()
    machine = Machine(image)
    assert machine.engine.name == "auto"
    end = time.monotonic() + 120
    while not (machine.engine.growth.tiers and leads(machine.engine.growth.tiers, SUM) == "compiled"):
        assert machine.call("sum", [20_000]) == (200010000,)
        assert time.monotonic() < end, "nothing was compiled in two minutes"
    assert machine.call("sum", [20_000]) == (200010000,)
    assert machine.cycles > 0


def test_what_goes_wrong_while_compiling_is_told_to_who_runs_the_machine(monkeypatch):
    machine = Machine(fresh())
    growth = machine.engine.growth
    growth.tiers = policy.Tiers(machine.image, growth.native)
    monkeypatch.setattr(growth.tiers, "advance", lambda: 1 // 0)
    assert growth.look() is False
    with pytest.raises(InternalError, match="not compiled"):
        machine.call("sum", [1])


def test_an_image_that_is_gone_is_not_compiled():
    image = fresh()
    tiers, machine = tiered(image)
    machine.call("sum", [BEFORE_LEAN.calls])
    growth = engines.Growth(image, whole=False)
    growth.tiers = tiers
    engines._GROWTH[False].pop(image, None)
    del image, machine
    gc.collect()
    assert growth.look() is False


def test_the_thread_is_patient():
    assert 0 < LOOK_S <= PATIENCE_S < 1


def test_where_a_machine_stands_does_not_depend_on_compiled_code():
    image = fresh()
    budgets = (1, 7, 50, 333)
    for cycles in budgets:
        ends = []
        for name in ("interpreter", "compiled"):
            machine = Machine(image, engine=name)
            try:
                machine.call("sum", [9], cycles=cycles)
                ends.append("done")
            except Exception as stop:
                ends.append(type(stop).__name__)
            ends.append((machine.cycles, int(machine.state[layout.STATUS])))
        assert ends[:2] == ends[2:]


def test_a_function_that_jumps_back_to_its_first_instruction_keeps_its_locals():
    """Smallest case of a defect: a jump back to the first block entered compiled code as a call does, with fresh locals."""
    text = """
    .global sum: int
    .func main() -> ()
        .local n: int
    turn:
        GET_LOCAL n
        PUSH 1
        ADD
        SET_LOCAL n
        GET_LOCAL n
        SET_GLOBAL sum
        FRAME_SYNC
        JMP turn
    .end
    """
    digests = []
    for name in ("interpreter", "compiled"):
        machine = Machine(load(assemble(text)), engine=name)
        digests.append([row.digest for row in machine.run(5)])
    assert digests[0] == digests[1]
