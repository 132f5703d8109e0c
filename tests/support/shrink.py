"""The smallest program that still does it: instructions are taken out as long as it stays valid and interesting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from pbs.contract import PbsError
from pbs.isa.code import Decoded, decode_code
from pbs.isa.program import Program
from pbs.isa.table import BY_NAME

from .programs import Invalid, with_true_heights

MOST_TRIES = 6000
_CONSTANTS = tuple(BY_NAME[name].pack(BY_NAME[name].opcode, 0) for name in ("PUSH_I32", "PUSH_BOOL"))


def smaller(program: Program, interesting: Callable[[Program], bool]) -> Program:
    """`program` without what it does not need to be interesting. Candidates that are not valid are passed over."""
    return _Shrinking(program, interesting).run()


class _Shrinking:
    def __init__(self, program: Program, interesting: Callable[[Program], bool]) -> None:
        self.program = program
        self.interesting = interesting
        self.tries = 0

    def run(self) -> Program:
        size = max(len(function.code) for function in self.program.functions)
        while size and self.tries < MOST_TRIES:
            index = 0
            while index < len(self.program.functions):
                self._shorten(index, size)
                index += 1
            while any(self._take(candidate) for candidate in _shorter_tables(self.program)):
                pass
            size //= 2
        return self.program

    def _shorten(self, index: int, size: int) -> None:
        """Take runs of `size` instructions out of a function, from its start to its end."""
        start = 0
        while start + size <= len(code := decode_code(self.program.functions[index].code)):
            rest = [_without(code, start, size, value) for value in (b"", *(_CONSTANTS if 1 < size < 12 else ()))]
            if size == len(code) or not any(self._take(_with_code(self.program, index, code)) for code in rest):
                start += max(1, size // 2)
        if size < 8 and len(code) > 1:
            self._take(_with_code(self.program, index, BY_NAME["TRAP"].pack(BY_NAME["TRAP"].opcode)))

    def _take(self, candidate: Program) -> bool:
        """Go on with the candidate, if it is as good."""
        self.tries += 1
        if self.tries > MOST_TRIES:
            return False
        try:
            candidate = with_true_heights(candidate)
            if not self.interesting(candidate):
                return False
        except (PbsError, Invalid):
            return False
        self.program = candidate
        return True


def _shorter_tables(program: Program) -> Iterator[Program]:
    """Programs with the last row of a table less."""
    if program.exports:
        yield replace(program, exports=program.exports[:-1])
    if len(program.functions) > 1:
        yield replace(program, functions=program.functions[:-1])
    if program.imports:
        yield replace(program, imports=program.imports[:-1])
    if program.constants:
        yield replace(program, constants=program.constants[:-1])
    if program.globals:
        yield replace(program, globals=program.globals[:-1])
    for index, function in enumerate(program.functions):
        if function.locals:
            functions = list(program.functions)
            functions[index] = replace(function, locals=function.locals[:-1])
            yield replace(program, functions=tuple(functions))


def _with_code(program: Program, index: int, code: bytes) -> Program:
    functions = list(program.functions)
    functions[index] = replace(functions[index], code=code)
    return replace(program, functions=tuple(functions))


def _without(code: list[Decoded], start: int, size: int, value: bytes = b"") -> bytes:
    """The code with a run of instructions replaced; who jumped to one of them goes where the rest begins."""
    kept = code[:start] + code[start + size :]
    moved: dict[int, int] = {}
    at = 0
    for i, decoded in enumerate(kept):
        at += len(value) if i == start else 0
        moved[decoded.pc] = at
        at += decoded.row.size
    behind = moved.get(code[start + size].pc, 0) if start + size < len(code) else 0
    out = b""
    for i, decoded in enumerate(kept):
        out += value if i == start else b""
        immediates = decoded.immediates
        if decoded.row.jumps:
            immediates = (moved.get(immediates[0], behind),)
        out += decoded.row.pack(decoded.row.opcode, *immediates)
    return out if start < len(kept) else out + value
