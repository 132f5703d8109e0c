"""What one machine may use. A cartridge asks for limits in its manifest, its profile caps them.

Sizes are in 64-bit words unless the name says bytes; everything is counted, nothing depends on the host's memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

from .diagnostics import Diagnostic, Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The resources of one machine. Reaching one is a trap at the same instruction in every engine."""

    frame_cycles: int  # given to a logical frame at each host tick
    heap_words: int
    objects: int  # live arrays, records, closures and coroutine handles
    gc_threshold_words: int  # words allocated since the last collection that make the next frame end collect
    stack_words: int  # per coroutine: locals and operands of all its frames
    call_depth: int  # frames per coroutine
    coroutines: int  # alive at the same time, main included
    host_calls: int  # per frame
    log_bytes: int  # per frame


PROFILES: Mapping[str, Limits] = MappingProxyType(
    {
        "JAM": Limits(
            frame_cycles=200_000,
            heap_words=16_384,
            objects=2_048,
            gc_threshold_words=4_096,
            stack_words=1_024,
            call_depth=64,
            coroutines=16,
            host_calls=1_024,
            log_bytes=1_024,
        ),
        "STANDARD": Limits(
            frame_cycles=2_000_000,
            heap_words=262_144,
            objects=16_384,
            gc_threshold_words=65_536,
            stack_words=4_096,
            call_depth=256,
            coroutines=64,
            host_calls=8_192,
            log_bytes=4_096,
        ),
        "ADVANCED": Limits(
            frame_cycles=20_000_000,
            heap_words=4_194_304,
            objects=262_144,
            gc_threshold_words=1_048_576,
            stack_words=65_536,
            call_depth=8_192,
            coroutines=256,
            host_calls=65_536,
            log_bytes=16_384,
        ),
    }
)

DEFAULT_PROFILE = "STANDARD"
LIMIT_NAMES = tuple(field.name for field in fields(Limits))

SMALLEST = Limits(  # with less no machine could start, or no frame could get on
    frame_cycles=1_024,
    heap_words=0,
    objects=1,
    gc_threshold_words=1,
    stack_words=16,
    call_depth=1,
    coroutines=1,
    host_calls=0,
    log_bytes=0,
)
LARGEST = PROFILES["ADVANCED"]


_RANGES = tuple((name, getattr(SMALLEST, name), getattr(LARGEST, name)) for name in LIMIT_NAMES)


def check_limits(limits: Limits) -> None:
    """Nothing is allocated for limits that no profile allows. Raises Rejected("limits_invalid") with every finding."""
    findings = []
    for name, least, most in _RANGES:
        value = getattr(limits, name)
        if type(value) is not int or not least <= value <= most:
            allowed, found = f"{least} to {most}", repr(value)
            findings.append(Diagnostic(code="limits_invalid", subject=name, required=allowed, available=found))
    if findings:
        raise Rejected.of(findings)
