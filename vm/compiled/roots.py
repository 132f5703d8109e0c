"""Where compiled code may be entered, and so where entries are counted: functions, and loops in them."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from ...loader.image import Image
from ..interpreter import native_image
from .plan import Root

LARGEST_FUNCTION = 20_000  # instructions; a larger one is left to the interpreter


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """What counting needs to know of an image. handler: number of the handler that counts."""

    roots: tuple[Root, ...]
    handler: int


_COUNTINGS: WeakKeyDictionary[Image, Counting] = WeakKeyDictionary()


def counting_of(image: Image) -> Counting:
    """Made once."""
    made = _COUNTINGS.get(image)
    if made is None:
        from .paths import loop_heads

        functions = enumerate(image.facts.functions)
        small = [(index, f) for index, f in functions if len(f.instructions) <= LARGEST_FUNCTION]
        made = _COUNTINGS[image] = Counting(
            roots=tuple((index, start) for index, function in small for start in sorted({0, *loop_heads(function)})),
            handler=native_image(image).core.numbers[("COUNT",), True],
        )
    return made


def take_counting(image: Image, counting: Counting) -> None:
    """What was kept of an image."""
    _COUNTINGS[image] = counting


def roots_of(image: Image) -> tuple[Root, ...]:
    """Functions (start 0) and loops by function and start pc, in order; those of large functions left out."""
    return counting_of(image).roots
