"""R3: every operation that computes is exact at its boundaries, wherever its operands come from.

For each row and form of the table, the full product of boundary operands. One function computes a row of the product: one
operand is given by the caller, the other runs through all its values, in slots or as constants in the code. What comes out of the
reference and of every configuration of the interpreter is held against `exact_arithmetic`, which shares nothing with the machine:
results, traps and cycles.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, product
from typing import Any

from pbs.isa.table import ROWS, Flow, Form, Instruction
from pbs.loader import Image, assemble, load
from pbs.vm.exact_words import MASK, ExactWords, signed
from pbs.vm.machine import Machine, Trapped
from tests.support.compare import CONFIGURATIONS, SMALL, machine_on

from .checks import Disproved, Fault, Figures, Scale, patched
from .exact_arithmetic import NAN, Outcome, outcome

SHARDS = {Scale.TEST: 1, Scale.SOAK: 16}
# Between calls nothing is collected; a program makes a closure for each of some operands.
LIMITS = replace(SMALL, heap_words=1 << 15, objects=1 << 14, stack_words=1 << 12)

# ---- operands -----------------------------------------------------------------------------------------------------------


def _bits(value: float) -> int:
    (word,) = struct.unpack("<Q", struct.pack("<d", value))
    return int(word)


_TEST_INTS = (
    *(0, 1, -1, 2, 63, 64, 65, 255, 65535, 2**31 - 1, -(2**31), 2**32, 2**53 + 1, 2**62, 2**63 - 1, 2**63 - 2),
    *(-(2**63), -(2**63) + 1, -2, -255, -65536, -(2**53) - 1, 0x5555_5555_5555_5555, -0x5555_5555_5555_5556),
)
_SOAK_INTS = (
    *(3, 7, 8, 10, 15, 16, 31, 32, 33, -3, -7, -10, -63, -64, -65, 127, 128, 129, 254, 256, 32767, 32768, 65534, 65536),
    *(2**31, 2**31 + 1, -(2**31) - 1, 2**32 - 1, 2**52, 2**53, 2**53 - 1, -(2**62), 2**62 + 1, 2**62 - 1, 2**63 - 1024),
    *(2**63 - 512, 3037000499, 3037000500, -3037000500, 0x7FF8_0000_0000_0000, 0x7FF0_0000_0000_0001),
)
_TEST_FLOATS = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.49999999999999994, float("inf"), float("-inf"), float("nan")),
    *(5e-324, -2.2250738585072014e-308, 1.7976931348623157e308, -1.7976931348623157e308, 2.0**52 - 0.5, 2.0**52 + 1),
    *(2.0**53, 2.0**63 - 1024, 2.0**63, -(2.0**63), -(2.0**63) - 2048),
)
_SOAK_FLOATS = (
    *(2.0, 3.0, -3.0, 0.1, -0.3, 1 / 3, 3.5, -1.5, 0.9999999999999999, 1.0000000000000002, -0.49999999999999994),
    *(-5e-324, 1e-323, 2.225073858507201e-308, 2.2250738585072014e-308, 2.2250738585072019e-308, 1.5e-154, 1.5e154),
    *(8.98846567431158e307, -8.98846567431158e307, 1.797693134862315e308, 2.0**31, 2.0**31 - 0.5, 2.0**32, -(2.0**31)),
    *(2.0**51 + 0.5, 2.0**51 - 0.25, 2.0**52, 2.0**52 - 1, 4503599627370494.5, 2.0**53 - 1, 2.0**53 + 2, -(2.0**53)),
    *(2.0**62, -(2.0**62), -(2.0**63) + 1024, 2.0**63 + 2048, 2.0**64, 1e19),
)

OPERANDS: dict[Scale, dict[str, tuple[int, ...]]] = {
    Scale.TEST: {
        "int": tuple(value & MASK for value in _TEST_INTS),
        "float": tuple(map(_bits, _TEST_FLOATS)),
        "bool": (0, 1),
    },
    Scale.SOAK: {
        "int": tuple(value & MASK for value in (*_TEST_INTS, *_SOAK_INTS)),
        "float": tuple(map(_bits, (*_TEST_FLOATS, *_SOAK_FLOATS))),
        "bool": (0, 1),
    },
}
KIND_OF = {"W": "int", "F": "float", "T": "bool"}


@dataclass(frozen=True, slots=True)
class Shape:
    """A row on operands of these types."""

    row: Instruction
    form: Form
    takes: tuple[str, ...]

    @property
    def gives(self) -> str:
        """The type of its result."""
        return KIND_OF[self.form.gives]

    def __str__(self) -> str:
        return f"{self.row.name}({', '.join(self.takes)})"


def shapes() -> Iterator[Shape]:
    """Every row that computes a value of values alone, on all types of operands that it takes."""
    for row in ROWS:
        words = row.effect.split()
        if (
            row.flow is not Flow.NEXT
            or words[-1] == "->"
            or not {*words} <= {*KIND_OF.values(), "number", "same", "->"}
        ):
            continue
        for form in row.forms:
            takes = tuple(KIND_OF[letter] for letter in form.takes)
            yield Shape(row, form, takes)
            if "number" in words or "same" in words:
                if takes == ("float", "float"):
                    yield Shape(row, form, ("int", "float"))
                    yield Shape(row, form, ("float", "int"))
                elif "same" in words:
                    yield Shape(row, form, ("bool", "bool"))


# ---- where operands come from -------------------------------------------------------------------------------------------

LITERAL = "literal"  # in the code; every other source starts from a slot
SOURCES: dict[str, Callable[[str, int], list[str]]] = {
    "local": lambda _kind, _side: [],
    "global": lambda kind, side: [f"SET_GLOBAL g_{kind}_{side}", f"GET_GLOBAL g_{kind}_{side}"],
    "cell": lambda kind, side: [
        *(f"SET_LOCAL t_{kind}", f"GET_GLOBAL cells_{kind}", f"PUSH_I32 {side}", f"GET_LOCAL t_{kind}", "ARRAY_SET"),
        *(f"GET_GLOBAL cells_{kind}", f"PUSH_I32 {side}", "ARRAY_GET"),
    ],
    "field": lambda kind, side: [
        *(f"SET_LOCAL t_{kind}", "GET_GLOBAL box", f"GET_LOCAL t_{kind}", f"SET_FIELD box.{kind}_{side}"),
        *("GET_GLOBAL box", f"GET_FIELD box.{kind}_{side}"),
    ],
    "call": lambda kind, _side: [f"CALL same_{kind}"],
    "capture": lambda kind, _side: [f"MAKE_CLOSURE kept_{kind}", "CALL_CLOSURE 0"],
    # A float that is NaN becomes one with its sign set, which nobody may see.
    "computed": lambda kind, _side: ["NOT", "NOT"] if kind == "bool" else ["PUSH_I32 -1", "MUL", "NEG"],
}
MIXED = (
    *(("cell", "cell"), ("field", "global"), ("call", "computed"), ("global", "field"), ("computed", "capture")),
    *(("capture", "cell"), ("computed", "computed"), ("cell", LITERAL), ("local", "call"), (LITERAL, "computed")),
)
KINDS = ("int", "float", "bool")
PRELUDE = "".join(
    (
        ".func main() -> ()\nHALT\n.end\n.func make() -> ()\nNEW_RECORD box\nSET_GLOBAL box\n",
        *(f"PUSH_I32 2\nNEW_ARRAY a_{kind}\nSET_GLOBAL cells_{kind}\n" for kind in KINDS),
        "RET\n.end\n.export make\n.global box: box\n",
        f".type box = record {{ {', '.join(f'{kind}_{side}: {kind}' for kind in KINDS for side in (0, 1))} }}\n",
        *(
            f".type a_{kind} = array {kind}\n.type to_{kind} = function () -> {kind}\n.global cells_{kind}: a_{kind}\n"
            f".global g_{kind}_0: {kind}\n.global g_{kind}_1: {kind}\n"
            f".func same_{kind}(x: {kind}) -> {kind}\nGET_LOCAL x\nRET\n.end\n"
            f".closure kept_{kind}() -> {kind} captures (x: {kind})\nGET_CAPTURE x\nRET\n.end\n"
            for kind in KINDS
        ),
    )
)


def _literal(word: int, kind: str) -> str:
    if kind == "float":
        return "PUSH_F64 nan" if word == NAN else f"PUSH_F64 0x{word:016x}"
    return f"{'PUSH_BOOL' if kind == 'bool' else 'PUSH_I64'} {signed(word)}"


ENDINGS = ("value", "JMP_IF_TRUE", "JMP_IF_FALSE")  # how a truth is looked at


# ---- programs -----------------------------------------------------------------------------------------------------------

Calls = list[tuple[str, tuple[int, ...], tuple[Outcome, ...], list[tuple[int, ...]]]]


@dataclass
class Table:
    """Exported functions of one shape, and the calls to be made of them with what each must give."""

    shape: Shape
    scale: Scale
    oracle: dict[tuple[int, ...], Outcome]
    parts: list[str] = field(default_factory=lambda: [PRELUDE])
    calls: Calls = field(default_factory=list)
    computing: dict[str, list[list[str]]] = field(default_factory=dict)  # function -> the code of each of its results
    pairs: int = 0

    def fill(self, sources: Sequence[tuple[str, str]], endings: Sequence[str]) -> None:
        """Every pair of operands once; sources and endings take turns along the row."""
        values = [OPERANDS[self.scale][kind] for kind in self.shape.takes]
        if len(values) == 1:
            columns, free = [(word,) for word in values[0]], None
        else:
            free = 1 if all(a == LITERAL for a, _ in sources) else 0  # a constant in the code cannot be the caller's
            columns = [(word,) for word in values[1 - free]]
        frees: list[tuple[int, ...]] = [()] if free is None else [(word,) for word in values[free]]
        traps = {(c, f): isinstance(self.oracle[self._pair(c, f, free)], str) for c in columns for f in frees}
        alone = [c for c in columns if 3 * sum(traps[c, f] for f in frees) > len(frees)]  # most of such a column traps
        together = [c for c in columns if c not in alone]
        singles: dict[tuple[int, ...], list[tuple[int, ...]]] = dict.fromkeys(alone, frees)
        whole = []
        for f in frees:
            if any(traps[c, f] for c in together):
                for c in together:
                    singles.setdefault(c, []).append(f)
            else:
                whole.append(f)
        if together and whole:
            self._function(list(enumerate(together)), whole, free, sources, endings)
        for i, (c, of) in enumerate(singles.items()):
            self._function([(i, c)], of, free, sources, endings)

    def _pair(self, column: tuple[int, ...], given: tuple[int, ...], free: int | None) -> tuple[int, ...]:
        return (*given, *column) if free == 0 else (*column, *given)

    def _function(
        self,
        columns: Sequence[tuple[int, tuple[int, ...]]],
        frees: Sequence[tuple[int, ...]],
        free: int | None,
        sources: Sequence[tuple[str, str]],
        endings: Sequence[str],
    ) -> None:
        """One function over these columns, called with each of `frees`."""
        name = f"f{len(self.calls)}_{len(self.parts)}"
        kinds = self.shape.takes
        params = [] if free is None else [f"given: {kinds[free]}"]
        arguments: list[int] = []
        results: list[list[str]] = []
        for at, (i, column) in enumerate(columns):
            chosen, lines = sources[i % len(sources)], []
            for side, kind in enumerate(kinds):
                source = chosen[side]
                if side == free:
                    lines += ["GET_LOCAL given", *SOURCES["local" if source == LITERAL else source](kind, side)]
                elif source == LITERAL:
                    lines.append(_literal(column[0], kind))
                else:
                    lines += [f"GET_LOCAL c{at}", *SOURCES[source](kind, side)]
                    params.append(f"c{at}: {kind}")
                    arguments.append(column[0])
            results.append([*lines, self.shape.row.name, *_ending(endings[i % len(endings)], at)])
        self._write(name, params, results)
        for given in frees:
            pairs = [self._pair(column, given, free) for _, column in columns]
            wanted = tuple(self.oracle[pair] for pair in pairs)
            self.calls.append((name, (*given, *arguments), wanted, pairs))
            self.pairs += len(pairs)

    def fill_with_literals(self) -> None:
        """Every pair with both operands in the code."""
        values = [OPERANDS[self.scale][kind] for kind in self.shape.takes]
        step = 3 if self.scale is Scale.TEST else 1
        for at, first in enumerate(values[0]):
            rest = list(product([first], *values[1:]))[at % step :: step]
            computing = [pair for pair in rest if not isinstance(self.oracle[pair], str)]
            for pairs in filter(None, (computing, *([pair] for pair in rest if pair not in computing))):
                name = f"k{len(self.calls)}"
                each = [[*map(_literal, pair, self.shape.takes), self.shape.row.name] for pair in pairs]
                self._write(name, [], each)
                self.calls.append((name, (), tuple(self.oracle[pair] for pair in pairs), pairs))
                self.pairs += len(pairs)

    def _write(self, name: str, params: Sequence[str], results: list[list[str]]) -> None:
        self.computing[name] = results
        gives = ", ".join([self.shape.gives] * len(results))
        body = "\n".join((*(f".local t_{kind}: {kind}" for kind in KINDS), *chain(*results), "RET"))
        self.parts.append(f".func {name}({', '.join(params)}) -> ({gives})\n{body}\n.end\n.export {name}\n")

    def image(self) -> Image:
        """Their image."""
        return load(assemble("".join(self.parts)), limits=LIMITS)


def _ending(ending: str, at: int) -> list[str]:
    if ending == "value":
        return []
    taken = int(ending == "JMP_IF_TRUE")
    return [f"{ending} y{at}", f"PUSH_BOOL {1 - taken}", f"JMP e{at}", f"y{at}: PUSH_BOOL {taken}", f"e{at}: NOP"]


# ---- running ------------------------------------------------------------------------------------------------------------


def _fresh(image: Image, configuration: str) -> Machine:
    machine = machine_on(image, configuration)
    machine.call("make")
    return machine


def run(table: Table, image: Image, configuration: str) -> list[Any]:
    """Make every call and hold it against what it must give; the cycles and places of all, to be equal everywhere."""
    machine = _fresh(image, configuration)
    seen: list[Any] = []
    for name, arguments, wanted, pairs in table.calls:
        if machine.ended:
            machine = _fresh(image, configuration)
        before = machine.cycles
        try:
            found: tuple[Outcome, ...] = machine.call(name, arguments)
            place: Any = None
        except Trapped as trapped:
            found, place = (
                (trapped.record.code.name,),
                (trapped.record.pc, trapped.record.opcode, trapped.record.function),
            )
            if trapped.record.opcode != table.shape.row.opcode:
                raise Disproved(
                    f"{configuration}: {trapped.record} in {name}{arguments}, not at {table.shape}"
                ) from None
        if found != wanted:
            _disprove(table, configuration, name, found, wanted, pairs)
        seen.append((name, machine.cycles - before, place))
    return seen


def _disprove(
    table: Table, configuration: str, name: str, found: Sequence[Outcome], wanted: Sequence[Outcome], pairs: list[Any]
) -> None:
    at = next((i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), 0)

    def spelled(result: Outcome) -> str:
        return result if isinstance(result, str) else f"0x{result:016x}"

    code = "; ".join(table.computing[name][at])
    operands = ", ".join(map(spelled, pairs[at]))
    raise Disproved(
        f"{table.shape} of {operands} is {spelled(found[at])} on {configuration}, must be {spelled(wanted[at])}: {code}"
    )


def tables(shape: Shape, scale: Scale) -> Iterator[Table]:
    """The programs of a shape: operands in slots, on one side or both in the code, and from elsewhere."""
    oracle = {
        pair: outcome(shape.row.name, shape.takes, pair)
        for pair in product(*(OPERANDS[scale][kind] for kind in shape.takes))
    }
    endings = ENDINGS if shape.gives == "bool" else ENDINGS[:1]
    passes: list[list[tuple[str, str]]] = [[("local", "local")]]
    if len(shape.takes) == 2:
        passes += [[("local", LITERAL)], [(LITERAL, "local")]]
    passes += [list(MIXED)] if scale is Scale.TEST else [[pair] for pair in MIXED]
    table = Table(shape, scale, oracle)
    for i, sources in enumerate(passes):
        for turn in range(1 if scale is Scale.TEST else len(endings)):
            shift = i + turn
            table.fill(sources, [endings[(shift + j) % len(endings)] for j in range(len(endings))])
        if scale is Scale.SOAK:
            yield table
            table = Table(shape, scale, oracle)
    table.fill_with_literals()
    yield table


def check(scale: Scale, shard: int, shards: int) -> Figures:
    """The shapes of this shard, everywhere."""
    figures: Counter[str] = Counter()
    for shape in list(shapes())[shard::shards]:
        figures["forms"] += 1
        for table in tables(shape, scale):
            image = table.image()
            wanted = run(table, image, "reference")
            for configuration in CONFIGURATIONS[1:]:
                for a, b in zip(run(table, image, configuration), wanted, strict=True):
                    if a != b:
                        raise Disproved(f"{table.shape}: {configuration} does {a}, the reference {b}")
            figures["operand tuples"] += table.pairs
            figures["results"] += table.pairs * len(CONFIGURATIONS)
            figures["traps"] += sum(isinstance(result, str) for *_, each, _ in table.calls for result in each)
    return figures


# ---- planted faults -----------------------------------------------------------------------------------------------------


def planted() -> list[Fault]:
    """Faults of the exact algebra that this check must find."""

    def fault(name: str, primitive: str, meaning: Callable[..., object]) -> Fault:
        return Fault(name, patched(ExactWords, primitive, meaning))

    return [
        fault("division rounds down", "div_s", lambda _, a, b: signed(a) // signed(b) & MASK),
        fault("negative zero is lost", "fmul", lambda _, a, b: a * b + 0.0),
        fault("ints become floats by truncation", "int_to_float", lambda _, a: float(signed(a) >> 11 << 11)),
        fault("ties round away from zero", "fnearest", lambda m, a: m.ftrunc(a + math.copysign(0.5, a))),
        fault("the sign of a NaN shows", "canonical", lambda _, a: a),
    ]
