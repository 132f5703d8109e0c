import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbs.contract import Rejected
from pbs.isa import assembly, declarations
from pbs.isa.assembler import MAX_PROBLEMS, assemble
from pbs.isa.assembly import is_plain_name, quote
from pbs.isa.code import decode_code
from pbs.isa.container import decode, encode, encode_debug
from pbs.isa.declarations import HostNames
from pbs.isa.program import Constant, Debug, Export, Import
from pbs.isa.types import (
    BOOL,
    BYTE,
    FLOAT,
    INT,
    ArrayType,
    CoroutineType,
    FunctionType,
    HostSignature,
    RecordType,
    ref_to,
)

HOST = HostNames(
    services={
        "gfx.clear/1": HostSignature(params=(INT,), results=()),
        "log.write/1": HostSignature(params=(INT, ArrayType(BYTE)), results=(INT,)),
    },
    intrinsics={"input.a.down": (256, HostSignature(params=(), results=(BOOL,))),
    "task.state": (300, HostSignature(params=(CoroutineType(),), results=(INT,)))},
)  # fmt: skip
MAIN = ".func main()\n    HALT\n.end\n"


def problems(text, host=None):
    """Code, line and column of everything that is wrong, as the assembler lists it."""
    with pytest.raises(Rejected) as caught:
        assemble(text, "", host)
    assert caught.value.code == "assembly_failed"
    assert caught.value.findings
    return [(finding.code, finding.place.line, finding.place.column) for finding in caught.value.findings]


def code_of(body, *, before="", host=HOST):
    """The instructions of a main function with this body, as (name, immediates)."""
    program = assemble(f"{before}\n.func main()\n    .stack 9\n{body}\n.end\n", "", host)
    return [(decoded.row.name, decoded.immediates) for decoded in decode_code(program.functions[0].code)]


# ---- instructions and literals


@pytest.mark.parametrize(
    ("text", "name", "immediate"),
    [
        ("PUSH 0", "PUSH_I32", 0), ("PUSH -1", "PUSH_I32", -1), ("PUSH +7", "PUSH_I32", 7), ("PUSH 1_000_000", "PUSH_I32",
        1_000_000),
        ("PUSH 2147483647", "PUSH_I32", 2**31 - 1), ("PUSH 2147483648", "PUSH_I64", 2**31), ("PUSH -2147483648", "PUSH_I32",
        -(2**31)),
        ("PUSH -2147483649", "PUSH_I64", -(2**31) - 1), ("PUSH 9223372036854775807", "PUSH_I64", 2**63 - 1),
        ("PUSH -9223372036854775808", "PUSH_I64", -(2**63)),
        ("PUSH 0x7FFFFFFF", "PUSH_I32", 2**31 - 1), ("PUSH 0xFFFFFFFF", "PUSH_I64", 2**32 - 1),
        ("PUSH 0xffff_ffff_ffff_ffff", "PUSH_I64", -1),
        ("PUSH 0x8000000000000000", "PUSH_I64", -(2**63)), ("PUSH -0x10", "PUSH_I32", -16), ("PUSH 010", "PUSH_I32", 10),
        ("PUSH true", "PUSH_BOOL", 1), ("PUSH false", "PUSH_BOOL", 0), ("PUSH 1.5", "PUSH_F64", 1.5), ("PUSH -0.0",
        "PUSH_F64", -0.0),
        ("PUSH 1e3", "PUSH_F64", 1000.0), ("PUSH 1E-3", "PUSH_F64", 0.001), ("PUSH 1_0.5", "PUSH_F64", 10.5), ("PUSH inf",
        "PUSH_F64", math.inf), ("PUSH -inf", "PUSH_F64", -math.inf),
        ("PUSH_I32 0xFFFFFFFF", "PUSH_I32", -1), ("PUSH_I32 0x80000000", "PUSH_I32", -(2**31)),
        ("PUSH_I64 0xFFFFFFFFFFFFFFFF", "PUSH_I64", -1),
        ("PUSH_I64 5", "PUSH_I64", 5), ("PUSH_F64 3", "PUSH_F64", 3.0), ("PUSH_F64 -3", "PUSH_F64", -3.0),
        ("PUSH_F64 0x3ff0000000000000", "PUSH_F64", 1.0),
        ("PUSH_F64 0xfff0000000000000", "PUSH_F64", -math.inf), ("PUSH_BOOL 1", "PUSH_BOOL", 1), ("PUSH_BOOL 255",
        "PUSH_BOOL", 255), ("PUSH_BOOL true", "PUSH_BOOL", 1),
        ("POP_N 3", "POP_N", 3), ("GET_LOCAL 4294967295", "GET_LOCAL", 2**32 - 1), ("JMP 77", "JMP", 77), ("CALL 5", "CALL", 5),
        ("SYSCALL 4097", "SYSCALL", 4097), ("HOSTCALL 9", "HOSTCALL", 9), ("INTRINSIC 256", "INTRINSIC", 256),
        ("NEW_ARRAY 3", "NEW_ARRAY", 3),
        ("GET_FIELD 2", "GET_FIELD", 2), ("GET_CAPTURE 1", "GET_CAPTURE", 1), ("GET_GLOBAL 6", "GET_GLOBAL", 6),
        ("PUSH_CONST 8", "PUSH_CONST", 8),
    ],
)  # fmt: skip
def test_an_operand_is_the_value_it_spells(text, name, immediate):
    assert repr(code_of(text)) == repr([(name, (immediate,))])


