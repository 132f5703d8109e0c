from random import Random

import pytest

from pbs.contract import Rejected
from pbs.isa.assembler import assemble
from pbs.isa.container import encode
from pbs.isa.table import FORMS
from pbs.isa.types import BOOL, FLOAT, INT, NULL, FunctionType
from pbs.loader import load
from pbs.verifier import HostCall, verify
from pbs.verifier.facts import LOCALS_PER_CYCLE, MAX_BLOCK_CYCLES
from tests.support.programs import random_program

SERVICES = {
    7: HostCall(signature=FunctionType((INT,), ()), cycles=4, metered=False),
    8: HostCall(signature=FunctionType((INT,), ()), cycles=10, metered=True),
    9: HostCall(signature=FunctionType((), ()), cycles=1800, metered=False),
}
INTRINSICS = {
    256: HostCall(signature=FunctionType((), (BOOL,)), cycles=3, metered=False),
    257: HostCall(signature=FunctionType((), ()), cycles=0, metered=True),
}
TYPES = ".type row = record {x: int, next: row}\n.type ints = array int\n.type other = record {x: int}\n"
ROW, INTS = 16, 17


def facts_of(text):
    return verify(assemble(TYPES + text), SERVICES, INTRINSICS).functions


def main_of(body, locals_="", stack=None):
    depth = "" if stack is None else f".stack {stack}\n"
    return facts_of(f".func main()\n{depth}{locals_}{body}\n.end\n")[0]


def blocks(fact):
    return [(block.start, block.end, block.cost, block.stack) for block in fact.blocks]


# ---- blocks


def test_a_straight_run_is_one_block():
    assert blocks(main_of("PUSH 1\nPUSH 2\nADD\nPOP\nHALT")) == [(0, 18, 5, ())]


def test_blocks_start_at_targets_and_behind_jumps_branches_calls_and_sync():
    fact = main_of(
        """
        PUSH true
        JMP_IF_FALSE end
        PUSH 1
    loop:
        DUP
        PUSH 5
        LT
        JMP_IF_TRUE loop
        POP
        FRAME_SYNC
        CALL 0
        JMP end
    end:
        HALT"""
    )
    assert blocks(fact) == [
        (0, 9, 1 + 3, ()),  # up to the branch
        (9, 15, 1, ()),  # up to the target of another
        (15, 31, 1 + 1 + 1 + 3, (INT,)),
        (31, 35, 1 + 1, (INT,)),  # up to FRAME_SYNC
        (35, 41, 5, ()),  # the call
        (41, 47, 2, ()),
        (47, 49, 1, ()),
    ]
    assert [(block.first, block.last) for block in fact.blocks] == [
        (0, 2),
        (2, 3),
        (3, 7),
        (7, 9),
        (9, 10),
        (10, 11),
        (11, 12),
    ]


def test_spawning_closures_and_host_calls_stay_inside_of_a_block():
    fact = facts_of(
        """
.func main()
    .stack 1
    PUSH 1
    MAKE_CLOSURE add 1
    POP
    SPAWN waits 0
    POP
    PUSH 1
    SYSCALL 7
    INTRINSIC 256
    POP
    HALT
.end
.closure add() captures (k: int)
    RET
.end
.func waits()
    FRAME_SYNC
    RET
.end
.type task = coroutine
"""
    )[0]
    assert blocks(fact) == [(0, 52, 1 + 8 + 1 + 6 + 1 + 1 + (1 + 4) + (1 + 3) + 1 + 1, ())]


@pytest.mark.parametrize(
    ("body", "depth", "starts"),
    [
        ("PUSH 3\nNEW_ARRAY ints\nPOP\nHALT", 1, [0, 6]),
        ("GET_LOCAL a\nPUSH 0\nPUSH 1\nPUSH 9\nARRAY_FILL\nHALT", 4, [0, 24]),
        ("GET_LOCAL a\nPUSH 0\nGET_LOCAL a\nPUSH 0\nPUSH 1\nARRAY_COPY\nHALT", 5, [0, 30]),
        ("PUSH 1\nSYSCALL 8\nHALT", 1, [0, 6]),
        ("NOP\nINTRINSIC 257\nINTRINSIC 257\nHALT", 0, [0, 2, 8]),
        ("PUSH 1\nSYSCALL 7\nHALT", 1, [0]),
        ("NEW_RECORD row\nPOP\nHALT", 1, [0]),
    ],
)
def test_an_instruction_whose_cost_depends_on_operands_starts_a_block(body, depth, starts):
    assert [block.start for block in main_of(body, ".local a: ints\n", depth).blocks] == starts


