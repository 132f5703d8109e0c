"""Planted faults: a harness that finds nothing proves nothing, so each must find the faults that it is there for.

The faults stand with their checks, in `planted()`. Each is planted alone, and the check's first shard is run at its small scale; it
must be Disproved, or end in what only a mistake of ours can cause.
"""

from __future__ import annotations

from contextlib import ExitStack

from pbs.contract import InternalError

from . import differential
from .checks import CHECKS, Disproved, Fault, Figures, Scale, find, patched

SHARDS = {Scale.TEST: 4, Scale.SOAK: 4}


def faults() -> list[tuple[str, Fault]]:
    """Every fault, with the name of the check that must find it."""
    own = __name__.rpartition(".")[2]
    return [(name, fault) for name in CHECKS if name != own for fault in find(name).planted()]


def check(scale: Scale, shard: int, shards: int) -> Figures:
    """Plant every so manieth fault."""
    found = 0
    for name, fault in faults()[shard::shards]:
        if not caught(name, fault):
            raise Disproved(f"{name} does not find: {fault.name}")
        found += 1
    return {"faults": found}


def caught(name: str, fault: Fault) -> bool:
    """Whether the check finds the fault."""
    module = find(name)
    with ExitStack() as stack:
        stack.enter_context(patched(differential, "smaller", lambda program, _interesting: program))
        stack.enter_context(fault.present)
        try:
            module.check(Scale.TEST, 0, module.SHARDS[Scale.TEST])
        except (Disproved, InternalError):
            return True
    return False
