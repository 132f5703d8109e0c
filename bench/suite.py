"""What is measured: kernels that each stress one thing, in assembly here and in other languages in `peers`; cartridges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ..contract.limits import PROFILES
from ..loader import Image, assemble, load

FULL, SMALL = "full", "small"
SIZES = (FULL, SMALL)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is: the kernel's argument, its result, and how many units of work that is."""

    argument: int
    result: int
    units: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kernel:
    """One kernel. Its export, and its function in every other language, has its name, takes one int and gives one."""

    name: str
    unit: str
    stresses: str
    sizes: Mapping[str, Size]  # small: for the reference, and to try things out

    def program(self) -> bytes:
        """The kernel as a program file."""
        text = files(__package__).joinpath("kernels", f"{self.name}.pbasm").read_text(encoding="utf-8")
        return assemble(text, source=f"{self.name}.pbasm")

    def image(self) -> Image:
        """The kernel, loaded, under the largest limits."""
        return load(self.program(), limits=PROFILES["ADVANCED"])


def _kernel(name: str, unit: str, stresses: str, full: Size, small: Size) -> Kernel:
    return Kernel(name=name, unit=unit, stresses=stresses, sizes={FULL: full, SMALL: small})


KERNELS = (
    _kernel("fib", "call", "calls and returns", Size(32, 2178309, 7049155), Size(15, 610, 1973)),
    _kernel("collatz", "step", "branches on data", Size(100000, 10753840, 10753840), Size(300, 14167, 14167)),
    _kernel("sieve", "store or scan", "int arrays", Size(1000000, 78498, 23876030), Size(500, 95, 9545)),
    _kernel("mandel", "step", "floats", Size(512, 7955066, 7955066), Size(16, 8279, 8279)),
    _kernel("matmul", "multiply-add", "float arrays", Size(200, 47998000, 8000000), Size(10, 5900, 1000)),
    _kernel("mix", "turn", "a chain of int operations", Size(20000000, 2550603707, 20000000), Size(2000, 250539, 2000)),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Game:
    """A cartridge that comes with PBS, and the golden recording that gives its input."""

    name: str
    recording: str
    frames: Mapping[str, int]  # in one run, by size; the recorded input is repeated as often as need be

    @property
    def folder(self) -> Path:
        """The cartridge's directory."""
        return Path(str(files("pbs.cartridges").joinpath(self.name)))

    @property
    def trace(self) -> Path:
        """The golden recording."""
        return self.folder / "golden" / f"{self.recording}.pbt"


GAMES = tuple(
    Game(name=name, recording=recording, frames={FULL: 6000, SMALL: 5})
    for name, recording in (("pong", "rally"), ("life", "gliders"), ("orbits", "dance"))
)
