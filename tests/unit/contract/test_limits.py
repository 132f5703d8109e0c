from dataclasses import FrozenInstanceError, asdict

import pytest

from pbs.contract.limits import DEFAULT_PROFILE, LIMIT_NAMES, PROFILES
from pbs.contract.schemas import schema

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
