"""The reference engine: plain Python, one instruction at a time, exact and paranoid. It is the oracle of all others.

Values carry their kind as a Python class (int, float, bool, Ref), so what the verifier proved is checked again from the values
themselves: at every block the published types, at every instruction the operands, at every ref the object it names. A
failed check is a mistake of ours, never of the guest, and crashes as InternalError.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from ..contract import InternalError
from ..host import Service
from ..host.devices import HOST_CALLS, HOST_DIGEST, ROW_WORDS
from ..host.registry import views_of
from ..isa.table import PROMOTION, ROWS, Flow, Form, Instruction
from ..isa.traps import EXCLUDED, Trap
from ..isa.types import (
    BOOL,
    BYTE,
    FLOAT,
    INT,
    NULL,
    ArrayType,
    ClosedType,
    CoroutineType,
    RecordType,
    SlotType,
    entry_of,
    ref_to,
)
from ..isa.typing import immediate_operands, in_slot, storage
from ..loader.image import Image
from ..verifier import Block, FunctionFacts
from . import layout
from .elements import elements
from .exact_words import MASK, ExactWords, Trapped, bits_float, float_bits, signed
from .host_log import mix
from .image_tables import constant_handle, place, tables_of
from .kernels import coroutines, frames, heap
from .kernels.rebind import Rebinding
from .stretch import Stretch
from .views import asset_memory, plain_views
from .workers import Workers

Value = Any  # int, float, bool or Ref

_FORMS: Mapping[int, Mapping[str, Form]] = {
    row.opcode: {form.name.partition(".")[2]: form for form in row.forms} for row in ROWS
}
_CLASSES: Mapping[Any, type] = {INT: int, FLOAT: float, BOOL: bool}  # of a slot type; all others are refs


class Ref(int):
    """A handle or null in a slot."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Ref({int(self):#x})"


class Frame:
    """One function being run."""

    __slots__ = ("base", "facts", "function", "locals", "pc", "stack")

    def __init__(
        self, function: int, facts: FunctionFacts, pc: int, base: int, local_values: list[Value], stack: list[Value]
    ) -> None:
        self.function, self.facts, self.pc, self.base = function, facts, pc, base
        self.locals, self.stack = local_values, stack


class _Unpaid(Exception):
    """The budget does not cover what an instruction would cost."""


