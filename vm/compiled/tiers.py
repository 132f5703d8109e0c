"""Which code is compiled, and when: what is entered often soon, and what is run for long well.

The interpreter counts entries of functions and of loops (`COUNT`). What was entered often enough is compiled with few passes,
together with what it calls, and entered compiled from then on; where machines go on running, it is compiled again with all
passes. A thread of its own does that meanwhile. Nothing that a machine does depends on when, or whether.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...isa.table import Flow
from ...loader.image import Image
from ..interpreter import NativeImage
from .image import Code, CompiledImage
from .objects import Level
from .paths import loop_heads
from .plan import Root

MOST_INSTRUCTIONS = 4096  # compiled together, unless one function has more
LARGEST_FUNCTION = 20_000  # instructions; a larger one is left to the interpreter


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Entries of a function, and of a loop, before it is compiled."""

    calls: int
    loops: int

    def of(self, root: Root) -> int:
        """Entries of this root."""
        return self.loops if root[1] else self.calls


BEFORE_LEAN = Patience(calls=400, loops=4000)
LOOKS_BEFORE_FULL = 30  # of the thread, while machines run
BEFORE_RESUMED = Patience(calls=1, loops=16)  # where all functions are compiled: loops that a frame's end left


@dataclass(slots=True)
class _Unit:
    """What was compiled together."""

    roots: tuple[Root, ...]
    functions: frozenset[int]
    looks: int = 0


class Tiers:
    """The tiers of one image. whole: every function is compiled with all passes, here and now."""

    def __init__(self, image: Image, native: NativeImage, *, whole: bool = False) -> None:
        self.compiled = CompiledImage(image, native)
        self._whole = whole
        self._sizes = [len(function.instructions) for function in image.facts.functions]
        self._calls = _calls(image)
        self._units: dict[Root, _Unit] = {}
        self._counted: set[Root] = set()
        self._lean: list[_Unit] = []
        functions = [index for index, size in enumerate(self._sizes) if size <= LARGEST_FUNCTION]
        if whole:
            self._compile([(index, 0) for index in functions], frozenset(functions))
        for index in functions:
            for start in sorted({0, *loop_heads(image.facts.functions[index])}):
                if (index, start) not in self._units:
                    self._count((index, start), BEFORE_RESUMED if whole else BEFORE_LEAN)

    @property
    def is_waiting(self) -> bool:
        """Whether there may be more to compile."""
        return bool(self._counted or self._lean)

    def advance(self) -> None:
        """Compile what has been entered often enough, or compile it again."""
        due = sorted(root for root in self._counted if self.compiled.is_counted_out(root))
        self._counted.difference_update(due)
        if due:
            functions = self._called_from(index for index, _ in due)
            entered = {(index, 0) for index in functions} - self._units.keys()
            self._compile({*due, *entered}, functions)
        for unit in self._lean:
            unit.looks += 1
            if unit.looks >= LOOKS_BEFORE_FULL:
                self._lean.remove(unit)
                self.compiled.install(self._code(unit, Level.FULL))
                break  # one at a time: there may be more that is due by now

    def _compile(self, roots: Iterable[Root], functions: frozenset[int]) -> None:
        """Compile with few passes, unless all passes are wanted or were made before."""
        unit = _Unit(tuple(roots), functions)
        full = self._code(unit, Level.FULL)
        level = Level.FULL if self._whole or full.is_kept() else Level.LEAN
        self.compiled.install(full if level is Level.FULL else self._code(unit, Level.LEAN))
        self._units |= dict.fromkeys(unit.roots, unit)
        self._counted.difference_update(unit.roots)
        if level is Level.LEAN:
            self._lean.append(unit)

    def _code(self, unit: _Unit, level: Level) -> Code:
        return self.compiled.code(unit.roots, unit.functions, level)

    def _count(self, root: Root, patience: Patience) -> None:
        self._counted.add(root)
        self.compiled.count(root, patience.of(root))

    def _called_from(self, functions: Iterable[int]) -> frozenset[int]:
        """These functions and those that they call, the nearest first, as many as may be compiled together."""
        waiting = sorted(set(functions))
        found, size = set(waiting), sum(self._sizes[index] for index in waiting)
        for index in waiting:  # it grows
            for callee in self._calls[index]:
                if callee not in found and size + self._sizes[callee] <= MOST_INSTRUCTIONS:
                    found.add(callee)
                    size += self._sizes[callee]
                    waiting.append(callee)
        return frozenset(found)


def _calls(image: Image) -> list[list[int]]:
    """For every function whom it calls, in order; where it calls a closure, that may be any closure's function."""
    closures = [index for index, function in enumerate(image.facts.functions) if function.function.is_closure]
    found: list[list[int]] = []
    for function in image.facts.functions:
        callees: dict[int, None] = {}
        for decoded in function.instructions:
            if decoded.row.flow is Flow.CALL:
                callees[decoded.immediates[0]] = None
            elif decoded.row.flow is Flow.CALL_CLOSURE:
                callees |= dict.fromkeys(closures)
        found.append(list(callees))
    return found
