"""Assembly text to Program. Names may be used before they are declared; all problems are reported, with line and column."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..contract import Diagnostic, Place, Rejected
from .assembly import MAX_TEXT_BYTES, LineProblem, Statement, Token, number, statements
from .code import decode_code
from .container import decode_debug
from .declarations import Declarations, HostNames, in_range
from .program import MAX_LOCALS, MAX_STACK, Debug, Export, Function, Program
from .table import BY_NAME, Flow, Immediate, Instruction
from .types import CoroutineType, FunctionType, SlotType, Type, entry_of
from .typing import FunctionTyping, TypeProblem

MAX_PROBLEMS = 20


@dataclass(slots=True)
class _Body:
    """A function while it is being read."""

    name: str
    line: int
    slots: dict[str, SlotType]  # the closure, parameters, then locals; names in slot order
    signature: FunctionType
    captures: dict[str, SlotType] | None
    params: int  # slots before the locals
    labels: dict[str, int] = field(default_factory=dict)
    instructions: list[tuple[Statement, Instruction, int]] = field(default_factory=list)  # and where operands start
    code: bytearray = field(default_factory=bytearray)
    spans: list[tuple[int, int]] = field(default_factory=list)  # (pc, line)
    given_line: int | None = None  # by `.line`; then physical lines no longer count
    lines_given: bool = False
    max_stack: int | None = None


def assemble(text: str, source: str = "", host: HostNames | None = None) -> Program:
    """The program that `text` describes. Raises Rejected("assembly_failed") with every problem found (at most 20).

    source: a file name for the debug section. host: without it, imports must state their signature.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise Rejected("file_too_large", required=f"at most {MAX_TEXT_BYTES}", available=str(len(text)))
    return _Assembler(host or HostNames(), source).run(text)