def test_nan_is_the_one_nan_and_other_patterns_can_be_given_in_hexadecimal():
    program = assemble(
        ".func main()\n    .stack 1\n    PUSH nan\n    PUSH_F64 0x7ff0000000000001\n    PUSH_F64 0xfff8000000000000\n.end\n"
    )
    body = program.functions[0].code
    assert [body[at + 2 : at + 10][::-1].hex() for at in (0, 10, 20)] == [
        "7ff8000000000000",
        "7ff0000000000001",
        "fff8000000000000",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "MAKE_CLOSURE 1 2",
        "MAKE_CLOSURE 1, 2",
        "MAKE_CLOSURE 1,2",
        "  MAKE_CLOSURE\t1   2 ; and so on",
        "MAKE_CLOSURE, 1, 2",
        "MAKE_CLOSURE 1 2\r",
    ],
)
def test_operands_stand_apart_by_spaces_or_commas(text):
    assert code_of(text) == [("MAKE_CLOSURE", (1, 2))]


def test_instructions_stand_in_the_order_of_their_lines():
    assert [name for name, _ in code_of("NOP\n\n  DUP ; comment\n; PUSH 1\nhere: SWAP\nNOT")] == [
        "NOP",
        "DUP",
        "SWAP",
        "NOT",
    ]


# ---- strings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('""', b""), ('"abc"', b"abc"), (r'"\n\t\0\"\\"', b'\n\t\0"\\'), (r'"\x00\x7f\xFFg"', b"\x00\x7f\xffg"),
        ('"é中😀"', "é中😀".encode()),
        ('"a;b"', b"a;b"), ('"  "', b"  "), (r'"\\n"', b"\\n"), (r'"\xc3\xa9"', "é".encode()), ('"\t"', b"\t"),
    ],
)  # fmt: skip
def test_a_string_is_its_bytes(text, value):
    program = assemble(f".const s = {text}\n{MAIN}")
    assert program.constants == (Constant(value),)
    assert ArrayType(BYTE) in program.types


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.binary(max_size=40))
def test_quoting_is_the_inverse_of_reading_a_string(value):
    assert assemble(f".const s = {quote(value)}\n{MAIN}").constants == (Constant(value),)


@pytest.mark.parametrize(
    ("text", "column"), [(r'"\q"', 12), (r'"ab\xg0"', 14), (r'"\x4"', 12), (r'"\x"', 12), ('"a\\x\u0660\u0660"', 13)]
)
def test_an_escape_that_says_nothing_is_named_where_it_stands(text, column):
    assert problems(f".const s = {text}\n{MAIN}") == [("assembly_operand_invalid", 1, column)]


def test_equal_strings_are_one_constant():
    pushes = '    PUSH "hi"\n    PUSH "hi"\n    PUSH "ho"\n    PUSH_CONST hello\n    PUSH_CONST "ho"\n'
    text = f'.const hello = "hi"\n.func main()\n{pushes}    HALT\n.end\n'
    program = assemble(text)
    assert program.constants == (Constant(b"hi"), Constant(b"ho"))
    indices = [decoded.immediates[0] for decoded in decode_code(program.functions[0].code) if decoded.immediates]
    assert indices == [0, 0, 1, 0, 1]
    assert program.debug.constants == ("hello", "string.1")


def test_a_string_that_the_text_did_not_name_takes_no_name_of_the_text():
    program = assemble('.const string.1 = 5\n.func main()\n    PUSH "a"\n    PUSH string.1\n    HALT\n.end\n')
    assert program.constants == (Constant(5), Constant(b"a"))
    assert [decoded.immediates for decoded in decode_code(program.functions[0].code)] == [(1,), (0,), ()]
    assert len(set(program.debug.constants)) == 2


# ---- names


NAMED = """
.type row = record {a: int, b: float}
.const ten = 10
.const half = 0.5
.const word = "w"
.equ LIMIT = 300
.equ max = 5
.equ MASK = 0xFFFFFFFFFFFFFFFF
.equ third = 0.25
.global score: int
.global best: row
.func main()
    HALT
.end
.func f(x: int, y: float) -> int
    .local z: int
"""


@pytest.mark.parametrize(
    ("text", "name", "immediates"),
    [
        ("PUSH ten", "PUSH_CONST", (0,)), ("PUSH half", "PUSH_CONST", (1,)), ("PUSH word", "PUSH_CONST", (2,)),
        ("PUSH_CONST half", "PUSH_CONST", (1,)),
        ("PUSH LIMIT", "PUSH_I32", (300,)), ("PUSH third", "PUSH_F64", (0.25,)), ("PUSH MASK", "PUSH_I64", (-1,)),
        ("PUSH_F64 max", "PUSH_F64", (5.0,)),
        ("PUSH_F64 MASK", "PUSH_F64", (struct.unpack("<d", b"\xff" * 8)[0],)), ("PUSH_I64 max", "PUSH_I64", (5,)),
        ("POP_N max", "POP_N", (5,)),
        ("GET_GLOBAL score", "GET_GLOBAL", (0,)), ("SET_GLOBAL best", "SET_GLOBAL", (1,)), ("GET_GLOBAL max", "GET_GLOBAL",
        (5,)),
        ("GET_LOCAL x", "GET_LOCAL", (0,)), ("GET_LOCAL y", "GET_LOCAL", (1,)), ("SET_LOCAL z", "SET_LOCAL", (2,)),
        ("GET_LOCAL LIMIT", "GET_LOCAL", (300,)),
        ("CALL f", "CALL", (1,)), ("CALL g", "CALL", (2,)), ("NEW_RECORD row", "NEW_RECORD", (0,)), ("GET_FIELD row.a",
        "GET_FIELD", (0,)), ("SET_FIELD row.b", "SET_FIELD", (1,)),
        ("HOSTCALL gfx.clear/1", "HOSTCALL", (0,)), ("INTRINSIC input.a.down", "INTRINSIC", (256,)), ("JMP here", "JMP",
        (0,)), ("JMP_IF_TRUE there", "JMP_IF_TRUE", (6,)),
    ],
)  # fmt: skip
def test_a_name_is_the_number_of_what_it_names(text, name, immediates):
    program = assemble(
        f"{NAMED}    .stack 5\nhere:\n    {text}\nthere:\n    HALT\n.end\n.func g()\n    RET\n.end\n", "", HOST
    )
    first, *_ = decode_code(program.functions[1].code)
    assert repr((first.row.name, first.immediates)) == repr((name, immediates))


