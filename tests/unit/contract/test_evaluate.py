import pytest

from pbs.contract import axes
from pbs.contract.evaluate import AtLeastRequirement, RangeRequirement, evaluate
from pbs.contract.versions import VersionRange, parse_version

RUNTIME = axes.NATIVE_RUNTIME


def within(minimum, maximum=None, axis=RUNTIME):
    accepted = VersionRange(minimum=parse_version(minimum), maximum=maximum and parse_version(maximum))
    return RangeRequirement(
        axis=axis, accepted=accepted, major_code="target_major_unsupported", range_code="target_range_unsupported"
    )


def at_least(minimum, axis=axes.ISA, code="isa_unsupported"):
    return AtLeastRequirement(axis=axis, minimum=parse_version(minimum), code=code)


def codes(requirement, have):
    target = {} if have is None else {requirement.axis: have}
    return [finding.code for finding in evaluate([requirement], target)]


OK, RANGE, MAJOR = [], ["target_range_unsupported"], ["target_major_unsupported"]


@pytest.mark.parametrize(
    ("requirement", "have", "found"),
    [
        (within("1.2.0"), "1.2.0", OK), (within("1.2.0"), "1.2.0+build", OK), (within("1.2.0"), "1.9.0", OK),
        (within("1.2.0"), "1.3.0-rc.1", OK), (within("1.2.0"), "1.1.9", RANGE), (within("1.2.0"), "1.2.0-rc.1", RANGE),
        (within("1.2.0"), "2.0.0", MAJOR), (within("1.2.0"), "2.0.0-rc.1", MAJOR), (within("1.2.0"), "0.9.0", MAJOR),
        (within("1.2.0"), None, MAJOR),
        (within("1.2.0", "1.4.0"), "1.4.0", OK), (within("1.2.0", "1.4.0"), "1.4.1", RANGE), (within("1.2.0", "1.4.0"),
        "1.4.0-a", OK),
        (within("1.2.0", "1.4.0"), "2.0.0", MAJOR), (within("1.2.0", "1.2.0"), "1.2.0", OK), (within("1.2.0", "1.2.0"),
        "1.2.1", RANGE),
        (within("1.2.0", "3.0.0"), "2.9.9", OK), (within("1.2.0", "3.0.0"), "3.0.0", OK), (within("1.2.0", "3.0.0"), "3.0.1",
        RANGE),
        (within("1.2.0", "3.0.0"), "4.0.0", MAJOR), (within("1.2.0", "3.0.0"), "1.0.0", RANGE), (within("1.2.0", "3.0.0"),
        "0.0.1", MAJOR),
        (within("1.2.0-rc.1"), "1.2.0-rc.1", OK), (within("1.2.0-rc.2"), "1.2.0-rc.1", RANGE),
    ],
)  # fmt: skip
def test_a_range_is_met_missed_or_of_another_major(requirement, have, found):
    assert codes(requirement, have) == found


UNMET = ["isa_unsupported"]


@pytest.mark.parametrize(
    ("minimum", "have", "found"),
    [
        ("1.2.0", "1.2.0", OK), ("1.2.0", "1.2.1", OK), ("1.2.0", "1.3.0", OK), ("1.2.0", "1.3.0-a", OK), ("1.2.0",
        "1.2.0+b", OK),
        ("1.2.0", "1.1.9", UNMET), ("1.2.0", "1.2.0-rc.9", UNMET), ("1.2.0", "2.0.0", UNMET), ("1.2.0", "0.9.0", UNMET),
        ("1.2.0", None, UNMET),
        ("1.2.0-rc.1", "1.2.0", OK), ("1.2.0-rc.2", "1.2.0-rc.1", UNMET), ("2.0.0-rc.1", "1.9.9", UNMET), ("0.1.0", "0.2.0",
        OK), ("0.1.0", "1.0.0", UNMET),
    ],
)  # fmt: skip
def test_at_least_means_this_or_later_of_the_same_major(minimum, have, found):
    assert codes(at_least(minimum), have) == found


def test_a_finding_says_which_axis_and_what_is_needed_and_there():
    (finding,) = evaluate([within("1.2.0", "1.4.0")], {RUNTIME: "1.5.0"})
    assert (finding.subject, finding.required, finding.available) == (RUNTIME, ">=1.2.0 <=1.4.0", "1.5.0")
    (finding,) = evaluate([at_least("1.2.0")], {})
    assert (finding.subject, finding.required, finding.available) == (axes.ISA, "1.2.0", "nothing")


def test_all_that_is_unmet_is_found_in_the_order_asked():
    asked = [
        at_least("9.0.0", axes.MANIFEST_SCHEMA, "manifest_schema_unsupported"),
        within("1.0.0"),
        within("7.0.0"),
        at_least("1.5.0"),
        at_least("1.0.0", "language_profile_none", "profile_unsupported"),
        at_least("1.0.0"),
    ]
    expected = ["manifest_schema_unsupported", "target_major_unsupported", "isa_unsupported", "profile_unsupported"]
    assert [finding.code for finding in evaluate(asked)] == expected
    assert [finding.code for finding in evaluate(reversed(asked))] == expected[::-1]
    assert evaluate([]) == []


def test_without_a_target_the_current_axes_are_asked():
    assert evaluate([within(axes.CURRENT[RUNTIME]), at_least(axes.CURRENT[axes.ISA])]) == []


def test_the_release_number_is_no_axis():
    assert not [name for name in axes.CURRENT if "release" in name or "package" in name]


def test_the_axis_vector_has_one_canonical_form():
    lines = axes.canonical().decode("ascii").splitlines()
    assert lines == sorted(f"{name}={value}" for name, value in axes.CURRENT.items())
    assert axes.canonical({"b": "2", "a": "1"}) == b"a=1\nb=2\n"
    with pytest.raises(TypeError):
        axes.CURRENT["isa_version"] = "2.0.0"


def test_every_language_profile_is_an_axis():
    assert set(axes.LANGUAGE_PROFILES.values()) <= set(axes.CURRENT)
    for axis in (RUNTIME, axes.MANIFEST_SCHEMA, axes.ISA, *axes.LANGUAGE_PROFILES.values()):
        parse_version(axes.CURRENT[axis])
