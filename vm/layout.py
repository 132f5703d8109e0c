"""A machine's memory: one array of words, and where everything stands in it.

This table is the whole state. Snapshot, digest, engines and devices all read it; nothing about a machine lives anywhere else
(engines may keep derived data, which they can make again). Offsets of regions depend on the limits and stand in control
words, so that compiled code is the same for every image. Source: docs/machine.md, state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from ..contract.limits import Limits
from ..host.devices import DEVICE_WORDS, ROW_WORDS, SCREEN

# ---- control words ------------------------------------------------------------------------------------------------------

STATUS = 0  # one of the four below
FRAME = 1  # number of the running frame, or of the next
CYCLES = 2  # used since the start
FRAME_CYCLES = 3  # used in the running or last frame
BUDGET = 4  # left in this host tick
TICKS = 5  # host ticks that the running or last frame has taken
CURRENT = 6  # row of the coroutine whose turn it is, or -1
TURN = 7  # position in the order
ORDER_COUNT = 8
SLEEPER_COUNT = 9
NEXT_SERIAL = 10
MARK = 11  # what the current coroutine asked for at its next FRAME_SYNC
MARK_FRAMES = 12
HEAP_TOP = 13  # words in use
OBJECT_COUNT = 14  # entries of the object table ever used, entry 0 (null) included
LIVE_COUNT = 15  # objects in the heap
CURSOR = 16  # no free object entry is below this one
ALLOCATED = 17  # words allocated since the last collection
COLLECTIONS = 18
TRAP_CODE = 19
TRAP_OPCODE = 20
TRAP_PC = 21
TRAP_FUNCTION = 22
TRAP_FRAME = 23
TRAP_CYCLES = 24
CHAIN = 25  # two words: the last frame digest
SEED = 27

# Limits and offsets, constant while the machine lives
FRAME_BUDGET = 32
HEAP_LIMIT = 33
OBJECT_LIMIT = 34
GC_THRESHOLD = 35
STACK_LIMIT = 36  # words per coroutine
STACK_STRIDE = 37
DEPTH_LIMIT = 38
COROUTINE_LIMIT = 39
HOST_CALL_LIMIT = 40
GLOBAL_COUNT = 41
AT_ROWS = 42
AT_ORDER = 43
AT_SLEEPERS = 44
AT_FRAMES = 45
AT_STACKS = 46
AT_GLOBALS = 47
AT_OBJECTS = 48
AT_INFO = 49
AT_HEAP_ORDER = 50
AT_WORKLIST = 51
AT_HEAP = 52
AT_LOG = 53
AT_PIXELS = 54
AT_RECORD = 55
AT_SCRATCH = 56
CONTROL_WORDS = 64

DEVICE = CONTROL_WORDS  # the devices' words stand right behind

# STATUS
BETWEEN = 0  # between two frames
IN_FRAME = 1  # a frame ran out of budget and goes on at the next tick
HALTED = 2
TRAPPED = 3

# MARK
NO_MARK = 0
YIELD_MARK = 1
SLEEP_MARK = 2

# A coroutine's row (STATE and SERIAL are host.devices')
FREE = 0
READY = 1
SLEEPING = 2
FINISHED = 3
WAKE_FRAME = 2
DEPTH = 3  # frames on its stack
HAD_TURN = 4

# What ends a turn
SYNCED = 0
ENDED = 1  # its first function returned
HALT = 2
OUT_OF_BUDGET = 3
TRAP = 4

FRAME_ENTRY_WORDS = 2  # function << 32 | pc, and the stack slot where the frame begins
STACK_SLACK = 64  # words behind every stack: room for what an engine keeps beyond a frame
HASH_WORDS = 32  # what is hashed is at least this long; behind its end there are zeros
INFO_SHIFT = 32  # info word: generation << 32 | layout
MAX_GENERATION = (1 << 31) - 1
RECORD_FIXED_WORDS = 96
PIXEL_WORDS = 2 * SCREEN // 4  # two screens, four pixels a word


KNOWN_LAYOUTS = 64  # that are remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Region name to (offset, size) in words, for one image's limits."""

    regions: Mapping[str, tuple[int, int]]
    words: int

    def offset(self, name: str) -> int:
        """Where the region begins."""
        return self.regions[name][0]


@lru_cache(KNOWN_LAYOUTS)
def lay_out(limits: Limits, global_count: int) -> Layout:
    """Where everything stands for these limits. One row and stack more than coroutines: for calls from the host."""
    stacks = limits.coroutines + 1
    sizes = {
        "control": CONTROL_WORDS,
        "device": _rounded(DEVICE_WORDS),
        "rows": stacks * ROW_WORDS,
        "order": _rounded(limits.coroutines),
        "sleepers": _rounded(limits.coroutines),
        "globals": _hashable(global_count),
        "log": _hashable((limits.log_bytes + 7) // 8),
        "record": _hashable(RECORD_FIXED_WORDS + 2 * limits.coroutines),
        "pixels": PIXEL_WORDS,
        "frames": stacks * limits.call_depth * FRAME_ENTRY_WORDS,
        "stacks": stacks * _stack_stride(limits),
        "scratch": _hashable(ROW_WORDS + 2 + FRAME_ENTRY_WORDS * limits.call_depth + limits.stack_words),
        "objects": _hashable(2 * (limits.objects + 1)),
        "info": _hashable(limits.objects + 1),
        "heap_order": _rounded(limits.objects),
        "worklist": _rounded(limits.objects),
        "heap": _hashable(limits.heap_words),
    }
    regions, at = {}, 0
    for name, size in sizes.items():
        regions[name] = (at, size)
        at += size
    return Layout(regions=MappingProxyType(regions), words=at)


def _stack_stride(limits: Limits) -> int:
    return _rounded(limits.stack_words + STACK_SLACK)


def _rounded(words: int) -> int:
    """Up to a whole cache line."""
    return (words + 7) // 8 * 8


def _hashable(words: int) -> int:
    return max(_rounded(words), HASH_WORDS)


@lru_cache(KNOWN_LAYOUTS)
def constants(limits: Limits, global_count: int) -> Mapping[int, int]:
    """The control words that never change."""
    layout = lay_out(limits, global_count)
    return {
        FRAME_BUDGET: limits.frame_cycles,
        HEAP_LIMIT: limits.heap_words,
        OBJECT_LIMIT: limits.objects + 1,
        GC_THRESHOLD: limits.gc_threshold_words,
        STACK_LIMIT: limits.stack_words,
        STACK_STRIDE: _stack_stride(limits),
        DEPTH_LIMIT: limits.call_depth,
        COROUTINE_LIMIT: limits.coroutines,
        HOST_CALL_LIMIT: limits.host_calls,
        GLOBAL_COUNT: global_count,
        AT_ROWS: layout.offset("rows"),
        AT_ORDER: layout.offset("order"),
        AT_SLEEPERS: layout.offset("sleepers"),
        AT_FRAMES: layout.offset("frames"),
        AT_STACKS: layout.offset("stacks"),
        AT_GLOBALS: layout.offset("globals"),
        AT_OBJECTS: layout.offset("objects"),
        AT_INFO: layout.offset("info"),
        AT_HEAP_ORDER: layout.offset("heap_order"),
        AT_WORKLIST: layout.offset("worklist"),
        AT_HEAP: layout.offset("heap"),
        AT_LOG: layout.offset("log"),
        AT_PIXELS: layout.offset("pixels"),
        AT_RECORD: layout.offset("record"),
        AT_SCRATCH: layout.offset("scratch"),
    }
