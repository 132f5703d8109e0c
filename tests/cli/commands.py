"""The command `pbs` in tests: called in this process, or run as a process of its own; and what is given to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import pbs
from pbs.contract.diagnostics import registry
from pbs.contract.schemas import violations
from pbs.vm import Machine

ROOT = Path(__file__).resolve().parents[2]
CARTRIDGES = ROOT / "cartridges"
PONG = CARTRIDGES / "pong"
GOLDEN = {
    name: CARTRIDGES / name / "golden" / trace
    for name, trace in {"life": "gliders", "orbits": "dance", "pong": "rally"}.items()
}  # without suffix: .pbt, .digests, .inputs
COMMAND = (sys.executable, "-m", "pbs")
TIMEOUT_S = 120

# docs/machine.md, command line
EXIT_CODES = {
    "trap": 1, "usage": 2, "malformed": 3, "invalid": 3, "incompatible": 3, "limit": 4, "storage": 5, "diverged": 6,
    "slower": 8, "denied": 7, "interrupted": 130, "internal": 70,
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What a command came to."""

    code: int
    out: str
    err: str

    def shown(self, schema: str) -> dict[str, Any]:
        """The one JSON object on standard output, which follows the schema."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        assert violations(schema, value) == []
        assert "Traceback" not in self.err
        return value

    def error(self) -> dict[str, Any]:
        """The one error object, whose code is registered, and whose family gave the exit code."""
        error: dict[str, Any] = self.shown("error")["error"]
        for finding in (error, *error["findings"]):
            assert registry()[finding["code"]].family.value == finding["family"]
        assert self.code == EXIT_CODES[error["family"]]
        assert error["code"] in self.err
        return error

    def refused(self) -> str:
        """The code of the error object."""
        code: str = self.error()["code"]
        return code


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, without what would change how PBS behaves; the package is found from any folder."""
    foreign = (
        "PBS_ENGINE",
        "PBS_VIEW",
        "PBS_DEBUG",
        "NO_COLOR",
        "COLORTERM",
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "PYTHONIOENCODING",
    )
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return {**kept, "PYTHONPATH": str(ROOT / "src"), **(extra or {})}


