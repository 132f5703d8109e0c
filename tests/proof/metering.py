"""R2: a frame may be given its cycles in any portions, from none to more than it needs, and nothing comes of it.

Small random programs: with every budget from 0 to the cost of their first frame and one more, the interpreter does the frame in one
go exactly when the budget suffices, never spends more than it was given, and comes to the same end when it goes on. The
reference stops at the same places, for a few of the budgets.
"""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from random import Random

from pbs.isa.disassembler import disassemble
from pbs.isa.program import Program
from pbs.vm import FrameResult, Machine, Status, layout
from pbs.vm.reference import Reference
from tests.support.compare import differences, dump, machine_on, random_inputs

from .checks import Disproved, Fault, Figures, Scale, patched
from .differential import image_of, program_of

SHARDS = {Scale.TEST: 4, Scale.SOAK: 32}
PROGRAMS = {Scale.TEST: 1_024, Scale.SOAK: 20_480}
MOST_CYCLES = 400  # of a program's first frame, so that all budgets can be tried
ENOUGH = 1 << 22
REFERENCE_BUDGETS = 3
CONFIGURATIONS = ("interpreter", "plain")


def check(scale: Scale, shard: int, shards: int) -> Figures:
    """As many programs as are wanted, from those whose first frame is short."""
    figures: Counter[str] = Counter()
    wanted, seed = PROGRAMS[scale] // shards, shard
    while figures["programs"] < wanted:
        figures.update(every_budget(program_of(seed), seed, CONFIGURATIONS[seed // shards % 2]))
        seed += shards
    return +figures


def every_budget(program: Program, seed: int, configuration: str) -> Figures:
    """Every budget of the program's first frame; nothing where it is too long. Raises Disproved."""
    image = image_of(program, seed)
    given = random_inputs(Random(seed), 1)[0]
    whole = machine_on(image, "reference", seed)
    expected = whole.run_frame(given, budget=ENOUGH)
    if expected.status is Status.UNFINISHED or expected.cycles > MOST_CYCLES:
        return {}
    end = _state(whole)
    machine = machine_on(image, configuration, seed)
    start = machine.state.copy()
    by_reference = set(Random(seed).sample(range(expected.cycles + 2), min(REFERENCE_BUDGETS, expected.cycles + 2)))
    for budget in range(expected.cycles + 2):
        machine.state[:] = start
        machine.engine.state_replaced()
        first = machine.run_frame(given, budget=budget)
        wrong = _stop_is_wrong(first, expected, budget)
        stop = _state(machine) if budget in by_reference else None
        last = machine.run_frame(given, budget=ENOUGH) if first.status is Status.UNFINISHED else first
        if not wrong and _outcome(last) != _outcome(expected):
            wrong = f"the end is {_outcome(last)}, not {_outcome(expected)}"
        if not wrong and stop is not None:
            other = machine_on(image, "reference", seed)
            if other.run_frame(given, budget=budget).status is not first.status or _state(other) != stop:
                wrong = f"the reference stands elsewhere: {differences(_state(other), stop)}"
        if not wrong and (budget in by_reference or budget >= expected.cycles) and _state(machine) != end:
            wrong = f"the state at the end has other {differences(_state(machine), end)}"
        if wrong:
            raise Disproved(f"program {seed}, {configuration}, budget {budget}: {wrong}\n{disassemble(image.program)}")
    return {"programs": 1, "budgets": expected.cycles + 2}


def _stop_is_wrong(first: FrameResult, expected: FrameResult, budget: int) -> str | None:
    """Whether the frame is done exactly when its cost was given. A block that traps is paid whole before it gives back."""
    if first.cycles > budget:
        return f"{first.cycles} cycles spent of {budget}"
    if budget < expected.cycles and first.status is not Status.UNFINISHED:
        return f"done with {budget} of {expected.cycles} cycles"
    if budget >= expected.cycles and first.status is Status.UNFINISHED and expected.status is not Status.TRAPPED:
        return f"not done with {budget} of {expected.cycles} cycles"
    return None


def _outcome(result: FrameResult) -> tuple[object, ...]:
    return (result.frame, result.status, result.cycles, result.host_calls, result.digest, result.log, result.trap)


def _state(machine: Machine) -> dict[str, object]:
    state = dump(machine)
    state["control"][layout.TICKS] = 0  # the host's own count
    return state


def planted() -> list[Fault]:
    """Faults of metering that this check must find."""
    return [
        Fault("a budget that is one too large", _turns(before=1)),
        Fault("a cycle that is given back twice", _turns(after=1)),
        Fault("a dynamic cost that is not paid", patched(Reference, "charge", lambda _self, _cycles: None)),
    ]


def _turns(before: int = 0, after: int = 0) -> AbstractContextManager[None]:
    turn = Reference.turn

    def wrong(engine: Reference, row: int) -> int:
        engine.state[layout.BUDGET] += before
        outcome = turn(engine, row)
        engine.state[layout.BUDGET] += after
        return outcome

    return patched(Reference, "turn", wrong)
