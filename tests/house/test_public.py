"""The public names: there, documented, loaded when used, and their examples true."""

import ast
import doctest
import importlib
import inspect
import subprocess
import sys

import pytest

import pbs
from tests.house.sources import ROOMS, ROOT, python_files


def test_the_public_names_are_those_that_have_a_home():
    assert sorted(pbs.__all__) == pbs.__all__
    assert set(pbs.__all__) == {*pbs._HOMES, "__version__"}


@pytest.mark.parametrize("name", pbs.__all__)
def test_a_public_name_is_that_of_its_home(name):
    value = getattr(pbs, name)
    if name == "__version__":
        assert value == importlib.import_module("pbs.contract.release").VERSION
        return
    home = importlib.import_module(f"pbs.{pbs._HOMES[name]}")
    assert name in home.__all__
    assert name == "replay" or value is getattr(home, name)
    assert inspect.getdoc(value), "it says what it is"
    assert (inspect.getdoc(value) or "")[0].isupper()


@pytest.mark.parametrize("name", [name for name in pbs.__all__ if inspect.isclass(getattr(pbs, name))])
def test_the_public_methods_of_a_class_are_documented(name):
    for member, value in vars(getattr(pbs, name)).items():
        if not member.startswith("_") and (
            inspect.isfunction(value) or isinstance(value, (property, staticmethod, classmethod))
        ):
            assert inspect.getdoc(value), member


def test_type_checkers_are_told_the_same_names():
    tree = ast.parse((ROOT / "src" / "pbs" / "__init__.py").read_text())
    told = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for statement in node.body:
                assert isinstance(statement, ast.ImportFrom)
                told |= {alias.name: statement.module for alias in statement.names}
    assert told == pbs._HOMES


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError):
        pbs.no_such_name  # noqa: B018 - asking for it is the test


def test_importing_the_package_loads_nothing_heavy():
    program = "import sys, pbs; print(*sorted({'numpy', 'numba', 'llvmlite', 'construct', 'click', 'yaml'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


def test_a_submodule_called_replay_is_also_the_verb():
    import pbs.replay

    assert callable(pbs.replay)
    assert inspect.signature(pbs.replay.player.replay).parameters["trace"]


# ---- examples


def run_examples(module) -> doctest.TestResults:
    return doctest.testmod(module, raise_on_error=False, report=False)


def test_the_example_of_the_package_is_true():
    found = run_examples(pbs)
    assert found.attempted >= 5
    assert found.failed == 0


def test_every_other_example_is_true():
    for path in python_files(ROOMS):
        if ">>> " in path.read_text():
            name = ".".join(["pbs", *path.relative_to(ROOT).with_suffix("").parts])
            assert run_examples(importlib.import_module(name.removesuffix(".__init__"))).failed == 0, path


def test_an_example_that_is_wrong_is_found():
    def wrong():
        """Add.

        >>> 1 + 1
        3
        """

    (example,) = doctest.DocTestFinder().find(wrong, "wrong")
    assert doctest.DocTestRunner(verbose=False).run(example, out=lambda _: None).failed == 1
