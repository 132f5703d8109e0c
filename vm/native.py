"""The native core in this process: object files from the cache, or made first, loaded by llvmlite alone.

A core consists of parts (`native_build`); an image needs the kernels, the steps and the host modules that it calls. Parts are kept
in the cache, and made again where it has none that can be trusted.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from llvmlite import binding as llvm

from ..contract import InternalError, UsageError
from ..contract.notices import notify
from ..host import Registry, standard
from . import cache
from .cache import Folder
from .handlers import TABLE
from .kinds import VARIANTS
from .native_build import (
    CONVENTIONS,
    RUN_CALL,
    RUN_FRAMES,
    RUN_JOBS,
    STEP_PARTS,
    build_part,
    handler_numbers,
    rows,
)
from .target import Target, target, target_machine

STEPS = tuple(f"steps{i}" for i in range(STEP_PARTS))
BASE_PARTS = ("kernels", *STEPS)
WORKERS = 2
BUILD_TIMEOUT_S = 600
PROBE_FAILED = 3  # exit status of a builder whose steps did not compute what they should
KIND = "native"  # of these entries of the cache
_PLAIN = "plain-calls"  # an entry that says: the fast calling convention failed here


class Core:
    """Loaded parts for one host, and where their handlers are. One per process, host and target; see `core`."""

    def __init__(self, registry: Registry) -> None:
        self.registry, self.target = registry, target()
        self.rows = rows(registry)
        self.numbers: Mapping[object, int] = handler_numbers(registry)
        self.handlers: npt.NDArray[np.int64] = np.zeros(len(VARIANTS) + len(self.rows), np.int64)
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
        self._loaded: set[str] = set()

    @functools.cached_property
    def run_frames(self) -> Callable[[int, int], int]:
        """`kernels.frames.run_frames`: addresses of a context and of its other arguments. After `require`."""
        return self._entry(RUN_FRAMES)

    @functools.cached_property
    def run_call(self) -> Callable[[int, int], int]:
        """`kernels.frames.run_call`, likewise."""
        return self._entry(RUN_CALL)

    @functools.cached_property
    def run_frames_address(self) -> int:
        """Where `run_frames` is, for jobs."""
        return int(self._engine.get_function_address(RUN_FRAMES))

    @functools.cached_property
    def run_jobs(self) -> Callable[[int, int], int]:
        """Calls of the others, one after the other: addresses of jobs (`context`), and of how many are taken and there."""
        return self._entry(RUN_JOBS)

    def address_of(self, symbol: str) -> int:
        """Where a kernel or service is, by its symbol. After `require` of its part."""
        address: int = self._engine.get_function_address(symbol)
        if not address:
            raise InternalError(f"{symbol} is in no loaded part")
        return address

    def _entry(self, symbol: str) -> Callable[[int, int], int]:
        prototype = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
        return prototype(self._engine.get_function_address(symbol))

    def require(self, modules: Iterable[str]) -> None:
        """Load what is missing of the base and of these host modules, making it first where need be."""
        if target() != self.target:
            raise InternalError("parts for one target, wanted in a core for another")
        wanted = [part for part in (*BASE_PARTS, *sorted(set(modules))) if part not in self._loaded]
        if not wanted:
            return
        for data in _parts(self.registry, wanted).values():
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(data))
        self._engine.finalize_object()
        for part in wanted:
            self._loaded.add(part)
            if part != "kernels":
                self._take_handlers(part)

    def _take_handlers(self, part: str) -> None:
        address = self._engine.get_function_address(f"{TABLE}{part}")
        table = ctypes.CFUNCTYPE(ctypes.c_int64)(address)()
        if part in STEPS:
            numbers = list(range(STEPS.index(part), len(VARIANTS), STEP_PARTS))
        else:
            numbers = [len(VARIANTS) + i for i, service in enumerate(self.rows) if service.module == part]
        self.handlers[numbers] = (ctypes.c_int64 * len(numbers)).from_address(table)[:]


_CORES: dict[tuple[int, Target], Core] = {}  # a core keeps its registry, so that the id stays its own


def core(registry: Registry) -> Core:
    """The core for a host. Raises UsageError("engine_unavailable") where its parts can neither be loaded nor made."""
    key = id(registry), target()
    if key not in _CORES:
        _CORES[key] = Core(registry)
    return _CORES[key]


# ---- parts ---------------------------------------------------------------------------------------------------------------


def _parts(registry: Registry, wanted: Sequence[str]) -> dict[str, bytes]:
    """Object code by part. For a host of our own making from the cache; for any other its modules are made here and now."""
    if registry is standard():
        return _standard_parts(wanted)
    base = [part for part in wanted if part in BASE_PARTS]
    found = _standard_parts(base) if base else {}
    return found | {part: build_part(part, registry, convention()) for part in wanted if part not in found}


def _standard_parts(wanted: Sequence[str]) -> dict[str, bytes]:
    kept = cache.current()
    found = {} if kept is None else {part: data for part in wanted if (data := kept.read(KIND, part)) is not None}
    if kept is not None and (len(found) == len(wanted) or os.access(kept.path, os.W_OK)):
        return _completed(kept, wanted, found)
    with tempfile.TemporaryDirectory(prefix="pbs-core-") as made:
        return _completed(Folder(Path(made)), wanted, found)


def _completed(folder: Folder, wanted: Sequence[str], found: dict[str, bytes]) -> dict[str, bytes]:
    missing = [part for part in wanted if part not in found]
    if missing:
        notify(f"compiling {', '.join(missing)} for this machine; this happens once")
        _build(folder, missing)
        for part in missing:
            data = folder.read(KIND, part)
            if data is None:
                raise InternalError(f"{part} was made but cannot be read back")
            found[part] = data
    return {part: found[part] for part in wanted}


def _build(folder: Folder, missing: Sequence[str]) -> None:
    """Make parts with up to WORKERS processes at a time; steps go together, for they are tried out once made."""
    chosen = convention()
    jobs: list[list[str]] = [[part] for part in missing if part not in STEPS]
    if any(part in STEPS for part in missing):
        jobs.insert(1, list(STEPS))
    queues: list[list[str]] = [[] for _ in range(min(WORKERS, len(jobs)))]
    for job in jobs:  # the longest come first in a core's parts: give each to whoever has least to do
        min(queues, key=lambda queue: sum(_WEIGHT.get(part, 1) for part in queue)).extend(job)
    processes = [_start(chosen, folder, queue) for queue in queues]
    for process in processes:
        try:
            _, errors = process.communicate(timeout=BUILD_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
        if process.returncode == PROBE_FAILED and chosen != CONVENTIONS[-1]:
            for other in processes:
                other.communicate()
            folder.write(KIND, _PLAIN, b"")
            _FAILED.add(chosen)
            _build(folder, missing)
            return
        if process.returncode != 0:
            last = errors.strip().splitlines()[-1:] or ["no message"]
            raise UsageError("engine_unavailable", subject="interpreter", details={"reason": last[0][:200]})


_WEIGHT = {"kernels": 6, "gfx": 4, "math": 3, "steps0": 2, "steps1": 2}


_FAILED: set[str] = set()  # conventions that a trial in this process failed; without a cache nothing else says so


def convention() -> str:
    """The calling convention of handlers: the fast one, unless a trial on this machine failed."""
    if CONVENTIONS[0] in _FAILED or cache.read(KIND, _PLAIN) is not None:
        return CONVENTIONS[-1]
    return CONVENTIONS[0] if platform.machine() in ("x86_64", "AMD64") else CONVENTIONS[-1]


def _start(chosen: str, folder: Folder, queue: Sequence[str]) -> subprocess.Popen[str]:
    """A builder process. It stands in the private folder and sees none of numba's or Python's settings around us."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "PYTHON"))}
    environment |= {"NUMBA_OPT": "0", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    package = Path(__file__).resolve().parent.parent
    source = package if package.name != "pbs" else package.parent
    where = next((p for p in sys.path if p and (Path(p) / "pbs" / "vm").exists()), str(source))
    program = (
        f"import sys; sys.path.insert(0, {where!r})\n"
        f"from pbs.vm.native_build import main\n"
        f"from pbs.vm.target import Target\n"
        f"main({chosen!r}, {str(folder.path)!r}, {list(queue)!r}, {target()!r})"
    )
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own text
        [sys.executable, "-P", "-c", program],
        cwd=folder.path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
