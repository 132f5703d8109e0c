"""Exit codes, help, and what is not understood."""

from __future__ import annotations

import click
import pytest

from pbs.cli import main
from pbs.contract import (
    Denied,
    Diverged,
    InternalError,
    Interrupted,
    LimitReached,
    PbsError,
    Rejected,
    StorageError,
    UsageError,
)

from .commands import EXIT_CODES, PONG, process

VERBS = (
    "run",
    "record",
    "replay",
    "verify",
    "inspect",
    "asm",
    "disasm",
    "pack",
    "bench",
    "explain",
    "version",
    "doctor",
    "warmup",
    "cache",
)


def test_the_help_lists_every_verb(pbs):
    for option in ("--help", "-h"):
        done = pbs(option)
        assert (done.code, done.err) == (0, "")
        listed = [line.split()[0] for line in done.out.partition("Verbs:\n")[2].splitlines()]
        assert tuple(listed) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_takes_json(pbs, verb):
    done = pbs(verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: pbs {verb} ")
    assert "--json" in done.out


def test_nothing_at_all_is_a_usage_error_that_shows_the_help(pbs):
    done = pbs()
    assert (done.code, done.out) == (2, "")
    assert all(verb in done.err for verb in VERBS)


@pytest.mark.parametrize("argument", ["bogus", "", "-x", "--frames", "a b", "\0", "\udcff", "x" * 200])
def test_an_unknown_verb_or_option_is_a_usage_error(pbs, argument):
    done = pbs(argument, "--json")
    assert (done.code, done.refused()) == (2, "usage")
    plain = pbs(argument)
    assert (plain.code, plain.out) == (2, "")
    assert "pbs: usage: " in plain.err


def test_a_word_too_long_for_a_file_name_is_a_usage_error(pbs):
    done = pbs("x" * 300, "--json")
    assert (done.code, done.refused()) == (2, "usage")


def test_a_near_miss_is_told(pbs):
    assert "did you mean verify?" in pbs("verfy").err


def test_a_verb_goes_before_a_file_of_its_name(pbs, tmp_path):
    (tmp_path / "version").write_text("no program")
    assert pbs("version").out.startswith("pbs ")


def test_a_path_that_is_not_there_is_a_missing_file_and_no_unknown_verb(pbs):
    for path in ("nothing.cart", "nothing.pbx", "no/thing", "./nothing"):
        done = pbs(path, "--json")
        assert (done.code, done.refused()) == (3, "file_missing")


def test_what_a_person_typed_reaches_the_terminal_without_its_control_characters(pbs):
    for arguments in (
        ["\x1b[31m"],
        ["verify", "a", "\x1b[31m"],
        ["run", "a", "--view", "\x1b[31m"],
        ["verify", "\x1b[31m"],
    ):
        done = pbs(*arguments)
        assert done.code in (2, 3)
        assert "\x1b" not in done.err + done.out


# ---- exit codes


ERRORS = [
    (UsageError("usage"), 2), (Rejected("file_missing"), 3), (Rejected("program_invalid"), 3), (Rejected("isa_unsupported"), 3),
    (LimitReached("frame_unfinished"), 4), (StorageError("file_unwritable"), 5), (Diverged("replay_diverged"), 6),
    (Denied("cache_untrusted"), 7), (PbsError("release_slower"), 8), (PbsError("trap"), 1), (Interrupted("interrupted"), 130),
]  # fmt: skip


def raising(monkeypatch, error):
    """`pbs version` fails with this."""
    from pbs.cli import version

    def fail(**_options):
        raise error

    monkeypatch.setattr(version.command, "callback", fail)


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: getattr(value, "code", None))
def test_every_family_has_its_exit_code(pbs, monkeypatch, error, code):
    raising(monkeypatch, error)
    assert error.diagnostic.entry.family.exit_code == code == EXIT_CODES[error.diagnostic.entry.family.value]
    done = pbs("version", "--json")
    assert (done.code, done.refused()) == (code, error.code)
    plain = pbs("version")
    assert (plain.code, plain.out) == (code, "")
    assert plain.err.startswith(f"pbs: {error.code}: {error.diagnostic.entry.sentence}")


MISTAKES = [
    InternalError("one word"),
    ValueError("two\nlines"),
    KeyError("x"),
    RecursionError(),
    OSError(9999, "odd", "file"),
]


@pytest.mark.parametrize("error", MISTAKES, ids=lambda error: type(error).__name__)
def test_a_mistake_of_ours_is_exit_code_70_without_a_traceback(pbs, monkeypatch, error):
    raising(monkeypatch, error)
    done = pbs("version")
    assert (done.code, done.out) == (70, "")
    assert done.err.startswith("pbs: internal_error: a mistake of PBS itself: ")
    assert "hint: please report it" in done.err


def test_a_mistake_of_ours_is_an_object_too(pbs, monkeypatch):
    raising(monkeypatch, InternalError("one word"))
    done = pbs("version", "--json")
    assert (done.code, done.refused()) == (70, "internal_error")


def test_a_mistake_of_ours_shows_its_traceback_only_on_request(capsys, monkeypatch):
    raising(monkeypatch, InternalError("one word"))
    monkeypatch.setenv("PBS_DEBUG", "1")
    assert main.run(["version"]) == 70
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()], ids=["ctrl-c", "abort"])
def test_an_interrupted_verb_is_exit_code_130(pbs, monkeypatch, error):
    raising(monkeypatch, error)
    done = pbs("version")
    assert (done.code, done.out) == (130, "")


def test_an_interrupted_verb_is_an_object_too(pbs, monkeypatch):
    """docs/machine.md 13: with --json every verb prints exactly one object."""
    raising(monkeypatch, KeyboardInterrupt())
    done = pbs("version", "--json")
    assert done.code == 130
    assert done.shown("error")["error"]["code"] == "interrupted"


def test_the_process_ends_with_the_code_of_the_command():
    for arguments, code in ((["version"], 0), (["bogus"], 2), (["verify", "nothing"], 3)):
        done = process(*arguments)
        assert done.code == code
        assert "Traceback" not in done.err
    with pytest.raises(SystemExit) as caught:
        main.main(["verify", str(PONG / "nothing")])
    assert caught.value.code == 3
