"""R24: limits are met at the same place everywhere, and hold.

For each limit there is a program that uses exactly so much of it. It is run with one less than the limit, with the limit, and with
one more: on every engine configuration, and with the frame cut into ticks, the outcome is the same, down to every word of
state; and it is the one that docs/machine.md says: up to the limit what the program is to do, above it the trap or the refusal
that is named there, at that instruction. What a machine then holds of the host's memory is no more than its limits declare.
"""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from pbs.contract import Rejected
from pbs.contract.limits import PROFILES
from pbs.host.devices import LOG_LIMIT
from pbs.isa import structure
from pbs.loader import Image, assemble, load
from pbs.vm import FrameResult, Machine, Status, layout
from pbs.vm.reference import Reference
from tests.support.compare import CONFIGURATIONS, dump, machine_on

from .checks import Disproved, Fault, Figures, Scale, patched
from .limit_cases import Case, cases, files, loop

loading, limiting = import_module("pbs.loader.loading"), import_module("pbs.contract.limits")
_LOG_LIMIT = layout.DEVICE + LOG_LIMIT

SHARDS = {Scale.TEST: 1, Scale.SOAK: 2}
FRAMES = 3
MARGIN_BYTES = 64 << 20  # what a process may grow by besides the memory of its machines


# ---- what becomes of them


def check(scale: Scale, shard: int, shards: int) -> Figures:
    """Every case, below, at and above its limit. Raises Disproved with the case and the count."""
    counted: Counter[str] = Counter()
    for name in list(PROFILES)[shard::shards]:
        _bounded(name)
        counted["machines filled"] += 1
    for case in list(cases())[shard::shards]:
        for count in (case.most - 1, case.most, case.most + 1):
            if count >= case.least:
                _tried(case, count, 1 if scale is Scale.TEST else 20, counted)
    for name, most, code, use in list(files())[shard::shards]:
        for count in (most - 1, most, most + 1):
            found = _code_of(use, count)
            if (found == code) != (count > most):
                raise Disproved(f"{name}: {count} of {most}: {found or 'taken'}")
            counted["files and tables"] += 1
    return counted


def _tried(case: Case, count: int, cuts: int, counted: Counter[str]) -> None:
    where = f"{case.name}: {count} of {case.most}"
    above = count > case.most
    program = assemble(case.program(count))
    refused = _code_of(lambda _: load(program, limits=case.limits), 0)
    if refused != (case.refused if above else None):
        raise Disproved(f"{where}: loading says {refused}")
    counted["refused" if refused else "run"] += 1
    if refused:
        return
    image = load(program, limits=case.limits)
    expected = None
    for configuration in CONFIGURATIONS:
        machine = machine_on(image, configuration)
        results = []
        while len(results) < FRAMES and not machine.ended:
            results.append(machine.run_frame(ticks=10))
        outcome = (results, dump(machine))
        expected = expected or outcome
        if outcome != expected:
            raise Disproved(f"{where}: {configuration} does something else: {results[0]}, not {expected[0][0]}")
        _right(where, case, count, machine, results)
        counted["outcomes"] += 1
    assert expected is not None
    for seed in range(cuts):
        for configuration in ("reference", "interpreter"):
            if _cut_up(image, configuration, Random(seed)) != _without_ticks(*expected):
                raise Disproved(f"{where}: {configuration} does something else with budgets of seed {seed}")
            counted["outcomes"] += 1


def _right(where: str, case: Case, count: int, machine: Machine, results: list[FrameResult]) -> None:
    """Whether that is what the specification says."""
    seen = int(machine.state[machine.layout.offset("globals")])
    trap, last = machine.trap, results[-1]
    if case.trap is None or count <= case.most:
        wanted = case.seen(count)
        if trap is not None or not case.also(machine, results, count) or (wanted is not None and seen != wanted):
            raise Disproved(f"{where}: {trap or 'no trap'}, {seen} seen, {wanted} wanted: {results[0]}")
        return
    if trap is None:
        raise Disproved(f"{where}: no trap")
    function = machine.image.facts.functions[trap.function]
    row = next(decoded.row for decoded in function.instructions if decoded.pc == trap.pc)
    place = (trap.code.name, row.name, trap.opcode, trap.frame, trap.cycles, last.status, last.trap)
    if place != (case.trap, case.instruction, row.opcode, 0, machine.cycles, Status.TRAPPED, trap):
        raise Disproved(f"{where}: {trap}")
    if seen != (case.seen(case.most) if case.counts else 0):
        raise Disproved(f"{where}: it traps after {seen}")


