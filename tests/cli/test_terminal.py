"""PBS in a real pseudo-terminal."""

from __future__ import annotations

import os
import signal

import pytest

from pbs.replay import Trace

from .commands import GOLDEN, PONG, Outcome, write_program
from .terminals import COLUMNS, ENTER_ALTERNATE, LAMP, LAMP_COLORS, LEAVE_ALTERNATE, LINES, Terminal


@pytest.fixture
def terminal(tmp_path):
    """Starts a command in a terminal; whatever is still running at the end is killed."""
    started = []

    def start(*arguments, **env):
        started.append(Terminal(*arguments, cwd=tmp_path, env=env))
        return started[-1]

    yield start
    for one in started:
        one.child.close(force=True)


@pytest.fixture
def lamp(tmp_path, terminal):
    """The program that shows a key and the touch, on the screen of a terminal."""
    path = write_program(tmp_path / "lamp.pbx", LAMP)

    def start(*arguments, **env):
        shown = terminal(*(path if word == "@" else word for word in (arguments or ("run", "@"))), **env)
        shown.until(lambda: shown.cell() == LAMP_COLORS["off"] and shown.shown("Esc ends"))
        return shown

    return start


def is_restored(shown: Terminal) -> bool:
    return (
        not shown.screen.cursor.hidden
        and shown.raw.count(ENTER_ALTERNATE) == shown.raw.count(LEAVE_ALTERNATE) > 0
        and shown.raw.rindex(b"\x1b[?1002l") > shown.raw.rindex(b"\x1b[?1002h")
        and (shown.modes() if shown.child.isalive() else shown.after) == shown.before
    )


def test_pong_is_shown_in_half_blocks_and_colours(terminal):
    shown = terminal("run", PONG, "--view", "term")
    shown.until(lambda: shown.shown("Pong   Esc ends"))
    # 80 by 23 cells hold 80 by 44 pixels of a picture of 16 to 9
    assert [line for line in shown.screen.display[:22] if line != "▀" * COLUMNS] == []
    assert shown.screen.display[22].strip() == ""
    colors = {shown.cell(column, row)[1:] for row in range(22) for column in range(COLUMNS)}
    assert len(colors) > 3
    assert shown.screen.cursor.hidden
    shown.type(b"\x1b")
    assert shown.end() == 0
    assert is_restored(shown)
    assert b"Pong: " in shown.raw


def test_a_bare_path_is_shown_in_the_terminal_it_was_typed_in(terminal):
    shown = terminal(PONG)
    shown.until(lambda: shown.shown("Pong   Esc ends"))
    shown.type(b"\x04")
    assert shown.end() == 0
    assert is_restored(shown)


def test_keys_and_mouse_reach_the_program(lamp):
    shown = lamp()
    shown.type(b"z")
    shown.until(lambda: shown.cell() == LAMP_COLORS["a"])
    shown.until(
        lambda: shown.cell() == LAMP_COLORS["off"]
    )  # terminals do not say when a key goes up: it is taken as let go
    shown.type(b"\x1b[<0;40;10M")
    shown.until(lambda: shown.cell() == LAMP_COLORS["touch"])
    shown.type(b"\x1b[<0;40;10m")
    shown.until(lambda: shown.cell() == LAMP_COLORS["off"])
    shown.type(b"\r")
    assert shown.end() == 0
    assert b"halted" in shown.raw
    assert is_restored(shown)


def test_a_sequence_that_comes_in_parts_is_no_escape(lamp):
    """As it does over a slow line. How long a lone Escape waits for the first two is a matter of clocks: see test_term."""
    shown = lamp()
    for part in (b"\x1b[", b"<", b"0;4", b"0;10", b"M"):
        shown.type(part)
    shown.until(lambda: shown.cell() == LAMP_COLORS["touch"])
    shown.type(b"\x1b")
    assert shown.end() == 0


@pytest.mark.parametrize(
    ("keys", "code"), [(b"\x1b", 0), (b"\x04", 0), (b"\x03", 130)], ids=["escape", "ctrl-d", "ctrl-c"]
)
def test_the_player_ends_the_run(lamp, keys, code):
    shown = lamp()
    shown.type(keys)
    assert shown.end() == code
    assert is_restored(shown)
    assert b"Traceback" not in shown.raw


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_gives_the_terminal_back(lamp, number):
    shown = lamp()
    os.kill(shown.child.pid, number)
    assert shown.end() == 130
    assert is_restored(shown)


def test_a_failure_gives_the_terminal_back_and_is_told_there(terminal, tmp_path):
    """The first frame is shown; the second has no end."""
    text = LAMP.replace("    HALT\non:", "    HALT\nforever:\n    JMP forever\non:").replace("JMP again", "JMP forever")
    shown = terminal("run", write_program(tmp_path / "stuck.pbx", text), "--max-ticks", 3)
    assert shown.end() == 4
    assert is_restored(shown)
    assert shown.raw.rindex(b"pbs: frame_unfinished") > shown.raw.rindex(LEAVE_ALTERNATE)


