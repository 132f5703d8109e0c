import itertools
import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbs.contract.diagnostics import registry
from pbs.isa.program import Constant, Debug, Function, Import, Meta, Program
from pbs.isa.table import BY_NAME, ROWS, Immediate
from pbs.isa.types import BOOL, BYTE, FLOAT, INT, NULL, ArrayType, CoroutineType, FunctionType, RecordType
from pbs.isa.typing import FunctionTyping, TypeProblem, immediate_operands, in_slot, storage

META = Meta(
    isa="1.0.0", runtime_min="1.0.0", runtime_max=None, profile="core", profile_version="1.0.0", toolchain="tests"
)
WORDS = {"int": INT, "float": FLOAT, "bool": BOOL, "null": NULL} | {
    name: 16 + i
    for i, name in enumerate(
        ["bytes", "ints", "floats", "bools", "node", "fn", "task", "main", "nodes", "other", "runs"]
    )
}
TYPES = (
    ArrayType(BYTE), ArrayType(INT), ArrayType(FLOAT), ArrayType(BOOL),
    RecordType((INT, FLOAT, BOOL, WORDS["node"], WORDS["ints"])),
    FunctionType((INT, FLOAT), (BOOL,)), CoroutineType(), FunctionType((), ()), ArrayType(WORDS["node"]),
    RecordType((INT,)), FunctionType((INT,), ()),
)  # fmt: skip


def plain(signature, locals_=()):
    return Function(signature=WORDS[signature] - 16, captures=None, locals=locals_, max_stack=0, code=b"")


CAPTURES = (INT, FLOAT, WORDS["node"])
CLOSURE = Function(signature=WORDS["fn"] - 16, captures=CAPTURES, locals=(BOOL,), max_stack=0, code=b"")
PROGRAM = Program(
    meta=META,
    types=TYPES,
    constants=(Constant(1), Constant(1.5), Constant(b"x")),
    globals=(INT, FLOAT, WORDS["node"]),
    functions=(plain("main", (INT, FLOAT, WORDS["node"])), plain("fn"), plain("runs"), CLOSURE, plain("main")),
    imports=(Import(module="a", name="b", version=1, params=(INT, WORDS["node"]), results=(BOOL, FLOAT)),),
)
SERVICES = {7: FunctionType((INT, WORDS["bytes"]), (INT,))}
INTRINSICS = {256: FunctionType((), (BOOL,)), 300: FunctionType((WORDS["task"],), (INT,))}


def typing_in(function=0, program=PROGRAM):
    return FunctionTyping(program, program.functions[function], SERVICES, INTRINSICS)


def types(text):
    return [WORDS[word] for word in text.split()]


def applied(name, immediates, before, *, function=0, program=PROGRAM):
    """The stack behind the instruction, the form and the promoted operands."""
    stack = types(before)
    form, promoted = typing_in(function, program).apply(BY_NAME[name], immediates, stack)
    return stack, form.name if form else None, promoted


def problem(name, immediates, before, *, function=0, program=PROGRAM):
    with pytest.raises(TypeProblem) as caught:
        typing_in(function, program).apply(BY_NAME[name], immediates, types(before))
    assert caught.value.code in registry()
    return caught.value


def names(effect):
    """Names of rows with exactly this effect."""
    return [row.name for row in ROWS if row.effect == effect]


def promotions(name, result):
    return [
        (name, (), "int int", f"{result or 'int'}", f"{name}.int", 0),
        (name, (), "float float", f"{result or 'float'}", f"{name}.float", 0),
        (name, (), "int float", f"{result or 'float'}", f"{name}.float", 0b01),
        (name, (), "float int", f"{result or 'float'}", f"{name}.float", 0b10),
    ]


