"""Makes the parts of the native core as object files: numba compiles kernels and services, LLVM the handlers.

    steps0, steps1   the handlers of all record kinds
    kernels          the machine around them: frame loop, scheduler, collector, digest; and the entries that Python calls
    one per module   of the host, `gfx`, `log` ...: its services and their handlers

`main` runs in processes of their own with a clean environment (`native` starts them): nothing of numba's configuration around the
caller reaches the core, parts are made on several processors, and later runs need neither numba nor any compiling.
"""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from llvmlite import binding as llvm

from ..contract import InternalError
from ..host import Registry, Service, standard
from . import context, handlers, native_words, xxh3
from .abi import Compiled, compiled, parts_of, symbol_of
from .cache import Folder
from .kernels import frames
from .kernels.rebind import Rebinding
from .kinds import VARIANTS
from .llvm_words import LLVMWords
from .native import pack, unpack
from .native_names import KIND, PROBE_FAILED, RUN_CALL, RUN_FRAMES, RUN_JOBS, STEPS, TABLE
from .target import MOST_OPTIMISED, USUAL, Target, aim, target, target_machine

HASH = "pbs_hash128"


def part_names(registry: Registry) -> list[str]:
    """Every part of the core for a host, the longest to make first."""
    modules = dict.fromkeys(service.module for service in rows(registry))
    return ["kernels", *STEPS, *modules]


def rows(registry: Registry) -> list[Service]:
    """Services and intrinsics, one for each handler."""
    found: dict[object, Service] = {}
    for service in (*registry.services.values(), *registry.intrinsics.values()):
        found.setdefault(handlers.handler_key(service), service)
    return list(found.values())


def handler_numbers(registry: Registry) -> dict[object, int]:
    """Numbers of handlers: by variant, and by ("SYSCALL" or "INTRINSIC", number of the service)."""
    numbers: dict[object, int] = {variant: number for number, variant in enumerate(VARIANTS)}
    by_key = {handlers.handler_key(row): len(VARIANTS) + i for i, row in enumerate(rows(registry))}
    for service in (*registry.services.values(), *registry.intrinsics.values()):
        name = "INTRINSIC" if service.intrinsic else "SYSCALL"
        numbers[name, service.number] = by_key[handlers.handler_key(service)]
    return numbers


def build_part(part: str, registry: Registry, convention: str) -> bytes:
    """One part, as `native` unpacks it."""
    return pack(_numbers(part, registry), _code(part, registry, convention))


def _numbers(part: str, registry: Registry) -> list[int]:
    """The numbers of a part's handlers, in the order of its table."""
    if part in STEPS:
        return list(range(STEPS.index(part), len(VARIANTS), len(STEPS)))
    return [len(VARIANTS) + i for i, service in enumerate(rows(registry)) if service.module == part]


def _code(part: str, registry: Registry, convention: str) -> bytes:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if part in STEPS:
        return _object([handlers.step_module(STEPS.index(part), len(STEPS), convention)], optimize=1)
    compiler = _Compiler(with_turn=part == "kernels")
    if part == "kernels":
        roots: list[Callable[..., Any]] = [*native_words.KERNELS.values(), frames.run_frames, frames.run_call]
        texts = [_entries(), xxh3.module()]
        public = [RUN_FRAMES, RUN_CALL, RUN_JOBS]
    else:
        services = [service for service in rows(registry) if service.module == part]
        roots = [f for service in services for f in (service.function, service.extra_cycles) if f is not None]
        texts = [handlers.host_module(part, convention, services)]
        public = [f"{TABLE}{part}"]
        for service in services:
            _check_signature(service)
    for root in roots:
        compiler.copies.copy(root)
    return _object([*compiler.texts, *texts], public=[*public, *(symbol_of(root) for root in roots)])


def _check_signature(service: Service) -> None:
    """A row and its function must say the same."""
    function = compiled(service.function)
    takes = "W" * (service.member is not None) + "".join("F" if k == "float" else "W" for _, k in service.params)
    gives = "".join("F" if k == "float" else "W" for _, k in service.results)
    if (function.takes, function.gives) != (takes, gives):
        raise InternalError(f"{service.identity} says {service.effect}, its function does not")