def test_a_number_is_read_as_it_was_written_whatever_it_is_called():
    assert code_of("PUSH_F64 x", before=".equ x = 16") == [("PUSH_F64", (16.0,))]  # the x is not that of 0x
    assert problems(".equ x = 18446744073709551615\n.func main()\n    PUSH_I64 x\n.end\n") == [
        ("assembly_operand_invalid", 3, 14)
    ]


def test_everything_may_be_named_before_it_is_declared():
    program = assemble(
        """
.export start = work
.func main()
    CALL work
    POP
    PUSH greeting
    SET_GLOBAL text
    PUSH SIZE
    NEW_ARRAY cells
    SET_GLOBAL grid
    JMP end
end:
    HALT
.end
.func work() -> int
    PUSH SIZE
    HOSTCALL gfx.clear/1
    PUSH ONE
    RET
.end
.global grid: cells
.global text: array byte
.type cells = array pair
.type pair = record {next: pair, size: int}
.const ONE = 1
.const greeting = "hi"
.equ SIZE = 4
.import gfx.clear/1
""",
        "",
        HOST,
    )
    assert program.exports == (Export(name="start", function=1),)
    assert program.types[:2] == (ArrayType(ref_to(1)), RecordType((ref_to(1), INT)))
    assert program.imports == (Import(module="gfx", name="clear", version=1, params=(INT,), results=()),)
    assert program.functions[0].max_stack == program.functions[1].max_stack == 1


# ---- directives


def test_types_are_the_entries_in_the_order_of_their_lines_and_then_what_is_used():
    program = assemble(
        """
.type rows = array row
.type row = record {x: int, y: float, z: bool, next: row, all: rows, raw: array byte}
.type fn = function (int, x: row) -> (int, rows)
.type task = coroutine
.type none = function ()
.type one = function (float) -> bool
.global g: array array int
.global h: array int
.global c: coroutine
.func main()
    HALT
.end
"""
    )
    assert program.types == (
        ArrayType(17),
        RecordType((INT, FLOAT, BOOL, 17, 16, 22)),
        FunctionType((INT, 17), (INT, 16)),
        CoroutineType(),
        FunctionType((), ()),
        FunctionType((FLOAT,), (BOOL,)),
        ArrayType(BYTE),
        ArrayType(INT),
        ArrayType(23),
    )
    assert program.globals == (ref_to(8), ref_to(7), ref_to(3))
    assert program.debug.types == ("rows", "row", "fn", "task", "none", "one", "type.6", "type.7", "type.8")
    assert program.debug.fields == ((), ("x", "y", "z", "next", "all", "raw"), *[()] * 7)
    assert program.functions[0].signature == 4


def test_a_type_that_the_text_did_not_name_takes_no_name_of_the_text():
    program = assemble(f".type type.1 = array int\n.global g: array float\n.global h: type.1\n{MAIN}")
    assert program.types[:2] == (ArrayType(INT), ArrayType(FLOAT))
    assert program.globals == (ref_to(1), ref_to(0))
    assert len(set(program.debug.types)) == len(program.types)


def test_two_records_with_equal_fields_are_two_types():
    program = assemble(f".type a = record {{x: int}}\n.type b = record {{x: int}}\n.type e = record {{}}\n{MAIN}")
    assert program.types[:3] == (RecordType((INT,)), RecordType((INT,)), RecordType(()))


def test_the_target_says_for_what_the_program_is_made():
    text = '.target isa "1.2.0"\n.target runtime "1.1.0" "1.9.0"\n.target profile "game" "1.3.0"\n.target toolchain "mine 2"\n'
    meta = assemble(text + MAIN).meta
    assert (meta.isa, meta.runtime_min, meta.runtime_max, meta.profile) == ("1.2.0", "1.1.0", "1.9.0", "game")
    assert (meta.profile_version, meta.toolchain) == ("1.3.0", "mine 2")
    meta = assemble('.target runtime "2.0.0"\n' + MAIN).meta
    assert (meta.isa, meta.runtime_min, meta.runtime_max, meta.profile) == ("1.0.0", "2.0.0", None, "core")
    assert (meta.profile_version, meta.toolchain) == ("1.0.0", declarations.TOOLCHAIN)


def test_functions_are_numbered_in_the_order_of_their_lines():
    program = assemble(
        """
.func main()
    HALT
.end
.func pair(a: int, float) -> (int, float)
    .local c: bool
    GET_LOCAL a
    GET_LOCAL p1
    RET
.end
.closure adder(x: int) -> int captures (k: int, f: float)
    .local y: int
    GET_CAPTURE k
    GET_LOCAL x
    ADD
    RET
.end
.func bare ()
    RET
.end
.export pair
.export again = pair
.export inf = bare
"""
    )
    pair, adder, bare = program.functions[1:]
    assert (pair.captures, pair.locals, pair.max_stack, program.types[pair.signature]) == (
        None,
        (BOOL,),
        2,
        FunctionType((INT, FLOAT), (INT, FLOAT)),
    )
    assert (adder.captures, adder.locals, adder.max_stack, program.types[adder.signature]) == (
        (INT, FLOAT),
        (INT,),
        2,
        FunctionType((INT,), (INT,)),
    )
    assert bare.signature == program.functions[0].signature
    assert program.exports == tuple(
        Export(name=name, function=i) for name, i in (("pair", 1), ("again", 1), ("inf", 3))
    )
    assert program.debug.functions == ("main", "pair", "adder", "bare")
    assert program.debug.locals == ((), ("a", "p1", "c"), ("self", "x", "y"), ())


