"""R1: random valid programs do the same in every engine configuration: frames, traps, cycles, digests, state.

A program is a seed and a size. Configurations: the reference; the interpreter with its records fused, as they come (`plain`), and
with every frame cut into host ticks of odd sizes (`sliced`); at full scale also on cores that LLVM made at -O0, at -O3 and for no
processor in particular, and without accumulators and without fusion alone. Each sixteenth program goes through its bytes, and
its whole state in the end is compared as well.
"""

from __future__ import annotations

import struct
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from pbs.contract import InternalError
from pbs.contract.files import write_bytes
from pbs.contract.limits import Limits
from pbs.host import standard
from pbs.host.devices import HOST_CALLS
from pbs.isa.container import decode, encode
from pbs.isa.disassembler import disassemble
from pbs.isa.program import Program
from pbs.isa.table import ROWS
from pbs.loader import Image
from pbs.loader.loading import make_image
from pbs.vm import layout, reference
from pbs.vm.exact_words import ExactWords
from pbs.vm.machine import Input
from tests.support.cartridge import cartridge_of
from tests.support.compare import CORES, ROOMY, SMALL, Outcome, differences, dump, machine_on, observed, random_inputs
from tests.support.programs import random_program, rows_used
from tests.support.shrink import smaller

from .checks import Disproved, Fault, Figures, Scale, patched, without_collector

SHARDS = {Scale.TEST: 16, Scale.SOAK: 64}
PROGRAMS = {Scale.TEST: 20_480, Scale.SOAK: 524_288}
CONFIGURATIONS = {
    Scale.TEST: ("interpreter", "plain", "sliced"),
    Scale.SOAK: ("interpreter", "plain", "sliced", *CORES, "no accumulators", "no fusion"),
}
FRAMES = 3
MAX_TICKS = 1 << 16
_UNSLICED = {"sliced": "interpreter", "compiled, sliced": "compiled"}  # what is cut into ticks of a few cycles
SLICES = (37, 211, 1031)  # cycles a host tick
SIZES = (*([1] * 96), *([2] * 96), *([3] * 60), 10, 10, 20, 40)  # statements: many small programs, some large
THROUGH_BYTES = 16  # every so manieth program


def check(scale: Scale, shard: int, shards: int) -> Figures:
    """Programs shard, shard + shards, ... of the scale."""
    figures: Counter[str] = Counter()
    seen: set[str] = set()
    with without_collector():
        for seed in range(shard, PROGRAMS[scale], shards):
            program = program_of(seed)
            seen |= rows_used([program]) if len(seen) < len(ROWS) - 1 else set()
            compare(program, seed, CONFIGURATIONS[scale])
            figures["programs"] += 1
            figures["runs"] += 1 + len(CONFIGURATIONS[scale])
    missing = {row.name for row in ROWS} - seen - {"SYSCALL"}  # which only loading makes
    if missing:
        raise Disproved(f"the programs of shard {shard} never use {sorted(missing)}")
    if shard == 0:
        figures.update({"rows": len(seen), "configurations": 1 + len(CONFIGURATIONS[scale])})
    return figures


def program_of(seed: int) -> Program:
    """The random program with this number."""
    rng = Random(seed)
    return random_program(rng, size=rng.choice(SIZES))


def limits_of(seed: int) -> Limits:
    """The limits it runs with: half of the programs meet them."""
    return ROOMY if seed & 1 else SMALL


def image_of(program: Program, seed: int) -> Image:
    """Its image. Not by way of a file, which would take most of the time, but for some."""
    if seed % THROUGH_BYTES == 0:
        data = encode(program)
        program = decode(data)
        if encode(program) != data:
            raise Disproved(f"program {seed} comes back from its bytes as another")
    return make_image(program, None, [], standard(), limits_of(seed), bytes(32), b"", ())


def compare(program: Program, seed: int, configurations: Sequence[str]) -> None:
    """Raises Disproved with the smallest program that still tells two configurations apart."""
    found = difference(program, seed, configurations)
    if found:
        small = smaller(program, lambda candidate: difference(candidate, seed, configurations) is not None)
        raise Disproved(
            f"program {seed}: {difference(small, seed, configurations)}\n{disassemble(small)}\n"
            f"python -m tests.proof fuzz --seed {seed} --seconds 0 writes it to a file"
        )


