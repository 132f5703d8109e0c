from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbs import bench
from pbs.contract import Rejected
from pbs.host import standard
from pbs.isa import container
from pbs.isa.assembler import assemble
from pbs.isa.container import assemble_file, decode, encode
from pbs.isa.disassembler import disassemble
from pbs.isa.program import Debug, Export, Function, Import
from pbs.isa.table import BY_NAME
from pbs.isa.types import CoroutineType, FunctionType
from tests.support.programs import random_program

EXAMPLES = settings(derandomize=True, deadline=None, max_examples=400)

# Everything that a program can have.
FULL = """
.target isa "1.2.0"
.target runtime "1.0.0" "1.4.0"
.target profile "game" "1.1.0"
.target toolchain "hand \\"1\\""
.source "full game.pbasm"
.type bytes = array byte
.type row = record {next: row, size: int, rest: rows}
.type rows = array row
.type same = record {next: row, size: int, rest: rows}
.type none = record {}
.type fn = function (int, row) -> (int, float)
.type task = coroutine
.const one = 1
.const tiny = 5e-324
.const not = nan
.const minus = -0.0
.const text = "q\\"\\\\\\n\\x00\\xff\\xc3\\xa9"
.const again = 1
.global score: int
.global all: rows
.global call: fn
.import gfx.clear/1
.import a.b.c/65535 (int, bytes) -> (float, bool)
.func main()
    .local f: fn
    PUSH one
    MAKE_CLOSURE body
    SET_LOCAL f
loop:
    PUSH 0x7FFFFFFF
    PUSH -9223372036854775808
    POP_N 2
    PUSH inf
    PUSH -1.5e300
    PUSH text
    POP_N 3
    PUSH 3
    SPAWN task
    POP
    PUSH 5
    HOSTCALL gfx.clear/1
    INTRINSIC input.a.down
    JMP_IF_TRUE loop
    FRAME_SYNC
    JMP loop
.end
.closure body(x: int, y: row) -> (int, float) captures (k: int)
    GET_LOCAL y
    GET_FIELD row.size
    GET_CAPTURE k
    ADD
    PUSH 2.5
    RET
.end
.func task(n: int)
    .line 900
    GET_LOCAL n
    SLEEP
    .line 7
    RET
.end
.func empty()
    .stack 0
.end
.export go = task
.export main
"""
PROGRAM = assemble(FULL, "", standard().names)


def same_bytes(program):
    """Assembling what disassembling gave makes the same file, byte for byte. Gives the text."""
    text = disassemble(program)
    assert encode(assemble(text, "another name")) == encode(program)
    return text


# ---- round trips


def test_text_of_everything_makes_the_same_bytes_and_keeps_the_names():
    text = same_bytes(PROGRAM)
    for piece in (
        '.target toolchain "hand \\"1\\""',
        '.source "full game.pbasm"',
        ".type row = record {next: row, size: int, rest: rows}",
        ".const tiny = 5e-324",
        ".const minus = -0.0",
        ".const not = nan",
        '.const text = "q\\"\\\\\\n\\x00\\xff\\xc3\\xa9"',
        ".import a.b.c/65535 (int, bytes) -> (float, bool)",
        ".closure body(x: int, y: row) -> (int, float) captures (c0: int)",
        "    .local f: fn",
        "    PUSH_CONST one",
        "    MAKE_CLOSURE body 1",
        "    SPAWN task 1",
        "    HOSTCALL gfx.clear/1",
        "    GET_CAPTURE 0",
        "    .line 900",
        ".export go = task",
    ):
        assert piece in text.splitlines(), piece


def test_disassembling_is_a_function_of_the_bytes():
    assert disassemble(PROGRAM) == disassemble(decode(encode(PROGRAM)))
    assert disassemble(assemble(disassemble(PROGRAM))) == disassemble(PROGRAM)


def test_a_stripped_program_gets_plain_names_and_stays_stripped():
    text = same_bytes(replace(PROGRAM, debug=None))
    assert ".strip" in text.splitlines()
    assert ".func f0() -> ()" in text
    assert ".closure f1(p0: int, p1: t1) -> (int, float) captures (c0: int)" in text
    assert "    SET_LOCAL l0" in text