class _Assembler:
    def __init__(self, host: HostNames, source: str) -> None:
        self.host = host
        self.declared = Declarations(host, source)
        self.problems: list[Diagnostic] = []
        self.bodies: dict[str, _Body] = {}
        self.exports: dict[str, int] = {}
        self.body: _Body | None = None
        self.called = ""  # the function named by the instruction being encoded
        self.found: dict[Type, SlotType | None] = {}  # type table entries, as `FunctionTyping` looks them up

    def run(self, text: str) -> Program:
        """Read declarations, then functions, then resolve names, then measure stacks."""
        lines = list(statements(text, self.problems))
        d = self.declared
        readers: list[dict[str, Callable[[Statement], None]]] = [
            {".type": d.name_type},
            {".type": lambda s: d.define_type(s, records=False)},
            {".type": lambda s: d.define_type(s, records=True)},
            {
                ".const": d.constant,
                ".equ": d.equ,
                ".global": d.global_,
                ".import": d.import_,
                ".target": d.target,
                ".source": d.source_,
                ".strip": d.strip_,
                ".debug": d.debug,
            },
        ]
        for reader in readers:
            failed = {problem.place.line for problem in self.problems if problem.place}
            for statement in lines:
                first = statement.tokens[0].text
                if first in reader and statement.line not in failed:  # a line is reported once, and trusted no more
                    statement.at = 1
                    self._guard(statement, reader[first])
        self._stop_on_problems()
        for statement in lines:
            statement.at = 0
            self._guard(statement, self._read)
        if self.body is not None:
            self.problems.append(LineProblem("assembly_end_missing", None, self.body.name, ".end").at(self.body.line))
        if not self.bodies:
            self.problems.append(LineProblem("assembly_empty", None).at(1))
        self.function_numbers = {name: index for index, name in enumerate(self.bodies)}
        for body in self.bodies.values():
            self._encode(body)
        for statement in lines:
            if statement.tokens[0].text == ".export":
                statement.at = 1
                self._guard(statement, self._export)
        self._stop_on_problems()
        program = self._program()
        for index, body in enumerate(self.bodies.values()):
            if body.max_stack is None:
                body.max_stack = self._measure(program, index, body)
        self._stop_on_problems()
        return self._program()

    def _guard(self, statement: Statement, action: Callable[[Statement], None]) -> None:
        try:
            action(statement)
        except LineProblem as problem:
            self.problems.append(problem.at(statement.line))

    def _stop_on_problems(self) -> None:
        if self.problems:
            found = sorted(self.problems, key=lambda d: (d.place.line or 0, d.place.column or 0) if d.place else (0, 0))
            raise Rejected("assembly_failed", subject=self.declared.source or None, findings=found[:MAX_PROBLEMS])

    def _program(self) -> Program:
        d = self.declared
        functions = tuple(
            Function(
                signature=entry_of(d.type_index(body.signature)),
                captures=None if body.captures is None else tuple(body.captures.values()),
                locals=tuple(body.slots.values())[body.params :],
                max_stack=body.max_stack or 0,
                code=bytes(body.code),
            )
            for body in self.bodies.values()
        )
        return Program(
            meta=d.meta,
            constants=tuple(d.constants),
            types=tuple(d.types),
            globals=tuple(d.globals.values()),
            functions=functions,
            exports=tuple(Export(name=name, function=index) for name, index in self.exports.items()),
            imports=tuple(d.imports.values()),
            debug=self._debug_section(),
        )

    def _debug_section(self) -> Debug | None:
        d = self.declared
        if d.debug_bytes is not None:
            return decode_debug(d.debug_bytes)
        if d.strip:
            return None
        return Debug(
            source="".join(c if c.isprintable() else "?" for c in d.source[:255]),
            functions=tuple(self.bodies),
            types=tuple(sorted(d.type_names, key=d.type_names.__getitem__)),
            fields=tuple(tuple(names) for names in d.field_names),
            globals=tuple(d.globals),
            constants=tuple(sorted(d.constant_names, key=d.constant_names.__getitem__)),
            locals=tuple(tuple(body.slots) for body in self.bodies.values()),
            lines=tuple(tuple(body.spans) for body in self.bodies.values()),
        )

    # ---- functions

    def _read(self, s: Statement) -> None:
        first = s.tokens[0]
        if first.text in (".func", ".closure"):
            self._open(s)
        elif first.text in _TOP_LEVEL:
            if self.body is not None:
                raise LineProblem("assembly_unexpected", first.column, first.text, ".end before it")
        elif self.body is None:
            raise LineProblem("assembly_unexpected", first.column, first.text, ".func")
        elif first.kind == "directive":
            self._inside(s, self.body)
        elif len(s.tokens) > 1 and s.tokens[1].text == ":":
            if first.kind != "name":
                raise LineProblem("assembly_unexpected", first.column, first.text, "a label")
            if first.text in self.body.labels:
                raise LineProblem("assembly_name_taken", first.column, first.text)
            self.body.labels[first.text] = len(self.body.code)
            s.at = 2
            if s.more():
                self._instruction(s, self.body)
        else:
            self._instruction(s, self.body)

    def _open(self, s: Statement) -> None:
        kind = s.next("a function")
        name = s.take("name", "a name")
        if self.body is not None:
            raise LineProblem("assembly_unexpected", kind.column, kind.text, ".end before it")
        # Open at once, so that a wrong parameter does not make every following line wrong.
        self.body = _Body(name.text, s.line, {}, FunctionType((), ()), None, 0)
        taken = name.text in self.bodies
        self.bodies.setdefault(name.text, self.body)
        params = self.declared.typed_names(s)
        self.body.signature = FunctionType(tuple(t for _, t in params), tuple(self.declared.results(s)))
        if kind.text == ".closure":
            s.expect("captures")
            captures = self.declared.typed_names(s)
            self.body.captures = dict(captures)
            if len(self.body.captures) != len(captures):
                raise LineProblem("assembly_name_taken", name.column, "captures")
            self.body.slots["self"] = self.declared.type_index(self.body.signature)
        for param, slot_type in params:
            if param in self.body.slots:
                raise LineProblem("assembly_name_taken", name.column, param)
            self.body.slots[param] = slot_type
        self.body.params = len(self.body.slots)
        s.end()
        if taken:
            raise LineProblem("assembly_name_taken", name.column, name.text)

    def _inside(self, s: Statement, body: _Body) -> None:
        directive = s.next("a directive")
        if directive.text == ".local":
            name = s.take("name", "a name")
            if name.text in body.slots:
                raise LineProblem("assembly_name_taken", name.column, name.text)
            if len(body.slots) >= MAX_LOCALS:
                raise LineProblem("assembly_operand_invalid", name.column, name.text, f"at most {MAX_LOCALS} locals")
            s.expect(":")
            body.slots[name.text] = self.declared.type_expression(s)
        elif directive.text == ".stack":
            body.max_stack = self._unsigned(s, 16)
        elif directive.text == ".line":
            body.lines_given = True
            body.given_line = self._unsigned(s, 32)
        elif directive.text == ".end":
            self.body = None
        else:
            raise LineProblem("assembly_unexpected", directive.column, directive.text, ".local, .stack, .line or .end")
        s.end()

    def _instruction(self, s: Statement, body: _Body) -> None:
        mnemonic = s.take("name", "an instruction")
        row = self._push_row(s) if mnemonic.text == "PUSH" else BY_NAME.get(mnemonic.text)
        if row is None:
            raise LineProblem("assembly_mnemonic_unknown", mnemonic.column, mnemonic.text)
        if row.flow is Flow.SPAWN and body.max_stack is None:  # with a given depth the text says everything itself
            self.declared.type_index(CoroutineType())
        line = body.given_line if body.lines_given else s.line
        if line is not None and (not body.spans or body.spans[-1][1] != line):
            body.spans.append((len(body.code), line))
        body.instructions.append((s, row, s.at))
        body.code += bytes(row.size)  # filled in when every name is known

    def _push_row(self, s: Statement) -> Instruction:
        """The instruction that pushes the literal behind PUSH."""
        token = s.next("a literal")
        if token.text == "null":
            return BY_NAME["PUSH_NULL"]
        s.at -= 1
        if token.kind == "string" or token.text in self.declared.constant_names:
            return BY_NAME["PUSH_CONST"]
        if token.text in ("true", "false"):
            return BY_NAME["PUSH_BOOL"]
        _, value = self._value(s)
        s.at -= 1
        if isinstance(value, float):
            return BY_NAME["PUSH_F64"]
        return BY_NAME["PUSH_I32" if -(1 << 31) <= value < 1 << 31 else "PUSH_I64"]

    def _encode(self, body: _Body) -> None:
        pc = 0
        for s, row, at in body.instructions:
            s.at = at
            try:
                immediates = [self._immediate(s, kind, row, body) for kind in row.immediates]
                s.end()
                body.code[pc : pc + row.size] = row.pack(row.opcode, *immediates)
            except LineProblem as problem:
                self.problems.append(problem.at(s.line))
            pc += row.size

    def _immediate(self, s: Statement, kind: Immediate, row: Instruction, body: _Body) -> Any:
        s.accept(",")
        if kind is Immediate.COUNT and not s.more() and self.called and row.flow in (Flow.CLOSURE, Flow.SPAWN):
            called = self.bodies[self.called]
            return len(called.captures or ()) if row.flow is Flow.CLOSURE else len(called.signature.params)
        if not s.more():
            raise s.missing(kind.value[0])
        return _READERS[kind](self, s, body)

    def _export(self, s: Statement) -> None:
        # What an export is called is up to the program, also where the word is a number to the assembler.
        name = s.next("a name") if s.peek("inf") or s.peek("nan") else s.take("name", "a name")
        if name.text in self.exports:
            raise LineProblem("assembly_name_taken", name.column, name.text)
        target = s.take("name", "a function") if s.accept("=") else name
        if target.text not in self.function_numbers:
            raise LineProblem("assembly_name_unknown", target.column, target.text, "a function")
        self.exports[name.text] = self.function_numbers[target.text]
        s.end()

    # ---- operands, one reader per kind of immediate

    def _value(self, s: Statement) -> tuple[Token, int | float]:
        token = s.next("a number")
        if token.text in self.declared.values:
            token = Token("number", self.declared.values[token.text].text, token.column)
        if token.kind != "number":
            wanted = "a number, .equ or .const" + ("; HOSTCALL takes an identity" if "/" in token.text else "")
            raise LineProblem("assembly_name_unknown", token.column, token.text, wanted)
        return token, number(token)

    def _int(self, s: Statement, bits: int) -> int:
        token, value = self._value(s)
        if isinstance(value, float):
            raise LineProblem("assembly_operand_invalid", token.column, token.text, "an int")
        return in_range(token, value, bits)

    def _unsigned(self, s: Statement, bits: int = 32) -> int:
        token, value = self._value(s)
        if isinstance(value, float) or not 0 <= value < 1 << bits:
            raise LineProblem(
                "assembly_operand_invalid", token.column, token.text[:40], f"an int from 0 below 2**{bits}"
            )
        return value

    def _float(self, s: Statement, _: _Body) -> float:
        token, value = self._value(s)
        if isinstance(value, int) and "x" in token.text.lower():  # hexadecimal: the bit pattern
            return float(struct.unpack("<d", struct.pack("<q", in_range(token, value, 64)))[0])
        try:
            return float(value)
        except OverflowError:
            raise LineProblem("assembly_operand_invalid", token.column, token.text[:40], "a float") from None

    def _bool(self, s: Statement, _: _Body) -> int:
        if s.peek("true") or s.peek("false"):
            return int(s.next("a bool").text == "true")
        return self._unsigned(s, 8)

    def _named(self, s: Statement, numbers: Mapping[str, int], what: str) -> int:
        """The number of a name, or a number taken as it is."""
        token = s.tokens[s.at]
        if token.kind != "name" or (token.text in self.declared.values and token.text not in numbers):
            return self._unsigned(s)
        s.next(what)
        if token.text not in numbers:
            raise LineProblem("assembly_name_unknown", token.column, token.text, what)
        return numbers[token.text]

    def _position(self, s: Statement, names: Mapping[str, SlotType], what: str) -> int:
        """The position of a name, or a number taken as it is."""
        token = s.tokens[s.at]
        if token.kind == "name" and token.text in names:
            s.next(what)
            return list(names).index(token.text)
        return self._named(s, {}, what)

    def _constant(self, s: Statement, _: _Body) -> int:
        if s.tokens[s.at].kind == "string":
            return self.declared.string_index(s.next("a string"))
        return self._named(s, self.declared.constant_names, "a constant")

    def _function(self, s: Statement, _: _Body) -> int:
        token = s.tokens[s.at]
        self.called = token.text if token.text in self.function_numbers else ""
        return self._named(s, self.function_numbers, "a function")

    def _field(self, s: Statement, _: _Body) -> int:
        token = s.tokens[s.at]
        if token.kind != "name":
            return self._unsigned(s)
        s.next("a field")
        type_name, _dot, name = token.text.rpartition(".")
        index = self.declared.type_names.get(type_name)
        if index is None or name not in self.declared.field_names[index]:
            raise LineProblem("assembly_name_unknown", token.column, token.text, "a field, Type.field")
        return self.declared.field_names[index].index(name)

    def _import(self, s: Statement, _: _Body) -> int:
        token = s.tokens[s.at]
        if token.kind not in ("name", "identity"):
            return self._unsigned(s)
        s.next("an identity")
        if token.text not in self.declared.imports:
            self.declared.import_known(token)
        return list(self.declared.imports).index(token.text)

    def _intrinsic(self, s: Statement, _: _Body) -> int:
        numbers = {name: number for name, (number, _signature) in self.host.intrinsics.items()}
        return self._named(s, numbers, "an intrinsic")

    # ---- stack heights

    def _measure(self, program: Program, index: int, body: _Body) -> int:
        """How deep the function's stack gets. An instruction that cannot run is reported where it stands."""
        intrinsics = {
            number: signature
            for number, known in self.host.intrinsics.values()
            if (signature := known.within(program.types)) is not None
        }
        try:
            typing = FunctionTyping(program, program.functions[index], {}, intrinsics, self.found)
            return _deepest(typing, bytes(body.code))
        except _Stuck as stuck:
            s = next((s for pc, s in _places(body) if pc == stuck.pc), None)
            problem = stuck.problem
            place = Place(
                function=index,
                name=body.name,
                pc=stuck.pc,
                line=s.line if s else body.line,
                column=s.tokens[0].column if s else None,
            )
            self.problems.append(
                Diagnostic(code=problem.code, required=problem.required, available=problem.available, place=place)
            )
            return 0