SELF = {"function": 3}
ACCEPTED = [
    *((name, (), "", "", None, 0) for name in ("NOP", "HALT", "TRAP", "FRAME_SYNC", "RET")), ("JMP", (0,), "", "", None, 0),
    ("JMP_IF_FALSE", (0,), "bool", "", "JMP_IF_FALSE", 0), ("JMP_IF_TRUE", (0,), "int bool", "int", "JMP_IF_TRUE", 0),
    ("PUSH_CONST", (0,), "", "int", None, 0), ("PUSH_CONST", (1,), "", "float", None, 0), ("PUSH_CONST", (2,), "", "bytes",
    None, 0),
    ("POP", (), "int node", "int", None, 0), ("POP", (), "null", "", None, 0), ("DUP", (), "int node", "int node node",
    None, 0), ("DUP", (), "null", "null null", None, 0),
    ("SWAP", (), "int float", "float int", None, 0), ("SWAP", (), "bool null node", "bool node null", None, 0),
    ("PUSH_I64", (-1,), "bool", "bool int", None, 0), ("PUSH_F64", (1.5,), "", "float", None, 0), ("PUSH_F64",
    (float("nan"),), "", "float", None, 0),
    ("PUSH_BOOL", (0,), "", "bool", None, 0), ("PUSH_BOOL", (1,), "", "bool", None, 0), ("PUSH_I32", (3,), "", "int",
    None, 0), ("PUSH_NULL", (), "", "null", None, 0),
    ("POP_N", (0,), "int", "int", None, 0), ("POP_N", (2,), "int float node", "int", None, 0), ("POP_N", (1,), "int", "",
    None, 0),
    *(case for name in names("number number -> number") for case in promotions(name, "")),
    *(case for name in names("number number -> bool") + names("same same -> bool") for case in promotions(name, "bool")),
    *((name, (), kind, kind, f"{name}.{kind}", 0) for name in names("number -> number") for kind in ("int", "float")),
    *((name, (), "int int", "int", name, 0) for name in names("int int -> int")), *((name, (), "int int", "bool",
    name, 0) for name in names("int int -> bool")),
    *((name, (), "int", "int", name, 0) for name in names("int -> int")), *((name, (), "float", "float",
    name, 0) for name in names("float -> float")),
    *((name, (), "bool bool", "bool", name, 0) for name in names("bool bool -> bool")), ("NOT", (), "bool", "bool", "NOT",
    0), ("COPYSIGN", (), "float float", "float", "COPYSIGN", 0),
    *((name, (), "int", "float", name, 0) for name in names("int -> float")), *((name, (), "float", "int",
    name, 0) for name in names("float -> int")),
    *((name, (), pair, "bool", f"{name}.int", 0) for name in ("EQ", "NEQ") for pair in ("bool bool", "node node",
    "node null", "null node", "null null", "bytes bytes", "task task", "fn fn")),
    ("GET_GLOBAL", (0,), "", "int", "GET_GLOBAL.word", 0), ("GET_GLOBAL", (1,), "", "float", "GET_GLOBAL.float", 0),
    ("GET_GLOBAL", (2,), "", "node", "GET_GLOBAL.word", 0),
    ("SET_GLOBAL", (0,), "int", "", "SET_GLOBAL.word", 0), ("SET_GLOBAL", (1,), "float", "", "SET_GLOBAL.float", 0),
    ("SET_GLOBAL", (2,), "node", "", "SET_GLOBAL.word", 0),
    ("SET_GLOBAL", (2,), "null", "", "SET_GLOBAL.word", 0), ("GET_LOCAL", (1,), "", "float", None, 0), ("GET_LOCAL", (2,),
    "", "node", None, 0),
    ("SET_LOCAL", (0,), "int", "", None, 0), ("SET_LOCAL", (2,), "null", "", None, 0), ("CALL", (4,), "int", "int", None, 0),
    ("CALL", (1,), "int float", "bool", None, 0),
    ("CALL", (2,), "bool int", "bool", None, 0), ("CALL", (0,), "", "", None, 0), ("MAKE_CLOSURE", (3, 3), "int float node",
    "fn", None, 0),
    ("MAKE_CLOSURE", (3, 3), "bool int float null", "bool fn", None, 0), ("CALL_CLOSURE", (2,), "int float fn", "bool",
    None, 0), ("CALL_CLOSURE", (0,), "int main", "int", None, 0),
    ("SPAWN", (2, 1), "int", "task", None, 0), ("SPAWN", (4, 0), "int", "int task", None, 0), ("YIELD", (), "int", "int",
    "YIELD", 0), ("SLEEP", (), "int", "", "SLEEP", 0),
    ("NEW_ARRAY", (1,), "int", "ints", "NEW_ARRAY.word", 0), ("NEW_ARRAY", (2,), "int", "floats", "NEW_ARRAY.word", 0),
    ("NEW_ARRAY", (0,), "int", "bytes", "NEW_ARRAY.byte", 0),
    ("ARRAY_GET", (), "ints int", "int", "ARRAY_GET.word", 0), ("ARRAY_GET", (), "floats int", "float", "ARRAY_GET.float",
    0), ("ARRAY_GET", (), "bytes int", "int", "ARRAY_GET.byte", 0),
    ("ARRAY_GET", (), "bools int", "bool", "ARRAY_GET.word", 0), ("ARRAY_GET", (), "nodes int", "node", "ARRAY_GET.word", 0),
    ("ARRAY_SET", (), "ints int int", "", "ARRAY_SET.word", 0),
    ("ARRAY_SET", (), "floats int float", "", "ARRAY_SET.float", 0), ("ARRAY_SET", (), "bytes int int", "", "ARRAY_SET.byte",
    0), ("ARRAY_SET", (), "nodes int null", "", "ARRAY_SET.word", 0),
    ("ARRAY_LEN", (), "nodes", "int", "ARRAY_LEN", 0), ("ARRAY_FILL", (), "ints int int int", "", "ARRAY_FILL.word", 0),
    ("ARRAY_FILL", (), "floats int int float", "", "ARRAY_FILL.float", 0),
    ("ARRAY_FILL", (), "bytes int int int", "", "ARRAY_FILL.byte", 0), ("ARRAY_FILL", (), "nodes int int null", "",
    "ARRAY_FILL.word", 0),
    ("ARRAY_COPY", (), "ints int ints int int", "", "ARRAY_COPY.word", 0), ("ARRAY_COPY", (), "floats int floats int int",
    "", "ARRAY_COPY.word", 0),
    ("ARRAY_COPY", (), "bytes int bytes int int", "", "ARRAY_COPY.byte", 0), ("NEW_RECORD", (4,), "", "node", "NEW_RECORD",
    0), ("GET_FIELD", (0,), "node", "int", "GET_FIELD.word", 0),
    ("GET_FIELD", (1,), "node", "float", "GET_FIELD.float", 0), ("GET_FIELD", (3,), "node", "node", "GET_FIELD.word", 0),
    ("SET_FIELD", (1,), "node float", "", "SET_FIELD.float", 0),
    ("SET_FIELD", (3,), "node node", "", "SET_FIELD.word", 0), ("SET_FIELD", (4,), "node null", "", "SET_FIELD.word", 0),
    *(("IS_NULL", (), ref, "bool", "IS_NULL", 0) for ref in ("node", "bytes", "fn", "task", "null")),
    ("SYSCALL", (7,), "int bytes", "int", None, 0), ("SYSCALL", (7,), "int null", "int", None, 0), ("HOSTCALL", (0,),
    "int node", "bool float", None, 0),
    ("INTRINSIC", (256,), "int", "int bool", None, 0), ("INTRINSIC", (300,), "task", "int", None, 0),
]  # fmt: skip
IN_CLOSURE = [
    ("GET_LOCAL", (0,), "", "fn", None, 0), ("GET_LOCAL", (1,), "", "int", None, 0), ("GET_LOCAL", (3,), "", "bool",
    None, 0), ("SET_LOCAL", (1,), "int", "", None, 0),
    ("GET_CAPTURE", (0,), "", "int", "GET_CAPTURE.word", 0), ("GET_CAPTURE", (1,), "", "float", "GET_CAPTURE.float", 0),
    ("GET_CAPTURE", (2,), "", "node", "GET_CAPTURE.word", 0),
    ("RET", (), "bool", "", None, 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "immediates", "before", "after", "form", "promoted"), ACCEPTED)
