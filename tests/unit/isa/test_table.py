import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbs.isa import table
from pbs.isa.code import CodeProblem, decode_code
from pbs.isa.table import BY_NAME, BY_OPCODE, FORMS, MAX_INSTRUCTION_BYTES, PROMOTION, ROWS, Flow, Immediate
from pbs.isa.traps import EXCLUDED, Trap

# Written by hand from the documents, not from the table: the documented numbers are fixed for ever.
DOCUMENTED = {
    "NOP": 0x00, "HALT": 0x01, "JMP": 0x02, "JMP_IF_FALSE": 0x03, "JMP_IF_TRUE": 0x04, "TRAP": 0x05,
    "PUSH_CONST": 0x10, "POP": 0x11, "DUP": 0x12, "SWAP": 0x13, "PUSH_I64": 0x14, "PUSH_F64": 0x15, "PUSH_BOOL": 0x16,
    "PUSH_I32": 0x17, "POP_N": 0x18, "ADD": 0x20,
    "RET": 0x51, "MAKE_CLOSURE": 0x52, "CALL_CLOSURE": 0x53, "SPAWN": 0x54,
    "SYSCALL": 0x70, "HOSTCALL": 0x71, "INTRINSIC": 0x72, "FRAME_SYNC": 0x80,
}  # fmt: skip
# Ours, frozen with the first release.
OURS = {
    "PUSH_NULL": 0x19, "SUB": 0x21, "MUL": 0x22, "DIV": 0x23, "MOD": 0x24, "NEG": 0x25, "ABS": 0x26, "MIN": 0x27, "MAX": 0x28,
    "SQRT": 0x29, "FLOOR": 0x2A, "CEIL": 0x2B, "TRUNC": 0x2C, "NEAREST": 0x2D, "COPYSIGN": 0x2E,
    "EQ": 0x30, "NEQ": 0x31, "LT": 0x32, "LTE": 0x33, "GT": 0x34, "GTE": 0x35, "AND": 0x36, "OR": 0x37, "NOT": 0x38,
    "BIT_AND": 0x39, "BIT_OR": 0x3A, "BIT_XOR": 0x3B, "SHL": 0x3C, "SHR": 0x3D, "SHR_U": 0x3E, "ROTL": 0x3F,
    "GET_GLOBAL": 0x40, "SET_GLOBAL": 0x41, "GET_LOCAL": 0x42, "SET_LOCAL": 0x43,
    "CALL": 0x50, "YIELD": 0x55, "SLEEP": 0x56, "GET_CAPTURE": 0x57,
    "NEW_ARRAY": 0x60, "ARRAY_GET": 0x61, "ARRAY_SET": 0x62, "ARRAY_LEN": 0x63, "ARRAY_FILL": 0x64, "ARRAY_COPY": 0x65,
    "NEW_RECORD": 0x66, "GET_FIELD": 0x67, "SET_FIELD": 0x68, "IS_NULL": 0x69,
    "INT_TO_FLOAT": 0x90, "FLOAT_TO_INT": 0x91, "FLOAT_TO_INT_SAT": 0x92, "FLOAT_BITS": 0x93, "BITS_FLOAT": 0x94,
    "ROTR": 0xA0, "CLZ": 0xA1, "CTZ": 0xA2, "POPCNT": 0xA3, "DIV_U": 0xA4, "MOD_U": 0xA5,
    "LT_U": 0xA6, "LTE_U": 0xA7, "GT_U": 0xA8, "GTE_U": 0xA9,
}  # fmt: skip
TRAP_NUMBERS = {
    "ILLEGAL_INSTRUCTION": 0x01, "EXPLICIT": 0x02, "OUT_OF_BOUNDS": 0x03, "TYPE": 0x04, "INVALID_SYSCALL": 0x07,
    "STACK_UNDERFLOW": 0x08, "INVALID_LOCAL": 0x09, "DIV_ZERO": 0x0A, "INVALID_FUNCTION": 0x0B, "BAD_RETURN_SLOTS": 0x0C,
    "INVALID_INTRINSIC": 0x0D, "NULL_REF": 0x0E, "INT_OVERFLOW": 0x0F, "OUT_OF_MEMORY": 0x10,
    "CALL_DEPTH": 0x11, "HOST_DENIED": 0x12,
}  # fmt: skip
# Every row that can raise a trap in verified code, and which.
TRAPS = {
    "TRAP": "EXPLICIT", "DIV": "DIV_ZERO INT_OVERFLOW", "MOD": "DIV_ZERO", "DIV_U": "DIV_ZERO", "MOD_U": "DIV_ZERO",
    "FLOAT_TO_INT": "INT_OVERFLOW", "CALL": "CALL_DEPTH", "CALL_CLOSURE": "CALL_DEPTH NULL_REF",
    "MAKE_CLOSURE": "OUT_OF_MEMORY", "SPAWN": "OUT_OF_MEMORY", "NEW_ARRAY": "OUT_OF_MEMORY", "NEW_RECORD": "OUT_OF_MEMORY",
    "ARRAY_GET": "NULL_REF OUT_OF_BOUNDS", "ARRAY_SET": "NULL_REF OUT_OF_BOUNDS", "ARRAY_LEN": "NULL_REF",
    "ARRAY_FILL": "NULL_REF OUT_OF_BOUNDS", "ARRAY_COPY": "NULL_REF OUT_OF_BOUNDS", "GET_FIELD": "NULL_REF",
    "SET_FIELD": "NULL_REF",
    "SYSCALL": "HOST_DENIED",
}  # fmt: skip
METERED = {"NEW_ARRAY", "ARRAY_FILL", "ARRAY_COPY"}  # work that grows with an operand
STATEFUL = {
    "YIELD", "SLEEP", "GET_GLOBAL", "SET_GLOBAL", "GET_CAPTURE", "NEW_ARRAY", "NEW_RECORD", "ARRAY_GET", "ARRAY_SET",
    "ARRAY_LEN",
    "ARRAY_FILL", "ARRAY_COPY", "GET_FIELD", "SET_FIELD",
}  # fmt: skip
EXAMPLES = settings(derandomize=True, deadline=None, max_examples=200)


