"""What a figure was measured on, in words: kind of processor, system, Python. No names, no paths."""

from __future__ import annotations

import os
import platform
from importlib.util import find_spec
from typing import Any


def machine_object() -> dict[str, Any]:
    """The machine as it stands in every result."""
    return {
        "cpu": cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def cpu() -> str:
    """The processor's family as LLVM calls it, for example znver4; without LLVM its architecture."""
    if find_spec("llvmlite") is None:
        return platform.machine()
    from llvmlite import binding as llvm

    name: str = llvm.get_host_cpu_name()
    return name


def machine_line(machine: dict[str, Any]) -> str:
    """The same in a line."""
    cores = f"{machine['cores']} core{'s' if machine['cores'] != 1 else ''}"
    return f"{machine['cpu']}, {cores}, {machine['system']} {machine['architecture']}, {machine['python']}"