def test_an_instruction_changes_the_stack_and_selects_its_form(name, immediates, before, after, form, promoted):
    assert applied(name, immediates, before) == (types(after), form, promoted)


@pytest.mark.parametrize(("name", "immediates", "before", "after", "form", "promoted"), IN_CLOSURE)
def test_a_closure_has_itself_in_slot_0_and_captures(name, immediates, before, after, form, promoted):
    assert applied(name, immediates, before, function=3) == (types(after), form, promoted)


def test_every_row_and_every_form_is_among_these_cases():
    cases = [*ACCEPTED, *IN_CLOSURE]
    assert {case[0] for case in cases} == {row.name for row in ROWS}
    assert {case[4] for case in cases if case[4]} == {form.name for row in ROWS for form in row.forms}


@pytest.mark.parametrize(("name", "immediates", "before", "after", "form", "promoted"), ACCEPTED)
def test_what_lies_deeper_is_not_touched(name, immediates, before, after, form, promoted):
    if name != "RET":  # which wants the stack empty
        assert applied(name, immediates, "task " + before)[0] == types("task " + after)


# ---- what cannot run


@pytest.mark.parametrize(("name", "immediates", "before", "after", "form", "promoted"), ACCEPTED)
def test_an_operand_too_few_is_an_underflow(name, immediates, before, after, form, promoted):
    operands = before.split()
    for drop in range(1, len(operands) + 1):
        fewer = " ".join(operands[drop:])
        try:
            found = applied(name, immediates, fewer)
        except TypeProblem as underflow:
            problem_code = underflow.code
        else:
            assert found == (types(after)[drop:], form, promoted)  # it was not needed
            continue
        assert problem_code == "stack_underflow"


