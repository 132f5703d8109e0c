"""Code bytes as instructions."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from .table import BY_OPCODE, Instruction


class Decoded(NamedTuple):
    """One instruction in its place."""

    pc: int  # bytes from the start of the function
    row: Instruction
    immediates: tuple[Any, ...]

    @property
    def next_pc(self) -> int:
        """Where the following instruction starts."""
        return self.pc + self.row.size


class CodeProblem(Exception):
    """Bytes that are no instruction. `code` is a diagnostic code, `pc` where it starts, `before` what was read up to it."""

    def __init__(self, code: str, pc: int, before: list[Decoded], opcode: int | None = None) -> None:
        super().__init__(code)
        self.before = before
        self.code = code
        self.pc = pc
        self.opcode = opcode


def decode_code(code: bytes) -> list[Decoded]:
    """The instructions of one function, first to last. Raises CodeProblem at the first that is none."""
    instructions: list[Decoded] = []
    append, new = instructions.append, tuple.__new__  # this is run for every instruction of every program
    pc, end = 0, len(code)
    try:
        while pc < end:
            row, size, unpack = _READING[code[pc] | code[pc + 1] << 8]
            append(new(Decoded, (pc, row, unpack(code, pc + 2) if unpack else ())))
            pc += size
    except (IndexError, KeyError, struct.error):
        raise _problem(code, pc, instructions) from None
    return instructions


_READING = {row.opcode: (row, row.size, row.unpack if row.immediates else None) for row in BY_OPCODE.values()}


def _problem(code: bytes, pc: int, before: list[Decoded]) -> CodeProblem:
    if pc + 2 > len(code):
        return CodeProblem("instruction_truncated", pc, before)
    opcode = code[pc] | code[pc + 1] << 8
    return CodeProblem("instruction_truncated" if opcode in BY_OPCODE else "opcode_unknown", pc, before, opcode)
