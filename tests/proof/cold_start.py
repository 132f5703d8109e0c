"""A machine that begins on the reference and is handed over to native code at any block does what it always does.

Random programs are played in calls of a few frames and a few short host ticks, so that the handing over comes at the first block
of a frame or in its middle, early and late in a call; after each call everything is compared that a caller can see, the count of
host ticks too, and in the end the whole state.
"""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from functools import partial
from random import Random
from typing import Any

from pbs.isa.disassembler import disassemble
from pbs.isa.program import Program
from pbs.loader import Image
from pbs.vm import Machine, layout
from pbs.vm.cold_start import ColdStart
from pbs.vm.handing_over import HandingOver, HandOver
from pbs.vm.interpreter import Interpreter
from pbs.vm.machine import Input
from pbs.vm.reference import Reference
from tests.support.compare import differences, dump, random_inputs
from tests.support.shrink import smaller
from tests.support.tiering import TieredAtRandom

from .checks import Disproved, Fault, Figures, Scale, patched
from .differential import image_of, program_of

SHARDS = {Scale.TEST: 2, Scale.SOAK: 16}
PROGRAMS = {Scale.TEST: 1_024, Scale.SOAK: 65_536}
FRAMES = 5
SLICES = (37, 211, 1031, 1 << 20)  # cycles a host tick
MOST_CYCLES = 1 << 22  # that a call may take
SHORT_CALLS, MOST_CALLS = 40, 60  # behind the short ones each goes on to the end of its frames
COMPILED = 16  # every so manieth program goes on in compiled code


def check(scale: Scale, shard: int, shards: int) -> Figures:
    """Programs shard, shard + shards, ... of the scale."""
    figures: Counter[str] = Counter()
    for seed in range(shard, PROGRAMS[scale], shards):
        program = program_of(seed)
        wrong, handed_over = difference(program, seed)
        if wrong:
            small = smaller(program, lambda candidate, seed=seed: difference(candidate, seed)[0] is not None)
            raise Disproved(f"program {seed}: {difference(small, seed)[0]}\n{disassemble(small)}")
        figures["programs"] += 1
        figures["handed over"] += handed_over
    if 2 * figures["handed over"] < figures["programs"]:
        raise Disproved(f"only {figures['handed over']} of {figures['programs']} programs were handed over")
    return figures


def difference(program: Program, seed: int) -> tuple[str | None, bool]:
    """What a machine that is handed over does differently, and whether it was handed over."""
    image, inputs = image_of(program, seed), random_inputs(Random(seed), FRAMES)
    expected, machine = Machine(image, engine=Interpreter, seed=seed), _cold(image, seed)
    for call, (one, other) in enumerate(
        zip(_calls(expected, seed, inputs), _calls(machine, seed, inputs), strict=False)
    ):
        if one != other:
            return f"call {call}\n  expected {one}\n  found    {other}", True
    ready = machine.engine.is_native  # type: ignore[attr-defined]
    if not expected.ended and dump(expected) != dump(machine):
        return f"other {differences(dump(expected), dump(machine))} in the end", ready
    return None, ready


class _AtBlock:
    """The successor that is due at the block with this number."""

    def __init__(self, number: int, make: Any) -> None:
        self.left, self.engine = number, make

    def is_due(self) -> bool:
        self.left -= 1
        return self.left <= 0


def _cold(image: Image, seed: int) -> Machine:
    chance = Random(seed)
    make = partial(TieredAtRandom, seed=seed) if seed % COMPILED == 0 else Interpreter
    successor = _AtBlock(int(2 ** chance.uniform(0, 7)), make)
    return Machine(image, engine=lambda *given: ColdStart(*given, successor, blocks=1), seed=seed)


def _calls(machine: Machine, seed: int, inputs: list[Input]) -> Any:
    """What can be seen after each call: the results, and where the machine stands. The same calls for the same seed."""
    chance, done, calls = Random(seed), 0, 0
    slice_cycles = chance.choice(SLICES)
    machine.state[layout.FRAME_BUDGET] = slice_cycles
    while done < FRAMES and not machine.ended and calls < MOST_CALLS:
        count = chance.randint(1, FRAMES - done)
        ticks = (
            chance.choice((1, 2, 7)) if calls < SHORT_CALLS and chance.random() < 0.8 else MOST_CYCLES // slice_cycles
        )
        results = machine.advance(inputs[done : done + count], ticks)
        done, calls = done + len(results), calls + 1
        yield results, machine.cycles, machine.frame, machine.in_frame, int(machine.state[layout.TICKS])


def planted() -> list[Fault]:
    """Mistakes in handing over that this check must find."""
    return [
        Fault("cycles that are not counted", _without("cycles")),
        Fault("a host tick that brings its cycles twice", _without("budget")),
        Fault("a host tick that counts twice", _without("ticks")),
        Fault("frames that are not written", _without("frames")),
        Fault(
            "more host ticks than were allowed",
            patched(ColdStart, "_ticks", lambda *_: 0),
        ),
    ]


def _without(step: str) -> AbstractContextManager[None]:
    """A context in which one of the things that `HandingOver.turn` does is not done."""

    def turn(self: HandingOver, row: int) -> int:
        before = self.state[layout.BUDGET]
        try:
            return Reference.turn(self, row)
        except HandOver:
            used = before - self.state[layout.BUDGET]
            if step != "frames":
                self._store_frames(layout.OUT_OF_BUDGET)
            if step != "cycles":
                self.state[layout.CYCLES] += used
                self.state[layout.FRAME_CYCLES] += used
            if step != "budget":
                self.state[layout.BUDGET] -= self.state[layout.FRAME_BUDGET]
            if step != "ticks":
                self.state[layout.TICKS] -= 1
            raise

    return patched(HandingOver, "turn", turn)