def test_a_metered_instruction_at_a_target_starts_one_block_only():
    fact = main_of("PUSH 3\nJMP a\na: NEW_ARRAY ints\nPOP\nHALT")
    assert blocks(fact) == [(0, 12, 3, ()), (12, 22, 10, (INT,))]


@pytest.mark.parametrize(
    ("nops", "locals_", "costs"),
    [
        (MAX_BLOCK_CYCLES - 1, 0, [1024]), (MAX_BLOCK_CYCLES, 0, [1024, 1]), (MAX_BLOCK_CYCLES + 5, 0, [1024, 6]),
        (3 * MAX_BLOCK_CYCLES, 0, [1024] * 3 + [1]),
        (MAX_BLOCK_CYCLES - 1, 7, [1024]), (MAX_BLOCK_CYCLES - 1, 8, [1024, 1]), (MAX_BLOCK_CYCLES - 2, 8, [1024]),
        (MAX_BLOCK_CYCLES, 80, [1024, 11]),
    ],
)  # fmt: skip
def test_a_run_of_more_cycles_than_a_block_may_cost_is_cut(nops, locals_, costs):
    fact = main_of("NOP\n" * nops + "HALT", "".join(f".local x{i}: int\n" for i in range(locals_)))
    assert [block.cost for block in fact.blocks] == costs


def test_a_run_is_cut_before_the_instruction_that_does_not_fit():
    fact = main_of("PUSH 8\n" + "NOP\n" * 1021 + "PUSH 2\nDIV\nPOP\nHALT")  # 1023 cycles, then one of 4
    assert [block.cost for block in fact.blocks] == [1023, 6]
    assert fact.blocks[1].stack == (INT, INT)


def test_a_cut_starts_counting_at_every_other_start():
    fact = main_of("NOP\n" * 1000 + "JMP a\na:\n" + "NOP\n" * 1023 + "HALT")
    assert [block.cost for block in fact.blocks] == [1002, 1024]


def test_one_instruction_may_cost_more_than_a_block_and_then_stands_alone():
    fact = main_of("NOP\nSYSCALL 9\nNOP\nHALT", stack=0)
    assert [(block.start, block.cost) for block in fact.blocks] == [(0, 1), (2, 1801), (8, 2)]


@pytest.mark.parametrize(("locals_", "cost"), [(0, 1), (7, 1), (8, 2), (15, 2), (16, 3), (800, 101)])
def test_entering_a_function_pays_for_clearing_its_locals(locals_, cost):
    assert LOCALS_PER_CYCLE == 8
    fact = main_of("HALT", "".join(f".local x{i}: int\n" for i in range(locals_)))
    assert fact.blocks[0].cost == fact.costs[0] == cost


def test_a_loop_back_to_the_entry_pays_for_it_again():
    fact = main_of("a: NOP\nJMP a", "".join(f".local x{i}: int\n" for i in range(8)))
    assert blocks(fact) == [(0, 8, 1 + 1 + 2, ())]


# ---- types


def test_a_block_knows_the_operands_it_finds():
    fact = main_of("PUSH 1\nPUSH 1.5\nPUSH true\nNEW_RECORD row\nJMP a\na: POP_N 4\nHALT")
    assert fact.blocks[1].stack == (INT, FLOAT, BOOL, ROW)


MEET = "PUSH true\nJMP_IF_TRUE a\n{}\nJMP b\na: {}\nb: NOP\nPOP\nHALT"


@pytest.mark.parametrize(
    ("one", "other", "met"),
    [
        ("PUSH null", "NEW_RECORD row", ROW), ("NEW_RECORD row", "PUSH null", ROW), ("PUSH null", "PUSH null", NULL),
        ("NEW_RECORD row", "NEW_RECORD row", ROW),
        ("PUSH 3\nNEW_ARRAY ints", "PUSH null", INTS), ("PUSH 1", "PUSH 2", INT),
    ],
)  # fmt: skip
def test_null_joins_any_ref_where_paths_meet(one, other, met):
    fact = main_of(MEET.format(one, other))
    assert fact.blocks[-1].stack == (met,)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("PUSH 1", "PUSH 1.5"), ("PUSH 1", "PUSH true"), ("PUSH 1", "PUSH null"), ("PUSH null", "PUSH 1.5"),
        ("NEW_RECORD row", "NEW_RECORD other"),
        ("NEW_RECORD row", "PUSH 1\nNEW_ARRAY ints"), ("PUSH true", "NEW_RECORD row"),
    ],
)  # fmt: skip
def test_nothing_else_joins(one, other):
    with pytest.raises(Rejected) as caught:
        main_of(MEET.format(one, other))
    assert [finding.code for finding in caught.value.findings] == ["stack_type_mismatch"]


