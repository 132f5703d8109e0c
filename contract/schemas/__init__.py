"""The frozen JSON Schemas (draft 2020-12, closed): one for the manifest, one for the output of every verb."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def schema(name: str) -> dict[str, Any]:
    """The schema `name`, as in `schemas/<name>.schema.json`."""
    loaded: dict[str, Any] = json.loads(files(__package__).joinpath(f"{name}.schema.json").read_bytes())
    return loaded


def violations(name: str, value: Any) -> list[tuple[str, str]]:
    """Where and how `value` breaks the schema: (JSON pointer, reason), in the order of the pointers."""
    from jsonschema import Draft202012Validator, validators

    # To JSON Schema 1.0 is an integer. To us it is a float, which would go on as one.
    checker = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, v: isinstance(v, int) and not isinstance(v, bool)
    )
    strict = validators.extend(Draft202012Validator, type_checker=checker)  # type: ignore[no-untyped-call]
    errors = strict(schema(name)).iter_errors(value)
    found = (("".join(f"/{part}" for part in error.absolute_path), _reason(error)) for error in errors)
    return sorted(set(found))


def _reason(error: Any) -> str:
    return f"{error.validator}: {error.message}"[:200]
