"""Programs and files that use exactly so much of what there is a limit for."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from pbs.contract import Rejected
from pbs.contract.limits import LARGEST, PROFILES, SMALLEST, Limits, check_limits
from pbs.isa import container, structure
from pbs.isa.program import Constant, Export, Function, Meta, Program
from pbs.isa.table import BY_NAME
from pbs.isa.types import INT, FunctionType, RecordType
from pbs.loader import load
from pbs.loader.cartridge import decode_cartridge, encode_cartridge
from pbs.loader.manifest import parse_manifest
from pbs.vm import FrameResult, Machine, layout
from tests.support.compare import SMALL

from .checks import Disproved
from .manifests import MANIFEST

ROOMY = replace(
    SMALL, heap_words=2000, objects=200, gc_threshold_words=2000, coroutines=12, host_calls=200, log_bytes=200
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A program for one limit. program: its text, using `count` of it. most: how much of it there may be."""

    name: str
    limits: Limits
    most: int
    least: int = 0
    program: Callable[[int], str]
    trap: str | None = None  # with one more than `most`; None: nothing traps
    instruction: str = ""  # which traps
    refused: str | None = None  # with one more, loading says so
    counts: bool = False  # it does one thing after another, each of them once
    seen: Callable[[int], int | None] = lambda _: None  # what global 0 holds in the end, when so much was used
    also: Callable[[Machine, list[FrameResult], int], bool] = lambda *_: (
        True
    )  # what else must hold of a run that ended well


