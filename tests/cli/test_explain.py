"""`pbs explain`."""

from __future__ import annotations

import pytest

from pbs.contract.diagnostics import registry
from pbs.isa.table import BY_NAME
from pbs.isa.traps import Trap

from .commands import EXIT_CODES


def test_every_diagnostic_is_explained_with_its_exit_code(pbs):
    for code, entry in registry().items():
        value = pbs("explain", code, "--json").shown("explain")
        assert (value["kind"], value["code"]) == ("diagnostic", code)
        assert (value["meaning"], value["hint"]) == (entry.sentence, entry.hint)
        assert value["facts"] == {"family": entry.family.value, "exit code": str(EXIT_CODES[entry.family.value])}


def test_every_trap_is_explained_by_name_and_number(pbs):
    for trap in Trap:
        for name in (trap.name, trap.name.lower(), f"0x{trap:02x}", f"0X{trap:02X}"):
            value = pbs("explain", name, "--json").shown("explain")
            if name in registry():  # stack_underflow: what the verifier finds, so that no program traps STACK_UNDERFLOW
                assert (value["kind"], value["code"]) == ("diagnostic", name)
            else:
                assert (value["kind"], value["code"], value["facts"]["number"]) == ("trap", trap.name, f"0x{trap:02X}")


def test_every_instruction_is_explained(pbs):
    for row in BY_NAME.values():
        for name in (row.name, row.name.lower()):
            value = pbs("explain", name, "--json").shown("explain")
            if value["kind"] == "instruction":
                assert (value["code"], value["facts"]["opcode"]) == (row.name, f"0x{row.opcode:04X}")


def test_people_read_meaning_and_facts(pbs):
    done = pbs("explain", "DIV_ZERO")
    assert done.code == 0
    assert done.out.startswith("DIV_ZERO (trap)\n")
    assert "number: 0x0A" in done.out
    assert "raised by: DIV, MOD, DIV_U, MOD_U" in done.out
    assert "cycles: 4" in pbs("explain", "DIV").out
    assert "hint: check the path" in pbs("explain", "file_missing").out


@pytest.mark.parametrize(
    "code", ["", "nonsense", "0x05", "0x99", "0x", "0x0a0", "DIV ZERO", "\0", "ß", "\udcff", "9" * 10_000]
)
def test_what_has_no_meaning_is_a_usage_error(pbs, code):
    done = pbs("explain", code, "--json")
    assert (done.code, done.refused()) == (2, "code_unknown")


def test_a_near_miss_is_told(pbs):
    error = pbs("explain", "stack_underflw", "--json").error()
    assert error["details"] == {"did you mean": "stack_underflow"}
    assert "stack_underflow" in pbs("explain", "stack_underflw").err


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--x"]])
def test_one_code_is_explained_at_a_time(pbs, arguments):
    done = pbs("explain", *arguments, "--json")
    assert (done.code, done.refused()) == (2, "usage")
