"""`pbs inspect`."""

from __future__ import annotations

import pytest

from pbs.contract import axes
from pbs.loader import load
from pbs.replay import Trace
from pbs.vm import Machine

from .commands import (
    CARTRIDGES,
    GOLDEN,
    OLD,
    PONG,
    TICK,
    UNSOUND,
    golden_digests,
    write_cartridge,
    write_program,
)

JAM = {
    "frame_cycles": 200_000, "heap_words": 16_384, "objects": 2_048, "gc_threshold_words": 4_096, "stack_words": 1_024,
    "call_depth": 64, "coroutines": 16, "host_calls": 1_024, "log_bytes": 1_024,
}  # fmt: skip
STANDARD = {
    "frame_cycles": 2_000_000, "heap_words": 262_144, "objects": 16_384, "gc_threshold_words": 65_536, "stack_words": 4_096,
    "call_depth": 256, "coroutines": 64, "host_calls": 8_192, "log_bytes": 4_096,
}  # fmt: skip


def test_a_cartridge_shows_what_its_manifest_says(pbs, tmp_path):
    folder = write_cartridge(tmp_path / "small")
    assert pbs("pack", folder, "-o", "small.cart").code == 0
    done = pbs("inspect", folder, "--json")
    value = done.shown("inspect")
    assert done.code == 0
    assert value["kind"] == "cartridge"
    assert (value["cartridge"]["id"], value["cartridge"]["title"]) == ("small", "A small one")
    assert value["target"] == {"isa": "1.0.0", "profile": "core", "profile_version": "1.0.0"}
    assert value["limits"] == JAM
    assert (value["host_calls"], value["capabilities"], value["entries"], value["exports"]) == ([], [], ["main"], [])
    (function,) = value["functions"]
    # GET_GLOBAL 6, PUSH_I32 6, ADD 2, SET_GLOBAL 6, FRAME_SYNC 2, JMP 6
    assert (function["name"], function["code_bytes"], function["instructions"], function["blocks"]) == (
        "main",
        28,
        6,
        2,
    )
    assert function["may_stop"] is True
    assert pbs("inspect", "small.cart", "--json").shown("inspect") == value


def test_a_bare_program_shows_what_it_says_itself(pbs, tmp_path):
    text = (
        TICK
        + ".func double(n: int) -> int\n    GET_LOCAL n\n    PUSH 2\n    MUL\n    RET\n.end\n.export twice = double\n"
    )
    value = pbs("inspect", write_program(tmp_path / "a.pbx", text), "--json").shown("inspect")
    assert value["kind"] == "program"
    assert (value["cartridge"]["id"], value["limits"], value["exports"]) == (None, STANDARD, ["twice"])
    assert [(f["index"], f["name"], f["may_stop"]) for f in value["functions"]] == [
        (0, "main", True),
        (1, "double", False),
    ]


def test_a_program_without_names_shows_none(pbs, tmp_path):
    value = pbs("inspect", write_program(tmp_path / "a.pbx", TICK + ".strip\n"), "--json").shown("inspect")
    assert [function["name"] for function in value["functions"]] == [None]


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_every_cartridge_shows_its_host_calls_and_capabilities(pbs, name):
    value = pbs("inspect", CARTRIDGES / name, "--json").shown("inspect")
    identities = [row["identity"] for row in value["host_calls"]]
    assert identities == sorted(identities)
    manifest = (CARTRIDGES / name / "manifest.yaml").read_text()
    rows = [line.strip(" -[]").split(", ") for line in manifest.splitlines() if line.strip().startswith("- [")]
    assert identities == [f"{module}.{member}/{version}" for module, member, version in rows]
    assert {row["capability"] for row in value["host_calls"]} - {None} == set(value["capabilities"])


def test_a_deprecated_service_shows_what_it_is_a_shim_of(pbs, tmp_path):
    done = pbs("inspect", write_program(tmp_path / "old.pbx", OLD), "--json")
    (row,) = done.shown("inspect")["host_calls"]
    assert (row["identity"], row["shim_of"], row["capability"]) == ("gfx.text/1", "gfx.text/2", "gfx@1.0")


def test_a_trace_shows_under_what_it_was_recorded(pbs):
    done = pbs("inspect", GOLDEN["pong"].with_suffix(".pbt"), "--json")
    value = done.shown("inspect")
    digests = golden_digests("pong")
    assert (done.code, value["kind"], value["complete"], value["status"]) == (0, "trace", True, "synced")
    assert (value["frames"], value["last_digest"], value["seed"]) == (len(digests), digests[-1], 0)
    assert (value["from_snapshot"], value["axes"]) == (False, dict(sorted(axes.CURRENT.items())))
    assert value["cartridge"]["id"] == "pong"


