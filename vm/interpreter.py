"""The interpreter: verified code as register records, run by handlers that LLVM made of the instructions' meanings."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ..host.devices import VIEWS
from ..loader.image import Image
from . import context, layout
from .addresses import address_of, address_of_buffer
from .code import RECORD, Code
from .image_tables import tables_of
from .native import Core, core
from .stretch import ARGUMENTS, Stretch
from .views import AssetMemory, assets_of, spans

if TYPE_CHECKING:
    from .workers import Workers


class Places(NamedTuple):
    """What stands beside records of one's own."""

    base: npt.NDArray[np.int64]  # addresses of the core's handlers
    counters: npt.NDArray[np.int64]  # for COUNT: entries still to be counted
    following: npt.NDArray[np.int64]  # and the handlers that go on


@dataclass(frozen=True, eq=False, kw_only=True)
class NativeImage:
    """What machines of one image share: records, tables, assets."""

    core: Core
    code: Code
    records: npt.NDArray[np.int64]  # they begin with the handler to run: the core's, or what the places lead to
    places: Places | None  # where handlers may be other than the core's
    functions: npt.NDArray[np.int64]  # rows of context.FUNCTION_WORDS
    tables: npt.NDArray[np.int64]
    assets: AssetMemory
    context: npt.NDArray[np.int64]  # what is the same in the contexts of all machines

    def with_own_records(self) -> NativeImage:
        """The same with records that may lead elsewhere."""
        native = _bound(self.core, self.code, self.tables, self.assets)
        base = native.records[:, 0].copy()
        places = Places(base, np.zeros(len(base), np.int64), base.copy())
        words = (context.BASE, context.COUNTERS, context.NEXT)
        native.context[words,] = [address_of(place) for place in places]
        return replace(native, places=places)


_CODES: WeakKeyDictionary[Image, dict[tuple[bool, bool], Code]] = WeakKeyDictionary()  # the same for every core
_MODULES: WeakKeyDictionary[Image, set[str]] = WeakKeyDictionary()  # of images that were kept
_IMAGES: WeakKeyDictionary[Image, dict[tuple[Core, bool, bool], NativeImage]] = WeakKeyDictionary()


def core_of(image: Image) -> Core:
    """The core of its host."""
    return core(None if image in _MODULES else image.registry)


def native_image(image: Image, *, fuse: bool = True, accumulators: bool = True) -> NativeImage:
    """The image made ready for the handlers, once per image. Results never depend on `fuse` and `accumulators`."""
    loaded = core_of(image)
    made = _IMAGES.setdefault(image, {})
    if (loaded, fuse, accumulators) not in made:
        loaded.require(modules_of(image))
        codes = _CODES.setdefault(image, {})
        if (fuse, accumulators) not in codes:
            from .encode import encode

            codes[fuse, accumulators] = encode(image, loaded.numbers, fuse=fuse, accumulators=accumulators)
        made[loaded, fuse, accumulators] = _bound(loaded, codes[fuse, accumulators], tables_of(image), assets_of(image))
    return made[loaded, fuse, accumulators]


def _bound(loaded: Core, code: Code, tables: npt.NDArray[np.int64], assets: AssetMemory) -> NativeImage:
    records = code.bound(loaded.handlers)
    functions = code.functions.copy()
    at_records = address_of(records)
    functions[:, 0] = at_records + RECORD * functions[:, 0]
    shared = np.zeros(context.CONTEXT_WORDS, np.int64)
    words = shared.data
    words[context.IMAGE] = address_of(tables)
    words[context.FUNCTIONS] = address_of(functions)
    words[context.RECORDS] = at_records
    words[context.WHERE] = address_of(code.where)
    words[context.REST] = address_of(code.rest)
    words[context.OPCODES] = address_of(code.opcodes)
    words[context.LEADERS] = address_of(code.leaders)
    words[context.LEADER_COST] = address_of(code.leader_cost)
    words[context.HELD] = address_of(code.held)
    words[context.BLOCKS] = address_of(code.blocks)
    words[context.BLOCK_COUNT] = len(code.blocks)
    words[context.BLOCK_RECORDS] = address_of(code.block_records)
    return NativeImage(
        core=loaded,
        code=code,
        records=records,
        places=None,
        functions=functions,
        tables=tables,
        assets=assets,
        context=shared,
    )