def test_three_paths_join_in_any_order():
    body = "PUSH true\nJMP_IF_TRUE a\nPUSH true\nJMP_IF_TRUE b\n{}\nJMP c\na: {}\nJMP c\nb: {}\nc: IS_NULL\nPOP\nHALT"
    for order in (
        ("PUSH null", "PUSH null", "NEW_RECORD row"),
        ("NEW_RECORD row", "PUSH null", "PUSH null"),
        ("PUSH null", "NEW_RECORD row", "PUSH null"),
    ):
        assert main_of(body.format(*order)).blocks[-1].stack == (ROW,)


def test_what_a_loop_learns_reaches_everything_behind_it():
    fact = main_of("PUSH null\na: PUSH true\nJMP_IF_TRUE b\nPOP\nNEW_RECORD row\nJMP a\nb: JMP c\nc: POP\nHALT")
    assert [block.stack for block in fact.blocks] == [(), (ROW,), (ROW,), (ROW,), (ROW,)]


def test_what_was_learned_is_used_to_judge_the_block_again():
    with pytest.raises(Rejected) as caught:
        main_of(
            "NEW_RECORD other\nPUSH null\na: PUSH true\nJMP_IF_TRUE b\nPOP\nNEW_RECORD row\nJMP a\nb: EQ\nPOP\nHALT"
        )
    assert [finding.code for finding in caught.value.findings] == ["type_mismatch"]


def test_an_instruction_knows_its_form_and_what_is_promoted():
    fact = main_of("PUSH 1\nPUSH 2\nADD\nPUSH 1.5\nMUL\nPUSH 2.5\nPUSH 3\nLT\nPOP_N 2\nHALT")
    known = {decoded.row.name: resolved for decoded, resolved in zip(fact.instructions, fact.resolved, strict=True)}
    assert known["ADD"] == (FORMS["ADD.int"], 0)
    assert known["MUL"] == (FORMS["MUL.float"], 0b01)
    assert known["LT"] == (FORMS["LT.float"], 0b10)
    assert known["PUSH_I32"] == (None, 0)


def test_slots_are_the_closure_the_parameters_and_the_locals():
    closure = facts_of(
        ".func main()\nHALT\n.end\n.closure c(x: int, y: row) -> float captures (k: ints)\n.local z: bool\nPUSH 1.5\nRET\n.end\n"
    )[1]
    assert closure.slots[1:] == (INT, ROW, BOOL)
    assert closure.slots[0] == 16 + closure.function.signature
    assert (closure.params, closure.frame_words) == (3, 4 + 1)
    assert (closure.signature.params, closure.signature.results) == ((INT, ROW), (FLOAT,))


# ---- safepoints


def test_a_frame_waits_at_the_entry_behind_calls_and_behind_sync():
    fact = main_of("NOP\nFRAME_SYNC\nCALL 0\nPUSH true\nJMP_IF_TRUE a\nNOP\na: HALT")
    assert [block.start for block in fact.safepoints()] == [0, 4, 10]
    assert {block.start for block in fact.safepoints()} <= set(fact.block_at)
    assert [fact.block_at[block.start] for block in fact.blocks] == list(fact.blocks)


def test_a_jump_behind_a_call_waits_there_too():
    fact = facts_of(".func main()\nJMP a\na: CALL f\nPOP\nHALT\n.end\n.func f() -> int\nPUSH 1\nRET\n.end\n")[0]
    assert [(block.start, block.stack) for block in fact.safepoints()] == [(0, ()), (12, (INT,))]


# ---- who may stop


def stops(text):
    """Names of the functions that may stop."""
    program = assemble(TYPES + ".type task = coroutine\n" + text)
    return {
        program.debug.functions[i]
        for i, fact in enumerate(verify(program, SERVICES, INTRINSICS).functions)
        if fact.may_stop
    }


def function(name, body, head="()"):
    return f".func {name}{head}\n{body}\nRET\n.end\n"


MAIN = ".func main()\nRET\n.end\n"


@pytest.mark.parametrize("body", ["FRAME_SYNC", "YIELD", "PUSH 1\nSLEEP", "PUSH true\nJMP_IF_TRUE a\nHALT\na:"])
def test_a_function_with_such_an_instruction_may_stop(body):
    assert stops(MAIN + function("a", body) + function("b", "NOP")) == {"a"}


@pytest.mark.parametrize(
    "body", ["NOP", "PUSH 3\nNEW_ARRAY ints\nPOP", ".stack 1\nPUSH 1\nSYSCALL 7", "PUSH true\nJMP_IF_TRUE a\nTRAP\na:"]
)
def test_no_other_instruction_stops(body):
    assert stops(MAIN + function("a", body)) == set()


