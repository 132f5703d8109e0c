"""WebAssembly's own test vectors for i64 and f64, run as PBS instructions on every engine.

The data and its licence stand outside of the repository, in `../shared/vectors/` (its README says where they come from). Where
PBS differs from WebAssembly it is said here, vector by vector: a NaN has one bit pattern, so its sign and payload never show.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pbs.loader import Image, assemble, load
from pbs.vm.machine import Machine, Trapped
from tests.conformance.vectors import NAN_WORD, is_nan, literal
from tests.support.compare import CONFIGURATIONS, SMALL, machine_on

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "wasm-numeric.jsonl"

SIGN = 1 << 63
UNARY_FLOATS = {
    "abs": "ABS", "neg": "NEG", "sqrt": "SQRT", "floor": "FLOOR", "ceil": "CEIL", "trunc": "TRUNC", "nearest": "NEAREST",
}  # fmt: skip
BINARY_FLOATS = {
    "add": "ADD", "sub": "SUB", "mul": "MUL", "div": "DIV", "min": "MIN", "max": "MAX", "copysign": "COPYSIGN",
}  # fmt: skip
TESTS = {"eq": "EQ", "ne": "NEQ", "lt": "LT", "le": "LTE", "gt": "GT", "ge": "GTE"}
UNARY_INTS = {"clz": "CLZ", "ctz": "CTZ", "popcnt": "POPCNT"}
BINARY_INTS = {
    "add": "ADD", "sub": "SUB", "mul": "MUL", "div_s": "DIV", "rem_s": "MOD", "div_u": "DIV_U", "rem_u": "MOD_U",
    "and": "BIT_AND", "or": "BIT_OR", "xor": "BIT_XOR", "shl": "SHL", "shr_s": "SHR", "shr_u": "SHR_U",
    "rotl": "ROTL", "rotr": "ROTR",
}  # fmt: skip
INT_TESTS = {
    "eq": "EQ", "ne": "NEQ", "lt_s": "LT", "le_s": "LTE", "gt_s": "GT", "ge_s": "GTE",
    "lt_u": "LT_U", "le_u": "LTE_U", "gt_u": "GT_U", "ge_u": "GTE_U",
}  # fmt: skip
Shape = tuple[tuple[str, ...], tuple[str, ...], str]  # operand types, instructions, result type

# Every operator with an instruction of its own meaning
ROWS: Mapping[str, Shape] = {
    **{f"f64.{op}": (("float",), (row,), "float") for op, row in UNARY_FLOATS.items()},
    **{f"f64.{op}": (("float", "float"), (row,), "float") for op, row in BINARY_FLOATS.items()},
    **{f"f64.{op}": (("float", "float"), (row,), "bool") for op, row in TESTS.items()},
    **{f"i64.{op}": (("int",), (row,), "int") for op, row in UNARY_INTS.items()},
    **{f"i64.{op}": (("int", "int"), (row,), "int") for op, row in BINARY_INTS.items()},
    **{f"i64.{op}": (("int", "int"), (row,), "bool") for op, row in INT_TESTS.items()},
    "i64.eqz": (("int",), ("PUSH_I32 0", "EQ"), "bool"),
    "f64.convert_i64_s": (("int",), ("INT_TO_FLOAT",), "float"),
    "i64.trunc_f64_s": (("float",), ("FLOAT_TO_INT",), "int"),
    "i64.trunc_sat_f64_s": (("float",), ("FLOAT_TO_INT_SAT",), "int"),
    "i64.reinterpret_f64": (("float",), ("FLOAT_BITS",), "int"),
    "f64.reinterpret_i64": (("int",), ("BITS_FLOAT",), "float"),
}

# PBS has one kind of int, signed and 64 bits wide: nothing converts from unsigned or extends a narrower sign.
NO_ROW = {
    "f64.convert_i64_u": 5,
    "i64.trunc_f64_u": 15,
    "i64.trunc_sat_f64_u": 11,
    "i64.extend8_s": 5,
    "i64.extend16_s": 2,
    "i64.extend32_s": 3,
}

# How many vectors there are of each operator that is run
COUNTS = {
    "f64.abs": 14, "f64.add": 222, "f64.ceil": 13, "f64.convert_i64_s": 6, "f64.copysign": 158, "f64.div": 228,
    "f64.eq": 181, "f64.floor": 7, "f64.ge": 192, "f64.gt": 210, "f64.le": 211, "f64.lt": 186, "f64.max": 207,
    "f64.min": 196, "f64.mul": 238, "f64.ne": 212, "f64.nearest": 16, "f64.neg": 9, "f64.reinterpret_i64": 9,
    "f64.sqrt": 28, "f64.sub": 220, "f64.trunc": 12, "i64.add": 3, "i64.and": 3, "i64.clz": 5, "i64.ctz": 4,
    "i64.div_s": 12, "i64.div_u": 11, "i64.eq": 6, "i64.eqz": 2, "i64.ge_s": 9, "i64.ge_u": 8, "i64.gt_s": 7,
    "i64.gt_u": 4, "i64.le_s": 8, "i64.le_u": 9, "i64.lt_s": 9, "i64.lt_u": 9, "i64.mul": 5, "i64.ne": 8,
    "i64.or": 6, "i64.popcnt": 4, "i64.reinterpret_f64": 4, "i64.rem_s": 7, "i64.rem_u": 13, "i64.rotl": 6,
    "i64.rotr": 7, "i64.shl": 5, "i64.shr_s": 5, "i64.shr_u": 11, "i64.sub": 4, "i64.trunc_f64_s": 13,
    "i64.trunc_sat_f64_s": 13, "i64.xor": 3,
}  # fmt: skip
TRAPS = {
    "integer divide by zero": "DIV_ZERO",
    "integer overflow": "INT_OVERFLOW",
    "invalid conversion to integer": "INT_OVERFLOW",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """A vector as PBS must answer it: the result's word, or the trap's name. NaN stands for any NaN."""

    op: str
    arguments: tuple[int, ...]
    outcome: int | str
    differs: bool  # from what WebAssembly answers, because of the one NaN
    source: str


@cache
def third_party() -> Mapping[str, tuple[Expected, ...]]:
    """The vectors by operator. Skips the test where the data is not there."""
    if not DATA.exists():
        pytest.skip(f"the third-party vectors are not there: {DATA}")
    found: dict[str, list[Expected]] = {}
    for line in DATA.read_text(encoding="utf-8").splitlines():
        vector = json.loads(line)
        found.setdefault(vector["op"], []).append(expected(vector))
    return {op: tuple(vectors) for op, vectors in found.items()}


def expected(vector: Mapping[str, Any]) -> Expected:
    """What PBS must answer. Two operators let WebAssembly programs look at a NaN's bits; PBS has one NaN there."""
    op, source = vector["op"], vector["source"]
    arguments = tuple(int(word, 16) for word in vector["args"])
    if "trap" in vector:
        return Expected(op, arguments, TRAPS[vector["trap"]], False, source)
    answer = NAN_WORD if vector["result"].startswith("nan:") else int(vector["result"], 16)
    ours = answer
    if op == "f64.copysign" and is_nan(arguments[1]):
        ours = answer & ~SIGN
    if op == "i64.reinterpret_f64" and is_nan(arguments[0]):
        ours = NAN_WORD
    if op.startswith("f64.") and is_nan(ours) and ROWS.get(op, ((), (), ""))[2] == "float":
        return Expected(op, arguments, NAN_WORD, False, source)
    return Expected(op, arguments, ours, ours != answer, source)


