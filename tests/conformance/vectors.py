"""The conformance vectors: what they may say, the programs they stand for, and how an engine is held against them.

A file is a mapping: `about` says what it holds, `common` is assembly that each of its programs gets, `vectors` is the list.
Expected values come from the specification, never from a run. A vector has one of three shapes:

row     One instruction over values. `row`, `takes`, `gives`, and `cases`: the operands, then the result or the name of a trap.
        Each case is run with every operand as a parameter and as a literal in the code, tests also as conditions of jumps.
code    The body of a function `test`, or `code` with `takes` and `gives`. Either one call, said by `with`, `results` or `trap`,
        `cycles`, or several of them as `cases`, made one after the other on one machine.
frames  A whole `program`, and what comes of each call of `run_frame`: `times`, `input`, `touch`, `budget` go in; `status`, `log`,
        `cycles`, `ticks`, `host_calls`, `heap`, `globals`, `trap` come out. An unfinished frame goes on at the next one.

Values: ints are signed numbers, floats have a point or an exponent or are "nan", "inf", "-inf"; a quoted "0x..." is a bit
pattern of either. NaN results are a class. A trap is `{code, at, pc, cycles, in, frame}`: `at` is the instruction, `in` the
function, `test` where it is not said (in frames: `main`). `limits` are over `tests.support.compare.SMALL`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from pbs.contract import strict_yaml
from pbs.isa.types import BOOL, FLOAT
from pbs.loader import Image, assemble, load
from pbs.vm import layout
from pbs.vm.machine import Input, Machine, Trapped, TrapRecord
from tests.support.compare import SMALL, machine_on

FOLDER = Path(__file__).parent
COSTS_FILE = FOLDER / "costs.yaml"
MASK = (1 << 64) - 1
NAN_WORD = 0x7FF8_0000_0000_0000
KINDS = ("int", "float", "bool")
OPERANDS = "abcdef"

# Bytes of what a row vector is made of: an opcode of two bytes, then the immediate (MACHINE.md, 2).
PARAMETER_BYTES = 6
LITERALS = {"int": ("PUSH_I64", 10), "float": ("PUSH_F64", 10), "bool": ("PUSH_BOOL", 3)}
# How a test is looked at: its value, or which way a jump goes.
ENDINGS: Mapping[str, tuple[str, ...]] = {
    "": ("RET",),
    "_if_true": ("JMP_IF_TRUE yes", "PUSH_BOOL 0", "RET", "yes: PUSH_BOOL 1", "RET"),
    "_if_false": ("JMP_IF_FALSE no", "PUSH_BOOL 1", "RET", "no: PUSH_BOOL 0", "RET"),
}

_SHARED = {"name", "limits"}
_TRAP = {"code", "at", "pc", "cycles", "in", "frame"}
_CALL = {"with", "results", "trap", "cycles"}
_TICK = {
    "times",
    "input",
    "touch",
    "budget",
    "status",
    "log",
    "cycles",
    "ticks",
    "host_calls",
    "heap",
    "globals",
    "trap",
}
_SHAPES: Mapping[str, set[str]] = {
    "row": {"row", "takes", "gives", "cases"},
    "code": {"code", "takes", "gives", "declare", "cases"} | _CALL,
    "program": {"program", "frames"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """The trap that a vector expects. Where `pc`, `cycles` or `frame` are None they are not looked at."""

    code: str
    at: str
    pc: int | None
    cycles: int | None
    function: str
    frame: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of an exported function and what must come of it."""

    export: str
    arguments: tuple[int, ...]
    results: tuple[int, ...] | None
    trap: Trap | None
    cycles: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Vector:
    """One behaviour: a program, and what it is called with (`calls`) or which frames it goes through (`frames`)."""

    file: str
    name: str
    text: str
    limits: Mapping[str, int]
    said: Mapping[str, Any]  # as it stands in the file
    calls: tuple[Call, ...] = ()
    frames: tuple[Mapping[str, Any], ...] = ()

    @property
    def id(self) -> str:
        """File and name, for a test's name."""
        return f"{self.file}: {self.name}"

    @property
    def is_row(self) -> bool:
        """Whether it is about one instruction over values."""
        return "row" in self.said


# ---- values -------------------------------------------------------------------------------------------------------------


