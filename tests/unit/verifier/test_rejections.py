"""One smallest refused program for every code that the verifier can give."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pbs import isa, verifier
from pbs.contract import Rejected
from pbs.contract.diagnostics import registry
from pbs.isa.assembler import assemble
from pbs.isa.program import Constant, Debug, Export, Function, Import, Meta, Program
from pbs.isa.table import BY_NAME
from pbs.isa.types import BOOL, BYTE, INT, NULL, ArrayType, FunctionType, RecordType
from pbs.verifier import HostCall, verify
from pbs.verifier.verify import MAX_FINDINGS, WORK_ALWAYS, WORK_PER_BYTE

META = Meta(
    isa="1.0.0", runtime_min="1.0.0", runtime_max=None, profile="core", profile_version="1.0.0", toolchain="tests"
)
NONE = FunctionType((), ())
SERVICES = {7: HostCall(signature=FunctionType((INT,), (BOOL,)), cycles=4, metered=False)}
INTRINSICS = {256: HostCall(signature=FunctionType((), (INT,)), cycles=0, metered=False)}


def rejected(program, services=SERVICES, intrinsics=INTRINSICS):
    """What is wrong: (code, function, pc) of every finding."""
    with pytest.raises(Rejected) as caught:
        verify(program, services, intrinsics)
    assert caught.value.code == "program_invalid"
    assert caught.value.findings
    return [(f.code, f.place and f.place.function, f.place and f.place.pc) for f in caught.value.findings]


def main(body, stack=0, more=""):
    """A program whose main has this body, one instruction a line, and that depth; then more functions."""
    return assemble(f".strip\n{TYPES}\n.func main()\n.stack {stack}\n{body}\n.end\n{more}")


def packed(*code):
    return b"".join(BY_NAME[name].pack(BY_NAME[name].opcode, *immediates) for name, *immediates in code)


def coded(code, stack=0, **more):
    """A program of one function with these code bytes."""
    function = Function(signature=0, captures=None, locals=(), max_stack=stack, code=code)
    return replace(Program(meta=META, types=(NONE,), functions=(function,)), **more)


def tables(**changes):
    """A sound program after changes in its tables."""
    return coded(b"\x01\x00", **changes)


TYPES = """.type row = record {x: int, next: row}
.type ints = array int
.type fn = function (int) -> int
.global score: int
.const one = 1"""
CLOSURE = ".closure add(x: int) -> int captures (k: int)\n.stack 2\nGET_CAPTURE 0\nGET_LOCAL x\nADD\nRET\n.end\n"
PAIR = ".func pair(a: int, b: int) -> (int, int)\n.stack 2\nGET_LOCAL a\nGET_LOCAL b\nRET\n.end\n"
WAITS = ".func waits()\n.stack 0\nFRAME_SYNC\nRET\n.end\n"
IDLE = Function(signature=0, captures=None, locals=(), max_stack=0, code=b"\x01\x00")


def deep_branches(count, depth=1000, then="HALT"):
    """So many operands, and that many branches that all meet behind the last of them."""
    branches = f"PUSH true\nJMP_IF_TRUE {4 + 2 * depth}\n" * count
    return main("PUSH 1\n" + "DUP\n" * (depth - 1) + branches + then, depth + 1)


# Code, program, and where the finding stands: (function, pc), or None where it is about a table.
CASES = [
    # the tables
    ("table_too_long", tables(types=(NONE, RecordType((INT,) * 256))), None),
    ("table_too_long", tables(constants=(Constant(0),) * 65_537), None),
    ("constant_too_long", tables(types=(NONE, ArrayType(BYTE)), constants=(Constant(bytes(65_537)),)), None),
    ("type_missing", tables(constants=(Constant(b""),)), None),
    ("type_invalid", tables(globals=(NULL,)), None),
    ("type_invalid", tables(functions=(replace(IDLE, locals=(BYTE,)),)), (0, None)),
    ("type_repeated", tables(types=(NONE, NONE)), None),
    ("main_missing", tables(functions=()), None),
    ("main_signature_wrong", tables(types=(FunctionType((INT,), ()),)), (0, None)),
    ("type_index_invalid", tables(functions=(replace(IDLE, signature=1),)), (0, None)),
    ("function_too_large", tables(functions=(replace(IDLE, max_stack=1025),)), (0, None)),
    ("export_repeated", tables(exports=(Export(name="a", function=0), Export(name="a", function=0))), None),
    ("function_index_invalid", tables(exports=(Export(name="a", function=1),)), None),
    ("call_target_invalid", tables(functions=(IDLE, replace(IDLE, captures=())), exports=(Export(name="a", function=1),)),
    None),
    ("host_call_repeated", tables(imports=(Import(module="a", name="b", version=1, params=(), results=()),) * 2), None),
    # shape
    ("instruction_too_new", coded(b"\x01\x00", meta=replace(META, isa="0.9.0")), (0, 0)),
    ("instruction_too_new", coded(b"\x00\x00\x01\x00", meta=replace(META, isa="0.9.0")), (0, 0)),
    ("opcode_unknown", coded(b"\x06\x00"), (0, 0)),
    ("opcode_unknown", coded(b"\x00\x00\xff\xff\x00"), (0, 2)),
    ("instruction_truncated", coded(b"\x00"), (0, 0)),
    ("instruction_truncated", coded(packed(("NOP",), ("PUSH_I64", 1))[:-1], 1), (0, 2)),
    ("path_unterminated", coded(b""), (0, 0)),
    ("path_unterminated", main("NOP"), (0, 0)),
    ("path_unterminated", main("NOP\nNOP"), (0, 2)),
    ("path_unterminated", main("PUSH true\nJMP_IF_TRUE 0", 1), (0, 3)),
    ("jump_target_invalid", coded(packed(("JMP", 1))), (0, 0)),
    ("jump_target_invalid", coded(packed(("JMP", 6))), (0, 0)),
    ("jump_target_invalid", coded(packed(("JMP", 2**32 - 1))), (0, 0)),
    ("jump_target_invalid", coded(packed(("HALT",), ("JMP", 4))), (0, 2)),
    ("jump_target_invalid", coded(packed(("PUSH_BOOL", 1), ("JMP_IF_FALSE", 2), ("HALT",)), 1), (0, 3)),
    ("host_call_unresolved", coded(packed(("HOSTCALL", 0), ("HALT",))), (0, 0)),
    ("host_call_unresolved", coded(packed(("HALT",), ("HOSTCALL", 0))), (0, 2)),
    ("code_unreachable", main("HALT\nNOP"), (0, 2)),
    ("code_unreachable", main("JMP 8\nNOP\nHALT"), (0, 6)),
    ("code_unreachable", main("HALT\nJMP 2"), (0, 2)),
    # depth
    ("stack_underflow", main("POP\nHALT"), (0, 0)),
    ("stack_underflow", main("PUSH 1\nADD\nHALT", 1), (0, 6)),
    ("stack_underflow", main("PUSH 1\nPOP_N 2\nHALT", 1), (0, 6)),
    ("max_stack_wrong", main("HALT", 1), (0, 0)),
    ("max_stack_wrong", main("PUSH 1\nPOP\nHALT"), (0, 0)),
    ("max_stack_wrong", main("PUSH 1\nDUP\nPOP_N 2\nHALT", 1), (0, 6)),
    ("stack_height_mismatch", main("PUSH true\nJMP_IF_TRUE 15\nPUSH 1\nHALT", 1), (0, 15)),
    ("stack_height_mismatch", main("PUSH 1\nJMP 0", 1), (0, 0)),
    ("stack_height_mismatch", main("PUSH 1\nPUSH true\nJMP_IF_TRUE a\nPOP\na: HALT", 2), (0, 17)),
    ("stack_type_mismatch", main("PUSH true\nJMP_IF_TRUE a\nPUSH 1\nJMP b\na: PUSH 1.5\nb: POP\nHALT", 1), (0, 31)),
    ("stack_type_mismatch", main("PUSH true\nJMP_IF_TRUE a\nPUSH null\nJMP b\na: PUSH 1\nb: POP\nHALT", 1), (0, 23)),
    ("return_height_wrong", main("PUSH 1\nRET", 1), (0, 6)),
    ("verifier_work_exceeded", deep_branches(100), (0, 2844)),
    # types
    ("type_mismatch", main("PUSH 1\nPUSH true\nADD\nPOP\nHALT", 2), (0, 9)),
    ("type_mismatch", main("PUSH 1\nJMP_IF_TRUE 0\nHALT", 1), (0, 6)),
    ("immediate_invalid", coded(packed(("PUSH_BOOL", 2), ("POP",), ("HALT",)), 1), (0, 0)),
    ("immediate_invalid", coded(bytes.fromhex("1500010000000000f87f") + packed(("POP",), ("HALT",)), 1), (0, 0)),
    ("constant_index_invalid", main("PUSH_CONST 1\nPOP\nHALT", 1), (0, 0)),
    ("global_index_invalid", main("GET_GLOBAL 1\nPOP\nHALT", 1), (0, 0)),
    ("local_index_invalid", main("GET_LOCAL 0\nPOP\nHALT", 1), (0, 0)),
    ("function_index_invalid", main("CALL 1\nHALT"), (0, 0)),
    ("type_index_invalid", main("PUSH 1\nNEW_ARRAY row\nPOP\nHALT", 1), (0, 6)),
    ("field_index_invalid", main("NEW_RECORD row\nGET_FIELD 2\nPOP\nHALT", 1), (0, 6)),
    ("capture_index_invalid", main("GET_CAPTURE 0\nPOP\nHALT", 1), (0, 0)),
    ("capture_index_invalid", main("HALT", 0, CLOSURE.replace("GET_CAPTURE 0", "GET_CAPTURE 1")), (1, 0)),
    ("closure_slot_written", main("HALT", 0, CLOSURE.replace("GET_CAPTURE 0", "PUSH null\nSET_LOCAL 0\nGET_CAPTURE 0")),
    (1, 2)),
    ("call_target_invalid", main("PUSH 1\nCALL add\nPOP\nHALT", 1, CLOSURE), (0, 6)),
    ("call_target_invalid", main("MAKE_CLOSURE pair 0\nPOP\nHALT", 1, PAIR), (0, 0)),
    ("spawn_target_invalid", main("PUSH 1\nDUP\nSPAWN pair 2\nPOP\nHALT", 2, PAIR), (0, 8)),
    ("count_wrong", main("PUSH 1\nDUP\nMAKE_CLOSURE add 2\nPOP\nHALT", 2, CLOSURE), (0, 8)),
    ("count_wrong", main("PUSH null\nSPAWN waits 1\nPOP\nHALT", 1, WAITS), (0, 2)),
    ("syscall_invalid", main("SYSCALL 8\nHALT"), (0, 0)),
    ("intrinsic_invalid", main("INTRINSIC 7\nPOP\nHALT", 1), (0, 0)),
    # use
    ("export_may_stop", main("HALT", 0, WAITS + ".export waits\n"), (1, None)),
]  # fmt: skip

# Codes that stand in the sources of the verifier's rules but that it never gives.
ELSEWHERE = {
    "program_invalid",  # sums up the findings
    "program_meta_invalid",  # there is no finding about code without a version to judge it by
    "host_call_index_invalid",  # HOSTCALL is for the assembler's eyes; here it is host_call_unresolved
}


@pytest.mark.parametrize(("code", "program", "place"), CASES, ids=[case[0] for case in CASES])
def test_the_smallest_program_with_this_mistake_is_refused_with_its_code(code, program, place):
    assert rejected(program) == [(code, *(place or (None, None)))]


def codes_in(*modules):
    """The registered codes that stand as strings in these sources."""
    words = {word for path in modules for word in re.findall(r'"([a-z_]+)"', path.read_text())}
    return words & set(registry())


def test_there_is_a_case_for_every_code_in_the_sources():
    rooms = Path(verifier.__file__).parent, Path(isa.__file__).parent
    sources = [*rooms[0].glob("*.py"), *(rooms[1] / name for name in ("typing.py", "structure.py", "code.py"))]
    assert codes_in(*sources) == {code for code, _, _ in CASES} | ELSEWHERE


def test_the_programs_around_the_mistakes_are_sound():
    verify(coded(b"\x01\x00"), {}, {})
    body = "PUSH 1\nSYSCALL 7\nPOP\nINTRINSIC 256\nPOP\nHALT"
    verify(main(body, 1, CLOSURE + PAIR + WAITS + ".export pair\n"), SERVICES, INTRINSICS)


# ---- what a finding says


def test_a_finding_names_function_and_line_where_the_program_does():
    program = assemble(".func main()\n    HALT\n.end\n.func wrong() -> int\n    .stack 0\n\n    NOP\n    RET\n.end\n")
    with pytest.raises(Rejected) as caught:
        verify(program, {}, {})
    (finding,) = caught.value.findings
    place = finding.place
    assert (finding.code, place.function, place.name, place.pc, place.line) == ("stack_underflow", 1, "wrong", 2, 8)


@pytest.mark.parametrize(
    ("program", "required", "available"),
    [
        (main("HALT", 3), "0", "3"), (main("PUSH 1\nPOP\nHALT"), "1", "0"), (coded(b"\x06\x00"), None, "0x0006"),
        (coded(b"\xff\xff"), None, "0xffff"),
        (main("PUSH 1\nPUSH true\nADD\nPOP\nHALT", 2), "a number", "bool"), (main("CALL 1\nHALT"), "below 1", "1"),
        (main("PUSH true\nJMP_IF_TRUE a\nPUSH 1\nJMP b\na: PUSH 1.5\nb: POP\nHALT", 1), "int", "float"),
        (main("PUSH true\nJMP_IF_TRUE 15\nPUSH 1\nHALT", 1), "0", "1"), (main("SYSCALL 8\nHALT"), None, "8"),
    ],
)  # fmt: skip
def test_a_finding_says_what_is_needed_and_what_there_is(program, required, available):
    with pytest.raises(Rejected) as caught:
        verify(program, {}, {})
    (finding,) = caught.value.findings
    assert (finding.required, finding.available) == (required, available)


@pytest.mark.parametrize("isa_version", ["", "1", "1.0", "one", "1.0.0 "])
def test_a_program_must_say_for_which_instruction_set_it_was_made(isa_version):
    with pytest.raises(Rejected) as caught:
        verify(coded(b"\x01\x00", meta=replace(META, isa=isa_version)), {}, {})
    assert (caught.value.code, caught.value.findings) == ("program_meta_invalid", ())


# ---- several mistakes


BAD = ".func f{0}()\n.stack 0\nPOP\nRET\n.end\n"


def test_the_first_mistake_of_every_function_is_reported_in_order():
    program = main("ADD\nHALT", 0, "".join(BAD.format(i) for i in range(3)) + PAIR)
    assert rejected(program) == [("stack_underflow", i, 0) for i in range(4)]


def test_only_so_many_mistakes_are_reported():
    assert MAX_FINDINGS == 20
    assert rejected(main("HALT", 0, "".join(BAD.format(i) for i in range(50)))) == [
        ("stack_underflow", i, 0) for i in range(1, 21)
    ]
    program = tables(globals=(NULL,) * 50)
    assert rejected(program) == [("type_invalid", None, None)] * 20


def test_tables_that_do_not_fit_are_reported_before_any_code_is_read():
    program = replace(coded(b"\xff\xff"), globals=(NULL,))
    assert rejected(program) == [("type_invalid", None, None)]


def test_a_program_is_refused_the_same_way_every_time():
    program = main("ADD\nHALT", 0, "".join(BAD.format(i) for i in range(30)))
    assert rejected(program) == rejected(program)


def test_exports_are_only_judged_when_all_functions_hold():
    program = main("POP\nHALT", 0, WAITS + ".export waits\n")
    assert rejected(program) == [("stack_underflow", 0, 0)]


# ---- the work limit


def test_the_limit_is_the_documented_one():
    assert (WORK_PER_BYTE, WORK_ALWAYS) == (64, 4096)


@pytest.mark.parametrize("depth", [999, 1000])
@pytest.mark.parametrize("branches", [10, 90])
def test_some_paths_that_meet_with_deep_stacks_are_paid_for(branches, depth):
    program = deep_branches(branches, depth)
    # An instruction is a step, a path that arrives one and as many as it brings operands.
    work = depth + (1 + depth) + branches * (2 + 2 * (1 + depth)) + 1
    assert verify(program, {}, {}).work == work
    assert work <= WORK_ALWAYS + WORK_PER_BYTE * len(program.functions[0].code)


def test_a_block_that_cannot_be_paid_is_refused_at_the_instruction_where_the_work_is_spent():
    program = deep_branches(95, 927, "NOP\n" * 4 + "HALT")
    code = program.functions[0].code
    before = 927 + 928 + 95 * (2 + 2 * 928)
    assert WORK_ALWAYS + WORK_PER_BYTE * len(code) - before == 3
    assert rejected(program) == [("verifier_work_exceeded", 0, len(code) - 2 - 2)]  # the fourth NOP


@pytest.mark.parametrize("branches", [100, 5000])
def test_many_paths_that_meet_with_deep_stacks_are_refused_soon(branches):
    program = deep_branches(branches)
    limit = WORK_ALWAYS + WORK_PER_BYTE * len(program.functions[0].code)
    with pytest.raises(Rejected) as caught:
        verify(program, {}, {})
    (finding,) = caught.value.findings
    assert (finding.code, finding.required) == ("verifier_work_exceeded", f"at most {limit}")
    assert finding.place.pc < 2004 + 9 * (limit // 2004)


def test_nulls_that_turn_into_refs_one_by_one_are_refused_or_paid_for():
    """A loop whose every way round tells one more slot what it holds: each walk is paid for."""
    rounds = 300
    body = "PUSH null\n" * rounds + "loop:\n"
    for i in range(rounds):
        body += (
            f"PUSH true\nJMP_IF_TRUE skip{i}\n"
            + "POP\n" * (i % 7 + 1)
            + "NEW_RECORD row\n"
            + "PUSH null\n" * (i % 7)
            + f"JMP loop\nskip{i}:\n"
        )
    program = main(body + "HALT", rounds + 1)
    try:
        facts = verify(program, {}, {})
    except Rejected as refused:
        found = refused
    else:
        assert facts.work <= WORK_ALWAYS + WORK_PER_BYTE * len(program.functions[0].code)
        return
    assert [finding.code for finding in found.findings] == ["verifier_work_exceeded"]


SHAPES = {
    "straight": lambda n: "PUSH 1\nPOP\n" * n + "HALT",
    "branches": lambda n: "".join(f"PUSH true\nJMP_IF_TRUE a{i}\nNOP\na{i}:\n" for i in range(n)) + "HALT",
    "loops": lambda n: "".join(f"a{i}: PUSH true\nJMP_IF_TRUE a{i}\n" for i in range(n)) + "HALT",
    "backwards": lambda n: (
        "JMP a0\n"
        + "".join(f"a{i + 1}: JMP a{i + 2}\na{i}: JMP a{i + 1}\n" for i in range(0, 2 * n, 2))
        + f"a{2 * n}: HALT"
    ),
    "calls": lambda n: "CALL waits\n" * n + "HALT",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_work_grows_with_the_code_and_no_faster(shape):
    few, many = (
        verify(main(SHAPES[shape](n), int(shape in ("straight", "branches", "loops")), WAITS), {}, {}).work
        for n in (100, 400)
    )
    assert few > 100
    assert 3.5 * few < many < 4.5 * few


def test_the_work_of_a_program_is_that_of_its_functions():
    one = verify(main("HALT", 0, PAIR), {}, {}).work
    two = verify(main("HALT", 0, PAIR + PAIR.replace("pair", "twin")), {}, {}).work
    assert two - one == one - verify(main("HALT"), {}, {}).work == 3


def test_a_long_type_table_is_searched_once():
    types = (NONE, *(ArrayType(16 + i) for i in range(3000)), ArrayType(BYTE))

    class Counting(tuple):
        walked = 0

        def __iter__(self):
            for entry in super().__iter__():
                Counting.walked += 1
                yield entry

    code = packed(*[("PUSH_CONST", 0), ("POP",)] * 500, ("HALT",))
    functions = tuple(Function(signature=0, captures=None, locals=(), max_stack=1, code=code) for _ in range(4))
    verify(Program(meta=META, types=Counting(types), constants=(Constant(b"x"),), functions=functions), {}, {})
    assert Counting.walked < 20 * len(types)


def test_debug_lines_are_not_searched_one_by_one():
    lines = tuple((2 * i, i) for i in range(5000))

    class Counting(tuple):
        looked = 0

        def __getitem__(self, index):
            Counting.looked += 1
            return super().__getitem__(index)

        def __iter__(self):
            raise AssertionError("walked")

    program = replace(coded(packed(*[("NOP",)] * 4999, ("POP",))), debug=Debug(lines=(Counting(lines),)))
    assert rejected(program) == [("stack_underflow", 0, 9998)]
    assert Counting.looked < 40
