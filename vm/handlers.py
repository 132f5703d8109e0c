"""The interpreter's steps: one LLVM function for each variant of a record kind, made from the instructions' meanings.

A handler does its record's work and jumps to the next record's handler (`musttail`); what the machine needs at every step
travels in registers. Handlers of host calls and kernels call functions that numba compiled. Nothing here knows a single
instruction by name except the few that change the flow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..host import Service
from ..isa.table import FORMS
from ..isa.traps import Trap
from . import context, layout
from .abi import Compiled, compiled, declaration, symbol_of
from .code import RECORD
from .kinds import FIXED, STEPS, VARIANTS, Tree, Variant
from .llvm_words import DECLARATIONS, METADATA, SLOTS_TAG, LLVMWords, Value, parameters
from .native_names import ENTER, TABLE
from .native_words import COMPILED_KERNELS, NativeWords
from .shapes import BEHIND_COST, CONSTANT, DEST, FIELDS, TARGET, TARGET_COST, fields

REGISTERS = (
    ("ptr", "ip"), ("ptr", "fp"), ("i64", "budget"), ("ptr", "calls"), ("ptr", "heap"), ("ptr", "objects"), ("ptr", "cx"),
    ("i64", "acc"), ("double", "facc"),
)  # fmt: skip
PARAMETERS = parameters(REGISTERS)
UNLIKELY = ", !prof !0"


class Handler(NativeWords):
    """Writes one handler. What changes in registers collects in `now`; leaving passes all of it on."""

    def __init__(self, convention: str) -> None:
        super().__init__()
        self.convention = convention
        self.now = {name: f"%{name}" for _, name in REGISTERS}

    def variant(self, variant: Variant) -> list[str]:
        """The lines of a variant's handler."""
        kind, stored = variant
        if kind[0] in FIXED:
            _FLOWS[kind[0]](self)
            return self.lines
        self._offsets = iter(offset for _, offset in fields(kind))
        value = self._value(kind)
        if kind[0] in ("JMP_IF_TRUE", "JMP_IF_FALSE"):
            assert value is not None
            self._branch(value)
        elif kind[0] in ("RET.W", "RET.F"):
            assert value is not None
            self._return(value)
        else:
            if STEPS[kind[0]].gives:
                assert value is not None
                self._put(value, stored=stored)
            self._next()
        return self.lines

    # ---- operands

    def _field(self, offset: int, type_: str = "i16", extend: str = "zext") -> Value:
        value = self.define(type_, f"load {type_}, ptr {self.at('%ip', offset)}, align 2")
        return value if type_ in ("i64", "double") else self.define("i64", f"{extend} {type_} {value.text} to i64")

    def _slot(self, offset: int) -> str:
        return self.element("i64", "%fp", self._field(offset))

    def _leaf(self, place: str, kind: str) -> Value:
        offset = next(self._offsets)
        if place == "a":
            return Value("double", "%facc") if kind == "F" else Value("i64", "%acc")
        assert offset is not None
        if place == "s":
            return self._field(offset)
        type_ = "double" if kind == "F" else "i64"
        value = self._field(offset, type_) if place == "k" else self.load(type_, self._slot(offset), 0, SLOTS_TAG)
        return self.define("i1", f"trunc i64 {value.text} to i1") if kind == "T" else value

    def _value(self, tree: Tree) -> Value | None:
        if tree[0] == "=":
            value = self._value(tree[1])
            assert value is not None
            self._put(value)
            return value
        kinds = STEPS[tree[0]].takes
        operands = [
            self._value(part) if isinstance(part, tuple) else self._leaf(part, kind)
            for part, kind in zip(tree[1:], kinds, strict=True)
        ]
        if tree[0] in ("COPY.W", "COPY.F", "RET.W", "RET.F"):
            return operands[0]
        result: Value | None = FORMS[tree[0]].meaning(self, *operands)
        return result

    def _put(self, value: Value, *, stored: bool = True) -> None:
        value = self._word_of(value)
        self.now["facc" if value.type == "double" else "acc"] = value.text
        if stored:
            self.store(value, self._slot(DEST), 0, SLOTS_TAG)

    # ---- leaving

    def _tail_call(self, function: str, **changes: str) -> None:
        now = {**self.now, **changes}
        arguments = ", ".join(f"{type_} {now[name]}" for type_, name in REGISTERS)
        self.emit(f"musttail call {self.convention} void {function}({arguments})")
        self.emit("ret void")

    def _stop(self, status: int | str, **changes: str) -> None:
        self._tail_call("@stop", acc=str(status), **changes)

    def _stop_if(self, condition: Value, status: int | str, **changes: str) -> None:
        stop, go = self.name("stop"), self.name("go")
        self.emit(f"br i1 {condition.text}, label %{stop}, label %{go}{UNLIKELY}")
        self.label(stop)
        self._stop(status, **changes)
        self.label(go)

    def trap_if(self, condition: Value, code: Value) -> None:
        stop, go = self.name("stop"), self.name("go")
        self.emit(f"br i1 {condition.text}, label %{stop}, label %{go}{UNLIKELY}")
        self.label(stop)
        status = self.or_(self.shl(code, self.word(context.STATUS_BITS)), self.word(layout.TRAP))
        self._stop(status.text)
        self.label(go)

    def charge(self, cycles: Value) -> None:
        left = self.sub(Value("i64", self.now["budget"]), cycles)
        self._stop_if(self.lt_s(left, self.word(0)), context.UNPAID)
        self.now["budget"] = left.text

    def _dispatch(self, ip: str, **changes: str) -> None:
        self._tail_call(self.define("ptr", f"load ptr, ptr {ip}").text, ip=ip, **changes)

    def _next(self) -> None:
        self._dispatch(self.at("%ip", RECORD))

    def _enter(self, ip: str, cost: Value, **changes: str) -> None:
        """Pay for the block at `ip` and go there; without enough budget stop in front of it, nothing paid."""
        left = self.sub(Value("i64", "%budget"), cost)
        self._stop_if(self.lt_s(left, self.word(0)), layout.OUT_OF_BUDGET, ip=ip, **changes)
        self._dispatch(ip, budget=left.text, **changes)

    def _target(self) -> str:
        return self.at("%ip", self._field(TARGET, "i32", "sext").text)

    def _branch(self, condition: Value) -> None:
        taken, fall = self.name("taken"), self.name("fall")
        self.emit(f"br i1 {condition.text}, label %{taken}, label %{fall}")
        self.label(taken)
        self._enter(self._target(), self._field(TARGET_COST))
        self.label(fall)
        self._enter(self.at("%ip", RECORD), self._field(BEHIND_COST))

    def _jump(self) -> None:
        self._enter(self._target(), self._field(TARGET_COST))

    def _charge_block(self) -> None:
        self._enter(self.at("%ip", RECORD), self._field(BEHIND_COST))

    # ---- calls

    def _check_depth(self, frame: str, frame_words: Value) -> None:
        self.trap_if(self.stack_exhausted("%calls", frame, frame_words), self.word(Trap.CALL_DEPTH))

    def _push_call(self) -> str:
        self.store(Value("ptr", "%ip"), "%calls", 0)
        self.store(Value("ptr", "%fp"), "%calls", 8)
        return self.at("%calls", context.CALL_BYTES)

    def _call(self, *, clear: bool) -> None:
        frame = self._slot(DEST)
        self._check_depth(frame, self._field(FIELDS[0]))
        if clear:
            self._clear(self.element("i64", frame, self._field(FIELDS[1])), self._field(FIELDS[2]))
        calls = self._push_call()
        self._enter(self._target(), self._field(TARGET_COST), fp=frame, calls=calls)

    def _call_closure(self) -> None:
        frame = self._slot(DEST)
        count = self._field(FIELDS[0])
        closure = self.load("i64", self.element("i64", frame, count), 0, SLOTS_TAG)
        self.trap_if(self.eq(closure, self.word(0)), self.word(Trap.NULL_REF))
        function = self.load_word(self.object_offset(closure))
        row_bytes = self.mul(function, self.word(8 * context.FUNCTION_WORDS))
        row = self.at(self.in_context("ptr", context.FUNCTIONS).text, row_bytes.text)
        self._check_depth(frame, self.load("i64", row, 16))
        self._copy_up(frame, count)
        self.store(closure, frame, 0, SLOTS_TAG)
        self._clear(self.element("i64", frame, self.load("i64", row, 24)), self.load("i64", row, 32))
        calls = self._push_call()
        self._enter(self.load("ptr", row).text, self.load("i64", row, 8), fp=frame, calls=calls)

    def _loop(self, count: Value) -> tuple[Value, str]:
        """Begin a loop over 0 .. count - 1: its index and the label to close it with `_end_loop`."""
        before, loop, body = self.name("before"), self.name("loop"), self.name("body")
        index, following = f"%{self.name('i')}", f"%{self.name('n')}"
        self.emit(f"br label %{before}")
        self.label(before)
        self.emit(f"br label %{loop}")
        self.label(loop)
        self.emit(f"{index} = phi i64 [0, %{before}], [{following}, %{body}_end]")
        more = self.define("i1", f"icmp ult i64 {index}, {count.text}")
        self.emit(f"br i1 {more.text}, label %{body}, label %{loop}_done")
        self.label(body)
        self._closing = (index, following, loop, body)
        return Value("i64", index), loop

    def _end_loop(self) -> None:
        index, following, loop, body = self._closing
        self.emit(f"br label %{body}_end")
        self.label(f"{body}_end")
        self.emit(f"{following} = add i64 {index}, 1")
        self.emit(f"br label %{loop}")
        self.label(f"{loop}_done")

    def _clear(self, first: str, count: Value) -> None:
        index, _ = self._loop(count)
        self.store(self.word(0), self.element("i64", first, index), 0, SLOTS_TAG)
        self._end_loop()

    def _copy_up(self, first: str, count: Value) -> None:
        """Move `count` words up by one, the last first."""
        index, _ = self._loop(count)
        source = self.sub(self.sub(count, self.word(1)), index)
        moved = self.load("i64", self.element("i64", first, source), 0, SLOTS_TAG)
        self.store(moved, self.element("i64", first, self.add(source, self.word(1))), 0, SLOTS_TAG)
        self._end_loop()

    def _return(self, value: Value) -> None:
        value = self._word_of(value)
        self.now["facc" if value.type == "double" else "acc"] = value.text
        self.store(value, "%fp", 0, SLOTS_TAG)
        self._leave_function()

    def _return_several(self) -> None:
        first = self._slot(DEST)
        index, _ = self._loop(self._field(FIELDS[0]))
        moved = self.load("i64", self.element("i64", first, index), 0, SLOTS_TAG)
        self.store(moved, self.element("i64", "%fp", index), 0, SLOTS_TAG)
        self._end_loop()
        self._leave_function()

    def _leave_function(self) -> None:
        calls = self.at("%calls", -context.CALL_BYTES)
        ip, fp = self.load("ptr", calls, 0).text, self.load("ptr", calls, 8).text
        cost = self.define("i16", f"load i16, ptr {self.at(ip, BEHIND_COST)}, align 2")
        cost = self.define("i64", f"zext i16 {cost.text} to i64")
        self._enter(self.at(ip, RECORD), cost, fp=fp, calls=calls)

    def _count(self) -> None:
        """One entry less to be counted, and on; after the last the record leads there without us."""
        offset = self.sub(self.define("i64", "ptrtoint ptr %ip to i64"), self.in_context("i64", context.RECORDS))
        index = self.shr_u(offset, self.word(RECORD.bit_length() - 1))
        counter = self.element("i64", self.in_context("ptr", context.COUNTERS).text, index)
        left = self.sub(self.load("i64", counter), self.word(1))
        self.store(left, counter)
        following = self.load("ptr", self.element("ptr", self.in_context("ptr", context.NEXT).text, index))
        last, go = self.name("last"), self.name("go")
        self.emit(f"br i1 {self.eq(left, self.word(0)).text}, label %{last}, label %{go}{UNLIKELY}")
        self.label(last)
        self.store(following, "%ip")
        self.emit(f"br label %{go}")
        self.label(go)
        self._tail_call(following.text)

    # ---- kernels and services

    def _from_slots(self, kernel: str) -> None:
        """MAKE_CLOSURE and SPAWN: a kernel that reads its operands from the stack and gives a handle, or 0 for no room."""
        handle = self.handle_from(kernel, self._field(CONSTANT, "i64"), self._slot(DEST))
        self._put(handle)
        self._next()

    def host_call(self, service: Service) -> list[str]:
        """The lines of a host call's handler: operands from slots, results to slots."""
        first = self._slot(DEST)
        operands = [] if service.member is None else [self._field(CONSTANT, "i64")]
        operands += [
            self.load("double" if kind == "float" else "i64", first, 8 * i, SLOTS_TAG)
            for i, (_, kind) in enumerate(service.params)
        ]
        for i, value in enumerate(self.service(service, operands)):
            self.store(value, first, 8 * i, SLOTS_TAG)
        self._next()
        return self.lines


