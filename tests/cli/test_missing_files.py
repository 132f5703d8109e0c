"""What is given as a file and is none: missing, a directory, a pipe, a device, unreadable, or of an impossible name."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from .commands import GOLDEN, PONG

TRACE = str(GOLDEN["pong"].with_suffix(".pbt"))

# Every argument that is a file to be read. @ is the file.
CARTRIDGE = [
    "run @ --frames 1",
    "record @ --frames 1 -o out.pbt",
    "verify @",
    "inspect @",
    "disasm @",
    "warmup @",
    f"replay {TRACE} --cartridge @",
]
DIRECTORY = ["pack @ -o out.cart"]
FILE = ["asm @ -o out.pbx", "replay @", "replay @ --partial", f"run {PONG} --trace @", f"run {PONG} --input @",
        f"record {PONG} --input @ -o out.pbt",
        "bench page @ out.html"]  # fmt: skip
ALL = [*CARTRIDGE, *DIRECTORY, *FILE]


def given(pbs, command: str, path: Path | str):
    """What comes of the command; it leaves no output behind."""
    before = sorted(os.listdir())
    done = pbs(*(str(path) if word == "@" else word for word in command.split()), "--json")
    assert sorted(os.listdir()) == before
    error = done.error()
    assert done.code == 3
    plain = pbs(*(str(path) if word == "@" else word for word in command.split()))
    assert (plain.code, plain.out) == (3, "")
    assert plain.err.startswith(f"pbs: {error['code']}: ")
    return error["code"]


def missing(command: str) -> str:
    return "cartridge_member_missing" if command in DIRECTORY else "file_missing"


@pytest.mark.parametrize("command", ALL)
def test_a_missing_file_is_refused(pbs, tmp_path, command):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "dangling").symlink_to("nowhere")
    for path in ("nothing", "no/thing", "file/within", "dangling", "a\0b", "half \ud800", "./-"):
        assert given(pbs, command, path) == missing(command)


@pytest.mark.parametrize("command", ALL)
def test_a_directory_is_refused_where_a_file_is_needed_and_must_hold_a_manifest_elsewhere(pbs, tmp_path, command):
    (tmp_path / "folder").mkdir()
    code = "file_is_directory" if command in FILE else "cartridge_member_missing"
    assert given(pbs, command, "folder") == code
    assert given(pbs, command, tmp_path) == code


@pytest.mark.parametrize("command", [*CARTRIDGE, *FILE])
def test_what_is_no_regular_file_is_not_waited_for(pbs, tmp_path, command):
    os.mkfifo(tmp_path / "pipe")
    for path in ("pipe", "/dev/zero", "/dev/null", "/dev/full"):
        assert given(pbs, command, path) == "file_not_regular"


@pytest.mark.parametrize("command", ALL)
def test_a_name_beyond_every_file_system_is_refused(pbs, tmp_path, command):
    (tmp_path / "loop").symlink_to("loop")
    for path in ("x" * 300, "x/" * 5000, "loop"):
        assert given(pbs, command, path) == "file_unreadable"


@pytest.mark.parametrize("command", [*CARTRIDGE, *FILE])
def test_a_disk_that_fails_while_reading_is_refused(pbs, command):
    """The kernel shows this as a regular file, opens it, and fails at its first byte."""
    assert given(pbs, command, "/proc/self/mem") == "file_unreadable"


@pytest.mark.parametrize("command", ALL)
def test_a_file_that_may_not_be_read_is_refused(pbs, tmp_path, monkeypatch, command):
    """To root every file is readable, so the refusal of the system is ours."""
    secret = tmp_path / "secret"
    if command in DIRECTORY:
        secret.mkdir()
    else:
        secret.write_text("not for you")
    open_file = os.open

    def refusing(path, *arguments, **options):
        if str(path).startswith(str(secret)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refusing)
    assert given(pbs, command, secret) == "file_unreadable"


@pytest.mark.parametrize("command", [*CARTRIDGE, "asm @ -o out.pbx", "replay @"])
@pytest.mark.parametrize("content", [b"", b"\0", b"P", b"\xff" * 4096, b"\n"])
def test_a_file_that_holds_nothing_of_ours_is_refused(pbs, tmp_path, command, content):
    (tmp_path / "file").write_bytes(content)
    assert given(pbs, command, "file") in {
        "program_magic_wrong", "program_truncated", "file_unrecognized", "assembly_failed", "trace_malformed", "trace_truncated",
    }  # fmt: skip


@pytest.mark.parametrize("command", CARTRIDGE)
def test_a_folder_above_which_nothing_may_be_seen_is_refused(pbs, tmp_path, monkeypatch, command):
    """As a stranger's home: the system does not even say whether the path is a directory."""
    stat, open_file = os.stat, os.open

    def blind(ask):
        def refusing(path, *arguments, **options):
            if isinstance(path, (str, os.PathLike)) and "hidden" in os.fspath(path):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return ask(path, *arguments, **options)

        return refusing

    monkeypatch.setattr(os, "stat", blind(stat))
    monkeypatch.setattr(os, "open", blind(open_file))
    assert given(pbs, command, "hidden/pong") == "file_unreadable"
