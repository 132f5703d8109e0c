"""R4: what the verifier accepts never does what it excludes, for all programs of small size.

Every sequence of up to three instructions, over all rows of the table with a few immediates each, in a few contexts: alone in
main, behind operands, and in a closure. Sequences of four are drawn. The verifier's verdict is held against `stack_checker`, which
was written without it; what is accepted runs on the reference, which checks at every step what was proved, and on the interpreter.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from itertools import product
from random import Random
from typing import Any

from pbs.contract import Rejected
from pbs.host import standard
from pbs.isa.container import encode
from pbs.isa.program import Constant, Function, Import, Program
from pbs.isa.table import BY_NAME, ROWS
from pbs.isa.types import BYTE, FLOAT, INT, ArrayType, CoroutineType, FunctionType, RecordType, SlotType, ref_to
from pbs.isa.typing import FunctionTyping
from pbs.loader import Image, load
from pbs.loader.resolve import host_calls
from pbs.verifier import Facts, verify
from pbs.vm.machine import Status
from tests.support.compare import CONFIGURATIONS, SMALL, differences, dump, machine_on, observed
from tests.support.programs import META

from .checks import Disproved, Fault, Figures, Scale, patched
from .remembering import remembering
from .stack_checker import Checker, Invalid, Signature, Stack, World, check_function

SHARDS = {Scale.TEST: 2, Scale.SOAK: 70}
TICK_CYCLES, TICKS, FRAMES = 48, 3, 2  # what a program may run: enough to go round any loop
DRAWN = {Scale.TEST: {3: 2_000, 4: 3_000}, Scale.SOAK: {4: 400_000}}  # over all contexts and shards
PLAIN = 8  # one shard in so many remembers no helper's verdict
NATIVE_EVERY = {Scale.TEST: 12, Scale.SOAK: 1}  # which of the accepted also run on the interpreter

# ---- the world around a candidate ---------------------------------------------------------------------------------------

INTS, BYTES, RECORD, NO_ARGS, INT_INT, PAIR, INT_NONE, TASK = range(8)
TYPES = (
    *(ArrayType(INT), ArrayType(BYTE), RecordType((INT, FLOAT, ref_to(INTS))), FunctionType((), ())),
    *(FunctionType((INT,), (INT,)), FunctionType((INT, FLOAT), (INT,)), FunctionType((INT,), ()), CoroutineType()),
)
GLOBALS = (INT, FLOAT, ref_to(INTS), ref_to(RECORD))
CONSTANTS = (Constant(7), Constant(2.5), Constant(b"ab"))
FRAME_CLOCK, RANDOM_BELOW = (standard().services[name].number for name in ("clock.frame/1", "random.below/1"))
A_DOWN, TASK_STATE = (standard().intrinsics[name].number for name in ("input.a.down/1", "coroutine.state/1"))
PLAIN, CLOSURE, BODY, OWN = 1, 2, 3, 4  # functions; main is 0
FOREIGN_NAN = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0001))[0]
Written = tuple[
    str, tuple[Any, ...]
]  # an instruction; a jump's target is a position, None for one inside of an instruction


def _spelled(slot_type: SlotType) -> str | int:
    return {INT: "int", FLOAT: "float"}.get(slot_type, slot_type - 16)


WORLD = World(
    arrays={INTS: "int", BYTES: "int"},
    records={RECORD: ("int", "float", INTS)},
    signatures={
        NO_ARGS: Signature((), ()),
        INT_INT: Signature(("int",), ("int",)),
        PAIR: Signature(("int", "float"), ("int",)),
        INT_NONE: Signature(("int",), ()),
    },
    coroutine=TASK,
    constants=("int", "float", BYTES),
    globals=tuple(map(_spelled, GLOBALS)),
    functions=((NO_ARGS, None), (PAIR, None), (INT_INT, ("int",)), (INT_NONE, None), (INT_INT, ("int", "float"))),
    services={FRAME_CLOCK: Signature((), ("int",)), RANDOM_BELOW: Signature(("int",), ("int",))},
    intrinsics={A_DOWN: Signature((), ("bool",)), TASK_STATE: Signature((TASK,), ("int",))},
)


def bytes_of(code: Sequence[Written]) -> bytes:
    """The code, with jumps to where their targets start."""
    starts = [0]
    for name, _ in code:
        starts.append(starts[-1] + BY_NAME[name].size)

    def words(name: str, immediates: tuple[Any, ...]) -> tuple[Any, ...]:
        if not BY_NAME[name].jumps:
            return immediates
        return (1 if immediates[0] is None else starts[immediates[0]],)  # no instruction starts at 1

    return b"".join(BY_NAME[name].pack(BY_NAME[name].opcode, *words(name, given)) for name, given in code)


def _function(
    signature: int, code: Sequence[Written], deepest: int, captures: Any = None, slots: tuple[SlotType, ...] = ()
) -> Function:
    return Function(signature=signature, captures=captures, locals=slots, max_stack=deepest, code=bytes_of(code))


RET: Written = ("RET", ())
HALT: Written = ("HALT", ())
HELPERS = (
    _function(PAIR, [("GET_LOCAL", (0,)), RET], 1),
    _function(INT_INT, [("GET_CAPTURE", (0,)), RET], 1, captures=(INT,)),
    _function(
        INT_NONE, [("SYSCALL", (FRAME_CLOCK,)), ("SYSCALL", (RANDOM_BELOW,)), ("POP", ()), ("FRAME_SYNC", ()), RET], 1
    ),
)
DRIVER = _function(
    NO_ARGS,
    [
        *(("PUSH_I32", (5,)), ("PUSH_I32", (2,)), ("PUSH_F64", (0.5,)), ("MAKE_CLOSURE", (OWN, 2))),
        *(("CALL_CLOSURE", (1,)), ("POP", ()), HALT),
    ],
    3,
)


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where candidates stand: behind `before`, in front of `after`."""

    name: str
    before: tuple[Written, ...] = ()
    after: tuple[Written, ...] = (HALT,)
    closure: bool = False  # the candidate is OWN and not main

    @property
    def function(self) -> int:
        """The candidate's index."""
        return OWN if self.closure else 0

    @property
    def slots(self) -> Stack:
        """What GET_LOCAL reads."""
        return (INT_INT, "int", INTS) if self.closure else ("int", "float", INTS, RECORD)

    def functions(self, code: Sequence[Written], deepest: int) -> tuple[Function, ...]:
        """The whole program's."""
        if self.closure:
            return DRIVER, *HELPERS, _function(INT_INT, code, deepest, (INT, FLOAT), (ref_to(INTS),))
        return _function(NO_ARGS, code, deepest, None, (INT, FLOAT, ref_to(INTS), ref_to(RECORD))), *HELPERS


