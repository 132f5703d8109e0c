"""Who runs beside us: one row each, how it is found, and how it is installed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from ...vm.machine import ENGINES

COMPILER, JIT, INTERPRETER = "compiler", "jit", "interpreter"
MANY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A program that runs the kernels. It needs either a program on the path or a package of this Python."""

    name: str
    kind: str
    program: str | None = None
    package: str | None = None
    flags: tuple[str, ...] = ()  # before the source
    source: str = ""
    options: tuple[str, ...] = ()  # behind the source
    install: str
    metered: bool = False  # counts what it executes, as our engines do
    rounds_at_most: int = MANY  # what is a hundred times slower is timed less often
    ours: bool = False

    @property
    def is_here(self) -> bool:
        """Whether what it needs is installed."""
        if self.program is not None:
            return shutil.which(self.program) is not None
        return self.package is None or find_spec(self.package) is not None

    @property
    def is_compiled(self) -> bool:
        """Whether its program is first made from the source."""
        return self.kind == COMPILER and self.program is not None

    @property
    def release(self) -> str | None:
        """The version of a package; programs have too many ways to tell theirs."""
        try:
            return None if self.package is None else version(self.package)
        except PackageNotFoundError:
            return None


def our_peers(engines: Sequence[str] = ENGINES) -> list[Peer]:
    """Every engine that there is; not the reference, which is no engine for speed, and not auto, which is one of the others."""
    return [
        Peer(name=f"pbs {engine}", kind=INTERPRETER if engine == "interpreter" else JIT, options=(engine,), install="",
             metered=True, ours=True)
        for engine in engines
        if engine not in ("auto", "reference")
    ]  # fmt: skip


def _apt(package: str) -> str:
    return f"apt-get install {package}"


_PIP = "pip install 'pbs-machine[bench]'"
_C, _LUA, _PYTHON, _WASMTIME = "kernels.c", "kernels.lua", "kernels.py", "wasmtime_kernels.py"

PEERS = (
    Peer(name="gcc -O2", kind=COMPILER, program="gcc", flags=("-O2",), source=_C, install=_apt("gcc libc6-dev")),
    Peer(name="clang -O2", kind=COMPILER, program="clang", flags=("-O2",), source=_C, install=_apt("clang")),
    Peer(name="wasmtime", kind=COMPILER, package="wasmtime", source=_WASMTIME, options=("plain",), install=_PIP),
    Peer(name="wasmtime fuel", kind=COMPILER, package="wasmtime", source=_WASMTIME, options=("fuel",), install=_PIP,
         metered=True),
    Peer(name="luajit", kind=JIT, program="luajit", source=_LUA, install=_apt("luajit")),
    Peer(name="node", kind=JIT, program="node", source="kernels.js", install=_apt("nodejs")),
    Peer(name="pypy", kind=JIT, program="pypy3", source=_PYTHON, install=_apt("pypy3")),
    Peer(name="wasm3", kind=INTERPRETER, package="wasm3", source="wasm3_kernels.py", install=_PIP),
    Peer(name="luajit -joff", kind=INTERPRETER, program="luajit", flags=("-joff",), source=_LUA, install=_apt("luajit")),
    Peer(name="lua 5.4", kind=INTERPRETER, program="lua5.4", source=_LUA, install=_apt("lua5.4")),
    Peer(name="wasmtime pulley", kind=INTERPRETER, package="wasmtime", source=_WASMTIME, options=("pulley",), install=_PIP),
    Peer(name="cpython", kind=INTERPRETER, program=sys.executable, source=_PYTHON, install="", rounds_at_most=2),
)  # fmt: skip
