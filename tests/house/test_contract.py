"""What the contract lists is what the sources use: codes, schemas, documents."""

import ast
import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pbs.contract import Diagnostic, Place, Rejected
from pbs.contract.diagnostics import as_json, registry
from pbs.contract.schemas import violations
from tests.house.sources import ROOMS, ROOT, python_files

SCHEMAS = {path.name.removesuffix(".schema.json"): path for path in (ROOT / "contract" / "schemas").glob("*.json")}


def strings_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_every_registered_code_is_used_by_the_sources():
    """The other way round, that every used code is registered, is tested beside the registry."""
    used = set().union(*(strings_in(path) for path in python_files(ROOMS)))
    assert [code for code in registry() if code not in used] == []


# ---- schemas

# Where anything may stand, by intent, and what is closed at the places that refer to it.
OPEN = {("manifest", "/properties/extensions"), ("error", "/$defs/diagnostic")}


def objects_in(schema: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema that describes an object, with its place."""
    if isinstance(schema, dict):
        kind = schema.get("type")
        is_name = at.endswith(("/properties", "/$defs", "/patternProperties"))
        if not is_name and (
            kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema
        ):
            yield at, schema
        for key, part in schema.items():
            yield from objects_in(part, f"{at}/{key}")
    elif isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from objects_in(part, f"{at}/{index}")


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_object_of_a_schema_is_closed(name):
    """Nothing else may stand in it, or what else may is described."""
    found = list(objects_in(json.loads(SCHEMAS[name].read_text())))
    assert found
    for at, schema in found:
        rest = schema.get("additionalProperties", schema.get("unevaluatedProperties"))
        assert rest is False or isinstance(rest, dict) or (name, at) in OPEN, at


def test_what_is_open_is_there():
    assert {(name, at) for name, path in SCHEMAS.items() for at, _ in objects_in(json.loads(path.read_text()))} >= OPEN


def test_no_object_of_an_error_takes_a_surprise():
    finding = Diagnostic(code="manifest_invalid", subject="a", place=Place(line=1), details={"b": 1})
    error = as_json(Rejected("program_invalid", place=Place(function=0), findings=[finding]))
    assert violations("error", error) == []
    places = [[], ["error"], ["error", "place"], ["error", "findings", 0], ["error", "findings", 0, "place"]]
    for place in places:
        surprising = copy.deepcopy(error)
        inner: Any = surprising
        for step in place:
            inner = inner[step]
        inner["surprise"] = 1
        assert violations("error", surprising), place


# ---- documents


def test_the_generated_documents_are_what_the_sources_give():
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
