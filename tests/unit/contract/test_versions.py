import functools
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from semver import Version

from pbs.contract.versions import MAX_LENGTH, VersionRange, parse_version

# From the lists beside the grammar at semver.org, and the order of its section 11.
VALID = """
0.0.4 1.2.3 10.20.30 1.1.2-prerelease+meta 1.1.2+meta 1.1.2+meta-valid 1.0.0-alpha 1.0.0-beta 1.0.0-alpha.beta
1.0.0-alpha.beta.1 1.0.0-alpha.1 1.0.0-alpha0.valid 1.0.0-alpha.0valid 1.0.0-rc.1+build.1 2.0.0-rc.1+build.123 1.2.3-beta
1.0.0-alpha-a.b-c-somethinglong+build.1-aef.1-its-okay 10.2.3-DEV-SNAPSHOT 1.2.3-SNAPSHOT-123 1.0.0 2.0.0 1.1.7 2.0.0+build.1848
2.0.1-alpha.1227 1.0.0-alpha+beta 1.2.3----RC-SNAPSHOT.12.9.1--.12+788 1.2.3----R-S.12.9.1--.12+meta
1.2.3----RC-SNAPSHOT.12.9.1--.12
1.0.0+0.build.1-rc.10000aaa-kk-0.1 99999999999999999999999.999999999999999999.99999999999999999
1.0.0-0A.is.legal 0.0.0 1.0.0-0 1.0.0-0a
"""
INVALID = """
1 1.2 1.2.3-0123 1.2.3-0123.0123 1.1.2+.123 +invalid -invalid -invalid+invalid -invalid.01 alpha alpha.beta alpha.beta.1 alpha.1
alpha+beta alpha_beta alpha. alpha.. beta 1.0.0-alpha_beta -alpha. 1.0.0-alpha.. 1.0.0-alpha..1 1.0.0-alpha...1
1.0.0-alpha....1 1.0.0-alpha.....1 1.0.0-alpha......1 1.0.0-alpha.......1 01.1.1 1.01.1 1.1.01 1.2.3.DEV 1.2-SNAPSHOT
1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788 1.2-RC-SNAPSHOT -1.0.3-gamma+b7718 +justmeta 9.8.7+meta+meta 9.8.7-whatever+meta+meta
v1.2.3 V1.2.3 =1.2.3 ^1.2.3 1.x 1.2.x * >=1.0.0 1.2.3- 1.2.3+ 1..3 1.2.3-a..b .1.2.3 1.2.3. 00.0.0 1.2.-3 0x1.0.0 1e3.0.0 1_0.0.0
"""
ORDERED = """
0.0.0-0 0.0.0 0.0.1 0.1.0 0.9.9 1.0.0-0 1.0.0-2 1.0.0-11 1.0.0--1 1.0.0-A 1.0.0-a 1.0.0-alpha 1.0.0-alpha.0 1.0.0-alpha.1
1.0.0-alpha.2 1.0.0-alpha.11 1.0.0-alpha.beta 1.0.0-alpha.beta.0 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1-a
1.0.1
1.0.10 1.1.0 1.2.0 1.10.0 2.0.0-alpha 2.0.0 10.0.0 99999999999999999999.0.0
"""
RISING = ORDERED.split()


@pytest.mark.parametrize("text", VALID.split())
def test_what_semver_calls_valid_is_read_and_printed_as_it_was(text):
    assert str(parse_version(text)) == text


@pytest.mark.parametrize("text", INVALID.split())
def test_what_semver_calls_invalid_is_refused(text):
    with pytest.raises(ValueError, match=r"not a version|is not valid SemVer"):
        parse_version(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1.2.3\n",
        "\n1.2.3",
        "1.2.3 ",
        " 1.2.3",
        "1.2.3\r",
        "1.2.3\0",
        "1.2.3\u2028",
        "1.2.\u0663",
        "\uff11.2.3",
        "1.2.3-\u00e4",
        "1.2.3-\u0661",
        "1,2,3",
    ],
)
def test_only_ascii_and_nothing_around_it_is_a_version(text):
    with pytest.raises(ValueError, match="not a version"):
        parse_version(text)


def test_a_version_is_so_long_and_no_longer():
    assert MAX_LENGTH == 64
    assert parse_version("1.2.3-" + "a" * 58).prerelease == "a" * 58
    for text in ("1.2.3-" + "a" * 59, "1.2.3+" + "a" * 59, "1" * 61 + ".0.0", "1" * 10_000 + ".0.0"):
        with pytest.raises(ValueError, match="not a version"):
            parse_version(text)


def test_versions_are_ordered_as_semver_orders_them():
    versions = [parse_version(text) for text in RISING]
    for (i, a), (j, b) in itertools.product(enumerate(versions), repeat=2):
        assert (a < b, a == b, a > b) == (i < j, i == j, i > j), (RISING[i], RISING[j])


