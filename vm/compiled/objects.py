"""Compiled code in this process: from a plan to machine code, and its entries' addresses."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from llvmlite import binding as llvm

from ..target import target, target_machine
from .module import ENTRIES_SYMBOL, IMPORTS_SYMBOL
from .plan import Plan, Root


class Level(Enum):
    """How much LLVM does. What the code computes depends on neither."""

    LEAN = "lean"  # soon there
    FULL = "full"  # soon done


PASSES = 1  # as much of LLVM's passes as made the kernels faster
FULL_CODE = 1  # LLVM's effort behind the passes, likewise
LEAN_CODE = 0  # ... hardly any
_LEAN_PASSES = ("sroa", "instruction_combine", "simplify_cfg")


@dataclass(frozen=True, eq=False, kw_only=True)
class Piece:
    """Loaded code. `entries`: addresses of handlers, by root. It must live as long as a record leads there."""

    entries: Mapping[Root, int]
    engine: Any


def make_object(text: str, level: Level) -> bytes:
    """Machine code of a module, for the target of this process."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    parsed = llvm.parse_assembly(text)
    machine = target_machine(LEAN_CODE if level is Level.LEAN else FULL_CODE, near=True)
    options = llvm.create_pipeline_tuning_options(speed_level=min(PASSES, target().level))
    options.inlining_threshold = 0  # calls whose code becomes shorter by it; what gains from more is written inlined
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    if level is Level.FULL:
        builder.getModulePassManager().run(parsed, builder)
    else:
        passes = llvm.create_new_function_pass_manager()
        for name in _LEAN_PASSES:
            getattr(passes, f"add_{name}_pass")()
        for function in parsed.functions:
            if not function.is_declaration:
                passes.run(function, builder)
    code: bytes = machine.emit_object(parsed)
    return code


def load_object(code: bytes, plan: Plan, address_of: Callable[[str], int]) -> Piece:
    """Make an object's entries callable. address_of: of a function that numba compiled, by symbol."""
    # One block of memory for all sections: only so may code reach its data by 32-bit distances.
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine(), use_lmm=True)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    imports = (ctypes.c_int64 * max(len(plan.imports), 1)).from_address(_table(engine, IMPORTS_SYMBOL))
    imports[: len(plan.imports)] = [address_of(symbol) for symbol in plan.imports]
    entries = (ctypes.c_int64 * len(plan.roots)).from_address(_table(engine, ENTRIES_SYMBOL))
    return Piece(entries=dict(zip(plan.roots, entries[:], strict=True)), engine=engine)


def _table(engine: Any, symbol: str) -> int:
    address: int = ctypes.CFUNCTYPE(ctypes.c_int64)(engine.get_function_address(symbol))()
    return address
