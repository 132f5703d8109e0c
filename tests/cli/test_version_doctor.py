"""`pbs version` and `pbs doctor`."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError

import pytest

import pbs as package
from pbs.contract import axes


def test_the_version_shows_release_and_axes(pbs):
    done = pbs("version", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.shown("version") == {"verb": "version", "release": package.__version__, "axes": dict(axes.CURRENT)}
    lines = pbs("version").out.splitlines()
    assert lines[0] == f"pbs {package.__version__}"
    assert [line.split() for line in lines[1:]] == [[name, value] for name, value in axes.CURRENT.items()]


def test_every_format_of_the_documents_is_an_axis(pbs):
    shown = pbs("version", "--json").shown("version")["axes"]
    named = {"program_format_version", "manifest_schema_version", "cartridge_format_version", "trace_format_version",
             "snapshot_format_version", "cli_contract", "native_runtime_version", "isa_version"}  # fmt: skip
    assert named <= set(shown)


def checks(done):
    return {row["check"]: row["severity"] for row in done.shown("doctor")["findings"]}


def test_the_doctor_finds_a_working_installation_healthy(pbs):
    done = pbs("doctor", "--json")
    value = done.shown("doctor")
    assert (done.code, value["verb"], value["release"], value["healthy"]) == (0, "doctor", package.__version__, True)
    assert {"python", "numba", "llvmlite", "numpy", "core", "environment", "window", "terminal"} <= set(checks(done))
    assert (checks(done)["python"], checks(done)["core"]) == ("ok", "ok")
    plain = pbs("doctor")
    assert plain.code == 0
    assert plain.out.splitlines()[0].split()[:2] == ["ok", "python"]


def test_a_missing_package_is_exit_code_3(pbs, monkeypatch):
    from pbs.cli import doctor

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", missing)
    done = pbs("doctor", "--json")
    assert (done.code, done.shown("doctor")["healthy"]) == (3, False)
    assert {checks(done)[name] for name in ("numba", "llvmlite", "numpy")} == {"error"}
    assert "hint: pip install" in pbs("doctor").out


def test_a_machine_without_a_compiler_is_exit_code_3(pbs, monkeypatch):
    from pbs.cli import doctor

    monkeypatch.setattr(doctor, "find_spec", lambda _name: None)
    done = pbs("doctor", "--json")
    assert (done.code, checks(done)["core"], checks(done)["window"]) == (3, "error", "advisory")


def test_another_version_of_a_package_is_a_warning(pbs, monkeypatch):
    from pbs.cli import doctor

    monkeypatch.setattr(doctor, "version", lambda _name: "9999.0")
    done = pbs("doctor", "--json")
    assert (done.code, {checks(done)[name] for name in ("numba", "llvmlite", "numpy")}) == (0, {"warning"})


def test_settings_of_numba_around_are_told(pbs, tmp_path, monkeypatch):
    for name in os.environ:
        if name.startswith("NUMBA_"):
            monkeypatch.delenv(name)
    assert checks(pbs("doctor", "--json"))["environment"] == "ok"
    monkeypatch.setenv("NUMBA_OPT", "0")
    assert checks(pbs("doctor", "--json"))["environment"] == "advisory"
    monkeypatch.delenv("NUMBA_OPT")
    (tmp_path / ".numba_config.yaml").write_text("opt: 0\n")
    assert checks(pbs("doctor", "--json"))["environment"] == "advisory"


@pytest.mark.parametrize("verb", ["version", "doctor"])
@pytest.mark.parametrize("argument", ["more", "--frames"])
def test_neither_takes_anything(pbs, verb, argument):
    done = pbs(verb, argument, "--json")
    assert (done.code, done.refused()) == (2, "usage")
