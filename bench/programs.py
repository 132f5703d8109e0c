"""Programs made to a size: many instructions, much that is kept, much that lives."""

from __future__ import annotations

from dataclasses import replace

from ..contract.limits import PROFILES
from ..isa import container
from ..isa.code import decode_code
from ..loader import Image, assemble, load
from .suite import KERNELS

_KEEPING = """
.type ints = array int
.global kept: ints
.func main() -> ()
    PUSH {words}
    NEW_ARRAY ints
    SET_GLOBAL kept
again:
    FRAME_SYNC
    JMP again
.end
"""

# A list of records, and one word of garbage a frame: with the least threshold every frame collects.
_LIVING = """
.type ints = array int
.type node = record {{next: node, value: int, more: int}}
.global first: node
.func main() -> ()
    .local i: int
    .local made: node
    PUSH {objects}
    SET_LOCAL i
more:
    GET_LOCAL i
    PUSH 0
    GT
    JMP_IF_FALSE again
    NEW_RECORD node
    SET_LOCAL made
    GET_LOCAL made
    GET_GLOBAL first
    SET_FIELD node.next
    GET_LOCAL made
    SET_GLOBAL first
    GET_LOCAL i
    PUSH 1
    SUB
    SET_LOCAL i
    JMP more
again:
    PUSH 1
    NEW_ARRAY ints
    POP
    FRAME_SYNC
    JMP again
.end
"""
NODE_WORDS = 3
_FUNCTION = "matmul"  # floats, ints, arrays, loops in loops: some of everything


def long_program(instructions: int) -> tuple[bytes, int]:
    """A program of about so many instructions, the functions of a kernel over and over; and how many it has."""
    (kernel,) = (kernel for kernel in KERNELS if kernel.name == _FUNCTION)
    program = container.decode(kernel.program())
    main, *body = program.functions
    each = sum(len(decode_code(function.code)) for function in body)
    times = max(1, round(instructions / each))
    made = replace(program, functions=(main, *(body * times)), exports=(), debug=None)
    return container.encode(made), each * times + len(decode_code(main.code))


def keeping(words: int) -> Image:
    """A program that keeps an array of so many words and does nothing."""
    return load(assemble(_KEEPING.format(words=words)))


def living(objects: int, *, collect: bool) -> Image:
    """A program that makes a list of so many records of NODE_WORDS, and then frame by frame a word of garbage.

    collect: in every frame; else only once the words of the largest threshold were allocated, which takes long.
    """
    largest = PROFILES["ADVANCED"]
    limits = replace(largest, gc_threshold_words=1) if collect else largest
    return load(assemble(_LIVING.format(objects=objects)), limits=limits)
