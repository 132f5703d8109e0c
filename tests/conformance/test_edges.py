"""The product of edge values, for every instruction that computes: the engines must agree bit for bit.

What is computed is read off the table; what it should be is the vectors' business. Operands come as parameters and as literals,
tests also as conditions, and the result of one instruction goes straight into the next, so that every kind of record over values
that the interpreter has is reached.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, product
from random import Random
from typing import Any

import pytest

from pbs.isa.table import ROWS, Flow, Form, Instruction
from pbs.loader import Image, assemble, load
from pbs.vm.exact_words import ExactWords
from pbs.vm.kinds import KINDS, STEPS, Kind
from pbs.vm.lower import lower
from pbs.vm.machine import Trapped
from tests.conformance.vectors import ENDINGS, literal
from tests.support.compare import COMPILED, CONFIGURATIONS, SMALL, machine_on

MASK = (1 << 64) - 1
INTS = tuple(
    value & MASK
    for value in (
        *(0, 1, -1, 2, -2, 3, 7, -10, 31, 63, 64, 65, 255, 65535, 65536),
        *(2**31 - 1, -(2**31), 2**32, 2**53 + 1, 0x5555_5555_5555_5555, -0x5555_5555_5555_5556),
        *(2**63 - 1, -(2**63), -(2**63) + 1),
    )
)
_MAGNITUDES = (
    *(
        0.0,
        5e-324,
        2.225073858507201e-308,
        2.2250738585072014e-308,
        0.49999999999999994,
        0.5,
        1.0,
        1.0000000000000002,
        1.5,
    ),
    *(2.5, 4503599627370495.5, 9007199254740994.0, 9223372036854774784.0, 9223372036854775808.0, float("inf")),
)
FLOATS = tuple(
    struct.unpack("<Q", struct.pack("<d", value))[0]
    for value in (*_MAGNITUDES, *(-value for value in _MAGNITUDES), 1.7976931348623157e308, float("nan"))
)
EDGES = {"int": INTS, "float": FLOATS, "bool": (0, 1)}
KIND_OF = {"W": "int", "F": "float", "T": "bool"}
VALUE_WORDS = {"number", "same", "int", "float", "bool", "->"}
AT_ONCE = 8  # results of one function
DRAWS = 10  # for each pair of instructions

Outcome = tuple[int, ...] | str  # results, or the trap's name and pc


@dataclass(frozen=True, slots=True)
class Shape:
    """An instruction on operands of these types."""

    row: Instruction
    form: Form
    takes: tuple[str, ...]

    @property
    def gives(self) -> str:
        """The type of its result."""
        return KIND_OF[self.form.gives]

    @property
    def name(self) -> str:
        """The form and its operands' types."""
        return f"{self.form.name}({' '.join(self.takes)})"


def shapes() -> Iterator[Shape]:
    """Every instruction that computes a value from values, on every combination of types that it takes."""
    for row in ROWS:
        words = row.effect.split()
        if row.flow is not Flow.NEXT or words[-1] == "->" or not set(words) <= VALUE_WORDS:
            continue
        for form in row.forms:
            yield Shape(row, form, tuple(KIND_OF[letter] for letter in form.takes))
            if len(row.forms) == 2 and form.takes == "FF":
                yield Shape(row, form, ("int", "float"))
                yield Shape(row, form, ("float", "int"))
            if words[0] == "same" and form.takes == "WW":
                yield Shape(row, form, ("bool", "bool"))


SHAPES = tuple(shapes())
PURE = tuple(shape for shape in SHAPES if shape.form.effects.pure)


@dataclass
class Functions:
    """Exported functions, and the calls to be made of them."""

    text: str = ".func main() -> ()\nHALT\n.end\n.type words = array int\n.type floats = array float\n.type bytes = array byte\n"
    calls: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    count: int = 0

    def add(
        self, takes: Sequence[str], gives: Sequence[str], lines: Iterable[str], arguments: Iterable[Sequence[int]]
    ) -> None:
        """A function, to be called with each of these."""
        name = f"f{self.count}"
        self.count += 1
        body = "\n".join(lines)
        self.text += f".func {name}({', '.join(takes)}) -> ({', '.join(gives)})\n{body}\n.end\n.export {name}\n"
        self.calls += [(name, tuple(given)) for given in arguments]

    def image(self) -> Image:
        """Their image."""
        return load(assemble(self.text), limits=SMALL)