@pytest.mark.parametrize(
    "path", sorted((Path(bench.__file__).parent / "kernels").glob("*.pbasm")), ids=lambda path: path.stem
)
def test_kernels_come_back_byte_for_byte(path):
    program = assemble(path.read_text(), path.name)
    text = same_bytes(program)
    assert ".debug" not in text
    same_bytes(replace(program, debug=None))


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_come_back_byte_for_byte(seed):
    program = random_program(Random(seed), size=30)
    assert program.debug is None
    same_bytes(program)
    same_bytes(replace(program, debug=Debug()))


def changed(**parts):
    return replace(PROGRAM.debug, **parts)


FUNCTIONS, LOCALS, LINES = PROGRAM.debug.functions, PROGRAM.debug.locals, PROGRAM.debug.lines


@pytest.mark.parametrize(
    "debug",
    [
        Debug(), Debug(source="x"), changed(functions=()), changed(functions=FUNCTIONS[:-1]),
        changed(functions=(*FUNCTIONS, "more")),
        changed(functions=("main", "main", "task", "empty")), changed(functions=("", "", "", "")), changed(functions=("inf",
        *FUNCTIONS[1:])),
        changed(functions=("nan", *FUNCTIONS[1:])), changed(functions=("nan.x", *FUNCTIONS[1:])),
        changed(functions=("x" * 255, *FUNCTIONS[1:])),
        changed(functions=("body", "main", *FUNCTIONS[2:])), changed(functions=("PUSH", "RET", "JMP", "captures")),
        changed(functions=("L0", "L8", "L12", "self")),
        changed(types=()), changed(types=("int", *PROGRAM.debug.types[1:])), changed(types=("array",
        *PROGRAM.debug.types[1:])), changed(types=("null", *PROGRAM.debug.types[1:])),
        changed(types=("type.1", "type.0", *PROGRAM.debug.types[2:])), changed(types=PROGRAM.debug.types[:-1]),
        changed(types=PROGRAM.debug.types[::-1]),
        changed(fields=()), changed(fields=PROGRAM.debug.fields[:-1]), changed(fields=tuple(() for _ in PROGRAM.debug.fields)),
        changed(fields=tuple(names and ("x",) * len(names) for names in PROGRAM.debug.fields)), changed(fields=(("stray",),
        *PROGRAM.debug.fields[1:])),
        changed(fields=tuple(names[::-1] for names in PROGRAM.debug.fields)), changed(fields=tuple(names and ("inf.a", "b",
        "c") for names in PROGRAM.debug.fields)),
        changed(globals=("a", "a", "b")), changed(globals=("a",)), changed(globals=("one", "gfx", "main")),
        changed(globals=("true", "null", "int")),
        changed(constants=()), changed(constants=("a",) * 6), changed(constants=("true", "null", "false", "int", "string.0",
        "string.9")),
        changed(locals=()), changed(locals=((), *LOCALS[1:])), changed(locals=(*LOCALS, ())),
        changed(locals=tuple(("z",) * len(names) for names in LOCALS)),
        changed(locals=(("self",), *LOCALS[1:])), changed(locals=(LOCALS[0], ("me", "x", "y"), *LOCALS[2:])),
        changed(locals=(LOCALS[0], ("x", "self", "y"), *LOCALS[2:])),
        changed(locals=(("f", "g"), *LOCALS[1:])), changed(locals=(("nan.f",), *LOCALS[1:])), changed(locals=(("one",),
        ("self", "score", "loop"), ("main",), ())),
        changed(lines=()), changed(lines=((), *LINES[1:])), changed(lines=(((2, 1),), *LINES[1:])), changed(lines=(((0, 1),
        (1, 2)), *LINES[1:])),
        changed(lines=(((0, 1), (6, 1)), *LINES[1:])), changed(lines=(((0, 0), (6, 2**32 - 1)), *LINES[1:])),
        changed(lines=(((0, 1), (2**32 - 1, 2)), *LINES[1:])),
        changed(lines=(*LINES[:3], ((0, 1),))), changed(lines=(*LINES, ())), changed(lines=(((6, 1),), *LINES[1:])),
        changed(source=""), changed(source="é"), changed(source="x" * 255), changed(source="x" * 256),
        changed(source="\\\"'"), changed(source="; no comment"),
    ],
)  # fmt: skip
def test_a_debug_section_of_any_kind_comes_back_byte_for_byte(debug):
    program = replace(PROGRAM, debug=debug)
    assert decode(encode(program)).debug == debug
    same_bytes(program)


