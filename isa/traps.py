"""Trap codes: why a guest program was stopped. Numbers are frozen; 0x05 and 0x06 stay unused, as documented."""

from __future__ import annotations

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
