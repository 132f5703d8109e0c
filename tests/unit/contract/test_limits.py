import re
from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path

import pytest

from pbs.contract import Rejected
from pbs.contract.limits import DEFAULT_PROFILE, LARGEST, LIMIT_NAMES, PROFILES, SMALLEST, check_limits
from pbs.contract.schemas import schema

SPECIFICATION = (Path(__file__).parents[3] / "docs" / "machine.md").read_text()
ASKED = schema("manifest")["properties"]["limits"]["properties"]


def test_the_profiles_rise():
    assert list(PROFILES) == ["JAM", "STANDARD", "ADVANCED"]
    jam, standard, advanced = (asdict(limits) for limits in PROFILES.values())
    for name in LIMIT_NAMES:
        assert 0 < jam[name] < standard[name] < advanced[name], name


def test_the_default_profile_is_one_of_them():
    assert DEFAULT_PROFILE in PROFILES


def test_a_manifest_may_ask_for_every_limit_and_nothing_else():
    assert set(ASKED) == {"profile", *LIMIT_NAMES}
    assert ASKED["profile"]["enum"] == list(PROFILES)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_every_cap_is_something_a_manifest_may_ask_for(profile, name):
    assert ASKED[name]["minimum"] <= getattr(PROFILES[profile], name) <= ASKED[name]["maximum"]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_makes_sense_in_itself(profile):
    limits = PROFILES[profile]
    assert limits.gc_threshold_words < limits.heap_words
    assert limits.coroutines < limits.objects
    assert limits.frame_cycles >= 1024  # the longest block that is paid for at once


def test_limits_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        PROFILES["JAM"].heap_words = 1
    with pytest.raises(TypeError):
        PROFILES["JAM"] = PROFILES["STANDARD"]


# ---- what a machine can have


@pytest.mark.parametrize("limits", [SMALLEST, LARGEST, *PROFILES.values()])
def test_the_ends_and_every_profile_are_allowed(limits):
    check_limits(limits)


def test_the_smallest_is_what_a_manifest_may_ask_for_and_the_largest_is_the_largest_profile():
    assert {name: ASKED[name]["minimum"] for name in LIMIT_NAMES} == asdict(SMALLEST)
    assert PROFILES["ADVANCED"] == LARGEST


def refused(limits):
    with pytest.raises(Rejected) as caught:
        check_limits(limits)
    found = [caught.value.diagnostic, *caught.value.findings]
    assert {finding.code for finding in found} == {"limits_invalid"}
    return [(finding.subject, finding.required, finding.available) for finding in found]


@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_a_limit_beyond_the_ends_is_refused(name):
    least, most = getattr(SMALLEST, name), getattr(LARGEST, name)
    for value in (least - 1, most + 1, -(2**63), 2**64):
        assert refused(replace(LARGEST, **{name: value})) == [(name, f"{least} to {most}", str(value))]


@pytest.mark.parametrize("value", [5000.0, True, "5000", None])
def test_a_limit_is_an_int(value):
    assert [name for name, _, _ in refused(replace(LARGEST, heap_words=value))] == ["heap_words"]


def test_all_wrong_limits_are_named_in_their_order():
    assert [name for name, _, _ in refused(replace(LARGEST, log_bytes=-1, frame_cycles=0, objects=0))] == [
        "frame_cycles",
        "objects",
        "log_bytes",
    ]


# ---- the specification


def specified() -> dict[str, list[int]]:
    """Limit to its smallest value and its values in the profiles, as docs/machine.md gives them."""
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", SPECIFICATION, re.MULTILINE)
    return {name: [int(value.replace(",", "")) for value in values] for name, *values in rows}


def test_every_value_is_the_specified_one():
    assert specified() == {
        name: [getattr(limits, name) for limits in (SMALLEST, *PROFILES.values())] for name in LIMIT_NAMES
    }


def test_what_is_one_beyond_a_limit_is_named_with_what_is_allowed():
    with pytest.raises(Rejected) as caught:
        check_limits(replace(LARGEST, objects=LARGEST.objects + 1))
    found = caught.value.diagnostic
    assert (found.subject, found.required, found.available) == ("objects", "1 to 262144", "262145")
