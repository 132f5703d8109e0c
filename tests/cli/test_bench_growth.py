"""`pbs bench growth`: what is measured is there, and laws are fitted as they should be. Nothing here asks how fast anything is."""

from __future__ import annotations

import pytest

from pbs.bench import growth
from pbs.bench.growth import STUDIES, fit
from pbs.bench.programs import NODE_WORDS, living, long_program
from pbs.loader import load
from pbs.vm import Machine, layout


def test_every_study_has_its_points_its_law_and_its_chart(pbs, tmp_path):
    done = pbs("bench", "growth", "--size", "small", "--rounds", "2", "--charts", tmp_path, "--json")
    studies = {study["name"]: study for study in done.shown("bench")["studies"]}
    assert list(studies) == [study.name for study in STUDIES] == ["verify", "lower", "collect", "replay", "batch"]
    for study in STUDIES:
        found = studies[study.name]
        assert [point["size"] for point in found["points"]] == list(study.sizes["small"])
        assert all(len(point["seconds"]) == 2 for point in found["points"])
        assert (tmp_path / f"{study.name}.svg").read_text().startswith("<svg ")


def test_programs_are_measured_from_a_thousand_to_a_million_instructions():
    sizes = {study.name: study.sizes["full"] for study in STUDIES}
    assert (sizes["verify"][0], sizes["verify"][-1]) == (sizes["lower"][0], sizes["lower"][-1]) == (1_000, 1_000_000)


@pytest.mark.parametrize("wanted", [300, 1_000, 5_000])
def test_a_long_program_has_about_as_many_instructions_as_it_says(wanted):
    data, count = long_program(wanted)
    image = load(data)
    assert sum(len(function.instructions) for function in image.facts.functions) == count
    assert abs(count - wanted) < 120


@pytest.mark.parametrize("collect", [True, False])
def test_the_living_list_lives_and_is_collected_or_not(collect):
    machine = Machine(living(500, collect=collect), engine="reference")
    machine.run(4)
    assert bool(machine.state[layout.COLLECTIONS]) is collect
    assert machine.state[layout.HEAP_TOP] >= 500 * NODE_WORDS


# ---- laws

SIZES = [10, 100, 1_000, 10_000, 100_000]


@pytest.mark.parametrize(("fixed", "each"), [(0.0, 1e-6), (0.01, 1e-6), (5.0, 2e-3)])
def test_a_fixed_cost_and_a_constant_for_each_are_found(fixed, each):
    law = fit(SIZES, [fixed + each * n for n in SIZES])
    assert (law["fixed_s"], law["each_s"]) == (pytest.approx(fixed, abs=1e-12), pytest.approx(each))
    assert law["r_squared"] == pytest.approx(1)


@pytest.mark.parametrize("power", [0.5, 1.0, 1.5, 2.0])
def test_the_exponent_tells_other_growth(power):
    law = fit(SIZES, [1e-6 * n**power for n in SIZES])
    assert law["exponent"] == pytest.approx(power)
    assert (law["r_squared"] > 0.9999) is (power == 1.0)


def test_no_fixed_cost_is_below_zero():
    assert fit(SIZES, [1e-6 * n**1.2 for n in SIZES])["fixed_s"] == 0


def test_what_is_lost_in_the_noise_is_left_out():
    assert fit([1, *SIZES], [-1e-6, *(1e-6 * n for n in SIZES)]) == fit(SIZES, [1e-6 * n for n in SIZES])


def test_people_are_told_the_law(pbs):
    out = pbs("bench", "growth", "collect", "--size", "small", "--rounds", "1").out
    assert "collect: Pause of a collection; " in out
    assert " for each live word (R² " in out
    assert growth.STUDIES[2].name == "collect"
