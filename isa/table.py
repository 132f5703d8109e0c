"""The instruction set: one row per instruction. Everything else about an instruction is read off its row.

The effect column is the stack before and after, top at the right. `number` is int or float, the same for all: where
both are given, ints are promoted. The other words are the rules of `typing.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .effects import Effects, effects
from .meanings import control, floating, heap, integer
from .traps import Trap

MAX_INSTRUCTION_BYTES = 10
FIRST_ISA = "1.0.0"


class Flow(Enum):
    """What comes after the instruction, and who carries it out."""

    NEXT = "next"  # its meaning is run, then the next instruction
    MOVE = "move"  # only moves values between stack and locals
    JUMP = "jump"
    BRANCH = "branch"  # its meaning is the condition
    CALL = "call"
    CALL_CLOSURE = "call closure"
    RETURN = "return"
    HALT = "halt"
    TRAP = "trap"
    CLOSURE = "closure"  # makes one
    SPAWN = "spawn"
    HOST = "host"  # a service or intrinsic of the host
    SYNC = "sync"  # the safepoint


ENDS_BLOCK = frozenset(set(Flow) - {Flow.NEXT, Flow.MOVE, Flow.CLOSURE, Flow.SPAWN, Flow.HOST})
NEVER_FALLS_THROUGH = frozenset({Flow.JUMP, Flow.RETURN, Flow.HALT, Flow.TRAP})


class Immediate(Enum):
    """What the bytes behind an opcode stand for, and their struct format."""

    TARGET = ("byte offset from the start of the function", "I")
    INT64 = ("int", "q")
    FLOAT64 = ("float", "d")
    INT32 = ("small int", "i")
    BOOL8 = ("0 or 1", "B")
    CONSTANT = ("index of a constant", "I")
    COUNT = ("number of values", "I")
    GLOBAL = ("index of a global", "I")
    LOCAL = ("index of a local, parameters first", "I")
    FUNCTION = ("index of a function", "I")
    TYPE = ("index of a type", "I")
    FIELD = ("index of a field", "I")
    CAPTURE = ("index of a captured value", "I")
    IMPORT = ("index of an import", "I")
    SERVICE = ("number of a service", "I")
    INTRINSIC = ("number of an intrinsic", "I")

    @property
    def format(self) -> str:
        """Its struct format character."""
        return self.value[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One typed form of an instruction. Kinds are the algebra's: W word, F float, T truth."""

    name: str  # unique: row name, or row name and form
    takes: str  # one kind per operand, immediates last
    gives: str  # one kind, or empty
    meaning: Callable[..., Any]
    effects: Effects


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One row. Name, opcode, immediates and effect are frozen; cycles only change with the ISA's major version."""

    name: str
    opcode: int
    immediates: tuple[Immediate, ...]
    effect: str
    cycles: int
    flow: Flow
    forms: tuple[Form, ...]
    traps: frozenset[Trap]
    since: str
    summary: str
    unpack: Callable[..., tuple[Any, ...]]  # immediates from a buffer at an offset
    pack: Callable[..., bytes]  # opcode and immediates
    size: int  # bytes, opcode included
    metered: bool  # the cost depends on operands, beyond `cycles`
    jumps: bool  # its first immediate is where it may go on
    ends_block: bool
    falls_through: bool  # the next instruction may follow


def _row(
    name: str,
    opcode: int,
    effect: str,
    summary: str,
    *meanings: tuple[str, str, str, Callable[..., Any]],
    imm: tuple[Immediate, ...] = (),
    cycles: int = 1,
    flow: Flow = Flow.NEXT,
    traps: tuple[Trap, ...] = (),
    since: str = FIRST_ISA,
) -> Instruction:
    """A row; `meanings` are (form, kinds taken, kind given, meaning)."""
    forms = tuple(
        Form(
            name=f"{name}.{form}" if form else name,
            takes=takes,
            gives=gives,
            meaning=meaning,
            effects=effects(meaning, len(takes)),
        )
        for form, takes, gives, meaning in meanings
    )
    layout = struct.Struct("<" + "".join(i.format for i in imm))
    packing = struct.Struct("<H" + "".join(i.format for i in imm))
    return Instruction(
        name=name,
        opcode=opcode,
        immediates=imm,
        effect=effect,
        cycles=cycles,
        flow=flow,
        forms=forms,
        traps=frozenset(traps).union(*(form.effects.traps for form in forms)),
        since=since,
        summary=summary,
        unpack=layout.unpack_from,
        pack=packing.pack,
        size=2 + layout.size,
        metered=any(form.effects.metered for form in forms),
        jumps=flow in (Flow.JUMP, Flow.BRANCH),
        ends_block=flow in ENDS_BLOCK,
        falls_through=flow not in NEVER_FALLS_THROUGH,
    )