class Reference(ExactWords):
    """Runs the turns of one machine on its state."""

    name = "reference"

    def __init__(self, image: Image, state: npt.NDArray[np.int64]) -> None:
        self.image = image
        self.program = image.program
        self.array = state
        self.state: memoryview[int] = state.data
        self.tables: memoryview[int] = tables_of(image).data
        raw = self.state.cast("B")
        at, size = int(state[layout.AT_HEAP]) * 8, int(state[layout.HEAP_LIMIT]) * 8
        self.heap_bytes: memoryview[int] = elements(self.state, "B")[at : at + size]
        self.heap = raw[at : at + size].cast("Q")
        self.heap_floats = raw[at : at + size].cast("d")
        at, size = int(state[layout.AT_GLOBALS]) * 8, max(int(state[layout.GLOBAL_COUNT]), 1) * 8
        self.globals = raw[at : at + size].cast("Q")
        self.global_floats = raw[at : at + size].cast("d")
        self.views = plain_views(state, asset_memory(image.assets))
        self.kernels = _kernels()

    # ---- what the machine asks of an engine

    def run_frames(self, inputs: Any, count: int, ticks: int, report: Any, log: Any, log_room: int) -> int:
        """`kernels.frames.run_frames` on this machine."""
        done: int = self.kernels["run_frames"](
            self.state,
            self.tables,
            self,
            self.views["device"],
            inputs,
            count,
            ticks,
            report,
            self.views["log"],
            log,
            log_room,
        )
        return done

    @staticmethod
    def run_stretch(engines: Sequence[Reference], stretch: Stretch, workers: Workers) -> None:  # noqa: ARG004 - the same parameters as in every engine
        """One machine after the other, on this thread."""
        for i, slot in enumerate(stretch.slots.tolist()):
            inputs, count, report, log = stretch.of(i)
            stretch.done[i] = engines[slot].run_frames(inputs, count, stretch.ticks, report, log, stretch.log_room)

    def run_call(self, function: int, arguments: Any, cycles: int) -> int:
        """`kernels.frames.run_call` on this machine."""
        outcome: int = self.kernels["run_call"](
            self.state, self.tables, self, function, arguments, len(arguments), cycles
        )
        return outcome

    def state_replaced(self) -> None:
        """Nothing is kept between turns."""

    # ---- a turn

    def turn(self, row: int) -> int:
        """Run a coroutine until its turn ends; see `kernels.frames.turn`."""
        self.row = row
        self.frames = self._load_frames()
        self.budget = self.state[layout.BUDGET]
        try:
            outcome = self._run()
        finally:
            self.state[layout.BUDGET] = self.budget
        if outcome != layout.TRAP:
            self._store_frames(outcome)
        return outcome

    def _run(self) -> int:
        while True:
            frame = self.frames[-1]
            block = frame.facts.block_at[frame.pc]
            self._check_block(frame, block)
            if self.budget < block.cost:
                return layout.OUT_OF_BUDGET
            self.budget -= block.cost
            rest = block.cost
            for position in range(block.first, block.last):
                decoded = frame.facts.instructions[position]
                frame.pc = decoded.pc
                rest -= frame.facts.costs[position]
                try:
                    outcome = self._step(frame, decoded.row, decoded.immediates, position)
                except Trapped as trap:
                    self.budget += rest
                    self._record_trap(frame, decoded.row, trap.code)
                    return layout.TRAP
                except _Unpaid:
                    # Only the first instruction of a block may ask for more, so nothing was done yet.
                    self.budget += block.cost
                    return layout.OUT_OF_BUDGET
                if outcome is not None:
                    return outcome
            if self.frames[-1] is frame and decoded.row.flow not in (Flow.JUMP, Flow.BRANCH, Flow.RETURN):
                frame.pc = block.end

    def _record_trap(self, frame: Frame, row: Instruction, code: int) -> None:
        if code in EXCLUDED:
            raise InternalError(f"the verifier let {Trap(code).name} through at {frame.function}:{frame.pc}")
        if Trap(code) not in row.traps:
            raise InternalError(f"{row.name} raised {Trap(code).name}, which its row does not list")
        self.state[layout.TRAP_CODE] = code
        self.state[layout.TRAP_OPCODE] = row.opcode
        self.state[layout.TRAP_PC] = frame.pc
        self.state[layout.TRAP_FUNCTION] = frame.function

    def _step(self, frame: Frame, row: Instruction, immediates: tuple[Any, ...], position: int) -> int | None:
        """One instruction. None to go on, or how the turn ended."""
        flow = row.flow
        if flow is Flow.NEXT:
            result = self._meaning(frame, row, immediates, position)
            if result is not None:
                frame.stack.append(result)
        elif flow is Flow.MOVE:
            _MOVES[row.name](self, frame, immediates)
        elif flow is Flow.JUMP:
            frame.pc = immediates[0]
        elif flow is Flow.BRANCH:
            taken = row.forms[0].meaning(self, self._pop(frame, bool))
            frame.pc = immediates[0] if taken else frame.pc + row.size
        elif flow is Flow.CALL:
            self._call(frame, immediates[0], row.size)
        elif flow is Flow.CALL_CLOSURE:
            self._call_closure(frame, immediates[0], row.size)
        elif flow is Flow.RETURN:
            return self._return(frame)
        elif flow is Flow.CLOSURE:
            self._make_closure(frame, immediates[0], immediates[1])
        elif flow is Flow.SPAWN:
            self._spawn(frame, immediates[0], immediates[1])
        elif flow is Flow.HOST:
            self._host(frame, row, immediates[0])
        elif flow is Flow.TRAP:
            raise Trapped(Trap.EXPLICIT)
        elif flow is Flow.HALT:
            return layout.HALT
        else:
            assert flow is Flow.SYNC
            frame.pc += row.size
            return layout.SYNCED
        return None

    # ---- meanings

    def _meaning(self, frame: Frame, row: Instruction, immediates: tuple[Any, ...], position: int) -> Value | None:
        operands_after = immediate_operands(self.program, row, immediates) if immediates else ()
        count = len(row.forms[0].takes) - len(operands_after)
        if row.name == "GET_CAPTURE":  # its first operand is the closure in slot 0
            operands: list[Value] = [frame.locals[0]]
            count = 0
        else:
            operands = self._top(frame, count)
        form = self._select(frame, row, immediates, operands)
        resolved, promoted = frame.facts.resolved[position]
        if form is not resolved:
            raise InternalError(f"{row.name} is {form.name} by its operands, not {resolved and resolved.name}")
        words = []
        for kind, operand in zip(form.takes, operands, strict=False):
            words.append(self._operand(kind, operand, promoted & 1))
            promoted >>= 1
        result = form.meaning(self, *words, *operands_after)
        if count:
            del frame.stack[-count:]
        if not form.gives:
            return None
        return self._tagged(result, self._result_type(frame, row, immediates, operands, form))

    def _top(self, frame: Frame, count: int) -> list[Value]:
        if count > len(frame.stack):
            raise Trapped(Trap.STACK_UNDERFLOW)
        return frame.stack[len(frame.stack) - count :]

    def _operand(self, kind: str, value: Value, promoted: int) -> Value:
        """The operand as the algebra's kind `W`, `F` or `T`."""
        if kind == "F":
            if promoted and type(value) is int:
                return PROMOTION.meaning(self, value)
            if type(value) is float and not promoted:
                return value
        elif kind == "T":
            if type(value) is bool:
                return value
        elif type(value) is not float:
            return int(value)
        raise Trapped(Trap.TYPE)

    def _select(self, frame: Frame, row: Instruction, immediates: tuple[Any, ...], operands: Sequence[Value]) -> Form:
        """Which form runs, found from the values alone."""
        if len(row.forms) == 1:
            return row.forms[0]
        names = _FORMS[row.opcode]
        if "int" in names:
            return names["float" if float in map(type, operands) else "int"]
        return names[storage(self._storage_type(frame, row, immediates, operands))]

    def _storage_type(
        self, frame: Frame, row: Instruction, immediates: tuple[int, ...], operands: Sequence[Value]
    ) -> SlotType:
        """The type of the stored value that an instruction reads or writes, found from the object or declaration."""
        if row.name in ("GET_GLOBAL", "SET_GLOBAL"):
            return self.program.globals[immediates[0]]
        if row.name == "GET_CAPTURE":
            captures = frame.facts.function.captures
            assert captures is not None
            return captures[immediates[0]]
        if row.name == "NEW_ARRAY":
            entry = self.program.types[immediates[0]]
            # A new float array is zeroed words like any other.
            return BYTE if isinstance(entry, ArrayType) and entry.element == BYTE else INT
        if not operands[0]:  # null: every form traps alike, but which one was proved is in the facts
            return self._proved_storage(frame)
        entry = self.program.types[entry_of(self.dynamic_type(operands[0]))]
        if isinstance(entry, RecordType):
            return entry.fields[immediates[0]]
        if not isinstance(entry, ArrayType):
            raise Trapped(Trap.TYPE)
        if row.name == "ARRAY_COPY":
            return BYTE if entry.element == BYTE else INT
        return entry.element

    def _proved_storage(self, frame: Frame) -> SlotType:
        position = next(i for i, d in enumerate(frame.facts.instructions) if d.pc == frame.pc)
        form = frame.facts.resolved[position][0]
        assert form is not None
        return {"float": FLOAT, "byte": BYTE}.get(form.name.partition(".")[2], INT)

    def _result_type(
        self, frame: Frame, row: Instruction, immediates: tuple[Any, ...], operands: Sequence[Value], form: Form
    ) -> SlotType:
        if form.gives == "T":
            return BOOL
        if form.gives == "F":
            return FLOAT
        if row.name in ("NEW_ARRAY", "NEW_RECORD"):
            return ref_to(immediates[0])
        if row.name in ("ARRAY_GET", "GET_FIELD", "GET_GLOBAL", "GET_CAPTURE"):
            return in_slot(self._storage_type(frame, row, immediates, operands))
        return INT

    def _tagged(self, value: Value, slot_type: SlotType) -> Value:
        """A word, float or truth as a value of the slot type; refs are followed to see that they name such an object."""
        if slot_type == INT:
            return int(value)
        if slot_type == BOOL:
            if int(value) > 1:
                raise InternalError(f"a bool with the word {value:#x}")
            return bool(value)
        if slot_type == FLOAT:
            return value
        ref = Ref(value)
        if ref and slot_type != NULL and self.dynamic_type(ref) != slot_type:
            raise InternalError(f"{ref!r} is no {slot_type}")
        return ref

    def dynamic_type(self, ref: int) -> SlotType:
        """The type of the object that a handle names, from its layout. A handle that names none is our mistake."""
        entry = ref & heap.LAYOUT_MASK
        info = self.state[self.state[layout.AT_INFO] + entry] if entry < self.state[layout.OBJECT_LIMIT] else 0
        object_layout = info & heap.LAYOUT_MASK
        if object_layout == 0 or info >> layout.INFO_SHIFT != ref >> layout.INFO_SHIFT:
            raise InternalError(f"{ref:#x} names no object")
        if object_layout <= len(self.program.types):
            return ref_to(object_layout - 1)
        return ref_to(self.program.functions[object_layout - 1 - len(self.program.types)].signature)

    # ---- moves, calls, coroutines, host

    def _pop(self, frame: Frame, kind: type | None = None) -> Value:
        if not frame.stack:
            raise Trapped(Trap.STACK_UNDERFLOW)
        value = frame.stack.pop()
        if kind is not None and type(value) is not kind:
            raise Trapped(Trap.TYPE)
        return value

    def push_constant(self, frame: Frame, index: int) -> None:
        """PUSH_CONST."""
        constant = self.program.constants[index]
        if isinstance(constant.value, bytes):
            frame.stack.append(Ref(constant_handle(self.program.constants, index)))
        else:
            frame.stack.append(constant.value if isinstance(constant.value, float) else constant.value & MASK)

    def _enter(self, frame: Frame, function: int, values: list[Value], size: int) -> None:
        """Push the callee's frame; `values` are the slots its caller fills."""
        if function >= len(self.image.facts.functions):
            raise Trapped(Trap.INVALID_FUNCTION)
        callee = self.image.facts.functions[function]
        base = frame.base + len(frame.locals) + len(frame.stack) - len(values)
        if (
            len(self.frames) >= self.state[layout.DEPTH_LIMIT]
            or base + callee.frame_words > self.state[layout.STACK_LIMIT]
        ):
            raise Trapped(Trap.CALL_DEPTH)
        del frame.stack[len(frame.stack) - len(values) :]
        zeros = [self._zero(slot_type) for slot_type in callee.slots[len(values) :]]
        frame.pc += size
        self.frames.append(Frame(function, callee, 0, base, values + zeros, []))

    def _zero(self, slot_type: SlotType) -> Value:
        return {INT: 0, FLOAT: 0.0, BOOL: False}.get(slot_type, Ref(0))

    def _call(self, frame: Frame, function: int, size: int) -> None:
        callee = self.image.facts.functions[function]
        self._enter(frame, function, self._top(frame, callee.params), size)

    def _call_closure(self, frame: Frame, count: int, size: int) -> None:
        closure = self._top(frame, 1)[0]
        if type(closure) is not Ref:
            raise Trapped(Trap.TYPE)
        if closure == 0:
            raise Trapped(Trap.NULL_REF)
        self.dynamic_type(closure)
        function = self.heap[self.object_offset(closure)]
        arguments = self._top(frame, count + 1)[:-1]
        if self.image.facts.functions[function].params != count + 1:
            raise InternalError("a closure called with another number of arguments than it takes")
        self._enter(frame, function, [closure, *arguments], size)

    def _return(self, frame: Frame) -> int | None:
        results = len(frame.facts.signature.results)
        if len(frame.stack) != results:
            raise Trapped(Trap.BAD_RETURN_SLOTS)
        if len(self.frames) == 1:
            return layout.ENDED
        self.frames.pop()
        self.frames[-1].stack += frame.stack
        return None

    def _make_closure(self, frame: Frame, function: int, count: int) -> None:
        at = self._spill(frame, count)
        handle = self.kernels["make_closure"](self.state, self.tables, function, at)
        if handle == 0:
            raise Trapped(Trap.OUT_OF_MEMORY)
        del frame.stack[len(frame.stack) - count :]
        frame.stack.append(self._tagged(handle, ref_to(self.program.functions[function].signature)))

    def _spawn(self, frame: Frame, function: int, count: int) -> None:
        at = self._spill(frame, count)
        handle = self.kernels["spawn"](self.state, self.tables, function, at)
        if handle == 0:
            raise Trapped(Trap.OUT_OF_MEMORY)
        del frame.stack[len(frame.stack) - count :]
        frame.stack.append(self._tagged(handle, ref_to(self.program.types.index(CoroutineType()))))

    def _spill(self, frame: Frame, count: int) -> int:
        """Write the topmost values to their words on the machine's stack; the state word where they begin."""
        values = self._top(frame, count)
        at = self._stack_at() + frame.base + len(frame.locals) + len(frame.stack) - count
        for i, value in enumerate(values):
            self.state[at + i] = signed(word_of(value))
        return at

    def _host(self, frame: Frame, row: Instruction, number: int) -> None:
        is_service = row.name == "SYSCALL"
        service = (self.image.services if is_service else self.image.intrinsics).get(number)
        if service is None:
            raise Trapped(Trap.INVALID_SYSCALL if is_service else Trap.INVALID_INTRINSIC)
        values = self._top(frame, len(service.params))
        if not all(_fits(value, closed) for value, closed in zip(values, service.signature.params, strict=True)):
            raise Trapped(Trap.TYPE)
        device = self.views["device"]
        if is_service and device[HOST_CALLS] >= self.state[layout.HOST_CALL_LIMIT]:
            raise Trapped(Trap.HOST_DENIED)
        arguments = [self._argument(value) for value in values]
        if service.extra_cycles is not None:
            self.charge(self._call_service(service, service.extra_cycles, arguments))
        result = self._call_service(service, service.function, arguments)
        results = () if not service.results else result if isinstance(result, tuple) else (result,)
        tagged = [
            self._from_host(value, closed) for value, closed in zip(results, service.signature.results, strict=True)
        ]
        if is_service:
            log = device[HOST_DIGEST] & MASK
            for word in (number, *(word_of(value) for value in values), *(word_of(value) for value in tagged)):
                log = mix(log, word)
            device[HOST_DIGEST] = signed(log)
            device[HOST_CALLS] += 1
        del frame.stack[len(frame.stack) - len(values) :]
        frame.stack += tagged

    def _call_service(self, service: Service, function: Callable[..., Any], arguments: list[Any]) -> Any:
        member = () if service.member is None else (service.member,)
        return function(*(self.views[name] for name in views_of(function)), *member, *arguments)

    def _argument(self, value: Value) -> Any:
        if type(value) is float:
            return self.canonical(value)
        return signed(int(value))

    def _from_host(self, value: Any, closed: ClosedType) -> Value:
        if closed == FLOAT:
            return float(value)
        return bool(value) if closed == BOOL else int(value) & MASK

    # ---- memory primitives of the algebra

    def charge(self, cycles: int) -> None:
        if self.budget < cycles:
            raise _Unpaid
        self.budget -= cycles

    def object_offset(self, handle: int) -> int:
        return self.state[self.state[layout.AT_OBJECTS] + 2 * (handle & heap.LAYOUT_MASK)]

    def object_length(self, handle: int) -> int:
        if handle:
            self.dynamic_type(handle)
        return self.state[self.state[layout.AT_OBJECTS] + 2 * (handle & heap.LAYOUT_MASK) + 1]

    def _cell(self, cell: int) -> int:
        if cell >= self.state[layout.HEAP_TOP]:
            raise InternalError(f"heap word {cell} is not in use")
        return cell

    def load_word(self, cell: int) -> int:
        return self.heap[self._cell(cell)]

    def store_word(self, cell: int, value: int) -> None:
        self.heap[self._cell(cell)] = value

    def load_float(self, cell: int) -> float:
        return self.heap_floats[self._cell(cell)]

    def store_float(self, cell: int, value: float) -> None:
        self.heap[self._cell(cell)] = float_bits(value)

    def load_byte(self, at: int) -> int:
        self._cell(at >> 3)
        return self.heap_bytes[at]

    def store_byte(self, at: int, value: int) -> None:
        self._cell(at >> 3)
        self.heap_bytes[at] = value & 255

    def load_global(self, index: int) -> int:
        return self.globals[index]

    def store_global(self, index: int, value: int) -> None:
        self.globals[index] = value

    def load_global_float(self, index: int) -> float:
        return self.global_floats[index]

    def store_global_float(self, index: int, value: float) -> None:
        self.globals[index] = float_bits(value)

    def kernel(self, name: str, *operands: int) -> int:
        result: int = _CALLS[name](self, *(signed(word) for word in operands))
        return result & MASK

    # ---- between values and words

    def _stack_at(self) -> int:
        return self.state[layout.AT_STACKS] + self.row * self.state[layout.STACK_STRIDE]

    def _frames_at(self) -> int:
        return self.state[layout.AT_FRAMES] + self.row * self.state[layout.DEPTH_LIMIT] * layout.FRAME_ENTRY_WORDS

    def _depth_at(self) -> int:
        return self.state[layout.AT_ROWS] + self.row * ROW_WORDS + layout.DEPTH

    def _load_frames(self) -> list[Frame]:
        depth, at, stack = self.state[self._depth_at()], self._frames_at(), self._stack_at()
        entries = [(self.state[at + 2 * i], self.state[at + 2 * i + 1]) for i in range(depth)]
        loaded = []
        for i, (where, base) in enumerate(entries):
            function, pc = where >> 32, where & 0xFFFF_FFFF
            facts = self.image.facts.functions[function]
            types = [*facts.slots, *facts.block_at[pc].stack]
            if i + 1 < depth:
                types = types[: entries[i + 1][1] - base]
            values = [self._value(self.state[stack + base + j] & MASK, slot_type) for j, slot_type in enumerate(types)]
            slots = len(facts.slots)
            loaded.append(Frame(function, facts, pc, base, values[:slots], values[slots:]))
        return loaded

    def _value(self, word: int, slot_type: SlotType) -> Value:
        return bits_float(word) if slot_type == FLOAT else self._tagged(word, slot_type)

    def _store_frames(self, outcome: int) -> None:
        at, stack = self._frames_at(), self._stack_at()
        if outcome == layout.ENDED:  # what the first function returned is where a caller would find it
            for i, value in enumerate(self.frames[0].stack):
                self.state[stack + i] = signed(word_of(value))
            return
        for i, frame in enumerate(self.frames):
            self.state[at + 2 * i] = place(frame.function, frame.pc)
            self.state[at + 2 * i + 1] = frame.base
            for j, value in enumerate((*frame.locals, *frame.stack)):
                self.state[stack + frame.base + j] = signed(word_of(value))
        self.state[self._depth_at()] = len(self.frames)

    def _check_block(self, frame: Frame, block: Block) -> None:
        """The verifier's beliefs at the start of a block, held against the values."""
        types = (*frame.facts.slots, *block.stack)
        values: tuple[Value, ...] = (*frame.locals, *frame.stack)
        if len(types) != len(values):
            raise InternalError(f"{len(values)} live values at {frame.function}:{frame.pc}, {len(types)} proved")
        classes, refs = _classes(types)
        if tuple(map(type, values)) != classes or any(
            values[i] and self.dynamic_type(values[i]) != types[i] for i in refs
        ):
            raise InternalError(f"{values!r} at {frame.function}:{frame.pc}, types {types} proved")


