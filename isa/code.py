"""Code bytes as instructions."""

from __future__ import annotations

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
    while pc < end:
        if pc + 2 > end:
            raise CodeProblem("instruction_truncated", pc, instructions)
        opcode = code[pc] | code[pc + 1] << 8
        row = BY_OPCODE.get(opcode)
        if row is None:
            raise CodeProblem("opcode_unknown", pc, instructions, opcode)
        if pc + row.size > end:
            raise CodeProblem("instruction_truncated", pc, instructions, opcode)
        append(new(Decoded, (pc, row, row.unpack(code, pc + 2))))
        pc += row.size
    return instructions
