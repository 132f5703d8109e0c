"""Arrays, records, globals and closures.

Storage has three forms: `word` (int, bool, ref), `float` (one NaN only) and `byte` (packed, arrays alone). Handles are
checked for null here; that they are live and of the right type is the verifier's proof.
"""

from __future__ import annotations

from ..algebra import Algebra, F, T, W
from ..traps import Trap

WORDS_PER_CYCLE = 3  # log2: filling and copying move 8 words, or 64 bytes, for one cycle
BYTES_PER_CYCLE = 6
LONGEST_ARRAY = 1 << 32  # elements; far above every heap limit, so sizes never overflow


def new_words(m: Algebra[W, F, T], length: W, layout: W) -> W:
    """A zeroed array of words."""
    return _new(m, length, layout, WORDS_PER_CYCLE)


def new_bytes(m: Algebra[W, F, T], length: W, layout: W) -> W:
    """A zeroed array of bytes."""
    return _new(m, length, layout, BYTES_PER_CYCLE)


def _new(m: Algebra[W, F, T], length: W, layout: W, per_cycle: int) -> W:
    m.trap_if(m.not_(m.lt_u(length, m.word(LONGEST_ARRAY))), m.word(Trap.OUT_OF_MEMORY))
    m.charge(m.shr_u(length, m.word(per_cycle)))
    return _allocated(m, m.kernel("allocate", layout, length))


def new_record(m: Algebra[W, F, T], layout: W, fields: W) -> W:
    """A record with every field zero, false or null."""
    return _allocated(m, m.kernel("allocate", layout, fields))


def _allocated(m: Algebra[W, F, T], handle: W) -> W:
    m.trap_if(m.eq(handle, m.word(0)), m.word(Trap.OUT_OF_MEMORY))
    return handle


def get_word(m: Algebra[W, F, T], array: W, index: W) -> W:
    """The element; null or an index outside traps."""
    return m.load_word(_cell(m, array, index))


def get_float(m: Algebra[W, F, T], array: W, index: W) -> F:
    """The element; null or an index outside traps."""
    return m.load_float(_cell(m, array, index))


def get_byte(m: Algebra[W, F, T], array: W, index: W) -> W:
    """The element as an int 0..255; null or an index outside traps."""
    return m.load_byte(_byte(m, array, index))


def set_word(m: Algebra[W, F, T], array: W, index: W, value: W) -> None:
    """Replace the element; null or an index outside traps."""
    m.store_word(_cell(m, array, index), value)


def set_float(m: Algebra[W, F, T], array: W, index: W, value: F) -> None:
    """Replace the element; null or an index outside traps."""
    m.store_float(_cell(m, array, index), m.canonical(value))


def set_byte(m: Algebra[W, F, T], array: W, index: W, value: W) -> None:
    """Replace the element by the low 8 bits; null or an index outside traps."""
    m.store_byte(_byte(m, array, index), value)


def _check(m: Algebra[W, F, T], array: W, index: W) -> None:
    outside = m.not_(m.lt_u(index, m.object_length(array)))
    m.trap_if(outside, m.choose(m.eq(array, m.word(0)), m.word(Trap.NULL_REF), m.word(Trap.OUT_OF_BOUNDS)))


def _cell(m: Algebra[W, F, T], array: W, index: W) -> W:
    _check(m, array, index)
    return m.add(m.object_offset(array), index)


def _byte(m: Algebra[W, F, T], array: W, index: W) -> W:
    _check(m, array, index)
    return m.add(m.shl(m.object_offset(array), m.word(3)), index)


def array_len(m: Algebra[W, F, T], array: W) -> W:
    """Elements; null traps."""
    m.trap_if(m.eq(array, m.word(0)), m.word(Trap.NULL_REF))
    return m.object_length(array)


def fill_words(m: Algebra[W, F, T], array: W, start: W, count: W, value: W) -> None:
    """Set `count` elements from `start`; a range outside traps and changes nothing."""
    _range(m, array, start, count)
    m.charge(m.shr_u(count, m.word(WORDS_PER_CYCLE)))
    m.kernel("fill_words", m.add(m.object_offset(array), start), count, value)


def fill_floats(m: Algebra[W, F, T], array: W, start: W, count: W, value: F) -> None:
    """Set `count` elements from `start`; a range outside traps and changes nothing."""
    fill_words(m, array, start, count, m.bits(m.canonical(value)))