def outcomes(
    image: Image, configuration: str, calls: Sequence[tuple[str, tuple[int, ...]]]
) -> list[tuple[Outcome, int]]:
    """What comes of each call, and its cycles. A machine that trapped has ended, so a new one goes on."""
    machine = machine_on(image, configuration)
    found: list[tuple[Outcome, int]] = []
    for export, arguments in calls:
        if machine.ended:
            machine = machine_on(image, configuration)
        before = machine.cycles
        try:
            outcome: Outcome = machine.call(export, arguments)
        except Trapped as trapped:
            outcome = f"{trapped.record.code.name} at {trapped.record.pc}"
        found.append((outcome, machine.cycles - before))
    return found


def agree(functions: Functions, configurations: Sequence[str] = (*CONFIGURATIONS, *COMPILED)) -> list[Outcome]:
    """Hold the engines against the reference, call by call; what came of each."""
    image = functions.image()
    wanted = outcomes(image, "reference", functions.calls)
    for configuration in configurations:
        if configuration != "reference":
            for (export, given), a, b in zip(
                functions.calls, wanted, outcomes(image, configuration, functions.calls), strict=True
            ):
                assert b == a, (
                    f"{export}{[hex(word) for word in given]} on {configuration}\n{source(functions, export)}"
                )
    return [outcome for outcome, _ in wanted]


def source(functions: Functions, export: str) -> str:
    """The text of one function."""
    return functions.text.partition(f".func {export}(")[2].partition(".end")[0]


# ---- one instruction ----------------------------------------------------------------------------------------------------


def endings(shape: Shape) -> list[tuple[str, ...]]:
    """What may follow: RET, and behind a test also jumps."""
    return list(ENDINGS.values()) if shape.gives == "bool" else [("RET",)]


def over_parameters(shape: Shape) -> Functions:
    """All operands in slots."""
    functions = Functions()
    pushes = [f"GET_LOCAL {i}" for i in range(len(shape.takes))]
    for ending in endings(shape):
        functions.add(
            shape.takes,
            [shape.gives],
            [*pushes, shape.row.name, *ending],
            product(*(EDGES[kind] for kind in shape.takes)),
        )
    return functions


def over_one_literal(shape: Shape, which: int) -> Functions:
    """One of two operands in the code. Several at a time give several results, where that is only computing."""
    functions = Functions()
    constant, free = shape.takes[which], shape.takes[1 - which]
    arguments = [(word,) for word in EDGES[free]]
    computing = []
    for value in EDGES[constant]:
        pushes = ["GET_LOCAL 0", literal(value, constant)]
        computing.append([*(pushes if which else reversed(pushes)), shape.row.name])
    for lines in several(computing, AT_ONCE if shape.form.effects.pure else 1):
        functions.add([free], [shape.gives] * len(lines), [*chain(*lines), "RET"], arguments)
    for lines, ending in product(computing, endings(shape)[1:]):
        functions.add([free], [shape.gives], [*lines, *ending], arguments)
    return functions


def over_literals(shape: Shape, known: dict[tuple[int, ...], Outcome]) -> Functions:
    """All operands in the code; those that are known to trap each by itself."""
    functions = Functions()
    computing = {
        given: [*(literal(word, kind) for word, kind in zip(given, shape.takes, strict=True)), shape.row.name]
        for given in known
    }
    for lines in several([lines for given, lines in computing.items() if not isinstance(known[given], str)], AT_ONCE):
        functions.add([], [shape.gives] * len(lines), [*chain(*lines), "RET"], [()])
    for given, lines in computing.items():
        if isinstance(known[given], str):
            functions.add([], [shape.gives], [*lines, "RET"], [()])
    return functions


def several(items: list[list[str]], count: int) -> Iterator[list[list[str]]]:
    """The items, that many at a time."""
    return (items[i : i + count] for i in range(0, len(items), count))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_engines_agree_on_parameters(shape):
    agree(over_parameters(shape))


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if len(shape.takes) == 2], ids=lambda shape: shape.name)
def test_the_engines_agree_on_a_parameter_and_a_literal(shape):
    for which in (0, 1):
        agree(over_one_literal(shape, which), ("reference", "interpreter"))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_engines_agree_on_literals_and_literals_are_no_other_than_parameters(shape):
    functions = over_parameters(shape)
    given = list(product(*(EDGES[kind] for kind in shape.takes)))
    known = dict(zip(given, agree(functions, ("reference",)), strict=False))
    constant = agree(over_literals(shape, known), ("reference", "interpreter"))
    flat = [word for outcome in constant if not isinstance(outcome, str) for word in outcome]
    assert flat == [word for outcome in known.values() if not isinstance(outcome, str) for word in outcome]


