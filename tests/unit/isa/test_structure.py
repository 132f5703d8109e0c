from dataclasses import replace

import pytest

from pbs.contract import Family
from pbs.isa.program import MAX_LOCALS, MAX_STACK, Constant, Debug, Export, Function, Import, Meta, Program
from pbs.isa.structure import (
    MAX_CONSTANTS,
    MAX_FIELDS,
    MAX_FUNCTIONS,
    MAX_GLOBALS,
    MAX_STRING_BYTES,
    MAX_TYPES,
    check_structure,
    is_slot_type,
)
from pbs.isa.types import BOOL, BYTE, FLOAT, INT, NULL, ArrayType, CoroutineType, FunctionType, RecordType

META = Meta(
    isa="1.0.0", runtime_min="1.0.0", runtime_max=None, profile="core", profile_version="1.0.0", toolchain="tests"
)
NONE, BYTES, ROW, ADDER = 0, 1, 2, 3
TYPES = (FunctionType((), ()), ArrayType(BYTE), RecordType((INT, 18)), FunctionType((INT,), (FLOAT,)), CoroutineType())


def function(signature=NONE, **more):
    return Function(**{"signature": signature, "captures": None, "locals": (), "max_stack": 0, "code": b"\1\0"} | more)


GOOD = Program(
    meta=META,
    types=TYPES,
    constants=(Constant(1), Constant(b"x")),
    globals=(INT, FLOAT, BOOL, 17, 20),
    functions=(function(), function(ADDER), function(ADDER, captures=(INT, 18), locals=(BOOL,))),
    exports=(Export(name="go", function=1), Export(name="main", function=0)),
    imports=(Import(module="a", name="b", version=1, params=(INT, 17), results=(18,)),),
    debug=Debug(functions=("main", "adder")),
)


def found(**changes):
    """Code and subject (or function) of everything that is wrong."""
    findings = check_structure(replace(GOOD, **changes))
    return [(f.code, f.subject if f.place is None else f.place.function) for f in findings]


def test_tables_that_fit_have_no_findings():
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # tables
        ({"constants": (Constant(1),) * (MAX_CONSTANTS + 1)}, [("table_too_long", "constants")]),
        ({"functions": (function(),) * (MAX_FUNCTIONS + 1)}, [("table_too_long", "functions")]),
        ({"types": (RecordType(()),) * (MAX_TYPES + 1)}, [("table_too_long", "types")]),
        ({"globals": (INT,) * (MAX_GLOBALS + 1)}, [("table_too_long", "globals")]),
        ({"types": (*TYPES, RecordType((INT,) * (MAX_FIELDS + 1)))}, [("table_too_long", "type 5")]),
        # constants
        ({"types": (TYPES[0], ArrayType(INT), *TYPES[2:])}, [("type_missing", "constant 1")]),
        ({"constants": (Constant(b"x" * (MAX_STRING_BYTES + 1)),
        Constant(b"y" * MAX_STRING_BYTES))}, [("constant_too_long", "constant 0")]),
        # types
        ({"types": (*TYPES, ArrayType(NULL))}, [("type_invalid", "type 5")]),
        ({"types": (*TYPES, ArrayType(5))}, [("type_invalid", "type 5")]),
        ({"types": (*TYPES, ArrayType(15))}, [("type_invalid", "type 5")]),
        ({"types": (*TYPES, ArrayType(22))}, [("type_invalid", "type 5")]),
        ({"types": (*TYPES, RecordType((BYTE,)))}, [("type_invalid", "type 5")]),
        ({"types": (*TYPES, RecordType((INT, 2**32 - 1)))}, [("type_invalid", "type 5")]),
        ({"types": (*TYPES, FunctionType((BYTE,), ()))}, [("type_invalid", "type 5")]), ({"types": (*TYPES, FunctionType((),
        (NULL,)))}, [("type_invalid", "type 5")]),
        ({"types": (*TYPES, ArrayType(BYTE))}, [("type_repeated", "type 5")]),
        ({"types": (*TYPES, CoroutineType())}, [("type_repeated", "type 5")]),
        ({"types": (*TYPES, FunctionType((), ()))}, [("type_repeated", "type 5")]),
        ({"types": (*TYPES, RecordType((INT, 18)))}, []),
        # functions
        ({"functions": (), "exports": ()}, [("main_missing", None)]),
        ({"functions": (function(ADDER),), "exports": ()}, [("main_signature_wrong", 0)]),
        ({"functions": (function(captures=()),), "exports": ()}, [("main_signature_wrong", 0)]),
        ({"functions": (function(), function(5)), "exports": ()}, [("type_index_invalid", 1)]),
        ({"functions": (function(), function(ROW)), "exports": ()}, [("type_index_invalid", 1)]),
        ({"functions": (function(2**32 - 1),), "exports": ()}, [("type_index_invalid", 0)]),
        ({"functions": (function(locals=(BYTE,)),), "exports": ()}, [("type_invalid", 0)]),
        ({"functions": (function(locals=(NULL,)),), "exports": ()}, [("type_invalid", 0)]),
        ({"functions": (function(locals=(21,)),), "exports": ()}, [("type_invalid", 0)]),
        ({"functions": (function(), function(captures=(INT, 3))), "exports": ()}, [("type_invalid", 1)]),
        ({"functions": (function(max_stack=MAX_STACK + 1),), "exports": ()}, [("function_too_large", 0)]),
        ({"functions": (function(locals=(INT,) * (MAX_LOCALS + 1)),), "exports": ()}, [("function_too_large", 0)]),
        ({"functions": (function(), function(ADDER, locals=(INT,) * MAX_LOCALS)), "exports": ()}, [("function_too_large", 1)]),
        ({"functions": (function(), function(captures=(), locals=(INT,) * MAX_LOCALS)),
        "exports": ()}, [("function_too_large", 1)]),
        ({"functions": (function(), function(captures=(INT,) * (MAX_FIELDS + 1))), "exports": ()}, [("function_too_large", 1)]),
        ({"types": (*TYPES, FunctionType((INT, INT), ())), "functions": (function(), function(5, locals=(INT,) * (MAX_LOCALS - 1))),
        "exports": ()}, [("function_too_large", 1)]),
        # exports
        ({"exports": (Export(name="a", function=3),)}, [("function_index_invalid", "a")]),
        ({"exports": (Export(name="a", function=2**32 - 1),)}, [("function_index_invalid", "a")]),
        ({"exports": (Export(name="a", function=2),)}, [("call_target_invalid", "a")]),
        ({"exports": tuple(Export(name=name, function=0) for name in "aba")}, [("export_repeated", "a")]),
        # host calls
        ({"imports": GOOD.imports * 2}, [("host_call_repeated", "a.b/1")]),
        ({"imports": (*GOOD.imports, replace(GOOD.imports[0], version=2))}, []),
        ({"imports": (replace(GOOD.imports[0], params=(BYTE,)),)}, [("type_invalid", "a.b/1")]),
        ({"imports": (replace(GOOD.imports[0], results=(NULL,)),)}, [("type_invalid", "a.b/1")]),
        ({"imports": (replace(GOOD.imports[0], results=(21,)),)}, [("type_invalid", "a.b/1")]),
        # globals
        ({"globals": (INT, NULL)}, [("type_invalid", "global 1")]), ({"globals": (BYTE,)}, [("type_invalid", "global 0")]),
        ({"globals": (21,)}, [("type_invalid", "global 0")]), ({"globals": (5, 15, 22)}, [("type_invalid",
        f"global {i}") for i in range(3)]),
    ],
)  # fmt: skip
def test_tables_that_do_not_fit_are_named(changes, expected):
    assert found(**changes) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"constants": (Constant(1),) * MAX_CONSTANTS}, {"types": (*TYPES, *(RecordType(()),) * (MAX_TYPES - 5))},
        {"globals": (INT,) * MAX_GLOBALS},
        {"constants": (Constant(b"x" * MAX_STRING_BYTES),)}, {"types": (*TYPES, RecordType((INT,) * MAX_FIELDS))},
        {"functions": (function(max_stack=MAX_STACK, locals=(INT,) * MAX_LOCALS),), "exports": ()},
        {"functions": (function(), function(ADDER, locals=(INT,) * (MAX_LOCALS - 1))), "exports": ()},
        {"functions": (function(), function(captures=(INT,) * MAX_FIELDS, locals=(INT,) * (MAX_LOCALS - 1))), "exports": ()},
    ],
)  # fmt: skip
def test_every_limit_may_be_reached(changes):
    assert found(**changes) == []