def test_an_import_has_a_signature_or_that_of_the_host():
    stated = ".import a.b.c/65535 (int, x: array byte) -> (float, bool)\n.import m.n/0 () -> int\n"
    text = f".import gfx.clear/1\n{stated}.import log.write/1\n"
    program = assemble(text + MAIN, "", HOST)
    assert program.imports == (
        Import(module="gfx", name="clear", version=1, params=(INT,), results=()),
        Import(module="a.b", name="c", version=65535, params=(INT, ref_to(0)), results=(FLOAT, BOOL)),
        Import(module="m", name="n", version=0, params=(), results=(INT,)),
        Import(module="log", name="write", version=1, params=(INT, ref_to(0)), results=(INT,)),
    )
    assert program.types[0] == ArrayType(BYTE)


def test_a_host_call_imports_the_service_that_it_names():
    calls = '    PUSH 1\n    PUSH "x"\n    HOSTCALL log.write/1\n    HOSTCALL gfx.clear/1\n    PUSH 2\n    HOSTCALL gfx.clear/1\n'
    text = f".func main()\n{calls}    HALT\n.end\n"
    program = assemble(text, "", HOST)
    assert [row.identity for row in program.imports] == ["log.write/1", "gfx.clear/1"]
    assert [d.immediates for d in decode_code(program.functions[0].code) if d.row.name == "HOSTCALL"] == [
        (0,),
        (1,),
        (1,),
    ]


@pytest.mark.parametrize("words", ["inf.x/1", "nan.x/1", "infinite.x/1", "n.inf/1"])
def test_an_identity_may_begin_like_a_number_word(words):
    (row,) = assemble(f".import {words} () -> ()\n{MAIN}").imports
    assert row.identity == words


def test_counts_are_inferred_from_what_is_called():
    program = assemble(
        """
.func main()
    PUSH 1
    PUSH 2.5
    MAKE_CLOSURE two
    POP
    MAKE_CLOSURE none
    POP
    PUSH 1
    SPAWN body
    POP
    PUSH 7
    SPAWN 3 1
    POP
    HALT
.end
.closure two() captures (a: int, b: float)
    RET
.end
.closure none() captures ()
    RET
.end
.func body(x: int)
    RET
.end
"""
    )
    calls = [d.immediates for d in decode_code(program.functions[0].code) if d.row.name in ("MAKE_CLOSURE", "SPAWN")]
    assert calls == [(1, 2), (2, 0), (3, 1), (3, 1)]


# ---- the debug section


LINES = """.func main()
    PUSH 1
    POP

again: JMP again
.end
.func second(a: int)
    RET
.end
"""


def test_the_debug_section_names_everything_and_says_the_lines():
    program = assemble(LINES, "game.pbasm")
    assert program.debug == Debug(
        source="game.pbasm",
        functions=("main", "second"),
        types=("type.0", "type.1"),
        fields=((), ()),
        locals=((), ("a",)),
        lines=(((0, 2), (6, 3), (8, 5)), ((0, 8),)),
    )
    assert [program.line_at(0, pc) for pc in (0, 5, 6, 7, 8, 13, 999)] == [2, 2, 3, 3, 5, 5, 5]
    assert [program.line_at(function, 0) for function in (1, 2)] == [8, None]


def test_given_lines_count_instead_of_those_of_the_text():
    body = "    NOP\n    .line 40\n    NOP\n    NOP\n    .line 41\n    NOP\n    .line 40\n    HALT\n"
    text = f".func main()\n{body}.end\n.func b()\n    RET\n.end\n"
    assert assemble(text).debug.lines == (((0, 2), (2, 40), (6, 41), (8, 40)), ((0, 12),))


def test_a_line_is_found_also_where_there_are_none():
    program = assemble(".strip\n" + LINES)
    assert program.debug is None
    assert program.line_at(0, 0) is None
    assert program.function_name(0) is None
    assert assemble(LINES).function_name(1) == "second"
    assert assemble(LINES).function_name(2) is None


def test_the_text_may_name_its_source():
    assert assemble('.source "other name"\n' + MAIN, "file").debug.source == "other name"


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("a\nb", "a?b"),
        ("\x1b[0m", "?[0m"),
        ("\udcff.pbasm", "?.pbasm"),
        ("é.pbasm", "é.pbasm"),
        ("x" * 70_000, "x" * 255),
    ],
)
def test_any_file_name_gives_a_program_that_can_be_read_again(source, kept):
    program = assemble(MAIN, source)
    assert decode(encode(program)).debug.source == kept


def test_a_debug_section_may_be_given_in_its_bytes():
    given = Debug(source="s", functions=("", "x", "x"), lines=(((5, 1),),))
    program = assemble(f".debug {quote(encode_debug(given))}\n{MAIN}")
    assert program.debug == given
    assert problems(f'.debug "abc"\n{MAIN}') == [("assembly_operand_invalid", 1, 8)]