MISMATCHED = [
    ("ADD", (), "bool int"), ("ADD", (), "int bool"), ("ADD", (), "node int"), ("ADD", (), "int null"), ("LT", (),
    "bool bool"), ("LT", (), "node node"), ("MIN", (), "float node"),
    ("NEG", (), "bool"), ("ABS", (), "null"), ("MOD", (), "float float"), ("MOD", (), "int float"), ("SQRT", (), "int"),
    ("COPYSIGN", (), "float int"), ("AND", (), "int bool"),
    ("AND", (), "bool int"), ("NOT", (), "int"), ("SHL", (), "int float"), ("CLZ", (), "float"), ("LT_U", (), "float int"),
    ("INT_TO_FLOAT", (), "float"), ("FLOAT_TO_INT", (), "int"),
    ("EQ", (), "int bool"), ("EQ", (), "bool int"), ("EQ", (), "node int"), ("EQ", (), "int null"), ("EQ", (), "node other"),
    ("EQ", (), "bool null"), ("EQ", (), "null bool"), ("NEQ", (), "node bool"),
    ("NEQ", (), "bytes ints"), ("EQ", (), "float bool"),
    ("JMP_IF_TRUE", (0,), "int"), ("JMP_IF_FALSE", (0,), "null"), ("SET_GLOBAL", (0,), "float"), ("SET_GLOBAL", (1,), "int"),
    ("SET_GLOBAL", (2,), "other"), ("SET_GLOBAL", (0,), "null"),
    ("SET_LOCAL", (0,), "bool"), ("SET_LOCAL", (2,), "bytes"), ("CALL", (1,), "float int"), ("CALL", (1,), "null float"),
    ("CALL_CLOSURE", (2,), "int float null"), ("CALL_CLOSURE", (2,), "int float node"),
    ("CALL_CLOSURE", (2,), "int int fn"), ("CALL_CLOSURE", (2,), "int float int"), ("MAKE_CLOSURE", (3, 3),
    "int float other"), ("SPAWN", (2, 1), "float"), ("SLEEP", (), "float"),
    ("NEW_ARRAY", (1,), "float"), ("ARRAY_GET", (), "ints float"), ("ARRAY_GET", (), "node int"), ("ARRAY_GET", (),
    "null int"), ("ARRAY_GET", (), "int int"), ("ARRAY_SET", (), "ints int float"),
    ("ARRAY_SET", (), "floats int int"), ("ARRAY_SET", (), "bools int int"), ("ARRAY_SET", (), "ints int null"),
    ("ARRAY_SET", (), "null int int"), ("ARRAY_SET", (), "nodes int other"),
    ("ARRAY_SET", (), "ints bool int"), ("ARRAY_LEN", (), "node"), ("ARRAY_LEN", (), "null"), ("ARRAY_FILL", (),
    "ints int float int"), ("ARRAY_FILL", (), "bytes int int bool"),
    ("ARRAY_COPY", (), "ints int bytes int int"), ("ARRAY_COPY", (), "null int ints int int"), ("ARRAY_COPY", (),
    "ints int null int int"), ("ARRAY_COPY", (), "ints bool ints int int"),
    ("ARRAY_COPY", (), "ints int ints float int"), ("ARRAY_COPY", (), "ints int ints int float"), ("GET_FIELD", (0,),
    "null"), ("GET_FIELD", (0,), "ints"), ("GET_FIELD", (0,), "int"),
    ("SET_FIELD", (1,), "node int"), ("SET_FIELD", (3,), "node other"), ("SET_FIELD", (0,), "null int"), ("IS_NULL", (),
    "int"), ("IS_NULL", (), "bool"), ("SYSCALL", (7,), "int int"),
    ("SYSCALL", (7,), "null bytes"), ("HOSTCALL", (0,), "int other"), ("INTRINSIC", (300,), "fn"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "immediates", "before"), MISMATCHED)
