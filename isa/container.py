"""The program file `.pbx`: bytes to Program and back, byte for byte.

    header | section table | sections, in the order of the table, without gaps

All numbers are little-endian. The header's checksum covers header and table, each section has its own; all are CRC-32, so any
damaged byte is noticed before it is looked at. Reading is total: any bytes give a Program or one coded rejection, in time
and memory linear in their number. Source: docs/formats.md, program file.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

import construct as c

from ..contract import Rejected
from .program import CANONICAL_NAN, MAX_CODE_BYTES, Constant, Debug, Export, Function, Import, Meta, Program
from .types import ArrayType, CoroutineType, FunctionType, RecordType, Type

MAGIC = b"PBSX"
FORMAT_VERSION = 1
MAX_FILE_BYTES = 64 * 1024 * 1024

CONSTANTS, FUNCTIONS, CODE, DEBUG, EXPORTS, IMPORTS, TYPES, META, GLOBALS = range(9)
SECTION_NAMES = ("constants", "functions", "code", "debug", "exports", "imports", "types", "meta", "globals")
REQUIRED = (CONSTANTS, FUNCTIONS, CODE, EXPORTS, IMPORTS, TYPES, META, GLOBALS)

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,254}", re.ASCII)

_HEADER = struct.Struct("<4sHHIII")  # magic, version, flags, length of the file, sections, checksum
_ENTRY = struct.Struct("<IIII")  # kind, offset, length, checksum
_SPAN = struct.Struct("<II")

_Name = c.PascalString(c.Int8ul, "utf8")
_Text = c.PascalString(c.Int16ul, "utf8")
_SlotTypes8 = c.PrefixedArray(c.Int8ul, c.Int32ul)
_SlotTypes16 = c.PrefixedArray(c.Int16ul, c.Int32ul)


class _Names(c.Subconstruct):  # type: ignore[misc]  # construct has no types
    """A count and so many names, read without a construct for each: a file with names for people is mostly these."""

    def __init__(self, count: Any) -> None:
        super().__init__(c.PrefixedArray(count, _Name))
        self.count_bytes = count.sizeof()

    def _parse(self, stream: Any, _context: Any, path: Any) -> list[str]:
        count = int.from_bytes(c.stream_read(stream, self.count_bytes, path), "little")
        read = stream.read
        names = []
        for _ in range(count):
            size = read(1)
            name = read(size[0]) if size else b""
            if not size or len(name) != size[0]:
                raise c.StreamError("a name is cut short", path=path)
            names.append(name.decode("utf8"))
        return names


_Names16, _Names32 = _Names(c.Int16ul), _Names(c.Int32ul)


def _table(row: Any) -> Any:
    return c.PrefixedArray(c.Int32ul, row)


_Constants = _table(
    c.Struct(
        "tag" / c.Int8ul,
        "value"
        / c.Switch(c.this.tag, {0: c.Int64sl, 1: c.Bytes(8), 2: c.Prefixed(c.Int32ul, c.GreedyBytes)}, default=c.Error),
    )
)
_Functions = _table(
    c.Struct(
        "signature" / c.Int32ul,
        "code_offset" / c.Int32ul,
        "code_length" / c.Int32ul,
        "max_stack" / c.Int16ul,
        "is_closure" / c.Int8ul,
        "captures" / _SlotTypes16,
        "locals" / _SlotTypes16,
    )
)
_Debug = c.Struct(
    "source" / _Text,
    "functions" / _Names32,
    "types" / _Names32,
    "fields" / _table(_Names16),
    "globals" / _Names32,
    "constants" / _Names32,
    "locals" / _table(_Names16),
    "lines" / _table(c.Prefixed(c.Int32ul, c.GreedyBytes)),  # a body of (pc, line) pairs, read by struct
)
_Exports = _table(c.Struct("name" / _Name, "function" / c.Int32ul))
_Imports = _table(
    c.Struct("module" / _Name, "name" / _Name, "version" / c.Int16ul, "params" / _SlotTypes8, "results" / _SlotTypes8)
)
_Types = _table(
    c.Struct(
        "kind" / c.Int8ul,
        "of"
        / c.Switch(
            c.this.kind,
            {0: c.Int32ul, 1: _SlotTypes16, 2: c.Struct("params" / _SlotTypes8, "results" / _SlotTypes8), 3: c.Pass},
            default=c.Error,
        ),
    )
)
_Meta = c.Struct(
    "isa" / _Name,
    "runtime_min" / _Name,
    "runtime_max" / _Name,
    "profile" / _Name,
    "profile_version" / _Name,
    "toolchain" / _Name,
)
_Globals = _table(c.Int32ul)


# ---- reading -------------------------------------------------------------------------------------------------------


def decode(data: bytes) -> Program:
    """The program in a file's bytes. Raises Rejected with the first thing that is wrong, in the order of the file."""
    sections = _sections(data)
    code = sections[CODE]
    return Program(
        constants=_read(_Constants, CONSTANTS, sections, lambda rows: tuple(_constant(row) for row in rows)),
        functions=_read(_Functions, FUNCTIONS, sections, lambda rows: _functions(rows, code)),
        debug=_read(_Debug, DEBUG, sections, _debug) if DEBUG in sections else None,
        exports=_read(_Exports, EXPORTS, sections, lambda rows: tuple(_export(row) for row in rows)),
        imports=_read(_Imports, IMPORTS, sections, lambda rows: tuple(_import(row) for row in rows)),
        types=_read(_Types, TYPES, sections, lambda rows: tuple(_type(row) for row in rows)),
        meta=_read(_Meta, META, sections, _meta),
        globals=_read(_Globals, GLOBALS, sections, tuple),
    )