def word_of(value: Any, kind: str) -> int:
    """The word of a value as a vector writes it."""
    if kind == "bool" and isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.startswith("0x"):
        return int(value, 16)
    if kind == "int" and type(value) is int and -(1 << 63) <= value < 1 << 63:
        return value & MASK
    if kind == "float" and (type(value) is float or value in ("nan", "inf", "-inf")):
        return float_word(float(value))
    raise AssertionError(f"{value!r} is no {kind}")


def float_word(value: float) -> int:
    """The bit pattern of a float, any NaN as the one NaN."""
    return NAN_WORD if value != value else struct.unpack("<Q", struct.pack("<d", value))[0]


def is_nan(word: int) -> bool:
    """Whether the word is a NaN's bit pattern."""
    return word & (MASK >> 1) > 0x7FF0_0000_0000_0000


def words_of(values: Sequence[Any], kinds: Sequence[str]) -> tuple[int, ...]:
    """The words of values of these kinds."""
    assert len(values) == len(kinds), f"{len(values)} values for {len(kinds)}"
    return tuple(word_of(value, kind) for value, kind in zip(values, kinds, strict=True))


def literal(word: int, kind: str) -> str:
    """The instruction that pushes the word."""
    if kind == "float":
        return "PUSH_F64 nan" if is_nan(word) else f"PUSH_F64 0x{word:016x}"
    return f"{LITERALS[kind][0]} {word - (1 << 64) if word >> 63 else word}"


# ---- files --------------------------------------------------------------------------------------------------------------


@cache
def costs() -> Mapping[str, int]:
    """Row name to cycles, written down by hand; what the table says is held against it."""
    return _document(COSTS_FILE)["rows"]


@cache
def all_vectors() -> tuple[Vector, ...]:
    """Every vector of every file, in order."""
    files = sorted(path for path in FOLDER.glob("*.yaml") if path != COSTS_FILE)
    return tuple(vector for path in files for vector in read(path))


def read(path: Path) -> list[Vector]:
    """The vectors of one file. A mistake in it is an AssertionError that names the vector."""
    document = _document(path)
    _only(document, {"about", "common", "vectors"}, path.name)
    return [vector_of(path.stem, said, document.get("common", "")) for said in document["vectors"]]


def vector_of(file: str, said: Mapping[str, Any], common: str = "") -> Vector:
    """The vector that an entry of a file stands for."""
    shape = next((shape for shape in _SHAPES if shape in said), None)
    assert shape is not None, f"{said.get('name')} has no row, code or program"
    _only(said, _SHARED | _SHAPES[shape], said["name"])
    make = {"row": _row_vector, "code": _code_vector, "program": _frames_vector}[shape]
    return make(file, said, common)


def _document(path: Path) -> Any:
    try:
        return strict_yaml.parse(path.read_bytes())
    except strict_yaml.YamlProblem as problem:
        raise AssertionError(f"{path.name}:{problem.line}: {problem.reason}") from None


def _only(said: Mapping[str, Any], known: set[str], where: str) -> None:
    assert set(said) <= known, f"{where}: unknown {sorted(set(said) - known)}"


def _function(name: str, takes: Sequence[str], gives: Sequence[str], lines: Sequence[str]) -> str:
    params = ", ".join(f"{a}: {kind}" for a, kind in zip(OPERANDS, takes, strict=False))
    body = "\n".join(f"    {line}" for line in lines)
    return f".func {name}({params}) -> ({', '.join(gives)})\n{body}\n.end\n.export {name}\n"


_IDLE = ".func main() -> ()\n    HALT\n.end\n"


def _row_vector(file: str, said: Mapping[str, Any], common: str) -> Vector:
    """Functions for every way in which operands can be given; the slots' one is shared by the cases."""
    takes, gives, row = said["takes"], said["gives"], said["row"]
    endings = ENDINGS if gives == "bool" else {"": ENDINGS[""]}
    parts = [_IDLE]
    calls: list[Call] = []
    ways = list(product((True, False), repeat=len(takes)))  # per operand: is it a parameter?
    for i, case in enumerate(said["cases"]):
        operands, outcome = words_of(case[:-1], takes), case[-1]
        for way, (ending, tail) in product(ways, endings.items()):
            letters = "".join("p" if is_parameter else "k" for is_parameter in way)
            export = letters + ending if all(way) else f"case{i}_{letters}{ending}"
            given = [k for k, is_parameter in zip(takes, way, strict=True) if is_parameter]
            names = iter(OPERANDS)
            lines = [
                f"GET_LOCAL {next(names)}" if is_parameter else literal(operand, kind)
                for is_parameter, operand, kind in zip(way, operands, takes, strict=True)
            ]
            if i == 0 or not all(way):
                parts.append(_function(export, given, [gives], [*lines, row, *tail]))
            pushed = sum(costs()[line.split()[0]] for line in lines)
            arguments = tuple(word for word, is_parameter in zip(operands, way, strict=True) if is_parameter)
            calls.append(_row_call(export, arguments, outcome, gives, row, way, takes, pushed, ending))
    return Vector(
        file=file,
        name=said["name"],
        text="".join(parts) + common,
        limits=said.get("limits", {}),
        said=said,
        calls=tuple(calls),
    )


