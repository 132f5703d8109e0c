"""Data of the trusted modules is frozen, slotted and made by keyword, as docs say and as their readers rely on."""

import dataclasses
from importlib import import_module

import pytest

from tests.mutation.targets import TARGETS

BY_POSITION = {"Snapshot", "Cartridge"}
WITH_A_DICT = {"FunctionFacts", "Snapshot", "Trace", "TraceHeader"}  # for cached properties, or made once a file


def classes():
    for name in TARGETS:
        module = import_module("pbs." + name.removesuffix(".py").replace("/", "."))
        for value in vars(module).values():
            if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == module.__name__:
                yield value


@pytest.mark.parametrize("made", list(classes()), ids=lambda made: made.__name__)
def test_data_is_frozen_slotted_and_made_by_keyword(made):
    assert made.__dataclass_params__.frozen
    by_keyword = {field.kw_only for field in dataclasses.fields(made)}
    assert by_keyword == {made.__name__ not in BY_POSITION}
    assert ("__slots__" in vars(made)) is (made.__name__ not in WITH_A_DICT)


def test_there_is_some():
    assert len(list(classes())) >= 12
