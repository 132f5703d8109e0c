"""What the machine's kernels must know of an image, as one array of words: functions, layouts of objects, safepoints.

    header: offsets of the tables | functions | layouts | safepoint keys | safepoint rows | lists of slots

A layout is what an object's words mean: 1 + n for entry n of the type table, then one for the closures of every function.
A safepoint is a place where a frame may wait; its row says which of the frame's slots hold refs and which floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ..isa.program import Constant, Program
from ..isa.types import BYTE, FLOAT, INT, ArrayType, CoroutineType, FunctionType, RecordType, SlotType, Type, is_ref
from ..loader.image import Image
from ..verifier import Facts
from .layout import INFO_SHIFT

# header
FUNCTIONS = 0
LAYOUTS = 1
SAFEPOINT_KEYS = 2
SAFEPOINT_COUNT = 3
SAFEPOINT_ROWS = 4
GLOBAL_REFS = 5  # a list of slots
GLOBAL_REF_COUNT = 6
CONSTANT_OBJECTS = 7  # objects 1 .. n are the string constants, for good
COROUTINE_LAYOUT = 8  # of handles; 0 where the program has none
TYPE_COUNT = 9
HEADER_WORDS = 16

# a function's row
FUNCTION_WORDS = 4
PARAMS = 0  # slots that a caller fills
SLOTS = 1
FRAME_WORDS = 2
RESULTS = 3

# a layout's row
LAYOUT_WORDS = 6
SHAPE = 0
FIELD_COUNT = 1  # words of a record, closure or handle; 0 for arrays
REFS = 2  # list of the words that hold refs
REF_COUNT = 3
FLOATS = 4  # list of the words that hold floats
FLOAT_COUNT = 5

# SHAPE
PLAIN_WORDS = 1  # array without refs
REF_WORDS = 2  # array of refs
BYTES = 3
FIELDS = 4  # a record, closure or coroutine handle

# a safepoint's row
SAFEPOINT_WORDS = 5
LIVE = 0  # slots and operands
LIVE_REFS = 1
LIVE_REF_COUNT = 2
LIVE_FLOATS = 3
LIVE_FLOAT_COUNT = 4


def layout_of_type(index: int) -> int:
    """The layout of objects of a type table entry."""
    return 1 + index


def layout_of_closure(program: Program, function: int) -> int:
    """The layout of closures of a function."""
    return 1 + len(program.types) + function


def place(function: int, pc: int) -> int:
    """A place in the code as one word."""
    return function << 32 | pc


def constant_handle(constants: Sequence[Constant], index: int) -> int:
    """The handle of a string constant: strings are the first objects of every machine, in order, and are never freed."""
    entry = 1 + sum(isinstance(constant.value, bytes) for constant in constants[:index])
    return entry | 1 << INFO_SHIFT


_TABLES: WeakKeyDictionary[Image, npt.NDArray[np.int64]] = WeakKeyDictionary()


def tables_of(image: Image) -> npt.NDArray[np.int64]:
    """The array of an image; made once, and written by nobody."""
    made = _TABLES.get(image)
    if made is None:
        made = _TABLES[image] = _Builder(image.program, image.facts).build()
        made.flags.writeable = False
    return made


_Slots = tuple[int, int]  # a list: where it begins, how many
_Layout = tuple[int, int, _Slots, _Slots]
_NO_LAYOUT: _Layout = (0, 0, (0, 0), (0, 0))


class _Builder:
    def __init__(self, program: Program, facts: Facts) -> None:
        self.program, self.facts = program, facts
        self.lists: list[int] = []
        self.found: dict[tuple[int, ...], int] = {}  # lists are shared; most safepoints have few different ones

    def build(self) -> npt.NDArray[np.int64]:
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
        at_lists = at_rows + SAFEPOINT_WORDS * len(safepoints)
        coroutine = next(
            (layout_of_type(i) for i, t in enumerate(self.program.types) if isinstance(t, CoroutineType)), 0
        )
        strings = sum(isinstance(constant.value, bytes) for constant in self.program.constants)
        header = [0] * HEADER_WORDS
        header[FUNCTIONS], header[LAYOUTS] = at_functions, at_layouts
        header[SAFEPOINT_KEYS], header[SAFEPOINT_COUNT], header[SAFEPOINT_ROWS] = at_keys, len(safepoints), at_rows
        header[GLOBAL_REFS], header[GLOBAL_REF_COUNT] = at_lists + global_refs[0], global_refs[1]
        header[CONSTANT_OBJECTS], header[COROUTINE_LAYOUT] = strings, coroutine
        header[TYPE_COUNT] = len(self.program.types)
        words = header + [word for row in functions for word in row]
        for shape, size, (refs, ref_count), (floats, float_count) in layouts:
            words += [shape, size, at_lists + refs, ref_count, at_lists + floats, float_count]
        words += [key for key, *_ in safepoints]
        for _, live, (refs, ref_count), (floats, float_count) in safepoints:
            words += [live, at_lists + refs, ref_count, at_lists + floats, float_count]
        return np.array(words + self.lists, dtype=np.int64)

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
            for block in function.safepoints():
                types = (*function.slots, *block.stack)
                yield place(index, block.start), len(types), self._list(_refs(types)), self._list(_floats(types))


def _floats(types: Sequence[SlotType]) -> Iterable[int]:
    return (i for i, t in enumerate(types) if t == FLOAT)


def _refs(types: Sequence[SlotType]) -> Iterable[int]:
    return (i for i, t in enumerate(types) if is_ref(t))
