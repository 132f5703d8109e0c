import pytest

from pbs.isa.types import (
    BOOL,
    BYTE,
    FIRST_REF,
    FLOAT,
    INT,
    NAMES,
    NULL,
    NUMBERS,
    ArrayType,
    CoroutineType,
    FunctionType,
    HostSignature,
    RecordType,
    close,
    entry_of,
    find,
    is_ref,
    ref_to,
    spell,
)

TABLE = (
    ArrayType(INT),
    RecordType((INT,)),
    RecordType((INT,)),
    FunctionType((INT,), ()),
    CoroutineType(),
    ArrayType(BYTE),
)


def test_types_have_the_numbers_of_the_program_file():
    assert (INT, FLOAT, BOOL, NULL, BYTE, FIRST_REF) == (0, 1, 2, 3, 4, 16)
    assert NUMBERS == {"int": 0, "float": 1, "bool": 2, "null": 3, "byte": 4}
    assert {NAMES[number]: number for number in NAMES} == NUMBERS


@pytest.mark.parametrize("index", [0, 1, 65_535])
def test_a_ref_counts_from_sixteen(index):
    assert ref_to(index) == 16 + index
    assert entry_of(ref_to(index)) == index
    assert is_ref(ref_to(index))


def test_null_is_a_ref_and_basic_values_are_none():
    assert [is_ref(t) for t in (INT, FLOAT, BOOL, NULL, BYTE)] == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (ArrayType(INT), 16), (ArrayType(BYTE), 21), (RecordType((INT,)), 17), (FunctionType((INT,), ()), 19),
        (CoroutineType(), 20),
        (ArrayType(FLOAT), None), (RecordType(()), None), (FunctionType((), (INT,)), None),
    ],
)  # fmt: skip
def test_an_entry_is_found_by_what_it_says(wanted, found):
    assert find(TABLE, wanted) == found
    assert close(TABLE, wanted) == found


@pytest.mark.parametrize("basic", [INT, FLOAT, BOOL])
def test_a_basic_type_means_the_same_in_every_program(basic):
    assert close(TABLE, basic) == close((), basic) == basic


def test_a_host_signature_is_translated_or_missing():
    signature = HostSignature(params=(INT, ArrayType(BYTE)), results=(CoroutineType(), BOOL))
    assert signature.within(TABLE) == FunctionType((INT, 21), (20, BOOL))
    assert signature.within(TABLE[:5]) is None
    assert signature.within(()) is None
    assert HostSignature(params=(), results=()).within(()) == FunctionType((), ())
    assert HostSignature(params=(INT,), results=(FLOAT,)).within(()) == FunctionType((INT,), (FLOAT,))


@pytest.mark.parametrize(
    ("slot_type", "text"),
    [(INT, "int"), (BYTE, "byte"), (NULL, "null"), (5, "type5"), (15, "type15"), (16, "a"), (17, "b"), (18, "type18")],
)
def test_a_type_is_spelled_for_people(slot_type, text):
    assert spell(slot_type, ["a", "b"]) == text
