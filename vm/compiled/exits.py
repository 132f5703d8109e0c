"""Where compiled code is left, and what stands in memory then: the way out of one function.

All exits of one kind share their code, so that a guard is one branch; what they say comes to it by phi nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...isa.types import FLOAT, SlotType
from ...verifier import Block, FunctionFacts
from .. import context, layout
from ..code import FLOAT_BANK, RECORD
from ..llvm_words import SLOTS_TAG, Value
from ..native_words import NativeWords
from .paths import paths
from .plan import CONTINUE, Plan

_RARE = ", !prof !0"


def ir_type(slot_type: SlotType) -> str:
    """How a value of the type is passed and kept: a double, or a word."""
    return "double" if slot_type == FLOAT else "i64"


def result_type(results: Sequence[SlotType]) -> str:
    """What a compiled function gives back: the budget, and its results."""
    return "{" + ", ".join(["i64", *map(ir_type, results)]) + "}"


class Exits(NativeWords):
    """The places of one function's frame, and how it is left to the interpreter. Subclasses write what it does."""

    def __init__(self, plan: Plan, index: int, start: int) -> None:
        super().__init__()
        self.plan, self.index, self.start = plan, index, start
        self.facts: FunctionFacts = plan.image.facts.functions[index]
        self.paths = paths(self.facts, start)
        self.slots = len(self.facts.slots)
        self.results = result_type(self.facts.signature.results)
        self.at_entry: list[Value] = []
        self.block: Block = self.facts.blocks[0]
        self.pc = 0
        self._arms: list[tuple[str, Callable[[], None]]] = []
        self._exits: dict[str, list[tuple[str, ...]]] = {
            way: [] for way in ("trap", "called", "given", "resume", "interpret", "wait", "save")
        }

    # ---- places

    def _local(self, slot: int) -> Value:
        return self.load(ir_type(self.facts.slots[slot]), f"%l{slot}")

    def _kept(self, value: Value) -> Value:
        """A value as it is kept in a slot: a truth as a word."""
        return self._word_of(value)

    def _home(self, depth: int) -> str:
        return self.at("%fp", 8 * (self.slots + depth))

    def _spill(self, slot: int, value: Value) -> None:
        self.store(self._kept(value), "%fp", 8 * slot, SLOTS_TAG)

    def _spill_stack(self, stack: Sequence[Value]) -> None:
        for depth, value in enumerate(stack):
            self._spill(self.slots + depth, value)

    # ---- leaving: all exits of one kind share their code, so that a guard is one branch

    def _guard(self, condition: Value, write: Callable[[], None]) -> None:
        """Where the condition holds, go where `write` says; else go on."""
        go, arm = self.name("go"), self.name("arm")
        self.emit(f"br i1 {condition.text}, label %{arm}, label %{go}{_RARE}")
        self._arms.append((arm, write))
        self.label(go)

    def _guard_exit(self, condition: Value, way: str, *values: Value | int) -> None:
        """Where the condition holds, leave that way at once."""
        go = self.name("go")
        self._exits[way].append((self.here, *(v.text if isinstance(v, Value) else str(v) for v in values)))
        self.emit(f"br i1 {condition.text}, label %{way}, label %{go}{_RARE}")
        self.label(go)

    def _exit(self, way: str, *values: Value | int) -> None:
        self._exits[way].append((self.here, *(v.text if isinstance(v, Value) else str(v) for v in values)))
        self.emit(f"br label %{way}")

    def _budget(self) -> Value:
        return self.load("i64", "%budget")

    def _record(self, index: str) -> Value:
        offset = self.mul(Value("i64", index), self.word(RECORD))
        return self.add(self.in_context("i64", context.RECORDS), offset)

    def _write_exits(self) -> None:
        """The code of all exits, those first that lead to others.

        trap: status, record, the block's cost. called, given: after a call there is not enough, for the callee left the machine or
        needed too much: the call's record, that of what is behind, its cost, and the result. resume, interpret: record, cost.
        wait: record. save: status, record, budget.
        """
        if self._enter_exit("trap", "status", "record", "cost"):
            left = self.sub(self._budget(), Value("i64", "%trap.cost"))
            self._exit("save", Value("i64", "%trap.status"), Value("i64", "%trap.record"), left)
        for way, names in (("called", ()), ("given", ("value",))):
            if self._enter_exit(way, "waiting", "resumed", "cost", *names):
                stays = self.name("stays")
                self._exits["wait"].append((self.here, f"%{way}.waiting"))
                self.emit(f"br i1 {self.lt_s(self._budget(), self.word(0)).text}, label %wait, label %{stays}")
                self.label(stays)
                if names:
                    self._spill(self.slots, Value("i64", "%given.value"))
                    self._hand_over(Value("i64", "%given.value"))
                self._exit("resume", Value("i64", f"%{way}.resumed"), Value("i64", f"%{way}.cost"))
        if self._enter_exit("resume", "record", "cost"):
            # The interpreter goes on with the block, if it can be paid for; nothing of it was done or paid.
            budget = self._budget()
            left = self.sub(budget, Value("i64", "%resume.cost"))
            unpaid = self.lt_s(left, self.word(0))
            status = self.choose(unpaid, self.word(layout.OUT_OF_BUDGET), self.word(CONTINUE))
            self._exit("save", status, Value("i64", "%resume.record"), self.choose(unpaid, budget, left))
        if self._enter_exit("interpret", "record", "cost"):
            # The interpreter carries out the block's last record; the block is paid for.
            left = self.sub(self._budget(), Value("i64", "%interpret.cost"))
            self._exit("save", self.word(CONTINUE), Value("i64", "%interpret.record"), left)
        if self._enter_exit("wait", "record"):
            # A callee left the machine: this frame waits for it, as a call of the interpreter would.
            self.store(self._record("%wait.record"), "%calls", 0)
            self.store(Value("ptr", "%fp"), "%calls", 8)
            self.emit("br label %leave")
        if self._enter_exit("save", "status", "record", "budget"):
            saved = (
                self._record("%save.record"),
                Value("ptr", "%fp"),
                Value("i64", "%save.budget"),
                Value("ptr", "%calls"),
                Value("i64", "%save.status"),
            )
            for word, value in enumerate(saved):
                self.store(value, "%cx", 8 * (context.SAVED_IP + word))
            self.emit("br label %leave")
        self.label("leave")
        for i in range(self.slots):
            self._spill(i, self._local(i))
        no_results = "".join(f", {ir_type(t)} poison" for t in self.facts.signature.results)
        self.emit(f"ret {self.results} {{i64 -1{no_results}}}")

    def _enter_exit(self, way: str, *names: str) -> bool:
        """Begin the code of an exit, with what its users give it; whether there are any."""
        users = self._exits[way]
        if users:
            self.label(way)
            for i, name in enumerate(names):
                given = ", ".join(f"[{user[1 + i]}, %{user[0]}]" for user in users)
                self.emit(f"%{way}.{name} = phi i64 {given}")
        return bool(users)

    def _resume(self, block: Block, stack: Sequence[Value]) -> None:
        """Leave the block to the interpreter, from its start."""
        self._spill_stack(stack)
        record = self.plan.records.first(self.index, block.start)
        held = self.plan.records.held(record)
        if held >= 0:
            slot = held % FLOAT_BANK
            value = stack[slot - self.slots] if slot >= self.slots else self._local(slot)
            self._hand_over(self._kept(value))
        self._exit("resume", record, block.cost)

    def _hand_over(self, value: Value) -> None:
        """What the interpreter finds in its accumulator."""
        self.store(value, "%cx", 8 * context.SAVED_VALUE)

    def _guard_resume(self, condition: Value, block: Block, stack: Sequence[Value]) -> None:
        record = self.plan.records.first(self.index, block.start)
        if stack or self.plan.records.held(record) >= 0:
            self._guard(condition, lambda: self._resume(block, stack))
        else:
            self._guard_exit(condition, "resume", record, block.cost)

    def _interpret(self, block: Block, stack: Sequence[Value]) -> None:
        """Leave the block's last record to the interpreter."""
        self._spill_stack(stack)
        self._exit("interpret", self.plan.records.last(self.index, block), block.cost)

    def _guard_interpret(self, condition: Value, block: Block, stack: Sequence[Value]) -> None:
        if stack:
            self._guard(condition, lambda: self._interpret(block, stack))
        else:
            self._guard_exit(condition, "interpret", self.plan.records.last(self.index, block), block.cost)

    def trap_if(self, condition: Value, code: Value) -> None:
        status = self.or_(self.shl(code, self.word(context.STATUS_BITS)), self.word(layout.TRAP))
        record = self.plan.records.of(self.index, self.pc)
        self._guard_exit(condition, "trap", status, record, self.block.cost)

    def charge(self, cycles: Value) -> None:
        """Pay for the first instruction of the block; what is left must still do for the way from here."""
        left = self.sub(self._budget(), cycles)
        self._guard_resume(self.lt_s(left, self.word(self.paths.needs[self.block.start])), self.block, self.at_entry)
        self.store(left, "%budget")
