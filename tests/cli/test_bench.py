"""`pbs bench`: the objects it prints, the history it keeps, the page it draws. Nothing here asks how fast anything is."""

from __future__ import annotations

import json
import os
import re

import pytest

from pbs.bench import charts, report
from pbs.bench.costs import MORE_WORDS, SNAPSHOT_BYTES, STATE_WORDS
from pbs.bench.programs import keeping
from pbs.vm import Machine
from pbs.vm.machine import ENGINES

from .commands import RESULT, write_history

SMALL = ("--size", "small", "--rounds", "2")


def test_every_benchmark_runs_and_says_what_one_unit_is(pbs):
    result = pbs("bench", "run", *SMALL, "--json").shown("bench")
    rows = {row["name"]: row for row in result["benchmarks"]}
    assert list(rows) == [
        "fib", "collatz", "sieve", "mandel", "matmul", "mix", "pong", "life", "orbits",
        "load", "verify", "lower", "ready", "lean", "full",
        "snapshot", "snapshot-more", "digest", "digest-more", "start",
    ]  # fmt: skip
    for row in rows.values():
        spread = row["ns_per_unit"]
        assert 0 < spread["least"] <= spread["median"] <= spread["greatest"]
        assert len(row["seconds"]) == result["rounds"] == 2
        assert (row["cycles"] is None) == (row["kind"] == "cost")
    assert rows["fib"]["units"] == 1973
    assert rows["pong"]["unit"] == "frame"
    assert result["peak_bytes"] > 1 << 20


def test_snapshots_say_how_many_bytes_they_are():
    for words, size in ((STATE_WORDS, SNAPSHOT_BYTES), (STATE_WORDS + MORE_WORDS, SNAPSHOT_BYTES + 8 * MORE_WORDS)):
        machine = Machine(keeping(words))
        machine.run(1)
        assert len(machine.snapshot().body) == size


def test_what_64_kib_cost_is_a_sixteenth_of_the_difference(pbs):
    rows = pbs("bench", "run", "snapshot", "snapshot-more", *SMALL, "--json").shown("bench")["benchmarks"]
    rows[0].update(units=2, seconds=[1.0, 3.0])
    rows[1].update(units=2, seconds=[33.0, 67.0])
    assert report.per_64_kib(rows, "snapshot") == {"median": 1.5e9, "least": 1e9, "greatest": 2e9}
    assert report.per_64_kib(rows[:1], "snapshot") is report.per_64_kib(rows, "digest") is None
    table = list(report.lines({**RESULT, "benchmarks": rows}))
    assert table[-1].split()[:3] == ["1,500,000.00", "1,000,000.00..2,000,000.00", "64"]


@pytest.mark.parametrize("engine", ENGINES)
def test_cycles_are_the_same_on_every_engine(pbs, engine):
    result = pbs("bench", "run", "fib", "pong", *SMALL, "--engine", engine, "--json").shown("bench")
    assert (result["engine"], [row["cycles"] for row in result["benchmarks"]]) == (engine, [37479, 26856])


def test_the_reference_takes_the_small_size_by_itself(pbs):
    result = pbs("bench", "run", "fib", "--engine", "reference", "--rounds", "1", "--json").shown("bench")
    assert result["size"] == "small"


def test_people_get_a_table_for_each_kind(pbs):
    done = pbs("bench", "run", "fib", "pong", "load", *SMALL)
    assert done.code == 0
    for head in ("kernel ", "cartridge ", "cost ", "geomean"):
        assert f"\n{head}" in done.out
    assert "3 benchmarks in turn, 2 rounds" in done.err


def test_measuring_leaves_the_process_on_the_cores_that_it_had(pbs):
    before = os.sched_getaffinity(0)
    pbs("bench", "run", "fib", *SMALL)
    assert os.sched_getaffinity(0) == before


def test_an_unknown_benchmark_is_refused_with_the_known_ones(pbs):
    error = pbs("bench", "run", "fibs", "--json").error()
    assert error["code"] == "benchmark_unknown"
    assert "fib, collatz" in error["required"]


# ---- history


def test_a_history_gets_a_line_for_each_run(pbs, tmp_path):
    for label in ("one", "two"):
        assert pbs("bench", "run", "mix", *SMALL, "--label", label, "--history", "h.jsonl").code == 0
    lines = (tmp_path / "h.jsonl").read_text().splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["one", "two"]


@pytest.mark.parametrize(
    "text",
    ["", "\n", "no json", "[]", "{}", json.dumps({**RESULT, "more": 1}), "[" * 100_000,
     '{"verb": "bench", "action": "page", "results": 1, "output": "a"}'],
)  # fmt: skip
def test_what_is_no_history_is_refused_and_stays(pbs, tmp_path, text):
    (tmp_path / "h.jsonl").write_text(text)
    for command in (["page", "h.jsonl", "a.html"], ["run", "fib", *SMALL, "--history", "h.jsonl"]):
        done = pbs("bench", *command, "--json")
        assert (done.code, done.refused()) == (3, "history_malformed")
    assert (tmp_path / "h.jsonl").read_text() == text


def test_the_line_that_is_wrong_is_named(pbs, tmp_path):
    history = write_history(tmp_path / "h.jsonl", "a", "b")
    history.write_text(history.read_text() + "{\n")
    assert pbs("bench", "page", "h.jsonl", "a.html", "--json").error()["subject"] == "h.jsonl, line 3"


# ---- page


def test_the_page_stands_alone_and_is_the_same_every_time(pbs, tmp_path):
    write_history(tmp_path / "h.jsonl", "before", "<after> & co")
    for name in ("a.html", "b.html"):
        assert pbs("bench", "page", "h.jsonl", name).code == 0
    text = (tmp_path / "a.html").read_text()
    assert text == (tmp_path / "b.html").read_text()
    assert "&lt;after&gt; &amp; co" in text
    assert "<after>" not in text
    assert len(re.findall("<svg", text)) == 2  # kernels together, each cost by itself
    outside = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\')\s>]+)', text)
    assert [link for link in outside if not link.startswith("#")] == []
    assert set(re.findall(r'https?://[^"]+', text)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "prefers-color-scheme: dark" in text
    assert "currentColor" in text


def test_results_of_different_engines_stand_apart(pbs, tmp_path):
    rows = [RESULT, {**RESULT, "engine": "reference", "label": "slow"}]
    (tmp_path / "h.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert pbs("bench", "page", "h.jsonl", "a.html", "--json").shown("bench")["results"] == 2
    text = (tmp_path / "a.html").read_text()
    assert "<h2>engine auto, size small</h2>" in text
    assert "<h2>engine reference, size small</h2>" in text


def test_without_the_drawing_package_one_is_told_how_to_get_it(pbs, tmp_path, monkeypatch):
    write_history(tmp_path / "h.jsonl", "a")
    monkeypatch.setattr(charts, "find_spec", lambda _name: None)
    error = pbs("bench", "page", "h.jsonl", "a.html", "--json").error()
    assert (error["code"], error["subject"]) == ("bench_package_missing", "matplotlib")
    assert "pbs-machine[bench]" in error["hint"]
    assert not (tmp_path / "a.html").exists()