@pytest.mark.parametrize("name", ["inf", "nan", "inf.x", "nan.", "captures", "record", "PUSH", "x" * 255, "_", "a..b"])
def test_an_export_may_have_any_name_that_the_file_allows(name):
    program = replace(PROGRAM, exports=(Export(name=name, function=2), Export(name="other", function=0)))
    assert decode(encode(program)).exports == program.exports
    same_bytes(program)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("inf", "x"),
        ("nan", "nan"),
        ("a.b.c", "d"),
        ("_", "_"),
        ("a..", "b"),
        ("inf.nan", "inf"),
        ("x" * 255, "y" * 255),
        ("captures", "record"),
    ],
)
def test_an_import_may_have_any_identity_that_the_file_allows(module, name):
    row = Import(module=module, name=name, version=7, params=(0, 16), results=(1,))
    same_bytes(replace(PROGRAM, imports=(row, *PROGRAM.imports[1:])))


def test_meta_texts_of_any_kind_come_back():
    meta = replace(
        PROGRAM.meta, isa="", runtime_min="", runtime_max=None, profile="~ ;", profile_version="'", toolchain="x" * 255
    )
    same_bytes(replace(PROGRAM, meta=meta))
    same_bytes(replace(PROGRAM, meta=replace(meta, runtime_max=" ")))


# ---- code that means nothing yet


def with_code(*code, locals_=()):
    body = b"".join(BY_NAME[name].pack(BY_NAME[name].opcode, *immediates) for name, *immediates in code)
    return replace(
        PROGRAM,
        debug=None,
        functions=(replace(PROGRAM.functions[0], locals=locals_, code=body), *PROGRAM.functions[1:]),
    )


BIG = 2**32 - 1


@pytest.mark.parametrize(
    ("instruction", "line"),
    [
        (("JMP", 1), "JMP 1"), (("JMP", BIG), f"JMP {BIG}"), (("JMP", 6), "JMP L6"), (("JMP", 0), "JMP L0"), (("JMP_IF_TRUE",
        7), "JMP_IF_TRUE 7"),
        (("GET_LOCAL", 99), "GET_LOCAL 99"), (("SET_GLOBAL", 3), "SET_GLOBAL 3"), (("PUSH_CONST", 6), "PUSH_CONST 6"),
        (("CALL", 4), "CALL 4"),
        (("NEW_ARRAY", 99), "NEW_ARRAY 99"), (("GET_FIELD", 1), "GET_FIELD 1"), (("GET_CAPTURE", 0), "GET_CAPTURE 0"),
        (("HOSTCALL", 2), "HOSTCALL 2"),
        (("SYSCALL", 4097), "SYSCALL 4097"), (("INTRINSIC", 256), "INTRINSIC 256"), (("PUSH_BOOL", 200), "PUSH_BOOL 200"),
        (("POP_N", BIG), f"POP_N {BIG}"),
        (("MAKE_CLOSURE", 0, BIG), f"MAKE_CLOSURE f0 {BIG}"), (("SPAWN", 9, 1), "SPAWN 9 1"), (("CALL_CLOSURE", 0),
        "CALL_CLOSURE 0"),
        (("PUSH_I64", -(2**63)), f"PUSH_I64 {-(2**63)}"), (("PUSH_I32", -1), "PUSH_I32 -1"), (("PUSH_F64", -0.0),
        "PUSH_F64 -0.0"),
        (("PUSH_F64", 1e16), "PUSH_F64 1e+16"), (("PUSH_F64", float("-inf")), "PUSH_F64 -inf"),
    ],
)  # fmt: skip
def test_an_operand_without_a_name_is_a_number(instruction, line):
    text = same_bytes(with_code(instruction, ("HALT",)))
    assert f"    {line}" in text.splitlines()


@pytest.mark.parametrize("bits", ["010000000000f07f", "000000000000f8ff", "ffffffffffffffff", "000000000000f87f"])
def test_every_pattern_of_a_nan_comes_back(bits):
    program = with_code(("HALT",))
    code = BY_NAME["PUSH_F64"].pack(0x15, 0.0)[:2] + bytes.fromhex(bits)
    same_bytes(replace(program, functions=(replace(program.functions[0], code=code), *program.functions[1:])))


