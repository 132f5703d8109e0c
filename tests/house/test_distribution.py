"""What is installed is what the sources need: pinned dependencies, data files beside the modules."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.house.sources import ROOMS, ROOT, files_of

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


# ---- dependencies


def pins() -> dict[str, str]:
    """Name to exact version, as constraints.txt says."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    found = {}
    for line in lines:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][0-9A-Za-z.]*)", line)
        assert match is not None, f"not an exact version: {line}"
        assert canonicalize_name(match[1]) not in found, f"twice: {line}"
        found[canonicalize_name(match[1])] = match[2]
    return found


def declared() -> list[Requirement]:
    """What `make` installs: the dependencies, with the extras."""
    extras = PROJECT["project"]["optional-dependencies"]
    lines = [
        *PROJECT["project"]["dependencies"],
        *PROJECT["build-system"]["requires"],
        *extras["dev"],
        *extras["bench"],
        *extras["proof"],
    ]
    return [requirement for line in lines if (requirement := Requirement(line)).name != "pbs-machine"]


@pytest.mark.parametrize("requirement", declared(), ids=lambda requirement: requirement.name)
def test_a_dependency_is_pinned_within_its_range(requirement):
    pinned = pins()[canonicalize_name(requirement.name)]
    assert Version(pinned) in requirement.specifier


def test_dev_takes_the_bench_extra_along():
    assert "pbs-machine[bench]" in PROJECT["project"]["optional-dependencies"]["dev"]


@pytest.mark.parametrize("name", ["numba", "llvmlite", "numpy"])
def test_what_the_native_core_is_made_with_is_what_is_pinned(name):
    """Their behaviour is relied on, beyond what they promise; see test_pinned."""
    assert version(name) == pins()[name]


@pytest.mark.parametrize("name", ["numba", "llvmlite"])
def test_another_minor_release_of_the_compilers_is_not_taken(name):
    (requirement,) = (one for one in declared() if one.name == name)
    major, minor = Version(pins()[name]).release[:2]
    assert Version(f"{major}.{minor}.99") in requirement.specifier
    assert Version(f"{major}.{minor + 1}.0") not in requirement.specifier
    assert Version(f"{major}.{minor - 1}.9") not in requirement.specifier


def test_the_version_is_that_of_the_release():
    assert (
        version("pbs-machine") == re.search(r'VERSION = "([^"]+)"', (ROOT / "contract" / "release.py").read_text())[1]
    )


# ---- files


def packages() -> list[Path]:
    """The folders that setuptools finds as packages: with an `__init__.py`, all the way up."""
    found = []
    for room in ROOMS:
        for init in sorted((ROOT / room).rglob("__init__.py")):
            between = [init.parent, *init.parent.parents]
            above = between[: between.index(ROOT)]
            if all((folder / "__init__.py").exists() for folder in above):
                found.append(init.parent)
    return found


def installed_files(package_data: dict[str, list[str]]) -> set[Path]:
    """The files that a wheel holds: modules, and what the patterns find in each package."""
    found = set()
    for folder in packages():
        name = ".".join(["pbs", *folder.relative_to(ROOT).parts])
        for pattern in ["*.py", *package_data["*"], *package_data.get(name, [])]:
            found |= {path for path in folder.glob(pattern) if path.is_file()}
    return found


PACKAGE_DATA = PROJECT["tool"]["setuptools"]["package-data"]
INSTALLED = installed_files(PACKAGE_DATA)


def test_every_file_of_the_rooms_is_installed():
    assert [path for path in files_of(ROOMS) if path not in INSTALLED] == []


@pytest.mark.parametrize(
    "needed",
    [
        "contract/diagnostics.yaml",
        "contract/schemas/error.schema.json",
        "cartridges/pong/manifest.yaml",
        "cartridges/pong/program.pbx",
        "cartridges/pong/golden/rally.pbt",
        "bench/kernels/fib.pbasm",
        "bench/peers/sources/kernels.wasm",
    ],
)
def test_what_is_opened_at_run_time_is_among_them(needed):
    assert ROOT / needed in INSTALLED


def test_a_file_that_no_pattern_finds_is_missed():
    without = {name: patterns for name, patterns in PACKAGE_DATA.items() if name != "pbs.cartridges"}
    assert ROOT / "cartridges" / "pong" / "program.pbx" not in installed_files(without)


def test_the_type_marker_is_installed():
    assert (ROOT / "src" / "pbs" / "py.typed").exists()
    assert "py.typed" in PACKAGE_DATA["*"]