CONTEXTS = (
    Context(name="main", after=()),
    Context(name="numbers", before=(("PUSH_BOOL", (1,)), ("PUSH_F64", (1.5,)), ("PUSH_I32", (2,)))),
    Context(
        name="array",
        before=(("PUSH_I32", (3,)), ("NEW_ARRAY", (INTS,)), ("PUSH_I32", (1,)), ("PUSH_I32", (2,))),
    ),
    Context(
        name="objects",
        before=(("PUSH_I32", (4,)), ("PUSH_I32", (3,)), ("MAKE_CLOSURE", (CLOSURE, 1)), ("NEW_RECORD", (RECORD,))),
    ),
    Context(name="closure", after=(), closure=True),
)

# ---- candidates ---------------------------------------------------------------------------------------------------------

IMMEDIATES: Mapping[str, tuple[tuple[Any, ...], ...]] = {
    "PUSH_CONST": ((0,), (1,), (2,), (3,)),
    "PUSH_I64": ((-(2**63),),),
    "PUSH_F64": ((1.5,), (FOREIGN_NAN,)),
    "PUSH_BOOL": ((1,), (2,)),
    "PUSH_I32": ((1,),),
    "POP_N": ((0,), (2,)),
    "GET_GLOBAL": ((0,), (1,), (2,), (3,), (4,)),
    "SET_GLOBAL": ((0,), (1,), (2,), (3,), (4,)),
    "GET_LOCAL": ((0,), (1,), (2,), (3,), (4,)),
    "SET_LOCAL": ((0,), (1,), (2,), (3,), (4,)),
    "CALL": ((0,), (PLAIN,), (CLOSURE,), (9,)),
    "MAKE_CLOSURE": ((CLOSURE, 1), (CLOSURE, 0), (PLAIN, 0)),
    "CALL_CLOSURE": ((0,), (1,)),
    "SPAWN": ((BODY, 1), (BODY, 0), (PLAIN, 2)),
    "GET_CAPTURE": ((0,), (1,), (2,)),
    "NEW_ARRAY": ((INTS,), (BYTES,), (RECORD,), (9,)),
    "NEW_RECORD": ((RECORD,), (INTS,)),
    "GET_FIELD": ((0,), (1,), (2,), (3,)),
    "SET_FIELD": ((0,), (1,), (2,), (3,)),
    "SYSCALL": ((FRAME_CLOCK,), (RANDOM_BELOW,), (9999,)),
    "HOSTCALL": ((0,),),
    "INTRINSIC": ((A_DOWN,), (TASK_STATE,), (9999,)),
}


