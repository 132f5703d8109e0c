"""Host calls and kernels, written once in a module and called from wherever compiled code needs them.

{i64 refusal, i64 extra cycles, results...} @sN(ptr cx, i64 room, operands...)
i64 @k.NAME(ptr cx, operands...)
"""

from __future__ import annotations

from collections.abc import Sequence

from ...host import Service
from ...isa.traps import Trap
from ..abi import Compiled, scalar
from ..llvm_words import Value
from ..native_words import COMPILED_KERNELS, NativeWords
from .plan import Plan

DONE, DENIED, UNPAID = 0, 1, 2  # why a host call did nothing


def may_refuse(service: Service) -> bool:
    """Whether the host call may do nothing: there is a limit of them, or it may be too dear."""
    return not service.intrinsic or service.extra_cycles is not None


def answer_type(service: Service) -> str:
    """What the code of a host call gives back."""
    refusal = ["i64", "i64"] if may_refuse(service) else []
    return "{" + ", ".join([*refusal, *(_type(kind) for _, kind in service.results)]) + "}"


def service_name(service: Service) -> str:
    """The symbol of a host call's code. Members of a family share it."""
    return f"@s{'i' if service.intrinsic else ''}{service.number}"


def _type(kind: str) -> str:
    return "double" if kind == "float" else "i64"


class _Outlined(NativeWords):
    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan

    def callee(self, function: Compiled) -> str:
        """A compiled function by its entry in the table of imports."""
        return self.load("ptr", self.plan.import_at(function.symbol)).text


class ServiceCode(_Outlined):
    """Writes the code of one host call. `room`: extra cycles that it may cost."""

    def text(self, service: Service) -> str:
        """The definition."""
        self.answer = answer_type(service)
        self.extra = self.word(0)
        self.may_refuse = may_refuse(service)
        given = [] if service.member is None else [Value("i64", "%member")]
        given += [Value(_type(kind), f"%p{i}") for i, (_, kind) in enumerate(service.params)]
        results = self.service(service, given)
        self._give(DONE, results)
        parameters = "".join(f", {value.type} {value.text}" for value in given)
        body = "\n".join(self.lines)
        head = f"define internal fastcc {self.answer} {service_name(service)}(ptr %cx, i64 %room{parameters})"
        return f"{head} nounwind noinline {{\n{body}\n}}\n"

    def trap_if(self, condition: Value, code: Value) -> None:
        """The only trap of a host call: there were too many in this frame."""
        assert code == self.word(Trap.HOST_DENIED)
        self._refuse(condition, DENIED)

    def charge(self, cycles: Value) -> None:
        """Take the cycles from the room."""
        self._refuse(self.lt_s(Value("i64", "%room"), cycles), UNPAID)
        self.extra = cycles

    def _refuse(self, condition: Value, why: int) -> None:
        refuse, go = self.name("refuse"), self.name("go")
        self.emit(f"br i1 {condition.text}, label %{refuse}, label %{go}, !prof !0")
        self.label(refuse)
        self._give(why, ())
        self.label(go)

    def _give(self, refusal: int, results: Sequence[Value]) -> None:
        text = "poison"
        refused = [self.word(refusal), self.extra] if self.may_refuse else []
        for i, value in enumerate([*refused, *results]):
            text = self.define(self.answer, f"insertvalue {self.answer} {text}, {value.type} {value.text}, {i}").text
        self.emit(f"ret {self.answer} {text}")


def kernel_code(plan: Plan, name: str) -> str:
    """The definition of a kernel's code."""
    takes = COMPILED_KERNELS[name].takes
    writer = _Outlined(plan)
    result = writer.kernel(name, *(Value(scalar(letter), f"%p{i}") for i, letter in enumerate(takes)))
    parameters = "".join(f", {scalar(letter)} %p{i}" for i, letter in enumerate(takes))
    lines = "\n".join(writer.lines)
    head = f"define internal fastcc i64 @k.{name}(ptr %cx{parameters}) nounwind noinline"
    return f"{head} {{\n{lines}\n  ret i64 {result.text}\n}}\n"