def _number(
    name: str, opcode: int, summary: str, on_ints: Callable[..., Any], on_floats: Callable[..., Any], **more: Any
) -> Instruction:
    return _row(
        name,
        opcode,
        "number number -> number",
        summary,
        ("int", "WW", "W", on_ints),
        ("float", "FF", "F", on_floats),
        **more,
    )


def _compare(
    name: str, opcode: int, summary: str, on_ints: Callable[..., Any], on_floats: Callable[..., Any]
) -> Instruction:
    effect = "same same -> bool" if name in ("EQ", "NEQ") else "number number -> bool"
    return _row(name, opcode, effect, summary, ("int", "WW", "T", on_ints), ("float", "FF", "T", on_floats))


def _ints(name: str, opcode: int, summary: str, meaning: Callable[..., Any], **more: Any) -> Instruction:
    return _row(name, opcode, "int int -> int", summary, ("", "WW", "W", meaning), **more)


def _test(name: str, opcode: int, summary: str, meaning: Callable[..., Any]) -> Instruction:
    return _row(name, opcode, "int int -> bool", summary, ("", "WW", "T", meaning))


def _bits(name: str, opcode: int, summary: str, meaning: Callable[..., Any]) -> Instruction:
    return _row(name, opcode, "int -> int", summary, ("", "W", "W", meaning))


def _float(name: str, opcode: int, summary: str, meaning: Callable[..., Any], **more: Any) -> Instruction:
    return _row(name, opcode, "float -> float", summary, ("", "F", "F", meaning), **more)


_I = Immediate