def test_the_shapes_are_all_there():
    assert (len(INTS), len(FLOATS), len(set(INTS)), len(set(FLOATS))) == (24, 32, 24, 32)
    assert len(SHAPES) == 86
    assert {shape.row.name for shape in SHAPES if not shape.form.effects.pure} == {
        "DIV",
        "MOD",
        "DIV_U",
        "MOD_U",
        "FLOAT_TO_INT",
    }


# ---- one instruction's result in the next -------------------------------------------------------------------------------


def in_a_row(outer: Shape, rng: Random) -> Functions:
    """Every pure instruction as an operand of `outer`, other operands drawn to be parameters or literals."""
    functions = Functions()
    for which, inner in product(range(len(outer.takes)), PURE):
        if outer.takes[which] == inner.gives:
            lines: list[str] = []
            free: list[str] = []
            for i, kind in enumerate(outer.takes):
                if i == which:
                    _push_operands(inner.takes, rng, lines, free)
                    lines.append(inner.row.name)
                else:
                    _push_operands([kind], rng, lines, free)
            ending = rng.choice(endings(outer))
            arguments = [[rng.choice(EDGES[kind]) for kind in free] for _ in range(DRAWS if free else 1)]
            functions.add(free, [outer.gives], [*lines, outer.row.name, *ending], arguments)
    return functions


def _push_operands(kinds: Sequence[str], rng: Random, lines: list[str], free: list[str]) -> None:
    for kind in kinds:
        if rng.random() < 0.65:
            lines.append(f"GET_LOCAL {len(free)}")
            free.append(kind)
        else:
            lines.append(literal(rng.choice(EDGES[kind]), kind))


@pytest.mark.parametrize("outer", PURE, ids=lambda shape: shape.name)
def test_the_engines_agree_on_two_instructions_in_a_row(outer):
    agree(in_a_row(outer, Random(outer.name)))


# ---- every kind of record over values -----------------------------------------------------------------------------------

ELEMENTS = {"word": ("words", "int"), "float": ("floats", "float"), "byte": ("bytes", "int")}
COMPUTING = {shape.form.name for shape in SHAPES}
TRANSPARENT = {"JMP_IF_TRUE", "JMP_IF_FALSE", "COPY.W", "COPY.F", "RET.W", "RET.F"}
LENGTH = 4  # of the arrays that are indexed


def over_values(kind: Kind) -> bool:
    """Whether the kind is a tree of instructions over ints, floats and bools, perhaps at the index of an array."""
    inside = [kind]
    for tree in inside:
        inside += [part for part in tree[1:] if isinstance(part, tuple)]
    known = COMPUTING | TRANSPARENT | {"="}
    return (kind[0] in known or kind[0].startswith(("ARRAY_GET", "ARRAY_SET"))) and all(
        tree[0] in known for tree in inside[1:]
    )


# No verified program comes to these: a constant array is a string or null, and null alone has no elements.
IMPOSSIBLE = {("ARRAY_GET.word", "k", "r"), ("ARRAY_GET.float", "k", "r")}
# These could be, and are not: such a test of two slots is turned round before it could join the step in front of it.
TURNED_ROUND = {
    ("JMP_IF_TRUE", (test, ("=", (step, "r", "k")), "r"))
    for test in ("GT.int", "LTE.int")
    for step in ("ADD.int", "SUB.int")
}
KINDS_OVER_VALUES = sorted((kind for kind in KINDS - IMPOSSIBLE if over_values(kind)), key=str)