def test_ctrl_z_gives_the_terminal_to_the_shell_and_takes_it_back(lamp):
    shown = lamp()
    shown.type(b"\x1a")
    shown.until(lambda: LEAVE_ALTERNATE in shown.raw)
    shown.wait_stopped()
    assert is_restored(shown)
    os.kill(shown.child.pid, signal.SIGCONT)
    shown.until(lambda: shown.raw.count(ENTER_ALTERNATE) == 2)
    shown.type(b"z")
    shown.until(lambda: shown.cell() == LAMP_COLORS["a"])
    shown.type(b"\x1b")
    assert shown.end() == 0
    assert is_restored(shown)


def test_another_size_is_another_picture(lamp):
    shown = lamp()
    shown.resize(12, 30)
    shown.until(lambda: shown.screen.display[0].startswith(" ") and shown.shown("Esc ends"))
    assert shown.cell(15, 5) == LAMP_COLORS["off"]
    # 30 by 11 cells: 30 by 16 pixels, in rows 1 to 8
    drawn = [line for line in shown.screen.display if "▀" in line]
    assert drawn == ["▀" * 30] * 8
    shown.type(b"\x1b")
    assert shown.end() == 0


@pytest.mark.parametrize(
    ("env", "sequence"),
    [({}, b"\x1b[38;2;"), ({"COLORTERM": ""}, b"\x1b[38;5;"), ({"NO_COLOR": "1"}, None)], ids=["true", "cube", "none"],
)  # fmt: skip
def test_colours_are_those_the_terminal_says_it_has(terminal, env, sequence):
    shown = terminal("run", PONG, "--view", "term", "--frames", 3, **env)
    assert shown.end() == 0
    kinds = [kind for kind in (b"\x1b[38;2;", b"\x1b[38;5;") if kind in shown.raw]
    assert kinds == ([] if sequence is None else [sequence])
    assert ("▀".encode() in shown.raw) == (sequence is not None)


# ---- recordings


@pytest.mark.parametrize(("keys", "code"), [(b"\x1b", 0), (b"\x03", 130)], ids=["escape", "ctrl-c"])
def test_what_was_played_is_recorded(pbs, tmp_path, lamp, keys, code):
    shown = lamp("record", "@", "-o", "a.pbt")
    shown.type(b"z")
    shown.until(lambda: shown.cell() == LAMP_COLORS["a"])
    shown.type(keys)
    assert shown.end() == code
    assert is_restored(shown)
    assert b"recorded a.pbt" in shown.raw
    held = [given.buttons for given in Trace.read(tmp_path / "a.pbt").inputs()]
    assert held[0] == frozenset()
    assert frozenset({"a"}) in held
    assert pbs("replay", "a.pbt", "--json").shown("replay")["frames"] == len(held)


def test_a_terminal_that_goes_away_ends_the_recording_and_keeps_it(pbs, tmp_path, lamp):
    shown = lamp("record", "@", "-o", "a.pbt")
    assert shown.hang_up() == 5  # nobody is left to read what there would be to say
    assert sorted(os.listdir(tmp_path)) == ["a.pbt", "lamp.pbx"]
    assert pbs("replay", "a.pbt", "--json").shown("replay")["complete"] is True


def test_a_replay_is_shown_and_can_be_left(terminal):
    trace = GOLDEN["pong"].with_suffix(".pbt")
    shown = terminal("replay", trace, "--view", "term")
    shown.until(lambda: shown.shown("Pong   Esc ends"))
    assert shown.cell()[0] == "▀"
    shown.type(b"\x1b")
    assert shown.end() == 130  # not every frame was checked
    assert is_restored(shown)
    assert b"pbs: interrupted: " in shown.raw


# ---- without a picture


def test_plain_pbs_shows_how_it_is_used(terminal):
    shown = terminal()
    assert shown.end() == 2
    assert ENTER_ALTERNATE not in shown.raw
    assert shown.shown("Usage: pbs [OPTIONS] COMMAND [ARGS]...")
    assert shown.shown("play a cartridge, or run it without a screen")


def test_the_help_fits_the_terminal(terminal):
    shown = terminal("--help")
    assert shown.end() == 0
    assert max(len(line) for line in shown.raw.decode().splitlines()) <= COLUMNS
    assert len(shown.raw.decode().splitlines()) <= LINES


def test_an_object_is_the_same_in_a_terminal(terminal):
    shown = terminal("run", PONG, "--frames", 2, "--json")
    code = shown.end()
    assert Outcome(code, shown.raw.decode(), "").shown("run")["frames"] == 2
    assert ENTER_ALTERNATE not in shown.raw


def test_a_binary_file_is_not_written_to_a_terminal(terminal):
    shown = terminal("pack", PONG, "-o", "-")
    assert shown.end() == 2
    assert b"PBSC" not in shown.raw
    assert b"binary data is not written to a terminal" in shown.raw


def test_text_from_outside_moves_no_cursor(terminal):
    shown = terminal("verify", "a\x1b[31m\x07b")
    assert shown.end() == 3
    assert b"\x1b" not in shown.raw
    assert b"\x07" not in shown.raw
    assert shown.shown("a\\x1b[31m\\x07b")