def _places(body: _Body) -> Iterator[tuple[int, Statement]]:
    pc = 0
    for s, row, _ in body.instructions:
        yield pc, s
        pc += row.size


class _Stuck(Exception):
    def __init__(self, pc: int, problem: TypeProblem) -> None:
        super().__init__(pc)
        self.pc = pc
        self.problem = problem


def _deepest(typing: FunctionTyping, code: bytes) -> int:
    """The greatest stack height on any path. Each instruction is walked once; whether paths agree is the verifier's question."""
    instructions = {decoded.pc: decoded for decoded in decode_code(code)}
    deepest, seen = 0, set()
    work: list[tuple[int, list[SlotType]]] = [(0, [])]
    while work:
        pc, stack = work.pop()
        while pc in instructions and pc not in seen:
            seen.add(pc)
            decoded = instructions[pc]
            try:
                typing.apply(decoded.row, decoded.immediates, stack)
            except TypeProblem as problem:
                raise _Stuck(pc, problem) from None
            deepest = max(deepest, len(stack))
            if deepest > MAX_STACK:
                raise _Stuck(pc, TypeProblem("stack_too_deep", f"at most {MAX_STACK}"))
            if decoded.row.jumps:
                work.append((decoded.immediates[0], list(stack)))
            if not decoded.row.falls_through:
                break
            pc = decoded.next_pc
    return deepest