def process(*arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Outcome:
    """The command as a process, its streams pipes."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd, env=environment(env), timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    return Outcome(done.returncode, done.stdout, done.stderr)


def shell(script: str, *arguments: object, cwd: Path | None = None) -> Outcome:
    """A bash script in which `pbs` is the command, and which gets the arguments as $1 and on."""
    lines = f'pbs() {{ "{sys.executable}" -m pbs "$@"; }}\n{script}'
    done = subprocess.run(
        ["bash", "-c", lines, "bash", *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, cwd=cwd, env=environment(), timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    return Outcome(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def signal_at(monkeypatch: pytest.MonkeyPatch, frame: int, number: signal.Signals = signal.SIGINT) -> None:
    """The signal comes while the machine runs what makes it reach that frame."""
    advance = Machine.advance

    def advanced(self: Machine, *arguments: Any) -> Any:
        results = advance(self, *arguments)
        if self.frame >= frame:
            signal.raise_signal(number)
        return results

    monkeypatch.setattr(Machine, "advance", advanced)


# ---- programs ------------------------------------------------------------------------------------------------------------

_TARGET = '.target profile "core" "1.0.0"\n'

# 5 cycles in frame 0, 7 in each later one: GET_GLOBAL, PUSH, ADD, SET_GLOBAL, FRAME_SYNC cost 1 each, JMP 2.
TICK = f"""{_TARGET}
.global turn: int
.func main()
again:
    GET_GLOBAL turn
    PUSH 1
    ADD
    SET_GLOBAL turn
    FRAME_SYNC
    JMP again
.end
"""
HALT = f"{_TARGET}.func main()\n    HALT\n.end\n"
# Two frames, then the trap: at byte 16 (FRAME_SYNC 2, 2, PUSH 6, 6), at line 7, after 1 + 1 + 1 + 1 + 4 cycles.
TRAP = f"""{_TARGET}.func main()
    FRAME_SYNC
    FRAME_SYNC
    PUSH 1
    PUSH 0
    DIV
    POP
    RET
.end
"""
LOOP = f"{_TARGET}.func main()\nagain:\n    JMP again\n.end\n"
# Two frames, then one without end.
LOOP_LATER = f"{_TARGET}.func main()\n    FRAME_SYNC\n    FRAME_SYNC\nagain:\n    JMP again\n.end\n"
# Each frame takes three million cycles and more, where a bare program is given two million a tick.
LONG = f"""{_TARGET}
.func main()
    .local i: int
frame:
    PUSH 600_000
    SET_LOCAL i
count:
    GET_LOCAL i
    PUSH 1
    SUB
    DUP
    SET_LOCAL i
    PUSH 0
    GT
    JMP_IF_TRUE count
    FRAME_SYNC
    JMP frame
.end
"""
# Logs one line a frame, at level 3: what a terminal would obey, in quotes.
CHATTY = """.target profile "game" "1.0.0"
.const TEXT = "a\\x1b[31m\\x07b"
.func main()
again:
    PUSH 3
    PUSH TEXT
    HOSTCALL log.write/1
    POP
    FRAME_SYNC
    JMP again
.end
"""
# Draws by an identity that a shim serves.
OLD = """.target profile "game" "1.0.0"
.const TEXT = "old"
.func main()
    PUSH 0
    PUSH 0
    PUSH TEXT
    PUSH 65535
    HOSTCALL gfx.text/1
    HALT
.end
"""
# Two paths meet with different numbers of operands.
UNSOUND = f"""{_TARGET}.func main()
    PUSH true
    JMP_IF_TRUE on
    PUSH 1
on:
    HALT
.end
"""

MANIFEST = """manifest_schema_version: "1.0.0"
identity: {id: small, title: A small one, version: "2.3.4"}
runtime_compatibility: {min_version: "1.0.0"}
target: {isa: "1.0.0", profile: core, profile_version: "1.0.0"}
requires: {host_calls: [], capabilities: []}
entries: {main: {owner: vm}}
limits: {profile: JAM}
"""

# What `pbs bench run fib --size small --rounds 2` may print.
RESULT = {
    "verb": "bench", "action": "run", "release": "0.1.0", "label": "before", "at": "2026-01-02T03:04:05Z",
    "machine": {"cpu": "znver4", "cores": 2, "system": "Linux", "architecture": "x86_64", "python": "CPython 3.11.7"},
    "engine": "auto", "size": "small", "rounds": 2,
    "benchmarks": [
        {
            "name": "fib", "kind": "kernel", "says": "calls and returns", "unit": "call", "units": 1973,
            "ns_per_unit": {"median": 5.0, "least": 4.0, "greatest": 6.0}, "units_per_second": 2e8,
            "cycles": 37479, "cycles_per_second": 3.8e9, "clock": "processor", "seconds": [7.9e-6, 11.8e-6],
        },
        {
            "name": "load", "kind": "cost", "says": "a cartridge's directory to an image", "unit": "cartridge", "units": 1,
            "ns_per_unit": {"median": 7e6, "least": 7e6, "greatest": 7e6}, "units_per_second": 142.9,
            "cycles": None, "cycles_per_second": None, "clock": "processor", "seconds": [0.007, 0.007],
        },
    ],
    "peak_bytes": None,
}  # fmt: skip


def write_history(path: Path, *labels: str) -> Path:
    """A history of benchmarks, one line for each label."""
    path.write_text("".join(json.dumps({**RESULT, "label": label}) + "\n" for label in labels))
    return path


def write_program(path: Path, text: str) -> Path:
    """The text as a program file that says nothing of where it came from."""
    path.write_bytes(pbs.assemble(text))
    return path


def write_cartridge(folder: Path, text: str = TICK, manifest: str = MANIFEST) -> Path:
    """A cartridge directory."""
    folder.mkdir()
    write_program(folder / "program.pbx", text)
    (folder / "manifest.yaml").write_text(manifest)
    return folder


def golden_digests(name: str) -> list[str]:
    """The frame digests of a golden recording."""
    return [line.split()[1] for line in GOLDEN[name].with_suffix(".digests").read_text().splitlines()]
