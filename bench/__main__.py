"""`python -m pbs.bench`: kernels against wasm3, and cartridges in frames per second.

--rounds N      how often each side runs (5)
--json FILE     keep the raw samples
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..contract.files import write_bytes
from ..loader import load
from ..replay import Trace
from ..vm import Machine
from .suite import FOLDER, KERNELS, Kernel
from .timing import Samples, ratios, stay_on_one_core, take_turns

CARTRIDGES = {"pong": "rally", "life": "gliders", "orbits": "dance"}
FRAMES = 6000


def main(arguments: Sequence[str]) -> int:
    """Run and print both tables; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pbs.bench", description="Kernels against wasm3; frames per second."
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each side runs")
    parser.add_argument("--json", metavar="FILE", help="keep the raw samples")
    chosen = parser.parse_args(arguments)
    stay_on_one_core()
    raw = {"kernels": kernels(chosen.rounds), "frames": frames(chosen.rounds)}
    if chosen.json:
        write_bytes(Path(chosen.json), (json.dumps(raw, indent=2) + "\n").encode("ascii"))
    return 0


# ---- kernels -------------------------------------------------------------------------------------------------------


def kernels(rounds: int) -> dict[str, Any]:
    """Print the table of kernels; the raw samples."""
    print(f"Kernels: the interpreter (cycles metered) and wasm3 (nothing metered), {rounds} rounds in turn, one core")
    print(f"{'kernel':8}  {'one unit is a':14}  {'pbs ns':>7}  {'wasm3 ns':>8}  {'ratio':>6}  {'spread':>13}  stresses")
    raw, medians = {}, []
    for kernel in KERNELS:
        ours, theirs = (samples for samples in _kernel(kernel, rounds).values())
        middle, least, greatest = ratios(ours, theirs)
        medians.append(middle)
        raw[kernel.name] = {"units": kernel.units, "pbs_s": ours.seconds, "wasm3_s": theirs.seconds}
        print(
            f"{kernel.name:8}  {kernel.unit:14}  {_per_unit(ours, kernel):7.2f}  {_per_unit(theirs, kernel):8.2f}  "
            f"{middle:6.3f}  {least:.3f}..{greatest:.3f}  {kernel.stresses}"
        )
    print(f"{'geomean':8}  {'':14}  {'':7}  {'':8}  {statistics.geometric_mean(medians):6.3f}\n")
    return raw


def _kernel(kernel: Kernel, rounds: int) -> dict[str, Samples]:
    return take_turns({"pbs": _ours(kernel), "wasm3": _wasm3(kernel)}, rounds)


def _ours(kernel: Kernel) -> Callable[[], None]:
    image = kernel.image()

    def run() -> None:
        (found,) = Machine(image).call(kernel.name, [kernel.argument])
        _require(kernel, "pbs", found)

    return run


def _wasm3(kernel: Kernel) -> Callable[[], None]:
    import wasm3

    environment = wasm3.Environment()
    runtime = environment.new_runtime(1 << 20)
    runtime.load(environment.parse_module(kernel.wasm()))
    function = runtime.find_function(kernel.name)

    def run() -> None:
        _require(kernel, "wasm3", function(kernel.argument))

    return run


def _require(kernel: Kernel, who: str, found: int) -> None:
    if found != kernel.result:
        sys.exit(f"{who} gives {found} for {kernel.name}, not {kernel.result}")


def _per_unit(samples: Samples, kernel: Kernel) -> float:
    return samples.median / kernel.units * 1e9


# ---- cartridges ----------------------------------------------------------------------------------------------------


def frames(rounds: int) -> dict[str, Any]:
    """Print frames per second; the raw samples."""
    print(
        f"Cartridges: frames per second without a screen, devices and digest included, {rounds} rounds of {FRAMES} frames"
    )
    print(f"{'cartridge':10}  {'frames/s':>9}  {'spread':>15}  {'cycles a frame':>14}  {'Mcycles/s':>9}")
    raw = {}
    for name, take in CARTRIDGES.items():
        folder = FOLDER.parent / "cartridges" / name
        image, trace = load(folder), Trace.read(folder / "golden" / f"{take}.pbt")
        script = list(trace.inputs())
        given = (script * (FRAMES // len(script) + 1))[:FRAMES]
        spent = []

        def run() -> None:
            machine = Machine(image)  # noqa: B023 - run before the next round
            machine.run(FRAMES, given)  # noqa: B023 - as above
            spent.append(machine.cycles)  # noqa: B023 - as above

        samples = take_turns({name: run}, rounds)[name]
        rates = sorted(FRAMES / seconds for seconds in samples.seconds)
        cycles = spent[0] / FRAMES
        print(
            f"{name:10}  {statistics.median(rates):9,.0f}  {rates[0]:6,.0f}..{rates[-1]:7,.0f}  {cycles:14,.0f}  "
            f"{cycles * statistics.median(rates) / 1e6:9,.0f}"
        )
        raw[name] = {"frames": FRAMES, "seconds": samples.seconds}
    return raw


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