# ---- stack depth


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        ("HALT", 0), ("PUSH 1\nPOP\nHALT", 1), ("PUSH 1\nPUSH 2\nADD\nDUP\nPOP_N 2\nHALT", 2),
        ("PUSH true\nJMP_IF_TRUE a\nPUSH 1\nDUP\nDUP\nPOP_N 3\na: HALT", 3),
        ("JMP a\nb: PUSH 1\nPOP\nHALT\na: JMP b", 1), ("a: JMP a", 0), ("INTRINSIC input.a.down\nPOP\nHALT", 1),
        ("PUSH 1\nHOSTCALL gfx.clear/1\nHALT", 1),
        ("HALT\nPUSH 1\nPUSH 2\nPUSH 3\n", 0), ("CALL f\nPOP_N 3\nHALT", 3),
    ],
)  # fmt: skip
def test_the_stack_depth_is_the_deepest_of_all_paths(body, depth):
    text = f".func main()\n{body}\n.end\n.func f() -> (int, int, int)\nPUSH 1\nDUP\nDUP\nRET\n.end\n"
    assert assemble(text, "", HOST).functions[0].max_stack == depth


def test_a_given_depth_is_taken_as_it_is():
    assert assemble(".func main()\n    .stack 17\n    ADD\n    HALT\n.end\n").functions[0].max_stack == 17


@pytest.mark.parametrize(
    ("body", "code", "line"),
    [
        ("    PUSH 1\n    ADD\n    HALT", "stack_underflow", 3), ("    PUSH 1\n    PUSH true\n    ADD\n    HALT",
        "type_mismatch", 4),
        ("    PUSH 1\n    RET", "return_height_wrong", 3), ("    GET_LOCAL 3\n    HALT", "local_index_invalid", 2),
        ("    SYSCALL 1\n    HALT", "syscall_invalid", 2),
        ("    INTRINSIC 9\n    HALT", "intrinsic_invalid", 2), ("    PUSH 1\n    JMP_IF_TRUE 0\n    HALT", "type_mismatch", 3),
        ("x:  PUSH 1\n    JMP x", None, None), ("    PUSH 1\n" * 1025 + "    HALT", "stack_too_deep", 1026),
    ],
)  # fmt: skip
def test_an_instruction_that_cannot_run_is_reported_where_it_stands(body, code, line):
    text = f".func main()\n{body}\n.end\n"
    if code is None:
        assert assemble(text).functions[0].max_stack == 1  # whether paths agree is the verifier's question
    else:
        assert problems(text) == [(code, line, 5)]