@dataclass
class Written:
    """A function that the interpreter should lower to a record of one kind."""

    rng: Random
    takes: list[str] = field(default_factory=list)
    gives: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def root(self, kind: Kind) -> None:
        """The whole function."""
        name, _, form = kind[0].partition(".")
        if name in ("ARRAY_GET", "ARRAY_SET"):
            self.indexed(kind, *ELEMENTS[form])
            return
        self.operands(kind)
        if name == "COPY":
            self.gives = [KIND_OF[form]]
            self.lines += [f".local copy: {self.gives[0]}", "SET_LOCAL copy", "GET_LOCAL copy", "RET"]
        elif name == "RET":
            self.gives = [KIND_OF[form]]
            self.lines.append("RET")
        elif name.startswith("JMP"):
            self.gives = ["bool"]
            self.lines += [f"{name} yes", "PUSH_BOOL 0", "RET", "yes: PUSH_BOOL 1", "RET"]
        else:
            self.gives = [KIND_OF[STEPS[kind[0]].gives]]
            self.lines += [name, "RET"]

    def indexed(self, kind: Kind, array: str, element: str) -> None:
        """An access to a small array, and all of its elements as results."""
        self.lines += [f".local array: {array}", f"PUSH_I32 {LENGTH}", f"NEW_ARRAY {array}", "SET_LOCAL array"]
        for i in range(LENGTH):
            self.lines += ["GET_LOCAL array", f"PUSH_I32 {i}", literal(EDGES[element][i + 9], element), "ARRAY_SET"]
        self.lines.append("GET_LOCAL array" if kind[1] == "r" else 'PUSH_CONST "text"')
        for part, letter in zip(kind[2:], STEPS[kind[0]].takes[1:], strict=True):
            self.push(part, KIND_OF[letter])
        self.lines.append(kind[0].partition(".")[0])
        for i in range(LENGTH):
            self.lines += ["GET_LOCAL array", f"PUSH_I32 {i}", "ARRAY_GET"]
        self.gives = [element] * (LENGTH + kind[0].startswith("ARRAY_GET"))
        self.lines.append("RET")

    def operands(self, tree: Kind) -> None:
        """Push what stands at a tree's places."""
        for part, letter in zip(tree[1:], STEPS[tree[0]].takes, strict=True):
            self.push(part, KIND_OF[letter])

    def push(self, part: Any, kind: str) -> None:
        """Push a slot, a constant, a small constant, or a tree's value; one that is also stored goes to the first parameter."""
        if part == "r":
            self.lines.append(f"GET_LOCAL p{len(self.takes)}")
            self.takes.append(kind)
        elif part == "s":
            self.lines.append(literal(self.rng.choice([word for word in INTS if 2 < word < 1 << 16]), kind))
        elif part == "k":
            self.lines.append(literal(self.rng.choice(EDGES[kind]), kind))
        elif part[0] == "=":
            self.push(part[1], kind)
            self.lines += ["SET_LOCAL p0", "GET_LOCAL p0"]
        else:
            self.operands(part)
            self.lines.append(part[0].partition(".")[0])

    def arguments(self, small: bool) -> Iterator[list[int]]:
        """Draws of edge values; of indices too, where they are wanted."""
        for i in range(DRAWS):
            indices = [0, 1, 2, 3, 4, MASK]
            yield [
                self.rng.choice(indices if small and i % 3 and kind == "int" else EDGES[kind]) for kind in self.takes
            ]


def functions_for(kinds: Iterable[Kind]) -> Functions:
    """A function for every kind."""
    functions = Functions()
    for kind in kinds:
        written = Written(Random(str(kind)))
        written.root(kind)
        takes = [f"p{i}: {slot_type}" for i, slot_type in enumerate(written.takes)]
        functions.add(takes, written.gives, written.lines, written.arguments(kind[0].startswith("ARRAY")))
    return functions


def kinds_in(functions: Functions) -> set[Kind]:
    """The kinds of all records that the functions are lowered to."""
    image = functions.image()
    blocks = [block for index in range(len(image.facts.functions)) for block in lower(image, index)]
    return {record.kind for block in blocks for record in block.records}


ROOTS = sorted({kind[0].partition(".")[0] for kind in KINDS_OVER_VALUES})


@pytest.mark.parametrize("root", ROOTS)
def test_the_engines_agree_on_every_kind_of_record_over_values(root):
    agree(functions_for(kind for kind in KINDS_OVER_VALUES if kind[0].partition(".")[0] == root))


def test_every_kind_of_record_over_values_is_reached():
    assert set(KINDS_OVER_VALUES) - kinds_in(functions_for(KINDS_OVER_VALUES)) == TURNED_ROUND


# ---- these checks can fail ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("primitive", "wrong", "name"),
    [
        ("fadd", lambda self, a, b: a + b + 0.0, "ADD.float(float float)"),  # loses the sign of -0.0 + -0.0
        ("int_to_float", lambda self, a: float(a), "INT_TO_FLOAT(int)"),
        ("int_to_float", lambda self, a: float(a), "LT.float(float int)"),
        ("shr_s", ExactWords.shr_u, "SHR(int int)"),
        ("lt_u", ExactWords.lt_s, "GTE_U(int int)"),
        ("fnearest", lambda self, a: ExactWords.ffloor(self, a + 0.5), "NEAREST(float)"),
    ],
)
def test_an_engine_with_a_fault_does_not_agree(monkeypatch, primitive, wrong, name):
    shape = next(shape for shape in SHAPES if shape.name == name)
    functions = over_parameters(shape)
    functions.image()
    monkeypatch.setattr(ExactWords, primitive, wrong)
    with pytest.raises(AssertionError):
        agree(functions, ("reference", "interpreter"))
