"""The verifier. Total, without recursion, linear: each step is counted and the count is bounded by the code's size.

It answers in three parts: do the tables fit (`isa.structure`), does each function hold by itself (`_Function`), and may each
function be used as it is (`reachability`). The first finding of every function is reported, functions in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from itertools import accumulate, compress, islice

from ..contract import Diagnostic, Place, Rejected
from ..contract.versions import parse_version
from ..isa.code import CodeProblem, Decoded, decode_code
from ..isa.program import Program
from ..isa.structure import check_structure
from ..isa.table import ROWS, Flow
from ..isa.types import FIRST_REF, NULL, SlotType, Type
from ..isa.typing import RULES, FunctionTyping, Resolved, TypeProblem
from .facts import LOCALS_PER_CYCLE, MAX_BLOCK_CYCLES, Block, Facts, FunctionFacts, HostCall, HostCalls
from .reachability import NOTABLE, Notable, may_stop_functions

MAX_FINDINGS = 20
WORK_PER_BYTE = 64
WORK_ALWAYS = 4096

_RELEASES = sorted({row.since for row in ROWS})

Stack = tuple[SlotType, ...]


def verify(program: Program, services: HostCalls, intrinsics: HostCalls) -> Facts:
    """Prove that the program keeps every invariant of the machine. Raises Rejected("program_invalid") with the findings.

    The program must be the patched one: host calls resolved to SYSCALL. Source: docs/machine.md, verification.
    """
    findings = list(islice(check_structure(program), MAX_FINDINGS))
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
        stopping = may_stop_functions(program, [f.notable for f in functions])
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
    later = {since for since in _RELEASES if parse_version(since) > target}
    return {row.opcode: row.since for row in ROWS if row.since in later} if later else {}


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
        self.position = {decoded[0]: i for i, decoded in enumerate(self.instructions)}
        self.notable = [
            Notable(i, row, immediates)
            for i, (_, row, immediates) in enumerate(self.instructions)
            if row.opcode in NOTABLE
        ]
        self._check_shape()
        self.called = self._host_calls()
        self.costs = self._costs()
        self.paid = [0, *accumulate(self.costs)]  # by all instructions before each
        self.firsts = self._leaders()
        self.ends = [*self.firsts[1:], len(self.instructions)]
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
        everything = (Notable(i, row, immediates) for i, (_, row, immediates) in enumerate(self.instructions))
        for i, row, immediates in everything if self.too_new else self.notable:
            if row.opcode in self.too_new:
                raise self.refuse("instruction_too_new", i, self.too_new[row.opcode], self.program.meta.isa)
            if row.jumps and immediates[0] not in self.position:
                raise self.refuse("jump_target_invalid", i, "the start of an instruction", str(immediates[0]))
            if row.name == "HOSTCALL":
                raise self.refuse("host_call_unresolved", i)

    def _host_calls(self) -> dict[int, HostCall]:
        """What is called, by position. An unknown service is found later, on the way."""
        calls = {}
        for i, row, immediates in self.notable:
            if row.flow is Flow.HOST:
                call = (self.calls.services if row.name == "SYSCALL" else self.calls.intrinsics).get(immediates[0])
                if call is not None:
                    calls[i] = call
        return calls

    def _costs(self) -> list[int]:
        costs = [row.cycles for _, row, _ in self.instructions]
        for i, call in self.called.items():
            costs[i] += call.cycles
        costs[0] += len(self.function.locals) // LOCALS_PER_CYCLE
        return costs

    def _leaders(self) -> list[int]:
        """Where blocks start. The rule is part of the contract: engines stop at these places and at no others."""
        count = len(self.instructions)
        starts = bytearray(count + 1)
        starts[0] = True
        for i, row, immediates in self.notable:
            if row.metered:
                starts[i] = True
            if row.ends_block:
                starts[i + 1] = True
                if row.jumps:
                    starts[self.position[immediates[0]]] = True
        for i, call in self.called.items():
            if call.metered:
                starts[i] = True
        firsts = list(compress(range(count), starts))
        for first, end in zip(firsts, [*firsts[1:], count], strict=True):
            if self.paid[end] - self.paid[first] > MAX_BLOCK_CYCLES:
                self._cut(starts, first, end)
        return list(compress(range(count), starts))

    def _cut(self, starts: bytearray, first: int, end: int) -> None:
        spent = self.costs[first]
        for i in range(first + 1, end):
            spent += self.costs[i]
            if spent > MAX_BLOCK_CYCLES:
                starts[i], spent = True, self.costs[i]

    # ---- types

    def _walk(self) -> None:
        """Follow every path once; again only where null met a ref."""
        self.entry[0] = ()
        pending = [0]
        self.queued = {0}
        end_of = dict(zip(self.firsts, self.ends, strict=True))
        while pending:
            first = heappop(pending)
            self.queued.discard(first)
            stack, end = list(self.entry[first]), end_of[first]
            self._apply(first, end, stack)
            _, row, immediates = self.instructions[end - 1]
            if row.jumps:
                self._meet(self.position[immediates[0]], stack, end - 1, pending)
            if row.falls_through:
                if end == len(self.instructions):
                    raise self.refuse("path_unterminated", end - 1)
                self._meet(end, stack, end - 1, pending)

    def _apply(self, first: int, end: int, stack: list[SlotType]) -> None:
        """What the instructions of a block do to the stack, one after another."""
        instructions, typing, resolved, deepest = self.instructions, self.typing, self.resolved, self.deepest
        affordable = min(end, first + self.work_limit - self.work)
        for position in range(first, affordable):
            _, row, immediates = instructions[position]
            try:
                resolved[position] = RULES[row.opcode](typing, immediates, stack)
            except TypeProblem as problem:
                raise self.refuse(problem.code, position, problem.required, problem.available) from None
            if len(stack) > deepest:
                deepest = len(stack)
                if deepest > self.function.max_stack:
                    raise self.refuse("max_stack_wrong", position, str(deepest), str(self.function.max_stack))
        self.deepest = deepest
        self._spend(end - first, affordable)

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
        if None in self.resolved:
            raise self.refuse("code_unreachable", self.resolved.index(None))

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
        pcs = [self.instructions[first].pc for first in self.firsts]
        costs = [self.paid[end] - self.paid[first] for first, end in zip(self.firsts, self.ends, strict=True)]
        stacks = [self.entry[first] for first in self.firsts]
        behind = [*pcs[1:], len(self.function.code)]
        return list(map(Block, pcs, behind, self.firsts, self.ends, costs, stacks))