def test_a_trace_without_its_end_shows_that(pbs, tmp_path):
    data = GOLDEN["pong"].with_suffix(".pbt").read_bytes()
    (tmp_path / "cut.pbt").write_bytes(data[:-1])
    value = pbs("inspect", "cut.pbt", "--json").shown("inspect")
    assert (value["complete"], value["status"], value["frames"]) == (False, None, len(golden_digests("pong")))


def test_a_trace_with_forged_cycles_is_still_shown(pbs, tmp_path):
    trace = Trace.read(GOLDEN["pong"].with_suffix(".pbt"))
    trace.rows["cycles"][:] = 2**64 - 1
    trace.write(tmp_path / "forged.pbt")
    assert pbs("inspect", "forged.pbt", "--json").shown("inspect")["frames"] == len(trace)


@pytest.fixture
def snapshot(tmp_path):
    machine = Machine(load(PONG))
    machine.run(3)
    (tmp_path / "pong.pbs").write_bytes(bytes(machine.snapshot()))
    return tmp_path / "pong.pbs"


def test_a_snapshot_shows_of_which_cartridge_it_is(pbs, snapshot):
    value = pbs("inspect", snapshot, "--json").shown("inspect")
    assert (value["kind"], value["bytes"]) == ("snapshot", snapshot.stat().st_size)
    assert value["cartridge_digest"] == load(PONG).digest.hex()


@pytest.mark.parametrize("size", [4, 47, 48, 127, 128, 1000, -1])
def test_a_snapshot_that_is_cut_short_is_refused(pbs, snapshot, size):
    snapshot.write_bytes(snapshot.read_bytes()[:size])
    done = pbs("inspect", snapshot, "--json")
    assert (done.code, done.refused()) == (3, "snapshot_malformed")


def test_a_damaged_snapshot_is_refused(pbs, snapshot):
    data = bytearray(snapshot.read_bytes())
    data[20] ^= 1  # in the digest of the cartridge, which is what is shown
    snapshot.write_bytes(data)
    done = pbs("inspect", snapshot, "--json")
    assert (done.code, done.refused()) == (3, "snapshot_checksum_wrong")


def test_a_snapshot_of_another_format_is_refused(pbs, snapshot):
    data = bytearray(snapshot.read_bytes())
    data[4] = 2
    snapshot.write_bytes(data)
    assert pbs("inspect", snapshot, "--json").refused() == "snapshot_format_unsupported"


@pytest.mark.parametrize("what", ["cartridge", "program", "trace", "snapshot"])
def test_people_read_the_same_as_lines(pbs, tmp_path, snapshot, what):
    path = {
        "cartridge": PONG, "program": PONG / "program.pbx", "trace": GOLDEN["pong"].with_suffix(".pbt"), "snapshot": snapshot,
    }[what]  # fmt: skip
    value = pbs("inspect", path, "--json").shown("inspect")
    done = pbs("inspect", path)
    assert done.code == 0
    assert f"kind: {what}" in done.out.splitlines()
    assert value.get("cartridge_digest", value.get("cartridge", {}).get("digest")) in done.out


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file_unrecognized"), (b"P", "file_unrecognized"), (b"PBS", "file_unrecognized"),
        (b"PBSI" + bytes(20), "file_unrecognized"),
        (b"text", "file_unrecognized"), (b"PBSX", "program_truncated"), (b"PBSC", "cartridge_truncated"),
        (b"PBST", "trace_truncated"), (b"PBSS", "snapshot_malformed"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_ours_is_refused(pbs, tmp_path, content, code):
    (tmp_path / "file").write_bytes(content)
    done = pbs("inspect", "file", "--json")
    assert (done.code, done.refused()) == (3, code)


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        ([], "usage", 2),
        (["nothing"], "file_missing", 3),
        (["empty"], "cartridge_member_missing", 3),
        (["--x"], "usage", 2),
    ],
)
def test_what_cannot_be_inspected_is_refused(pbs, tmp_path, arguments, code, exit_code):
    (tmp_path / "empty").mkdir()
    done = pbs("inspect", *arguments, "--json")
    assert (done.code, done.refused()) == (exit_code, code)


def test_a_program_that_may_not_run_is_refused(pbs, tmp_path):
    assert pbs("inspect", write_program(tmp_path / "unsound.pbx", UNSOUND), "--json").refused() == "program_invalid"