@cache
def instructions(context: Context, length: int) -> tuple[Written, ...]:
    """Every row with every choice of immediates; jumps lead to the candidate, around it, and to no instruction."""
    first = len(context.before)
    targets = (*sorted({0, *range(first, first + length + len(context.after))}), None)
    found: list[Written] = []
    for row in ROWS:
        choices = [(target,) for target in targets] if row.jumps else IMMEDIATES[row.name] if row.immediates else [()]
        found += [(row.name, immediates) for immediates in choices]
    return tuple(found)


def all_of(context: Context, length: int, shard: int, shards: int) -> Iterator[tuple[Written, ...]]:
    """Every sequence of that length whose first instruction is this shard's."""
    choices = instructions(context, length)
    for first in choices[shard::shards]:
        for rest in product(choices, repeat=length - 1):
            yield (first, *rest)


def drawn(context: Context, length: int, count: int, rng: Random) -> Iterator[tuple[Written, ...]]:
    """Sequences drawn: half of them at random, half so that each instruction fits the stack that it finds."""
    choices = instructions(context, length)
    checker = Checker(WORLD, context.function, context.slots)
    for i in range(count):
        if i % 2:
            yield tuple(rng.choices(choices, k=length))
            continue
        stack: Stack = ()
        for name, immediates in context.before:
            stack = checker.step(name, immediates, stack)
        found: list[Written] = []
        while len(found) < length:
            for _ in range(200):
                name, immediates = rng.choice(choices)
                try:
                    after = checker.step(name, immediates, stack)
                except Invalid:
                    continue
                break
            found.append((name, immediates))
            stack = after
        yield tuple(found)


# ---- verdicts -----------------------------------------------------------------------------------------------------------


@cache
def base() -> tuple[Image, Any, Any]:
    """An image of the helpers alone, and what the verifier must know of services and intrinsics."""
    imports = tuple(
        Import(module=module, name=name, version=1, params=params, results=(INT,))
        for module, name, params in (("clock", "frame", ()), ("random", "below", (INT,)))
    )
    code = HELPERS[-1].code
    for index, number in enumerate((FRAME_CLOCK, RANDOM_BELOW)):
        code = code.replace(
            *(BY_NAME[n].pack(BY_NAME[n].opcode, i) for n, i in (("SYSCALL", number), ("HOSTCALL", index)))
        )
    helpers = (*HELPERS[:-1], replace(HELPERS[-1], code=code))
    program = Program(
        meta=META,
        constants=CONSTANTS,
        types=TYPES,
        globals=GLOBALS,
        functions=(_function(NO_ARGS, [HALT], 0), *helpers),
        imports=imports,
    )
    image = load(encode(program), limits=SMALL)
    return image, host_calls(image.services, image.program), host_calls(image.intrinsics, image.program)


def verdict(context: Context, code: Sequence[Written], deepest: int) -> tuple[Program, Facts, int] | str:
    """The accepted program with its depth, or the code of what the verifier found. A wrong depth is put right first."""
    image, services, intrinsics = base()
    while True:
        program = replace(image.program, functions=context.functions(code, deepest))
        try:
            return program, verify(program, services, intrinsics), deepest
        except Rejected as refused:
            finding = refused.findings[0]
            if finding.code != "max_stack_wrong" or int(finding.required or 0) == deepest:
                return finding.code
            deepest = int(finding.required or 0)