# ---- numba ---------------------------------------------------------------------------------------------------------------


class _Compiler:
    """Compiles functions with numba, each by itself, to IR; machine code is made once, of what belongs together.

    numba's own way links every function into all that call it, and optimises and compiles it there again. Here a call is a
    call to a symbol. Types are read off the annotations; views are plain pointers.
    """

    def __init__(self, *, with_turn: bool) -> None:
        import numba
        from numba import types
        from numba.core import compiler, registry

        if numba.config.DISABLE_JIT:
            raise InternalError("numba's compiler is switched off (NUMBA_DISABLE_JIT)")
        from . import native_passes, native_ports
        from .turn import turn

        self.types = {
            "Words": types.CPointer(types.int64),
            "Bytes": types.CPointer(types.uint8),
            "Pixels": types.CPointer(types.uint16),
            "Any": types.CPointer(types.int64),
            "int": types.int64,
            "float": types.float64,
            "bool": types.boolean,
        }
        self.tuple_type, self.none = types.Tuple, types.none
        self.compile_extra, self.target = compiler.compile_extra, registry.cpu_target
        self.call_of, self.pipeline = native_ports.call_of, native_passes.PlainCompiler
        native_passes.remember_signatures()
        self.flags = compiler.Flags()
        options = {"nopython": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        self.target.options.parse_as_flags(self.flags, options)
        self.flags.no_compile = True
        self.flags.no_rewrites = True
        self.texts: list[str] = []
        self._linked: set[int] = set()
        ports = native_ports.ports()
        if with_turn:
            ports["turn"] = Rebinding(ports, self._compile).copy(turn)
        self.copies = Rebinding(ports, self._compile)

    def _compile(self, function: Callable[..., Any]) -> Any:
        """Compile a function whose callees are compiled; what stands for it in its callers."""
        annotations = dict(inspect.get_annotations(function))
        results = [self.types[part] for part in parts_of(annotations.pop("return"))]
        result = self.none if not results else results[0] if len(results) == 1 else self.tuple_type(results)
        arguments = tuple(self.types[kind] for kind in annotations.values())
        contexts = self.target.typing_context, self.target.target_context
        made = self.compile_extra(
            *contexts, function, arguments, result, self.flags, locals={}, pipeline_class=self.pipeline
        )
        if made.signature.return_type != result:
            raise InternalError(f"{function.__qualname__} compiled to {made.signature}")
        symbol = symbol_of(function)
        self.texts.append(made.library.get_llvm_str().replace(made.fndesc.llvm_func_name, f'"{symbol}"'))
        self._link(made.library)
        return self.call_of(function.__name__, result(*arguments), symbol)

    def _link(self, library: Any) -> None:
        """Keep what numba itself brings along: its `min` and `max`, and the reference counting that nothing uses."""
        for needed in library._linking_libraries:
            if id(needed) not in self._linked:
                self._linked.add(id(needed))
                self.texts.append(needed.get_llvm_str())


class _Entry(LLVMWords):
    """A function that Python calls: `i64 f(context, given)`, where `given` points to the words of its arguments."""

    def view(self, name: str) -> str:
        words = {"state": context.STATE, "image": context.IMAGE}
        word = words[name] if name in words else context.VIEW + context.VIEW_INDEX[name]
        return f"ptr {self.load('ptr', '%cx', 8 * word).text}"

    def text(self, name: str, function: Compiled, given: str) -> str:
        """`given` says in order what the arguments are: names of views, `cx`, `ptr` and `i64` for given words."""
        arguments, word = (
            [f"ptr {self.at('%cx', 8 * context.RESULTS)}", f"ptr {self.at('%cx', 8 * context.EXCEPTION)}"],
            0,
        )
        for kind in given.split():
            if kind in ("ptr", "i64"):
                arguments.append(f"{kind} {self.load(kind, '%given', 8 * word).text}")
                word += 1
            else:
                arguments.append("ptr %cx" if kind == "cx" else self.view(kind))
        self.define("i32", f'call i32 @"{function.symbol}"({", ".join(arguments)})')
        result = self.load("i64", "%cx", 8 * context.RESULTS)
        types = ", ".join(argument.split()[0] for argument in arguments)
        body = "\n".join(self.lines)
        head = f'declare i32 @"{function.symbol}"({types})\ndefine i64 @{name}(ptr %cx, ptr %given) nounwind'
        return f"{head} {{\n{body}\n  ret i64 {result.text}\n}}\n"


def _entries() -> str:
    run_frames = "state image cx device ptr i64 i64 ptr log ptr i64"  # inputs, count, ticks; report; log, its room
    run_call = "state image cx i64 ptr i64 i64"  # function, arguments, their count, cycles
    return (
        _Entry().text(RUN_FRAMES, compiled(frames.run_frames), run_frames)
        + _Entry().text(RUN_CALL, compiled(frames.run_call), run_call)
        + _run_jobs()
    )


def _run_jobs() -> str:
    """`i64 f(jobs, taken)`: calls of entries, a row each as `context` lays them out, until none is left to take.

    Several threads may run it on the same jobs: word 0 of `taken` counts the jobs that were taken, word 1 is how many there are.
    """
    return f"""
define i64 @{RUN_JOBS}(ptr %jobs, ptr %taken) nounwind {{
  %count_at = getelementptr i64, ptr %taken, i64 1
  %count = load i64, ptr %count_at
  br label %next
next:
  %number = atomicrmw add ptr %taken, i64 1 monotonic
  %is_left = icmp slt i64 %number, %count
  br i1 %is_left, label %run, label %end
run:
  %first_word = mul i64 %number, {context.JOB_WORDS}
  %job = getelementptr i64, ptr %jobs, i64 %first_word
  %entry_at = getelementptr i64, ptr %job, i64 {context.JOB_ENTRY}
  %context_at = getelementptr i64, ptr %job, i64 {context.JOB_CONTEXT}
  %result_at = getelementptr i64, ptr %job, i64 {context.JOB_RESULT}
  %given = getelementptr i64, ptr %job, i64 {context.JOB_GIVEN}
  %entry = load ptr, ptr %entry_at
  %context = load ptr, ptr %context_at
  %result = call i64 %entry(ptr %context, ptr %given)
  store i64 %result, ptr %result_at
  br label %next
end:
  ret i64 0
}}
"""


# ---- LLVM ----------------------------------------------------------------------------------------------------------------


def _object(texts: Sequence[str], public: Sequence[str] | None = None, optimize: int = USUAL) -> bytes:
    """Machine code of modules linked into one. Where `public` is given, all other definitions are private to it."""
    module = llvm.parse_assembly(texts[0])
    for text in texts[1:]:
        module.link_in(llvm.parse_assembly(text))
    if public is not None:
        for function in module.functions:
            if not function.is_declaration and function.name not in public:
                function.linkage = "internal"
    module.verify()
    machine = target_machine()
    # With no passes at all numba's reference counting stays, and there is nothing to link it to.
    least = 0 if public is None else 1
    wanted = target().level
    level = wanted if wanted == MOST_OPTIMISED else min(optimize, max(least, wanted))
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=level))
    passes.getModulePassManager().run(module, passes)
    compiled_object: bytes = machine.emit_object(module)
    return compiled_object


def main(convention: str, folder: str, parts: Sequence[str], made_for: Target) -> None:
    """Write parts of the standard host's core to a cache folder. Steps are tried out before anything else is made."""
    from .probe import steps_work

    gc.disable()  # the process is over before it would pay
    aim(made_for)
    kept = Folder(Path(folder))
    steps = {}
    for part in parts:
        body = build_part(part, standard(), convention)
        if part in STEPS:
            _, steps[part] = unpack(body)
            if len(steps) == len(STEPS) and not steps_work(list(steps.values())):
                sys.exit(PROBE_FAILED)
        if not kept.write(KIND, part, body):
            sys.exit(f"{part} cannot be written to {folder}")
