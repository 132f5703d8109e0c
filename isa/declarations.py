"""The declarations of an assembly text: what `.type`, `.const`, `.equ`, `.global`, `.import` and `.target` say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..contract import Rejected, axes
from .assembly import LineProblem, Statement, Token, number, string
from .container import NAME, decode_debug
from .program import Constant, Import, Meta
from .types import (
    BYTE,
    NUMBERS,
    ArrayType,
    ClosedType,
    CoroutineType,
    FunctionType,
    HostSignature,
    RecordType,
    SlotType,
    Type,
    ref_to,
)

TOOLCHAIN = "pbs-asm 1"
_KINDS = ("array", "record", "function", "coroutine")
RESERVED_TYPE_NAMES = frozenset({*NUMBERS, *_KINDS})
Typed = list[tuple[str, SlotType]]  # names with their types


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNames:
    """What the host offers by name: services by identity, intrinsics by name with their numbers."""

    services: Mapping[str, HostSignature] = field(default_factory=dict)  # "gfx.clear/1"
    intrinsics: Mapping[str, tuple[int, HostSignature]] = field(default_factory=dict)  # "input.left.down"


class Declarations:
    """Everything a text declares outside its functions, by name and by index."""

    def __init__(self, host: HostNames, source: str) -> None:
        self.host = host
        self.source = source
        self.strip = False
        self.debug_bytes: bytes | None = None
        self.isa = axes.CURRENT[axes.ISA]
        self.runtime: tuple[str, str | None] = (axes.CURRENT[axes.NATIVE_RUNTIME], None)
        self.profile = ("core", axes.CURRENT[axes.PROFILE_CORE])
        self.toolchain = TOOLCHAIN
        self.types: list[Type] = []
        self.type_names: dict[str, int] = {}
        self.field_names: list[list[str]] = []
        self._entries: dict[Type, int] = {}
        self.constants: list[Constant] = []
        self.constant_names: dict[str, int] = {}
        self._strings: dict[bytes, int] = {}
        self.values: dict[str, Token] = {}  # number tokens: how a number is written says what it may stand for
        self.globals: dict[str, SlotType] = {}
        self.imports: dict[str, Import] = {}

    @property
    def meta(self) -> Meta:
        """What the program is made for."""
        return Meta(
            isa=self.isa,
            runtime_min=self.runtime[0],
            runtime_max=self.runtime[1],
            profile=self.profile[0],
            profile_version=self.profile[1],
            toolchain=self.toolchain,
        )

    # ---- types

    def name_type(self, s: Statement) -> None:
        """`.type NAME ...`: give the name its index, so that types may refer to each other in any order."""
        name = s.take("name", "a name")
        if name.text in self.type_names or name.text in RESERVED_TYPE_NAMES:
            raise LineProblem("assembly_name_taken", name.column, name.text)
        self.type_names[name.text] = len(self.types)
        self.field_names.append([])
        self.types.append(CoroutineType())  # until `define_type` reads it

    def define_type(self, s: Statement, *, records: bool) -> None:
        """`.type NAME = ...`, records or the others: records come last, so that they find the others' entries."""
        name = s.take("name", "a name")
        s.expect("=")
        kind = s.take("name", "array, record, function or coroutine")
        if kind.text not in _KINDS:
            raise LineProblem("assembly_unexpected", kind.column, kind.text, "array, record, function or coroutine")
        if records != (kind.text == "record"):
            return
        index = self.type_names[name.text]
        entry = self._type_body(s, kind.text, index)
        s.end()
        self.types[index] = entry
        if not records and self._entries.setdefault(entry, index) != index:
            raise LineProblem("assembly_type_repeated", name.column, name.text)

    def _type_body(self, s: Statement, kind: str, index: int) -> Type:
        if kind == "array":
            return ArrayType(self.type_expression(s, element=True))
        if kind == "function":
            params = tuple(t for _, t in self.typed_names(s))
            return FunctionType(params, tuple(self.results(s)))
        if kind == "coroutine":
            return CoroutineType()
        fields: Typed = []
        s.expect("{")
        while not s.accept("}"):
            if fields:
                s.expect(",")
            self._typed_name(s, fields)
        self.field_names[index] = [name for name, _ in fields]
        return RecordType(tuple(t for _, t in fields))

    def type_expression(self, s: Statement, *, element: bool = False) -> SlotType:
        """A type where one is used: a basic type, a declared name, `array T` or `coroutine`."""
        token = s.take("name", "a type")
        if token.text in NUMBERS and token.text != "null" and (element or token.text != "byte"):
            return NUMBERS[token.text]
        if token.text == "array":
            return self.type_index(ArrayType(self.type_expression(s, element=True)))
        if token.text == "coroutine":
            return self.type_index(CoroutineType())
        if token.text in self.type_names:
            return ref_to(self.type_names[token.text])
        raise LineProblem("assembly_name_unknown", token.column, token.text, "a type")

    def type_index(self, entry: Type) -> SlotType:
        """The ref type of the entry; it is added where the table lacks it."""
        index = self._entries.setdefault(entry, len(self.types))
        if index == len(self.types):
            self.types.append(entry)
            self.type_names[_fresh(f"type.{index}", self.type_names)] = index
            self.field_names.append([])
        return ref_to(index)

    def typed_names(self, s: Statement) -> Typed:
        """`(name: type, type, ...)`; what has no name is called p0, p1 ... by its position."""
        params: Typed = []
        s.expect("(")
        while not s.accept(")"):
            if params:
                s.expect(",")
            if s.at + 1 < len(s.tokens) and s.tokens[s.at + 1].text == ":":
                self._typed_name(s, params)
            else:
                params.append((f"p{len(params)}", self.type_expression(s)))
        return params

    def _typed_name(self, s: Statement, others: Typed) -> None:
        name = s.take("name", "a name")
        if any(name.text == other for other, _ in others):
            raise LineProblem("assembly_name_taken", name.column, name.text)
        s.expect(":")
        others.append((name.text, self.type_expression(s)))

    def results(self, s: Statement) -> list[SlotType]:
        """`-> type`, `-> (types)`, or nothing."""
        if not s.accept("->"):
            return []
        return [t for _, t in self.typed_names(s)] if s.peek("(") else [self.type_expression(s)]

    # ---- constants and values

    def constant(self, s: Statement) -> None:
        """`.const NAME = literal`."""
        name = self._fresh_value_name(s)
        self.constant_names[name] = len(self.constants)
        self.constants.append(self._literal(s))
        value = self.constants[-1].value
        if isinstance(value, bytes):
            self._strings.setdefault(value, len(self.constants) - 1)
        s.end()

    def equ(self, s: Statement) -> None:
        """`.equ NAME = number`: a name for an operand; the program does not contain it."""
        name = self._fresh_value_name(s)
        token = s.take("number", "a number")
        number(token)  # says what is wrong with it
        self.values[name] = token
        s.end()

    def _fresh_value_name(self, s: Statement) -> str:
        name = s.take("name", "a name")
        if name.text in self.values or name.text in self.constant_names:
            raise LineProblem("assembly_name_taken", name.column, name.text)
        s.expect("=")
        return name.text

    def _literal(self, s: Statement) -> Constant:
        token = s.next("a number or a string")
        if token.kind == "string":
            self.type_index(ArrayType(BYTE))
            return Constant(string(token))
        if token.kind != "number":
            raise LineProblem("assembly_unexpected", token.column, token.text, "a number or a string")
        value = number(token)
        return Constant(value if isinstance(value, float) else in_range(token, value, 64))

    def string_index(self, token: Token) -> int:
        """The index of the string constant; it is added where the program lacks it."""
        value = string(token)
        index = self._strings.setdefault(value, len(self.constants))
        if index == len(self.constants):
            self.type_index(ArrayType(BYTE))
            self.constants.append(Constant(value))
            self.constant_names[_fresh(f"string.{index}", self.constant_names)] = index
        return index

    # ---- globals, imports and the target

    def global_(self, s: Statement) -> None:
        """`.global NAME: type`."""
        name = s.take("name", "a name")
        if name.text in self.globals:
            raise LineProblem("assembly_name_taken", name.column, name.text)
        s.expect(":")
        self.globals[name.text] = self.type_expression(s)
        s.end()

    def import_(self, s: Statement) -> None:
        """`.import module.name/version`, with a signature or that of this host."""
        token = s.take("identity", "an identity, module.name/version")
        if token.text in self.imports:
            raise LineProblem("assembly_name_taken", token.column, token.text)
        if s.peek("("):
            params = [t for _, t in self.typed_names(s)]
            self._add_import(token, params, self.results(s))
        else:
            self.import_known(token)
        s.end()

    def import_known(self, token: Token) -> None:
        """Import a service of this host under its signature."""
        signature = self.host.services.get(token.text)
        if signature is None:
            raise LineProblem(
                "assembly_name_unknown", token.column, token.text, "a service of this host, or a signature"
            )
        self._add_import(token, self._slots(signature.params), self._slots(signature.results))

    def _slots(self, side: tuple[ClosedType, ...]) -> list[SlotType]:
        return [closed if isinstance(closed, int) else self.type_index(closed) for closed in side]

    def _add_import(self, token: Token, params: list[SlotType], results: list[SlotType]) -> None:
        identity, slash, version = token.text.partition("/")
        module, dot, name = identity.rpartition(".")
        names = NAME.fullmatch(module) and NAME.fullmatch(name)
        if not (slash and dot and names and len(version) < 6 and int(version) < 1 << 16):
            raise LineProblem("assembly_operand_invalid", token.column, token.text, "an identity, module.name/version")
        row = Import(module=module, name=name, version=int(version), params=tuple(params), results=tuple(results))
        if row.identity != token.text:
            raise LineProblem("assembly_operand_invalid", token.column, token.text, row.identity)
        self.imports[token.text] = row

    def target(self, s: Statement) -> None:
        """`.target isa|runtime|profile|toolchain "..."`."""
        what = s.take("name", "isa, runtime, profile or toolchain")
        if what.text == "isa":
            self.isa = _text(s)
        elif what.text == "runtime":
            self.runtime = (_text(s), _text(s) if s.more() else None)
        elif what.text == "profile":
            self.profile = (_text(s), _text(s))
        elif what.text == "toolchain":
            self.toolchain = _text(s)
        else:
            raise LineProblem("assembly_unexpected", what.column, what.text, "isa, runtime, profile or toolchain")
        s.end()

    # ---- debug

    def source_(self, s: Statement) -> None:
        """`.source "name"`: what the debug section calls the text."""
        self.source = _text(s)
        s.end()

    def strip_(self, s: Statement) -> None:
        """`.strip`: no debug section."""
        self.strip = True
        s.end()

    def debug(self, s: Statement) -> None:
        """`.debug "bytes"`: this debug section instead of one made from the names of the text."""
        token = s.take("string", "the debug section's bytes")
        self.debug_bytes = string(token)
        try:
            decode_debug(self.debug_bytes)
        except Rejected:
            raise LineProblem("assembly_operand_invalid", token.column, None, "the debug section's bytes") from None
        s.end()


def _text(s: Statement) -> str:
    token = s.take("string", 'text in quotes, such as "1.0.0"')
    data = string(token)
    if not (data.isascii() and data.decode("ascii").isprintable() and len(data) < 256):
        raise LineProblem("assembly_operand_invalid", token.column, token.text[:40], "printable ASCII")
    return data.decode("ascii")


def _fresh(name: str, taken: Mapping[str, int]) -> str:
    """The name for something the text did not name, made longer until it is no name of the text."""
    while name in taken:
        name += "."
    return name


def in_range(token: Token, value: int, bits: int) -> int:
    """`value` as a signed number of that many bits; a hexadecimal one may also be its unsigned pattern."""
    if "x" in token.text.lower() and 1 << bits - 1 <= value < 1 << bits:
        value -= 1 << bits
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise LineProblem("assembly_operand_invalid", token.column, token.text[:40], f"an int of {bits} bits")
    return value
