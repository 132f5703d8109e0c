"""Whether a state could be that of a machine between two frames: every word against the types that the verifier proved.

A snapshot from outside is trusted as little as bytecode. What is accepted here can be run by any engine without its checks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ..host.devices import (
    ASSET_COUNT,
    COROUTINE_ROWS,
    DEVICE_WORDS,
    FRONT,
    HEIGHT,
    HELD,
    HELD_BEFORE,
    HOLD,
    HOST_CALLS,
    LOG_LIMIT,
    LOG_USED,
    PRESENTS,
    RANDOM,
    ROW_SERIAL,
    ROW_STATE,
    ROW_WORDS,
    TOUCH_BEFORE,
    TOUCH_DOWN,
    TOUCH_X,
    TOUCH_Y,
    WIDTH,
)
from ..host.devices import FRAME as DEVICE_FRAME
from ..host.log import ENTRY_HEADER
from ..isa.table import Flow
from ..isa.types import BOOL, BYTE, FLOAT, ArrayType, CoroutineType, RecordType, SlotType, is_ref, ref_to
from ..loader.image import Image
from . import layout
from .elements import elements
from .image_tables import layout_of_closure, layout_of_type
from .kernels.heap import LAYOUT_MASK, canonical

Words = npt.NDArray[np.int64]

MOST = 1 << 62  # counters stay far below


class _Wrong(Exception):
    """Why the state cannot be."""


def check(image: Image, state: Words) -> str | None:
    """What is wrong with the state, or None. The counts in its control words are within their limits already."""
    try:
        _Checker(image, state.data).run()
    except _Wrong as wrong:
        return str(wrong)
    return None


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise _Wrong(reason)


class _Checker:
    def __init__(self, image: Image, state: memoryview) -> None:
        self.image, self.program, self.state = image, image.program, state
        self.types_by_layout = dict(self._layouts())

    def run(self) -> None:
        self._control()
        self._devices()
        self._log()
        self._object_table()
        self._heap()
        for index, slot_type in enumerate(self.program.globals):
            self._value(self.state[self.state[layout.AT_GLOBALS] + index], slot_type, f"global {index}")
        self._rows()

    def word(self, name: int) -> int:
        return self.state[name]

    # ---- control and devices

    def _control(self) -> None:
        w = self.word
        _require(w(layout.STATUS) == layout.BETWEEN, "the machine is not between two frames")
        resting = (
            layout.BUDGET,
            layout.TURN,
            layout.MARK,
            layout.MARK_FRAMES,
            *range(layout.TRAP_CODE, layout.TRAP_CYCLES + 1),
        )
        _require(all(w(at) == 0 for at in resting) and w(layout.CURRENT) == -1, "a frame is still being run")
        counters = (
            layout.FRAME,
            layout.CYCLES,
            layout.FRAME_CYCLES,
            layout.TICKS,
            layout.NEXT_SERIAL,
            layout.ALLOCATED,
        )
        _require(all(0 <= w(at) < MOST for at in (*counters, layout.COLLECTIONS)), "a counter is out of range")
        spare = range(layout.SEED + 1, layout.FRAME_BUDGET)
        _require(all(w(at) == 0 for at in spare), "a spare word is not zero")
        _require(w(layout.FRAME_CYCLES) <= w(layout.CYCLES), "more cycles in a frame than in all")

    def _devices(self) -> None:
        d = self.state[layout.DEVICE : layout.DEVICE + DEVICE_WORDS]
        _require(d[DEVICE_FRAME] == max(self.word(layout.FRAME) - 1, 0), "the frame clock shows another frame")
        _require(0 <= d[HELD] < 1 << 12 and 0 <= d[HELD_BEFORE] < 1 << 12, "buttons that do not exist")
        _require(
            all((d[HOLD + i] > 0) == bool(d[HELD] >> i & 1) and d[HOLD + i] < MOST for i in range(12)),
            "held for no time",
        )
        _require(all(d[HOLD + i] >= 0 for i in range(12)), "held for less than no time")
        _require(0 <= d[TOUCH_X] < WIDTH and 0 <= d[TOUCH_Y] < HEIGHT, "a touch outside of the screen")
        _require(
            d[TOUCH_DOWN] in (0, 1) and d[TOUCH_BEFORE] in (0, 1) and d[FRONT] in (0, 1), "a switch that is not 0 or 1"
        )
        _require(all(0 <= d[RANDOM + i] < 1 << 32 for i in range(4)), "a generator word of more than 32 bits")
        limits = self.image.limits
        counted = 0 <= d[HOST_CALLS] <= limits.host_calls and 0 <= d[PRESENTS] < MOST
        _require(counted, "more was counted than can have happened")
        given = (d[LOG_LIMIT], d[ASSET_COUNT], d[COROUTINE_ROWS])
        _require(given == (limits.log_bytes, len(self.image.assets), limits.coroutines), "devices of other sizes")

    def _log(self) -> None:
        used = self.state[layout.DEVICE + LOG_USED]
        at = 8 * self.state[layout.AT_LOG]
        log = elements(self.state, "B")[at : at + (used + 7) // 8 * 8]
        position = 0
        while position < used:
            _require(position + ENTRY_HEADER <= used, "a log entry is cut short")
            position += ENTRY_HEADER + log[position + 1] + 256 * log[position + 2]
        _require(position == used and not any(log[used:]), "the log does not end with its last entry")

    # ---- objects

    def _layouts(self) -> Iterator[tuple[int, ArrayType | tuple[SlotType, ...]]]:
        """Layout to its array type, or to the types of its words."""
        for index, entry in enumerate(self.program.types):
            if isinstance(entry, ArrayType):
                yield layout_of_type(index), entry
            elif isinstance(entry, RecordType):
                yield layout_of_type(index), entry.fields
            elif isinstance(entry, CoroutineType):
                yield layout_of_type(index), (-1,)
        for index, function in enumerate(self.program.functions):
            if function.captures is not None:
                yield layout_of_closure(self.program, index), (-1, *function.captures)

    def _object(self, entry: int) -> tuple[int, int, int, int]:
        """Offset, length, layout, generation."""
        at, info = self.state[layout.AT_OBJECTS] + 2 * entry, self.state[self.state[layout.AT_INFO] + entry]
        return self.state[at], self.state[at + 1], info & LAYOUT_MASK, info >> layout.INFO_SHIFT

    def _object_table(self) -> None:
        count, live = self.word(layout.OBJECT_COUNT), self.word(layout.LIVE_COUNT)
        _require(count >= 1 and self._object(0) == (0, 0, 0, 0), "null has become an object")
        order = list(self.state[self.state[layout.AT_HEAP_ORDER] :][:live])
        _require(
            len(set(order)) == live and all(1 <= entry < count for entry in order), "the order of objects is wrong"
        )
        top = 0
        for entry in order:
            offset, length, object_layout, _ = self._object(entry)
            kind = self.types_by_layout.get(object_layout)
            _require(kind is not None and offset == top and length >= 0, "an object is not where it should be")
            assert kind is not None
            _require(isinstance(kind, ArrayType) or length == len(kind), "an object has another size than its type")
            top += (length + 7) // 8 if isinstance(kind, ArrayType) and kind.element == BYTE else length
            _require(top <= self.word(layout.HEAP_TOP), "an object reaches beyond the heap")
        _require(top == self.word(layout.HEAP_TOP), "the heap ends elsewhere than its last object")
        known = set(order)
        for entry in range(1, count):
            offset, length, object_layout, generation = self._object(entry)
            _require(1 <= generation <= layout.MAX_GENERATION, "an object entry that was never used")
            _require(entry in known or (offset, length, object_layout) == (0, 0, 0), "a free object entry is not empty")
        cursor = self.word(layout.CURSOR)
        _require(1 <= cursor <= count, "the search for a free entry begins where none was ever used")
        passed_over = (entry for entry in range(1, cursor) if entry not in known)
        used_up = all(self._object(entry)[3] == layout.MAX_GENERATION for entry in passed_over)
        _require(used_up, "a free entry was passed over")
        self._constants(order)

    def _constants(self, order: Sequence[int]) -> None:
        strings = [constant.value for constant in self.program.constants if isinstance(constant.value, bytes)]
        _require(list(order[: len(strings)]) == list(range(1, len(strings) + 1)), "a string constant is missing")
        for entry, value in enumerate(strings, 1):
            _, length, object_layout, generation = self._object(entry)
            is_string = self.types_by_layout.get(object_layout) == ArrayType(BYTE)
            _require(is_string and length == len(value) and generation == 1, "a string constant is another object")

    def _heap(self) -> None:
        heap, raw = self.state[layout.AT_HEAP], elements(self.state, "B")
        for entry in self.state[self.state[layout.AT_HEAP_ORDER] :][: self.word(layout.LIVE_COUNT)]:
            offset, length, object_layout, _ = self._object(entry)
            kind, at = self.types_by_layout[object_layout], heap + offset
            if not isinstance(kind, ArrayType):
                self._first_word(object_layout, self.state[at], kind)
                for i, slot_type in enumerate(kind):
                    if slot_type >= 0:
                        self._value(self.state[at + i], slot_type, f"object {entry}")
            elif kind.element == BYTE:
                _require(
                    not any(raw[8 * at + length : 8 * (at + (length + 7) // 8)]), "bytes behind the end of an array"
                )
            elif kind.element in (BOOL, FLOAT) or is_ref(kind.element):
                for word in self.state[at : at + length]:
                    self._value(word, kind.element, f"object {entry}")

    def _first_word(self, object_layout: int, word: int, kind: tuple[SlotType, ...]) -> None:
        """Word 0 of closures is their function, of coroutine handles a serial."""
        if kind[:1] != (-1,):
            return
        closure = object_layout - layout_of_closure(self.program, 0)
        if closure >= 0:
            _require(word == closure, "a closure of another function")
        else:
            _require(0 <= word < self.word(layout.NEXT_SERIAL), "a handle of a coroutine that never was")

    def _value(self, word: int, slot_type: SlotType, where: str) -> None:
        if slot_type == BOOL:
            _require(word in (0, 1), f"{where}: a bool that is neither")
        elif slot_type == FLOAT:
            _require(canonical(word) == word, f"{where}: a NaN with other bits")
        elif is_ref(slot_type) and word:
            _require(self._type_of(word) == slot_type, f"{where}: a ref to something else")

    def _type_of(self, handle: int) -> SlotType | None:
        """The type of the object that a handle names; None where it names none."""
        entry = handle & LAYOUT_MASK
        if not 1 <= entry < self.word(layout.OBJECT_COUNT):
            return None
        _, _, object_layout, generation = self._object(entry)
        if object_layout == 0 or handle != entry | generation << layout.INFO_SHIFT:
            return None
        types = len(self.program.types)
        if object_layout <= types:
            return ref_to(object_layout - 1)
        return ref_to(self.program.functions[object_layout - 1 - types].signature)

    # ---- coroutines

    def _rows(self) -> None:
        order = list(self.state[self.state[layout.AT_ORDER] :][: self.word(layout.ORDER_COUNT)])
        sleepers = list(self.state[self.state[layout.AT_SLEEPERS] :][: self.word(layout.SLEEPER_COUNT)])
        ready: set[int] = set()
        sleeping: set[int] = set()
        serials: list[int] = []
        for row in range(self.word(layout.COROUTINE_LIMIT)):
            at = self.state[layout.AT_ROWS] + row * ROW_WORDS
            words = list(self.state[at : at + ROW_WORDS])
            if words[ROW_STATE] == layout.FREE:
                _require(not any(words), "a free row is not empty")
                continue
            _require(words[ROW_STATE] in (layout.READY, layout.SLEEPING), "a coroutine in no state")
            (ready if words[ROW_STATE] == layout.READY else sleeping).add(row)
            serials.append(words[ROW_SERIAL])
            wakes = words[layout.WAKE_FRAME]
            awake = words[ROW_STATE] == layout.READY
            _require(
                wakes == 0 if awake else self.word(layout.FRAME) <= wakes < MOST, "a coroutine wakes at a wrong time"
            )
            _require(words[layout.HAD_TURN] in (0, 1) and not any(words[5:]), "a row with wrong words")
            _require(words[layout.DEPTH] >= 1, "a coroutine without a frame")
            self._frames(row, words[layout.DEPTH])
        _require(sorted(order) == sorted(ready) and sorted(sleepers) == sorted(sleeping), "order and rows disagree")
        wake_frames = [self.state[self.state[layout.AT_ROWS] + row * ROW_WORDS + layout.WAKE_FRAME] for row in sleepers]
        _require(wake_frames == sorted(wake_frames), "the sleepers are out of order")
        in_range = all(0 <= serial < self.word(layout.NEXT_SERIAL) for serial in serials)
        _require(len(set(serials)) == len(serials) and 0 in serials and in_range, "coroutines with wrong serials")

    def _frames(self, row: int, depth: int) -> None:
        state, facts = self.state, self.image.facts.functions
        frames = state[layout.AT_FRAMES] + row * state[layout.DEPTH_LIMIT] * layout.FRAME_ENTRY_WORDS
        stack = state[layout.AT_STACKS] + row * state[layout.STACK_STRIDE]
        base = 0
        for i in range(depth):
            where, given = state[frames + 2 * i], state[frames + 2 * i + 1]
            function, pc = where >> 32, where & 0xFFFF_FFFF
            _require(0 <= function < len(facts) and pc in facts[function].block_at, "a frame stands in no block")
            fact = facts[function]
            block = fact.block_at[pc]
            _require(
                given == base and base + fact.frame_words <= state[layout.STACK_LIMIT], "a frame in the wrong place"
            )
            if i == 0:
                _require(
                    not fact.function.is_closure and not fact.signature.results,
                    "a coroutine starts in a wrong function",
                )
            before = fact.instructions[block.first - 1].row.flow if block.first else None
            types: tuple[SlotType, ...] = (*fact.slots, *block.stack)
            if i + 1 == depth:
                _require(before is Flow.SYNC or (pc == 0 and depth == 1), "a coroutine waits where none can")
            else:
                types = types[: self._before_call(function, pc, state[frames + 2 * i + 2] >> 32)]
            for j, slot_type in enumerate(types):
                self._value(state[stack + base + j], slot_type, f"coroutine in row {row}")
            if fact.function.is_closure:
                self._own_closure(state[stack + base], function)
            base += len(types)

    def _before_call(self, function: int, pc: int, callee: int) -> int:
        """Words of a waiting frame that are its own: up to the arguments of the call it waits for."""
        facts = self.image.facts.functions
        fact = facts[function]
        block = fact.block_at[pc]
        _require(block.first > 0 and 0 <= callee < len(facts), "a frame waits for nothing")
        call = fact.instructions[block.first - 1]
        if call.row.flow is Flow.CALL:
            _require(callee == call.immediates[0], "a frame waits for another function")
        else:
            waits = call.row.flow is Flow.CALL_CLOSURE and facts[callee].function.is_closure
            _require(waits and len(facts[callee].signature.params) == call.immediates[0], "a frame waits for no call")
        results = facts[callee].signature.results
        _require(block.stack[len(block.stack) - len(results) :] == results, "a frame waits for other results")
        return len(fact.slots) + len(block.stack) - len(results)

    def _own_closure(self, handle: int, function: int) -> None:
        """Slot 0 of a closure's frame holds a closure of that very function: captures are read without asking."""
        entry = handle & LAYOUT_MASK
        in_table = handle and self._type_of(handle) is not None
        _require(
            bool(in_table) and self._object(entry)[2] == layout_of_closure(self.program, function),
            "a frame without its closure",
        )
