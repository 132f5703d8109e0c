"""`pbs run`."""

from __future__ import annotations

import signal
import subprocess

import numpy as np
import pytest
from PIL import Image

from pbs.console.picture import to_rgb
from pbs.loader import load
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
    MANIFEST,
    OLD,
    PONG,
    TICK,
    TRAP,
    UNSOUND,
    environment,
    golden_digests,
    signal_at,
    write_cartridge,
    write_program,
)

RALLY = GOLDEN["pong"]


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_a_cartridge_runs_the_frames_it_is_asked_for(pbs, name):
    shown = pbs("run", CARTRIDGES / name, "--frames", 3, "--json")
    assert shown.code == 0
    value = shown.shown("run")
    assert (value["verb"], value["frames"], value["status"], value["seed"]) == ("run", 3, "synced", 0)
    assert (value["cartridge"]["id"], value["cartridge"]["version"]) == (name, "1.0.0")
    assert (value["engine"], value["trap"], value["checked_frames"], value["warnings"]) == (
        "auto",
        None,
        None,
        [],
    )
    assert value["digest"] == golden_digests(name)[2]
    assert shown.err == ""


@pytest.mark.parametrize("engine", ["reference", "interpreter", "compiled", "auto"])
def test_every_engine_counts_the_cycles_of_the_table(pbs, tick, engine):
    value = pbs("run", tick, "--frames", 3, "--engine", engine, "--json").shown("run")
    assert value["engine"] == engine
    assert value["cycles"] == 5 + 7 + 7
    assert value["cartridge"]["id"] is None


def test_the_engine_may_stand_in_the_environment(pbs, tick, monkeypatch):
    monkeypatch.setenv("PBS_ENGINE", "reference")
    assert pbs("run", tick, "--frames", 1, "--json").shown("run")["engine"] == "reference"
    assert pbs("run", tick, "--frames", 1, "--engine", "interpreter", "--json").shown("run")["engine"] == "interpreter"


def test_a_bare_path_means_run(pbs, tmp_path, tick):
    folder = write_cartridge(tmp_path / "small")
    assert pbs("pack", folder, "-o", tmp_path / "small.cart").code == 0
    for path in (tick, folder, tmp_path / "small.cart", "small", "small.cart", "tick.pbx"):
        assert pbs(path, "--frames", 2, "--json").shown("run")["cycles"] == 12


def test_without_json_people_read_what_it_came_to(pbs, tick):
    done = pbs("run", tick, "--frames", 3)
    digest = pbs("run", tick, "--frames", 3, "--json").shown("run")["digest"]
    assert done.code == 0
    assert "3 frames, 19 cycles, auto" in done.out
    assert digest in done.out
    assert done.err == ""


def test_a_program_that_halts_ends_well(pbs, tmp_path):
    path = write_program(tmp_path / "halt.pbx", HALT)
    done = pbs("run", path, "--frames", 5, "--json")
    value = done.shown("run")
    assert (done.code, value["status"], value["frames"], value["cycles"]) == (0, "halted", 1, 1)
    assert "halted" in pbs("run", path, "--frames", 5).out


@pytest.mark.parametrize("engine", ["reference", "interpreter"])
def test_a_trap_is_exit_code_1_and_says_where_it_was(pbs, tmp_path, engine):
    path = write_program(tmp_path / "trap.pbx", TRAP)
    done = pbs("run", path, "--frames", 9, "--engine", engine, "--json")
    value = done.shown("run")
    assert (done.code, value["status"], value["frames"]) == (1, "trapped", 3)
    assert value["trap"] == {
        "code": 0x0A, "name": "DIV_ZERO", "opcode": 0x23, "instruction": "DIV", "function": 0, "function_name": "main",
        "pc": 16, "line": 7, "frame": 2, "cycles": 8,
    }  # fmt: skip
    plain = pbs("run", path, "--frames", 9, "--engine", engine)
    assert plain.code == 1
    assert "trapped: DIV_ZERO at DIV in function main, pc 16, line 7, frame 2, cycle 8" in plain.out


