"""The compiled tier: what is compiled, for any functions and blocks and at any time, does what the reference does.

Random programs, half of them with frames cut into host ticks: code comes in mid-frame, and frames are handed over
between compiled code and the interpreter in all directions; and for short ones every budget of a frame, as for R2.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from pbs.isa.assembler import assemble
from pbs.isa.program import Program
from pbs.vm.compiled import function, module
from pbs.vm.compiled.function import FunctionCode
from pbs.vm.compiled.plan import Records
from tests.support.programs import random_program

from . import metering
from .checks import Fault, Figures, Scale, patched
from .differential import compare

SHARDS = {Scale.TEST: 4, Scale.SOAK: 32}
PROGRAMS = {Scale.TEST: 96, Scale.SOAK: 4_096}
BUDGETS = 4  # every so manieth program runs with every budget
SIZES = (2, 4, 6, 10, 20)  # statements
CONFIGURATIONS = ("compiled", "compiled, sliced")

CALLS = """
.func main() -> ()
again:
    PUSH 5
    CALL fib
    POP
    FRAME_SYNC
    JMP again
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
    PUSH 1
    ADD
    GET_LOCAL n
    PUSH 3
    GT
    JMP_IF_FALSE on
    PUSH 1
    SUB
    NOP
on:
    GET_LOCAL n
    PUSH 2
    SUB
    CALL fib
    ADD
    RET
.end
"""  # calls in calls, whose results are used at once, on ways of different cost


def check(scale: Scale, shard: int, shards: int) -> Figures:
    """Programs shard, shard + shards, ... of the scale."""
    figures: Counter[str] = Counter()
    for seed in range(shard, PROGRAMS[scale], shards):
        program = program_of(seed)
        compare(program, seed, (CONFIGURATIONS[seed // shards % 2],))
        figures["programs"] += 1
        if figures["programs"] % BUDGETS == 1:
            figures["budgets"] += metering.every_budget(program, seed, "compiled").get("budgets", 0)
    if shard == 0:
        for seed in range(4):
            figures["budgets"] += metering.every_budget(assemble(CALLS), seed, "compiled")["budgets"]
    return figures


def program_of(seed: int) -> Program:
    """The random program with this number: larger ones than R1 has, for code that is compiled has calls and loops."""
    rng = Random(seed)
    return random_program(rng, size=rng.choice(SIZES))


def planted() -> list[Fault]:
    """Faults of the compiled tier that this check must find."""
    return [
        Fault("a block that is not paid for", patched(FunctionCode, "_pay", lambda _self: None)),
        Fault("a checkpoint that does not look at the budget", patched(FunctionCode, "_checkpoint", lambda *_: None)),
        Fault(
            "operands that are not written where the machine is left",
            patched(FunctionCode, "_spill_stack", lambda *_: None),
        ),
        Fault(
            "a frame that waits at another place", patched(Records, "last", lambda self, f, b: self.first(f, b.start))
        ),
        Fault("a trap at another place", patched(Records, "of", lambda self, f, _pc: self.first(f, 0))),
        Fault("an accumulator that is forgotten", patched(FunctionCode, "_hand_over", lambda *_: None)),
        Fault("a block that costs one cycle less", patched(FunctionCode, "_pay", _pay_less)),
        Fault(
            "a jump back to a function's first block that clears its locals",
            patched(module, "clone_of", lambda _facts, start: start or None),
        ),
        Fault("a constant of another string", patched(function, "constant_handle", lambda *_: 1 << 32)),
    ]


def _pay_less(code: FunctionCode) -> None:
    code.store(code.sub(code._budget(), code.word(code.block.cost - 1)), "%budget")
