"""The third algebra: runs a meaning on nothing and notes what it could do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .algebra import Meaning
from .traps import Trap


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What a meaning can do beyond giving its result."""

    traps: frozenset[Trap]
    pure: bool  # depends on its operands alone and changes nothing: may be computed later, or never
    metered: bool  # its cost depends on its operands, so it starts a block of its own


_STATE = ("load", "store", "object", "kernel")


@dataclass(slots=True)
class _Nothing:
    """Stands for every value; as a word it remembers which trap codes it may be."""

    codes: frozenset[Trap] = frozenset()


@dataclass(slots=True)
class _Probe:
    traps: set[Trap] = field(default_factory=set)
    touches_state: bool = False
    metered: bool = False

    def word(self, value: int) -> _Nothing:
        return _Nothing(frozenset({value}) if isinstance(value, Trap) else frozenset())

    def choose(self, _condition: _Nothing, a: _Nothing, b: _Nothing) -> _Nothing:
        return _Nothing(a.codes | b.codes)

    def trap_if(self, _condition: _Nothing, code: _Nothing) -> None:
        self.traps |= code.codes

    def charge(self, _cycles: _Nothing) -> None:
        self.metered = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith(_STATE):
            self.touches_state = True
        return lambda *_: _Nothing()


def effects(meaning: Meaning, operands: int) -> Effects:
    """What `meaning` can do when given `operands` operands."""
    probe = _Probe()
    meaning(probe, *(_Nothing() for _ in range(operands)))
    pure = not (probe.traps or probe.touches_state or probe.metered)
    return Effects(traps=frozenset(probe.traps), pure=pure, metered=probe.metered)