@pytest.mark.parametrize("engine", ["reference", "interpreter"])
def test_a_frame_that_does_not_end_is_exit_code_4(pbs, tmp_path, engine):
    path = write_cartridge(tmp_path / "loop", LOOP)
    done = pbs("run", path, "--max-ticks", 1, "--frames", 2, "--engine", engine, "--json")
    error = done.error()
    assert (done.code, error["code"], error["family"], error["subject"]) == (4, "frame_unfinished", "limit", "frame 0")
    plain = pbs("run", path, "--max-ticks", 1, "--frames", 2, "--engine", engine)
    assert (plain.code, plain.out) == (4, "")
    assert plain.err.startswith("pbs: frame_unfinished: ")


def test_a_frame_may_take_several_ticks_but_no_more_than_allowed(pbs, tmp_path):
    path = write_program(tmp_path / "long.pbx", LONG)
    assert pbs("run", path, "--frames", 1, "--max-ticks", 1, "--json").refused() == "frame_unfinished"
    value = pbs("run", path, "--frames", 1, "--json").shown("run")
    # PUSH, SET_LOCAL; seven of 1 and JMP_IF_TRUE of 3 in each turn; FRAME_SYNC.
    assert value["cycles"] == 2 + 600_000 * (7 + 3) + 1
    assert value["cycles"] > 2 * 2_000_000


def test_what_the_guest_logs_stands_in_the_object(pbs, tmp_path):
    path = write_program(tmp_path / "chatty.pbx", CHATTY)
    done = pbs("run", path, "--frames", 2, "--json")
    assert done.shown("run")["log"] == [{"frame": i, "level": 3, "text": "a\x1b[31m\x07b"} for i in range(2)]
    assert done.err == ""


def test_what_the_guest_logs_reaches_a_person_without_its_control_characters(pbs, tmp_path):
    path = write_program(tmp_path / "chatty.pbx", CHATTY)
    done = pbs("run", path, "--frames", 2)
    assert done.err.splitlines() == [f"[{i}] warning: a [31m b" for i in range(2)]
    assert "\x1b" not in done.out + done.err


def test_a_deprecated_service_is_a_warning_and_changes_nothing(pbs, tmp_path):
    path = write_program(tmp_path / "old.pbx", OLD)
    done = pbs("run", path, "--frames", 1, "--json")
    (warning,) = done.shown("run")["warnings"]
    assert (done.code, warning["code"], warning["subject"]) == (0, "host_call_deprecated", "gfx.text/1")
    assert "pbs: warning: host_call_deprecated" in done.err


# ---- seed and input


def test_the_seed_is_any_signed_64_bit_number(pbs):
    digests = set()
    for seed in (0, 1, -1, 2**63 - 1, -(2**63)):
        done = pbs("run", CARTRIDGES / "orbits", "--frames", 60, "--seed", seed, "--json").shown("run")
        assert done["seed"] == seed
        digests.add(done["digest"])
    assert len(digests) == 5


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_a_script_plays_what_the_golden_recording_holds(pbs, name):
    value = pbs("run", CARTRIDGES / name, "--input", GOLDEN[name].with_suffix(".inputs"), "--json").shown("run")
    digests = golden_digests(name)
    assert (value["frames"], value["digest"]) == (len(digests), digests[-1])


def test_frames_go_before_the_length_of_the_script(pbs, tmp_path):
    script = tmp_path / "two.inputs"
    script.write_text("2\n")
    for frames, digest in ((1, 0), (2, 1), (4, 3)):
        value = pbs("run", PONG, "--input", script, "--frames", frames, "--json").shown("run")
        assert (value["frames"], value["digest"]) == (frames, golden_digests("pong")[digest])


def test_a_script_without_frames_plays_nothing(pbs, tmp_path, tick):
    script = tmp_path / "empty.inputs"
    script.write_text("# nothing\n")
    done = pbs("run", tick, "--input", script, "--json")
    value = done.shown("run")
    assert (done.code, value["frames"], value["cycles"], value["digest"]) == (0, 0, 0, None)


