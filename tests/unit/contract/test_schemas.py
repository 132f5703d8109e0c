from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from pbs import contract
from pbs.contract.schemas import schema, violations

NAMES = sorted(
    path.name.removesuffix(".schema.json") for path in (Path(contract.__file__).parent / "schemas").glob("*.json")
)


def test_there_is_a_schema_for_manifests_and_for_errors():
    assert {"manifest", "error"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_a_schema_of_draft_2020_12(name):
    assert schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema(name)["title"]
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_closed(name):
    assert violations(name, {"surprise": 1})
    branches = schema(name).get("oneOf", [schema(name)])
    assert all(branch.get("additionalProperties") is False for branch in branches)


GOOD = {
    "manifest_schema_version": "1.0.0",
    "identity": {"id": "pong", "title": "Pong", "version": "1.0.0"},
    "runtime_compatibility": {"min_version": "1.0.0"},
    "target": {"isa": "1.0.0", "profile": "game", "profile_version": "1.0.0"},
    "requires": {"host_calls": [["gfx", "clear", 1]], "capabilities": ["gfx@1.0"]},
    "entries": {"main": {"owner": "vm"}},
}


def test_violations_are_named_by_place_in_the_order_of_places():
    bad = {**GOOD, "target": {"isa": 1, "profile": "Game"}, "limits": {"objects": 0}}
    assert violations("manifest", GOOD) == []
    found = violations("manifest", bad)
    assert [at for at, _ in found] == ["/limits/objects", "/target", "/target/isa", "/target/profile"]
    assert [reason.partition(":")[0] for _, reason in found] == ["minimum", "required", "type", "pattern"]
    assert violations("manifest", bad) == found


@pytest.mark.parametrize("value", [4096.0, True, "4096", None])
def test_an_integer_is_an_int_and_not_a_float_that_happens_to_be_whole(value):
    found = violations("manifest", {**GOOD, "limits": {"heap_words": value}})
    assert [at for at, _ in found] == ["/limits/heap_words"]
    assert violations("manifest", {**GOOD, "limits": {"heap_words": 4096}}) == []
    host_calls = {"host_calls": [["gfx", "clear", value]], "capabilities": []}
    assert "/requires/host_calls/0/2" in [at for at, _ in violations("manifest", {**GOOD, "requires": host_calls})]


def test_a_reason_is_short_whatever_the_value():
    (finding,) = violations("manifest", {**GOOD, "extensions": "x" * 100_000})
    assert len(finding[1]) <= 200
