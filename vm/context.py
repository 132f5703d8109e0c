"""The context of a native run: one array of words that compiled code gets a pointer to.

It holds addresses and scratch words; nothing in it is state. Offsets are in words.
"""

from __future__ import annotations

from ..host.devices import VIEWS

CALL_LIMIT = 0  # address that a pushed call must stay below
STACK_END = 1  # address behind the last usable word of the running stack
STATE = 2
COUNTERS = 3  # beside the records: entries that are still to be counted
IMAGE = 4
NEXT = 5  # beside the records: handlers that go on where one counts
GLOBALS = 6
HEAP = 7
OBJECTS = 8
FUNCTIONS = 9  # rows of FUNCTION_WORDS
SAVED_IP = 10
SAVED_FP = 11
SAVED_BUDGET = 12
SAVED_CALLS = 13
SAVED_STATUS = 14
SAVED_VALUE = 15  # what the accumulators hold where compiled code hands over to the interpreter
RESULTS = 16  # what a compiled function gives back: up to 8 words
EXCEPTION = 24  # where numba would name an exception; there are none
RECORDS = 25
WHERE = 26
REST = 27
LEADER_COST = 28
HELD = 29
BLOCKS = 30
BLOCK_COUNT = 31
BLOCK_RECORDS = 32
CALLS = 33  # native call stacks, one per row
CALLS_STRIDE = 34  # bytes
KNOWN = 35  # address of a word per row: how many frames of it the native call stack holds, 0 for none
OPCODES = 36
LEADERS = 37  # places of blocks by their first record
NATIVE_LIMIT = 38  # address from which on compiled code pushes no call
BASE = 39  # the interpreter's own handlers, beside the records
VIEW = 40  # address of every view, in the order of VIEWS
CONTEXT_WORDS = 64

VIEW_INDEX = {name: index for index, name in enumerate(VIEWS)}
assert VIEW + len(VIEWS) <= CONTEXT_WORDS

FUNCTION_WORDS = 5  # address of the first record, cost of the first block, frame words, slots filled, slots to clear
CALL_BYTES = 16  # a pushed call: address of the call's record, the caller's frame

# A job: an entry to be called with a context, among others
JOB_WORDS = 16  # two cache lines: threads that work side by side do not write to the same
JOB_ENTRY = 0  # address
JOB_CONTEXT = 1  # address
JOB_RESULT = 2
JOB_GIVEN = 3  # what the entry is given, from here on

UNPAID = 5  # a turn's end, besides those of `layout`: an instruction that could not be paid, nothing done
STATUS_BITS = 8  # a stop's status is trap code << 8 | outcome
