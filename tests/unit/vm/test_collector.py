"""The collector and the limits of the heap: what is reclaimed, what stays, and where there is no more room."""

from itertools import pairwise

import pytest

from pbs.isa.traps import Trap
from pbs.vm import Machine, layout
from tests.unit.vm.world import ENGINES, image

TYPES = """
.type node = record {next: node, value: int}
.type numbers = array int
.type bytes = array byte
.type nodes = array node
.type get = function () -> (int)
"""


def heap_of(machine: Machine) -> tuple[int, int, int]:
    """Words in use, objects alive, collections so far."""
    state = machine.state
    return int(state[layout.HEAP_TOP]), int(state[layout.LIVE_COUNT]), int(state[layout.COLLECTIONS])


def machine_of(body: str, engine: str, declare: str = "", **limits: int) -> Machine:
    """A machine whose main does this."""
    text = f"{TYPES}.func main() -> ()\n.local it: node\n.local at: numbers\n{body}\n.end\n{declare}"
    return Machine(image(text, **{"gc_threshold_words": 1, **limits}), engine=engine)


# ---- what is reclaimed


@pytest.mark.parametrize("engine", ENGINES)
def test_what_nobody_refers_to_is_gone_with_the_frame(engine):
    machine = machine_of("PUSH 50\nNEW_ARRAY numbers\nPOP\nPUSH 9\nNEW_ARRAY bytes\nPOP\nFRAME_SYNC\nHALT", engine)
    machine.run(1)
    assert heap_of(machine) == (0, 0, 1)
    at, size = machine.layout.regions["heap"]
    assert not machine.state[at : at + size].any()


@pytest.mark.parametrize("engine", ENGINES)
def test_rings_are_reclaimed(engine):
    ring = "NEW_RECORD node\nSET_LOCAL it\nGET_LOCAL it\nGET_LOCAL it\nSET_FIELD node.next\n"
    machine = machine_of(f"{ring * 5}PUSH null\nSET_LOCAL it\nFRAME_SYNC\nHALT", engine)
    machine.run(1)
    assert heap_of(machine) == (0, 0, 1)


