"""The native core in this process: object files from the cache, or made first, loaded by llvmlite alone.

A core consists of parts (`native_build`); an image needs the kernels, the steps and the host modules that it calls. Parts are kept
in the cache, and made again where it has none that can be trusted (`native_parts`). A part is the numbers of its handlers, in the
order of its table, and object code.
"""

from __future__ import annotations

import ctypes
import functools
import platform
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from llvmlite import binding as llvm

from ..contract import InternalError
from . import cache
from .native_names import BASE_PARTS, CONVENTIONS, KIND, RUN_CALL, RUN_FRAMES, RUN_JOBS, TABLE
from .target import Target, target, target_machine

if TYPE_CHECKING:
    from ..host import Registry

PLAIN = "plain-calls"  # an entry that says: the fast calling convention failed here
FAILED: set[str] = set()  # conventions that a trial in this process failed; without a cache nothing else says so
_COUNT_BYTES = 4


def pack(numbers: list[int], code: bytes) -> bytes:
    """A part: how many handlers it has, their numbers, its object code."""
    return b"".join(word.to_bytes(_COUNT_BYTES, "little") for word in (len(numbers), *numbers)) + code


def unpack(part: bytes) -> tuple[list[int], bytes]:
    """The same, taken apart."""
    end = _COUNT_BYTES * (1 + int.from_bytes(part[:_COUNT_BYTES], "little"))
    words = range(_COUNT_BYTES, end, _COUNT_BYTES)
    return [int.from_bytes(part[at : at + _COUNT_BYTES], "little") for at in words], part[end:]


class Core:
    """Loaded parts for one host, and where their handlers are. One per process, host and target; see `core`.

    registry: the host; None for the standard one, which is loaded only where something has to be made.
    handlers: addresses by number, as far as their parts are loaded.
    """

    def __init__(self, registry: Registry | None) -> None:
        self._registry, self.target = registry, target()
        self.handlers: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
        self._loaded: set[str] = set()

    @property
    def is_standard(self) -> bool:
        """Whether this is the standard host's: then all its parts can be kept."""
        return self._registry is None

    @functools.cached_property
    def numbers(self) -> Mapping[object, int]:
        """Numbers of handlers, as `encode` wants them."""
        from ..host import standard
        from .native_build import handler_numbers

        return handler_numbers(self._registry or standard())

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

    def missing(self, modules: Iterable[str]) -> list[str]:
        """The parts that have to be made before the base and these host modules are loaded; they are loaded where that is none."""
        wanted = self._not_loaded(modules)
        found = self._kept(wanted)
        if len(found) == len(wanted):
            self._load(found)
        return [part for part in wanted if part not in found]

    def require(self, modules: Iterable[str]) -> None:
        """Load what is missing of the base and of these host modules, making it first where need be."""
        wanted = self._not_loaded(modules)
        found = self._kept(wanted)
        missing = [part for part in wanted if part not in found]
        if missing:
            from .native_parts import made_parts

            found |= made_parts(missing, self._registry)
        self._load({part: found[part] for part in wanted})

    def _not_loaded(self, modules: Iterable[str]) -> list[str]:
        if target() != self.target:
            raise InternalError("parts for one target, wanted in a core for another")
        return [part for part in (*BASE_PARTS, *sorted(set(modules))) if part not in self._loaded]

    def _kept(self, wanted: list[str]) -> dict[str, bytes]:
        """Parts by name, as far as the cache has them: those of the standard host."""
        found = {}
        for part in wanted:
            if self._registry is None or part in BASE_PARTS:
                kept = cache.read(KIND, part)
                if kept is not None:
                    found[part] = kept
        return found

    def _load(self, parts: dict[str, bytes]) -> None:
        numbers = {}
        for part, data in parts.items():
            numbers[part], code = unpack(data)
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        if parts:
            self._engine.finalize_object()
        for part in parts:
            self._loaded.add(part)
            if numbers[part]:
                self._take_handlers(part, numbers[part])

    def _take_handlers(self, part: str, numbers: list[int]) -> None:
        address = self._engine.get_function_address(f"{TABLE}{part}")
        table = ctypes.CFUNCTYPE(ctypes.c_int64)(address)()
        if max(numbers) >= len(self.handlers):
            self.handlers = np.concatenate([self.handlers, np.zeros(max(numbers) + 1 - len(self.handlers), np.int64)])
        self.handlers[numbers] = (ctypes.c_int64 * len(numbers)).from_address(table)[:]


_CORES: dict[tuple[int, Target], Core] = {}  # a core keeps its registry, so that the id stays its own


def core(registry: Registry | None) -> Core:
    """The core for a host; None is the standard one. Its parts are loaded or made when they are required."""
    if registry is not None and _is_standard(registry):
        registry = None
    key = id(registry), target()
    found = _CORES.get(key)
    if found is None:
        found = _CORES[key] = Core(registry)
    return found


def _is_standard(registry: Registry) -> bool:
    from ..host.registry import standard

    return registry is standard()


def convention() -> str:
    """The calling convention of handlers: the fast one, unless a trial on this machine failed."""
    if CONVENTIONS[0] in FAILED or cache.read(KIND, PLAIN) is not None:
        return CONVENTIONS[-1]
    return CONVENTIONS[0] if platform.machine() in ("x86_64", "AMD64") else CONVENTIONS[-1]
