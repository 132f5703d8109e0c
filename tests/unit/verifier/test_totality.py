"""Whatever the tables and the code say: facts, or one rejection with registered codes; never anything else."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbs.contract import Family, Rejected
from pbs.isa.code import decode_code
from pbs.isa.container import encode
from pbs.isa.disassembler import disassemble
from pbs.isa.program import Constant, Debug, Export, Function, Import, Meta, Program
from pbs.isa.table import ENDS_BLOCK, NEVER_FALLS_THROUGH, ROWS, Flow
from pbs.isa.types import BOOL, BYTE, FLOAT, INT, NULL, ArrayType, CoroutineType, FunctionType, RecordType
from pbs.loader import load
from pbs.verifier import HostCall, verify
from pbs.verifier.verify import MAX_FINDINGS, WORK_ALWAYS, WORK_PER_BYTE
from tests.support.programs import random_program

EXAMPLES = settings(derandomize=True, deadline=None, max_examples=400)
META = Meta(
    isa="1.0.0", runtime_min="1.0.0", runtime_max=None, profile="core", profile_version="1.0.0", toolchain="tests"
)
TYPES = (
    FunctionType((), ()), FunctionType((INT,), (INT,)), ArrayType(BYTE), ArrayType(INT), RecordType((INT, FLOAT, 20)),
    CoroutineType(),
)  # fmt: skip
SERVICES = {1: HostCall(signature=FunctionType((INT,), (INT,)), cycles=3, metered=True)}
INTRINSICS = {
    0: HostCall(signature=FunctionType((), (BOOL,)), cycles=1, metered=False),
    1: HostCall(signature=FunctionType((21,), ()), cycles=1, metered=True),
}


def checked(program):
    """Facts that fit the program, or None for a rejection in good form."""
    try:
        facts = verify(program, SERVICES, INTRINSICS)
    except Rejected as rejected:
        refused = rejected
    else:
        fits(program, facts)
        return facts
    assert refused.code == "program_invalid"
    assert 1 <= len(refused.findings) <= MAX_FINDINGS
    functions = [
        finding.place.function for finding in refused.findings if finding.place and finding.place.pc is not None
    ]
    assert functions == sorted(set(functions))  # one finding each, in order
    for finding in refused.findings:
        assert finding.entry.family in (Family.INVALID, Family.INCOMPATIBLE)
        if finding.place and finding.place.pc is not None:
            assert 0 <= finding.place.pc <= len(program.functions[finding.place.function].code)
    return None


def fits(program, facts):
    """What a reader of facts relies on, told from the code alone."""
    assert len(facts.functions) == len(program.functions)
    assert 0 < facts.work <= sum(WORK_ALWAYS + WORK_PER_BYTE * len(function.code) for function in program.functions)
    for function, fact in zip(program.functions, facts.functions, strict=True):
        decoded = decode_code(function.code)
        assert list(fact.instructions) == decoded
        starts = {block.start for block in fact.blocks}
        for instruction, after in zip(decoded, [*decoded[1:], None], strict=True):
            if instruction.row.flow in (Flow.JUMP, Flow.BRANCH):
                assert instruction.immediates[0] in starts
            if instruction.row.flow in ENDS_BLOCK and after is not None:
                assert after.pc in starts
        assert decoded[-1].row.flow in NEVER_FALLS_THROUGH
        assert fact.blocks[0].stack == ()
        for block in fact.blocks:
            assert all(t in (INT, FLOAT, BOOL, NULL) or 16 <= t < 16 + len(program.types) for t in block.stack)


@EXAMPLES
@given(st.binary(max_size=80), st.integers(0, 3))
def test_any_bytes_as_code(code, depth):
    function = Function(signature=0, captures=None, locals=(INT, 19), max_stack=depth, code=code)
    checked(Program(meta=META, types=TYPES, functions=(function,)))


SMALL = st.integers(0, 5) | st.sampled_from([2**32 - 1, 255])
VALUES = {
    "q": st.integers(-(2**63), 2**63 - 1),
    "d": st.floats(),
    "i": st.integers(-9, 9),
    "B": st.integers(0, 2),
    "I": SMALL,
}


@st.composite
def codes(draw):
    """Instructions whose jumps mostly go to instructions, and which mostly end."""
    rows = [
        *draw(st.lists(st.sampled_from(ROWS), max_size=14)),
        draw(st.sampled_from([row for row in ROWS if row.flow in NEVER_FALLS_THROUGH])),
    ]
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + row.size)
    out = b""
    for row in rows:
        if row.flow in (Flow.JUMP, Flow.BRANCH):
            out += row.pack(row.opcode, draw(st.sampled_from(starts)))
        else:
            out += row.pack(row.opcode, *(draw(VALUES[kind.format]) for kind in row.immediates))
    return out


@st.composite
def functions(draw):
    captures = draw(st.none() | st.lists(st.sampled_from([INT, FLOAT, 19, 20]), max_size=2).map(tuple))
    return Function(
        signature=draw(st.sampled_from([0, 0, 1])),
        captures=captures,
        locals=tuple(draw(st.lists(st.sampled_from([INT, FLOAT, BOOL, 18, 19, 20, 21]), max_size=3))),
        max_stack=draw(st.integers(0, 4)),
        code=draw(codes()),
    )


@settings(EXAMPLES, max_examples=600)
@given(st.lists(functions(), min_size=1, max_size=4), st.booleans())
def test_any_instructions_as_code(drawn, exported):
    main = replace(drawn[0], signature=0, captures=None)
    exports = (Export(name="a", function=len(drawn) - 1),) if exported else ()
    checked(
        Program(
            meta=META, types=TYPES, constants=(Constant(1), Constant(b"x"), Constant(1.5)), globals=(INT, FLOAT, 20),
            functions=(main, *drawn[1:]), exports=exports,
        )
    )  # fmt: skip


SLOTS = st.sampled_from([INT, FLOAT, BOOL, NULL, BYTE, 5, 16, 17, 18, 40, 2**32 - 1])
SEVERAL = st.lists(SLOTS, max_size=3).map(tuple)
ENTRIES = (
    st.builds(ArrayType, SLOTS) | st.builds(RecordType, SEVERAL) | st.builds(CoroutineType)
    | st.builds(FunctionType, SEVERAL, SEVERAL) | st.just(FunctionType((), ()))
)  # fmt: skip
INDICES = st.integers(0, 3) | st.just(2**32 - 1)


@st.composite
def programs(draw):
    """Tables that may or may not fit together."""
    declared = st.builds(
        Function,
        signature=INDICES,
        captures=st.none() | SEVERAL,
        locals=SEVERAL,
        max_stack=st.sampled_from([0, 1, 1024, 1025, 65_535]),
        code=st.sampled_from([b"\x01\x00", b"\x51\x00", b"", b"\x05\x00"]),
    )
    imported = st.builds(
        Import, module=st.just("m"), name=st.sampled_from("ab"), version=st.just(1), params=SEVERAL, results=SEVERAL
    )
    return Program(
        meta=META,
        constants=tuple(draw(st.lists(st.sampled_from([Constant(1), Constant(b"x"), Constant(1.5)]), max_size=3))),
        types=tuple(draw(st.lists(ENTRIES, max_size=4))),
        globals=draw(SEVERAL),
        functions=tuple(draw(st.lists(declared, max_size=3))),
        exports=tuple(draw(st.lists(st.builds(Export, name=st.sampled_from("ab"), function=INDICES), max_size=2))),
        imports=tuple(draw(st.lists(imported, max_size=2))),
        debug=draw(
            st.none()
            | st.builds(
                Debug, functions=st.just(("main",)), types=SEVERAL.map(lambda _: ("t", "")), lines=st.just((((0, 1),),))
            )
        ),
    )


@settings(EXAMPLES, max_examples=600)
@given(programs())
def test_any_tables(program):
    checked(program)


@EXAMPLES
@given(st.integers(0, 5), st.data())
def test_a_sound_program_after_any_change_of_a_byte_of_code(seed, data):
    program = random_program(Random(seed), size=10)
    index = data.draw(st.integers(0, len(program.functions) - 1))
    code = bytearray(program.functions[index].code)
    at = data.draw(st.integers(0, len(code) - 1))
    code[at] = data.draw(st.integers(0, 255))
    changed = list(program.functions)
    changed[index] = replace(changed[index], code=bytes(code))
    program = replace(program, functions=tuple(changed))
    if checked(program) is not None:
        disassemble(program)


@pytest.mark.parametrize("seed", range(30))
def test_the_generator_of_random_programs_makes_only_sound_ones_and_damage_is_found(seed):
    """The same harness: sound as it is, refused with one operand less or one more."""
    program = random_program(Random(seed), size=20)
    load(encode(program))
    first = program.functions[0]
    for code in (b"\x11\x00" + first.code, first.code + b"\x00\x00", b"\x19\x00" + first.code):
        shifted = replace(program, functions=(replace(first, code=code), *program.functions[1:]))
        with pytest.raises(Rejected):
            load(encode(shifted))
