"""Program to assembly text. Assembling the text again gives the same bytes, debug section included."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise

from ..contract import Place, Rejected
from .assembly import is_plain_name, quote
from .code import CodeProblem, Decoded, decode_code
from .container import encode_debug
from .declarations import RESERVED_TYPE_NAMES
from .program import CANONICAL_NAN, Constant, Debug, Function, Program
from .structure import check_structure
from .table import Immediate
from .types import ArrayType, FunctionType, RecordType, SlotType, Type, spell


def disassemble(program: Program) -> str:
    """The program as text. Raises Rejected where tables do not fit together or code bytes are no instructions."""
    for finding in check_structure(program):
        raise Rejected(finding.code, subject=finding.subject, place=finding.place)
    return "\n".join(_Disassembler(program).lines()) + "\n"


class _Disassembler:
    def __init__(self, program: Program) -> None:
        self.program = program
        debug = program.debug
        self.code = [_decode(index, function) for index, function in enumerate(program.functions)]
        # Names are used only where the assembler would make the very same debug section of them.
        self.debug = debug if debug is not None and _is_regular(program, debug, self.code) else None
        self.names = self.debug or _plain_names(program)

    def lines(self) -> Iterator[str]:
        program, meta = self.program, self.program.meta
        yield f".target isa {_quoted(meta.isa)}"
        yield f".target runtime {_quoted(meta.runtime_min)}" + (
            f" {_quoted(meta.runtime_max)}" if meta.runtime_max else ""
        )
        yield f".target profile {_quoted(meta.profile)} {_quoted(meta.profile_version)}"
        yield f".target toolchain {_quoted(meta.toolchain)}"
        if self.debug is not None:
            yield f".source {_quoted(self.debug.source)}"
        elif program.debug is not None:
            yield f".debug {quote(encode_debug(program.debug))}"
        else:
            yield ".strip"
        yield from self._tables()
        for index in range(len(program.functions)):
            yield ""
            yield from self._function(index)
        if program.exports:
            yield ""
        for export in program.exports:
            yield f".export {export.name} = {self.names.functions[export.function]}"

    def _tables(self) -> Iterator[str]:
        for index, entry in enumerate(self.program.types):
            yield f".type {self.names.types[index]} = {self._entry(entry, index)}"
        for name, constant in zip(self.names.constants, self.program.constants, strict=True):
            yield f".const {name} = {_literal(constant)}"
        for name, slot_type in zip(self.names.globals, self.program.globals, strict=True):
            yield f".global {name}: {self._type(slot_type)}"
        for row in self.program.imports:
            yield f".import {row.identity} {self._types(row.params)} -> {self._types(row.results)}"

    def _entry(self, entry: Type, index: int) -> str:
        if isinstance(entry, ArrayType):
            return f"array {self._type(entry.element)}"
        if isinstance(entry, RecordType):
            fields = zip(self.names.fields[index], entry.fields, strict=True)
            return "record {" + ", ".join(f"{name}: {self._type(t)}" for name, t in fields) + "}"
        if isinstance(entry, FunctionType):
            return f"function {self._types(entry.params)} -> {self._types(entry.results)}"
        return "coroutine"

    def _type(self, slot_type: SlotType) -> str:
        return spell(slot_type, self.names.types)

    def _types(self, slot_types: Sequence[SlotType]) -> str:
        return "(" + ", ".join(self._type(t) for t in slot_types) + ")"

    def _function(self, index: int) -> Iterator[str]:
        program = self.program
        function = program.functions[index]
        signature = program.signature(function)
        names = self.names.locals[index][function.is_closure :]
        params = zip(names, signature.params, strict=False)
        head = f"{self.names.functions[index]}({', '.join(f'{name}: {self._type(t)}' for name, t in params)})"
        head += f" -> {self._types(signature.results)}"
        if function.captures is None:
            yield f".func {head}"
        else:
            captures = ", ".join(f"c{i}: {self._type(t)}" for i, t in enumerate(function.captures))
            yield f".closure {head} captures ({captures})"
        for name, slot_type in zip(names[len(signature.params) :], function.locals, strict=True):
            yield f"    .local {name}: {self._type(slot_type)}"
        yield f"    .stack {function.max_stack}"
        yield from self._instructions(index)
        yield ".end"

    def _instructions(self, index: int) -> Iterator[str]:
        code = self.code[index]
        starts = {decoded.pc for decoded in code} | {len(self.program.functions[index].code)}
        targets = {d.immediates[0] for d in code if Immediate.TARGET in d.row.immediates} & starts
        spans = dict(self.debug.lines[index]) if self.debug is not None else {}
        for decoded in code:
            if decoded.pc in spans:
                yield f"    .line {spans[decoded.pc]}"
            if decoded.pc in targets:
                yield f"L{decoded.pc}:"
            operands = (
                self._operand(kind, value, index, targets)
                for kind, value in zip(decoded.row.immediates, decoded.immediates, strict=True)
            )
            yield "    " + " ".join((decoded.row.name, *operands))
        if starts and max(starts) in targets:
            yield f"L{max(starts)}:"

    def _operand(self, kind: Immediate, value: int | float, function: int, targets: set[int]) -> str:
        if isinstance(value, float):
            bits = struct.pack("<d", value)
            return f"0x{bits[::-1].hex()}" if math.isnan(value) and bits != CANONICAL_NAN else repr(value)
        if kind is Immediate.TARGET:
            return f"L{value}" if value in targets else str(value)
        if kind is Immediate.IMPORT and value < len(self.program.imports):
            return self.program.imports[value].identity
        names: Sequence[str] = ()
        if kind is Immediate.CONSTANT:
            names = self.names.constants
        elif kind is Immediate.GLOBAL:
            names = self.names.globals
        elif kind is Immediate.LOCAL:
            names = self.names.locals[function]
        elif kind is Immediate.FUNCTION:
            names = self.names.functions
        elif kind is Immediate.TYPE:
            names = self.names.types
        return names[value] if 0 <= value < len(names) else str(value)


def _decode(index: int, function: Function) -> list[Decoded]:
    try:
        return decode_code(function.code)
    except CodeProblem as problem:
        raise Rejected(problem.code, place=Place(function=index, pc=problem.pc)) from None


def _plain_names(program: Program) -> Debug:
    """Names by number, for programs that bring none (or unusable ones)."""
    return Debug(
        functions=tuple(f"f{i}" for i in range(len(program.functions))),
        types=tuple(f"t{i}" for i in range(len(program.types))),
        fields=tuple(
            tuple(f"x{i}" for i in range(len(entry.fields))) if isinstance(entry, RecordType) else ()
            for entry in program.types
        ),
        globals=tuple(f"g{i}" for i in range(len(program.globals))),
        constants=tuple(f"k{i}" for i in range(len(program.constants))),
        locals=tuple(_slot_names(program, function) for function in program.functions),
    )


def _slot_names(program: Program, function: Function) -> tuple[str, ...]:
    params = len(program.signature(function).params)
    closure = ("self",) if function.is_closure else ()
    return (*closure, *(f"p{i}" for i in range(params)), *(f"l{i}" for i in range(len(function.locals))))


def _is_regular(program: Program, debug: Debug, code: list[list[Decoded]]) -> bool:
    """Whether the assembler, given these names, would write this debug section again."""
    lists = [debug.functions, debug.types, debug.globals, debug.constants, *debug.fields, *debug.locals]
    if not all(len(set(names)) == len(names) and all(is_plain_name(name) for name in names) for names in lists):
        return False
    if not debug.source.isascii() or len(debug.source) > 255 or RESERVED_TYPE_NAMES & set(debug.types):
        return False
    plain = _plain_names(program)
    for given, wanted in (
        (debug.functions, plain.functions),
        (debug.types, plain.types),
        (debug.globals, plain.globals),
        (debug.constants, plain.constants),
        (debug.fields, plain.fields),
        (debug.locals, plain.locals),
        (debug.lines, plain.functions),
    ):
        if len(given) != len(wanted):
            return False
    for given, wanted in (*zip(debug.fields, plain.fields, strict=True), *zip(debug.locals, plain.locals, strict=True)):
        if len(given) != len(wanted) or ("self" in wanted) != (given[:1] == ("self",)):
            return False
    return all(_spans_are_regular(spans, body) for spans, body in zip(debug.lines, code, strict=True))


def _spans_are_regular(spans: tuple[tuple[int, int], ...], code: list[Decoded]) -> bool:
    starts = {decoded.pc for decoded in code}
    if not code:
        return not spans
    steps = pairwise(spans)
    return (
        bool(spans)
        and spans[0][0] == 0
        and all(pc in starts for pc, _ in spans)
        and all(a[1] != b[1] for a, b in steps)
    )


def _literal(constant: Constant) -> str:
    return quote(constant.value) if isinstance(constant.value, bytes) else repr(constant.value)


def _quoted(text: str) -> str:
    return quote(text.encode("ascii"))
