"""The vectors leave nothing out: every row, form, promotion and trap of the table, read off the table and off what ran."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from pbs.isa.table import FORMS, ROWS, Flow, Instruction
from pbs.isa.traps import EXCLUDED, Trap
from pbs.loader import Image
from pbs.vm.machine import Machine
from pbs.vm.reference import Frame, Reference
from tests.conformance.vectors import Vector, all_vectors, check

# SYSCALL is how HOSTCALL runs; a program file has the one, an image the other.
RUNNABLE = tuple(row for row in ROWS if row.name != "HOSTCALL")
ENDS_THE_MACHINE = {"TRAP"}


@dataclass
class Seen:
    """What was carried out to its end: rows, forms with their promoted operands, and the kinds of values they had."""

    rows: set[str] = field(default_factory=set)
    forms: set[tuple[str, int]] = field(default_factory=set)  # the form's name, mask of promoted operands
    operands: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)  # row, kinds of its two topmost operands
    values: set[tuple[str, str]] = field(default_factory=set)  # row, kind of the value on top before or after


class Witness(Reference):
    """The reference engine, and a note of every instruction that it carried out."""

    def __init__(self, image: Image, state: Any, seen: Seen) -> None:
        super().__init__(image, state)
        self.seen = seen

    def _step(self, frame: Frame, row: Instruction, immediates: tuple[Any, ...], position: int) -> int | None:
        before = tuple(type(value).__name__ for value in frame.stack[-2:])
        outcome = super()._step(frame, row, immediates, position)
        form, promoted = frame.facts.resolved[position]
        self.seen.rows.add(row.name)
        self.seen.operands.add((row.name, before))
        if form is not None:
            self.seen.forms.add((form.name, promoted))
        stores = row.name.startswith(("SET_", "ARRAY_SET", "ARRAY_FILL"))
        value = before[-1:] if stores else tuple(type(value).__name__ for value in frame.stack[-1:])
        self.seen.values.update((row.name, kind) for kind in value)
        return outcome


@cache
def seen_by(vector: Vector) -> Seen:
    """What the vector's program carries out."""
    seen = Seen()

    def make(image: Image, _: str) -> Machine:
        machine = Machine(image, engine="reference")
        machine.engine = Witness(image, machine.state, seen)
        return machine

    check(vector, "reference", make)
    return seen


def union(what: str, vectors: Iterable[Vector] = ()) -> set[Any]:
    """That part of what was seen, over vectors; over all of them where none are given."""
    return set().union(*(getattr(seen_by(vector), what) for vector in vectors or all_vectors()))


def states_cycles(vector: Vector) -> bool:
    """Whether the vector says what something costs."""
    calls = any(call.cycles is not None or (call.trap and call.trap.cycles) for call in vector.calls)
    return calls or any("cycles" in tick for tick in vector.frames)


def expected_traps() -> set[tuple[str, str]]:
    """Pairs of instruction and trap that vectors expect."""
    in_calls = {(call.trap.at, call.trap.code) for vector in all_vectors() for call in vector.calls if call.trap}
    ticks = [tick for vector in all_vectors() for tick in vector.frames if "trap" in tick]
    return in_calls | {(tick["trap"]["at"], tick["trap"]["code"]) for tick in ticks}


# ---- rows and forms -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", RUNNABLE, ids=lambda row: row.name)
def test_every_row_is_carried_out_by_a_vector(row):
    assert row.name in ENDS_THE_MACHINE or row.name in union("rows")


@pytest.mark.parametrize("row", RUNNABLE, ids=lambda row: row.name)
def test_every_row_is_in_a_vector_that_states_its_cycles(row):
    stating = [vector for vector in all_vectors() if states_cycles(vector)]
    assert row.name in ENDS_THE_MACHINE or row.name in union("rows", stating)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_carried_out_by_a_vector(form):
    assert form in {name for name, _ in union("forms")}