def test_an_operand_of_another_type_is_a_mismatch_that_says_what_was_wanted(name, immediates, before):
    found = problem(name, immediates, before)
    assert found.code == "type_mismatch"
    assert found.required
    assert found.available


BIG = 2**32 - 1


@pytest.mark.parametrize(
    ("name", "immediates", "before", "code"),
    [
        ("PUSH_CONST", (3,), "", "constant_index_invalid"), ("PUSH_CONST", (BIG,), "", "constant_index_invalid"),
        ("GET_GLOBAL", (3,), "", "global_index_invalid"),
        ("SET_GLOBAL", (3,), "int", "global_index_invalid"), ("SET_GLOBAL", (BIG,), "", "global_index_invalid"),
        ("GET_LOCAL", (3,), "", "local_index_invalid"), ("SET_LOCAL", (BIG,), "int", "local_index_invalid"),
        ("CALL", (5,), "", "function_index_invalid"), ("CALL", (BIG,), "", "function_index_invalid"), ("MAKE_CLOSURE",
        (5, 0), "", "function_index_invalid"), ("SPAWN", (5, 0), "", "function_index_invalid"),
        ("CALL", (3,), "int float", "call_target_invalid"), ("MAKE_CLOSURE", (1, 0), "", "call_target_invalid"), ("SPAWN",
        (1, 2), "int float", "spawn_target_invalid"), ("SPAWN", (3, 2), "int float", "spawn_target_invalid"),
        ("MAKE_CLOSURE", (3, 2), "int float", "count_wrong"), ("MAKE_CLOSURE", (3, BIG), "int float node", "count_wrong"),
        ("CALL_CLOSURE", (1,), "float fn", "count_wrong"),
        ("CALL_CLOSURE", (3,), "int int float fn", "count_wrong"), ("SPAWN", (2, 0), "", "count_wrong"), ("SPAWN", (2, 2),
        "int int", "count_wrong"),
        ("NEW_ARRAY", (4,), "int", "type_index_invalid"), ("NEW_ARRAY", (11,), "int", "type_index_invalid"), ("NEW_ARRAY",
        (BIG,), "int", "type_index_invalid"), ("NEW_RECORD", (0,), "", "type_index_invalid"),
        ("NEW_RECORD", (11,), "", "type_index_invalid"), ("GET_FIELD", (5,), "node", "field_index_invalid"), ("SET_FIELD",
        (BIG,), "node int", "field_index_invalid"), ("GET_CAPTURE", (0,), "", "capture_index_invalid"),
        ("HOSTCALL", (1,), "", "host_call_index_invalid"), ("SYSCALL", (0,), "", "syscall_invalid"), ("SYSCALL", (256,), "",
        "syscall_invalid"), ("INTRINSIC", (7,), "", "intrinsic_invalid"),
        ("PUSH_BOOL", (2,), "", "immediate_invalid"), ("PUSH_BOOL", (255,), "", "immediate_invalid"), ("POP_N", (1,), "",
        "stack_underflow"), ("POP_N", (BIG,), "int", "stack_underflow"),
        ("RET", (), "int", "return_height_wrong"), ("RET", (), "null", "return_height_wrong"), ("DUP", (), "",
        "stack_underflow"), ("SWAP", (), "int", "stack_underflow"), ("ADD", (), "int", "stack_underflow"),
        ("CALL", (1,), "float", "stack_underflow"), ("CALL_CLOSURE", (2,), "float fn", "stack_underflow"), ("MAKE_CLOSURE",
        (3, 3), "float node", "stack_underflow"), ("SPAWN", (2, 1), "", "stack_underflow"),
        ("ARRAY_SET", (), "int int", "stack_underflow"), ("ARRAY_FILL", (), "int int int", "stack_underflow"), ("ARRAY_COPY",
        (), "ints int int", "stack_underflow"), ("ARRAY_COPY", (), "int ints int int", "stack_underflow"),
        ("SET_FIELD", (0,), "int", "stack_underflow"), ("GET_FIELD", (0,), "", "stack_underflow"), ("AND", (), "bool",
        "stack_underflow"), ("LT_U", (), "", "stack_underflow"),
    ],
)  # fmt: skip
def test_an_instruction_that_cannot_run_says_why(name, immediates, before, code):
    assert problem(name, immediates, before).code == code


