"""Words seen as smaller elements, the low ones first on every processor: the same state is the same words everywhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Literal, overload

SIZES: dict[Literal["B", "H", "q"], int] = {"B": 1, "H": 2, "q": 8}


def elements(words: memoryview, kind: Literal["B", "H", "q"], order: str = sys.byteorder) -> Any:
    """All elements of the words, which are 8 bytes each. order: of the bytes in a word, where it is not this processor's."""
    if kind == "q":
        return words
    found = words.cast("B").cast(kind)
    return found if order == "little" else _FromTheOtherEnd(found, 0, len(found), 8 // SIZES[kind] - 1)


class _FromTheOtherEnd:
    """What a memoryview would be if a word began with its low bytes. first: a word's first element."""

    def __init__(self, found: memoryview, first: int, count: int, mask: int) -> None:
        self._found, self._first, self._count, self._mask = found, first, count, mask

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> int: ...

    @overload
    def __getitem__(self, at: slice) -> _FromTheOtherEnd: ...

    def __getitem__(self, at: int | slice) -> int | _FromTheOtherEnd:
        if isinstance(at, slice):
            first, end, _ = at.indices(self._count)
            return _FromTheOtherEnd(self._found, self._first + first, max(end - first, 0), self._mask)
        if not 0 <= at < self._count:
            raise IndexError(at)
        element: int = self._found[self._first + at ^ self._mask]
        return element

    def __setitem__(self, at: int | slice, value: Any) -> None:
        places: Iterable[int] = range(*at.indices(self._count)) if isinstance(at, slice) else (at,)
        values = value if isinstance(at, slice) else (value,)
        for place, one in zip(places, values, strict=True):
            if not 0 <= place < self._count:
                raise IndexError(place)
            self._found[self._first + place ^ self._mask] = one
