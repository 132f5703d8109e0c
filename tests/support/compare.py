"""Running one program on several engines and holding the machines against each other, word by word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from random import Random
from typing import Any

from pbs.contract.limits import PROFILES, Limits
from pbs.host.devices import BUTTONS, ROW_WORDS
from pbs.isa.container import encode
from pbs.isa.program import Program
from pbs.isa.types import FLOAT
from pbs.loader import Image, load
from pbs.vm import FrameResult, Input, Machine, layout
from pbs.vm.interpreter import Interpreter
from pbs.vm.kernels.heap import canonical
from pbs.vm.target import MOST_OPTIMISED, USUAL, Target, aim, target
from tests.support.tiering import FullyCompiled, TieredAtRandom, WhollyCompiled

SMALL = replace(
    PROFILES["JAM"],
    frame_cycles=1 << 20,
    heap_words=600,
    objects=80,
    gc_threshold_words=100,
    stack_words=400,
    call_depth=12,
    coroutines=5,
    host_calls=60,
    log_bytes=200,
)
ROOMY = replace(SMALL, heap_words=4000, objects=400)
CONFIGURATIONS = ("reference", "interpreter", "no accumulators", "no fusion", "plain")
COMPILED = {"lean": WhollyCompiled, "full": FullyCompiled}  # compiled code of every function
# The interpreter on cores for another target: processor (empty: this one) and level.
CORES = {"O0": ("", 0), "O3": ("", MOST_OPTIMISED), "generic CPU": ("generic", USUAL)}


def image_of(program: Program, limits: Limits = SMALL) -> Image:
    """The image of a program, through its bytes."""
    return load(encode(program), limits=limits)


def machine_on(image: Image, configuration: str, seed: int = 0) -> Machine:
    """A machine on the reference, on compiled code of every function or of what the seed draws, or on the interpreter: fusion and
    accumulators switched on or off, or on one of CORES.
    """
    if configuration == "reference":
        return Machine(image, engine="reference", seed=seed)
    if configuration in COMPILED:
        return Machine(image, engine=COMPILED[configuration], seed=seed)
    if configuration == "compiled":
        return Machine(image, engine=partial(TieredAtRandom, seed=seed), seed=seed)
    fuse, accumulators = configuration not in ("no fusion", "plain"), configuration not in ("no accumulators", "plain")
    engine = partial(Interpreter, fuse=fuse, accumulators=accumulators)
    if configuration not in CORES:
        return Machine(image, engine=engine, seed=seed)
    aim(core_target(configuration))
    try:
        return Machine(image, engine=engine, seed=seed)
    finally:
        aim(None)


@cache
def core_target(name: str) -> Target:
    """What one of CORES is made for."""
    cpu, level = CORES[name]
    ours = target()
    return Target(cpu=cpu or ours.cpu, features="" if cpu else ours.features, level=level)


def random_inputs(rng: Random, count: int) -> list[Input]:
    """Some buttons, some touches."""
    inputs = []
    for _ in range(count):
        buttons = frozenset(b for b in BUTTONS if rng.random() < 0.2)
        touch = (rng.randrange(320), rng.randrange(180)) if rng.random() < 0.3 else None
        inputs.append(Input(buttons, touch))
    return inputs


@dataclass(frozen=True)
class Outcome:
    """What a run is observed to do: everything that must be equal everywhere."""

    frames: tuple[Any, ...]
    ended: bool


def observed(results: list[FrameResult], machine: Machine) -> Outcome:
    """Frames without host ticks, which a guest cannot see."""
    return Outcome(
        tuple((r.frame, r.status, r.cycles, r.host_calls, r.digest, r.log, r.trap) for r in results), machine.ended
    )


def dump(machine: Machine) -> dict[str, Any]:
    """The state in canonical form, also inside of a frame: control words, live stack words, globals, objects, heap, devices."""
    state, image = machine.state, machine.image
    words: dict[str, Any] = {"control": [int(w) for w in state[: layout.FRAME_BUDGET]]}
    words["device"] = [int(w) for w in state[layout.DEVICE : layout.DEVICE + 31]]
    rows = int(state[layout.COROUTINE_LIMIT])
    for row in range(rows):
        at = int(state[layout.AT_ROWS]) + row * ROW_WORDS
        if state[at]:
            words[f"row {row}"] = [int(w) for w in state[at : at + ROW_WORDS]]
            words[f"stack {row}"] = _stack(machine, row, int(state[at + layout.DEPTH]))
    for name, count in (("order", state[layout.ORDER_COUNT]), ("sleepers", state[layout.SLEEPER_COUNT])):
        at = machine.layout.offset(name)
        words[name] = [int(w) for w in state[at : at + int(count)]]
    for name, count in (
        ("globals", len(image.program.globals)),
        ("objects", 2 * state[layout.OBJECT_COUNT]),
        ("info", state[layout.OBJECT_COUNT]),
        ("heap_order", state[layout.LIVE_COUNT]),
        ("heap", machine.layout.regions["heap"][1]),
        ("pixels", machine.layout.regions["pixels"][1]),
        ("log", machine.layout.regions["log"][1]),
    ):
        at = machine.layout.offset(name)
        words[name] = state[at : at + int(count)].tobytes()
    return words


def _stack(machine: Machine, row: int, depth: int) -> list[Any]:
    state, facts = machine.state, machine.image.facts
    frames = int(state[layout.AT_FRAMES]) + row * int(state[layout.DEPTH_LIMIT]) * 2
    stack = int(state[layout.AT_STACKS]) + row * int(state[layout.STACK_STRIDE])
    found: list[Any] = []
    for i in range(depth):
        where, base = int(state[frames + 2 * i]), int(state[frames + 2 * i + 1])
        function = facts.functions[where >> 32]
        types = [*function.slots, *function.block_at[where & 0xFFFFFFFF].stack]
        if i + 1 < depth:
            types = types[: int(state[frames + 2 * i + 3]) - base]
        values = [int(state[stack + base + j]) for j in range(len(types))]
        found.append((where, base, [canonical(v) if t == FLOAT else v for v, t in zip(values, types, strict=True)]))
    return found


def differences(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Names of the parts in which two dumps differ."""
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
