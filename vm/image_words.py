"""An image's tables, made: see `image_tables`."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from ..isa.program import Program
from ..isa.types import (
    BYTE,
    FLOAT,
    INT,
    ArrayType,
    CoroutineType,
    FunctionType,
    RecordType,
    SlotType,
    Type,
    entry_of,
    is_ref,
)
from ..verifier import Facts
from .image_tables import (
    BYTES,
    CONSTANT_OBJECTS,
    COROUTINE_LAYOUT,
    FIELDS,
    FUNCTION_WORDS,
    FUNCTIONS,
    GLOBAL_COUNT,
    GLOBAL_REF_COUNT,
    GLOBAL_REFS,
    HEADER_WORDS,
    LAYOUT_WORDS,
    LAYOUTS,
    PLAIN_WORDS,
    REF_WORDS,
    SAFEPOINT_COUNT,
    SAFEPOINT_KEYS,
    SAFEPOINT_ROWS,
    SAFEPOINT_WORDS,
    STRING_WORDS,
    STRINGS,
    TYPE_COUNT,
    layout_of_type,
    place,
)

_Slots = tuple[int, int]  # a list: where it begins, how many
_Layout = tuple[int, int, _Slots, _Slots]
_NO_LAYOUT: _Layout = (0, 0, (0, 0), (0, 0))


def image_words(program: Program, facts: Facts) -> list[int]:
    """The words of `image_tables` for a verified program."""
    return _Builder(program, facts).build()


class _Builder:
    def __init__(self, program: Program, facts: Facts) -> None:
        self.program, self.facts = program, facts
        self.lists: list[int] = []
        self.found: dict[tuple[int, ...], int] = {}  # lists are shared; most safepoints have few different ones

    def build(self) -> list[int]:
        functions = [(f.params, len(f.slots), f.frame_words, len(f.signature.results)) for f in self.facts.functions]
        layouts = [
            _NO_LAYOUT,
            *map(self._type_layout, self.program.types),
            *map(self._closure_layout, range(len(functions))),
        ]
        safepoints = sorted(self._safepoints())
        global_refs = self._list(i for i, t in enumerate(self.program.globals) if is_ref(t))
        at_functions = HEADER_WORDS
        at_layouts = at_functions + FUNCTION_WORDS * len(functions)
        at_keys = at_layouts + LAYOUT_WORDS * len(layouts)
        at_rows = at_keys + len(safepoints)
        at_strings = at_rows + SAFEPOINT_WORDS * len(safepoints)
        strings = list(self._strings())
        at_lists = at_strings + STRING_WORDS * len(strings)
        coroutine = next(
            (layout_of_type(i) for i, t in enumerate(self.program.types) if isinstance(t, CoroutineType)), 0
        )
        header = [0] * HEADER_WORDS
        header[FUNCTIONS], header[LAYOUTS] = at_functions, at_layouts
        header[SAFEPOINT_KEYS], header[SAFEPOINT_COUNT], header[SAFEPOINT_ROWS] = at_keys, len(safepoints), at_rows
        header[GLOBAL_REFS], header[GLOBAL_REF_COUNT] = at_lists + global_refs[0], global_refs[1]
        header[CONSTANT_OBJECTS], header[COROUTINE_LAYOUT] = len(strings), coroutine
        header[TYPE_COUNT], header[GLOBAL_COUNT] = len(self.program.types), len(self.program.globals)
        header[STRINGS] = at_strings
        words = header + [word for row in functions for word in row]
        for shape, size, (refs, ref_count), (floats, float_count) in layouts:
            words += [shape, size, at_lists + refs, ref_count, at_lists + floats, float_count]
        words += [key for key, *_ in safepoints]
        for _, live, (refs, ref_count), (floats, float_count) in safepoints:
            words += [live, at_lists + refs, ref_count, at_lists + floats, float_count]
        characters: list[int] = []
        at = at_lists + len(self.lists)
        for entry, value in strings:
            words += [entry, len(value), at + len(characters)]
            characters += _words_of(value)
        return words + self.lists + characters

    def _strings(self) -> Iterator[tuple[int, bytes]]:
        """Type table entry and bytes of each string constant, in order."""
        for constant in self.program.constants:
            if isinstance(constant.value, bytes):
                slot_type = constant.slot_type(self.program.types)
                assert slot_type is not None, "verified"
                yield entry_of(slot_type), constant.value

    def _list(self, values: Iterable[int]) -> tuple[int, int]:
        key = tuple(values)
        at = self.found.setdefault(key, len(self.lists))
        if at == len(self.lists):
            self.lists += key
        return at, len(key)

    def _type_layout(self, entry: Type) -> _Layout:
        if isinstance(entry, ArrayType):
            shape = BYTES if entry.element == BYTE else REF_WORDS if is_ref(entry.element) else PLAIN_WORDS
            return (shape, 0, (0, 0), (0, 0))
        if isinstance(entry, RecordType):
            return (FIELDS, len(entry.fields), self._list(_refs(entry.fields)), self._list(_floats(entry.fields)))
        # A handle is one word, the coroutine's serial. Objects of a function type are closures, which have own layouts.
        return _NO_LAYOUT if isinstance(entry, FunctionType) else (FIELDS, 1, (0, 0), (0, 0))

    def _closure_layout(self, index: int) -> _Layout:
        captures = self.program.functions[index].captures
        if captures is None:
            return _NO_LAYOUT
        words = (INT, *captures)  # word 0 is the function
        return (FIELDS, len(words), self._list(_refs(words)), self._list(_floats(words)))

    def _safepoints(self) -> Iterable[tuple[int, int, tuple[int, int], tuple[int, int]]]:
        for index, function in enumerate(self.facts.functions):
            known: dict[tuple[SlotType, ...], tuple[int, _Slots, _Slots]] = {}  # most have few different stacks
            for block in function.safepoints():
                if block.stack not in known:
                    types = (*function.slots, *block.stack)
                    known[block.stack] = len(types), self._list(_refs(types)), self._list(_floats(types))
                yield place(index, block.start), *known[block.stack]


def _floats(types: Sequence[SlotType]) -> Iterable[int]:
    return [i for i, t in enumerate(types) if t == FLOAT]


def _refs(types: Sequence[SlotType]) -> Iterable[int]:
    return [i for i, t in enumerate(types) if is_ref(t)]


def _words_of(value: bytes) -> tuple[int, ...]:
    """Bytes as words, eight each, the low one first, the last word filled with zeros."""
    words = (len(value) + 7) // 8
    return struct.unpack(f"<{words}q", value.ljust(8 * words, b"\0"))