def cases() -> Iterator[Case]:
    """One for each limit of a machine, or several where it is met in several ways."""
    for most in (16, 100):
        yield Case(
            name="heap_words, one word at a time", limits=replace(ROOMY, heap_words=most), most=most,
            counts=True, program=lambda n: loop(n, "PUSH 1\nNEW_ARRAY ints\nPOP\n"),
            trap="OUT_OF_MEMORY", instruction="NEW_ARRAY", seen=lambda n: n,
        )  # fmt: skip
        yield Case(
            name="heap_words, at once", limits=replace(ROOMY, heap_words=most), most=most,
            program=lambda n: once(f"PUSH {n}\nNEW_ARRAY ints\nARRAY_LEN"),
            trap="OUT_OF_MEMORY", instruction="NEW_ARRAY", seen=lambda n: n,
        )  # fmt: skip
        yield Case(
            name="heap_words, bytes", limits=replace(ROOMY, heap_words=most), most=8 * most,
            program=lambda n: once(f"PUSH {n}\nNEW_ARRAY bytes\nARRAY_LEN"),
            trap="OUT_OF_MEMORY", instruction="NEW_ARRAY", seen=lambda n: n,
        )  # fmt: skip
        yield Case(
            name="objects", limits=replace(ROOMY, objects=most), most=most,
            counts=True, program=lambda n: loop(n, "PUSH 0\nNEW_ARRAY ints\nPOP\n"),
            trap="OUT_OF_MEMORY", instruction="NEW_ARRAY", seen=lambda n: n,
        )  # fmt: skip
        yield Case(
            name="objects, records", limits=replace(ROOMY, objects=most), most=most,
            counts=True, program=lambda n: loop(n, "NEW_RECORD nothing\nPOP\n"),
            trap="OUT_OF_MEMORY", instruction="NEW_RECORD", seen=lambda n: n,
        )  # fmt: skip
        yield Case(
            name="objects, closures", limits=replace(ROOMY, objects=most), most=most,
            counts=True, program=lambda n: loop(n, "MAKE_CLOSURE made 0\nPOP\n") + ".closure made() captures ()\nRET\n.end\n",
            trap="OUT_OF_MEMORY", instruction="MAKE_CLOSURE", seen=lambda n: n,
        )  # fmt: skip
        yield Case(
            name="gc_threshold_words", limits=replace(ROOMY, gc_threshold_words=most), most=most - 1,
            program=lambda n: once(f"PUSH {n}\nNEW_ARRAY ints\nARRAY_LEN"), seen=lambda n: n,
            also=lambda machine, _, n, most=most: machine.state[layout.COLLECTIONS] == (n >= most),
        )  # fmt: skip
        yield Case(
            name="host_calls", limits=replace(ROOMY, host_calls=most), most=most,
            counts=True, program=lambda n: loop(n, "PUSH 9\nHOSTCALL random.below/1\nPOP\n"),
            trap="HOST_DENIED", instruction="SYSCALL", seen=lambda n: n,
        )  # fmt: skip
        yield Case(
            name="log_bytes", limits=replace(ROOMY, log_bytes=most), most=most, least=3,
            program=lambda n: once(f'PUSH 2\nPUSH "{"x" * (n - 3)}"\nHOSTCALL log.write/1'),
            seen=lambda n, most=most: int(n > most),
            also=lambda _, results, n, most=most: sum(len(e.text) + 3 for e in results[0].log) == (n if n <= most else 0),
        )  # fmt: skip
    for most in (4, 16, 17):
        yield Case(
            name="log_bytes, numbers", limits=replace(ROOMY, log_bytes=most), most=most, least=4,
            program=lambda n: once(f"PUSH 2\nPUSH {10 ** (n - 4)}\nHOSTCALL log.number/1"),
            seen=lambda n, most=most: int(n > most),
        )  # fmt: skip
    for most in (1, 2, 12):
        yield Case(
            name="call_depth", limits=replace(ROOMY, call_depth=most), most=most, least=1,
            program=lambda n: once(f"PUSH {n - 1}\nCALL deeper" if n > 1 else "PUSH 0") + _DEEPER,
            trap="CALL_DEPTH", instruction="CALL", seen=lambda n: n - 1 if n > 1 else 0,
        )  # fmt: skip
        yield Case(
            name="coroutines", limits=replace(ROOMY, coroutines=most), most=most, least=1,
            counts=True, program=lambda n: loop(n - 1, "SPAWN waits 0\nPOP\n") + f".func waits()\n{_END}",
            trap="OUT_OF_MEMORY", instruction="SPAWN", seen=lambda n: n - 1,
        )  # fmt: skip
    for most in (32, 70):
        yield Case(
            name="stack_words, of one function", limits=replace(ROOMY, stack_words=most), most=most,
            program=lambda n: once("PUSH 7", locals_=n - 1), refused="frame_exceeds_stack", seen=lambda _: 7,
        )  # fmt: skip
        yield Case(
            name="stack_words, of two", limits=replace(ROOMY, stack_words=most), most=most,
            program=lambda n: once("CALL inner", locals_=9) + f".func inner() -> int\n{_locals(n - 10)}PUSH 7\nRET\n.end\n",
            trap="CALL_DEPTH", instruction="CALL", seen=lambda _: 7,
        )  # fmt: skip
    for most in (1024, 3000):
        yield Case(
            name="frame_cycles", limits=replace(ROOMY, frame_cycles=most), most=most, program=_costs,
            also=lambda _, results, n, most=most: (results[0].cycles, results[0].ticks) == (n, 1 + (n > most)),
        )  # fmt: skip
    roomy = replace(ROOMY, heap_words=10_000)
    yield Case(
        name="bytes of a string", limits=roomy, most=65_536, program=lambda n: once(f'PUSH "{"x" * n}"\nARRAY_LEN'),
        refused="constant_too_long", seen=lambda n: n,
    )  # fmt: skip


_HEAD = """
.target profile "game" "1.0.0"
.type ints = array int
.type bytes = array byte
.type nothing = record {}
.global seen: int
"""
_END = "end:\nFRAME_SYNC\nJMP end\n.end\n"
_DEEPER = """
.func deeper(n: int) -> int
    GET_LOCAL n
    PUSH 1
    GT
    JMP_IF_FALSE last
    GET_LOCAL n
    PUSH 1
    SUB
    CALL deeper
    PUSH 1
    ADD
    RET
last:
    PUSH 1
    RET
.end
"""


def _locals(count: int) -> str:
    return "".join(f".local l{i}: int\n" for i in range(count))


def once(code: str, locals_: int = 0) -> str:
    """Main does it and keeps the result where it can be seen."""
    return f"{_HEAD}.func main()\n{_locals(locals_)}{code}\nSET_GLOBAL seen\n{_END}"


def loop(count: int, code: str) -> str:
    """Main does it so many times, all in one frame, and counts what was done."""
    begin = f".func main()\nagain:\nGET_GLOBAL seen\nPUSH {count}\nLT\nJMP_IF_FALSE end\n"
    return f"{_HEAD}{begin}{code}GET_GLOBAL seen\nPUSH 1\nADD\nSET_GLOBAL seen\nJMP again\n{_END}"