def test_the_limits_are_the_documented_ones():
    assert (MAX_TYPES, MAX_GLOBALS, MAX_FUNCTIONS, MAX_CONSTANTS, MAX_STRING_BYTES) == (65_536,) * 5
    assert (MAX_FIELDS, MAX_LOCALS, MAX_STACK) == (255, 1024, 1024)


def test_findings_come_in_the_order_of_the_sections():
    assert found(
        constants=(Constant(b"x" * 65_537),),
        types=(*TYPES, ArrayType(NULL)),
        functions=(function(max_stack=1025), function(9)),
        exports=(Export(name="a", function=9),),
        imports=GOOD.imports * 2,
        globals=(NULL,),
    ) == [
        ("constant_too_long", "constant 0"),
        ("type_invalid", "type 5"),
        ("function_too_large", 0),
        ("type_index_invalid", 1),
        ("function_index_invalid", "a"),
        ("host_call_repeated", "a.b/1"),
        ("type_invalid", "global 0"),
    ]


def test_a_function_is_named_where_the_debug_section_names_it():
    findings = list(
        check_structure(replace(GOOD, functions=(function(max_stack=1025), function(9), function(9)), exports=()))
    )
    assert [f.place.name for f in findings] == ["main", "adder", None]


def test_every_finding_is_of_an_invalid_program():
    for changes in ({"functions": ()}, {"types": ()}, {"globals": (NULL,)}):
        for finding in check_structure(replace(GOOD, **changes)):
            assert finding.entry.family is Family.INVALID


@pytest.mark.parametrize(
    ("slot_type", "fits"),
    [
        (INT, True),
        (FLOAT, True),
        (BOOL, True),
        (NULL, False),
        (BYTE, False),
        (5, False),
        (15, False),
        (16, True),
        (20, True),
        (21, False),
        (-1, False),
    ],
)
def test_a_slot_holds_a_basic_value_or_a_ref_to_an_entry(slot_type, fits):
    assert is_slot_type(slot_type, TYPES) == fits