@dataclass
class Trial:
    """Candidates of one context, and what is counted."""

    context: Context
    native_every: int
    figures: Counter[str]

    def one(self, candidate: Sequence[Written]) -> None:
        """Hold the verdicts against each other, and run what is accepted."""
        context = self.context
        code = (*context.before, *candidate, *context.after)
        wanted = check_function(WORLD, context.function, context.slots, code)
        found = verdict(context, code, wanted.deepest)
        self.figures["candidates"] += 1
        if wanted.valid is not None and wanted.valid is isinstance(found, str):
            self.disprove(code, f"the verifier says {found if wanted.valid else 'yes'}, the other checker does not")
        if isinstance(found, str):
            return
        program, facts, deepest = found
        if wanted.valid and deepest != wanted.deepest:
            self.disprove(code, f"the stack gets {wanted.deepest} deep, not {deepest}")
        self.figures["accepted"] += 1
        self.run(code, replace(base()[0], program=program, facts=facts))

    def run(self, code: Sequence[Written], image: Image) -> None:
        """On the reference, where nothing that was excluded may happen, and on the interpreter, which must do the same."""
        try:
            wanted = _run(image, "reference")
        except Exception as broken:  # whatever it is, it was to be excluded
            self.disprove(code, f"the reference breaks: {broken!r}")
        self.figures["executed"] += 1
        turn = self.figures["accepted"]
        if turn % self.native_every == 0:
            configuration = CONFIGURATIONS[1 + turn // self.native_every % (len(CONFIGURATIONS) - 1)]
            found = _run(image, configuration)
            if found != wanted:
                parts = [] if found[0] != wanted[0] else differences(found[1], wanted[1])
                self.disprove(code, f"{configuration} differs from the reference: {parts or (found[0], wanted[0])}")
            self.figures["executed by both engines"] += 1

    def disprove(self, code: Sequence[Written], what: str) -> None:
        """Say what is wrong with which code."""
        text = "; ".join(" ".join([name, *map(str, immediates)]) for name, immediates in code)
        raise Disproved(f"{self.context.name}: {text}: {what}")


def _run(image: Image, configuration: str) -> tuple[Any, Any]:
    machine = machine_on(image, configuration)
    results = []
    for _ in range(FRAMES):
        results.append(machine.run_frame(budget=TICK_CYCLES, ticks=TICKS))
        if results[-1].status is not Status.SYNCED:
            break
    return observed(results, machine), dump(machine)


def check(scale: Scale, shard: int, shards: int) -> Figures:
    """All lengths in all contexts, this shard's part."""
    figures: Counter[str] = Counter()
    with nullcontext() if shard % PLAIN == 0 else remembering():
        for context in CONTEXTS:
            trial = Trial(context, NATIVE_EVERY[scale], figures)
            for length in (1, 2) if scale is Scale.TEST else (1, 2, 3):
                for candidate in all_of(context, length, shard, shards):
                    trial.one(candidate)
            for length, count in DRAWN[scale].items():
                rng = Random(f"{context.name} {length} {shard}")
                for candidate in drawn(context, length, count // len(CONTEXTS) // shards, rng):
                    trial.one(candidate)
    return figures


# ---- planted faults -----------------------------------------------------------------------------------------------------


def planted() -> list[Fault]:
    """Mistakes of the verifier that this check must find."""
    function = import_module("pbs.verifier.verify")._Function
    pop, local, blocks = FunctionTyping.pop, FunctionTyping.local, function._blocks

    def pops_nothing(typing: FunctionTyping, stack: list[SlotType]) -> SlotType:
        return pop(typing, stack) if stack else INT

    def one_more(typing: FunctionTyping, index: int) -> SlotType:
        return INT if index == len(typing.slots) else local(typing, index)

    def forgets_types(walked: Any) -> list[Any]:
        return [block._replace(stack=()) for block in blocks(walked)]

    return [
        Fault("an empty stack gives ints", patched(FunctionTyping, "pop", pops_nothing)),
        Fault("any type fits", patched(FunctionTyping, "take", lambda typing, stack, _wanted: typing.pop(stack))),
        Fault("paths of any height meet", patched(function, "_merge", lambda _, known, _arriving, _target: known)),
        Fault("there is one local more", patched(FunctionTyping, "local", one_more)),
        Fault("blocks are published without their operands", patched(function, "_blocks", forgets_types)),
    ]
