"""`pbs record`."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time

import pytest

from pbs.replay import Trace
from pbs.vm import Machine

from .commands import (
    CARTRIDGES,
    CHATTY,
    COMMAND,
    GOLDEN,
    HALT,
    LONG,
    LOOP,
    LOOP_LATER,
    PONG,
    TIMEOUT_S,
    TRAP,
    Outcome,
    environment,
    golden_digests,
    signal_at,
    write_cartridge,
    write_program,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_recording_the_golden_script_gives_what_the_golden_trace_holds(pbs, tmp_path, name):
    golden = GOLDEN[name]
    done = pbs(
        "record", CARTRIDGES / name, "--input", golden.with_suffix(".inputs"), "-o", tmp_path / "a.pbt", "--json"
    )
    value = done.shown("record")
    assert done.code == 0
    assert (value["verb"], value["status"], value["interrupted"]) == ("record", "synced", False)
    assert (value["trace"], value["frames"]) == (str(tmp_path / "a.pbt"), len(golden_digests(name)))
    assert (
        bytes(Trace.read(tmp_path / "a.pbt")) == golden.with_suffix(".pbt").read_bytes()
    )  # blocks may be cut differently
    assert names(tmp_path) == ["a.pbt"]


@pytest.mark.parametrize("engine", ["reference", "interpreter"])
@pytest.mark.parametrize("frames", [1, 59, 60, 61, 130])
def test_what_was_recorded_replays_equal(pbs, tmp_path, tick, engine, frames):
    done = pbs(
        "record", tick, "--frames", frames, "-o", "a.pbt", "--engine", engine, "--seed", -5, "--view", "none", "--json"
    )
    value = done.shown("record")
    assert (done.code, value["frames"], value["cycles"], value["seed"]) == (0, frames, 7 * frames - 2, -5)
    trace = Trace.read(tmp_path / "a.pbt")
    assert (len(trace), trace.header.seed, trace.header.cartridge) == (frames, -5, tick.read_bytes())
    replayed = pbs("replay", "a.pbt", "--json").shown("replay")
    assert (replayed["frames"], replayed["digest"], replayed["complete"]) == (frames, value["digest"], True)


def test_without_json_people_read_what_was_recorded(pbs, tick):
    done = pbs("record", tick, "--frames", 3, "-o", "a.pbt", "--view", "none")
    assert done.code == 0
    assert "3 frames, 19 cycles" in done.out
    assert "recorded a.pbt" in done.out


def test_the_input_of_every_frame_is_recorded(pbs, tmp_path):
    (tmp_path / "some.inputs").write_text("2\n1 up a\n1 touch 319,179\n1 touch 0,0 select\n")
    assert pbs("record", PONG, "--input", "some.inputs", "-o", "a.pbt", "--json").code == 0
    trace = Trace.read(tmp_path / "a.pbt")
    inputs = [(given.buttons, given.touch) for given in trace.inputs()]
    assert inputs == [
        (set(), None), (set(), None), ({"up", "a"}, None), (set(), (319, 179)), ({"select"}, (0, 0)),
    ]  # fmt: skip
    assert [int(row["held"]) for row in trace.rows] == [0, 0, 0b10001, 0, 1 << 11]


@pytest.mark.parametrize(("text", "code", "status", "frames"), [(TRAP, 1, "trapped", 3), (HALT, 0, "halted", 1)])
def test_a_machine_that_ends_ends_the_recording(pbs, tmp_path, text, code, status, frames):
    path = write_program(tmp_path / "short.pbx", text)
    done = pbs("record", path, "--frames", 50, "-o", "a.pbt", "--json")
    value = done.shown("record")
    assert (done.code, value["status"], value["frames"], value["trace"]) == (code, status, frames, "a.pbt")
    replayed = pbs("replay", "a.pbt", "--json")
    assert replayed.code == 0
    assert replayed.shown("replay")["status"] == status


def test_nothing_played_is_nothing_recorded(pbs, tmp_path, tick):
    (tmp_path / "empty.inputs").write_text("")
    done = pbs("record", tick, "--input", "empty.inputs", "-o", "a.pbt", "--json")
    value = done.shown("record")
    assert (done.code, value["trace"], value["frames"]) == (0, None, 0)
    assert names(tmp_path) == ["empty.inputs", "tick.pbx"]
    assert "nothing is recorded" in pbs("record", tick, "--input", "empty.inputs", "-o", "a.pbt").out


def test_a_screenshot_is_taken_of_the_last_screen(pbs, tmp_path):
    done = pbs("record", PONG, "--frames", 40, "-o", "a.pbt", "--screenshot", "a.png", "--json")
    assert done.code == 0
    assert pbs("run", PONG, "--frames", 40, "--screenshot", "b.png", "--json").code == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


# ---- outputs


def test_an_output_that_exists_is_kept_unless_forced(pbs, tmp_path, tick):
    (tmp_path / "a.pbt").write_bytes(b"mine")
    done = pbs("record", tick, "--frames", 1, "-o", "a.pbt", "--json")
    assert (done.code, done.refused()) == (2, "output_exists")
    assert (tmp_path / "a.pbt").read_bytes() == b"mine"
    assert names(tmp_path) == ["a.pbt", "tick.pbx"]
    for option in ("--force", "-f"):
        assert pbs("record", tick, "--frames", 1, "-o", "a.pbt", option, "--json").code == 0
        assert len(Trace.read(tmp_path / "a.pbt")) == 1
        (tmp_path / "a.pbt").write_bytes(b"mine")


def test_a_directory_is_not_replaced(pbs, tmp_path, tick):
    (tmp_path / "folder").mkdir()
    assert pbs("record", tick, "--frames", 1, "-o", "folder", "--json").refused() == "output_exists"
    done = pbs("record", tick, "--frames", 1, "-o", "folder", "--force", "--json")
    assert (done.code, done.refused()) == (5, "file_unwritable")
    assert (tmp_path / "folder").is_dir()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_what_is_no_regular_file_is_not_replaced(pbs, tmp_path, tick, force):
    """A FIFO stands here for any: to root, /dev/null would be replaced just so."""
    os.mkfifo(tmp_path / "pipe")
    done = pbs("record", tick, "--frames", 1, "-o", "pipe", *force, "--json")
    assert (done.code, done.refused()) == ((5, "file_unwritable") if force else (2, "output_exists"))
    assert (tmp_path / "pipe").is_fifo()
    assert names(tmp_path) == ["pipe", "tick.pbx"]


def test_what_a_killed_recording_left_is_kept_unless_forced(pbs, tmp_path, tick):
    (tmp_path / "a.pbt.partial").write_bytes(b"mine")
    error = pbs("record", tick, "--frames", 1, "-o", "a.pbt", "--json").error()
    assert (error["code"], error["subject"]) == ("output_exists", "a.pbt.partial")
    assert (tmp_path / "a.pbt.partial").read_bytes() == b"mine"
    assert pbs("record", tick, "--frames", 1, "-o", "a.pbt", "--force", "--json").code == 0
    assert names(tmp_path) == ["a.pbt", "tick.pbx"]


def test_a_link_leads_to_what_is_written(pbs, tmp_path, tick):
    (tmp_path / "link.pbt").symlink_to("real.pbt")
    assert pbs("record", tick, "--frames", 2, "-o", "link.pbt", "--json").code == 0
    assert (tmp_path / "link.pbt").is_symlink()
    assert len(Trace.read(tmp_path / "real.pbt")) == 2


def test_what_is_read_is_never_written(pbs, tmp_path, tick):
    data = tick.read_bytes()
    (tmp_path / "one.inputs").write_text("1\n")
    for more in (
        ["-o", "tick.pbx"], ["-o", "./one.inputs"], ["-o", "a.pbt", "--screenshot", "tick.pbx"],
        ["-o", "a.pbt", "--screenshot", "a.pbt"], ["-o", "a.pbt", "--screenshot", "one.inputs"],
    ):  # fmt: skip
        done = pbs("record", tick, "--input", "one.inputs", "--force", *more, "--json")
        assert (done.code, done.refused()) == (2, "usage")
    assert (tick.read_bytes(), (tmp_path / "one.inputs").read_text()) == (data, "1\n")
    assert names(tmp_path) == ["one.inputs", "tick.pbx"]


@pytest.mark.parametrize("name", ["missing/a.pbt", "tick.pbx/a.pbt", "x" * 250, "x" * 300, "a\0b", "half \ud800"])
def test_an_output_that_cannot_be_is_exit_code_5(pbs, tmp_path, tick, name):
    done = pbs("record", tick, "--frames", 1, "-o", tmp_path / name, "--json")
    assert (done.code, done.refused()) == (5, "file_unwritable")
    assert names(tmp_path) == ["tick.pbx"]


def test_an_output_must_be_named(pbs, tick):
    done = pbs("record", tick, "--json")
    assert (done.code, done.refused()) == (2, "usage")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nothing.cart"], "file_missing"), (["tick.pbx", "--frames", "0"], "usage"),
        (["tick.pbx", "--engine", "x"], "engine_unknown"),
        (["tick.pbx", "--input", "nothing"], "file_missing"), (["tick.pbx", "--view", "term"], "view_unavailable"),
    ],
)  # fmt: skip
def test_a_recording_that_does_not_begin_leaves_no_file(pbs, tmp_path, tick, arguments, code):
    assert pbs("record", *arguments, "-o", "a.pbt", "--json").refused() == code
    assert names(tmp_path) == ["tick.pbx"]


# ---- what goes wrong on the way


def test_a_first_frame_without_end_leaves_no_file(pbs, tmp_path):
    path = write_cartridge(tmp_path / "loop", LOOP)
    done = pbs("record", path, "--frames", 2, "--max-ticks", 1, "-o", "a.pbt", "--json")
    assert (done.code, done.refused()) == (4, "frame_unfinished")
    assert names(tmp_path) == ["loop"]


def test_frames_before_one_without_end_are_kept(pbs, tmp_path):
    path = write_cartridge(tmp_path / "loop", LOOP_LATER)
    done = pbs("record", path, "--frames", 5, "--max-ticks", 1, "-o", "a.pbt", "--json")
    assert (done.code, done.refused()) == (4, "frame_unfinished")
    trace = Trace.read(tmp_path / "a.pbt")
    assert [int(cycles) for cycles in trace.rows["cycles"]] == [1, 1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_recording_and_keeps_it(pbs, tmp_path, monkeypatch, tick, number):
    """docs/machine.md 13: what was recorded so far is kept."""
    signal_at(monkeypatch, 64, number)
    done = pbs("record", tick, "--frames", 1000, "-o", "a.pbt", "--json")
    value = done.shown("record")
    assert (done.code, value["interrupted"], value["frames"], value["trace"]) == (130, True, 64, "a.pbt")
    assert value["cycles"] == 7 * 64 - 2
    monkeypatch.undo()
    replayed = pbs("replay", tmp_path / "a.pbt", "--json").shown("replay")
    assert (replayed["frames"], replayed["complete"], replayed["digest"]) == (64, True, value["digest"])
    assert names(tmp_path) == ["a.pbt", "tick.pbx"]


def test_people_read_that_an_interrupted_recording_was_kept(pbs, monkeypatch, tick):
    signal_at(monkeypatch, 64)
    done = pbs("record", tick, "--frames", 1000, "-o", "a.pbt", "--view", "none")
    assert done.code == 130
    assert "recorded a.pbt\n" in done.out


def test_signals_are_as_before_when_the_recording_is_over(pbs, tick):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert pbs("record", tick, "--frames", 1, "-o", "a.pbt", "--json").code == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_signal_that_was_ignored_stays_ignored(pbs, tmp_path, monkeypatch, tick):
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        signal_at(monkeypatch, 64, signal.SIGHUP)
        value = pbs("record", tick, "--frames", 200, "-o", "a.pbt", "--json").shown("record")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (value["interrupted"], value["frames"]) == (False, 200)


def test_ctrl_c_before_the_first_frame_leaves_no_file(pbs, tmp_path, monkeypatch, tick):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Machine, "advance", interrupted)
    done = pbs("record", tick, "--frames", 1000, "-o", "a.pbt", "--json")
    value = done.shown("record")
    assert (done.code, value["interrupted"], value["trace"]) == (130, True, None)
    assert names(tmp_path) == ["tick.pbx"]


def failing_fsync(monkeypatch, failing_call, error):
    """From the recorder's `failing_call`th wait for the disk (the header's is the first) comes `error`, once."""
    calls = []
    fsync = os.fsync

    def failing(descriptor):
        calls.append(descriptor)
        fsync(descriptor)
        if len(calls) == failing_call:
            raise error

    monkeypatch.setattr(os, "fsync", failing)
    return calls


def test_ctrl_c_while_rows_go_to_the_disk_keeps_every_frame_once(pbs, tmp_path, monkeypatch, tick):
    calls = failing_fsync(monkeypatch, 2, KeyboardInterrupt())
    done = pbs("record", tick, "--frames", 200, "-o", "a.pbt", "--json")
    assert len(calls) > 2
    assert (done.code, done.shown("record")["interrupted"]) == (130, True)
    trace = Trace.read(tmp_path / "a.pbt")
    assert [int(cycles) for cycles in trace.rows["cycles"]] == [5, *[7] * (len(trace) - 1)]
    assert len(trace) >= 60
    assert pbs("replay", "a.pbt", "--json").code == 0


def test_a_disk_that_fails_is_exit_code_5_and_leaves_nothing_that_looks_whole(pbs, tmp_path, monkeypatch, tick):
    calls = failing_fsync(monkeypatch, 2, OSError(errno.EIO, os.strerror(errno.EIO)))
    done = pbs("record", tick, "--frames", 200, "-o", "a.pbt", "--json")
    assert len(calls) >= 2
    assert (done.code, done.refused()) == (5, "file_unwritable")
    monkeypatch.undo()
    if (tmp_path / "a.pbt").exists():
        assert pbs("replay", tmp_path / "a.pbt", "--json").code == 0
    else:
        assert pbs("replay", tmp_path / "a.pbt.partial", "--partial", "--json").code == 0


@pytest.fixture
def endless(tmp_path):
    """A real recording without a view that goes on until it is told to stop; it has begun, and kept some frames."""
    path = write_program(tmp_path / "chatty.pbx", CHATTY)
    child = subprocess.Popen(
        [*COMMAND, "record", str(path), "--frames", str(10**12), "--view", "none", "-o", "a.pbt", "--json"],
        env=environment(), cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    partial = tmp_path / "a.pbt.partial"
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until and child.poll() is None and not _holds_rows(partial):
        time.sleep(0.01)
    yield child
    child.kill()
    child.communicate()


def _holds_rows(path):
    return path.exists() and b"ROWS" in path.read_bytes()


def test_a_killed_recording_leaves_a_partial_file_that_replays(pbs, tmp_path, endless):
    endless.send_signal(signal.SIGKILL)
    out, _ = endless.communicate(timeout=60)
    assert (endless.returncode, out) == (-signal.SIGKILL, "")
    assert names(tmp_path) == ["a.pbt.partial", "chatty.pbx"]
    assert pbs("replay", "a.pbt.partial", "--json").refused() == "trace_truncated"
    value = pbs("replay", "a.pbt.partial", "--partial", "--json").shown("replay")
    assert (value["complete"], value["equal"]) == (False, True)
    assert value["frames"] >= 60


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_real_recording_and_keeps_it(pbs, tmp_path, endless, number):
    endless.send_signal(number)
    out, err = endless.communicate(timeout=60)
    shown = Outcome(endless.returncode, out, err).shown("record")
    assert (endless.returncode, shown["interrupted"], shown["trace"]) == (130, True, "a.pbt")
    assert names(tmp_path) == ["a.pbt", "chatty.pbx"]
    value = pbs("replay", "a.pbt", "--json").shown("replay")
    assert (value["complete"], value["frames"], value["digest"]) == (True, shown["frames"], shown["digest"])
    assert value["frames"] >= 60


def test_a_long_frame_is_recorded_with_all_its_cycles(pbs, tmp_path):
    path = write_program(tmp_path / "long.pbx", LONG)
    assert pbs("record", path, "--frames", 1, "-o", "a.pbt", "--json").code == 0
    assert int(Trace.read(tmp_path / "a.pbt").rows["cycles"][0]) == 6_000_003