def modules_of(image: Image) -> set[str]:
    """The host modules that the program calls."""
    if image in _MODULES:
        return _MODULES[image]
    from ..isa.table import BY_NAME

    intrinsic = BY_NAME["INTRINSIC"].opcode
    modules = {service.module for service in image.services.values()}
    for function in image.facts.functions:
        for _, row, immediates in function.instructions:
            if row.opcode == intrinsic:
                modules.add(image.intrinsics[immediates[0]].module)
    return modules


def take_code(image: Image, modules: set[str], code: Code) -> None:
    """What was kept of an image for the standard host: the modules that it calls, and its code, fused and with accumulators."""
    _MODULES[image] = modules
    _CODES[image] = {(True, True): code}


class Interpreter:
    """Runs the turns of one machine on its state, natively."""

    name = "interpreter"

    def __init__(
        self,
        image: Image,
        state: npt.NDArray[np.int64],
        *,
        fuse: bool = True,
        accumulators: bool = True,
        native: NativeImage | None = None,
    ) -> None:
        self.native = native or native_image(image, fuse=fuse, accumulators=accumulators)
        self.state = state
        rows = int(state[layout.COROUTINE_LIMIT]) + 1
        stride = context.CALL_BYTES * (int(state[layout.DEPTH_LIMIT]) + 1)
        self._calls = np.zeros(rows * stride // 8, np.int64)
        self._known = np.zeros(rows, np.int64)
        self._context = self.native.context.copy()
        self._fill_context(stride)
        self.address = address_of(self._context)

    def _fill_context(self, stride: int) -> None:
        cx, state, base = self._context.data, self.state, address_of(self.state)
        cx[context.STATE] = base
        cx[context.GLOBALS] = base + 8 * int(state[layout.AT_GLOBALS])
        cx[context.HEAP] = base + 8 * int(state[layout.AT_HEAP])
        cx[context.OBJECTS] = base + 8 * int(state[layout.AT_OBJECTS])
        cx[context.CALLS] = address_of(self._calls)
        cx[context.CALLS_STRIDE] = stride
        cx[context.KNOWN] = address_of(self._known)
        views = spans(state, self.native.assets)
        for i, name in enumerate(VIEWS):
            memory, first, _ = views[name]
            cx[context.VIEW + i] = first + (base if memory is state else address_of(memory))

    def run_frames(self, inputs: Any, count: int, ticks: int, report: Any, log: Any, log_room: int) -> int:
        """`kernels.frames.run_frames` on this machine, in one native call."""
        places = [address_of_buffer(buffer) for buffer in (inputs, report, log)]
        given = array("q", (places[0], count, ticks, places[1], places[2], log_room))
        done: int = self.native.core.run_frames(self.address, address_of_buffer(given))
        return done

    @staticmethod
    def run_stretch(engines: Sequence[Interpreter], stretch: Stretch, workers: Workers) -> None:
        """Every machine's frames are a job, and threads take one after the other. A job writes to its own machine alone."""
        native = engines[0].native.core
        jobs = np.zeros((len(stretch.slots), context.JOB_WORDS), np.int64)
        jobs[:, context.JOB_ENTRY] = native.run_frames_address
        jobs[:, context.JOB_CONTEXT] = [engines[slot].address for slot in stretch.slots.tolist()]
        stretch.write_arguments(jobs[:, context.JOB_GIVEN : context.JOB_GIVEN + ARGUMENTS])
        taken = np.array([0, len(jobs)], np.int64)
        workers.run(partial(_run_jobs, engines, stretch, jobs, taken), min(len(jobs), stretch.threads))
        stretch.done[:] = jobs[:, context.JOB_RESULT]

    def run_call(self, function: int, arguments: Any, cycles: int) -> int:
        """`kernels.frames.run_call` on this machine, in one native call."""
        at = address_of_buffer(arguments) if len(arguments) else 0
        given = array("q", (function, at, len(arguments), cycles))
        outcome: int = self.native.core.run_call(self.address, address_of_buffer(given))
        return outcome

    def state_replaced(self) -> None:
        """The native call stacks no longer say what the state's frames say."""
        self._known[:] = 0


def _run_jobs(
    engines: Sequence[Interpreter], _stretch: Stretch, jobs: npt.NDArray[np.int64], taken: npt.NDArray[np.int64]
) -> None:
    """Jobs hold addresses. What they lead to is an argument here, so that it stays when an interrupt takes the caller away."""
    engines[0].native.core.run_jobs(address_of(jobs), address_of(taken))
