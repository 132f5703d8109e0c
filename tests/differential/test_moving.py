"""A machine can be carried from one engine to another between any two frames, and notices nothing."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.compare import CONFIGURATIONS, image_of, machine_on, random_inputs
from tests.support.programs import random_program

FRAMES = 6


@settings(max_examples=60)
@given(seed=st.integers(0, 1 << 32), moves=st.lists(st.sampled_from(CONFIGURATIONS), min_size=FRAMES, max_size=FRAMES))
def test_a_machine_moves_between_engines(seed, moves):
    image = image_of(random_program(Random(seed), size=20))
    inputs = random_inputs(Random(seed), FRAMES)
    stays = machine_on(image, "reference", seed)
    moving = machine_on(image, "interpreter", seed)
    for given_input, configuration in zip(inputs, moves, strict=True):
        if stays.ended:
            break
        taken = bytes(moving.snapshot())
        assert taken == bytes(stays.snapshot()), "two engines in the same state give the same bytes"
        moving = machine_on(image, configuration, seed=99)
        moving.restore(taken)
        assert bytes(moving.snapshot()) == taken, "save, load, save"
        assert moving.run(1, [given_input], max_ticks=50) == stays.run(1, [given_input], max_ticks=50)


@settings(max_examples=30)
@given(seed=st.integers(0, 1 << 32))
def test_going_back_and_playing_again_gives_the_same_frames(seed):
    image = image_of(random_program(Random(seed), size=20))
    inputs = random_inputs(Random(seed), FRAMES)
    machine = machine_on(image, "interpreter", seed)
    taken, results = [], []
    for given_input in inputs:
        if machine.ended:
            break
        taken.append(machine.snapshot())
        results += machine.run(1, [given_input], max_ticks=50)
    for frame in reversed(range(len(results))):
        machine.restore(taken[frame])
        assert machine.run(len(results) - frame, inputs[frame:], max_ticks=50) == results[frame:]