def _cut_up(image: Image, configuration: str, rng: Random) -> tuple[Any, ...]:
    machine = machine_on(image, configuration)
    results: list[FrameResult] = []
    while len(results) < FRAMES and not machine.ended:
        result = machine.run_frame(budget=rng.choice((0, 1, rng.randrange(50), rng.randrange(500), 1 << 20)))
        if result.status is not Status.UNFINISHED:
            results.append(result)
    return _without_ticks(results, dump(machine))


def _without_ticks(results: list[FrameResult], state: dict[str, Any]) -> tuple[Any, ...]:
    """How often the host had to come is the host's."""
    control = [0 if at == layout.TICKS else word for at, word in enumerate(state["control"])]
    return [replace(result, ticks=0) for result in results], {**state, "control": control}


def _code_of(use: Callable[[int], object], count: int) -> str | None:
    try:
        use(count)
    except Rejected as refused:
        return (refused.findings[0] if refused.code == "program_invalid" else refused.diagnostic).code
    return None


def _bounded(profile: str) -> None:
    """A machine that is filled to its limits holds no more memory than they declare."""
    limits = PROFILES[profile]
    text = loop(1 << 40, "PUSH 1000\nNEW_ARRAY ints\nPOP\n")
    image = load(assemble(text), limits=limits)
    machine_on(image, "interpreter").run_frame()  # what the engine needs once
    before = _held_bytes()
    machine = Machine(image)
    machine.run(1)
    grown = max(after - at for at, after in zip(before, _held_bytes(), strict=True))
    if machine.trap is None or machine.trap.code.name != "OUT_OF_MEMORY" or machine.state[0] != layout.TRAPPED:
        raise Disproved(f"{profile}: the heap is never full")
    if grown > 8 * machine.layout.words + MARGIN_BYTES:
        raise Disproved(f"{profile}: the process grows by {grown} bytes, {8 * machine.layout.words} are declared")


def _held_bytes() -> tuple[int, int]:
    """What the process holds of the host's memory now, and the most that it ever held."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return resident, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


# ---- faults that this must find


def planted() -> list[Fault]:
    """An engine, or a reader, that has one more of something."""
    call, enter, host, frames = (
        getattr(Reference, name) for name in ("_call_service", "_enter", "_host", "run_frames")
    )

    def one_more(word: int, method: Callable[..., Any]) -> Callable[..., Any]:
        def changed(engine: Any, *given: Any) -> Any:
            engine.state[word] += 1
            try:
                return method(engine, *given)
            finally:
                engine.state[word] -= 1

        return changed

    def kept(machine: Machine, *given: Any) -> Any:
        machine.kept = b"x" * (100 << 20)  # type: ignore[attr-defined]
        return run(machine, *given)

    run = Machine.run
    more = tuple((name, least, most + (name == "coroutines")) for name, least, most in limiting._RANGES)
    return [
        Fault("a machine keeps more than it declares", patched(Machine, "run", kept)),
        Fault("the reference logs a byte more", patched(Reference, "_call_service", one_more(_LOG_LIMIT, call))),
        Fault("the reference calls one deeper", patched(Reference, "_enter", one_more(layout.DEPTH_LIMIT, enter))),
        Fault(
            "the reference's stack is a word longer", patched(Reference, "_enter", one_more(layout.STACK_LIMIT, enter))
        ),
        Fault(
            "the reference makes a host call more", patched(Reference, "_host", one_more(layout.HOST_CALL_LIMIT, host))
        ),
        Fault("the reference takes a word more", patched(Reference, "run_frames", one_more(layout.HEAP_LIMIT, frames))),
        Fault(
            "the reference collects a word later",
            patched(Reference, "run_frames", one_more(layout.GC_THRESHOLD, frames)),
        ),
        Fault("a frame larger than the stack is loaded", patched(loading, "_misfits", lambda *_: [])),
        Fault("a function may have a slot more", patched(structure, "MAX_LOCALS", 1025)),
        Fault("a host may allow a coroutine more", patched(limiting, "_RANGES", more)),
    ]