# ---- numbers


def test_the_opcodes_are_the_documented_ones_and_ours_and_no_others():
    assert {row.name: row.opcode for row in ROWS} == DOCUMENTED | OURS


def test_no_opcode_and_no_name_stands_twice():
    assert len(BY_OPCODE) == len(BY_NAME) == len(ROWS)
    assert all(BY_OPCODE[row.opcode] is BY_NAME[row.name] is row for row in ROWS)
    assert len(FORMS) == sum(len(row.forms) for row in ROWS)


def test_rows_stand_in_the_order_of_their_numbers():
    assert [row.opcode for row in ROWS] == sorted(row.opcode for row in ROWS)
    assert all(0 <= row.opcode < 1 << 16 for row in ROWS)


def test_the_traps_have_their_documented_numbers():
    assert {trap.name: trap.value for trap in Trap} == TRAP_NUMBERS


# ---- bytes


@pytest.mark.parametrize(
    ("name", "immediates", "data"),
    [
        ("NOP", (), "0000"), ("HALT", (), "0100"), ("FRAME_SYNC", (), "8000"), ("ADD", (), "2000"), ("GTE_U", (), "a900"),
        ("JMP", (0x01020304,), "020004030201"), ("PUSH_CONST", (7,), "100007000000"), ("POP_N", (1,), "180001000000"),
        ("PUSH_I64", (-2,), "1400feffffffffffffff"), ("PUSH_F64", (1.0,), "1500000000000000f03f"), ("PUSH_BOOL", (1,),
        "160001"),
        ("PUSH_I32", (-1,), "1700ffffffff"), ("MAKE_CLOSURE", (2, 3), "52000200000003000000"), ("SPAWN", (1, 0),
        "54000100000000000000"),
        ("SYSCALL", (0x00010000,), "700000000100"), ("HOSTCALL", (5,), "710005000000"), ("CALL", (0xFFFFFFFF,), "5000ffffffff"),
    ],
)  # fmt: skip
def test_an_instruction_is_opcode_and_immediates_in_little_endian(name, immediates, data):
    row = BY_NAME[name]
    assert row.pack(row.opcode, *immediates).hex() == data
    (decoded,) = decode_code(bytes.fromhex(data))
    assert (decoded.pc, decoded.row, decoded.immediates, decoded.next_pc) == (0, row, immediates, len(data) // 2)


VALUES = {
    "q": st.integers(-(2**63), 2**63 - 1),
    "d": st.floats(),
    "i": st.integers(-(2**31), 2**31 - 1),
    "B": st.integers(0, 255),
    "I": st.integers(0, 2**32 - 1),
}


@st.composite
def instructions(draw):
    row = draw(st.sampled_from(ROWS))
    return row, tuple(draw(VALUES[immediate.format]) for immediate in row.immediates)


def packed(code):
    return b"".join(row.pack(row.opcode, *immediates) for row, immediates in code)


def comparable(immediates):
    return tuple(struct.pack("<d", value) if isinstance(value, float) else value for value in immediates)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_knows_its_size(row):
    zeros = row.pack(row.opcode, *(0 for _ in row.immediates))
    assert len(zeros) == row.size <= MAX_INSTRUCTION_BYTES
    assert row.size == 2 + sum(struct.calcsize("<" + immediate.format) for immediate in row.immediates)
    assert row.unpack(zeros, 2) == tuple(0 for _ in row.immediates)


def test_the_longest_instruction_is_as_long_as_stated():
    assert max(row.size for row in ROWS) == MAX_INSTRUCTION_BYTES


@EXAMPLES
@given(st.lists(instructions(), max_size=12))
def test_decoding_is_the_inverse_of_packing(code):
    data = packed(code)
    decoded = decode_code(data)
    assert [(d.row, comparable(d.immediates)) for d in decoded] == [(row, comparable(values)) for row, values in code]
    assert [d.pc for d in decoded] == [0, *(d.next_pc for d in decoded)][: len(decoded)]
    assert packed([(d.row, d.immediates) for d in decoded]) == data


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_cut_short_is_truncated_at_its_start(row):
    data = BY_NAME["NOP"].pack(0) + row.pack(row.opcode, *(0 for _ in row.immediates))
    for end in range(3, len(data)):
        with pytest.raises(CodeProblem) as caught:
            decode_code(data[:end])
        assert (caught.value.code, caught.value.pc) == ("instruction_truncated", 2)
        assert [d.row.name for d in caught.value.before] == ["NOP"]


@pytest.mark.parametrize(
    "opcode", [0x06, 0x0F, 0x1A, 0x2F, 0x44, 0x58, 0x6A, 0x73, 0x81, 0x95, 0xAA, 0xFF, 0x0100, 0x0120, 0xFFFF]
)
@pytest.mark.parametrize(
    "before", [[], [("PUSH_I32", (1,)), ("POP", ())], [("PUSH_BOOL", (1,))]], ids=["first", "even", "odd"]
)
def test_a_number_without_a_row_is_an_unknown_opcode(opcode, before):
    assert opcode not in BY_OPCODE
    sound = packed([(BY_NAME[name], immediates) for name, immediates in before])
    with pytest.raises(CodeProblem) as caught:
        decode_code(sound + struct.pack("<H", opcode) + bytes(10))
    assert (caught.value.code, caught.value.pc, caught.value.opcode) == ("opcode_unknown", len(sound), opcode)
    assert str(caught.value) == "opcode_unknown"
    assert [d.row.name for d in caught.value.before] == [name for name, _ in before]


@EXAMPLES
@given(st.binary(max_size=60))
def test_any_bytes_are_instructions_or_a_problem(data):
    try:
        decoded = decode_code(data)
    except CodeProblem as problem:
        decoded = problem.before
        data = data[: problem.pc]
    assert packed([(d.row, d.immediates) for d in decoded]) == data


# ---- what a row says


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_raises_exactly_the_traps_of_its_meaning(row):
    assert {trap.name for trap in row.traps} == set(TRAPS.get(row.name, "").split())


def test_no_row_raises_what_the_verifier_excludes():
    assert {trap for row in ROWS for trap in row.traps} | EXCLUDED == set(Trap)
    assert not {trap for row in ROWS for trap in row.traps} & EXCLUDED


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_metered_and_stateful_as_its_meaning_is(row):
    assert row.metered == (row.name in METERED)
    for form in row.forms:
        traps = bool(form.effects.traps)
        assert form.effects.pure == (not traps and row.name not in STATEFUL)
        assert form.effects.metered == (row.name in METERED)


def test_only_the_int_form_of_a_division_traps():
    assert FORMS["DIV.int"].effects.traps == {Trap.DIV_ZERO, Trap.INT_OVERFLOW}
    assert FORMS["DIV.float"].effects.traps == frozenset()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_complete(row):
    assert row.summary.endswith(".")
    assert row.since == table.FIRST_ISA
    assert 1 <= row.cycles <= 8
    assert row.effect.count("->") == 1
    assert bool(row.forms) == (row.flow in (Flow.NEXT, Flow.BRANCH))
    for form in row.forms:
        assert set(form.takes + form.gives) <= set("WFT")
        assert form.name.partition(".")[0] == row.name
    assert (Immediate.TARGET in row.immediates) == (row.flow in (Flow.JUMP, Flow.BRANCH))


def test_every_division_and_square_root_costs_more_than_a_sum():
    assert {row.name: row.cycles for row in ROWS if row.name in ("ADD", "DIV", "MOD", "SQRT", "DIV_U", "MOD_U")} == {
        "ADD": 1, "DIV": 4, "MOD": 4, "SQRT": 4, "DIV_U": 4, "MOD_U": 4,
    }  # fmt: skip


def test_a_promoted_int_passes_through_the_documented_conversion():
    assert PROMOTION is FORMS["INT_TO_FLOAT"]
    assert (PROMOTION.takes, PROMOTION.gives) == ("W", "F")


def test_blocks_end_where_control_leaves_or_may_wait():
    ends = {row.name for row in ROWS if row.flow in table.ENDS_BLOCK}
    assert ends == {
        "HALT", "JMP", "JMP_IF_FALSE", "JMP_IF_TRUE", "TRAP", "CALL", "RET", "CALL_CLOSURE", "FRAME_SYNC",
    }  # fmt: skip
    assert {row.name for row in ROWS if row.flow in table.NEVER_FALLS_THROUGH} == {"HALT", "JMP", "TRAP", "RET"}