def outcome_of(machine: Machine, export: str, arguments: Sequence[int]) -> int | str:
    """The result's word, or the name of the trap that ended the machine."""
    try:
        return machine.call(export, arguments)[0]
    except Trapped as trapped:
        return trapped.record.code.name


def check(op: str, image: Image, configuration: str, *, literals: bool) -> None:
    """Hold an engine against every vector of an operator. A machine that trapped has ended, so a new one goes on."""
    machine = machine_on(image, configuration)
    for i, vector in enumerate(third_party()[op]):
        if machine.ended:
            machine = machine_on(image, configuration)
        found = outcome_of(machine, f"case{i}" if literals else "op", () if literals else vector.arguments)
        assert found == vector.outcome, f"{vector.source}: {op} {[hex(word) for word in vector.arguments]}"


def function(name: str, takes: Sequence[str], pushes: Sequence[str], op: str) -> str:
    """An exported function that pushes operands and does what the operator does."""
    _, instructions, gives = ROWS[op]
    body = "\n".join((*pushes, *instructions, "RET"))
    return f".func {name}({', '.join(takes)}) -> ({gives})\n{body}\n.end\n.export {name}\n"


MAIN = ".func main() -> ()\nHALT\n.end\n"


@cache
def with_parameters(op: str) -> Image:
    """A program whose function `op` takes the operands."""
    takes = ROWS[op][0]
    text = MAIN + function("op", takes, [f"GET_LOCAL {i}" for i in range(len(takes))], op)
    return load(assemble(text), limits=SMALL)


