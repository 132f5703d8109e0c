"""The kernels: small programs that each stress one thing, in assembly here and in WebAssembly beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..contract.limits import PROFILES
from ..loader import Image, assemble, load

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One kernel. Its export and its WebAssembly function have its name, take one int and give one."""

    name: str
    argument: int
    result: int
    units: int  # in one run with that argument
    unit: str
    stresses: str
    module: str = "kernels.wasm"

    def image(self) -> Image:
        """The kernel, loaded, under the largest limits."""
        path = FOLDER / "kernels" / f"{self.name}.pbasm"
        program = assemble(path.read_text(encoding="utf-8"), source=path.name)
        return load(program, limits=PROFILES["ADVANCED"])

    def wasm(self) -> bytes:
        """The module that holds the peer function."""
        return (FOLDER / "peers" / self.module).read_bytes()


KERNELS = (
    Kernel(
        name="fib",
        argument=32,
        result=2178309,
        units=7049155,
        unit="call",
        stresses="calls and returns",
        module="fib.wasm",
    ),
    Kernel(name="collatz", argument=100000, result=10753840, units=10753840, unit="step", stresses="branches on data"),
    Kernel(name="sieve", argument=1000000, result=78498, units=23877130, unit="store or scan", stresses="int arrays"),
    Kernel(name="mandel", argument=512, result=7955066, units=7955066, unit="step", stresses="floats"),
    Kernel(name="matmul", argument=200, result=47998000, units=8000000, unit="multiply-add", stresses="float arrays"),
    Kernel(
        name="mix",
        argument=20000000,
        result=2550603707,
        units=20000000,
        unit="turn",
        stresses="a chain of int operations",
    ),
)
