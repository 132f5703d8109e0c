"""The log: text for the person behind the screen. What is logged is part of what a run is observed to do."""

from __future__ import annotations

from .devices import LOG_LIMIT, LOG_USED, Bytes, Words
from .registry import Service

OK = 0
FULL = 1

# An entry is its level, the length of its text in two bytes (low first), and the text.
ENTRY_HEADER = 3


def write(device: Words, log: Bytes, objects: Words, heap_bytes: Bytes, level: int, text: int) -> int:
    """Append an entry; a frame's log that would grow past its limit takes no more and says so."""
    index = text & 0xFFFFFFFF
    start, length = objects[2 * index] * 8, objects[2 * index + 1]
    used = device[LOG_USED]
    if length > 65535 or used + ENTRY_HEADER + length > device[LOG_LIMIT]:
        return FULL
    log[used] = min(max(level, 0), 255)
    log[used + 1] = length & 255
    log[used + 2] = length >> 8
    for i in range(length):
        log[used + ENTRY_HEADER + i] = heap_bytes[start + i]
    device[LOG_USED] = used + ENTRY_HEADER + length
    return OK


def write_cycles(objects: Words, level: int, text: int) -> int:
    """A cycle for every four bytes."""
    return objects[2 * (text & 0xFFFFFFFF) + 1] >> 2


def number(device: Words, log: Bytes, level: int, value: int) -> int:
    """Append an int in decimal."""
    used = device[LOG_USED]
    digits = 1
    rest = tenth(value)
    while rest != 0:
        digits += 1
        rest = tenth(rest)
    length = digits + (1 if value < 0 else 0)
    if used + ENTRY_HEADER + length > device[LOG_LIMIT]:
        return FULL
    log[used] = min(max(level, 0), 255)
    log[used + 1] = length
    log[used + 2] = 0
    rest = value
    for i in range(digits):
        above = tenth(rest)
        digit = rest - above * 10
        log[used + ENTRY_HEADER + length - 1 - i] = 48 + (digit if digit >= 0 else -digit)
        rest = above
    if value < 0:
        log[used + ENTRY_HEADER] = 45
    device[LOG_USED] = used + ENTRY_HEADER + length
    return OK


def tenth(value: int) -> int:
    """A tenth, toward zero. Works on the smallest int, which has no positive twin."""
    if value >= 0:
        return value // 10
    return -((-(value + 1)) // 10) - (1 if (-(value + 1)) % 10 == 9 else 0)


ROWS = (
    Service(
        module="log",
        name="write",
        version=1,
        number=0x5001,
        effect="level: int, text: bytes -> status: int",
        summary="Logs a text. Levels are 0 trace, 1 debug, 2 info, 3 warning, 4 error. "
        "Status 0 is ok, 1 says that this frame's log is full.",
        function=write,
        extra_cycles=write_cycles,
        capability="log@1.0",
        cycles=8,
    ),
    Service(
        module="log",
        name="number",
        version=1,
        number=0x5002,
        effect="level: int, value: int -> status: int",
        summary="Logs an int in decimal. Status as for log.write.",
        function=number,
        capability="log@1.0",
        cycles=40,
    ),
)
