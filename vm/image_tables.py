"""What the machine's kernels must know of an image, as one array of words: functions, layouts of objects, safepoints.

    header: offsets of the tables | functions | layouts | safepoint keys | safepoint rows | strings | lists of slots | characters

A layout is what an object's words mean: 1 + n for entry n of the type table, then one for the closures of every function.
A safepoint is a place where a frame may wait; its row says which of the frame's slots hold refs and which floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ..loader.image import Image
from .layout import INFO_SHIFT

if TYPE_CHECKING:
    from ..isa.program import Constant, Program

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
GLOBAL_COUNT = 10
STRINGS = 11  # a row for each string constant
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

# a string's row
STRING_WORDS = 3
STRING_TYPE = 0  # entry of the type table
STRING_BYTES = 1
CHARACTERS = 2  # where its bytes begin: eight a word, as in the heap

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
        from .image_words import image_words

        made = _TABLES[image] = np.array(image_words(image.program, image.facts), dtype=np.int64)
        made.flags.writeable = False
    return made


def take_tables(image: Image, tables: npt.NDArray[np.int64]) -> None:
    """The array of an image that need not be made, for it was kept."""
    tables.flags.writeable = False
    _TABLES[image] = tables