def _costs(cycles: int) -> str:
    """A first frame that costs exactly so much."""
    idle = "NOP\n" * (cycles - BY_NAME["FRAME_SYNC"].cycles)
    return f"{_HEAD}.func main()\n{idle}FRAME_SYNC\n{_END}"


# ---- files and tables

_FORM = FunctionType((), ())
_CODE = BY_NAME["RET"].opcode.to_bytes(2, "little")
_MAIN = Function(signature=0, captures=None, locals=(), max_stack=0, code=_CODE)
_META = Meta(isa="1.0.0", runtime_min="1.0.0", runtime_max=None, profile="core", profile_version="1.0.0", toolchain="")
_LEAST = Program(meta=_META, types=(_FORM,), functions=(_MAIN,))


def files() -> Iterator[tuple[str, int, str, Callable[[int], object]]]:
    """What is counted, how much of it there may be, what is said where there is more, and something that uses so much."""
    for name, most in (("globals", structure.MAX_GLOBALS), ("constants", structure.MAX_CONSTANTS)):
        rows: tuple[Any, ...] = (INT,) if name == "globals" else (Constant(0),)
        yield name, most, "table_too_long", lambda n, name=name, rows=rows: _sound(replace(_LEAST, **{name: rows * n}))
    yield "functions", 65_536, "table_too_long", lambda n: _sound(replace(_LEAST, functions=(_MAIN,) * n))
    records = (RecordType(()),)
    yield "types", 65_536, "table_too_long", lambda n: _sound(replace(_LEAST, types=(_FORM, *records * (n - 1))))
    yield "fields", 255, "table_too_long", lambda n: _sound(replace(_LEAST, types=(_FORM, RecordType((INT,) * n))))
    closure = replace(_MAIN, captures=())
    yield (
        "captures",
        255,
        "function_too_large",
        lambda n: _sound(replace(_LEAST, functions=(_MAIN, replace(closure, captures=(INT,) * n)))),
    )
    yield "operands", 1024, "function_too_large", lambda n: load(container.encode(_pushing(n)))
    slots = [replace(_LEAST, functions=(replace(_MAIN, locals=(INT,) * n),)) for n in (1023, 1024, 1025)]
    yield "slots", 1024, "function_too_large", lambda n: load(container.encode(slots[n - 1023]))
    yield (
        "parameters",
        255,
        "program_unencodable",
        lambda n: _there_and_back(replace(_LEAST, types=(_FORM, FunctionType((INT,) * n, ())))),
    )
    yield (
        "bytes of a name",
        255,
        "program_unencodable",
        lambda n: _there_and_back(replace(_LEAST, exports=(Export(name="e" * n, function=0),))),
    )
    yield (
        "bytes of a function",
        1 << 24,
        "section_malformed",
        lambda n: _there_and_back(replace(_LEAST, functions=(replace(_MAIN, code=bytes(n)),))),
    )
    yield "bytes of a program", 1 << 26, "file_too_large", lambda n: load(b"PBSX" + bytes(n - 4))
    yield (
        "members",
        300,
        "cartridge_malformed",
        lambda n: decode_cartridge(encode_cartridge({f"m{i}": b"" for i in range(n)})),
    )
    for field in fields(Limits):
        name = field.name
        most = getattr(LARGEST, name)
        yield name, most, "limits_invalid", lambda n, name=name: check_limits(replace(LARGEST, **{name: n}))
        least = getattr(SMALLEST, name)
        yield (
            f"{name}, at least",
            -least,
            "limits_invalid",
            lambda n, name=name: check_limits(replace(SMALLEST, **{name: -n})),
        )
        for profile, limits in PROFILES.items():
            yield (
                f"{name} of {profile}",
                getattr(limits, name),
                "manifest_invalid",
                lambda n, p=profile, name=name: parse_manifest(
                    json.dumps({**MANIFEST, "limits": {"profile": p, name: n}}).encode()
                ),
            )


def _sound(program: Program) -> None:
    found = list(structure.check_structure(program))
    if found:
        raise Rejected("program_invalid", findings=found)


def _pushing(count: int) -> Program:
    push, pop = BY_NAME["PUSH_BOOL"].opcode, BY_NAME["POP_N"].opcode
    code = struct.pack("<HB", push, 1) * count + struct.pack("<HI", pop, count) + _CODE
    return replace(_LEAST, functions=(replace(_MAIN, max_stack=count, code=code),))


def _there_and_back(program: Program) -> None:
    if container.decode(container.encode(program)) != program:
        raise Disproved("what is read is not what was written")
