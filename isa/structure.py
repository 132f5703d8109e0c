"""Whether a program's tables fit together, code aside. The verifier starts here; a disassembler needs no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..contract import Diagnostic, Place
from .program import MAX_LOCALS, MAX_STACK, Program
from .types import BOOL, BYTE, FIRST_REF, INT, ArrayType, FunctionType, RecordType, SlotType, Type

MAX_TYPES = 65_536
MAX_FIELDS = 255
MAX_GLOBALS = 65_536
MAX_FUNCTIONS = 65_536
MAX_CONSTANTS = 65_536
MAX_STRING_BYTES = 65_536


def check_structure(program: Program) -> Iterator[Diagnostic]:
    """What is wrong with the tables, in the order of the sections. Linear in their size."""
    for kind, count, limit in (
        ("constants", len(program.constants), MAX_CONSTANTS),
        ("functions", len(program.functions), MAX_FUNCTIONS),
        ("types", len(program.types), MAX_TYPES),
        ("globals", len(program.globals), MAX_GLOBALS),
    ):
        if count > limit:
            yield Diagnostic(code="table_too_long", subject=kind, required=f"at most {limit}", available=str(count))
            return
    yield from _check_constants(program)
    yield from _check_types(program.types)
    yield from _check_functions(program)
    yield from _check_exports(program)
    yield from _check_imports(program)
    for index, slot_type in enumerate(program.globals):
        if not is_slot_type(slot_type, program.types):
            yield Diagnostic(code="type_invalid", subject=f"global {index}", available=str(slot_type))


def is_slot_type(slot_type: SlotType, types: Sequence[Type]) -> bool:
    """Whether a declared slot may have this type: int, float, bool, or a ref to an entry that exists."""
    return INT <= slot_type <= BOOL or FIRST_REF <= slot_type < FIRST_REF + len(types)


def _check_constants(program: Program) -> Iterator[Diagnostic]:
    has_bytes = ArrayType(BYTE) in program.types
    for index, constant in enumerate(program.constants):
        if isinstance(constant.value, bytes) and not has_bytes:
            yield Diagnostic(code="type_missing", subject=f"constant {index}", required="array of byte")
            return
        if isinstance(constant.value, bytes) and len(constant.value) > MAX_STRING_BYTES:
            yield Diagnostic(
                code="constant_too_long",
                subject=f"constant {index}",
                required=f"at most {MAX_STRING_BYTES}",
                available=str(len(constant.value)),
            )


def _check_types(types: Sequence[Type]) -> Iterator[Diagnostic]:
    seen: set[Type] = set()
    for index, entry in enumerate(types):
        if isinstance(entry, ArrayType):
            inner = [] if entry.element == BYTE else [entry.element]
        elif isinstance(entry, RecordType):
            inner = list(entry.fields)
            if len(inner) > MAX_FIELDS:
                yield Diagnostic(code="table_too_long", subject=f"type {index}", required=f"at most {MAX_FIELDS}")
        else:
            inner = [*entry.params, *entry.results] if isinstance(entry, FunctionType) else []
        if not all(is_slot_type(slot_type, types) for slot_type in inner):
            yield Diagnostic(code="type_invalid", subject=f"type {index}")
        if not isinstance(entry, RecordType) and entry in seen:
            yield Diagnostic(code="type_repeated", subject=f"type {index}")
        seen.add(entry)


def _check_functions(program: Program) -> Iterator[Diagnostic]:
    if not program.functions:
        yield Diagnostic(code="main_missing")
        return
    for index, function in enumerate(program.functions):
        place = Place(function=index, name=program.function_name(index))
        signature = program.types[function.signature] if function.signature < len(program.types) else None
        if not isinstance(signature, FunctionType):
            yield Diagnostic(
                code="type_index_invalid", place=place, required="a function type", available=str(function.signature)
            )
            continue
        declared = [*signature.params, *function.locals, *(function.captures or ())]
        if not all(is_slot_type(slot_type, program.types) for slot_type in declared):
            yield Diagnostic(code="type_invalid", place=place)
        slots = len(signature.params) + len(function.locals) + function.is_closure
        if slots > MAX_LOCALS or function.max_stack > MAX_STACK or len(function.captures or ()) > MAX_FIELDS:
            yield Diagnostic(code="function_too_large", place=place)
        if index == 0 and (signature.params or signature.results or function.is_closure):
            yield Diagnostic(code="main_signature_wrong", place=place)


def _check_exports(program: Program) -> Iterator[Diagnostic]:
    names = set()
    for export in program.exports:
        if export.name in names:
            yield Diagnostic(code="export_repeated", subject=export.name)
        names.add(export.name)
        if export.function >= len(program.functions):
            yield Diagnostic(code="function_index_invalid", subject=export.name, available=str(export.function))
        elif program.functions[export.function].is_closure:
            yield Diagnostic(
                code="call_target_invalid", subject=export.name, required="a plain function", available="a closure"
            )


def _check_imports(program: Program) -> Iterator[Diagnostic]:
    seen = set()
    for row in program.imports:
        if row.identity in seen:
            yield Diagnostic(code="host_call_repeated", subject=row.identity)
        seen.add(row.identity)
        if not all(is_slot_type(slot_type, program.types) for slot_type in (*row.params, *row.results)):
            yield Diagnostic(code="type_invalid", subject=row.identity)
