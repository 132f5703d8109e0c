"""`pbs bench peers`: who is here takes part, who is not is named, and who computes something else is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pbs.bench.peers import race, report, rows
from pbs.bench.peers.rows import PEERS, our_peers
from pbs.bench.suite import KERNELS
from pbs.vm.machine import ENGINES

SMALL = ("--size", "small", "--rounds", "2")
SOURCES = Path(rows.__file__).parent / "sources"
CPYTHON = next(peer for peer in PEERS if peer.name == "cpython")


def script(tmp_path: Path, text: str, name: str = "wasm3"):
    """A peer that is this Python with a program of ours."""
    path = tmp_path / "peer.py"
    path.write_text(text)
    return replace(CPYTHON, name=name, source=str(path))  # an absolute path replaces the folder before it


def taking_part(monkeypatch, *peers):
    monkeypatch.setattr(report, "PEERS", peers)


def test_every_engine_races_except_the_reference():
    assert [peer.options[0] for peer in our_peers()] == [e for e in ENGINES if e not in ("auto", "reference")]
    assert [peer.name for peer in our_peers(["auto", "reference", "new"])] == ["pbs new"]


def test_every_peer_has_its_source_and_says_how_it_is_installed():
    for peer in PEERS:
        assert (SOURCES / peer.source).is_file(), peer
        assert (peer.install != "") == (peer.name != "cpython"), peer
    assert len({peer.name for peer in PEERS}) == len(PEERS)


def test_the_kernels_come_to_the_same_in_python_and_here(pbs):
    result = pbs("bench", "peers", "--only", "cpython", "--only", "pbs interpreter", *SMALL, "--json").shown("bench")
    assert result["kernels"] == [kernel.name for kernel in KERNELS]
    found = {row["name"]: row for row in result["peers"]}
    assert found.keys() == {"cpython", "pbs interpreter"}
    assert (found["cpython"]["ours"], found["pbs interpreter"]["ours"]) == (False, True)
    for row in found.values():
        for figure in row["kernels"]:
            spread = figure["ns_per_unit"]
            assert 0 <= spread["least"] <= spread["median"] <= spread["greatest"]
            assert len(figure["seconds"]) == 2


def test_ratios_are_to_those_that_are_held_as_measures(pbs, monkeypatch):
    taking_part(monkeypatch, CPYTHON, replace(CPYTHON, name="wasm3"))
    result = pbs("bench", "peers", "mix", "--only", "cpython", "--only", "wasm3", *SMALL, "--json").shown("bench")
    for row in result["peers"]:
        (ratio,) = row["ratios"]
        assert ratio["to"] == "wasm3"
        assert 0 < ratio["least"] <= ratio["greatest"]
    plain = pbs("bench", "peers", "mix", "--only", "wasm3", *SMALL)
    assert "x wasm3" in plain.out
    assert "1.00 (1.00..1.00)" in plain.out


def test_what_is_not_installed_is_named_with_how_to_get_it(pbs, monkeypatch):
    absent = replace(CPYTHON, name="lua 5.4", program="no-such-program", install="apt-get install lua5.4")
    without_package = replace(
        CPYTHON, name="wasmtime", program=None, package="no_such_package", install="pip install it"
    )
    taking_part(monkeypatch, CPYTHON, absent, without_package)
    command = ("bench", "peers", "mix", "--only", "cpython", "--only", "lua 5.4", "--only", "wasmtime", *SMALL)
    assert pbs(*command, "--json").shown("bench")["missing"] == [
        {"name": "lua 5.4", "reason": "not installed", "install": "apt-get install lua5.4"},
        {"name": "wasmtime", "reason": "not installed", "install": "pip install it"},
    ]
    assert "missing: lua 5.4: not installed; apt-get install lua5.4" in pbs(*command).out


def test_what_does_not_run_is_missing_too_and_says_why(pbs, monkeypatch, tmp_path):
    taking_part(monkeypatch, CPYTHON, script(tmp_path, "raise SystemExit('no licence')"))
    result = pbs("bench", "peers", "mix", "--only", "cpython", "--only", "wasm3", *SMALL, "--json").shown("bench")
    assert [row["name"] for row in result["peers"]] == ["cpython"]
    assert [row["reason"] for row in result["missing"]] == ["it ends with exit status 1: no licence"]


@pytest.mark.parametrize("program", ["print('mix 2000 250540 0.1')", "print()", "print('mix 2000 250539.5 0.1')"])
def test_another_result_is_refused(pbs, monkeypatch, tmp_path, program):
    taking_part(monkeypatch, CPYTHON, script(tmp_path, program))
    done = pbs("bench", "peers", "mix", "--only", "cpython", "--only", "wasm3", *SMALL, "--json")
    error = done.error()
    assert (done.code, error["code"]) == (6, "results_differ")
    assert (error["subject"], error["required"]) == ("wasm3, mix", "250539")


def test_a_compiled_peer_is_made_first(tmp_path, monkeypatch):
    """The compiler is played by a script that writes a program of Python."""
    compiler = tmp_path / "cc"
    compiler.write_text(f"#!{sys.executable}\nimport sys, os\nout = sys.argv[sys.argv.index('-o') + 1]\n"
                        "open(out, 'w').write('#!' + sys.executable + chr(10) + 'print(\"mix 2000 250539 0.5\")')\n"
                        "os.chmod(out, 0o755)\n")  # fmt: skip
    compiler.chmod(0o755)
    gcc = replace(PEERS[0], program=str(compiler))
    mix = next(kernel for kernel in KERNELS if kernel.name == "mix")
    done = race.race([gcc], [mix], size="small", rounds=3)
    assert done.samples[gcc][mix].seconds == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("name", ["a.svg", "a.PNG"])
def test_the_chart_is_a_picture(pbs, tmp_path, name):
    command = ("bench", "peers", "mix", "--only", "cpython", "--only", "pbs interpreter", *SMALL, "--chart", name)
    assert pbs(*command).code == 0
    data = (tmp_path / name).read_bytes()
    assert data.startswith(b"<svg " if name.endswith("svg") else b"\x89PNG\r\n")


def test_without_any_peer_there_is_nothing_to_show(pbs, monkeypatch):
    taking_part(monkeypatch, replace(CPYTHON, program="no-such-program", install="apt-get install it"))
    error = pbs("bench", "peers", "mix", "--only", "cpython", *SMALL, "--json").error()
    assert error["code"] == "peers_missing"
    assert [(f["subject"], f["required"], f["available"]) for f in error["findings"]] == [
        ("cpython", "apt-get install it", "not installed"),
    ]