def _row_call(
    export: str,
    arguments: tuple[int, ...],
    outcome: Any,
    gives: str,
    row: str,
    way: Sequence[bool],
    takes: Sequence[str],
    pushed: int,
    ending: str,
) -> Call:
    """A case in one way. What it must cost is added up from the hand-written costs."""
    cost = costs()
    if isinstance(outcome, str) and outcome.isupper():
        pc = sum(PARAMETER_BYTES if p else LITERALS[kind][1] for p, kind in zip(way, takes, strict=True))
        trap = Trap(code=outcome, at=row, pc=pc, cycles=pushed + cost[row], function=export, frame=0)
        return Call(export=export, arguments=arguments, results=None, trap=trap, cycles=None)
    after = cost["JMP_IF_TRUE"] + cost["PUSH_BOOL"] if ending else 0
    results = words_of([outcome], [gives])
    return Call(
        export=export, arguments=arguments, results=results, trap=None, cycles=pushed + cost[row] + after + cost["RET"]
    )


def _code_vector(file: str, said: Mapping[str, Any], common: str) -> Vector:
    takes, gives, code = said.get("takes", []), said.get("gives", []), said["code"]
    lines = code.strip("\n").split("\n") if isinstance(code, str) else code
    text = _IDLE + _function("test", takes, gives, lines) + said.get("declare", "") + common
    calls = []
    for case in said.get("cases", [said]):
        if case is not said:
            _only(case, _CALL, said["name"])
        arguments = words_of(case.get("with", []), [kind if kind in KINDS else "no argument" for kind in takes])
        trap = _trap(case["trap"], "test") if "trap" in case else None
        results = None if trap else words_of(case.get("results", []), gives)
        calls.append(Call(export="test", arguments=arguments, results=results, trap=trap, cycles=case.get("cycles")))
    return Vector(file=file, name=said["name"], text=text, limits=said.get("limits", {}), said=said, calls=tuple(calls))


def _frames_vector(file: str, said: Mapping[str, Any], common: str) -> Vector:
    frames = []
    for tick in said["frames"]:
        _only(tick, _TICK, said["name"])
        frames += [tick] * tick.get("times", 1)
    text = said["program"] + common
    return Vector(
        file=file, name=said["name"], text=text, limits=said.get("limits", {}), said=said, frames=tuple(frames)
    )


def _trap(said: Mapping[str, Any], function: str) -> Trap:
    _only(said, _TRAP, "trap")
    return Trap(
        code=said["code"],
        at=said["at"],
        pc=said["pc"],
        cycles=said.get("cycles"),
        function=said.get("in", function),
        frame=said.get("frame"),
    )


# ---- running ------------------------------------------------------------------------------------------------------------


@cache
def image_of(vector: Vector) -> Image:
    """The vector's program, assembled and loaded."""
    return load(assemble(vector.text), limits=replace(SMALL, **vector.limits))


def check(vector: Vector, configuration: str, make: Callable[[Image, str], Machine] = machine_on) -> None:
    """Hold one engine against the vector. A difference is an AssertionError that says what was expected."""
    machine = make(image_of(vector), configuration)
    if vector.frames:
        _check_frames(vector, machine)
    for call in vector.calls:
        if machine.ended:
            machine = make(image_of(vector), configuration)
        _check_call(call, machine)