def test_build_metadata_takes_no_part_in_the_order():
    plain, built = parse_version("1.0.0"), parse_version("1.0.0+20130313144700")
    assert plain == built
    assert VersionRange(minimum=built, maximum=plain).contains(parse_version("1.0.0+other"))


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.text(max_size=70) | st.text("0123456789.+-aZ\n", max_size=70))
def test_any_text_is_a_version_or_a_value_error(text):
    try:
        version = parse_version(text)
    except ValueError:
        return
    assert str(version) == text
    assert text.isascii()
    assert len(text) <= MAX_LENGTH


# ---- ranges


@pytest.mark.parametrize(
    ("minimum", "maximum", "inside", "outside"),
    [
        # without a maximum the range ends before the next major
        ("1.2.0", None, "1.2.0 1.2.1 1.3.0-a 1.3.0 1.99.99 1.2.0+build", "1.2.0-rc.1 1.1.99 0.9.0 2.0.0-0 2.0.0 3.0.0"),
        ("1.2.0-rc.1", None, "1.2.0-rc.1 1.2.0-rc.2 1.2.0", "1.2.0-beta 1.1.0 2.0.0"),
        ("0.3.0", None, "0.3.0 0.4.0 0.99.0", "0.2.9 1.0.0-0 1.0.0"),
        # with one it ends there, also in another major
        ("1.2.0", "1.2.0", "1.2.0 1.2.0+x", "1.1.9 1.2.0-z 1.2.1-0 1.2.1"),
        ("1.2.0", "1.4.0", "1.2.0 1.3.0-a 1.4.0-rc 1.4.0", "1.1.9 1.4.1-0 1.4.1 2.0.0"),
        ("1.0.0", "3.1.0", "1.0.0 1.9.9 2.0.0-a 2.5.0 3.0.0 3.1.0", "0.9.9 3.1.1 4.0.0"),
        ("1.0.0", "2.0.0-beta", "1.0.0 1.9.9 2.0.0-alpha 2.0.0-beta", "2.0.0-beta.1 2.0.0"),
    ],
)  # fmt: skip
def test_a_range_holds_its_ends_and_what_lies_between(minimum, maximum, inside, outside):
    accepted = VersionRange(minimum=parse_version(minimum), maximum=maximum and parse_version(maximum))
    assert [text for text in inside.split() if not accepted.contains(parse_version(text))] == []
    assert [text for text in outside.split() if accepted.contains(parse_version(text))] == []


@pytest.mark.parametrize(
    ("minimum", "maximum", "majors"),
    [
        ("1.2.0", None, {1}),
        ("0.1.0", None, {0}),
        ("1.0.0", "1.5.0", {1}),
        ("1.0.0", "3.0.0-a", {1, 2, 3}),
        ("2.5.0", "3.0.0", {2, 3}),
    ],
)
def test_a_range_reaches_the_majors_between_its_ends(minimum, maximum, majors):
    accepted = VersionRange(minimum=parse_version(minimum), maximum=maximum and parse_version(maximum))
    assert {major for major in range(6) if accepted.reaches_major(major)} == majors


@pytest.mark.parametrize(
    ("minimum", "maximum"), [("1.0.1", "1.0.0"), ("1.0.0", "1.0.0-rc"), ("2.0.0", "1.99.0"), ("1.0.0-b", "1.0.0-a")]
)
def test_an_empty_range_is_no_range(minimum, maximum):
    with pytest.raises(ValueError, match="empty"):
        VersionRange(minimum=parse_version(minimum), maximum=parse_version(maximum))


def test_a_range_says_what_it_accepts():
    assert str(VersionRange(minimum=Version(1, 2, 0))) == ">=1.2.0 <2.0.0"
    assert str(VersionRange(minimum=Version(1), maximum=Version(3, 1, 0, "a"))) == ">=1.0.0 <=3.1.0-a"


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(RISING), min_size=3, max_size=3))
def test_what_lies_in_a_range_reaches_its_major(texts):
    low, have, high = (parse_version(text) for text in texts)
    for maximum in (None, max(low, high)):
        accepted = VersionRange(minimum=low, maximum=maximum)
        if accepted.contains(have):
            assert accepted.reaches_major(have.major)


def test_sorting_uses_the_order_of_versions():
    shuffled = sorted(RISING, key=lambda text: text[::-1])
    by_version = sorted(shuffled, key=functools.cmp_to_key(lambda a, b: parse_version(a).compare(b)))
    assert by_version == RISING


def test_an_open_range_ends_before_the_next_major():
    assert [str(VersionRange(minimum=parse_version(f"{major}.2.0"))) for major in (0, 1, 7)] == [
        ">=0.2.0 <1.0.0", ">=1.2.0 <2.0.0", ">=7.2.0 <8.0.0",
    ]  # fmt: skip