def test_whoever_calls_one_that_may_stop_may_stop():
    chain = (
        "".join(function(f"f{i}", f"CALL f{i + 1}") for i in range(50))
        + function("f50", "YIELD")
        + function("g", "NOP")
    )
    assert stops(MAIN + chain) == {f"f{i}" for i in range(51)}
    assert stops(MAIN + function("a", "CALL b") + function("b", "CALL a")) == set()
    assert stops(MAIN + function("a", "CALL b") + function("b", "CALL a\nFRAME_SYNC")) == {"a", "b"}
    assert stops(".func main()\nFRAME_SYNC\nRET\n.end\n" + function("a", "CALL main")) == {"main", "a"}


def test_spawning_one_that_may_stop_does_not_stop():
    assert stops(MAIN + function("a", "SPAWN b 0\nPOP") + function("b", "FRAME_SYNC")) == {"b"}


CALLS = function("calls", "GET_LOCAL f\nCALL_CLOSURE 0", "(f: fn)")
FN = ".type fn = function ()\n.type gn = function (int)\n"
QUIET = ".closure quiet() captures ()\nRET\n.end\n"
LOUD = ".closure loud(x: int) captures ()\nFRAME_SYNC\nRET\n.end\n"


def test_a_closure_call_may_reach_every_closure():
    assert stops(FN + MAIN + CALLS + QUIET) == set()
    assert stops(FN + MAIN + CALLS + QUIET + LOUD) == {"calls", "loud"}
    assert stops(FN + MAIN + CALLS + QUIET + LOUD + function("far", "PUSH null\nCALL calls")) == {
        "calls",
        "loud",
        "far",
    }
    assert stops(FN + MAIN + QUIET + LOUD + function("makes", "MAKE_CLOSURE loud 0\nPOP")) == {"loud"}


def test_a_closure_that_calls_closures_may_stop_through_another():
    passes = ".closure passes() captures (f: fn)\nGET_CAPTURE 0\nCALL_CLOSURE 0\nRET\n.end\n"
    assert stops(FN + MAIN + passes + QUIET) == set()
    assert stops(FN + MAIN + passes + LOUD) == {"passes", "loud"}


def refused_exports(text):
    with pytest.raises(Rejected) as caught:
        verify(assemble(TYPES + text), SERVICES, INTRINSICS)
    return [(finding.code, finding.subject, finding.place.function) for finding in caught.value.findings]


def test_an_export_may_not_stop_however_far_away():
    chain = function("a", "CALL b") + function("b", "CALL c") + function("c", "FRAME_SYNC")
    assert refused_exports(MAIN + chain + ".export a\n") == [("export_may_stop", "a", 1)]
    assert refused_exports(FN + MAIN + CALLS + LOUD + ".export x = calls\n") == [("export_may_stop", "x", 1)]
    assert refused_exports(MAIN + chain + ".export one = c\n.export two = b\n.export main\n") == [
        ("export_may_stop", "one", 3),
        ("export_may_stop", "two", 2),
    ]


def test_an_export_of_main_is_only_a_name_and_one_that_spawns_is_fine():
    verify(assemble(".func main()\nFRAME_SYNC\nRET\n.end\n.export main\n"), {}, {})
    verify(
        assemble(
            ".type task = coroutine\n"
            + MAIN
            + function("a", "SPAWN b 0\nPOP")
            + function("b", "FRAME_SYNC")
            + ".export a\n"
        ),
        {},
        {},
    )


# ---- every accepted program


@pytest.mark.parametrize("seed", range(20))
def test_the_facts_of_any_accepted_program_fit_together(seed):
    program = random_program(Random(seed), size=40)
    image = load(encode(program))
    for function_, fact in zip(image.program.functions, image.facts.functions, strict=True):
        assert fact.function is function_
        assert len(fact.resolved) == len(fact.costs) == len(fact.instructions)
        assert b"".join(d.row.pack(d.row.opcode, *d.immediates) for d in fact.instructions) == function_.code
        at = position = 0
        for block in fact.blocks:
            assert (block.start, block.first) == (at, position)
            assert block.end > block.start
            assert block.cost == sum(fact.costs[block.first : block.last])
            assert block.cost <= MAX_BLOCK_CYCLES or block.last == block.first + 1
            assert len(block.stack) <= function_.max_stack
            at, position = block.end, block.last
        assert (at, position) == (len(function_.code), len(fact.instructions))
        for decoded, (form, promoted) in zip(fact.instructions, fact.resolved, strict=True):
            assert (form is None) == (not decoded.row.forms)
            assert form is None or form in decoded.row.forms
            assert promoted >> len(decoded.row.effect.partition("->")[0].split()) == 0