@lru_cache(4096)
def _classes(types: tuple[SlotType, ...]) -> tuple[tuple[type, ...], tuple[int, ...]]:
    """The classes of values of these types, and which of them are refs."""
    classes = tuple(_CLASSES.get(slot_type, Ref) for slot_type in types)
    return classes, tuple(i for i, kind in enumerate(classes) if kind is Ref)


def word_of(value: Value) -> int:
    """The word of a value, below 2**64; any NaN as the one NaN."""
    return float_bits(value) if type(value) is float else int(value)


def _fits(value: Value, closed: ClosedType) -> bool:
    return type(value) is (_CLASSES.get(closed, Ref) if isinstance(closed, int) else Ref)


@cache
def _kernels() -> Mapping[str, Any]:
    """The kernels with this engine's own turn and hash in their places."""
    copies = Rebinding({"turn": lambda _state, _image, engine, row: engine.turn(row), "hash128": _hash128})
    roots = (frames.run_frames, frames.run_call, heap.make_closure, coroutines.spawn)
    return {root.__name__: copies.copy(root) for root in roots}


def _hash128(state: memoryview, at: int, words: int, to: int) -> int:
    hashed = state[at : at + words]
    if sys.byteorder == "big":
        hashed = np.asarray(hashed).astype("<i8").data
    digest = xxhash.xxh3_128_intdigest(hashed)
    state[to], state[to + 1] = signed(digest & MASK), signed(digest >> 64)
    return 0