def _sections(data: bytes) -> dict[int, bytes]:
    """Kind to bytes, for a file whose frame is sound: sizes, order and checksums."""
    if len(data) > MAX_FILE_BYTES:
        raise Rejected("file_too_large", required=f"at most {MAX_FILE_BYTES}", available=str(len(data)))
    if data[:4] != MAGIC[: len(data)] or not data:
        raise Rejected("program_magic_wrong", required="PBSX", available=data[:4].hex() or "nothing")
    if len(data) < _HEADER.size:
        raise _short(0, _HEADER.size, len(data))
    _, version, flags, length, sections, checksum = _HEADER.unpack_from(data)
    if version != FORMAT_VERSION:
        raise Rejected("program_format_unsupported", required=str(FORMAT_VERSION), available=str(version))
    if length != len(data):
        code = "program_truncated" if length > len(data) else "program_trailing_bytes"
        raise Rejected(code, required=str(length), available=str(len(data)))
    end_of_table = _HEADER.size + sections * _ENTRY.size
    if sections > len(SECTION_NAMES) or end_of_table > len(data):
        raise Rejected("section_table_invalid", details={"sections": sections})
    if flags or checksum != _header_checksum(data[:end_of_table]):
        raise Rejected("program_checksum_wrong", subject="header")
    found: dict[int, bytes] = {}
    at, last_kind = end_of_table, -1
    for kind, offset, size, checksum in _ENTRY.iter_unpack(data[_HEADER.size : end_of_table]):
        if not last_kind < kind < len(SECTION_NAMES) or offset != at or size > len(data) - at:
            raise Rejected("section_table_invalid", details={"kind": kind, "offset": offset, "length": size})
        body = data[at : at + size]
        if zlib.crc32(body) != checksum:
            raise Rejected("program_checksum_wrong", subject=SECTION_NAMES[kind])
        found[kind] = body
        at, last_kind = at + size, kind
    if at != len(data):
        raise Rejected("program_trailing_bytes", required=str(at), available=str(len(data)))
    for kind in REQUIRED:
        if kind not in found:
            raise Rejected("section_missing", subject=SECTION_NAMES[kind])
    return found


def _short(at: int, need: int, have: int) -> Rejected:
    return Rejected("program_truncated", required=str(need), available=str(have), details={"offset": at})


def _header_checksum(header_and_table: bytes) -> int:
    return zlib.crc32(header_and_table[: _HEADER.size - 4] + bytes(4) + header_and_table[_HEADER.size :])


_Result = TypeVar("_Result")


def _read(layout: Any, kind: int, sections: dict[int, bytes], finish: Callable[[Any], _Result]) -> _Result:
    """Parse a whole section by its declaration, then make values of it."""
    body = sections[kind]
    try:
        return finish(_whole(layout, body))
    except (c.ConstructError, _Malformed, UnicodeDecodeError) as error:
        details = {"reason": str(error)} if isinstance(error, _Malformed) else {}
        raise Rejected("section_malformed", subject=SECTION_NAMES[kind], details=details) from None