def fill_bytes(m: Algebra[W, F, T], array: W, start: W, count: W, value: W) -> None:
    """Set `count` elements from `start` to the low 8 bits; a range outside traps and changes nothing."""
    _range(m, array, start, count)
    m.charge(m.shr_u(count, m.word(BYTES_PER_CYCLE)))
    m.kernel("fill_bytes", m.add(m.shl(m.object_offset(array), m.word(3)), start), count, m.and_(value, m.word(255)))


def copy_words(m: Algebra[W, F, T], target: W, at: W, source: W, start: W, count: W) -> None:
    """Copy `count` elements as if through a third array; a range outside traps and changes nothing."""
    m.trap_if(m.either(m.eq(target, m.word(0)), m.eq(source, m.word(0))), m.word(Trap.NULL_REF))  # before any bound
    _range(m, target, at, count)
    _range(m, source, start, count)
    m.charge(m.shr_u(count, m.word(WORDS_PER_CYCLE)))
    m.kernel("copy_words", m.add(m.object_offset(target), at), m.add(m.object_offset(source), start), count)


def copy_bytes(m: Algebra[W, F, T], target: W, at: W, source: W, start: W, count: W) -> None:
    """Copy `count` elements as if through a third array; a range outside traps and changes nothing."""
    m.trap_if(m.either(m.eq(target, m.word(0)), m.eq(source, m.word(0))), m.word(Trap.NULL_REF))  # before any bound
    _range(m, target, at, count)
    _range(m, source, start, count)
    m.charge(m.shr_u(count, m.word(BYTES_PER_CYCLE)))
    to = m.add(m.shl(m.object_offset(target), m.word(3)), at)
    m.kernel("copy_bytes", to, m.add(m.shl(m.object_offset(source), m.word(3)), start), count)


def _range(m: Algebra[W, F, T], array: W, start: W, count: W) -> None:
    m.trap_if(m.eq(array, m.word(0)), m.word(Trap.NULL_REF))
    length = m.object_length(array)
    m.trap_if(m.lt_u(length, start), m.word(Trap.OUT_OF_BOUNDS))
    m.trap_if(m.lt_u(m.sub(length, start), count), m.word(Trap.OUT_OF_BOUNDS))


def get_field_word(m: Algebra[W, F, T], record: W, field: W) -> W:
    """The field; null traps."""
    return m.load_word(_field(m, record, field))


def get_field_float(m: Algebra[W, F, T], record: W, field: W) -> F:
    """The field; null traps."""
    return m.load_float(_field(m, record, field))


def set_field_word(m: Algebra[W, F, T], record: W, value: W, field: W) -> None:
    """Replace the field; null traps."""
    m.store_word(_field(m, record, field), value)


def set_field_float(m: Algebra[W, F, T], record: W, value: F, field: W) -> None:
    """Replace the field; null traps."""
    m.store_float(_field(m, record, field), m.canonical(value))


def _field(m: Algebra[W, F, T], record: W, field: W) -> W:
    m.trap_if(m.eq(record, m.word(0)), m.word(Trap.NULL_REF))
    return m.add(m.object_offset(record), field)


def is_null(m: Algebra[W, F, T], ref: W) -> T:
    """Whether the ref is null."""
    return m.eq(ref, m.word(0))


def get_capture_word(m: Algebra[W, F, T], closure: W, capture: W) -> W:
    """A captured value; word 0 of a closure is its function, so captures start at 1."""
    return m.load_word(m.add(m.object_offset(closure), m.add(capture, m.word(1))))


def get_capture_float(m: Algebra[W, F, T], closure: W, capture: W) -> F:
    """A captured value."""
    return m.load_float(m.add(m.object_offset(closure), m.add(capture, m.word(1))))


def get_global_word(m: Algebra[W, F, T], index: W) -> W:
    """The global's value."""
    return m.load_global(index)


def get_global_float(m: Algebra[W, F, T], index: W) -> F:
    """The global's value."""
    return m.load_global_float(index)


def set_global_word(m: Algebra[W, F, T], value: W, index: W) -> None:
    """Replace the global's value."""
    m.store_global(index, value)


def set_global_float(m: Algebra[W, F, T], value: F, index: W) -> None:
    """Replace the global's value."""
    m.store_global_float(index, m.canonical(value))
