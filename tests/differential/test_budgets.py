"""How a frame is cut into host ticks changes nothing that anyone could see afterwards."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbs.vm import Status, layout
from tests.support.compare import CONFIGURATIONS, dump, image_of, machine_on, random_inputs
from tests.support.programs import random_program

FRAMES = 3
ENOUGH = 1 << 22


def run_sliced(image, configuration, inputs, budgets):
    """Run the frames, every host tick with the next of `budgets`; what is left when they are over."""
    machine = machine_on(image, configuration)
    seen = []
    for given_input in inputs:
        if machine.ended:
            break
        result = machine.run_frame(given_input, budget=next(budgets))
        while result.status is Status.UNFINISHED:
            result = machine.run_frame(given_input, budget=next(budgets))
        seen.append(
            (result.frame, result.status, result.cycles, result.host_calls, result.digest, result.log, result.trap)
        )
    state = dump(machine)
    state["control"][layout.TICKS] = 0  # the host's, not the guest's
    return seen, state


def slices(source):
    """Budgets of all sizes, every now and then enough to get on."""
    while True:
        yield source.choice((0, 1, 2, 3, source.randrange(40), source.randrange(400), source.randrange(4000), ENOUGH))


def whole():
    while True:
        yield ENOUGH


@settings(max_examples=120)
@given(seed=st.integers(0, 1 << 32), configuration=st.sampled_from(CONFIGURATIONS))
def test_random_slices_of_random_programs(seed, configuration):
    image = image_of(random_program(Random(seed), size=12))
    inputs = random_inputs(Random(seed), FRAMES)
    expected, state = run_sliced(image, "reference", inputs, whole())
    found, left = run_sliced(image, configuration, inputs, slices(Random(seed + 1)))
    assert found == expected
    assert left == state


@pytest.mark.parametrize("configuration", ["reference", "interpreter"])
def test_every_budget_from_nothing_to_more_than_enough(configuration):
    tried = 0
    for seed in range(40):
        image = image_of(random_program(Random(seed), size=3))
        inputs = random_inputs(Random(seed), 1)
        expected, state = run_sliced(image, "reference", inputs, whole())
        cost = expected[0][2]
        if cost > 300:
            continue
        tried += 1
        for budget in range(cost + 2):
            machine = machine_on(image, configuration)
            first = machine.run_frame(inputs[0], budget=budget)
            trapped = expected[0][1] is Status.TRAPPED  # a block must be paid whole, also if a trap will give some back
            assert (first.status is Status.UNFINISHED) == (budget < cost) or (trapped and budget >= cost), (
                seed,
                budget,
            )
            assert first.cycles <= budget, (seed, budget)
            if first.status is Status.UNFINISHED:
                last = machine.run_frame(inputs[0], budget=ENOUGH)
                assert (last.digest, last.cycles) == (expected[0][4], cost), (seed, budget)
            left = dump(machine)
            left["control"][layout.TICKS] = 0
            assert left == state, (seed, budget)
    assert tried >= 8, "too few programs were small enough"


def test_a_cut_off_frame_stands_at_the_same_place_on_both_engines():
    for seed in range(120):
        image = image_of(random_program(Random(seed), size=8))
        inputs = random_inputs(Random(seed), 1)
        for budget in (0, 1, 7, 50, 200):
            machines = [machine_on(image, configuration) for configuration in ("reference", "interpreter")]
            results = [machine.run_frame(inputs[0], budget=budget) for machine in machines]
            assert results[0] == results[1], (seed, budget)
            assert dump(machines[0]) == dump(machines[1]), (seed, budget)
