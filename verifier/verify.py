"""The verifier. Total, without recursion, linear: each step is counted and the count is bounded by the code's size.

It answers in three parts: do the tables fit (`isa.structure`), does each function hold by itself (`_Function`), and may each
function be used as it is (`reachability`). The first finding of every function is reported, functions in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from ..contract import Diagnostic, Place, Rejected
from ..contract.versions import parse_version
from ..isa.code import CodeProblem, Decoded, decode_code
from ..isa.program import Program
from ..isa.structure import check_structure
from ..isa.table import ROWS, Flow
from ..isa.types import FIRST_REF, NULL, SlotType, Type
from ..isa.typing import FunctionTyping, Resolved, TypeProblem
from .facts import LOCALS_PER_CYCLE, MAX_BLOCK_CYCLES, Block, Facts, FunctionFacts, HostCall, HostCalls
from .reachability import may_stop_functions

MAX_FINDINGS = 20
WORK_PER_BYTE = 64
WORK_ALWAYS = 4096

Stack = tuple[SlotType, ...]


def verify(program: Program, services: HostCalls, intrinsics: HostCalls) -> Facts:
    """Prove that the program keeps every invariant of the machine. Raises Rejected("program_invalid") with the findings.

    The program must be the patched one: host calls resolved to SYSCALL. Source: docs/machine.md, verification.
    """
    findings = []
    for finding in check_structure(program):
        findings.append(finding)
        if len(findings) == MAX_FINDINGS:
            break
    if findings:
        raise Rejected("program_invalid", findings=findings)
    too_new = _newer_than(program)
    functions = []
    found: dict[Type, SlotType | None] = {}
    calls = _Calls(services, intrinsics)
    for index in range(len(program.functions)):
        try:
            functions.append(_Function(program, index, calls, found, too_new))
        except _Refused as refused:
            findings.append(refused.finding)
            if len(findings) == MAX_FINDINGS:
                break
    if not findings:
        stopping = may_stop_functions(program, [f.instructions for f in functions])
        findings += _check_exports(program, stopping)
    if findings:
        raise Rejected("program_invalid", findings=findings[:MAX_FINDINGS])
    facts = tuple(f.facts(may_stop=f.index in stopping) for f in functions)
    return Facts(functions=facts, work=sum(f.work for f in functions))


def _newer_than(program: Program) -> dict[int, str]:
    """The opcodes that came after the instruction set for which the program was made, and when each came."""
    try:
        target = parse_version(program.meta.isa)
    except ValueError:
        raise Rejected("program_meta_invalid", subject="meta") from None
    later = {since for since in {row.since for row in ROWS} if parse_version(since) > target}
    return {row.opcode: row.since for row in ROWS if row.since in later}


def _check_exports(program: Program, stopping: frozenset[int]) -> list[Diagnostic]:
    """The host calls exports between frames, so none may wait for one. Function 0 is main: its export is only a name."""
    return [
        Diagnostic(
            code="export_may_stop",
            subject=export.name,
            place=Place(function=export.function, name=program.function_name(export.function)),
        )
        for export in program.exports
        if export.function and export.function in stopping
    ]


class _Refused(Exception):
    def __init__(self, finding: Diagnostic) -> None:
        super().__init__(finding.code)
        self.finding = finding


class _Calls:
    """What the host offers, and the signatures alone."""

    def __init__(self, services: HostCalls, intrinsics: HostCalls) -> None:
        self.services, self.intrinsics = services, intrinsics
        self.service_signatures = {number: call.signature for number, call in services.items()}
        self.intrinsic_signatures = {number: call.signature for number, call in intrinsics.items()}


class _Function:
    """One function on its way through the verifier: decode, find blocks, walk them all."""

    def __init__(
        self,
        program: Program,
        index: int,
        calls: _Calls,
        found: dict[Type, SlotType | None],
        too_new: Mapping[int, str],
    ) -> None:
        self.program, self.index, self.too_new = program, index, too_new
        self.function = program.functions[index]
        self.calls = calls
        self.work = 0
        self.work_limit = WORK_ALWAYS + WORK_PER_BYTE * len(self.function.code)
        self.typing = FunctionTyping(
            program, self.function, calls.service_signatures, calls.intrinsic_signatures, found
        )
        self.instructions = self._decode()
        self.position = {decoded.pc: i for i, decoded in enumerate(self.instructions)}
        self._check_shape()
        self.called = self._host_calls()
        self.costs = self._costs()
        self.starts = self._leaders()
        self.entry: dict[int, Stack] = {}  # operand types at the start of a block, by position
        self.resolved: list[Resolved | None] = [None] * len(self.instructions)
        self.deepest = 0
        self._walk()
        self._check_result()

    def refuse(self, code: str, position: int, required: str | None = None, available: str | None = None) -> _Refused:
        pc = self.instructions[position].pc if position < len(self.instructions) else len(self.function.code)
        return self._refuse_at(code, pc, required, available)

    def _refuse_at(self, code: str, pc: int, required: str | None = None, available: str | None = None) -> _Refused:
        place = Place(
            function=self.index,
            name=self.program.function_name(self.index),
            pc=pc,
            line=self.program.line_at(self.index, pc),
        )
        return _Refused(Diagnostic(code=code, place=place, required=required, available=available))

    # ---- shape

    def _decode(self) -> list[Decoded]:
        try:
            instructions = decode_code(self.function.code)
        except CodeProblem as problem:
            available = None if problem.opcode is None else f"0x{problem.opcode:04x}"
            raise self._refuse_at(problem.code, problem.pc, available=available) from None
        if not instructions:
            raise self._refuse_at("path_unterminated", 0)
        return instructions

    def _check_shape(self) -> None:
        for i, (_, row, immediates) in enumerate(self.instructions):
            if row.opcode in self.too_new:
                raise self.refuse("instruction_too_new", i, self.too_new[row.opcode], self.program.meta.isa)
            if row.jumps and immediates[0] not in self.position:
                raise self.refuse("jump_target_invalid", i, "the start of an instruction", str(immediates[0]))
            if row.name == "HOSTCALL":
                raise self.refuse("host_call_unresolved", i)

    def _host_calls(self) -> dict[int, HostCall]:
        """What is called, by position. An unknown service is found later, on the way."""
        calls = {}
        for i, (_, row, immediates) in enumerate(self.instructions):
            if row.flow is Flow.HOST:
                call = (self.calls.services if row.name == "SYSCALL" else self.calls.intrinsics).get(immediates[0])
                if call is not None:
                    calls[i] = call
        return calls

    def _costs(self) -> list[int]:
        costs = [decoded.row.cycles for decoded in self.instructions]
        for i, call in self.called.items():
            costs[i] += call.cycles
        costs[0] += len(self.function.locals) // LOCALS_PER_CYCLE
        return costs

    def _leaders(self) -> list[bool]:
        """Where blocks start. The rule is part of the contract: engines stop at these places and at no others."""
        starts = [False] * (len(self.instructions) + 1)
        starts[0] = True
        for i, (_, row, immediates) in enumerate(self.instructions):
            if row.metered:
                starts[i] = True
            if row.ends_block:
                starts[i + 1] = True
                if row.jumps:
                    starts[self.position[immediates[0]]] = True
        for i, call in self.called.items():
            if call.metered:
                starts[i] = True
        spent = 0
        for i, cost in enumerate(self.costs):
            spent = cost if starts[i] else spent + cost
            if spent > MAX_BLOCK_CYCLES and not starts[i]:
                starts[i], spent = True, cost
        return starts

    # ---- types

    def _walk(self) -> None:
        """Follow every path once; again only where null met a ref."""
        self.entry[0] = ()
        pending = [0]
        self.queued = {0}
        while pending:
            position = heappop(pending)
            self.queued.discard(position)
            stack = list(self.entry[position])
            while True:
                _, row, immediates = self.instructions[position]
                self._spend(1, position)
                try:
                    self.resolved[position] = self.typing.apply(row, immediates, stack)
                except TypeProblem as problem:
                    raise self.refuse(problem.code, position, problem.required, problem.available) from None
                if len(stack) > self.deepest:
                    self.deepest = len(stack)
                    if self.deepest > self.function.max_stack:
                        raise self.refuse("max_stack_wrong", position, str(self.deepest), str(self.function.max_stack))
                if row.jumps:
                    self._meet(self.position[immediates[0]], stack, position, pending)
                if not row.falls_through:
                    break
                position += 1
                if position == len(self.instructions):
                    raise self.refuse("path_unterminated", position - 1)
                if self.starts[position]:
                    self._meet(position, stack, position - 1, pending)
                    break

    def _meet(self, target: int, stack: list[SlotType], source: int, pending: list[int]) -> None:
        """Bring `stack` to the block at `target`; if that block learns something, it is walked (again)."""
        known = self.entry.get(target)
        arriving = tuple(stack)
        self._spend(1 + len(arriving), source)
        merged = arriving if known is None or known == arriving else self._merge(known, arriving, target)
        if merged != known:
            self.entry[target] = merged
            if target not in self.queued:
                self.queued.add(target)
                heappush(pending, target)

    def _merge(self, known: Stack, arriving: Stack, target: int) -> Stack:
        if len(known) != len(arriving):
            raise self.refuse("stack_height_mismatch", target, str(len(known)), str(len(arriving)))
        merged = []
        for a, b in zip(known, arriving, strict=True):
            if a == b or (b == NULL and a >= FIRST_REF):
                merged.append(a)
            elif a == NULL and b >= FIRST_REF:
                merged.append(b)
            else:
                raise self.refuse("stack_type_mismatch", target, self.typing.spell(a), self.typing.spell(b))
        return tuple(merged)

    def _spend(self, steps: int, position: int) -> None:
        self.work += steps
        if self.work > self.work_limit:
            raise self.refuse("verifier_work_exceeded", position, f"at most {self.work_limit}")

    def _check_result(self) -> None:
        if self.deepest != self.function.max_stack:
            raise self._refuse_at("max_stack_wrong", 0, str(self.deepest), str(self.function.max_stack))
        for i, resolved in enumerate(self.resolved):
            if resolved is None:
                raise self.refuse("code_unreachable", i)

    # ---- facts

    def facts(self, *, may_stop: bool) -> FunctionFacts:
        return FunctionFacts(
            function=self.function,
            signature=self.typing.signature,
            slots=self.typing.slots,
            instructions=tuple(self.instructions),
            resolved=tuple(resolved for resolved in self.resolved if resolved is not None),
            costs=tuple(self.costs),
            blocks=tuple(self._blocks()),
            may_stop=may_stop,
        )

    def _blocks(self) -> Sequence[Block]:
        firsts = [i for i, starts in enumerate(self.starts[:-1]) if starts]
        blocks = []
        for first, last in zip(firsts, [*firsts[1:], len(self.instructions)], strict=True):
            blocks.append(
                Block(
                    start=self.instructions[first].pc,
                    end=self.instructions[last - 1].next_pc,
                    first=first,
                    last=last,
                    cost=sum(self.costs[first:last]),
                    stack=self.entry[first],
                )
            )
        return blocks