_TOP_LEVEL = frozenset(
    {".type", ".const", ".equ", ".global", ".import", ".target", ".export", ".source", ".strip", ".debug"}
)
_READERS: Mapping[Immediate, Callable[[_Assembler, Statement, _Body], Any]] = {
    Immediate.TARGET: lambda a, s, body: a._named(s, body.labels, "a label of this function"),
    Immediate.INT64: lambda a, s, _: a._int(s, 64),
    Immediate.FLOAT64: _Assembler._float,
    Immediate.INT32: lambda a, s, _: a._int(s, 32),
    Immediate.BOOL8: _Assembler._bool,
    Immediate.CONSTANT: _Assembler._constant,
    Immediate.COUNT: lambda a, s, _: a._unsigned(s),
    Immediate.GLOBAL: lambda a, s, _: a._position(s, a.declared.globals, "a global"),
    Immediate.LOCAL: lambda a, s, body: a._position(s, body.slots, "a local of this function"),
    Immediate.FUNCTION: _Assembler._function,
    Immediate.TYPE: lambda a, s, _: a._named(s, a.declared.type_names, "a type"),
    Immediate.FIELD: _Assembler._field,
    Immediate.CAPTURE: lambda a, s, body: a._position(s, body.captures or {}, "a captured value"),
    Immediate.IMPORT: _Assembler._import,
    Immediate.SERVICE: lambda a, s, _: a._unsigned(s),
    Immediate.INTRINSIC: _Assembler._intrinsic,
}
