"""What a verb loads: no compiler where nothing runs, and no window where none is shown."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import pbs

from .commands import GOLDEN, PONG, TICK, TIMEOUT_S, environment

# Runs commands one after the other in a process of its own; after each, its exit code and all that was loaded until then.
PROBE = """
import json, os, sys
from pbs.cli.main import run
said, sys.stdout = sys.stdout, open(os.devnull, "w")
rows = [[run(command), sorted(sys.modules)] for command in json.loads(sys.argv[1])]
json.dump(rows, said)
"""
TRACE = str(GOLDEN["pong"].with_suffix(".pbt"))
CART = str(PONG)
NOTHING_RUNS = [
    ["--help"], ["version"], ["explain", "DIV"], ["explain", "file_missing"], ["asm", "tick.pbasm"], ["disasm", CART],
    ["verify", CART], ["verify", f"{CART}/program.pbx"], ["inspect", CART], ["inspect", TRACE], ["pack", CART, "-o", "a.cart"],
    ["run", "--help"], ["record", "--help"], ["replay", "--help"], ["doctor", "--help"],
    ["bench", "--help"], ["bench", "run", "--help"],
]  # fmt: skip


def loaded(folder, commands):
    """For each command its exit code, and the names of all modules that were loaded until then."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(commands)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=folder, env=environment(), timeout=TIMEOUT_S, check=True,
    )  # fmt: skip
    return [(code, set(modules)) for code, modules in json.loads(done.stdout)]


def test_what_runs_nothing_loads_no_compiler_and_shows_nothing(tmp_path):
    (tmp_path / "tick.pbasm").write_text(TICK)
    for command, (code, modules) in zip(NOTHING_RUNS, loaded(tmp_path, NOTHING_RUNS), strict=True):
        assert code == 0, command
        assert modules & {"numba", "llvmlite", "pygame", "PIL", "pbs.console.term", "pbs.console.window"} == set(), (
            command
        )


@pytest.mark.parametrize("command", [["--help"], ["version"], ["explain", "DIV"], ["bogus"]])
def test_what_reads_no_file_loads_neither_arrays_nor_schemas(tmp_path, command):
    ((_, modules),) = loaded(tmp_path, [command])
    assert modules & {"numpy", "jsonschema", "pbs.vm", "pbs.verifier", "pbs.loader"} == set()


def test_the_reference_runs_without_a_compiler(tmp_path):
    command = ["run", CART, "--frames", "1", "--engine", "reference"]
    ((code, modules),) = loaded(tmp_path, [command])
    assert code == 0
    assert modules & {"numba", "llvmlite", "pygame", "PIL"} == set()


def test_what_was_run_before_runs_without_loader_verifier_or_instruction_table(tmp_path):
    """What was compiled before is linked without numba; what was loaded before needs no loading."""
    command = ["run", CART, "--frames", "1"]
    loaded(tmp_path, [command])
    ((code, modules),) = loaded(tmp_path, [command])
    assert code == 0
    assert "llvmlite" in modules
    assert modules & {"numba", "jsonschema", "yaml", "construct", "semver", "subprocess", "pygame", "PIL"} == set()
    rooms = {module.split(".")[1] for module in modules if module.startswith("pbs.")}
    assert rooms == {"cli", "console", "contract", "host", "isa", "loader", "vm"}
    assert {m for m in modules if m.startswith(("pbs.isa.", "pbs.host.", "pbs.loader."))} == {
        "pbs.isa.traps", "pbs.host.devices", "pbs.loader.image"
    }  # fmt: skip
    assert modules & {"pbs.vm.kinds", "pbs.vm.lower", "pbs.vm.encode", "pbs.vm.handlers", "pbs.vm.snapshot"} == set()


def test_the_first_run_of_a_cartridge_is_what_loads_the_rest(tmp_path):
    """So that the probe would see it."""
    path = tmp_path / "tick.pbx"
    path.write_bytes(pbs.assemble(TICK, source=str(tmp_path)))  # a program that was never run
    ((code, modules),) = loaded(tmp_path, [["run", str(path), "--frames", "1"]])
    assert code == 0
    assert {"pbs.loader.loading", "pbs.verifier.verify", "pbs.vm.encode"} <= modules
    assert "numba" not in modules
