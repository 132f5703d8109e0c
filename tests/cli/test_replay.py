"""`pbs replay`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pbs.contract import axes
from pbs.replay import Trace
from pbs.vm import Machine, Status

from .commands import CARTRIDGES, GOLDEN, HALT, LONG, PONG, TICK, golden_digests, write_cartridge, write_program


@pytest.fixture
def recorded(pbs, tmp_path, tick):
    """Thirty frames of the counting program."""
    assert pbs("record", tick, "--frames", 30, "-o", "tick.pbt", "--json").code == 0
    return Trace.read(tmp_path / "tick.pbt")


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_every_golden_recording_replays_equal(pbs, name):
    done = pbs("replay", GOLDEN[name].with_suffix(".pbt"), "--json")
    digests = golden_digests(name)
    value = done.shown("replay")
    assert (done.code, done.err) == (0, "")
    assert (value["frames"], value["digest"], value["status"]) == (len(digests), digests[-1], "synced")
    assert (value["complete"], value["equal"], value["engine"]) == (True, True, "auto")
    assert value["cartridge"]["id"] == name


def test_without_json_people_read_that_every_digest_was_equal(pbs):
    done = pbs("replay", GOLDEN["pong"].with_suffix(".pbt"))
    assert done.code == 0
    assert f"{len(golden_digests('pong'))} frames replayed on the auto engine, every digest equal\n" in done.out


def test_the_reference_replays_what_the_interpreter_recorded(pbs, recorded):
    value = pbs("replay", "tick.pbt", "--engine", "reference", "--json").shown("replay")
    assert (value["engine"], value["frames"], value["cycles"]) == ("reference", 30, 7 * 30 - 2)


def test_the_cartridge_itself_may_be_given(pbs, tick, recorded):
    assert pbs("replay", "tick.pbt", "--cartridge", tick, "--json").code == 0
    assert pbs("replay", GOLDEN["pong"].with_suffix(".pbt"), "--cartridge", PONG, "--json").code == 0


# ---- what differs


@pytest.mark.parametrize("frame", [0, 1, 17, 29])
def test_another_digest_is_exit_code_6_and_names_the_frame(pbs, tmp_path, recorded, frame):
    recorded.rows["digest"][frame:, 15] ^= 0x80
    recorded.write(tmp_path / "other.pbt")
    done = pbs("replay", "other.pbt", "--json")
    error = done.error()
    assert (done.code, error["code"], error["subject"]) == (6, "replay_diverged", f"frame {frame}")
    assert error["required"] == recorded.digests[frame].hex()
    assert error["available"] == Trace.read(tmp_path / "tick.pbt").digests[frame].hex()
    plain = pbs("replay", "other.pbt")
    assert (plain.code, plain.out) == (6, "")
    assert f"frame {frame} " in plain.err


@pytest.mark.parametrize("cycles", [0, 6, 8, 2_000_000, 2**63 - 1, 2**63, 2**64 - 1])
def test_other_cycles_are_exit_code_6(pbs, tmp_path, recorded, cycles):
    recorded.rows["cycles"][9] = cycles
    recorded.write(tmp_path / "other.pbt")
    done = pbs("replay", "other.pbt", "--json")
    error = done.error()
    assert (done.code, error["code"], error["subject"]) == (6, "replay_diverged", "frame 9")


def test_another_input_is_exit_code_6(pbs, tmp_path):
    trace = Trace.read(GOLDEN["pong"].with_suffix(".pbt"))
    trace.rows["held"][30] = 0b100  # nothing asks for left, but it was latched
    trace.write(tmp_path / "other.pbt")
    error = pbs("replay", "other.pbt", "--json").error()
    assert (error["code"], error["subject"]) == ("replay_diverged", "frame 30")


def test_a_changed_frame_is_found_in_every_stretch(pbs, tmp_path):
    trace = Trace.read(GOLDEN["life"].with_suffix(".pbt"))
    frames = (255, 256, 257, len(trace) - 1)
    for frame in frames:
        changed = replace(trace, rows=trace.rows.copy())
        changed.rows["digest"][frame, 0] ^= 1
        changed.write(tmp_path / "other.pbt")
        assert pbs("replay", "other.pbt", "--json").error()["subject"] == f"frame {frame}"


def test_a_machine_that_goes_on_where_the_recording_ended_is_exit_code_6(pbs, tmp_path, recorded):
    for status in (Status.HALTED, Status.TRAPPED):
        replace(recorded, status=status).write(tmp_path / "other.pbt")
        done = pbs("replay", "other.pbt", "--json")
        assert (done.code, done.refused()) == (6, "replay_ran_on")


def test_a_machine_that_ends_where_the_recording_goes_on_is_exit_code_6(pbs, tmp_path):
    path = write_program(tmp_path / "halt.pbx", HALT)
    assert pbs("record", path, "--frames", 1, "-o", "halt.pbt", "--json").code == 0
    trace = Trace.read(tmp_path / "halt.pbt")
    replace(trace, status=Status.SYNCED).write(tmp_path / "other.pbt")
    done = pbs("replay", "other.pbt", "--json")
    assert (done.code, done.refused()) == (6, "replay_ended_early")
    replace(trace, rows=np.concatenate([trace.rows] * 3)).write(tmp_path / "longer.pbt")
    error = pbs("replay", "longer.pbt", "--json").error()
    assert (error["code"], error["required"], error["available"]) == ("replay_ended_early", "3 frames", "1")


# ---- what does not belong together


def test_another_cartridge_is_refused(pbs):
    done = pbs("replay", GOLDEN["pong"].with_suffix(".pbt"), "--cartridge", CARTRIDGES / "life", "--json")
    assert (done.code, done.refused()) == (3, "trace_cartridge_mismatch")


def test_a_trace_must_carry_the_cartridge_that_it_names(pbs, tmp_path, recorded):
    other = write_program(tmp_path / "other.pbx", TICK + "; and one more\n.func more()\n    RET\n.end\n")
    header = replace(recorded.header, cartridge=other.read_bytes())
    replace(recorded, header=header).write(tmp_path / "other.pbt")
    done = pbs("replay", "other.pbt", "--json")
    assert (done.code, done.refused()) == (3, "trace_malformed")


def test_other_limits_than_the_cartridges_are_refused(pbs, tmp_path):
    folder = write_cartridge(tmp_path / "small")
    assert pbs("record", folder, "--frames", 3, "-o", "a.pbt", "--json").code == 0
    trace = Trace.read(tmp_path / "a.pbt")
    limits = replace(trace.header.limits, heap_words=trace.header.limits.heap_words - 1)
    replace(trace, header=replace(trace.header, limits=limits)).write(tmp_path / "other.pbt")
    assert pbs("replay", "other.pbt", "--json").refused() == "trace_cartridge_mismatch"


def test_limits_beyond_every_machine_are_refused(pbs, tmp_path, recorded):
    for value in (2**64 - 1, 2**63, 4_194_305):
        limits = replace(recorded.header.limits, heap_words=value)
        replace(recorded, header=replace(recorded.header, limits=limits)).write(tmp_path / "other.pbt")
        done = pbs("replay", "other.pbt", "--json")
        assert (done.code, done.refused()) == (3, "limits_invalid")


@pytest.mark.parametrize(
    ("axis", "value"),
    [
        (axes.NATIVE_RUNTIME, "1.1.0"), (axes.NATIVE_RUNTIME, "2.0.0"), (axes.ISA, "9.0.0"), (axes.TRACE_FORMAT, "2"),
        ("an_axis_of_the_future", "1.0.0"), ("an_axis_of_the_future", "new"), (axes.NATIVE_RUNTIME, "not a version"),
    ],
)  # fmt: skip
def test_other_contract_versions_are_refused(pbs, tmp_path, recorded, axis, value):
    header = replace(recorded.header, axes={**recorded.header.axes, axis: value})
    replace(recorded, header=header).write(tmp_path / "other.pbt")
    error = pbs("replay", "other.pbt", "--json").error()
    assert (error["code"], error["subject"], error["family"]) == ("trace_axes_mismatch", axis, "incompatible")


def test_how_commands_and_errors_look_is_no_part_of_what_was_recorded(pbs, tmp_path, recorded):
    newer = {**recorded.header.axes, axes.CLI_CONTRACT: "v9", axes.ERROR_CONTRACT: "v9"}
    replace(recorded, header=replace(recorded.header, axes=newer)).write(tmp_path / "other.pbt")
    assert pbs("replay", "other.pbt", "--json").code == 0


# ---- cut short


def test_a_trace_without_its_end_replays_only_on_request(pbs, tmp_path, recorded):
    (tmp_path / "cut.pbt").write_bytes(bytes(recorded)[:-1])
    done = pbs("replay", "cut.pbt", "--json")
    assert (done.code, done.refused()) == (3, "trace_truncated")
    value = pbs("replay", "cut.pbt", "--partial", "--json").shown("replay")
    assert (value["complete"], value["frames"]) == (False, 30)
    assert "the trace has no end" in pbs("replay", "cut.pbt", "--partial").out


def test_a_trace_without_frames_proves_nothing(pbs, tmp_path, recorded):
    replace(recorded, rows=recorded.rows[:0]).write(tmp_path / "empty.pbt")
    for option in ([], ["--partial"]):
        done = pbs("replay", "empty.pbt", *option, "--json")
        assert (done.code, done.refused()) == (3, "trace_empty")


def test_a_whole_trace_stays_whole_when_a_partial_one_would_do(pbs, recorded):
    assert pbs("replay", "tick.pbt", "--partial", "--json").shown("replay")["complete"] is True


# ---- options


def test_a_frame_may_take_no_more_ticks_than_allowed(pbs, tmp_path):
    path = write_program(tmp_path / "long.pbx", LONG)
    assert pbs("record", path, "--frames", 2, "-o", "long.pbt", "--json").code == 0
    assert pbs("replay", "long.pbt", "--json").code == 0
    done = pbs("replay", "long.pbt", "--max-ticks", 1, "--json")
    error = done.error()
    assert (done.code, error["code"], error["subject"]) == (4, "frame_unfinished", "frame 0")


def test_a_screenshot_is_the_last_screen(pbs, tmp_path):
    assert pbs("replay", GOLDEN["pong"].with_suffix(".pbt"), "--screenshot", "a.png", "--json").code == 0
    script = GOLDEN["pong"].with_suffix(".inputs")
    assert pbs("run", PONG, "--input", script, "--screenshot", "b.png", "--json").code == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    done = pbs("replay", GOLDEN["pong"].with_suffix(".pbt"), "--screenshot", "missing/a.png", "--json")
    assert (done.code, done.refused()) == (5, "file_unwritable")


def test_a_view_that_cannot_be_shown_is_a_usage_error(pbs, recorded):
    assert pbs("replay", "tick.pbt", "--view", "term", "--json").refused() == "view_unavailable"
    assert pbs("replay", "tick.pbt", "--view", "none", "--json").code == 0
    assert pbs("replay", "tick.pbt", "--view", "auto", "--json").code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nothing.pbt"], "file_missing"), (["."], "file_is_directory"), (["tick.pbx"], "trace_malformed"),
        (["tick.pbt", "--cartridge", "nothing"], "file_missing"), (["tick.pbt", "--cartridge", "tick.pbt"], "program_magic_wrong"),
        (["tick.pbt", "--engine", "x"], "engine_unknown"), (["tick.pbt", "--max-ticks", "0"], "usage"), ([], "usage"),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed_is_refused(pbs, recorded, arguments, code):
    assert pbs("replay", *arguments, "--json").refused() == code


def test_an_interrupted_replay_is_exit_code_130(pbs, recorded, monkeypatch):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Machine, "advance", interrupted)
    assert pbs("replay", "tick.pbt").code == 130


def test_a_recording_from_a_snapshot_replays_from_there(pbs, tmp_path, tick):
    from pbs.loader import load
    from pbs.replay import Recorder
    from pbs.vm import NO_INPUT

    machine = Machine(load(tick))
    machine.run(10)
    with Recorder(tmp_path / "later.pbt", machine, from_here=True) as recorder:
        for _ in range(5):
            recorder.add(NO_INPUT, machine.run_frame())
    value = pbs("replay", "later.pbt", "--json").shown("replay")
    assert (value["frames"], value["cycles"], value["complete"]) == (5, 7 * 15 - 2, True)
    assert pbs("inspect", "later.pbt", "--json").shown("inspect")["from_snapshot"] is True
