"""Every verb, where it succeeds and where it fails: its object follows its closed schema, its exit code the contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pbs.cli.main import VERBS
from pbs.contract.schemas import schema, violations
from pbs.loader import load
from pbs.loader.cartridge import encode_cartridge, read_directory
from pbs.replay import Trace
from pbs.vm import Machine

from .commands import (
    GOLDEN,
    HALT,
    LOOP,
    OLD,
    PONG,
    ROOT,
    TICK,
    TRAP,
    UNSOUND,
    write_cartridge,
    write_history,
    write_program,
)

RALLY = str(GOLDEN["pong"].with_suffix(".pbt"))
SCRIPT = str(GOLDEN["pong"].with_suffix(".inputs"))

# verb, arguments, exit code; the file names are those of the folder below.
SUCCESSES = [
    "run pong --frames 2", f"run pong --trace {RALLY}", f"run pong --input {SCRIPT}", "run tick.pbx --frames 2", "run halt.pbx",
    "run small.cart --frames 1", "run old.pbx --frames 1", "run tick.pbx --frames 1 --engine reference",
    "record pong --frames 2 -o a.pbt", f"record pong --input {SCRIPT} -o a.pbt", "record tick.pbx --input none.inputs -o a.pbt",
    f"replay {RALLY}", f"replay {RALLY} --cartridge pong", "replay cut.pbt --partial", "verify pong", "verify tick.pbx",
    "verify old.pbx", "inspect pong", "inspect tick.pbx", f"inspect {RALLY}", "inspect cut.pbt", "inspect tick.pbs",
    "asm tick.pbasm -o a.pbx", "asm unsound.pbasm -o a.pbx --no-verify", "disasm pong", "disasm tick.pbx -o a.pbasm",
    "pack pong -o a.cart", "explain file_missing", "explain DIV_ZERO", "explain ADD", "version", "doctor",
    "bench run fib load --size small --rounds 1", "bench run mix --engine reference --rounds 1", "bench page runs.jsonl a.html",
    "warmup", "warmup pong tick.pbx", "cache info", "cache clear",
    "bench peers fib --only cpython --size small --rounds 1 --chart a.svg",
    "bench growth batch --size small --rounds 1 --charts .",
    "bench compare installed installed mix --engine reference --size small --rounds 5 --threshold 900",
]  # fmt: skip
FAILURES = [
    ("run trap.pbx --frames 9", 1), ("record trap.pbx --frames 9 -o a.pbt", 1),
    ("run pong --frames 0", 2),
    ("record pong", 2), ("replay", 2), ("verify", 2), ("inspect --no", 2), ("asm", 2), ("disasm a b", 2),
    ("pack", 2),
    ("explain nonsense", 2), ("version 1", 2), ("doctor 1", 2), ("record pong -o taken.pbt", 2),
    ("cache", 2), ("cache empty", 2), ("warmup --frames 1", 2),
    ("run pong --view term", 2), ("asm tick.pbasm -o ./tick.pbasm", 2),
    ("asm tick.pbasm -o link.pbasm", 2), ("disasm tick.pbx -o tick.pbx", 2), ("disasm small -o small/program.pbx", 2),
    ("pack small -o small/manifest.yaml", 2), ("pack small -o small/program.pbx", 2), ("run tick.pbx --screenshot tick.pbx", 2),
    (f"run pong --trace {RALLY} --screenshot {RALLY}", 2), ("replay cut.pbt --partial --screenshot cut.pbt", 2),
    ("run unsound.pbx", 3), ("record unsound.pbx -o a.pbt", 3), ("replay cut.pbt", 3), ("verify unsound.pbx", 3),
    ("inspect unsound.pbx", 3), ("asm unsound.pbasm -o a.pbx", 3), ("disasm cut.pbt", 3), ("pack tick.pbx", 3),
    ("warmup pong unsound.pbx", 3),
    ("run loop.pbx --frames 1 --max-ticks 1", 4), ("record loop.pbx --frames 1 --max-ticks 1 -o a.pbt", 4),
    ("run tick.pbx --frames 1 --screenshot no/a.png", 5), ("record tick.pbx --frames 1 -o no/a.pbt", 5),
    (f"replay {RALLY} --screenshot no/a.png", 5), ("asm tick.pbasm -o no/a.pbx", 5), ("disasm tick.pbx -o no/a.pbasm", 5),
    ("pack pong -o no/a.cart", 5),
    ("bench", 2), ("bench bogus", 2), ("bench run bogus", 2), ("bench run fib --engine bogus", 2),
    ("bench run fib --size small --history tick.pbx", 3), ("bench page tick.pbx a.html", 3), ("bench page runs.jsonl no/a.html", 5),
    ("bench peers bogus", 2), ("bench growth bogus", 2), ("bench growth batch --size small --charts no", 5),
    ("bench compare installed", 2),
    ("bench compare installed nothing", 2), ("bench compare installed tick.whl", 3),
    ("bench compare installed installed bogus", 2), ("bench peers --only bogus", 2), ("bench peers fib --chart a.jpg", 2),
    ("bench peers fib --only cpython --size small --rounds 1 --chart no/a.svg", 5),
    ("bench page runs.jsonl runs.jsonl", 2), ("bench run fib --history no/a.jsonl", 5),
    ("replay other.pbt", 6), ("run pong --trace other.pbt", 6),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One file of every kind."""
    (tmp_path / "pong").symlink_to(PONG)
    for name, text in {"tick": TICK, "halt": HALT, "trap": TRAP, "loop": LOOP, "old": OLD, "unsound": UNSOUND}.items():
        (tmp_path / f"{name}.pbasm").write_text(text)
        write_program(tmp_path / f"{name}.pbx", text)
    (tmp_path / "link.pbasm").symlink_to("tick.pbasm")
    (tmp_path / "none.inputs").write_text("")
    write_history(tmp_path / "runs.jsonl", "before", "after")
    (tmp_path / "taken.pbt").write_bytes(b"mine")
    (tmp_path / "cut.pbt").write_bytes(Path(RALLY).read_bytes()[:-1])
    trace = Trace.read(RALLY)
    trace.rows["digest"][5, 0] ^= 1
    trace.write(tmp_path / "other.pbt")
    machine = Machine(load(tmp_path / "tick.pbx"))
    machine.run(2)
    (tmp_path / "tick.pbs").write_bytes(bytes(machine.snapshot()))
    (tmp_path / "small.cart").write_bytes(encode_cartridge(read_directory(write_cartridge(tmp_path / "small")).members))
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", SUCCESSES)
def test_success_is_one_object_and_the_same_exit_code_for_people(pbs, folder, command, tmp_path, monkeypatch):
    if command == "cache clear":
        monkeypatch.setenv("PBS_CACHE_DIR", str(tmp_path / "none"))
    before = contents(folder)
    done = pbs(*command.split(), "--json")
    assert done.code == 0
    assert done.shown(command.split()[0])["verb"] == command.split()[0]
    assert done.out.count("\n}\n") == 1
    written = contents(folder)
    assert before.items() <= written.items()
    for name in written.keys() - before.keys():
        Path(name).unlink()
    plain = pbs(*command.split())
    assert (plain.code, plain.out != "") == (0, True)
    assert contents(folder).keys() == written.keys()