_FLOWS: dict[str, Callable[[Handler], None]] = {
    "JMP": Handler._jump,
    "CHARGE": Handler._charge_block,
    "CALL": lambda h: h._call(clear=False),
    "CALL_CLEAR": lambda h: h._call(clear=True),
    "CALL_CLOSURE": Handler._call_closure,
    "RET.N": Handler._return_several,
    "HALT": lambda h: h._stop(layout.HALT),
    "TRAP": lambda h: h._stop(Trap.EXPLICIT << context.STATUS_BITS | layout.TRAP),
    "FRAME_SYNC": lambda h: h._stop(layout.SYNCED, ip=h.at("%ip", RECORD)),
    "COUNT": Handler._count,
    "END": lambda h: h._stop(layout.ENDED),
    "MAKE_CLOSURE": lambda h: h._from_slots("make_closure"),
    "SPAWN": lambda h: h._from_slots("spawn"),
}


# ---- modules ------------------------------------------------------------------------------------------------------------


def handler_key(service: Service) -> object:
    """Services with equal keys are carried out by the same handler."""
    return service.function if service.member is not None else service.identity


def step_module(part: int, parts: int, convention: str) -> str:
    """IR of the handlers of every `parts`-th variant from `part` on. Part 0 also has the way in, `pbs_enter`."""
    bodies = [Handler(convention).variant(variant) for variant in VARIANTS[part::parts]]
    text = _module(f"steps{part}", convention, bodies, COMPILED_KERNELS.values())
    if part == 0:
        text += f"""
define void @{ENTER}({PARAMETERS}) nounwind {{
  %handler = load ptr, ptr %ip
  call {convention} void %handler({PARAMETERS})
  ret void
}}
"""
    return text


