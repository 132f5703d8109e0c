"""A program whose machines hold something of everything that a state can hold, and the machines of it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

from pbs.loader import Image, assemble, load
from pbs.vm import FrameResult, Input, Machine
from tests.support.compare import SMALL, random_inputs

ENGINES = ("reference", "interpreter", "compiled")
LIMITS = replace(SMALL, heap_words=400, objects=64, gc_threshold_words=60, coroutines=6, call_depth=8)
FRAMES = 12

PROGRAM = """
.target profile "game" "1.0.0"
.type ints = array int
.type floats = array float
.type bools = array bool
.type node = record {value: int, weight: float, is_odd: bool, next: node, name: bytes}
.type nodes = array node
.type bytes = array byte
.type step = function (n: int) -> (int)
.type handle = coroutine
.const HELLO = "hello"
.const OTHER = "another text"
.global count: int
.global ratio: float
.global is_on: bool
.global head: node
.global all: nodes
.global adder: step
.global worker: handle
.global text: bytes
.global nothing: node

.func main() -> ()
    .local i: int
    .local kept: floats
    .local x: float
    .local none: node
    PUSH 4
    NEW_ARRAY nodes
    SET_GLOBAL all
    PUSH 3
    NEW_ARRAY floats
    SET_LOCAL kept
    PUSH 5
    PUSH 2.5
    GET_LOCAL kept
    PUSH true
    MAKE_CLOSURE waits 4
    SET_GLOBAL adder
    PUSH 7
    PUSH OTHER
    SPAWN works 2
    SET_GLOBAL worker
    PUSH 2
    PUSH 3
    SPAWN sleeps 1
    POP
    POP
    SPAWN brief 0
    POP
again:
    GET_LOCAL i
    PUSH 1
    ADD
    DUP
    SET_LOCAL i
    SET_GLOBAL count
    GET_LOCAL i
    CALL prepend
    GET_GLOBAL all
    GET_LOCAL i
    PUSH 3
    BIT_AND
    GET_GLOBAL head
    ARRAY_SET
    GET_LOCAL kept
    PUSH 1
    GET_LOCAL x
    PUSH 0.1
    ADD
    DUP
    SET_LOCAL x
    ARRAY_SET
    GET_LOCAL x
    SET_GLOBAL ratio
    GET_LOCAL i
    PUSH 1
    BIT_AND
    PUSH 0
    EQ
    SET_GLOBAL is_on
    PUSH 2
    PUSH HELLO
    HOSTCALL log.write/1
    POP
    PUSH 3
    HOSTCALL random.bits/1
    HOSTCALL log.number/1
    POP
    GET_LOCAL i
    PUSH 5
    PUSH 65535
    HOSTCALL gfx.pixel/1
    HOSTCALL gfx.present/1
    GET_LOCAL i
    FRAME_SYNC
    POP
    JMP again
.end

; a list that is dropped at every fourth frame, with garbage beside it
.func prepend(n: int) -> ()
    .local new: node
    GET_LOCAL n
    PUSH 3
    BIT_AND
    PUSH 0
    NEQ
    JMP_IF_TRUE keep
    PUSH null
    SET_GLOBAL head
keep:
    NEW_RECORD node
    SET_LOCAL new
    GET_LOCAL new
    GET_LOCAL n
    SET_FIELD node.value
    GET_LOCAL new
    GET_LOCAL n
    INT_TO_FLOAT
    SET_FIELD node.weight
    GET_LOCAL new
    GET_LOCAL n
    PUSH 1
    BIT_AND
    PUSH 1
    EQ
    SET_FIELD node.is_odd
    GET_LOCAL new
    GET_GLOBAL head
    SET_FIELD node.next
    PUSH 5
    NEW_ARRAY bytes
    SET_GLOBAL text
    GET_GLOBAL text
    PUSH 4
    GET_LOCAL n
    ARRAY_SET
    GET_LOCAL new
    GET_GLOBAL text
    SET_FIELD node.name
    GET_LOCAL new
    SET_GLOBAL head
    PUSH 9
    NEW_ARRAY ints
    POP
    PUSH 2
    NEW_ARRAY bools
    PUSH 1
    PUSH true
    ARRAY_SET
    RET
.end

; waits inside of a closure, three frames deep
.func works(n: int, text: bytes) -> ()
    .local is_set: bool
    PUSH true
    SET_LOCAL is_set
turn:
    GET_LOCAL n
    CALL through
    SET_LOCAL n
    INTRINSIC input.a.down
    JMP_IF_TRUE turn
    YIELD
    FRAME_SYNC
    JMP turn
.end
.func through(n: int) -> int
    PUSH 0.5
    GET_LOCAL n
    GET_GLOBAL adder
    CALL_CLOSURE 1
    SWAP
    POP
    RET
.end
.closure waits(n: int) -> int captures (k: int, x: float, values: floats, is_true: bool)
    PUSH 1
    SLEEP
    FRAME_SYNC
    GET_LOCAL n
    GET_CAPTURE k
    ADD
    RET
.end
.func sleeps(n: int) -> ()
    .local mine: ints
    GET_LOCAL n
    NEW_ARRAY ints
    SET_LOCAL mine
turn:
    GET_LOCAL n
    SLEEP
    FRAME_SYNC
    JMP turn
.end
.func brief() -> ()
    FRAME_SYNC
    FRAME_SYNC
    RET
.end

.func probe(n: int, x: float, is_set: bool) -> (int, float, bool)
    GET_LOCAL n
    GET_GLOBAL count
    ADD
    GET_LOCAL x
    GET_LOCAL is_set
    RET
.end
.export probe
"""


@cache
def world() -> Image:
    """The image of the program."""
    return load(assemble(PROGRAM), limits=LIMITS)


@cache
def other_world() -> Image:
    """Another image: one more function, that nothing calls."""
    return load(assemble(PROGRAM + ".func more() -> ()\n    RET\n.end\n.export more\n"), limits=LIMITS)


def image(text: str, **limits: int) -> Image:
    """The image of a program in assembly, within LIMITS but for those given."""
    return load(assemble(text), limits=replace(LIMITS, **limits))


def inputs(count: int = FRAMES) -> list[Input]:
    """What is played, always the same."""
    return random_inputs(Random(7), count)


def played(frames: int, engine: str = "interpreter") -> Machine:
    """A machine of the world after so many frames."""
    machine = Machine(world(), engine=engine, seed=-5)
    if frames:
        machine.run(frames, inputs())
    return machine


@cache
def recorded() -> tuple[FrameResult, ...]:
    """The frames of the world, from the start."""
    return tuple(played(0).run(FRAMES, inputs()))