TAKES_TWO_NUMBERS = [row for row in ROWS if row.effect.startswith(("number number", "same same"))]


@pytest.mark.parametrize("row", TAKES_TWO_NUMBERS, ids=lambda row: row.name)
def test_every_promotion_is_carried_out_by_a_vector(row):
    on_ints, on_floats = row.forms
    none, left, right = 0b00, 0b01, 0b10
    assert {(on_ints.name, none), *((on_floats.name, promoted) for promoted in (none, left, right))} <= union("forms")


@pytest.mark.parametrize("name", ["EQ", "NEQ"])
def test_every_kind_of_value_is_compared_by_a_vector(name):
    pairs = {kinds for row, kinds in union("operands") if row == name}
    assert pairs == {
        ("int", "int"),
        ("float", "float"),
        ("int", "float"),
        ("float", "int"),
        ("bool", "bool"),
        ("Ref", "Ref"),
    }


@pytest.mark.parametrize(
    "name",
    [
        "GET_GLOBAL",
        "SET_GLOBAL",
        "GET_LOCAL",
        "SET_LOCAL",
        "GET_CAPTURE",
        "ARRAY_GET",
        "ARRAY_SET",
        "ARRAY_FILL",
        "GET_FIELD",
        "SET_FIELD",
    ],
)
def test_every_kind_of_value_is_kept_by_a_vector(name):
    assert {kind for row, kind in union("values") if row == name} == {"int", "float", "bool", "Ref"}


@pytest.mark.parametrize("name", ["DUP", "SWAP", "POP", "POP_N", "RET"])
def test_a_row_for_any_value_is_tried_on_several(name):
    assert len({kinds[-1:] for row, kinds in union("operands") if row == name}) > 1


# ---- traps --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "trap"), [(row, trap) for row in RUNNABLE for trap in sorted(row.traps)], ids=lambda value: value.name
)
def test_every_trap_of_a_row_is_expected_by_a_vector(row, trap):
    assert (row.name, trap.name) in expected_traps()


def test_no_vector_expects_a_trap_that_its_row_does_not_list():
    assert expected_traps() == {(row.name, trap.name) for row in RUNNABLE for trap in row.traps}


@pytest.mark.parametrize("trap", sorted(set(Trap) - EXCLUDED), ids=lambda trap: trap.name)
def test_every_trap_that_the_verifier_lets_through_occurs(trap):
    assert trap.name in {code for _, code in expected_traps()}


@pytest.mark.parametrize("trap", sorted(EXCLUDED), ids=lambda trap: trap.name)
def test_no_row_lists_a_trap_that_the_verifier_excludes(trap):
    assert not any(trap in row.traps for row in ROWS)


def test_every_trap_is_expected_with_its_pc_and_each_kind_once_with_its_cycles():
    with_cycles = {
        (call.trap.at, call.trap.code) for v in all_vectors() for call in v.calls if call.trap and call.trap.cycles
    }
    with_cycles |= {
        (tick["trap"]["at"], tick["trap"]["code"])
        for v in all_vectors()
        for tick in v.frames
        if "cycles" in tick.get("trap", {})
    }
    assert with_cycles == expected_traps()


# ---- this can fail ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "form"),
    [
        ("conversion", "FLOAT_TO_INT_SAT"),
        ("heap", "ARRAY_COPY.byte"),
        ("arithmetic", "MIN.float"),
        ("calls", "GET_CAPTURE.float"),
    ],
)
def test_without_a_file_a_form_is_missing(file, form):
    rest = [vector for vector in all_vectors() if vector.file != file]
    assert form not in {name for name, _ in union("forms", rest)}


def test_what_trapped_was_not_carried_out():
    trapping = [v for v in all_vectors() if v.name == "CALL_CLOSURE of null traps"]
    assert "GET_LOCAL" in union("rows", trapping)
    assert "CALL_CLOSURE" not in union("rows", trapping)


def test_flows_are_all_known():
    assert {row.flow for row in RUNNABLE} == set(Flow)