def host_module(name: str, convention: str, services: Sequence[Service]) -> str:
    """IR of the handlers of the services of one host module, in their order."""
    used = {}
    for service in services:
        for function in (service.function, service.extra_cycles):
            if function is not None:
                used[symbol_of(function)] = compiled(function)
    return _module(name, convention, [Handler(convention).host_call(service) for service in services], used.values())


def _module(name: str, convention: str, bodies: Sequence[list[str]], used: Iterable[Compiled]) -> str:
    """Handlers, and `pbs_table_NAME()` that gives their addresses in order."""
    lines = [DECLARATIONS, *(declaration(function) for function in used)]
    lines.append(stop_definition(convention))
    for i, body in enumerate(bodies):
        # no-builtins: a loop must not be turned into a call of memset
        lines += [f'define internal {convention} void @h{i}({PARAMETERS}) nounwind "no-builtins" {{', *body, "}"]
    addresses = ", ".join(f"ptr @h{i}" for i in range(len(bodies)))
    lines.append(f"@table = internal constant [{len(bodies)} x ptr] [{addresses}]")
    lines.append(f"define ptr @{TABLE}{name}() nounwind {{\n  ret ptr @table\n}}")
    return "\n".join(lines) + METADATA


def stop_definition(convention: str) -> str:
    """IR of `@stop`, which leaves the handlers: it saves the registers that say where the machine stands."""
    stop = LLVMWords()
    saved = (("ptr", "ip"), ("ptr", "fp"), ("i64", "budget"), ("ptr", "calls"), ("i64", "acc"))
    for word, (type_, name) in enumerate(saved):
        stop.store(Value(type_, f"%{name}"), "%cx", 8 * (context.SAVED_IP + word))
    lines = [f"define internal {convention} void @stop({PARAMETERS}) nounwind {{", *stop.lines, "  ret void", "}"]
    return "\n".join(lines) + "\n"
