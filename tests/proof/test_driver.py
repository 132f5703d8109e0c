"""What drives the checks: parts that die are failures, and a report goes on only with figures of the same sources."""

import os
import signal

import pytest

from tests.proof import page, report
from tests.proof.checks import CHECKS, Scale
from tests.proof.shards import outcomes

NAMES = ["metering", "limits"]
PARTS = [("metering", 0, 4), ("limits", 0, 1)]


def one_dies(name, shard, shards, scale):
    if name == "metering":
        os.kill(os.getpid(), signal.SIGKILL)
    return {f"{scale.value} {shards}": 1}, None, 0.5


def test_a_process_that_dies_fails_its_own_part_only():
    found = dict(outcomes(PARTS, Scale.TEST, 1, one_dies))
    assert found[PARTS[1]] == ({"test 1": 1}, None, 0.5)
    assert found[PARTS[0]] == ({}, "part 0 of 4: the process ended with -9", 0.0)


def test_what_is_done_is_not_done_again_and_what_failed_is():
    first = report.begin(Scale.TEST, NAMES, None, "a")
    report.add(first, ("metering", 2, 4), ({"budgets": 3}, None, 1.0))
    report.add(first, ("limits", 0, 1), ({}, "one more is taken", 1.0))
    assert report.failures(first) == 1
    again = report.begin(Scale.TEST, NAMES, first, "a")
    assert report.failures(again) == 0
    assert report.left(again, NAMES) == [("metering", i, 4) for i in (0, 1, 3)] + [("limits", 0, 1)]
    report.add(again, ("metering", 0, 4), ({"budgets": 4}, None, 1.0))
    assert again["checks"]["metering"]["figures"] == {"budgets": 7}


def test_figures_of_other_sources_do_not_count_and_other_checks_keep_theirs():
    first = report.begin(Scale.TEST, NAMES, None, "a")
    for part in PARTS:
        report.add(first, part, ({"budgets": 3}, None, 1.0))
    again = report.begin(Scale.TEST, ["metering"], first, "b")
    assert again["checks"]["metering"]["done"] == []
    assert again["checks"]["metering"]["sources"] == "b"
    assert again["checks"]["limits"] == first["checks"]["limits"]
    assert report.begin(Scale.SOAK, NAMES, first, "a")["checks"]["limits"]["done"] == []


def test_the_digest_is_of_what_the_figures_depend_on(monkeypatch, tmp_path):
    before = report.sources()
    assert len(before) == 64
    for names in ((), report.HARNESS[1:]):
        monkeypatch.setattr(report, "HARNESS", names)
        assert report.sources() != before


def test_a_page_has_a_place_for_each_scale(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("before\n" + "".join("".join((*page.marks(scale.value), "between\n")) for scale in Scale))
    for scale in Scale:
        found = report.begin(scale, list(CHECKS), None, "0123456789")
        report.add(found, ("limits", 0, 1), ({"run": 1234}, None, 1.0))
        page.write(path, found)
        page.write(path, found)
    text = path.read_text()
    assert text.startswith("before\n")
    assert text.count("between\n") == 2
    assert text.count("1,234 run | 1 of ") == 2
    assert text.count("`01234567`") == 2 * len(CHECKS)
    path.write_text("no place")
    with pytest.raises(ValueError, match="no place for figures"):
        page.write(path, found)