# ---- mistakes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # nothing, or no end
        ("", [("assembly_empty", 1, None)]), ("; only a comment\n", [("assembly_empty", 1, None)]), (".const a = 1\n",
        [("assembly_empty", 1, None)]),
        (".func main()\n    HALT\n", [("assembly_end_missing", 1, None)]), ("\n\n.func main()", [("assembly_end_missing",
        3, None)]),
        # something else should stand here
        ("NOP\n" + MAIN, [("assembly_unexpected", 1, 1)]), (".nope\n" + MAIN, [("assembly_unexpected", 1, 1)]),
        ("x:\n" + MAIN, [("assembly_unexpected", 1, 1)]),
        (".end\n" + MAIN, [("assembly_unexpected", 1, 1)]), (".local x: int\n" + MAIN, [("assembly_unexpected", 1, 1)]),
        ("@\n" + MAIN, [("assembly_unexpected", 1, 1)]),
        (MAIN + "  'a'\n", [("assembly_unexpected", 4, 3)]), (MAIN + '\t"open\n', [("assembly_unexpected", 4, 2)]),
        (MAIN + "é\n", [("assembly_unexpected", 4, 1)]),
        (MAIN + ".const a = int\n", [("assembly_unexpected", 4, 12)]), (MAIN + ".const a 1\n", [("assembly_unexpected",
        4, 10)]), (MAIN + ".const 1 = 1\n", [("assembly_unexpected", 4, 8)]),
        (MAIN + ".const a = 1 2\n", [("assembly_unexpected", 4, 14)]), (MAIN + ".equ a = true\n", [("assembly_unexpected",
        4, 10)]), (MAIN + ".equ a = 1 ,\n", [("assembly_unexpected", 4, 12)]),
        (MAIN + ".type a = int\n", [("assembly_unexpected", 4, 11)]), (MAIN + ".type a : array int\n",
        [("assembly_unexpected", 4, 9)]), (MAIN + ".type a/1 = coroutine\n", [("assembly_unexpected", 4, 7)]),
        (MAIN + ".type a = coroutine int\n", [("assembly_unexpected", 4, 21)]), (MAIN + ".type a = record {x: int y: int}\n",
        [("assembly_unexpected", 4, 26)]),
        (MAIN + ".type a = record {, x: int}\n", [("assembly_unexpected", 4, 19)]), (MAIN + ".type a = function int\n",
        [("assembly_unexpected", 4, 20)]),
        (MAIN + ".global g = int\n", [("assembly_unexpected", 4, 11)]), (MAIN + ".global g: int int\n",
        [("assembly_unexpected", 4, 16)]), (MAIN + ".global g: 5\n", [("assembly_unexpected", 4, 12)]),
        (MAIN + ".import gfx.clear\n", [("assembly_unexpected", 4, 9)]), (MAIN + ".import 5\n", [("assembly_unexpected",
        4, 9)]), (MAIN + ".import a.b/1 () -> () x\n", [("assembly_unexpected", 4, 24)]),
        (MAIN + '.target cpu "1"\n', [("assembly_unexpected", 4, 9)]), (MAIN + ".target isa 1\n", [("assembly_unexpected",
        4, 13)]), (MAIN + '.target isa "1" "2"\n', [("assembly_unexpected", 4, 17)]),
        (MAIN + ".source x\n", [("assembly_unexpected", 4, 9)]), (MAIN + ".strip now\n", [("assembly_unexpected", 4, 8)]),
        (MAIN + ".export 5\n", [("assembly_unexpected", 4, 9)]),
        (MAIN + ".export main main\n", [("assembly_unexpected", 4, 14)]), (MAIN + ".export a = 0\n", [("assembly_unexpected",
        4, 13)]), (MAIN + ".debug 5\n", [("assembly_unexpected", 4, 8)]),
        (".func main() x\n    HALT\n.end\n", [("assembly_unexpected", 1, 14)]), (".func main(a int)\n    HALT\n.end\n",
        [("assembly_name_unknown", 1, 12)]),
        (".func main(int int)\n    HALT\n.end\n", [("assembly_unexpected", 1, 16)]), (".closure c()\n    RET\n.end\n",
        [("assembly_operand_missing", 1, 13)]),
        (".closure c() taken ()\n    RET\n.end\n", [("assembly_unexpected", 1, 14)]),
        (".func a()\n.func b()\n    RET\n.end\n", [("assembly_unexpected", 2, 1)]),
        (".func a()\n    RET\n.const x = 1\n.end\n", [("assembly_unexpected", 3, 1)]),
        (".func a()\n    .nope\n    RET\n.end\n", [("assembly_unexpected", 2, 5)]), (".func a()\n    RET\n.end now\n",
        [("assembly_unexpected", 3, 6)]),
        (".func a()\n    5\n    RET\n.end\n", [("assembly_unexpected", 2, 5)]), (".func a()\n    5:\n    RET\n.end\n",
        [("assembly_unexpected", 2, 5)]),
        (".func a()\n    NOP 1\n    RET\n.end\n", [("assembly_unexpected", 2, 9)]),
        (".func a()\n    PUSH 1 2\n    RET\n.end\n", [("assembly_unexpected", 2, 12)]),
        (".func a()\n    a/1: RET\n.end\n", [("assembly_unexpected", 2, 5)]), (".func a()\n    .stack 1 1\n    RET\n.end\n",
        [("assembly_unexpected", 2, 14)]),
        # missing
        (".func\n", [("assembly_empty", 1, None), ("assembly_operand_missing", 1, 6)]), (".func main\n    HALT\n.end\n",
        [("assembly_operand_missing", 1, 11)]),
        (".func main(\n    HALT\n.end\n", [("assembly_operand_missing", 1, 12)]), (".func main() ->\n    HALT\n.end\n",
        [("assembly_operand_missing", 1, 16)]),
        (MAIN + ".type a\n", [("assembly_operand_missing", 4, 8)]), (MAIN + ".type a =\n", [("assembly_operand_missing",
        4, 10)]), (MAIN + ".type a = array\n", [("assembly_operand_missing", 4, 16)]),
        (MAIN + ".type a = record {x: int\n", [("assembly_operand_missing", 4, 25)]), (MAIN + ".type\n",
        [("assembly_operand_missing", 4, 6)]), (MAIN + ".const\n", [("assembly_operand_missing", 4, 7)]),
        (MAIN + ".const a =\n", [("assembly_operand_missing", 4, 11)]), (MAIN + ".global g:\n", [("assembly_operand_missing",
        4, 11)]), (MAIN + '.target profile "game"\n', [("assembly_operand_missing", 4, 23)]),
        (MAIN + ".import\n", [("assembly_operand_missing", 4, 8)]), (MAIN + ".export\n", [("assembly_operand_missing",
        4, 8)]), (MAIN + ".export a =\n", [("assembly_operand_missing", 4, 12)]),
        (".func a()\n    PUSH\n    RET\n.end\n", [("assembly_operand_missing", 2, 9)]), (".func a()\n    JMP\n.end\n",
        [("assembly_operand_missing", 2, 8)]),
        (".func a()\n    MAKE_CLOSURE 1\n.end\n", [("assembly_operand_missing", 2, 19)]),
        (".func a()\n    CALL_CLOSURE\n.end\n", [("assembly_operand_missing", 2, 17)]),
        (".func a()\n    POP_N\n.end\n", [("assembly_operand_missing", 2, 10)]), (".func a()\n    .local\n    RET\n.end\n",
        [("assembly_operand_missing", 2, 11)]),
        (".func a()\n    .stack\n    RET\n.end\n", [("assembly_operand_missing", 2, 11)]),
        (".func a()\n    .line\n    RET\n.end\n", [("assembly_operand_missing", 2, 10)]),
        # no such instruction
        (".func a()\n    JUMP 1\n    RET\n.end\n", [("assembly_mnemonic_unknown", 2, 5)]), (".func a()\n    ret\n.end\n",
        [("assembly_mnemonic_unknown", 2, 5)]),
        (".func a()\nx:  ADD_ 1\n    RET\n.end\n", [("assembly_mnemonic_unknown", 2, 5)]),
        # an operand that does not fit
        (".func a()\n    PUSH_I32 2147483648\n.end\n", [("assembly_operand_invalid", 2, 14)]),
        (".func a()\n    PUSH_I32 0x100000000\n.end\n", [("assembly_operand_invalid", 2, 14)]),
        (".func a()\n    PUSH 9223372036854775808\n.end\n", [("assembly_operand_invalid", 2, 10)]),
        (".func a()\n    PUSH 0x10000000000000000\n.end\n", [("assembly_operand_invalid", 2, 10)]),
        (".func a()\n    PUSH -9223372036854775809\n.end\n", [("assembly_operand_invalid", 2, 10)]),
        (".func a()\n    PUSH_I64 1.5\n.end\n", [("assembly_operand_invalid", 2, 14)]),
        (".func a()\n    PUSH 0x_\n.end\n", [("assembly_operand_invalid", 2, 10)]),
        (f".func a()\n    PUSH {'1' * 5000}\n.end\n", [("assembly_operand_invalid", 2, 10)]),
        (".func a()\n    PUSH_BOOL 256\n.end\n", [("assembly_operand_invalid", 2, 15)]), (".func a()\n    POP_N -1\n.end\n",
        [("assembly_operand_invalid", 2, 11)]),
        (".func a()\n    POP_N 4294967296\n.end\n", [("assembly_operand_invalid", 2, 11)]),
        (".func a()\n    GET_LOCAL 1.5\n.end\n", [("assembly_operand_invalid", 2, 15)]),
        (f".func a()\n    PUSH_F64 1{'0' * 400}\n.end\n", [("assembly_operand_invalid", 2, 14)]),
        (".func a()\n    .stack 65536\n    RET\n.end\n", [("assembly_operand_invalid", 2, 12)]),
        (".func a()\n    .line 4294967296\n    RET\n.end\n", [("assembly_operand_invalid", 2, 11)]),
        (MAIN + ".const a = 9223372036854775808\n", [("assembly_operand_invalid", 4, 12)]),
        (MAIN + ".import a/1\n", [("assembly_name_unknown", 4, 9)]), (MAIN + ".import a/1 ()\n",
        [("assembly_operand_invalid", 4, 9)]), (MAIN + ".import a.b/65536 ()\n", [("assembly_operand_invalid", 4, 9)]),
        (MAIN + ".import a.b/01 ()\n", [("assembly_operand_invalid", 4, 9)]), (MAIN + ".import a.1/1 ()\n",
        [("assembly_operand_invalid", 4, 9)]), (MAIN + ".import a./1 ()\n", [("assembly_operand_invalid", 4, 9)]),
        (MAIN + f".import a.{'b' * 256}/1 ()\n", [("assembly_operand_invalid", 4, 9)]),
        (MAIN + '.target isa "é"\n', [("assembly_operand_invalid", 4, 13)]),
        (MAIN + f'.target isa "{"x" * 256}"\n', [("assembly_operand_invalid", 4, 13)]),
        (MAIN + '.source "\\n"\n', [("assembly_operand_invalid", 4, 9)]),
        # nothing has this name
        (".func a()\n    JMP there\n.end\n", [("assembly_name_unknown", 2, 9)]), (".func a()\n    GET_LOCAL x\n.end\n",
        [("assembly_name_unknown", 2, 15)]),
        (".func a()\n    CALL b\n.end\n", [("assembly_name_unknown", 2, 10)]), (".func a()\n    PUSH b\n.end\n",
        [("assembly_name_unknown", 2, 10)]), (".func a()\n    PUSH_CONST b\n.end\n", [("assembly_name_unknown", 2, 16)]),
        (".func a()\n    GET_GLOBAL b\n.end\n", [("assembly_name_unknown", 2, 16)]), (".func a()\n    NEW_ARRAY b\n.end\n",
        [("assembly_name_unknown", 2, 15)]), (".func a()\n    GET_FIELD b.c\n.end\n", [("assembly_name_unknown", 2, 15)]),
        (".type b = record {x: int}\n.func a()\n    GET_FIELD b.c\n.end\n", [("assembly_name_unknown", 3, 15)]),
        (".func a()\n    GET_CAPTURE b\n.end\n", [("assembly_name_unknown", 2, 17)]),
        (".func a()\n    HOSTCALL b.c/1\n.end\n", [("assembly_name_unknown", 2, 14)]), (".func a()\n    HOSTCALL b\n.end\n",
        [("assembly_name_unknown", 2, 14)]), (".func a()\n    INTRINSIC b\n.end\n", [("assembly_name_unknown", 2, 15)]),
        (".func a()\n    POP_N b\n.end\n", [("assembly_name_unknown", 2, 11)]),
        (".func a()\n    SYSCALL gfx.clear/1\n.end\n", [("assembly_name_unknown", 2, 13)]),
        (".func a()\n    .local b: c\n    RET\n.end\n", [("assembly_name_unknown", 2, 15)]),
        (MAIN + ".export b\n", [("assembly_name_unknown", 4, 9)]), (MAIN + ".export b = c\n", [("assembly_name_unknown",
        4, 13)]), (MAIN + ".global g: c\n", [("assembly_name_unknown", 4, 12)]), (MAIN + ".global g: byte\n",
        [("assembly_name_unknown", 4, 12)]),
        (MAIN + ".global g: null\n", [("assembly_name_unknown", 4, 12)]), (MAIN + ".type a = array null\n",
        [("assembly_name_unknown", 4, 17)]), (MAIN + ".import gfx.clear/2\n", [("assembly_name_unknown", 4, 9)]),
        # the name is taken
        (".func a()\n    RET\n.end\n.func a()\n    RET\n.end\n", [("assembly_name_taken", 4, 7)]),
        (".func a(x: int, x: int)\n    RET\n.end\n", [("assembly_name_taken", 1, 17)]),
        (".func a(p1: int, int)\n    RET\n.end\n", [("assembly_name_taken", 1, 7)]),
        (".func a(x: int)\n    .local x: int\n    RET\n.end\n", [("assembly_name_taken", 2, 12)]),
        (".closure a(self: int) captures ()\n    RET\n.end\n", [("assembly_name_taken", 1, 10)]),
        (".closure a() captures (x: int, x: int)\n    RET\n.end\n", [("assembly_name_taken", 1, 32)]),
        (".closure a() captures (p1: int, int)\n    RET\n.end\n", [("assembly_name_taken", 1, 10)]),
        (".func a()\nx:\nx:\n    RET\n.end\n", [("assembly_name_taken", 3, 1)]),
        (MAIN + ".type a = coroutine\n.type a = array int\n", [("assembly_name_taken", 5, 7)]),
        (MAIN + ".type int = array int\n", [("assembly_name_taken", 4, 7)]), (MAIN + ".type record = array int\n",
        [("assembly_name_taken", 4, 7)]),
        (MAIN + ".type a = record {x: int, x: int}\n", [("assembly_name_taken", 4, 27)]),
        (MAIN + ".const a = 1\n.const a = 1\n", [("assembly_name_taken", 5, 8)]), (MAIN + ".const a = 1\n.equ a = 1\n",
        [("assembly_name_taken", 5, 6)]),
        (MAIN + ".equ a = 1\n.const a = 1\n", [("assembly_name_taken", 5, 8)]), (MAIN + ".global a: int\n.global a: int\n",
        [("assembly_name_taken", 5, 9)]), (MAIN + ".export a = main\n.export a = main\n", [("assembly_name_taken", 5, 9)]),
        (MAIN + ".import a.b/1 ()\n.import a.b/1 ()\n", [("assembly_name_taken", 5, 9)]),
        # the same type has two names
        (MAIN + ".type a = array int\n.type b = array int\n", [("assembly_type_repeated", 5, 7)]),
        (MAIN + ".type a = coroutine\n.type b = coroutine\n", [("assembly_type_repeated", 5, 7)]),
        (MAIN + ".type a = function (x: int)\n.type b = function (y: int) -> ()\n", [("assembly_type_repeated", 5, 7)]),
    ],
)  # fmt: skip
def test_a_mistake_is_named_where_it_stands(text, found):
    assert problems(text) == found


