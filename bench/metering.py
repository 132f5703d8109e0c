"""`python -m pbs.bench.metering`: what counting cycles costs compiled code, against the same code that does not count.

--rounds N      how often each kernel runs with and without, in turn (9)
--size SIZE     full or small (full)
--json          the object instead of the table
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import InternalError
from ..contract.release import VERSION
from ..loader import Image
from ..verifier import Block
from ..vm import Machine
from ..vm.compiled.function import FunctionCode
from ..vm.compiled.image import Code, CompiledImage
from ..vm.compiled.objects import Level
from ..vm.compiled.plan import Plan
from ..vm.interpreter import Interpreter, native_image
from .suite import FULL, KERNELS, SIZES, Kernel
from .surroundings import machine_line, machine_object
from .timing import Job, Measured, Run, on_one_core, take_turns

METERED, UNMETERED = "metered", "unmetered"


class UnmeteredCode(FunctionCode):
    """Writes a function that neither pays nor asks whether it can. It may run for ever: PBS never runs such code.

    All other ways out are left: traps, frames that are too deep, callees that left the machine.
    """

    def _pay(self) -> None:
        pass

    def _checkpoint(self, block: Block) -> None:
        if block.start == 0 and self.resumed is None and not self.copy:
            self._guard_resume(self._is_deep(), block, self._operands(block) if block.stack else [])


WRITERS = {METERED: FunctionCode, UNMETERED: UnmeteredCode}


class _Written(Interpreter):
    """Runs code that one writer wrote, and keeps it."""

    def __init__(self, image: Image, state: npt.NDArray[np.int64], compiled: CompiledImage) -> None:
        self.compiled = compiled
        super().__init__(image, state, native=compiled.native)


def machine_of(image: Image, writer: type[FunctionCode]) -> Machine:
    """A machine with every function compiled with all passes, by this writer; nothing of it goes to the cache."""
    compiled = CompiledImage(image, native_image(image).with_own_records())
    functions = range(len(image.facts.functions))
    plan = Plan(image, compiled.records, [(index, 0) for index in functions], functions, inlining=True)
    compiled.install(Code(plan, Level.FULL, writer), keep=False)
    return Machine(image, engine=partial(_Written, compiled=compiled))


def measure(rounds: int, size: str) -> dict[str, Any]:
    """Every kernel with and without, in turn, as an object. Raises InternalError where a result is not the kernel's."""
    jobs = {
        f"{kernel.name} {name}": _job(kernel, size, writer) for kernel in KERNELS for name, writer in WRITERS.items()
    }
    with on_one_core():
        measured = take_turns(jobs, rounds)
    kernels = [_kernel(kernel, measured) for kernel in KERNELS]
    means = [statistics.geometric_mean(kernel["ratios"][i] for kernel in kernels) for i in range(rounds)]
    return {
        "release": VERSION,
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": machine_object(),
        "size": size,
        "rounds": rounds,
        "kernels": kernels,
        "geomean": _spread(means),
    }


def _job(kernel: Kernel, size: str, writer: type[FunctionCode]) -> Job[int]:
    """Every run finds the same state, in memory that was used before. It comes to the cycles that were counted."""
    given = kernel.sizes[size]
    machine = machine_of(kernel.image(), writer)
    start = machine.snapshot()

    def run() -> int:
        (found,) = machine.call(kernel.name, [given.argument])
        if found != given.result:
            raise InternalError(f"{kernel.name} gives {found}, not {given.result}")
        return machine.cycles

    def prepare() -> Run[int]:
        machine.restore(start)
        return run

    return Job(prepare)


def _kernel(kernel: Kernel, measured: Mapping[str, Measured[int]]) -> dict[str, Any]:
    sides = {name: measured[f"{kernel.name} {name}"] for name in WRITERS}
    seconds = {name: side.samples.seconds for name, side in sides.items()}
    ratios = [slow / fast for slow, fast in zip(seconds[METERED], seconds[UNMETERED], strict=True)]
    return {
        "name": kernel.name,
        **_spread(ratios),
        "ratios": ratios,
        "cycles": {name: side.result for name, side in sides.items()},
        "seconds": seconds,
    }


def _spread(ratios: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(ratios), "least": min(ratios), "greatest": max(ratios)}


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The object as a table: how much longer metered code takes."""
    yield f"PBS {report['release']}, engine compiled, size {report['size']}, {report['rounds']} rounds in turn"
    yield machine_line(report["machine"])
    yield ""
    yield f"{'kernel':10}  {'metering':>8}  spread"
    for row in [*report["kernels"], {"name": "geomean", **report["geomean"]}]:
        yield f"{row['name']:10}  {cost(row['median']):>8}  {cost(row['least'])}..{cost(row['greatest'])}"


def cost(ratio: float) -> str:
    """How much longer, in words."""
    return f"{(ratio - 1) * 100:+.1f} %"


def main(arguments: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pbs.bench.metering", description="What counting cycles costs.")
    parser.add_argument("--rounds", type=int, default=9, help="how often each kernel runs with and without, in turn")
    parser.add_argument("--size", choices=SIZES, default=FULL, help="of the kernels")
    parser.add_argument("--json", action="store_true", help="the object instead of the table")
    chosen = parser.parse_args(arguments)
    report = measure(chosen.rounds, chosen.size)
    print(json.dumps(report, indent=2) if chosen.json else "\n".join(lines(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