@pytest.mark.parametrize(("command", "code"), FAILURES)
def test_failure_is_one_object_and_nothing_that_was_there_is_lost(pbs, folder, command, code):
    before = contents(folder)
    done = pbs(*command.split(), "--json")
    if code == 1:  # the guest's failure is a result of the verb
        assert (done.code, done.shown(command.split()[0])["status"]) == (1, "trapped")
    else:
        assert (done.code, done.error()["hint"] is not None) == (code, True)
    assert before.items() <= contents(folder).items()
    for name in contents(folder).keys() - before.keys():
        assert Path(name).name == "a.pbt"  # what was recorded is kept
        Path(name).unlink()
    plain = pbs(*command.split())
    assert plain.code == code
    assert (plain.out == "") == (code != 1)


def test_every_verb_stands_on_both_lists():
    assert {command.split()[0] for command in SUCCESSES} == set(VERBS)
    assert {command.split()[0] for command, _ in FAILURES} == set(VERBS)
    # 7, 70 and 130 cannot be had by files and options: test_usage, test_record, test_run, test_terminal.
    assert {code for _, code in FAILURES} == {1, 2, 3, 4, 5, 6}


def test_every_verb_has_a_schema_and_every_schema_is_closed():
    names = {path.name.removesuffix(".schema.json") for path in (ROOT / "contract/schemas").glob("*.json")}
    assert names == {*VERBS, "error", "manifest"}
    for name in names:
        assert list(_open(schema(name))) == []


def _open(value, at="", refined=False):
    """Objects of a schema that would let unknown keys pass."""
    if isinstance(value, dict):
        described = value.get("type") == "object" and "properties" in value
        if described and not refined and "/$defs/" not in at:
            closed = value.get("additionalProperties") is False or value.get("unevaluatedProperties") is False
            if not closed:
                yield at
        for key, inner in value.items():
            yield from _open(inner, f"{at}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _open(inner, f"{at}/{index}")


@pytest.mark.parametrize("command", ["version", "explain ADD", "verify pong", "run pong --frames 1", "inspect pong"])
def test_a_key_more_or_less_breaks_the_schema(pbs, folder, command):
    verb = command.split()[0]
    value = json.loads(pbs(*command.split(), "--json").out)
    assert violations(verb, value) == []
    assert violations(verb, {**value, "more": 1})
    for key in value:
        assert violations(verb, {k: v for k, v in value.items() if k != key}), key