KEPT = {
    "a local": ("NEW_RECORD node\nSET_LOCAL it\nFRAME_SYNC\nHALT", ""),
    "an operand": ("NEW_RECORD node\nFRAME_SYNC\nPOP\nHALT", ""),
    "a global": ("NEW_RECORD node\nSET_GLOBAL root\nFRAME_SYNC\nHALT", ".global root: node\n"),
    "a waiting caller's operand": (
        "NEW_RECORD node\nCALL waits\nPOP\nHALT",
        ".func waits() -> ()\nFRAME_SYNC\nRET\n.end\n",
    ),
    "an argument of a coroutine": (
        "NEW_RECORD node\nSPAWN waits 1\nPOP\nFRAME_SYNC\nHALT",
        ".func waits(it: node) -> ()\nFRAME_SYNC\nRET\n.end\n.type handle = coroutine\n",
    ),
    "a coroutine that has not begun, with one that sleeps": (
        "FRAME_SYNC\nNEW_RECORD node\nSPAWN waits 1\nPOP\nFRAME_SYNC\nHALT",
        ".func waits(it: node) -> ()\nPUSH 5\nSLEEP\nFRAME_SYNC\nRET\n.end\n.type handle = coroutine\n",
    ),
    "a capture": (
        "NEW_RECORD node\nMAKE_CLOSURE gives 1\nFRAME_SYNC\nPOP\nHALT",
        ".closure gives() -> (int) captures (it: node)\nPUSH 1\nRET\n.end\n",
    ),
    "the closure that waits": (
        "NEW_RECORD node\nMAKE_CLOSURE gives 1\nCALL_CLOSURE 0\nPOP\nHALT",
        ".closure gives() -> (int) captures (it: node)\nFRAME_SYNC\nGET_CAPTURE it\nGET_FIELD node.value\nRET\n.end\n",
    ),
    "an array": (
        "PUSH 3\nNEW_ARRAY nodes\nDUP\nPUSH 2\nNEW_RECORD node\nARRAY_SET\nFRAME_SYNC\nPOP\nHALT",
        "",
    ),
    "a field": ("NEW_RECORD node\nDUP\nNEW_RECORD node\nSET_FIELD node.next\nFRAME_SYNC\nPOP\nHALT", ""),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", KEPT)
def test_what_is_referred_to_from_one_place_only_stays(engine, name):
    body, declare = KEPT[name]
    garbage = "PUSH 7\nNEW_ARRAY numbers\nPOP\n"
    machine = machine_of(garbage + body, engine, declare)
    machine.run(2 if name.startswith("a coroutine that") else 1)
    _, live, collections = heap_of(machine)
    assert collections >= 1
    info = machine.layout.offset("info")
    entries = range(1, int(machine.state[layout.OBJECT_COUNT]))
    layouts = [int(machine.state[info + entry]) & 0xFFFF_FFFF for entry in entries]
    assert layouts.count(1) == (2 if name == "a field" else 1), "the node, entry 0 of the types, is alive"
    assert live == sum(map(bool, layouts))
    at, top, _ = machine.layout.offset("heap_order"), *heap_of(machine)[:2]
    order = [int(word) for word in machine.state[at : at + live]]
    offsets = [int(machine.state[machine.layout.offset("objects") + 2 * entry]) for entry in order]
    assert offsets[0] == 0
    assert all(a < b for a, b in pairwise(offsets)), "what is left has slid down, in order"
    assert offsets[-1] < top


@pytest.mark.parametrize("engine", ENGINES)
def test_an_entry_that_is_used_again_has_another_generation(engine):
    body = "again:\nPUSH 2\nNEW_ARRAY numbers\nPOP\nFRAME_SYNC\nJMP again"
    machine = machine_of(body, engine)
    info = machine.layout.offset("info") + 1
    generations = []
    for _ in range(5):
        machine.run(1)
        generations.append(int(machine.state[info]))
    assert generations == [n << layout.INFO_SHIFT for n in (1, 2, 3, 4, 5)]
    assert machine.state[layout.OBJECT_COUNT] == 2, "one entry, over and over"


@pytest.mark.parametrize("engine", ENGINES)
def test_an_entry_whose_generations_are_used_up_is_not_used_again(engine):
    machine = machine_of("again:\nPUSH 2\nNEW_ARRAY numbers\nPOP\nFRAME_SYNC\nJMP again", engine)
    info = machine.layout.offset("info")
    machine.run(1)
    machine.state[info + 1] = (layout.MAX_GENERATION - 1) << layout.INFO_SHIFT
    machine.run(3)
    assert machine.state[info + 1] == layout.MAX_GENERATION << layout.INFO_SHIFT
    assert machine.state[info + 2] == 2 << layout.INFO_SHIFT


# ---- depth

DEEP = 100_000
LIST = f"""
    PUSH {DEEP}
    SET_GLOBAL left
link:
    NEW_RECORD node
    DUP
    GET_LOCAL it
    SET_FIELD node.next
    SET_LOCAL it
    GET_GLOBAL left
    PUSH 1
    SUB
    DUP
    SET_GLOBAL left
    PUSH 0
    GT
    JMP_IF_TRUE link
    FRAME_SYNC
    PUSH 1
    NEW_ARRAY numbers
    POP
    FRAME_SYNC
    PUSH null
    SET_LOCAL it
    PUSH 1
    NEW_ARRAY numbers
    POP
    FRAME_SYNC
    HALT
"""


def test_a_deep_list_is_kept_and_dropped_by_both_engines():
    """A list of 100,000: marking it needs no stack. Made natively, collected by both."""
    wide = {"heap_words": 2 * DEEP + 10, "objects": DEEP + 2, "gc_threshold_words": 1, "frame_cycles": 20_000_000}
    native = machine_of(LIST, "interpreter", ".global left: int\n", **wide)
    native.run(1)
    assert heap_of(native) == (2 * DEEP, DEEP, 1)
    reference = Machine(native.image, engine="reference")
    reference.state[:] = native.state
    assert native.run(1) == reference.run(1)
    assert heap_of(native) == heap_of(reference) == (2 * DEEP, DEEP, 2)
    assert native.run(1) == reference.run(1)
    assert heap_of(native) == heap_of(reference) == (0, 0, 3)


# ---- no more room


def allocations_until_full(engine: str, size: int, **limits: int) -> int:
    """How many arrays of `size` words fit, one after the other, all in one frame; the trap is where the next one is made."""
    body = f"again:\nGET_GLOBAL n\nPUSH 1\nADD\nSET_GLOBAL n\nPUSH {size}\nNEW_ARRAY numbers\nPOP\nJMP again"
    machine = machine_of(body, engine, ".global n: int\n", **limits)
    (result,) = machine.run(1)
    assert result.trap is not None
    assert (result.trap.code, result.trap.instruction) == (Trap.OUT_OF_MEMORY, "NEW_ARRAY")
    tried = int(machine.state[machine.layout.offset("globals")])
    assert result.trap.cycles == expected_cycles(tried, size)
    return tried - 1


def expected_cycles(tried: int, size: int) -> int:
    """docs/isa.md: 1 each, JMP 2, NEW_ARRAY 8; made, an array costs a cycle more for each 8 words, before it is made."""
    first = 1 + 1 + 1 + 1 + 1 + 8
    return tried * first + (tried - 1) * (size // 8 + 1 + 2) + size // 8


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_heap_is_full_at_the_very_word(engine, size):
    for heap_words in (*range(12), 100):
        assert allocations_until_full(engine, size, heap_words=heap_words, objects=200) == heap_words // size


@pytest.mark.parametrize("engine", ENGINES)
def test_the_object_table_is_full_at_the_very_object(engine):
    for objects in (1, 2, 7, 8, 9, 64):
        assert allocations_until_full(engine, 0, objects=objects) == objects