ROWS: tuple[Instruction, ...] = (
    # control
    _row("NOP", 0x00, "->", "Does nothing.", flow=Flow.MOVE),
    _row("HALT", 0x01, "->", "Ends the machine.", flow=Flow.HALT),
    _row("JMP", 0x02, "->", "Goes on at the target.", imm=(_I.TARGET,), cycles=2, flow=Flow.JUMP),
    _row(
        "JMP_IF_FALSE", 0x03, "bool ->", "Goes on at the target when the condition is false.",
        ("", "T", "T", control.if_false), imm=(_I.TARGET,), cycles=3, flow=Flow.BRANCH,
    ),
    _row(
        "JMP_IF_TRUE", 0x04, "bool ->", "Goes on at the target when the condition is true.",
        ("", "T", "T", control.if_true), imm=(_I.TARGET,), cycles=3, flow=Flow.BRANCH,
    ),
    _row("TRAP", 0x05, "->", "Ends the machine with the trap EXPLICIT.", flow=Flow.TRAP, traps=(Trap.EXPLICIT,)),
    # stack
    _row("PUSH_CONST", 0x10, "-> constant", "Pushes a constant; a string is one bytes object per machine.", imm=(_I.CONSTANT,), flow=Flow.MOVE),
    _row("POP", 0x11, "any ->", "Drops the top.", flow=Flow.MOVE),
    _row("DUP", 0x12, "any -> any any", "Pushes the top once more.", flow=Flow.MOVE),
    _row("SWAP", 0x13, "any any -> any any", "Exchanges the two topmost.", flow=Flow.MOVE),
    _row("PUSH_I64", 0x14, "-> int", "Pushes an int.", imm=(_I.INT64,), flow=Flow.MOVE),
    _row("PUSH_F64", 0x15, "-> float", "Pushes a float.", imm=(_I.FLOAT64,), flow=Flow.MOVE),
    _row("PUSH_BOOL", 0x16, "-> bool", "Pushes false (0) or true (1).", imm=(_I.BOOL8,), flow=Flow.MOVE),
    _row("PUSH_I32", 0x17, "-> int", "Pushes a small int.", imm=(_I.INT32,), flow=Flow.MOVE),
    _row("POP_N", 0x18, "any... ->", "Drops the given number of values.", imm=(_I.COUNT,), flow=Flow.MOVE),
    _row("PUSH_NULL", 0x19, "-> null", "Pushes the null ref.", flow=Flow.MOVE),
    # arithmetic
    _number("ADD", 0x20, "Sum; ints wrap around.", integer.add, floating.add),
    _number("SUB", 0x21, "Difference; ints wrap around.", integer.sub, floating.sub),
    _number("MUL", 0x22, "Product; ints wrap around.", integer.mul, floating.mul),
    _number("DIV", 0x23, "Quotient; ints round toward zero.", integer.div, floating.div, cycles=4),
    _ints("MOD", 0x24, "Remainder with the sign of the dividend.", integer.mod, cycles=4),
    _row("NEG", 0x25, "number -> number", "The other sign.", ("int", "W", "W", integer.neg), ("float", "F", "F", floating.neg)),
    _row("ABS", 0x26, "number -> number", "The magnitude.", ("int", "W", "W", integer.abs_), ("float", "F", "F", floating.abs_)),
    _number("MIN", 0x27, "The smaller; for floats -0.0 is below 0.0 and NaN wins.", integer.min_, floating.min_),
    _number("MAX", 0x28, "The larger; for floats 0.0 is above -0.0 and NaN wins.", integer.max_, floating.max_),
    _float("SQRT", 0x29, "Square root, correctly rounded.", floating.sqrt, cycles=4),
    _float("FLOOR", 0x2A, "Largest integral value not above.", floating.floor),
    _float("CEIL", 0x2B, "Smallest integral value not below.", floating.ceil),
    _float("TRUNC", 0x2C, "Integral part.", floating.trunc),
    _float("NEAREST", 0x2D, "Nearest integral value, ties to even.", floating.nearest),
    _row(
        "COPYSIGN", 0x2E, "float float -> float", "Magnitude of the first, sign of the second.",
        ("", "FF", "F", floating.copysign),
    ),
    # compare, logic, bits
    _compare("EQ", 0x30, "Equal: numbers, bools, or the same object.", integer.eq, floating.eq),
    _compare("NEQ", 0x31, "Not equal.", integer.neq, floating.neq),
    _compare("LT", 0x32, "Less than.", integer.lt, floating.lt),
    _compare("LTE", 0x33, "Less than or equal.", integer.lte, floating.lte),
    _compare("GT", 0x34, "Greater than.", integer.gt, floating.gt),
    _compare("GTE", 0x35, "Greater than or equal.", integer.gte, floating.gte),
    _row("AND", 0x36, "bool bool -> bool", "Both.", ("", "TT", "T", integer.and_)),
    _row("OR", 0x37, "bool bool -> bool", "At least one.", ("", "TT", "T", integer.or_)),
    _row("NOT", 0x38, "bool -> bool", "Not.", ("", "T", "T", integer.not_)),
    _ints("BIT_AND", 0x39, "Bitwise and.", integer.bit_and),
    _ints("BIT_OR", 0x3A, "Bitwise or.", integer.bit_or),
    _ints("BIT_XOR", 0x3B, "Bitwise exclusive or.", integer.bit_xor),
    _ints("SHL", 0x3C, "Shift left by a count modulo 64.", integer.shl),
    _ints("SHR", 0x3D, "Shift right by a count modulo 64, keeping the sign.", integer.shr),
    _ints("SHR_U", 0x3E, "Shift right by a count modulo 64, bringing in zeros.", integer.shr_u),
    _ints("ROTL", 0x3F, "Rotate left by a count modulo 64.", integer.rotl),
    # variables
    _row(
        "GET_GLOBAL", 0x40, "-> global", "Pushes a global.",
        ("word", "W", "W", heap.get_global_word), ("float", "W", "F", heap.get_global_float), imm=(_I.GLOBAL,),
    ),
    _row(
        "SET_GLOBAL", 0x41, "global ->", "Replaces a global.",
        ("word", "WW", "", heap.set_global_word), ("float", "FW", "", heap.set_global_float), imm=(_I.GLOBAL,),
    ),
    _row("GET_LOCAL", 0x42, "-> local", "Pushes a local.", imm=(_I.LOCAL,), flow=Flow.MOVE),
    _row("SET_LOCAL", 0x43, "local ->", "Replaces a local.", imm=(_I.LOCAL,), flow=Flow.MOVE),
    # calls, coroutines
    _row("CALL", 0x50, "params... -> results...", "Calls a function.", imm=(_I.FUNCTION,), cycles=5, flow=Flow.CALL, traps=(Trap.CALL_DEPTH,)),
    _row("RET", 0x51, "results... ->", "Returns to the caller; in a coroutine's first function it ends the coroutine.", cycles=4, flow=Flow.RETURN),
    _row(
        "MAKE_CLOSURE", 0x52, "captures... -> closure", "Makes a closure of a function and that many captured values.",
        imm=(_I.FUNCTION, _I.COUNT), cycles=8, flow=Flow.CLOSURE, traps=(Trap.OUT_OF_MEMORY,),
    ),
    _row(
        "CALL_CLOSURE", 0x53, "params... closure -> results...", "Calls a closure with that many arguments.",
        imm=(_I.COUNT,), cycles=6, flow=Flow.CALL_CLOSURE, traps=(Trap.CALL_DEPTH, Trap.NULL_REF),
    ),
    _row(
        "SPAWN", 0x54, "params... -> coroutine", "Starts a coroutine; it gets its first turn in this frame, after all others.",
        imm=(_I.FUNCTION, _I.COUNT), cycles=6, flow=Flow.SPAWN, traps=(Trap.OUT_OF_MEMORY,),
    ),
    _row("YIELD", 0x55, "->", "At the next FRAME_SYNC this coroutine moves to the back of the order.", ("", "", "", control.mark_yield)),
    _row(
        "SLEEP", 0x56, "int ->", "At the next FRAME_SYNC this coroutine is taken out for that many frames.",
        ("", "W", "", control.mark_sleep),
    ),
    _row(
        "GET_CAPTURE", 0x57, "-> capture", "Pushes a captured value of the running closure.",
        ("word", "WW", "W", heap.get_capture_word), ("float", "WW", "F", heap.get_capture_float), imm=(_I.CAPTURE,),
    ),
    # heap
    _row(
        "NEW_ARRAY", 0x60, "int -> array", "Makes an array of that length, every element zero, false or null.",
        ("word", "WW", "W", heap.new_words), ("byte", "WW", "W", heap.new_bytes), imm=(_I.TYPE,), cycles=8,
    ),
    _row(
        "ARRAY_GET", 0x61, "array int -> element", "Pushes an element.",
        ("word", "WW", "W", heap.get_word), ("float", "WW", "F", heap.get_float), ("byte", "WW", "W", heap.get_byte), cycles=2,
    ),
    _row(
        "ARRAY_SET", 0x62, "array int element ->", "Replaces an element.",
        ("word", "WWW", "", heap.set_word), ("float", "WWF", "", heap.set_float), ("byte", "WWW", "", heap.set_byte), cycles=2,
    ),
    _row("ARRAY_LEN", 0x63, "array -> int", "Pushes the length.", ("", "W", "W", heap.array_len)),
    _row(
        "ARRAY_FILL", 0x64, "array int int element ->", "From an index sets that many elements.",
        ("word", "WWWW", "", heap.fill_words), ("float", "WWWF", "", heap.fill_floats), ("byte", "WWWW", "", heap.fill_bytes), cycles=8,
    ),
    _row(
        "ARRAY_COPY", 0x65, "array int array int int ->", "To an array and index, from an array and index, copies that many elements.",
        ("word", "WWWWW", "", heap.copy_words), ("byte", "WWWWW", "", heap.copy_bytes), cycles=8,
    ),
    _row(
        "NEW_RECORD", 0x66, "-> record", "Makes a record, every field zero, false or null.",
        ("", "WW", "W", heap.new_record), imm=(_I.TYPE,), cycles=8,
    ),
    _row(
        "GET_FIELD", 0x67, "record -> field", "Pushes a field.",
        ("word", "WW", "W", heap.get_field_word), ("float", "WW", "F", heap.get_field_float), imm=(_I.FIELD,), cycles=2,
    ),
    _row(
        "SET_FIELD", 0x68, "record field ->", "Replaces a field.",
        ("word", "WWW", "", heap.set_field_word), ("float", "WFW", "", heap.set_field_float), imm=(_I.FIELD,), cycles=2,
    ),
    _row("IS_NULL", 0x69, "ref -> bool", "Whether a ref is null.", ("", "W", "T", heap.is_null)),
    # host
    _row(
        "SYSCALL", 0x70, "args... -> results...", "Calls a service of the host; exists only after loading.",
        imm=(_I.SERVICE,), flow=Flow.HOST, traps=(Trap.HOST_DENIED,),
    ),
    _row(
        "HOSTCALL", 0x71, "args... -> results...", "Names a service by its import; loading turns it into SYSCALL.",
        imm=(_I.IMPORT,), flow=Flow.HOST,
    ),
    _row("INTRINSIC", 0x72, "args... -> results...", "Calls an intrinsic of the machine.", imm=(_I.INTRINSIC,), flow=Flow.HOST),
    # frame
    _row("FRAME_SYNC", 0x80, "->", "Ends the coroutine's turn in this frame: the only safepoint.", flow=Flow.SYNC),
    # conversion
    _row("INT_TO_FLOAT", 0x90, "int -> float", "The nearest float, ties to even.", ("", "W", "F", floating.int_to_float)),
    _row("FLOAT_TO_INT", 0x91, "float -> int", "The integral part; NaN and values outside the ints trap.", ("", "F", "W", floating.float_to_int)),
    _row("FLOAT_TO_INT_SAT", 0x92, "float -> int", "The integral part, or the nearest int; NaN gives 0.", ("", "F", "W", floating.float_to_int_sat)),
    _row("FLOAT_BITS", 0x93, "float -> int", "The bit pattern; every NaN shows the same one.", ("", "F", "W", floating.float_bits)),
    _row("BITS_FLOAT", 0x94, "int -> float", "The float of a bit pattern.", ("", "W", "F", floating.bits_float)),
    # more bits, unsigned (group 0x30 is full)
    _ints("ROTR", 0xA0, "Rotate right by a count modulo 64.", integer.rotr),
    _bits("CLZ", 0xA1, "Leading zero bits.", integer.clz),
    _bits("CTZ", 0xA2, "Trailing zero bits.", integer.ctz),
    _bits("POPCNT", 0xA3, "One bits.", integer.popcnt),
    _ints("DIV_U", 0xA4, "Unsigned quotient.", integer.div_u, cycles=4),
    _ints("MOD_U", 0xA5, "Unsigned remainder.", integer.mod_u, cycles=4),
    _test("LT_U", 0xA6, "Unsigned less than.", integer.lt_u),
    _test("LTE_U", 0xA7, "Unsigned less than or equal.", integer.lte_u),
    _test("GT_U", 0xA8, "Unsigned greater than.", integer.gt_u),
    _test("GTE_U", 0xA9, "Unsigned greater than or equal.", integer.gte_u),
)  # fmt: skip

BY_NAME: Mapping[str, Instruction] = {row.name: row for row in ROWS}
BY_OPCODE: Mapping[int, Instruction] = {row.opcode: row for row in ROWS}
FORMS: Mapping[str, Form] = {form.name: form for row in ROWS for form in row.forms}
PROMOTION = FORMS["INT_TO_FLOAT"]  # what a mixed operand passes through
