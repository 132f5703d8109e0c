"""What one piece of compiled code is made of, and what it must know of the interpreter's records, where it hands over."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from ...host import Service
from ...isa.table import Flow
from ...loader.image import Image
from ...verifier import Block
from ..code import Code
from ..image_tables import place

CONTINUE = 6  # a saved status, besides the ends of a turn: the interpreter goes on at the saved record
IMPORTS = "@imports"
MOST_INLINED = 128  # instructions of a function's calls of itself that may be inlined in it
MOST_COPIES = 3

Root = tuple[int, int]  # a function, and the start pc of the block where it is entered


class Records:
    """Which record of the interpreter stands for what."""

    def __init__(self, code: Code) -> None:
        self._first: dict[int, int] = dict(zip(code.blocks.tolist(), code.block_records.tolist(), strict=True))
        self._leaders: list[int] = sorted(code.block_records.tolist())
        self._held: list[int] = code.held.tolist()
        self._at: dict[int, int] = {}
        for record, where in enumerate(code.where.tolist()):
            self._at.setdefault(where, record)

    def first(self, function: int, pc: int) -> int:
        """The first record of the block that starts there."""
        return self._first[place(function, pc)]

    def last(self, function: int, block: Block) -> int:
        """The record of the block's last instruction."""
        behind = bisect_right(self._leaders, self.first(function, block.start))
        return (self._leaders[behind] if behind < len(self._leaders) else len(self._held)) - 1

    def of(self, function: int, pc: int) -> int:
        """A record of the instruction; all that it has give the same cycles back."""
        return self._at[place(function, pc)]

    def held(self, record: int) -> int:
        """The slot whose value the accumulator holds where the record's block begins (see `Code.held`), or -1."""
        return self._held[record]


class Plan:
    """The functions to compile together, and where they may be entered from outside.

    roots: entries, each a function's (start 0) or a block's. functions: compiled code calls these directly; calls of others
    are left to the interpreter. inlining: copies of small functions that call themselves are made, for LLVM to inline.
    """

    def __init__(
        self, image: Image, records: Records, roots: Iterable[Root], functions: Iterable[int], *, inlining: bool
    ) -> None:
        self.image, self.records, self.inlining = image, records, inlining
        self.roots = tuple(sorted(set(roots)))
        self.functions = frozenset(functions) | {index for index, start in self.roots if start == 0}
        self.services: dict[str, Service] = {}  # that the code calls, by symbol
        self.kernels: dict[str, None] = {}
        self._imports: dict[str, int] = {}

    def copies(self, function: int) -> int:
        """How often a function that calls itself is to be inlined in itself."""
        facts = self.image.facts.functions[function]
        calls = sum(d.row.flow is Flow.CALL and d.immediates[0] == function for d in facts.instructions)
        if not self.inlining or not calls:
            return 0
        copies, size = 0, calls * len(facts.instructions)
        while size <= MOST_INLINED and copies < MOST_COPIES:
            copies += 1
            size += calls ** (copies + 1) * len(facts.instructions)
        return copies

    @property
    def imports(self) -> list[str]:
        """Symbols of what numba compiled, in order of first use. Complete once the module is written."""
        return list(self._imports)

    def import_at(self, symbol: str) -> str:
        """Where the address of a compiled function stands, as a constant expression."""
        number = self._imports.setdefault(symbol, len(self._imports))
        return f"getelementptr (ptr, ptr {IMPORTS}, i64 {number})"