def test_too_many_locals_are_one_mistake_each():
    text = ".func a()\n" + "".join(f"    .local x{i}: int\n" for i in range(1025)) + "    RET\n.end\n"
    assert problems(text) == [("assembly_operand_invalid", 1026, 12)]


def test_all_mistakes_are_reported_in_the_order_of_the_text():
    text = ".func a()\n    JMP x\n    JUMP\n    PUSH\n    CALL b\n    POP_N 1 2\n.end\n.export c\n"
    assert problems(text) == [
        ("assembly_name_unknown", 2, 9),
        ("assembly_mnemonic_unknown", 3, 5),
        ("assembly_operand_missing", 4, 9),
        ("assembly_name_unknown", 5, 10),
        ("assembly_unexpected", 6, 13),
        ("assembly_name_unknown", 8, 9),
    ]
    text = MAIN + ".type a\n.const b\n.global c: d\n.type e = array f\n.const b = 1\n.const b = 2\n"
    assert [line for _, line, _ in problems(text)] == [4, 5, 6, 7, 9]


def test_only_so_many_mistakes_are_reported():
    assert MAX_PROBLEMS == 20
    assert len(problems(".func a()\n" + "    JUMP\n" * 500 + ".end\n")) == 20
    assert problems(".func a()\n" + "    JUMP\n" * 20 + ".end\n")[-1] == ("assembly_mnemonic_unknown", 21, 5)