@cache
def _with_end(layout: Any) -> Any:
    return c.Sequence(layout, c.Tell)


def _whole(layout: Any, body: bytes) -> Any:
    parsed, end = _with_end(layout).parse(body)
    if end != len(body):
        raise _Malformed("it goes on behind its last row")
    return parsed


class _Malformed(Exception):
    """A section whose rows can be read but do not fit together."""


def _constant(row: Any) -> Constant:
    if row.tag == 0:
        return Constant(row.value)
    if row.tag == 1:
        value: float = struct.unpack("<d", row.value)[0]
        if math.isnan(value) and row.value != CANONICAL_NAN:
            raise _Malformed("a NaN with other bits than the one NaN")
        return Constant(value)
    return Constant(bytes(row.value))


def _functions(rows: Any, code: bytes) -> tuple[Function, ...]:
    functions, at = [], 0
    for row in rows:
        if row.code_offset != at or row.code_length > min(len(code) - at, MAX_CODE_BYTES):
            raise _Malformed("code ranges do not follow one another")
        if row.is_closure > 1 or (row.captures and not row.is_closure):
            raise _Malformed("a function that is half a closure")
        functions.append(
            Function(
                signature=row.signature,
                captures=tuple(row.captures) if row.is_closure else None,
                locals=tuple(row.locals),
                max_stack=row.max_stack,
                code=code[at : at + row.code_length],
            )
        )
        at += row.code_length
    if at != len(code):
        raise _Malformed("code that belongs to no function")
    return tuple(functions)


def _name(text: str, *, empty: bool = False) -> str:
    if not NAME.fullmatch(text) and not (empty and not text):
        raise _Malformed("a name that is not an identifier")
    return text