@pytest.mark.parametrize(
    "text", ["x", "0", "-1 a", "1 jump", "1 touch 320,0", "1 touch", "10000001", "1 touch 1,2,3", "٣"]
)
def test_a_wrong_script_is_refused_with_its_line(pbs, tmp_path, tick, text):
    script = tmp_path / "wrong.inputs"
    script.write_text(f"1\n{text}\n")
    error = pbs("run", tick, "--input", script, "--json").error()
    assert (error["code"], error["details"]["line"]) == ("input_script_invalid", 2)


def test_a_script_that_is_no_text_is_refused(pbs, tmp_path, tick):
    (tmp_path / "wrong.inputs").write_bytes(b"1\n\xff\n")
    assert pbs("run", tick, "--input", tmp_path / "wrong.inputs", "--json").refused() == "input_script_invalid"


# ---- along a recording


def test_a_run_along_a_recording_checks_every_frame(pbs):
    done = pbs("run", PONG, "--trace", RALLY.with_suffix(".pbt"), "--json")
    digests = golden_digests("pong")
    value = done.shown("run")
    assert done.code == 0
    assert (value["frames"], value["checked_frames"], value["digest"]) == (len(digests), len(digests), digests[-1])
    plain = pbs("run", PONG, "--trace", RALLY.with_suffix(".pbt"))
    assert f"{len(digests)} of {len(digests)} recorded frames checked, all equal" in plain.out


def test_a_run_along_a_recording_may_be_shorter_or_longer(pbs):
    recorded = len(golden_digests("pong"))
    for frames in (5, recorded + 5):
        value = pbs("run", PONG, "--trace", RALLY.with_suffix(".pbt"), "--frames", frames, "--json").shown("run")
        assert (value["frames"], value["checked_frames"]) == (frames, min(frames, recorded))


def test_a_run_that_differs_from_the_recording_is_exit_code_6(pbs, tmp_path):
    trace = Trace.read(RALLY.with_suffix(".pbt"))
    trace.rows["digest"][70, 3] ^= 1
    trace.write(tmp_path / "changed.pbt")
    done = pbs("run", PONG, "--trace", tmp_path / "changed.pbt", "--json")
    error = done.error()
    assert (done.code, error["code"], error["subject"]) == (6, "replay_diverged", "frame 70")
    assert error["available"] == golden_digests("pong")[70]


def test_a_recording_of_another_cartridge_is_refused(pbs):
    done = pbs("run", CARTRIDGES / "life", "--trace", RALLY.with_suffix(".pbt"), "--json")
    assert (done.code, done.refused()) == (3, "trace_cartridge_mismatch")


def test_a_recording_and_a_script_are_one_too_many(pbs):
    done = pbs("run", PONG, "--trace", RALLY.with_suffix(".pbt"), "--input", RALLY.with_suffix(".inputs"), "--json")
    assert (done.code, done.refused()) == (2, "usage")


# ---- screenshots


def test_a_screenshot_is_the_last_screen_twice_as_large(pbs, tmp_path):
    assert pbs("run", PONG, "--frames", 40, "--screenshot", tmp_path / "shot.png", "--json").code == 0
    machine = Machine(load(PONG))
    machine.run(40)
    with Image.open(tmp_path / "shot.png") as picture:
        assert (picture.format, picture.size, picture.mode) == ("PNG", (640, 360), "RGB")
        pixels = np.asarray(picture)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        assert np.array_equal(pixels[dy::2, dx::2], to_rgb(machine.screen()))


@pytest.mark.parametrize("name", ["missing/shot.png", "tick.pbx/shot.png", "folder", "a\0b", "x" * 300])
def test_a_screenshot_that_cannot_be_written_is_exit_code_5(pbs, tmp_path, tick, name):
    (tmp_path / "folder").mkdir()
    done = pbs("run", tick, "--frames", 1, "--screenshot", tmp_path / name, "--json")
    assert (done.code, done.refused()) == (5, "file_unwritable")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "tick.pbx"]


# ---- refusals