def difference(program: Program, seed: int, configurations: Sequence[str]) -> str | None:
    """What the configurations do differently, if they do."""
    image = image_of(program, seed)
    inputs = random_inputs(Random(seed), FRAMES)
    try:
        expected, state = run_on(image, "reference", seed, inputs)
    except InternalError as mistake:
        return f"reference: {mistake}"
    for configuration in configurations:
        outcome, left = run_on(image, configuration, seed, inputs)
        if outcome != expected:
            return f"{configuration} is not the reference\n{_first_difference(expected, outcome)}"
        if state != left:
            return f"{configuration} leaves other {differences(state, left)} than the reference"
    return None


def run_on(image: Image, configuration: str, seed: int, inputs: list[Input]) -> tuple[Outcome, Mapping[str, object]]:
    """What is observed, and in the end the whole state of a machine that goes on (its digest has said most of it before)."""
    machine = machine_on(image, _UNSLICED.get(configuration, configuration), seed)
    if configuration in _UNSLICED:
        machine.state[layout.FRAME_BUDGET] = SLICES[seed % len(SLICES)]
    results = machine.advance(inputs, MAX_TICKS)
    state = {} if machine.ended or seed % THROUGH_BYTES else dump(machine)
    if state:
        state["control"][layout.TICKS] = 0  # the host's own count
    return observed(results, machine), state


def _first_difference(expected: Outcome, outcome: Outcome) -> str:
    for a, b in zip(expected.frames, outcome.frames, strict=False):
        if a != b:
            return f"  expected {a}\n  found    {b}"
    return f"  {len(expected.frames)} frames expected, {len(outcome.frames)} found"


def fuzz(*, seconds: float, seed: int, keep: Path) -> int:
    """Programs from number `seed` on, for that long (at least one); 1 and a file that `pbs run` plays where one tells."""
    start, number = time.monotonic(), seed
    seen: set[str] = set()
    while number == seed or time.monotonic() - start < seconds:
        program = program_of(number)
        seen |= rows_used([program])
        if difference(program, number, CONFIGURATIONS[Scale.SOAK]):
            return _keep(program, number, keep)
        number += 1
    spent = time.monotonic() - start
    rows = len(ROWS) - 1  # all but SYSCALL
    print(f"{number - seed} programs in {spent:.1f} s, {(number - seed) / spent:.0f} a second, no difference")
    print(f"{len(seen)} of {rows} instructions used ({100 * len(seen) / rows:.0f} %)")
    return 0


def _keep(program: Program, number: int, keep: Path) -> int:
    small = smaller(program, lambda p: difference(p, number, CONFIGURATIONS[Scale.SOAK]) is not None)
    write_bytes(keep, cartridge_of(small, limits_of(number)))
    script = keep.with_suffix(".inputs")
    lines = []
    for given in random_inputs(Random(number), FRAMES):
        touch = [] if given.touch is None else ["touch", f"{given.touch[0]},{given.touch[1]}"]
        lines.append(" ".join(["1", *sorted(given.buttons), *touch]))
    write_bytes(script, ("\n".join(lines) + "\n").encode())
    print(f"program {number}: {difference(small, number, CONFIGURATIONS[Scale.SOAK])}\n{disassemble(small)}")
    print(f"pbs run {keep} --input {script} --seed {number} --engine reference --json")
    print(f"pbs run {keep} --input {script} --seed {number} --engine interpreter --json")
    return 1


def planted() -> list[Fault]:
    """Faults of one engine that this check must find."""
    return [
        Fault("a wrong sum", patched(ExactWords, "add", lambda _self, a, b: a ^ b)),
        Fault("a signed comparison where it is unsigned", patched(ExactWords, "lt_u", ExactWords.lt_s)),
        Fault("an unsigned comparison where it is signed", patched(ExactWords, "lt_s", ExactWords.lt_u)),
        Fault("a NaN with other bits", patched(reference, "float_bits", _any_nan)),
        Fault("a float operation in another order", patched(ExactWords, "fsub", lambda _self, a, b: b - a)),
        Fault("a stored byte that is not cut off", patched(reference.Reference, "store_byte", _wide_byte)),
        Fault("a host call that is not counted", patched(reference, "HOST_CALLS", HOST_CALLS + 1)),
    ]


def _any_nan(value: float) -> int:
    bits: int = struct.unpack("<Q", struct.pack("<d", value))[0]
    return bits | (1 << 63) if value != value else bits


def _wide_byte(engine: reference.Reference, at: int, value: int) -> None:
    engine.heap_bytes[at] = min(value, 255)
