"""Which processor native code is made for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from llvmlite import binding as llvm

MOST_OPTIMISED = 3  # LLVM's -O3, of everything
USUAL = 2  # -O2 of what gains from it; of handlers, which are short, less

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which processor code is made for, and how far LLVM goes, 0 to MOST_OPTIMISED. What a machine does depends on neither."""

    cpu: str
    features: str
    level: int = USUAL


_AIM: list[Target] = []


def target() -> Target:
    """What this process makes and loads code for: this very processor, unless `aim` said otherwise."""
    return _AIM[-1] if _AIM else _this_processor()


def aim(chosen: Target | None) -> None:
    """Make and load code for another target from now on, in this process; None: for this very processor again. For tests."""
    _AIM[:] = [] if chosen is None else [chosen]


class OnceForEachTarget(Generic[Made]):
    """A function without arguments that runs once for each target that the process is aimed at."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self.__wrapped__ = make
        self._made: dict[Target, Made] = {}

    def __call__(self) -> Made:
        """What it returned for this target."""
        chosen = target()
        if chosen not in self._made:
            self._made[chosen] = self.__wrapped__()
        return self._made[chosen]

    def cache_clear(self) -> None:
        """Forget all of it."""
        self._made.clear()


@cache
def _this_processor() -> Target:
    return Target(cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten())


def target_machine(level: int = MOST_OPTIMISED, *, near: bool = False) -> Any:
    """Machine code for the target, made with no more effort than `level`. near: code and data of an object stand together."""
    chosen = target()
    model = {"reloc": "pic", "codemodel": "small"} if near else {}
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=chosen.cpu, features=chosen.features, opt=min(level, chosen.level), jit=True, **model
    )
