"""Random valid programs do the same on every engine and in every form of its records: frames, traps, cycles, state."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbs.contract import InternalError, LimitReached
from pbs.isa.disassembler import disassemble
from pbs.isa.program import Program
from pbs.isa.table import ROWS
from pbs.vm import exact_words
from tests.support.compare import (
    CONFIGURATIONS,
    ROOMY,
    SMALL,
    differences,
    dump,
    image_of,
    machine_on,
    observed,
    random_inputs,
)
from tests.support.programs import random_program, rows_used

FRAMES = 6
SIZES = (4, 8, 20, 40)


def run_on(program, configuration, seed):
    """What a run is observed to do, and the state that it leaves."""
    machine = machine_on(image_of(program, ROOMY if seed & 1 else SMALL), configuration, seed)
    results = machine.run(FRAMES, random_inputs(Random(seed), FRAMES), max_ticks=50)
    return observed(results, machine), dump(machine)


def require_agreement(program: Program, seed: int) -> None:
    expected, state = run_on(program, "reference", seed)
    for configuration in CONFIGURATIONS[1:]:
        found, left = run_on(program, configuration, seed)
        if found != expected or (not expected.ended and left != state):
            pytest.fail(
                f"{configuration} differs from the reference in {differences(state, left)}\n"
                f"reference: {expected}\n{configuration}: {found}\n{disassemble(program)}"
            )


@settings(max_examples=200)
@given(seed=st.integers(0, 1 << 32), size=st.sampled_from(SIZES))
def test_engines_agree(seed, size):
    require_agreement(random_program(Random(seed), size=size), seed)


@settings(max_examples=60)
@given(source=st.randoms(use_true_random=False))
def test_engines_agree_on_programs_that_shrink(source):
    require_agreement(random_program(source, size=3), 1)


def test_cores_for_two_targets_agree_in_one_process():
    for seed in range(20):
        program = random_program(Random(seed), size=8)
        assert run_on(program, "O0", seed) == run_on(program, "interpreter", seed)
    image = image_of(program)
    engines = [machine_on(image, configuration).engine for configuration in ("O0", "interpreter")]
    assert engines[0].native.core is not engines[1].native.core
    assert engines[0].native.code is engines[1].native.code


def test_random_programs_use_every_row():
    programs = [random_program(Random(seed), size=40) for seed in range(120)]
    missing = {row.name for row in ROWS} - rows_used(programs)
    assert missing == {"SYSCALL"}, "only loading makes SYSCALL"


def test_random_programs_end_in_many_ways():
    ends = set()
    for seed in range(60):
        outcome, _ = run_on(random_program(Random(seed), size=20), "interpreter", seed)
        last = outcome.frames[-1]
        ends.add((last[1].value, last[6].code.name if last[6] else None))
    names = {name for _, name in ends}
    assert {"NULL_REF", "OUT_OF_BOUNDS", "DIV_ZERO", "OUT_OF_MEMORY", "CALL_DEPTH", None} <= names


@pytest.mark.parametrize(
    ("primitive", "wrong"),
    [
        ("add", lambda _self, a, b: a ^ b),
        ("lt_s", lambda _self, a, b: exact_words.signed(a) <= exact_words.signed(b)),
        ("fmul", lambda _self, a, b: -(a * b)),
    ],
)
def test_a_fault_in_one_primitive_of_one_engine_is_found(monkeypatch, primitive, wrong):
    monkeypatch.setattr(exact_words.ExactWords, primitive, wrong)

    def compare_many() -> None:
        for seed in range(40):
            require_agreement(random_program(Random(seed), size=20), seed)

    # The comparison fails, or the wrong engine runs into what cannot happen.
    with pytest.raises((pytest.fail.Exception, LimitReached, InternalError)):
        compare_many()
