"""Tries freshly made steps on this machine before they are kept: a small program whose answer is known.

Calling conventions other than C are LLVM's own business and have been seen to go wrong; so nothing is believed that did not
compute. The program takes all registers along: calls, loops, ints and floats, taken and untaken branches, a trap.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from ..host import standard
from ..isa.assembler import assemble
from ..isa.container import encode as encode_program
from ..loader import load
from . import context, layout
from .code import RECORD
from .encode import encode
from .handlers import REGISTERS
from .kinds import VARIANTS
from .native_names import ENTER, TABLE
from .native_words import KERNELS

PROGRAM = """
.func main() -> ()
    .local i: int
    .local x: float
    PUSH 1.5
    SET_LOCAL x
    PUSH 10
    SET_LOCAL i
again:
    GET_LOCAL i
    CALL fib
    INT_TO_FLOAT
    GET_LOCAL x
    PUSH 0.5
    MUL
    ADD
    SET_LOCAL x
    GET_LOCAL i
    PUSH 1
    SUB
    SET_LOCAL i
    GET_LOCAL i
    PUSH 0
    GT
    JMP_IF_TRUE again
    GET_LOCAL x
    PUSH 100.0
    MUL
    FLOAT_TO_INT
    GET_LOCAL i
    DIV
    POP
    RET
.end
.func fib(n: int) -> int
    GET_LOCAL n
    PUSH 2
    LT
    JMP_IF_FALSE deeper
    GET_LOCAL n
    RET
deeper:
    GET_LOCAL n
    PUSH 1
    SUB
    CALL fib
    GET_LOCAL n
    PUSH 2
    SUB
    CALL fib
    ADD
    RET
.end
"""
BUDGET = 1 << 40


def expected() -> float:
    """What the loop leaves in the float local, worked out here."""

    def fib(n: int) -> int:
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    x = 1.5
    for i in range(10, 0, -1):
        x = float(fib(i)) + x * 0.5
    return x


def steps_work(objects: Sequence[bytes]) -> bool:
    """Whether the steps in these object files compute the program's answer, and stop where they should."""
    from llvmlite import binding as llvm

    from .abi import symbol_of
    from .native_build import handler_numbers
    from .target import target_machine

    for function in KERNELS.values():
        llvm.add_symbol(symbol_of(function), 1)  # the program calls none of them
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    for data in objects:
        engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    handlers = np.zeros(len(VARIANTS) + 1024, np.int64)
    for part in range(len(objects)):
        table = ctypes.CFUNCTYPE(ctypes.c_int64)(engine.get_function_address(f"{TABLE}steps{part}"))()
        numbers = list(range(part, len(VARIANTS), len(objects)))
        handlers[numbers] = (ctypes.c_int64 * len(numbers)).from_address(table)[:]
    image = load(encode_program(assemble(PROGRAM)))
    code = encode(image, handler_numbers(standard()))
    records = code.bound(handlers)
    stack, calls, cx = np.zeros(4096, np.int64), np.zeros(512, np.int64), np.zeros(context.CONTEXT_WORDS, np.int64)
    cx[context.CALL_LIMIT] = calls.ctypes.data + 8 * 500
    cx[context.STACK_END] = stack.ctypes.data + 8 * 4000
    calls[0], calls[1] = records.ctypes.data, stack.ctypes.data
    first = int(code.functions[0, 0])
    enter = ctypes.CFUNCTYPE(None, *(ctypes.c_double if t == "double" else ctypes.c_int64 for t, _ in REGISTERS))(
        engine.get_function_address(ENTER)
    )
    enter(
        records.ctypes.data + RECORD * first,
        stack.ctypes.data,
        BUDGET - int(code.leader_cost[first]),
        calls.ctypes.data + context.CALL_BYTES,
        stack.ctypes.data,
        stack.ctypes.data,
        cx.ctypes.data,
        0,
        0.0,
    )
    wanted = expected()
    status = int(cx[context.SAVED_STATUS])
    trapped = status & 255 == layout.TRAP and status >> context.STATUS_BITS == 0x0A  # the division by zero at its end
    return (
        trapped and float(stack[1:2].view(np.float64)[0]) == wanted and int(cx[context.SAVED_FP]) == stack.ctypes.data
    )
