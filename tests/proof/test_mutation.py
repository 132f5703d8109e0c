"""Mutation testing finds what it is there for, and its list of explained survivors fits the sources."""

import tomllib
from collections.abc import Iterator

import pytest
import yaml

from tests.house.sources import ROOT
from tests.mutation import mutations
from tests.mutation.targets import TARGETS

EXPLAINED = yaml.safe_load((ROOT / "tests" / "proof" / "survivors.yaml").read_text())


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("row", EXPLAINED, ids=lambda row: f"{row['module']}: {row['line'][:40]}")
def test_an_explained_survivor_is_one_of_a_line_that_is_there(row):
    assert set(row) == {"module", "line", "becomes", "reason"}
    assert squeezed(row["line"]) in squeezed((ROOT / row["module"]).read_text())
    assert row["line"] not in row["becomes"]
    assert row["reason"]


def test_coverage_is_asked_of_the_same_modules():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["coverage"]["run"]["include"] == sorted(TARGETS)


def test_every_module_and_its_tests_are_there():
    assert [path for module, tests in TARGETS.items() for path in (module, *tests) if not (ROOT / path).exists()] == []


# ---- the mistakes that are made; these need the `proof` extra

SOURCE = '''"""Text."""
from __future__ import annotations

def largest(rows: list[int] | None) -> int:
    """What 1 < 2 says here does nothing."""
    found = 0
    for row in rows:
        if row > found:
            found = row
    if found < 0:
        raise ValueError
    return found
'''


def mutants() -> Iterator[tuple[str, str]]:
    """Operator and source of every mutant of that."""
    for place in mutations.places("m.py", SOURCE):
        made = mutations.mutant(place, SOURCE)
        if made is not None:
            yield place.operator.rpartition("/")[2], made.source


def test_mistakes_are_made_in_what_is_run_only():
    sources = [source for _, source in mutants()]
    assert len(sources) > 15
    assert all("list[int] | None" in source and "1 < 2" in source for source in sources)
    assert all(source != SOURCE for source in sources)


def test_comparisons_numbers_and_statements_are_among_them():
    sources = {source for _, source in mutants()}
    for line, becomes in [
        ("if row > found:", "if row >= found:"),
        ("if row > found:", "if not row > found:"),
        ("found = 0", "found = 1"),
        ("    raise ValueError", "    pass"),
        ("    found = row", "    pass"),
    ]:
        assert SOURCE.replace(line, becomes) in sources, becomes


def test_a_test_notices_a_mistake_and_does_not_notice_none():
    """The least version of a trial: the mistakes that leave this function right are those that nobody could notice."""

    def right(source: str) -> bool:
        scope: dict = {}
        try:
            exec(source, scope)
            return [scope["largest"](rows) for rows in ([], [3], [1, 5, 2], [2, 1, 2])] == [0, 3, 5, 2]
        except Exception:
            return False

    survivors = [source for _, source in mutants() if right(source)]
    assert right(SOURCE)
    assert SOURCE.replace("row > found", "row >= found") in survivors
    assert SOURCE.replace("row > found", "row < found") not in survivors


def test_the_lines_of_a_statement_are_those_of_its_head():
    lines = mutations.statement_lines
    assert lines(SOURCE, 8, 8) == range(8, 9)
    assert lines(SOURCE, 9, 9) == range(9, 10)
    assert lines(SOURCE, 4, 4) is None
