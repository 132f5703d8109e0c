"""`pbs pack`."""

from __future__ import annotations

import os

import pytest

from .commands import CARTRIDGES, GOLDEN, MANIFEST, TICK, UNSOUND, shell, write_cartridge


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_both_forms_of_a_cartridge_have_one_digest(pbs, tmp_path, name):
    done = pbs("pack", CARTRIDGES / name, "-o", "a.cart", "--json")
    value = done.shown("pack")
    assert (done.code, value["output"], value["bytes"]) == (0, "a.cart", (tmp_path / "a.cart").stat().st_size)
    digests = [
        pbs("verify", path, "--json").shown("verify")["cartridge"]["digest"] for path in ("a.cart", CARTRIDGES / name)
    ]
    assert digests == [value["digest"]] * 2
    assert (tmp_path / "a.cart").read_bytes()[:4] == b"PBSC"


def test_packing_twice_gives_the_same_bytes(pbs, tmp_path):
    folder = write_cartridge(tmp_path / "small")
    assert pbs("pack", folder, "-o", "a.cart").code == 0
    os.utime(folder / "program.pbx", (1, 1))
    (folder / "notes.txt").write_text("neither loaded nor digested")
    assert pbs("pack", folder, "-o", "b.cart").code == 0
    assert (tmp_path / "a.cart").read_bytes() == (tmp_path / "b.cart").read_bytes()


def test_the_file_is_named_after_the_folder_unless_told_otherwise(pbs, tmp_path, monkeypatch):
    folder = write_cartridge(tmp_path / "small")
    for given in ("small", "small/", folder):
        done = pbs("pack", given)
        assert (done.code, done.out.partition(":")[0]) == (0, "small.cart")
        (tmp_path / "small.cart").unlink()
    monkeypatch.chdir(folder)
    assert pbs("pack", ".").code == 0
    assert (folder / "small.cart").exists()


def test_standard_output_takes_the_file_alone(pbs, tmp_path):
    folder = write_cartridge(tmp_path / "small")
    assert pbs("pack", folder, "-o", "a.cart").code == 0
    done = shell('pbs pack "$1" -o - > b.cart; echo "$?" >&2', folder, cwd=tmp_path)
    assert done.err == "0\n"
    assert (tmp_path / "b.cart").read_bytes() == (tmp_path / "a.cart").read_bytes()


def test_a_cartridge_that_may_not_run_is_not_packed(pbs, tmp_path):
    done = pbs("pack", write_cartridge(tmp_path / "small", UNSOUND), "--json")
    assert (done.code, done.refused()) == (3, "program_invalid")
    assert os.listdir(tmp_path) == ["small"]


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        ([], "usage", 2), (["nothing"], "cartridge_member_missing", 3), (["empty"], "cartridge_member_missing", 3),
        (["small/program.pbx"], "cartridge_member_missing", 3), (["small", "-o", "missing/a.cart"], "file_unwritable", 5),
        (["small", "-o", "empty"], "file_unwritable", 5), (["a\0b"], "cartridge_member_missing", 3),
    ],
)  # fmt: skip
def test_what_cannot_be_packed_is_refused(pbs, tmp_path, arguments, code, exit_code):
    write_cartridge(tmp_path / "small")
    (tmp_path / "empty").mkdir()
    done = pbs("pack", *arguments, "--json")
    assert (done.code, done.refused()) == (exit_code, code)
    assert sorted(os.listdir(tmp_path)) == ["empty", "small"]


def test_a_member_that_is_a_directory_is_refused(pbs, tmp_path):
    folder = write_cartridge(tmp_path / "small", TICK, MANIFEST)
    (folder / "program.pbx").unlink()
    (folder / "program.pbx").mkdir()
    done = pbs("pack", folder, "--json")
    assert (done.code, done.refused()) == (3, "file_is_directory")
