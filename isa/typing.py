"""What each instruction does to the types on the stack, and which of its forms that selects.

The verifier walks a function's paths with this; the assembler uses it to find how deep the stack gets. A rule takes its
operands off the list of slot types, puts its results on, and says which form runs and which operands are promoted from int to
float. Where that is impossible it raises TypeProblem and leaves the stack undefined.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .program import CANONICAL_NAN, Function, Program
from .table import ROWS, Flow, Form, Instruction
from .types import (
    BOOL,
    BYTE,
    FIRST_REF,
    FLOAT,
    INT,
    NULL,
    ArrayType,
    CoroutineType,
    FunctionType,
    RecordType,
    SlotType,
    Type,
    find,
    is_ref,
    ref_to,
    spell,
)

Resolved = tuple[Form | None, int]  # the form, and a bit mask of promoted operands (bit 0 is the deepest)
Stack = list[SlotType]
Rule = Callable[["FunctionTyping", tuple[Any, ...], Stack], Resolved]

_NOTHING: Resolved = (None, 0)


class TypeProblem(Exception):
    """An instruction that cannot run on this stack. `code` is a diagnostic code."""

    def __init__(self, code: str, required: str | None = None, available: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.required = required
        self.available = available


class FunctionTyping:
    """The rules applied inside one function of one program.

    services and intrinsics: signatures by number, in terms of the program's type table. found: entries of that table looked
    up so far; shared by all functions of a program, so that a long table is searched once.
    """

    def __init__(
        self,
        program: Program,
        function: Function,
        services: Mapping[int, FunctionType],
        intrinsics: Mapping[int, FunctionType],
        found: dict[Type, SlotType | None] | None = None,
    ) -> None:
        self.found = {} if found is None else found
        self.program = program
        self.function = function
        self.services = services
        self.intrinsics = intrinsics
        self.types: tuple[Type, ...] = program.types
        self.signature = self._signature(function.signature)
        closure = (ref_to(function.signature),) if function.is_closure else ()
        self.slots: tuple[SlotType, ...] = (*closure, *self.signature.params, *function.locals)

    def apply(self, row: Instruction, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
        """Change `stack` as the instruction would. Raises TypeProblem."""
        return RULES[row.opcode](self, immediates, stack)

    # pieces that rules share

    def _signature(self, index: int) -> FunctionType:
        entry = self.types[index] if index < len(self.types) else None
        if not isinstance(entry, FunctionType):
            raise TypeProblem("type_index_invalid", "a function type", str(index))
        return entry

    def entry(self, wanted: Type) -> SlotType | None:
        """The ref type of the entry equal to `wanted`, or None."""
        if wanted not in self.found:
            self.found[wanted] = find(self.types, wanted)
        return self.found[wanted]

    def pop(self, stack: Stack) -> SlotType:
        """The top of the stack, taken off."""
        if not stack:
            raise TypeProblem("stack_underflow")
        return stack.pop()

    def take(self, stack: Stack, wanted: SlotType) -> None:
        """Take off a value that fits `wanted`."""
        got = stack.pop() if stack else self.pop(stack)
        if got != wanted and not (got == NULL and wanted >= FIRST_REF):
            raise self.mismatch(wanted, got)

    def take_all(self, stack: Stack, wanted: Sequence[SlotType]) -> None:
        """Take off values that fit `wanted`, the last of which is on top."""
        for slot_type in reversed(wanted):
            self.take(stack, slot_type)

    def mismatch(self, wanted: SlotType | str, got: SlotType) -> TypeProblem:
        """The problem of a value of another type than needed."""
        required = wanted if isinstance(wanted, str) else self.spell(wanted)
        return TypeProblem("type_mismatch", required, self.spell(got))

    def spell(self, slot_type: SlotType) -> str:
        """The type as people write it."""
        names = self.program.debug.types if self.program.debug else ()
        return spell(
            slot_type, [name or f"t{i}" for i, name in enumerate(names)] or [f"t{i}" for i in range(len(self.types))]
        )

    def take_array(self, stack: Stack) -> ArrayType:
        """Take off a ref to an array."""
        got = self.pop(stack)
        entry = self.types[got - FIRST_REF] if got >= FIRST_REF else None
        if not isinstance(entry, ArrayType):
            raise self.mismatch("an array", got)
        return entry

    def callee(self, index: int, code: str) -> tuple[Function, FunctionType]:
        """A function of the program and its signature."""
        if index >= len(self.program.functions):
            raise TypeProblem(code, f"below {len(self.program.functions)}", str(index))
        function = self.program.functions[index]
        return function, self._signature(function.signature)

    def local(self, index: int) -> SlotType:
        """The type of a local slot."""
        if index >= len(self.slots):
            raise TypeProblem("local_index_invalid", f"below {len(self.slots)}", str(index))
        return self.slots[index]


def storage(slot_type: SlotType) -> str:
    """How a value of the type lies in the heap: as a word, a float (one NaN only) or a byte."""
    return "float" if slot_type == FLOAT else "byte" if slot_type == BYTE else "word"


def in_slot(element: SlotType) -> SlotType:
    """The type that an element has once it is in a slot."""
    return INT if element == BYTE else element


# ---- rules, in the order of the table ---------------------------------------------------------------------------------

_BASIC = {"int": INT, "float": FLOAT, "bool": BOOL}


def _exact(row: Instruction) -> Rule:
    """Operands and results of fixed basic types."""
    before, after = (tuple(_BASIC[word] for word in side.split()) for side in row.effect.split("->"))
    wanted, count, resolved = list(before), len(before), (row.forms[0] if row.forms else None, 0)

    def rule(t: FunctionTyping, _: tuple[Any, ...], stack: Stack) -> Resolved:
        if count:
            if stack[-count:] != wanted:
                t.take_all(stack, before)  # names the operand that does not fit
            else:
                del stack[-count:]
        stack.extend(after)
        return resolved

    return rule


def _numeric(row: Instruction) -> Rule:
    """One or two numbers; as soon as one is a float, ints among them are promoted."""
    on_ints, on_floats = row.forms
    tests = row.effect.endswith("bool")
    int_result, float_result = (BOOL, BOOL) if tests else (INT, FLOAT)
    compares_anything = row.effect.startswith("same")

    int_form, float_form = (on_ints, 0), (on_floats, 0)

    def unary(t: FunctionTyping, _: tuple[Any, ...], stack: Stack) -> Resolved:
        got = t.pop(stack)
        if got not in (INT, FLOAT):
            raise t.mismatch("a number", got)
        stack.append(got)
        return int_form if got == INT else float_form

    def binary(t: FunctionTyping, _: tuple[Any, ...], stack: Stack) -> Resolved:
        b, a = t.pop(stack), t.pop(stack)
        if a == b == INT:
            stack.append(int_result)
            return int_form
        if a == b == FLOAT:
            stack.append(float_result)
            return float_form
        if a <= FLOAT and b <= FLOAT:  # int is 0, float is 1
            stack.append(float_result)
            return (on_floats, (a == INT) | (b == INT) << 1)
        if not compares_anything:
            raise t.mismatch("a number", b if a <= FLOAT else a)
        if not (a == b == BOOL or (is_ref(a) and is_ref(b) and (a == b or NULL in (a, b)))):
            raise t.mismatch(a, b)
        stack.append(BOOL)
        return int_form

    return unary if len(on_ints.takes) == 1 else binary


def _push(slot_type: SlotType) -> Rule:
    def rule(_t: FunctionTyping, _: tuple[Any, ...], stack: Stack) -> Resolved:
        stack.append(slot_type)
        return _NOTHING

    return rule


def _push_bool(_t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
    if immediates[0] > 1:
        raise TypeProblem("immediate_invalid", "0 or 1", str(immediates[0]))
    stack.append(BOOL)
    return _NOTHING


def _push_f64(_t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
    value = immediates[0]
    if value != value and struct.pack("<d", value) != CANONICAL_NAN:
        raise TypeProblem("immediate_invalid", "the one NaN", struct.pack(">d", value).hex())
    stack.append(FLOAT)
    return _NOTHING


def _push_const(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
    constants = t.program.constants
    if immediates[0] >= len(constants):
        raise TypeProblem("constant_index_invalid", f"below {len(constants)}", str(immediates[0]))
    value = constants[immediates[0]].value
    slot_type = t.entry(ArrayType(BYTE)) if isinstance(value, bytes) else FLOAT if isinstance(value, float) else INT
    if slot_type is None:
        raise TypeProblem("type_missing", "array of byte")
    stack.append(slot_type)
    return _NOTHING


def _pop(t: FunctionTyping, _: tuple[Any, ...], stack: Stack) -> Resolved:
    t.pop(stack)
    return _NOTHING


def _pop_n(_t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
    if immediates[0] > len(stack):
        raise TypeProblem("stack_underflow", str(immediates[0]), str(len(stack)))
    del stack[len(stack) - immediates[0] :]
    return _NOTHING


def _dup(t: FunctionTyping, _: tuple[Any, ...], stack: Stack) -> Resolved:
    top = t.pop(stack)
    stack += (top, top)
    return _NOTHING


def _swap(t: FunctionTyping, _: tuple[Any, ...], stack: Stack) -> Resolved:
    b, a = t.pop(stack), t.pop(stack)
    stack += (b, a)
    return _NOTHING


def _global(t: FunctionTyping, index: int) -> SlotType:
    if index >= len(t.program.globals):
        raise TypeProblem("global_index_invalid", f"below {len(t.program.globals)}", str(index))
    return t.program.globals[index]


def _get_global(row: Instruction) -> Rule:
    forms = _by_storage(row)

    def rule(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
        slot_type = _global(t, immediates[0])
        stack.append(slot_type)
        return forms[storage(slot_type)]

    return rule


def _set_global(row: Instruction) -> Rule:
    forms = _by_storage(row)

    def rule(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
        slot_type = _global(t, immediates[0])
        t.take(stack, slot_type)
        return forms[storage(slot_type)]

    return rule


def _get_local(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
    stack.append(t.local(immediates[0]))
    return _NOTHING


def _set_local(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
    if immediates[0] == 0 and t.function.is_closure:
        raise TypeProblem("closure_slot_written")
    t.take(stack, t.local(immediates[0]))
    return _NOTHING


def _call(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
    function, signature = t.callee(immediates[0], "function_index_invalid")
    if function.is_closure:
        raise TypeProblem("call_target_invalid", "a plain function", "a closure")
    t.take_all(stack, signature.params)
    stack += signature.results
    return _NOTHING


def _ret(t: FunctionTyping, _: tuple[Any, ...], stack: Stack) -> Resolved:
    t.take_all(stack, t.signature.results)
    if stack:
        raise TypeProblem(
            "return_height_wrong", str(len(t.signature.results)), str(len(stack) + len(t.signature.results))
        )
    return _NOTHING


def _make_closure(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
    function, _ = t.callee(immediates[0], "function_index_invalid")
    if function.captures is None:
        raise TypeProblem("call_target_invalid", "a closure", "a plain function")
    if immediates[1] != len(function.captures):
        raise TypeProblem("count_wrong", str(len(function.captures)), str(immediates[1]))
    t.take_all(stack, function.captures)
    stack.append(ref_to(function.signature))
    return _NOTHING


def _call_closure(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
    got = t.pop(stack)
    entry = t.types[got - FIRST_REF] if got >= FIRST_REF else None
    if not isinstance(entry, FunctionType):
        raise t.mismatch("a closure", got)
    if immediates[0] != len(entry.params):
        raise TypeProblem("count_wrong", str(len(entry.params)), str(immediates[0]))
    t.take_all(stack, entry.params)
    stack += entry.results
    return _NOTHING


def _spawn(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
    function, signature = t.callee(immediates[0], "function_index_invalid")
    if function.is_closure or signature.results:
        raise TypeProblem("spawn_target_invalid", "a plain function without results")
    if immediates[1] != len(signature.params):
        raise TypeProblem("count_wrong", str(len(signature.params)), str(immediates[1]))
    handle = t.entry(CoroutineType())
    if handle is None:
        raise TypeProblem("type_missing", "coroutine")
    t.take_all(stack, signature.params)
    stack.append(handle)
    return _NOTHING


def _get_capture(row: Instruction) -> Rule:
    forms = _by_storage(row)

    def rule(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
        captures = t.function.captures or ()
        if immediates[0] >= len(captures):
            raise TypeProblem("capture_index_invalid", f"below {len(captures)}", str(immediates[0]))
        stack.append(captures[immediates[0]])
        return forms[storage(captures[immediates[0]])]

    return rule


def _new_array(row: Instruction) -> Rule:
    word, byte = ((form, 0) for form in row.forms)

    def rule(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
        entry = _entry(t, immediates[0], ArrayType, "an array type")
        t.take(stack, INT)
        stack.append(ref_to(immediates[0]))
        return byte if entry.element == BYTE else word

    return rule


def _new_record(row: Instruction) -> Rule:
    resolved = (row.forms[0], 0)

    def rule(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
        _entry(t, immediates[0], RecordType, "a record type")
        stack.append(ref_to(immediates[0]))
        return resolved

    return rule


def _entry(t: FunctionTyping, index: int, kind: type[Any], required: str) -> Any:
    if index >= len(t.types) or not isinstance(t.types[index], kind):
        raise TypeProblem("type_index_invalid", required, str(index))
    return t.types[index]


def _array_get(row: Instruction) -> Rule:
    forms = _by_storage(row)

    def rule(t: FunctionTyping, _: tuple[Any, ...], stack: Stack) -> Resolved:
        t.take(stack, INT)
        element = t.take_array(stack).element
        stack.append(in_slot(element))
        return forms[storage(element)]

    return rule


def _array_store(row: Instruction, indices: int) -> Rule:
    """ARRAY_SET and ARRAY_FILL: an array, one or two ints, and an element on top."""
    forms = _by_storage(row)

    def rule(t: FunctionTyping, _: tuple[Any, ...], stack: Stack) -> Resolved:
        value = t.pop(stack)
        for _index in range(indices):
            t.take(stack, INT)
        element = t.take_array(stack).element
        t.take([value], in_slot(element))
        return forms[storage(element)]

    return rule


def _array_copy(row: Instruction) -> Rule:
    word, byte = ((form, 0) for form in row.forms)

    def rule(t: FunctionTyping, _: tuple[Any, ...], stack: Stack) -> Resolved:
        t.take(stack, INT)
        t.take(stack, INT)
        source = t.take_array(stack)
        t.take(stack, INT)
        got = t.pop(stack)
        if t.take_array([got]) != source:
            raise t.mismatch("an array of the same elements", got)
        return byte if source.element == BYTE else word

    return rule


def _array_len(row: Instruction) -> Rule:
    resolved = (row.forms[0], 0)

    def rule(t: FunctionTyping, _: tuple[Any, ...], stack: Stack) -> Resolved:
        t.take_array(stack)
        stack.append(INT)
        return resolved

    return rule


def _field(t: FunctionTyping, record: SlotType, index: int) -> SlotType:
    entry = t.types[record - FIRST_REF] if record >= FIRST_REF else None
    if not isinstance(entry, RecordType):
        raise t.mismatch("a record", record)
    if index >= len(entry.fields):
        raise TypeProblem("field_index_invalid", f"below {len(entry.fields)}", str(index))
    return entry.fields[index]


def _get_field(row: Instruction) -> Rule:
    forms = _by_storage(row)

    def rule(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
        slot_type = _field(t, t.pop(stack), immediates[0])
        stack.append(slot_type)
        return forms[storage(slot_type)]

    return rule


def _set_field(row: Instruction) -> Rule:
    forms = _by_storage(row)

    def rule(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
        value = t.pop(stack)
        slot_type = _field(t, t.pop(stack), immediates[0])
        t.take([value], slot_type)
        return forms[storage(slot_type)]

    return rule


def _is_null(row: Instruction) -> Rule:
    resolved = (row.forms[0], 0)

    def rule(t: FunctionTyping, _: tuple[Any, ...], stack: Stack) -> Resolved:
        got = t.pop(stack)
        if not is_ref(got):
            raise t.mismatch("a ref", got)
        stack.append(BOOL)
        return resolved

    return rule


def _hostcall(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
    imports = t.program.imports
    if immediates[0] >= len(imports):
        raise TypeProblem("host_call_index_invalid", f"below {len(imports)}", str(immediates[0]))
    row = imports[immediates[0]]
    t.take_all(stack, row.params)
    stack += row.results
    return _NOTHING


def _service(kind: str, code: str) -> Rule:
    def rule(t: FunctionTyping, immediates: tuple[Any, ...], stack: Stack) -> Resolved:
        signature = (t.services if kind == "service" else t.intrinsics).get(immediates[0])
        if signature is None:
            raise TypeProblem(code, available=str(immediates[0]))
        t.take_all(stack, signature.params)
        stack += signature.results
        return _NOTHING

    return rule


def _by_storage(row: Instruction) -> Mapping[str, Resolved]:
    return {form.name.partition(".")[2]: (form, 0) for form in row.forms}


_SPECIAL: Mapping[str, Callable[[Instruction], Rule]] = {
    "PUSH_CONST": lambda _: _push_const,
    "POP": lambda _: _pop,
    "DUP": lambda _: _dup,
    "SWAP": lambda _: _swap,
    "PUSH_F64": lambda _: _push_f64,
    "PUSH_BOOL": lambda _: _push_bool,
    "POP_N": lambda _: _pop_n,
    "PUSH_NULL": lambda _: _push(NULL),
    "GET_GLOBAL": _get_global,
    "SET_GLOBAL": _set_global,
    "GET_LOCAL": lambda _: _get_local,
    "SET_LOCAL": lambda _: _set_local,
    "CALL": lambda _: _call,
    "RET": lambda _: _ret,
    "MAKE_CLOSURE": lambda _: _make_closure,
    "CALL_CLOSURE": lambda _: _call_closure,
    "SPAWN": lambda _: _spawn,
    "GET_CAPTURE": _get_capture,
    "NEW_ARRAY": _new_array,
    "ARRAY_GET": _array_get,
    "ARRAY_SET": lambda row: _array_store(row, 1),
    "ARRAY_LEN": _array_len,
    "ARRAY_FILL": lambda row: _array_store(row, 2),
    "ARRAY_COPY": _array_copy,
    "NEW_RECORD": _new_record,
    "GET_FIELD": _get_field,
    "SET_FIELD": _set_field,
    "IS_NULL": _is_null,
    "SYSCALL": lambda _: _service("service", "syscall_invalid"),
    "HOSTCALL": lambda _: _hostcall,
    "INTRINSIC": lambda _: _service("intrinsic", "intrinsic_invalid"),
}


def _rule(row: Instruction) -> Rule:
    if row.name in _SPECIAL:
        return _SPECIAL[row.name](row)
    if row.effect.startswith(("number", "same")):
        return _numeric(row)
    return _exact(row)


RULES: Mapping[int, Rule] = {row.opcode: _rule(row) for row in ROWS}


def immediate_operands(program: Program, row: Instruction, immediates: tuple[Any, ...]) -> tuple[int, ...]:
    """The words that a meaning gets behind its stack operands, made of the immediates."""
    if row.name == "NEW_RECORD":
        entry = program.types[immediates[0]]
        assert isinstance(entry, RecordType)
        return (immediates[0], len(entry.fields))
    if row.flow is Flow.NEXT:
        return immediates
    return ()