@pytest.mark.parametrize(
    ("name", "immediates", "before", "code"),
    [
        ("GET_CAPTURE", (3,), "", "capture_index_invalid"), ("SET_LOCAL", (0,), "fn", "closure_slot_written"), ("SET_LOCAL",
        (0,), "null", "closure_slot_written"), ("SET_LOCAL", (0,), "", "closure_slot_written"),
        ("GET_LOCAL", (4,), "", "local_index_invalid"), ("RET", (), "", "stack_underflow"), ("RET", (), "int",
        "type_mismatch"), ("RET", (), "int bool", "return_height_wrong"),
    ],
)  # fmt: skip
def test_a_closure_that_cannot_run_says_why(name, immediates, before, code):
    assert problem(name, immediates, before, function=3).code == code


def test_what_an_instruction_needs_of_the_type_table_must_be_there():
    bare = Program(
        meta=META,
        types=(FunctionType((), ()),),
        constants=(Constant(b"x"),),
        functions=(Function(signature=0, captures=None, locals=(), max_stack=0, code=b""),),
    )
    assert (problem("PUSH_CONST", (0,), "", program=bare).code, problem("SPAWN", (0, 0), "", program=bare).code) == (
        "type_missing",
        "type_missing",
    )


@pytest.mark.parametrize("signature", [0, 4, 6, 11, BIG])
def test_a_function_without_a_function_type_has_no_rules(signature):
    with pytest.raises(TypeProblem, match="type_index_invalid"):
        FunctionTyping(PROGRAM, Function(signature=signature, captures=None, locals=(), max_stack=0, code=b""), {}, {})