@cache
def with_literals(op: str) -> Image:
    """A program with a function for every vector, its operands in the code."""
    takes = ROWS[op][0]
    text = MAIN
    for i, vector in enumerate(third_party()[op]):
        pushes = [literal(word, kind) for word, kind in zip(vector.arguments, takes, strict=True)]
        text += function(f"case{i}", (), pushes, op)
    return load(assemble(text), limits=SMALL)


# ---- the tests ----------------------------------------------------------------------------------------------------------


def test_every_operator_is_run_or_has_no_row():
    assert set(third_party()) == set(ROWS) | set(NO_ROW)
    assert not set(ROWS) & set(NO_ROW)
    assert set(COUNTS) == set(ROWS)


def test_the_counts_are_those_of_the_data():
    counts = {op: len(vectors) for op, vectors in third_party().items()}
    assert counts == COUNTS | NO_ROW
    assert (sum(COUNTS.values()), sum(NO_ROW.values())) == (2998, 41)


def test_where_pbs_differs_from_webassembly_is_the_sign_and_payload_of_nan():
    differing = [vector for vectors in third_party().values() for vector in vectors if vector.differs]
    assert all(is_nan(vector.arguments[-1]) for vector in differing)
    assert Counter(vector.op for vector in differing) == {"f64.copysign": 8, "i64.reinterpret_f64": 2}


@pytest.mark.parametrize("configuration", [*CONFIGURATIONS, "lean"])
@pytest.mark.parametrize("op", COUNTS)
def test_an_engine_answers_as_webassembly_does(op, configuration):
    check(op, with_parameters(op), configuration, literals=False)


@pytest.mark.parametrize("configuration", ["reference", "interpreter"])
@pytest.mark.parametrize("op", COUNTS)
def test_an_engine_answers_as_webassembly_does_when_the_operands_are_literals(op, configuration):
    check(op, with_literals(op), configuration, literals=True)


@pytest.mark.parametrize(
    ("op", "wrong"), [("f64.nearest", "TRUNC"), ("i64.shr_s", "SHR_U"), ("f64.le", "LT"), ("i64.rem_s", "MOD_U")]
)
def test_another_instruction_in_its_place_is_caught(op, wrong, monkeypatch):
    third_party()
    takes, _, gives = ROWS[op]
    monkeypatch.setitem(ROWS, op, (takes, (wrong,), gives))
    with pytest.raises(AssertionError):
        check(op, with_parameters.__wrapped__(op), "interpreter", literals=False)
