"""Which processor native code is made for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import binding as llvm

MOST_OPTIMISED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which processor code is made for, and how far LLVM goes, 0 to MOST_OPTIMISED. What a machine does depends on neither."""

    cpu: str
    features: str
    level: int = MOST_OPTIMISED


_AIM: list[Target] = []


def target() -> Target:
    """What this process makes and loads code for: this very processor, unless `aim` said otherwise."""
    return _AIM[-1] if _AIM else _this_processor()


def aim(chosen: Target) -> None:
    """Make and load code for another target from now on, in this process. To be called before a core is; for tests."""
    _AIM.append(chosen)


def _this_processor() -> Target:
    return Target(cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten())


def target_machine() -> Any:
    """Machine code for the target."""
    chosen = target()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=chosen.cpu, features=chosen.features, opt=chosen.level, jit=True
    )