@pytest.mark.parametrize("bits", ["f4", "fff8", "7ff0000000000001"])
def test_only_the_one_nan_can_be_pushed(bits):
    value = struct.unpack(">d", bytes.fromhex(bits.ljust(16, "0") if len(bits) < 16 else bits))[0]
    if value == value:
        assert applied("PUSH_F64", (value,), "")[0] == [FLOAT]
    else:
        assert problem("PUSH_F64", (value,), "").code == "immediate_invalid"


def test_types_are_spelled_by_their_names_or_numbers():
    assert (problem("GET_FIELD", (0,), "ints").required, problem("GET_FIELD", (0,), "ints").available) == (
        "a record",
        "t1",
    )
    named = replace(PROGRAM, debug=Debug(types=("b", "", "fs")))
    assert problem("GET_FIELD", (0,), "bytes", program=named).available == "b"
    assert problem("GET_FIELD", (0,), "ints", program=named).available == "t1"
    assert problem("NEG", (), "task", program=named).available == "type22"


def test_entries_of_a_long_table_are_looked_up_once():
    class Counting(tuple):
        walks = 0

        def __iter__(self):
            Counting.walks += 1
            return super().__iter__()

    program = replace(PROGRAM, types=Counting(TYPES))
    found = {}
    for function in (0, 1, 2) * 50:
        typing = FunctionTyping(program, program.functions[function], {}, {}, found)
        typing.apply(BY_NAME["PUSH_CONST"], (2,), [])
        typing.apply(BY_NAME["SPAWN"], (4, 0), [])
    assert Counting.walks == 2


def test_storage_and_slots_of_elements():
    assert [storage(t) for t in (INT, FLOAT, BOOL, BYTE, 16, NULL)] == ["word", "float", "word", "byte", "word", "word"]
    assert [in_slot(t) for t in (INT, FLOAT, BOOL, BYTE, 16)] == [INT, FLOAT, BOOL, INT, 16]


def test_immediates_become_operands_of_the_meaning():
    assert immediate_operands(PROGRAM, BY_NAME["NEW_RECORD"], (4,)) == (4, 5)
    assert immediate_operands(PROGRAM, BY_NAME["NEW_ARRAY"], (1,)) == (1,)
    assert immediate_operands(PROGRAM, BY_NAME["GET_FIELD"], (2,)) == (2,)
    assert immediate_operands(PROGRAM, BY_NAME["PUSH_I32"], (2,)) == ()
    assert immediate_operands(PROGRAM, BY_NAME["JMP_IF_TRUE"], (2,)) == ()


# ---- all of them, on every short stack


KINDS = sorted(WORDS.values())
IMMEDIATE_VALUES = {Immediate.FLOAT64: [1.5], Immediate.INT64: [0], Immediate.INT32: [0]}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_any_stack_gives_a_stack_of_slot_types_or_a_registered_problem(row):
    choices = [IMMEDIATE_VALUES.get(kind, [0, 1, 3, BIG]) for kind in row.immediates]
    for immediates in itertools.product(*choices):
        for size in range(3):
            for before in itertools.product(KINDS, repeat=size):
                for function in (0, 3):
                    stack = list(before)
                    try:
                        form, promoted = typing_in(function).apply(row, immediates, stack)
                    except TypeProblem as found:
                        assert found.code in registry()
                        continue
                    assert all(t in KINDS for t in stack)
                    assert form is None or form in row.forms
                    assert promoted == 0 or (form is not None and set(form.takes) == {"F"})


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.sampled_from(ROWS), st.lists(st.sampled_from(KINDS), max_size=7), st.data())
def test_more_below_changes_nothing(row, stack, data):
    immediates = tuple(
        data.draw(st.sampled_from(IMMEDIATE_VALUES.get(kind, [0, 1, 2, 3, 7, 256]))) for kind in row.immediates
    )
    above = list(stack)
    try:
        resolved = typing_in().apply(row, immediates, above)
    except TypeProblem:
        return
    if row.name != "RET":
        deeper = [WORDS["task"], FLOAT, *stack]
        assert typing_in().apply(row, immediates, deeper) == resolved
        assert deeper == [WORDS["task"], FLOAT, *above]