def _check_call(call: Call, machine: Machine) -> None:
    before = machine.cycles
    where = f"{call.export}({', '.join(f'0x{word:016x}' for word in call.arguments)})"
    try:
        results = machine.call(call.export, call.arguments)
    except Trapped as trapped:
        assert call.trap is not None, f"{where} must not trap: {trapped.record}"
        _check_trap(call.trap, trapped.record, machine.image, where, before)
        return
    assert call.trap is None, f"{where} must trap with {call.trap}, and gives {results}"
    spent = machine.cycles - before
    signature = machine.image.facts.functions[machine.image.export(call.export) or 0].signature
    assert call.results is not None
    wanted = tuple(
        NAN_WORD if kind == FLOAT and is_nan(word) else word
        for word, kind in zip(call.results, signature.results, strict=True)
    )
    assert _spelled(results) == _spelled(wanted), where
    assert call.cycles in (None, spent), f"{where} must cost {call.cycles} cycles, not {spent}"


def _check_trap(wanted: Trap, found: TrapRecord, image: Image, where: str, before: int = 0) -> None:
    expected = {"code": wanted.code, "at": wanted.at, "in": wanted.function, "pc": wanted.pc}
    got: dict[str, Any] = {"code": found.code.name, "at": found.instruction, "pc": found.pc}
    got["in"] = image.program.function_name(found.function)
    for name, said, value in (("cycles", wanted.cycles, found.cycles - before), ("frame", wanted.frame, found.frame)):
        if said is not None:
            expected[name], got[name] = said, value
    assert got == expected, where


def _spelled(words: Sequence[int]) -> list[str]:
    return [f"0x{word:016x}" for word in words]


def _check_frames(vector: Vector, machine: Machine) -> None:
    for i, tick in enumerate(vector.frames):
        frame = machine.frame
        result = machine.run_frame(input_of(tick), budget=tick.get("budget"))
        where = f"run_frame {i}"
        assert result.frame == frame, where
        found: dict[str, Any] = {
            "status": result.status.value,
            "log": [entry.text for entry in result.log],
            "cycles": result.cycles,
            "ticks": result.ticks,
            "host_calls": result.host_calls,
            "heap": int(machine.state[layout.HEAP_TOP]),
            "globals": {name: value for name, value in globals_of(machine).items() if name in tick.get("globals", {})},
        }
        wanted = {"status": "synced", **{name: tick[name] for name in found if name in tick}}
        if "globals" in tick:
            wanted["globals"] = {name: _as_pattern(value) for name, value in tick["globals"].items()}
        assert {name: found[name] for name in wanted} == wanted, where
        assert ("trap" in tick) == (result.trap is not None), f"{where}: {result.trap}"
        if result.trap is not None:
            _check_trap(_trap(tick["trap"], "main"), result.trap, machine.image, where)


def input_of(tick: Mapping[str, Any]) -> Input:
    """What the player does at a tick."""
    touch = tick.get("touch")
    return Input(frozenset(tick.get("input", ())), tuple(touch) if touch else None)


def globals_of(machine: Machine) -> dict[str, Any]:
    """The globals that are no refs, by name; floats as bit patterns."""
    program = machine.image.program
    at = machine.layout.offset("globals")
    found: dict[str, Any] = {}
    for i, slot_type in enumerate(program.globals):
        word = int(machine.state[at + i])
        if slot_type <= BOOL:
            value = f"0x{word & MASK:016x}" if slot_type == FLOAT else bool(word) if slot_type == BOOL else word
            found[program.debug.globals[i]] = value
    return found


def _as_pattern(value: Any) -> Any:
    return f"0x{float_word(value):016x}" if type(value) is float else value


def in_frames(vector: Vector) -> list[Vector]:
    """The same as scenarios, which can be cut into host ticks: a scenario as it is, each call of a code vector made by main."""
    if vector.frames:
        return [vector]
    return [] if vector.is_row else [_called_by_main(vector, call) for call in vector.calls]


def _called_by_main(vector: Vector, call: Call) -> Vector:
    """A program whose main function makes the call and halts."""
    kinds, gives = vector.said.get("takes", []), vector.said.get("gives", [])
    lines = [literal(word, kind) for word, kind in zip(call.arguments, kinds, strict=True)]
    lines += [f"CALL {call.export}", f"POP_N {len(gives)}", "HALT"]
    main = ".func main() -> ()\n" + "".join(f"    {line}\n" for line in lines) + ".end\n"
    return replace(vector, text=vector.text.replace(_IDLE, main, 1), calls=(), frames=({},))