def _names(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(_name(text, empty=True) for text in texts)


def _export(row: Any) -> Export:
    return Export(name=_name(row.name), function=row.function)


def _import(row: Any) -> Import:
    if "." in row.name:  # else two imports could spell one identity
        raise _Malformed("a service name with a dot")
    return Import(
        module=_name(row.module),
        name=_name(row.name),
        version=row.version,
        params=tuple(row.params),
        results=tuple(row.results),
    )


def _type(row: Any) -> Type:
    if row.kind == 0:
        return ArrayType(row.of)
    if row.kind == 1:
        return RecordType(tuple(row.of))
    if row.kind == 2:
        return FunctionType(tuple(row.of.params), tuple(row.of.results))
    return CoroutineType()


def _meta(row: Any) -> Meta:
    texts = [row.isa, row.runtime_min, row.runtime_max, row.profile, row.profile_version, row.toolchain]
    if not all(text.isascii() and text.isprintable() for text in texts):
        raise _Malformed("text that is not printable ASCII")
    isa, runtime_min, runtime_max, profile, profile_version, toolchain = texts
    return Meta(
        isa=isa,
        runtime_min=runtime_min,
        runtime_max=runtime_max or None,
        profile=profile,
        profile_version=profile_version,
        toolchain=toolchain,
    )


def _debug(row: Any) -> Debug:
    if not row.source.isprintable():
        raise _Malformed("a source name that is not printable")
    if any(len(body) % _SPAN.size for body in row.lines):
        raise _Malformed("source lines cut short")
    lines = tuple(tuple(_SPAN.iter_unpack(body)) for body in row.lines)
    for function in lines:
        if any(pc >= after for (pc, _), (after, _) in pairwise(function)):
            raise _Malformed("source lines out of order")
    return Debug(
        source=row.source,
        functions=_names(row.functions),
        types=_names(row.types),
        fields=tuple(_names(fields) for fields in row.fields),
        globals=_names(row.globals),
        constants=_names(row.constants),
        locals=tuple(_names(names) for names in row.locals),
        lines=lines,
    )


def decode_debug(body: bytes) -> Debug:
    """The debug section in its own bytes. Raises Rejected."""
    return _read(_Debug, DEBUG, {DEBUG: body}, _debug)


def encode_debug(debug: Debug) -> bytes:
    """The bytes of a debug section. Raises Rejected where a count or name does not fit its field."""
    try:
        encoded: bytes = _Debug.build(_debug_row(debug))
    except (c.ConstructError, struct.error) as error:
        raise Rejected("program_unencodable", details={"reason": type(error).__name__}) from None
    return encoded


# ---- writing -------------------------------------------------------------------------------------------------------


def encode(program: Program) -> bytes:
    """The file's bytes. The inverse of `decode`; raises Rejected where a count or name does not fit its field."""
    try:
        bodies = {
            CONSTANTS: _Constants.build([_constant_row(constant) for constant in program.constants]),
            FUNCTIONS: _section(_Functions, _function_rows, program.functions),
            CODE: b"".join(function.code for function in program.functions),
            EXPORTS: _Exports.build([{"name": e.name, "function": e.function} for e in program.exports]),
            IMPORTS: _section(_Imports, _import_rows, program.imports),
            TYPES: _section(_Types, _type_rows, program.types),
            META: _Meta.build(_meta_row(program.meta)),
            GLOBALS: _Globals.build(list(program.globals)),
        }
        if program.debug is not None:
            bodies[DEBUG] = encode_debug(program.debug)
    except (c.ConstructError, struct.error) as error:
        raise Rejected("program_unencodable", details={"reason": type(error).__name__}) from None
    return assemble_file(bodies)


def _section(layout: Any, rows: Callable[[Any], Any], table: tuple[Any, ...]) -> bytes:
    body: bytes = layout.build(rows(table))
    return body


def assemble_file(bodies: dict[int, bytes]) -> bytes:
    """Header, table and sections around the given section bodies, checksums included."""
    table, at = bytearray(), _HEADER.size + _ENTRY.size * len(bodies)
    for kind in sorted(bodies):
        table += _ENTRY.pack(kind, at, len(bodies[kind]), zlib.crc32(bodies[kind]))
        at += len(bodies[kind])

    def header(checksum: int) -> bytes:
        return _HEADER.pack(MAGIC, FORMAT_VERSION, 0, at, len(bodies), checksum)

    checksum = _header_checksum(header(0) + table)
    return header(checksum) + table + b"".join(bodies[kind] for kind in sorted(bodies))


def _constant_row(constant: Constant) -> dict[str, Any]:
    value = constant.value
    if isinstance(value, bytes):
        return {"tag": 2, "value": value}
    if isinstance(value, float):
        return {"tag": 1, "value": CANONICAL_NAN if math.isnan(value) else struct.pack("<d", value)}
    return {"tag": 0, "value": value}


def _function_rows(functions: tuple[Function, ...]) -> list[dict[str, Any]]:
    rows, at = [], 0
    for function in functions:
        rows.append(
            {
                "signature": function.signature,
                "code_offset": at,
                "code_length": len(function.code),
                "max_stack": function.max_stack,
                "is_closure": int(function.is_closure),
                "captures": list(function.captures or ()),
                "locals": list(function.locals),
            }
        )
        at += len(function.code)
    return rows


def _import_rows(imports: tuple[Import, ...]) -> list[dict[str, Any]]:
    return [
        {
            "module": row.module,
            "name": row.name,
            "version": row.version,
            "params": list(row.params),
            "results": list(row.results),
        }
        for row in imports
    ]


def _type_rows(types: tuple[Type, ...]) -> list[dict[str, Any]]:
    return [_type_row(entry) for entry in types]


def _type_row(entry: Type) -> dict[str, Any]:
    if isinstance(entry, ArrayType):
        return {"kind": 0, "of": entry.element}
    if isinstance(entry, RecordType):
        return {"kind": 1, "of": list(entry.fields)}
    if isinstance(entry, FunctionType):
        return {"kind": 2, "of": {"params": list(entry.params), "results": list(entry.results)}}
    return {"kind": 3, "of": None}


def _meta_row(meta: Meta) -> dict[str, Any]:
    return {
        "isa": meta.isa,
        "runtime_min": meta.runtime_min,
        "runtime_max": meta.runtime_max or "",
        "profile": meta.profile,
        "profile_version": meta.profile_version,
        "toolchain": meta.toolchain,
    }


def _debug_row(debug: Debug) -> dict[str, Any]:
    return {
        "source": debug.source,
        "functions": list(debug.functions),
        "types": list(debug.types),
        "fields": [list(fields) for fields in debug.fields],
        "globals": list(debug.globals),
        "constants": list(debug.constants),
        "locals": [list(names) for names in debug.locals],
        "lines": [b"".join(_SPAN.pack(*span) for span in function) for function in debug.lines],
    }
