"""What all native code shares beyond the primitives: the context, kernels, services. `%cx` is the context."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..host import Service
from ..host.devices import HOST_CALLS, HOST_DIGEST
from ..isa.traps import Trap
from . import context, layout
from .abi import Compiled, compiled
from .host_log import FACTOR
from .kernels import coroutines, heap
from .llvm_words import LLVMWords, Value

# The kernels that meanings call by name, and those of the flows
KERNELS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        *(heap.allocate, heap.fill_words, heap.fill_bytes, heap.copy_words, heap.copy_bytes, heap.make_closure),
        *(coroutines.mark_yield, coroutines.mark_sleep, coroutines.spawn),
    )
}
COMPILED_KERNELS: Mapping[str, Compiled] = {name: compiled(function) for name, function in KERNELS.items()}


class NativeWords(LLVMWords):
    """Writes native code. Subclasses say how a compiled function is reached, where traps go, and what payment means."""

    def callee(self, function: Compiled) -> str:
        """How a compiled function is written in a call."""
        return f'@"{function.symbol}"'

    def in_context(self, type_: str, word: int) -> Value:
        """A word of the context."""
        return self.load(type_, "%cx", 8 * word)

    def globals_pointer(self) -> str:
        """A pointer to the first global."""
        return self.in_context("ptr", context.GLOBALS).text

    def stack_exhausted(self, calls: str, frame: str, frame_words: Value) -> Value:
        """Whether a call may not be made: too many wait, or its frame would not fit."""
        top = self.element("i64", frame, frame_words)
        deep = self.define("i1", f"icmp uge ptr {calls}, {self.in_context('ptr', context.CALL_LIMIT).text}")
        wide = self.define("i1", f"icmp ugt ptr {top}, {self.in_context('ptr', context.STACK_END).text}")
        return self.either(deep, wide)

    def _view(self, name: str) -> str:
        words = {"state": context.STATE, "image": context.IMAGE}
        word = words[name] if name in words else context.VIEW + context.VIEW_INDEX[name]
        return f"ptr {self.in_context('ptr', word).text}"

    def run_compiled(self, function: Compiled, operands: Sequence[Value]) -> list[Value]:
        """Call what numba compiled; its results."""
        results = self.at("%cx", 8 * context.RESULTS)
        arguments = [f"ptr {results}", f"ptr {self.at('%cx', 8 * context.EXCEPTION)}"]
        arguments += [self._view(name) for name in function.views]
        arguments += [f"{operand.type} {operand.text}" for operand in operands]
        self.define("i32", f"call i32 {self.callee(function)}({', '.join(arguments)})")
        return [
            self.load("double" if letter == "F" else "i64", results, 8 * i) for i, letter in enumerate(function.gives)
        ]

    def kernel(self, name: str, *operands: Value) -> Value:
        """Call a kernel; its one result."""
        return self.run_compiled(COMPILED_KERNELS[name], [self._word_of(operand) for operand in operands])[0]

    def handle_from(self, kernel: str, constant: Value, first: str) -> Value:
        """MAKE_CLOSURE and SPAWN: a kernel that reads its operands from the stack and gives a handle, or 0 for no room."""
        address = self.define("i64", f"ptrtoint ptr {first} to i64")
        word = self.shr_u(self.sub(address, self.in_context("i64", context.STATE)), self.word(3))
        handle = self.kernel(kernel, constant, word)
        self.trap_if(self.eq(handle, self.word(0)), self.word(Trap.OUT_OF_MEMORY))
        return handle

    def service(self, service: Service, operands: Sequence[Value]) -> list[Value]:
        """A host call: is it allowed, payment, the call, the log; its results. operands: its member, if any, in front."""
        state = self.in_context("ptr", context.STATE).text
        calls_at = self.at(state, 8 * (layout.DEVICE + HOST_CALLS))
        made = self.load("i64", calls_at) if not service.intrinsic else self.word(0)
        if not service.intrinsic:
            limit = self.load("i64", state, 8 * layout.HOST_CALL_LIMIT)
            self.trap_if(self.not_(self.lt_s(made, limit)), self.word(Trap.HOST_DENIED))
        operands = [self.canonical(value) if value.type == "double" else value for value in operands]
        if service.extra_cycles is not None:
            self.charge(self.run_compiled(compiled(service.extra_cycles), operands)[0])
        results = self.run_compiled(compiled(service.function), operands)
        results = [self.canonical(value) if value.type == "double" else value for value in results]
        if not service.intrinsic:
            digest_at = self.at(state, 8 * (layout.DEVICE + HOST_DIGEST))
            digest = self.load("i64", digest_at)
            for value in (self.word(service.number), *operands, *results):
                digest = self._mix(digest, self.bits(value) if value.type == "double" else value)
            self.store(digest, digest_at)
            self.store(self.add(made, self.word(1)), calls_at)
        return results

    def _mix(self, digest: Value, word: Value) -> Value:
        product = self.mul(self.xor(digest, word), self.word(FACTOR))
        return self.xor(product, self.shr_u(product, self.word(32)))
