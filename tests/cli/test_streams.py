"""Standard streams that are closed, full, or left by their reader."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

import pbs as package

from .commands import COMMAND, GOLDEN, PONG, TICK, TIMEOUT_S, Outcome, environment, shell, write_program

# Each writes to standard output: lines, one object, help, a program.
SPEAKING = {
    "lines": "version", "object": 'verify "$1" --json', "text": 'disasm "$1"', "help": "--help", "help of a verb": "run --help",
    "program": 'asm "$2" -o -', "run": 'run "$1" --frames 2', "object of an error": "verify nothing --json",
}  # fmt: skip


@pytest.fixture
def given(tmp_path):
    (tmp_path / "tick.pbasm").write_text(TICK)
    return PONG, tmp_path / "tick.pbasm"


@pytest.mark.parametrize("redirection", [">&-", "> /dev/full"])
@pytest.mark.parametrize("name", SPEAKING)
def test_what_cannot_be_written_to_standard_output_is_exit_code_5(tmp_path, given, name, redirection):
    done = shell(f"pbs {SPEAKING[name]} {redirection}", *given, cwd=tmp_path)
    assert (done.code, done.out) == (5, "")
    assert "pbs: stdout_closed: " in done.err
    assert "Traceback" not in done.err
    assert "Exception ignored" not in done.err


@pytest.mark.parametrize("name", ["lines", "object", "program", "help"])
def test_a_reader_that_went_away_hears_nothing_more(tmp_path, given, name):
    """As after `pbs ... | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    script = f'pbs() {{ "$0" -m pbs "$@"; }}; pbs {SPEAKING[name]}'
    done = subprocess.run(
        ["bash", "-c", script, COMMAND[0], *map(str, given)],
        stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment(),
        timeout=TIMEOUT_S, check=False, preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL),
    )  # fmt: skip
    os.close(writing)
    assert done.returncode == 5
    assert "stdout_closed" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("redirection", [">&-", "> /dev/full"])
def test_a_verb_that_writes_a_file_has_written_it_when_its_talk_goes_nowhere(tmp_path, given, redirection):
    done = shell(f'pbs asm "$2" -o out.pbx {redirection}', *given, cwd=tmp_path)
    assert done.code == 5
    assert (tmp_path / "out.pbx").read_bytes() == package.assemble(TICK, source="tick.pbasm")


def test_an_error_is_told_also_where_standard_output_is_closed(tmp_path):
    done = shell("pbs verify nothing >&-", cwd=tmp_path)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("pbs: file_missing: ")


@pytest.mark.parametrize("redirection", ["2>&-", "2> /dev/full"])
@pytest.mark.parametrize(
    ("arguments", "code", "schema"),
    [
        ('verify "$1" --json', 0, "verify"), ("verify nothing --json", 3, "error"), ("bogus --json", 2, "error"),
        ('run "$3" --frames 3 --json', 1, "run"),
    ],
)  # fmt: skip
def test_where_talk_cannot_be_written_the_result_is_the_same(tmp_path, given, arguments, code, schema, redirection):
    trap = write_program(tmp_path / "trap.pbx", '.target profile "core" "1.0.0"\n.func main()\n    TRAP\n.end\n')
    done = shell(f"pbs {arguments} {redirection}", *given, trap, cwd=tmp_path)
    assert (done.code, done.err) == (code, "")
    done.shown(schema)


def test_what_the_guest_logs_to_a_closed_stream_never_reaches_a_file(tmp_path):
    """The first file that is opened would take the number of the stream."""
    text = '.target profile "game" "1.0.0"\n.const TEXT = "chatter"\n.func main()\nagain:\n    PUSH 3\n    PUSH TEXT\n'
    write_program(
        tmp_path / "loud.pbx", text + "    HOSTCALL log.write/1\n    POP\n    FRAME_SYNC\n    JMP again\n.end\n"
    )
    done = shell("pbs record loud.pbx --frames 3 -o a.pbt --view none <&- 2>&-", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert package.replay(package.Trace.read(tmp_path / "a.pbt")).frames == 3


def test_a_run_without_any_stream_needs_none(tmp_path):
    """`auto` then finds no terminal: standard input is closed."""
    done = shell('pbs run "$1" --max-ticks 10 <&- 2>&-', GOLDEN["pong"].parents[1], cwd=tmp_path)
    assert done.code == 0
    assert "600 frames" in done.out


def test_every_stream_closed_is_still_exit_code_5(tmp_path):
    assert shell("pbs version <&- >&- 2>&-", cwd=tmp_path) == Outcome(5, "", "")