def test_the_error_names_the_source():
    with pytest.raises(Rejected) as caught:
        assemble("", "game.pbasm")
    assert caught.value.diagnostic.subject == "game.pbasm"


def test_a_text_beyond_the_limit_is_refused_unread(monkeypatch):
    monkeypatch.setattr("pbs.isa.assembler.MAX_TEXT_BYTES", len(MAIN))
    assemble(MAIN)
    with pytest.raises(Rejected) as caught:
        assemble(MAIN + "\n")
    assert caught.value.code == "file_too_large"
    assert assembly.MAX_TEXT_BYTES == 16 * 1024 * 1024


@pytest.mark.parametrize(
    ("text", "plain"),
    [("a", True), ("a.b", True), ("infinity", True), ("inf.x", True), ("_", True), ("PUSH", True), ("inf", False), ("nan",
    False)]
    + [(bad, False) for bad in ("", "a b", "a/1", "1a", ".a", "a:", "é", "a\n", " a", "a;")],
)  # fmt: skip
def test_a_plain_name_is_one_token_wherever_it_stands(text, plain):
    assert is_plain_name(text) == plain


# ---- whatever comes


WORDS = (
    *(".func main()", ".func", ".end", ".closure", "captures (", ".local", ".stack", ".line", ".type", ".const", ".equ",
    ".global", ".import", ".export"),
    *(".target isa", ".strip", ".debug", "record {", "array", "function (", "coroutine", "int", "float", "byte", "null",
    "PUSH", "PUSH_F64", "ADD", "CALL"),
    *("JMP", "HALT", "RET", "HOSTCALL", "MAKE_CLOSURE", "SPAWN", "GET_FIELD", "NEW_ARRAY", "GET_LOCAL", "main", "x", "y",
    "x.y", "a.b/1", "gfx.clear/1"),
    *("->", "(", ")", ":", ",", "=", "{", "}", "0", "-1", "0xFF", "0x", "1.5", "1e9", "inf", "nan",
    '"s"', '"\\x41"', '"', "\\", ";", "\n", "\n", "\n", "\t", "é"),
)  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=800)
@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_any_text_gives_a_program_that_can_be_written_and_read_or_a_rejection(text):
    for whole in (text, f"{text}\n{MAIN}"):
        try:
            program = assemble(whole, "", HOST)
        except Rejected as rejected:
            found = rejected
        else:
            assert repr(decode(encode(program))) == repr(program)
            continue
        assert found.code == "assembly_failed"
        assert 1 <= len(found.findings) <= MAX_PROBLEMS


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(max_size=60))
def test_any_characters_give_a_program_or_a_rejection(text):
    with pytest.raises(Rejected):
        assemble(text)
    try:
        assemble(f"{MAIN}{text}")
    except Rejected as rejected:
        found = rejected
    else:
        return
    assert found.code == "assembly_failed"
