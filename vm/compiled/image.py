"""An image whose records may lead into compiled code, or count how often they are entered."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Iterable

from ...loader.image import Image
from .. import cache
from ..interpreter import NativeImage
from ..native import convention
from .function import FunctionCode
from .module import module
from .objects import Level, Piece, load_object, make_object
from .plan import Plan, Records, Root

KIND = "compiled"  # of these entries of the cache


class CompiledImage:
    """Shared by all machines of the image that run on a compiling engine.

    Records change while machines run, a word at a time: whichever handler a machine finds in one, it does the same.
    """

    def __init__(self, image: Image, native: NativeImage) -> None:
        self._image = weakref.ref(image)  # whoever runs it keeps it
        assert native.places is not None, "its records are its own"
        self.native, self.places = native, native.places
        self.records = Records(self.native.code)
        self.pieces: list[Piece] = []  # kept as long as a record may lead there
        self._count = int(self.native.core.handlers[self.native.core.numbers[("COUNT",), True]])

    def code(self, roots: Iterable[Root], functions: Iterable[int], level: Level) -> Code:
        """Code of this image, to be installed. Raises ReferenceError where the image is gone, and with it all who would run it."""
        image = self._image()
        if image is None:
            raise ReferenceError
        return Code(Plan(image, self.records, roots, functions, inlining=level is Level.FULL), level)

    def install(self, code: Code, *, keep: bool = True) -> None:
        """From now on the code's roots are entered compiled. keep: it may come from the cache, and is kept there."""
        piece = load_object(code.kept() if keep else code.made(), code.plan, self.native.core.address_of)
        self.pieces.append(piece)
        for root, address in piece.entries.items():
            self.native.records[self.records.first(*root), 0] = address

    def count(self, root: Root, entries: int) -> None:
        """Count so many entries of the root's block; it is entered as before."""
        record = self.records.first(*root)
        self.places.following[record] = self.native.records[record, 0]
        self.places.counters[record] = entries
        self.native.records[record, 0] = self._count

    def is_counted_out(self, root: Root) -> bool:
        """Whether as many entries as were to be counted have been."""
        return bool(self.places.counters[self.records.first(*root)] <= 0)


class Code:
    """Code that may be made, or has been made before: what it is called in the cache is a digest of its text."""

    def __init__(self, plan: Plan, level: Level, writer: type[FunctionCode] = FunctionCode) -> None:
        self.plan, self.level = plan, level
        self.text = module(plan, convention(), writer)
        self._key = f"{level.value}-{hashlib.sha256(self.text.encode()).hexdigest()}"

    def is_kept(self) -> bool:
        """Whether the cache has it."""
        return cache.read(KIND, self._key) is not None

    def kept(self) -> bytes:
        """Object code from the cache, or made and kept there."""
        found = cache.read(KIND, self._key)
        if found is None:
            found = self.made()
            cache.write(KIND, self._key, found)
        return found

    def made(self) -> bytes:
        """Object code."""
        return make_object(self.text, self.level)