def _set_local(engine: Reference, frame: Frame, immediates: tuple[Any, ...]) -> None:
    if immediates[0] >= len(frame.locals):
        raise Trapped(Trap.INVALID_LOCAL)
    value = engine._pop(frame)
    if type(value) is not type(frame.locals[immediates[0]]):
        raise Trapped(Trap.TYPE)
    frame.locals[immediates[0]] = value


def _get_local(_engine: Reference, frame: Frame, immediates: tuple[Any, ...]) -> None:
    if immediates[0] >= len(frame.locals):
        raise Trapped(Trap.INVALID_LOCAL)
    frame.stack.append(frame.locals[immediates[0]])


def _pop_n(engine: Reference, frame: Frame, immediates: tuple[Any, ...]) -> None:
    del frame.stack[len(frame.stack) - len(engine._top(frame, immediates[0])) :]


def _push_int(_engine: Reference, frame: Frame, immediates: tuple[Any, ...]) -> None:
    frame.stack.append(immediates[0] & MASK)


_MOVES: Mapping[str, Callable[[Reference, Frame, tuple[Any, ...]], None]] = {
    "NOP": lambda *_: None,
    "PUSH_CONST": lambda engine, frame, immediates: engine.push_constant(frame, immediates[0]),
    "POP": lambda engine, frame, _: engine._pop(frame),
    "DUP": lambda engine, frame, _: frame.stack.append(engine._top(frame, 1)[0]),
    "SWAP": lambda engine, frame, _: frame.stack.extend((engine._pop(frame), engine._pop(frame))),
    "PUSH_I64": _push_int,
    "PUSH_F64": lambda _, frame, immediates: frame.stack.append(immediates[0]),
    "PUSH_BOOL": lambda _, frame, immediates: frame.stack.append(bool(immediates[0])),
    "PUSH_I32": _push_int,
    "POP_N": _pop_n,
    "PUSH_NULL": lambda _, frame, __: frame.stack.append(Ref(0)),
    "GET_LOCAL": _get_local,
    "SET_LOCAL": _set_local,
}

_CALLS: Mapping[str, Callable[..., int]] = {
    "allocate": lambda e, type_index, length: heap.allocate(e.state, e.tables, type_index, length),
    "fill_words": lambda e, cell, count, value: heap.fill_words(e.state, cell, count, value),
    "fill_bytes": lambda e, at, count, value: heap.fill_bytes(e.state, e.heap_bytes, at, count, value),
    "copy_words": lambda e, to, source, count: heap.copy_words(e.state, to, source, count),
    "copy_bytes": lambda e, to, source, count: heap.copy_bytes(e.state, e.heap_bytes, to, source, count),
    "mark_yield": lambda e: coroutines.mark_yield(e.state),
    "mark_sleep": lambda e, count: coroutines.mark_sleep(e.state, count),
}
