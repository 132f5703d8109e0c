"""Trap codes: why a guest program was stopped. Numbers are frozen; 0x05 and 0x06 stay unused, as documented."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class Trap(IntEnum):
    """The code of a trap record. Source: docs/machine.md, traps."""

    ILLEGAL_INSTRUCTION = 0x01
    EXPLICIT = 0x02
    OUT_OF_BOUNDS = 0x03
    TYPE = 0x04
    INVALID_SYSCALL = 0x07
    STACK_UNDERFLOW = 0x08
    INVALID_LOCAL = 0x09
    DIV_ZERO = 0x0A
    INVALID_FUNCTION = 0x0B
    BAD_RETURN_SLOTS = 0x0C
    INVALID_INTRINSIC = 0x0D
    NULL_REF = 0x0E
    INT_OVERFLOW = 0x0F
    OUT_OF_MEMORY = 0x10
    CALL_DEPTH = 0x11
    HOST_DENIED = 0x12


# What the verifier proves cannot happen. The reference engine still checks; a hit is our bug.
EXCLUDED = frozenset(
    {
        Trap.ILLEGAL_INSTRUCTION,
        Trap.TYPE,
        Trap.INVALID_SYSCALL,
        Trap.STACK_UNDERFLOW,
        Trap.INVALID_LOCAL,
        Trap.INVALID_FUNCTION,
        Trap.BAD_RETURN_SLOTS,
        Trap.INVALID_INTRINSIC,
    }
)

MEANINGS: Mapping[Trap, str] = {
    Trap.ILLEGAL_INSTRUCTION: "an opcode that is no instruction",
    Trap.EXPLICIT: "the program ran a TRAP instruction",
    Trap.OUT_OF_BOUNDS: "an index or a range lies outside of its array",
    Trap.TYPE: "an operand of the wrong type",
    Trap.INVALID_SYSCALL: "a service that does not exist",
    Trap.STACK_UNDERFLOW: "more operands taken than there are",
    Trap.INVALID_LOCAL: "a local that does not exist",
    Trap.DIV_ZERO: "an int divided by zero",
    Trap.INVALID_FUNCTION: "a function that does not exist",
    Trap.BAD_RETURN_SLOTS: "a return with the wrong number of values",
    Trap.INVALID_INTRINSIC: "an intrinsic that does not exist",
    Trap.NULL_REF: "null used as an object",
    Trap.INT_OVERFLOW: "a result that is no int: the smallest int by -1, or a float that does not fit",
    Trap.OUT_OF_MEMORY: "the heap, the object table or the table of coroutines is full",
    Trap.CALL_DEPTH: "too many calls inside one another, or a stack that is full",
    Trap.HOST_DENIED: "more host calls in one frame than the limits allow",
}
