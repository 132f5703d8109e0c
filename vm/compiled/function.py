"""One function as LLVM code: its verified blocks through the instructions' meanings, operands and locals in registers.

    {i64 budget, results...} @fN(i64 budget, ptr fp, ptr calls, ptr cx, parameters...)

A negative budget in the result says that the machine must be left: the context's saved words say where to go on, and the
frame stands in memory as the interpreter would have it. Callers then write their own frames, and give the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...contract import InternalError
from ...isa.program import Constant
from ...isa.table import PROMOTION, Flow
from ...isa.traps import Trap
from ...isa.types import SlotType
from ...isa.typing import immediate_operands
from ...verifier import Block, FunctionFacts
from .. import context, layout
from ..exact_words import float_bits
from ..image_tables import constant_handle
from ..llvm_words import SLOTS_TAG, Value
from .exits import Exits, ir_type, result_type
from .paths import loop_heads
from .plan import Plan
from .service import DENIED, DONE, answer_type, may_refuse, service_name

REGISTERS = "ptr %fp, ptr %calls, ptr %cx"
_IN_BLOCK = (Flow.MOVE, Flow.NEXT, Flow.CLOSURE, Flow.SPAWN, Flow.HOST)


def function_name(index: int, resumed: int | None = None, copy: int = 0) -> str:
    """The symbol of a function, of its clone that begins at a block, or of a copy to be inlined."""
    return f"@f{index}" + ("" if resumed is None else f".b{resumed}") + (f".copy{copy}" if copy else "")


def clone_of(facts: FunctionFacts, start: int) -> int | None:
    """Where the clone begins that the interpreter enters for a block; None: it enters the function, whose locals are fresh.

    A function's first block, too, may be jumped back to.
    """
    return None if start == 0 and 0 not in loop_heads(facts) else start


class FunctionCode(Exits):
    """Writes one function. A clone (`resumed`: its block) takes its locals and operands from its frame in memory.

    A function that calls itself is given copies to be inlined in it: copy 0 calls copy 1, and so on, and the last one copy 0.
    """

    def __init__(self, plan: Plan, index: int, resumed: int | None = None, copy: int = 0) -> None:
        super().__init__(plan, index, resumed or 0)
        self.resumed, self.copy = resumed, copy
        self.stack: list[Value] = []

    def text(self) -> str:
        """The definition."""
        self._prologue()
        for pc in self.paths.needs:
            self._block(self.facts.block_at[pc])
        for label, write in self._arms:
            self.label(label)
            write()
        self._write_exits()
        given = "".join(f", {ir_type(t)} %p{i}" for i, t in enumerate(self._parameters()))
        head = f"define internal fastcc {self.results} {function_name(self.index, self.resumed, self.copy)}"
        inlined = " alwaysinline" if self.copy else ""
        lines = "\n".join(self.lines)
        # no-builtins: a loop must not be turned into a call of memset
        return f'{head}(i64 %budget0, {REGISTERS}{given}) nounwind{inlined} "no-builtins" {{\n{lines}\n}}\n'

    def _parameters(self) -> Sequence[SlotType]:
        return self.facts.slots[: self.facts.params] if self.resumed is None else ()

    def _prologue(self) -> None:
        self.label("entry")
        self.emit("%budget = alloca i64")
        self.emit("store i64 %budget0, ptr %budget")
        for word, name in ((context.HEAP, "heap"), (context.OBJECTS, "objects"), (context.GLOBALS, "globals")):
            self.emit(f"%{name} = load ptr, ptr {self.at('%cx', 8 * word)}")
        given = len(self._parameters())
        for i, slot_type in enumerate(self.facts.slots):
            type_ = ir_type(slot_type)
            self.emit(f"%l{i} = alloca {type_}")
            if self.resumed is not None:
                value = self.load(type_, "%fp", 8 * i, SLOTS_TAG)
            elif i < given:
                value = Value(type_, f"%p{i}")
            else:
                value = self.real(0.0) if type_ == "double" else self.word(0)
            self.store(value, f"%l{i}")
        homes = {(d, ir_type(t)) for pc in self.paths.needs for d, t in enumerate(self.facts.block_at[pc].stack)}
        for depth, type_ in sorted(homes):
            self.emit(f"%s{depth}.{type_} = alloca {type_}")
        if self.resumed is not None:
            for depth, slot_type in enumerate(self.facts.block_at[self.start].stack):
                type_ = ir_type(slot_type)
                self.store(self.load(type_, "%fp", 8 * (self.slots + depth), SLOTS_TAG), f"%s{depth}.{type_}")
            block = self.facts.block_at[self.start]
            self._guard_resume(self._is_deep(), block, self._operands(block))
        self.emit(f"br label %b{self.start}")

    # ---- places

    def globals_pointer(self) -> str:
        return "%globals"

    def _as(self, value: Value, kind: str) -> Value:
        if kind == "T":
            return value if value.type == "i1" else self.define("i1", f"trunc i64 {value.text} to i1")
        return self._kept(value)

    def _pay(self) -> None:
        self.store(self.sub(self._budget(), self.word(self.block.cost)), "%budget")

    # ---- blocks

    def _block(self, block: Block) -> None:
        self.block = block
        if block.start in self.paths.entered:
            self.label(f"b{block.start}")
            if block.start in self.paths.checkpoints:
                self._checkpoint(block)
                self.emit(f"br label %b{block.start}.go")
        if block.start in self.paths.checkpoints:
            self.label(f"b{block.start}.go")
        self.stack = self._operands(block)
        self.at_entry = list(self.stack)
        flow = Flow.MOVE
        for position in range(block.first, block.last):
            self.pc, row, immediates = self.facts.instructions[position]
            flow = row.flow
            if flow is Flow.MOVE:
                self._move(row.name, immediates)
            elif flow in (Flow.NEXT, Flow.BRANCH):
                self._next(position)
            else:
                _FLOWS[flow](self, row.name, immediates)
        if flow in _IN_BLOCK:
            self._pay()
            self._go_on(block.end)
        elif flow is Flow.BRANCH:
            condition = self._as(self.stack.pop(), "T")
            self._pay()
            self._put_stack()
            target = self.facts.instructions[block.last - 1].immediates[0]
            self.emit(f"br i1 {condition.text}, label %b{target}, label %b{block.end}")

    def _checkpoint(self, block: Block) -> None:
        short = self.lt_s(self._budget(), self.word(self.paths.needs[block.start]))
        if block.start == 0 and self.resumed is None and not self.copy:
            short = self.either(short, self._is_deep())
        self._guard_resume(short, block, self._operands(block) if block.stack else [])

    def _is_deep(self) -> Value:
        """Whether this frame may make no call: what the native stack, or the coroutine's, surely holds ends here."""
        return self.define("i1", f"icmp uge ptr %calls, {self.in_context('ptr', context.NATIVE_LIMIT).text}")

    def _operands(self, block: Block) -> list[Value]:
        return [self.load(ir_type(t), f"%s{depth}.{ir_type(t)}") for depth, t in enumerate(block.stack)]

    def _put_stack(self) -> None:
        for depth, value in enumerate(self.stack):
            kept = self._kept(value)
            self.store(kept, f"%s{depth}.{kept.type}")

    def _go_on(self, pc: int) -> None:
        self._put_stack()
        self.emit(f"br label %b{pc}")

    # ---- instructions

    def _take(self, count: int) -> list[Value]:
        low = len(self.stack) - count
        taken = self.stack[low:]
        del self.stack[low:]
        return taken

    def _move(self, name: str, immediates: tuple[Any, ...]) -> None:
        stack = self.stack
        if name == "GET_LOCAL":
            stack.append(self._local(immediates[0]))
        elif name == "SET_LOCAL":
            self.store(self._kept(stack.pop()), f"%l{immediates[0]}")
        elif name == "PUSH_CONST":
            stack.append(self._constant(self.plan.image.program.constants, immediates[0]))
        elif name == "PUSH_F64":
            stack.append(self.real(immediates[0]))
        elif name == "PUSH_NULL":
            stack.append(self.word(0))
        elif name in ("PUSH_I64", "PUSH_I32", "PUSH_BOOL"):
            stack.append(self.word(immediates[0]))
        elif name == "POP":
            stack.pop()
        elif name == "POP_N":
            self._take(immediates[0])
        elif name == "DUP":
            stack.append(stack[-1])
        elif name == "SWAP":
            stack[-2:] = [stack[-1], stack[-2]]
        elif name != "NOP":
            raise InternalError(f"no move {name}")

    def _constant(self, constants: Sequence[Constant], index: int) -> Value:
        value = constants[index].value
        if isinstance(value, bytes):
            return self.word(constant_handle(constants, index))
        if isinstance(value, float):
            return Value("double", f"0x{float_bits(value):016X}")
        return self.word(int(value))

    def _next(self, position: int) -> None:
        _, row, immediates = self.facts.instructions[position]
        form, promoted = self.facts.resolved[position]
        assert form is not None
        constants = [self.word(c) for c in immediate_operands(self.plan.image.program, row, immediates)]
        closure = [self._local(0)] if row.name == "GET_CAPTURE" else []
        operands = closure + self._take(len(form.takes) - len(constants) - len(closure))
        for i, operand in enumerate(operands):
            if promoted >> i & 1:
                operands[i] = PROMOTION.meaning(self, self._kept(operand))
        given = [self._as(o, kind) for o, kind in zip(operands + constants, form.takes, strict=True)]
        result = form.meaning(self, *given)
        if form.gives:
            self.stack.append(result)

    def _jump(self, _name: str, immediates: tuple[Any, ...]) -> None:
        self._pay()
        self._go_on(immediates[0])

    def _return(self, _name: str, _immediates: tuple[Any, ...]) -> None:
        self._pay()
        values = self._take(len(self.facts.signature.results))
        text = self.define(self.results, f"insertvalue {self.results} poison, i64 {self._budget().text}, 0").text
        for i, value in enumerate(values):
            kept = self._kept(value)
            text = self.define(
                self.results, f"insertvalue {self.results} {text}, {kept.type} {kept.text}, {i + 1}"
            ).text
        self.emit(f"ret {self.results} {text}")

    def _leave_here(self, _name: str, _immediates: tuple[Any, ...]) -> None:
        """HALT, TRAP, FRAME_SYNC: the interpreter's business."""
        self._interpret(self.block, self.stack)

    # ---- calls

    def _call(self, _name: str, immediates: tuple[Any, ...]) -> None:
        callee = immediates[0]
        if callee not in self.plan.functions:
            self._interpret(self.block, self.stack)
            return
        facts = self.plan.image.facts.functions[callee]
        arguments = [self._kept(v) for v in self.stack[len(self.stack) - facts.params :]]
        below = self.stack[: len(self.stack) - facts.params]
        copy = self.copy + 1 if callee == self.index and self.copy < self.plan.copies(callee) else 0
        self._called(function_name(callee, copy=copy), below, arguments, facts.signature.results)

    def _call_closure(self, _name: str, immediates: tuple[Any, ...]) -> None:
        count = immediates[0]
        closure = self.stack[-1]
        self.trap_if(self.eq(closure, self.word(0)), self.word(Trap.NULL_REF))
        number = self.load_word(self.object_offset(closure))
        target = self.load("ptr", self.element("ptr", "@closures", number))
        block, stack = self.block, list(self.stack)
        missing = self.define("i1", f"icmp eq ptr {target.text}, null")
        self._guard_interpret(missing, block, stack)
        below = self.stack[: len(self.stack) - count - 1]
        arguments = [closure, *(self._kept(v) for v in self.stack[len(below) : -1])]
        results = self.facts.block_at[block.end].stack[len(below) :]
        self._called(target.text, below, arguments, results)

    def _called(
        self, function: str, below: list[Value], arguments: Sequence[Value], results: Sequence[SlotType]
    ) -> None:
        block = self.block
        following = self.facts.block_at[block.end]
        frame = self._home(len(below))
        self._pay()
        given = "".join(f", {a.type} {a.text}" for a in arguments)
        type_ = result_type(results)
        answer = self.define(
            type_,
            f"call fastcc {type_} {function}(i64 {self._budget().text}, ptr {frame}, "
            f"ptr {self.at('%calls', context.CALL_BYTES)}, ptr %cx{given})",
        ).text
        budget = self.define("i64", f"extractvalue {type_} {answer}, 0")
        self.store(budget, "%budget")
        self.stack = [
            *below,
            *(self.define(ir_type(t), f"extractvalue {type_} {answer}, {i + 1}") for i, t in enumerate(results)),
        ]
        stack = self.stack

        short = self.lt_s(budget, self.word(self.paths.needs[following.start]))
        waiting = self.plan.records.last(self.index, block)
        resumed = self.plan.records.first(self.index, following.start)
        if not stack:
            self._guard_exit(short, "called", waiting, resumed, following.cost)
        elif len(stack) == 1 and not below and stack[0].type == "i64":
            self._guard_exit(short, "given", waiting, resumed, following.cost, stack[0])
        else:
            self._guard(short, lambda: self._called_short(below, waiting, following, stack))
        self._put_stack()
        self.emit(f"br label %b{following.start}.go")

    def _called_short(self, below: Sequence[Value], waiting: int, following: Block, stack: Sequence[Value]) -> None:
        waits, stays = self.name("waits"), self.name("stays")
        self.emit(f"br i1 {self.lt_s(self._budget(), self.word(0)).text}, label %{waits}, label %{stays}")
        self.label(waits)
        self._spill_stack(below)
        self._exit("wait", waiting)
        self.label(stays)
        self._resume(following, stack)

    # ---- the machine

    def _from_slots(self, name: str, immediates: tuple[Any, ...]) -> None:
        function, count = immediates
        low = len(self.stack) - count
        for i, value in enumerate(self.stack[low:]):
            self._spill(self.slots + low + i, value)
        kernel = "make_closure" if name == "MAKE_CLOSURE" else "spawn"
        handle = self.handle_from(kernel, self.word(function), self._home(low))
        self._take(count)
        self.stack.append(handle)

    def kernel(self, name: str, *operands: Value) -> Value:
        self.plan.kernels[name] = None
        given = "".join(f", i64 {self._kept(operand).text}" for operand in operands)
        return self.define("i64", f"call fastcc i64 @k.{name}(ptr %cx{given})")

    def _host(self, name: str, immediates: tuple[Any, ...]) -> None:
        image = self.plan.image
        service = (image.services if name == "SYSCALL" else image.intrinsics)[immediates[0]]
        self.plan.services[service_name(service)] = service
        operands = [] if service.member is None else [self.word(service.member)]
        operands += [self._kept(value) for value in self._take(len(service.params))]
        need = self.paths.needs[self.block.start]
        room = self.sub(self._budget(), self.word(need)) if service.extra_cycles is not None else self.word(0)
        given = "".join(f", {value.type} {value.text}" for value in (room, *operands))
        type_ = answer_type(service)
        answer = self.define(type_, f"call fastcc {type_} {service_name(service)}(ptr %cx{given})").text
        first = 0
        if may_refuse(service):
            first = 2
            self._refused(self.define("i64", f"extractvalue {type_} {answer}, 0"))
        if service.extra_cycles is not None:
            extra = self.define("i64", f"extractvalue {type_} {answer}, 1")
            self.store(self.sub(self._budget(), extra), "%budget")
        for i, (_, kind) in enumerate(service.results):
            result = "double" if kind == "float" else "i64"
            self.stack.append(self.define(result, f"extractvalue {type_} {answer}, {first + i}"))

    def _refused(self, refusal: Value) -> None:
        """A host call that is denied traps; one that cannot be paid for is left to the interpreter, with its block."""
        block, at_entry = self.block, self.at_entry
        record = self.plan.records.of(self.index, self.pc)

        def why() -> None:
            denied, unpaid = self.name("denied"), self.name("unpaid")
            is_denied = self.eq(refusal, self.word(DENIED))
            self.emit(f"br i1 {is_denied.text}, label %{denied}, label %{unpaid}")
            self.label(denied)
            status = Trap.HOST_DENIED << context.STATUS_BITS | layout.TRAP
            self._exit("trap", status, record, block.cost)
            self.label(unpaid)
            self._resume(block, at_entry)

        self._guard(self.not_(self.eq(refusal, self.word(DONE))), why)


_FLOWS: dict[Flow, Callable[[FunctionCode, str, tuple[Any, ...]], None]] = {
    Flow.JUMP: FunctionCode._jump,
    Flow.RETURN: FunctionCode._return,
    Flow.CALL: FunctionCode._call,
    Flow.CALL_CLOSURE: FunctionCode._call_closure,
    Flow.CLOSURE: FunctionCode._from_slots,
    Flow.SPAWN: FunctionCode._from_slots,
    Flow.HOST: FunctionCode._host,
    Flow.HALT: FunctionCode._leave_here,
    Flow.TRAP: FunctionCode._leave_here,
    Flow.SYNC: FunctionCode._leave_here,
}
