"""A piece of compiled code as one LLVM module: functions, and entries that the interpreter's records can lead to.

An entry is a handler like the interpreter's own. It calls compiled code with the frame that it finds, and afterwards does what
RET would do; or, where the machine was left, goes on in the interpreter or stops.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .. import context, layout
from ..code import RECORD
from ..handlers import PARAMETERS, REGISTERS, stop_definition
from ..llvm_words import DECLARATIONS, METADATA, SLOTS_TAG, LLVMWords, Value
from ..shapes import BEHIND_COST
from .exits import ir_type, result_type
from .function import FunctionCode, clone_of, function_name
from .plan import CONTINUE, IMPORTS, Plan
from .service import ServiceCode, kernel_code

NATIVE_STACK = 1 << 20  # bytes of a thread's stack, which has some times as much
ENTRIES_SYMBOL, IMPORTS_SYMBOL = "pbs_entries", "pbs_imports"


def module(plan: Plan, convention: str, writer: type[FunctionCode] = FunctionCode) -> str:
    """The IR text. `pbs_entries()` gives the table of entries, beside plan.roots, `pbs_imports()` the one to be filled.

    writer: of functions. Another than the usual one is for measuring what a part of them costs, and never for a user's machine.
    """
    facts = plan.image.facts.functions
    clones = [(index, clone) for index, start in plan.roots if (clone := clone_of(facts[index], start)) is not None]
    functions = [writer(plan, index).text() for index in sorted(plan.functions)]
    functions += [writer(plan, index, clone).text() for index, clone in clones]
    functions += [
        writer(plan, index, copy=copy).text()
        for index in sorted(plan.functions)
        for copy in range(1, plan.copies(index) + 1)
    ]
    copies = max(map(plan.copies, plan.functions), default=0)
    shared = [kernel_code(plan, name) for name in plan.kernels]
    shared += [ServiceCode(plan).text(service) for service in plan.services.values()]
    depth = _native_depth(functions)
    frame_words = max(facts[index].frame_words for index in {*plan.functions, *(index for index, _ in plan.roots)})
    entries = [_Entry(convention).text(plan, number, *root) for number, root in enumerate(plan.roots)]
    shared += [_Entry(convention).limit(depth, max(frame_words, 1), copies), _Entry(convention).back()]
    shared.append(_Entry(convention).left())
    count = len(plan.image.facts.functions)
    closures = [
        f"ptr {function_name(i)}" if i in plan.functions and f.function.is_closure else "ptr null"
        for i, f in enumerate(plan.image.facts.functions)
    ]
    addresses = ", ".join(f"ptr @entry{i}" for i in range(len(entries)))
    tables = [
        f"{IMPORTS} = internal global [{max(len(plan.imports), 1)} x ptr] zeroinitializer",
        f"@closures = internal constant [{count} x ptr] [{', '.join(closures)}]",
        f"@entries = internal constant [{len(entries)} x ptr] [{addresses}]",
        f"define ptr @{ENTRIES_SYMBOL}() nounwind {{\n  ret ptr @entries\n}}",
        f"define ptr @{IMPORTS_SYMBOL}() nounwind {{\n  ret ptr {IMPORTS}\n}}",
    ]
    return "\n".join([DECLARATIONS, *tables, stop_definition(convention), *shared, *functions, *entries]) + METADATA


def _native_depth(functions: list[str]) -> int:
    """Calls that fit into the native stack: a frame holds fewer words than its function has lines; inlined ones count apart."""
    longest = max(text.count("\n") for text in functions)
    return max(NATIVE_STACK // (8 * longest + 256), 1)


class _Entry(LLVMWords):
    """Writes what stands between the interpreter's handlers and compiled functions."""

    def __init__(self, convention: str) -> None:
        super().__init__()
        self.convention = convention

    def text(self, plan: Plan, number: int, index: int, start: int) -> str:
        """An entry."""
        facts = plan.image.facts.functions[index]
        self.emit("call fastcc void @limit(ptr %fp, ptr %calls, ptr %cx)")
        unpaid = self.add(Value("i64", "%budget"), self.word(facts.block_at[start].cost))
        type_ = result_type(facts.signature.results)
        clone = clone_of(facts, start)
        slots = facts.slots[: facts.params] if clone is None else ()
        values = [self.load(ir_type(t), "%fp", 8 * i, SLOTS_TAG) for i, t in enumerate(slots)]
        given = "".join(f", {v.type} {v.text}" for v in values)
        function = function_name(index, clone)
        answer = self.define(
            type_, f"call fastcc {type_} {function}(i64 {unpaid.text}, ptr %fp, ptr %calls, ptr %cx{given})"
        ).text
        budget = self.define("i64", f"extractvalue {type_} {answer}, 0")
        self.emit(f"br i1 {self.lt_s(budget, self.word(0)).text}, label %left, label %done")
        self.label("left")
        self._tail_call("@left")
        self.label("done")
        now = {"budget": budget.text}
        for i, slot_type in enumerate(facts.signature.results):
            value = self.define(ir_type(slot_type), f"extractvalue {type_} {answer}, {i + 1}")
            self.store(value, "%fp", 8 * i, SLOTS_TAG)
            now["facc" if value.type == "double" else "acc"] = value.text
        self._tail_call("@back", now)
        return self._definition(f"@entry{number}")

    def limit(self, depth: int, frame_words: int, copies: int) -> str:
        """How far calls may go: neither the native stack, nor the coroutine's, nor its depth can run out before.

        Inlined copies do not ask; so many may be called past the limit.
        """
        end = self.load("i64", "%cx", 8 * context.STACK_END)
        room = self.sub(end, self.define("i64", "ptrtoint ptr %fp to i64"))
        frames = self.sub(self.define("i64", f"sdiv i64 {room.text}, {8 * frame_words}"), self.word(1 + copies))
        frames = self.choose(self.lt_s(frames, self.word(depth)), frames, self.word(depth))
        frames = self.choose(self.lt_s(frames, self.word(0)), self.word(0), frames)
        own = self.add(
            self.define("i64", "ptrtoint ptr %calls to i64"), self.mul(frames, self.word(context.CALL_BYTES))
        )
        limit = self.sub(self.load("i64", "%cx", 8 * context.CALL_LIMIT), self.word(context.CALL_BYTES * copies))
        self.store(self.choose(self.lt_u(own, limit), own, limit), "%cx", 8 * context.NATIVE_LIMIT)
        body = "\n".join(self.lines)
        head = "define internal fastcc void @limit(ptr %fp, ptr %calls, ptr %cx) nounwind noinline"
        return f"{head} {{\n{body}\n  ret void\n}}\n"

    def back(self) -> str:
        """What RET does once its results are in place: on behind the call that is waiting."""
        calls = self.at("%calls", -context.CALL_BYTES)
        ip, fp = self.load("ptr", calls), self.load("ptr", calls, 8)
        cost = self.define("i16", f"load i16, ptr {self.at(ip.text, BEHIND_COST)}, align 2")
        left = self.sub(Value("i64", "%budget"), self.define("i64", f"zext i16 {cost.text} to i64"))
        now = {"ip": self.at(ip.text, RECORD), "fp": fp.text, "calls": calls}
        self.emit(f"br i1 {self.lt_s(left, self.word(0)).text}, label %unpaid, label %paid, !prof !0")
        self.label("unpaid")
        self._tail_call("@stop", now | {"acc": str(layout.OUT_OF_BUDGET)})
        self.label("paid")
        self._tail_call(self.load("ptr", now["ip"]).text, now | {"budget": left.text})
        return self._definition("@back")

    def left(self) -> str:
        """Where compiled code was left: on in the interpreter, or stop."""
        status = self.load("i64", "%cx", 8 * context.SAVED_STATUS)
        words = (("ptr", "ip"), ("ptr", "fp"), ("i64", "budget"), ("ptr", "calls"))
        now = {name: self.load(type_, "%cx", 8 * (context.SAVED_IP + i)).text for i, (type_, name) in enumerate(words)}
        goes_on = self.eq(status, self.word(CONTINUE))
        self.emit(f"br i1 {goes_on.text}, label %continue, label %stopped")
        self.label("stopped")
        self._tail_call("@stop", now | {"acc": status.text})
        self.label("continue")
        records = self.load("i64", "%cx", 8 * context.RECORDS)
        offset = self.sub(self.define("i64", f"ptrtoint ptr {now['ip']} to i64"), records)
        index = self.shr_u(offset, self.word(RECORD.bit_length() - 1))
        handler = self.load("ptr", self.element("ptr", self.load("ptr", "%cx", 8 * context.BASE).text, index))
        value = self.load("i64", "%cx", 8 * context.SAVED_VALUE)
        self._tail_call(handler.text, now | {"acc": value.text, "facc": self.from_bits(value).text})
        return self._definition("@left")

    def _tail_call(self, function: str, now: Mapping[str, str] = MappingProxyType({})) -> None:
        arguments = ", ".join(f"{type_} {now.get(name, f'%{name}')}" for type_, name in REGISTERS)
        self.emit(f"musttail call {self.convention} void {function}({arguments})")
        self.emit("ret void")

    def _definition(self, name: str) -> str:
        body = "\n".join(self.lines)
        return f"define internal {self.convention} void {name}({PARAMETERS}) nounwind noinline {{\n{body}\n}}\n"