def test_a_jump_to_the_end_has_a_label_there():
    text = same_bytes(with_code(("JMP", 6)))
    assert text.count("L6") == 2


def test_a_program_whose_tables_do_not_fit_is_refused_with_the_reason():
    for program, code in (
        (replace(PROGRAM, functions=()), "main_missing"),
        (replace(PROGRAM, types=(*PROGRAM.types, CoroutineType())), "type_repeated"),
        (replace(PROGRAM, exports=(Export(name="a", function=9),)), "function_index_invalid"),
        (replace(PROGRAM, types=(*PROGRAM.types, FunctionType((99,), ()))), "type_invalid"),
    ):
        with pytest.raises(Rejected) as caught:
            disassemble(program)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("code", "found", "pc"),
    [
        (b"\x06\x00", "opcode_unknown", 0),
        (b"\0\0\x14\x00\x01", "instruction_truncated", 2),
        (b"\0\0\0", "instruction_truncated", 2),
    ],
)
def test_bytes_that_are_no_instructions_are_refused_where_they_stand(code, found, pc):
    functions = (*PROGRAM.functions[:2], replace(PROGRAM.functions[2], code=code), PROGRAM.functions[3])
    with pytest.raises(Rejected) as caught:
        disassemble(replace(PROGRAM, functions=functions))
    place = caught.value.diagnostic.place
    assert (caught.value.code, place.function, place.pc) == (found, 2, pc)


# ---- whatever comes


def bodies(program):
    return dict(container._sections(encode(program)))


BASES = [bodies(PROGRAM), *(bodies(random_program(Random(seed), size=8)) for seed in range(3))]


@st.composite
def mutants(draw):
    """Files that can be read, made from sound ones by a change in a section."""
    sections = dict(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(sorted(sections)))
        body = bytearray(sections[kind])
        if body:
            at = draw(st.integers(0, len(body) - 1))
            body[at] = draw(st.integers(0, 255))
        sections[kind] = bytes(body)
    return assemble_file(sections)


@EXAMPLES
@given(mutants())
def test_whatever_can_be_read_comes_back_byte_for_byte_or_is_refused(data):
    try:
        program = decode(data)
        text = disassemble(program)
    except Rejected:
        return
    assert encode(assemble(text, "another name")) == data


NAMES = st.text("ab.1_", max_size=3).map(lambda text: "n" + text) | st.sampled_from(
    ["", "inf", "nan", "nan.a", "inf.", "self", "int", "L0", "L6", "main"]
)


@st.composite
def debug_sections(draw):
    def names(count):
        return tuple(draw(st.lists(NAMES, min_size=count, max_size=count)))

    parts = {
        "functions": names(len(FUNCTIONS)),
        "types": names(len(PROGRAM.types)),
        "fields": tuple(names(len(fields)) for fields in PROGRAM.debug.fields),
        "globals": names(3),
        "constants": names(6),
        "locals": tuple(names(len(slots)) for slots in LOCALS),
        "lines": tuple(
            tuple(
                sorted(draw(st.dictionaries(st.sampled_from([0, 2, 6, 10, 16]), st.integers(0, 3), max_size=3)).items())
            )
            for _ in FUNCTIONS
        ),
    }
    kept = draw(st.sets(st.sampled_from(sorted(parts))))
    return changed(**{name: part for name, part in parts.items() if name in kept})


@settings(EXAMPLES, max_examples=150)
@given(debug_sections())
def test_any_names_and_lines_come_back_byte_for_byte(debug):
    same_bytes(replace(PROGRAM, debug=debug))


def test_the_harness_would_notice_a_lost_name():
    with pytest.raises(AssertionError):
        assert encode(assemble(disassemble(PROGRAM).replace("score", "points"))) == encode(PROGRAM)


def test_a_closure_as_main_is_refused():
    functions = (Function(signature=PROGRAM.functions[0].signature, captures=(), locals=(), max_stack=0, code=b"\1\0"),)
    with pytest.raises(Rejected):
        disassemble(replace(PROGRAM, functions=functions, exports=()))