@pytest.mark.parametrize(
    "arguments",
    [
        ["--frames", "0"], ["--frames", "-3"], ["--frames", "many"], ["--frames", "1.5"], ["--frames"],
        ["--seed", "x"], ["--seed", str(2**63)], ["--seed", str(-(2**63) - 1)], ["--seed", "9" * 40],
        ["--max-ticks", "0"], ["--max-ticks", str((1 << 20) + 1)], ["--view", "hologram"], ["--no-such-option"], ["another"],
    ],
)  # fmt: skip
def test_an_option_with_a_wrong_value_is_a_usage_error(pbs, tick, arguments):
    done = pbs("run", tick, *arguments, "--json")
    assert (done.code, done.refused()) == (2, "usage")


def test_an_unknown_engine_is_a_usage_error(pbs, tick):
    assert pbs("run", tick, "--engine", "quantum", "--frames", 1, "--json").refused() == "engine_unknown"


@pytest.mark.parametrize("view", ["term", "window"])
def test_a_view_that_cannot_be_shown_is_a_usage_error(pbs, tick, view, monkeypatch):
    monkeypatch.setattr("pbs.console.views.find_spec", lambda _name: None)
    done = pbs("run", tick, "--view", view, "--frames", 1, "--json")
    error = done.error()
    assert (done.code, error["code"], error["subject"]) == (2, "view_unavailable", view)


def test_the_view_may_stand_in_the_environment(pbs, tick, monkeypatch):
    monkeypatch.setenv("PBS_VIEW", "term")
    assert pbs("run", tick, "--frames", 1, "--json").refused() == "view_unavailable"
    assert pbs("run", tick, "--frames", 1, "--view", "none", "--json").code == 0


def test_a_program_that_may_not_run_is_exit_code_3(pbs, tmp_path):
    done = pbs("run", write_program(tmp_path / "unsound.pbx", UNSOUND), "--frames", 1, "--json")
    error = done.error()
    assert (done.code, error["code"]) == (3, "program_invalid")
    assert [finding["code"] for finding in error["findings"]] == ["stack_height_mismatch"]


def test_a_cartridge_for_another_runtime_is_exit_code_3(pbs, tmp_path):
    manifest = MANIFEST.replace('min_version: "1.0.0"', 'min_version: "2.0.0"')
    done = pbs("run", write_cartridge(tmp_path / "later", TICK, manifest), "--frames", 1, "--json")
    error = done.error()
    assert (done.code, error["code"], error["family"]) == (3, "target_major_unsupported", "incompatible")


def test_a_recording_is_no_cartridge(pbs):
    assert pbs("run", RALLY.with_suffix(".pbt"), "--frames", 1, "--json").refused() == "program_magic_wrong"


# ---- interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_is_exit_code_130_and_shows_what_there_was(pbs, tick, monkeypatch, number):
    signal_at(monkeypatch, 64, number)
    done = pbs("run", tick, "--frames", 1000, "--json")
    value = done.shown("run")
    assert (done.code, value["frames"], value["cycles"], value["status"]) == (130, 64, 7 * 64 - 2, "synced")


def test_an_interrupted_run_without_frames_and_terminal_is_exit_code_130_too(pbs, tick, monkeypatch):
    """The view is then `auto`, which finds nothing to show the screen on."""
    signal_at(monkeypatch, 64)
    done = pbs("run", tick)
    assert (done.code, "64 frames" in done.out) == (130, True)


def test_a_second_signal_does_not_wait_for_the_end_of_a_frame(pbs, tick, monkeypatch):
    advance = Machine.advance

    def endless(self, inputs, max_ticks):
        if self.frame < 64:
            return advance(self, inputs, max_ticks)
        signal.raise_signal(signal.SIGINT)  # noted
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("still running")

    monkeypatch.setattr(Machine, "advance", endless)
    done = pbs("run", tick, "--frames", 1000, "--json")
    assert (done.code, done.shown("run")["frames"]) == (130, 64)


def test_ctrl_c_ends_a_real_run(tmp_path):
    path = write_program(tmp_path / "chatty.pbx", CHATTY)
    child = subprocess.Popen(
        [*COMMAND, "run", str(path), "--frames", str(10**12)],
        env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stderr is not None
        assert child.stderr.readline() == "[0] warning: a [31m b\n"
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
        child.communicate()
    assert child.returncode == 130
    assert "Traceback" not in err
    assert " frames, " in out
