"""`pbs asm` and `pbs disasm`."""

from __future__ import annotations

import json
import os

import pytest

import pbs as package

from .commands import CARTRIDGES, GOLDEN, HALT, TICK, UNSOUND, process, shell, write_cartridge, write_program


@pytest.fixture
def source(tmp_path):
    (tmp_path / "tick.pbasm").write_text(TICK)
    return tmp_path / "tick.pbasm"


# ---- asm


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_the_source_of_every_cartridge_gives_its_program(pbs, tmp_path, name):
    program = CARTRIDGES / name / "program.pbx"
    done = pbs("asm", CARTRIDGES / name / f"{name}.pbasm", "-o", "a.pbx", "--json")
    assert done.code == 0
    assert done.shown("asm") == {"verb": "asm", "output": "a.pbx", "bytes": program.stat().st_size, "verified": True}
    assert (tmp_path / "a.pbx").read_bytes() == program.read_bytes()


def test_the_program_stands_beside_its_source_unless_told_otherwise(pbs, tmp_path, source):
    done = pbs("asm", source)
    assert done.code == 0
    data = (tmp_path / "tick.pbx").read_bytes()
    assert done.out == f"{tmp_path / 'tick.pbx'}: {len(data)} bytes\n"
    assert data == package.assemble(TICK, source="tick.pbasm")


def test_a_program_that_may_not_run_is_written_only_on_request(pbs, tmp_path):
    (tmp_path / "unsound.pbasm").write_text(UNSOUND)
    done = pbs("asm", "unsound.pbasm", "--json")
    assert (done.code, done.refused()) == (3, "program_invalid")
    assert not (tmp_path / "unsound.pbx").exists()
    assert pbs("asm", "unsound.pbasm", "--no-verify", "--json").shown("asm")["verified"] is False
    assert pbs("verify", "unsound.pbx", "--json").refused() == "program_invalid"


def test_mistakes_are_told_with_line_and_column(pbs, tmp_path):
    (tmp_path / "wrong.pbasm").write_text(".func main()\n    PUSH\n    NONSENSE\n  JMP nowhere\n    HALT 3\n.end\n")
    done = pbs("asm", "wrong.pbasm", "--json")
    error = done.error()
    assert (done.code, error["code"], error["subject"]) == (3, "assembly_failed", "wrong.pbasm")
    found = [(f["code"], f["place"]["line"], f["place"]["column"]) for f in error["findings"]]
    assert found == [
        ("assembly_operand_missing", 2, 9), ("assembly_mnemonic_unknown", 3, 5), ("assembly_name_unknown", 4, 7),
        ("assembly_unexpected", 5, 10),
    ]  # fmt: skip
    assert "line 3, column 5" in pbs("asm", "wrong.pbasm").err
    assert os.listdir(tmp_path) == ["wrong.pbasm"]


def test_at_most_twenty_mistakes_are_told(pbs, tmp_path):
    (tmp_path / "wrong.pbasm").write_text(".func main()\n" + "    NONSENSE\n" * 30 + ".end\n")
    error = pbs("asm", "wrong.pbasm", "--json").error()
    assert [finding["place"]["line"] for finding in error["findings"]] == list(range(2, 22))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "assembly_failed"), (b"; nothing\n", "assembly_failed"), (b"\xff\xfe", "file_unrecognized"),
        (b"PBSX\x01\x00\x00\x00", "assembly_failed"), (b".func main()\n", "assembly_failed"),
        (b'.target isa "1.0.0\n.func main()\n HALT\n.end\n', "assembly_failed"),
    ],
)  # fmt: skip
def test_what_is_no_assembly_text_is_refused(pbs, tmp_path, content, code):
    (tmp_path / "a.pbasm").write_bytes(content)
    done = pbs("asm", "a.pbasm", "--json")
    assert (done.code, done.refused()) == (3, code)


def test_a_source_that_is_too_large_is_refused(pbs, tmp_path):
    with (tmp_path / "a.pbasm").open("wb") as file:
        file.truncate(16 * 1024 * 1024 + 1)
    assert pbs("asm", "a.pbasm", "--json").refused() == "file_too_large"


@pytest.mark.parametrize("name", ["missing/a.pbx", "tick.pbasm/a.pbx", "folder", "a\0b", "x" * 300])
def test_an_output_that_cannot_be_is_exit_code_5(pbs, tmp_path, source, name):
    (tmp_path / "folder").mkdir()
    done = pbs("asm", source, "-o", tmp_path / name, "--json")
    assert (done.code, done.refused()) == (5, "file_unwritable")
    assert sorted(os.listdir(tmp_path)) == ["folder", "tick.pbasm"]


def test_an_output_that_is_no_regular_file_is_not_replaced(pbs, tmp_path, source):
    """A FIFO stands here for any: to root, /dev/null would be replaced just so."""
    os.mkfifo(tmp_path / "pipe")
    done = pbs("asm", source, "-o", "pipe", "--json")
    assert (tmp_path / "pipe").is_fifo()
    assert (done.code, done.refused()) == (5, "file_unwritable")


def test_an_output_may_be_replaced(pbs, tmp_path, source):
    (tmp_path / "tick.pbx").write_bytes(b"old")
    assert pbs("asm", source).code == 0
    assert pbs("verify", "tick.pbx").code == 0


def test_a_source_is_never_its_own_output(pbs, tmp_path):
    (tmp_path / "text.pbx").write_text(TICK)
    done = pbs("asm", "text.pbx", "--json")
    assert (done.code, done.refused()) == (2, "usage")
    assert (tmp_path / "text.pbx").read_text() == TICK


def test_standard_output_takes_the_program_alone(tmp_path, source):
    done = shell('pbs asm "$1" -o - > out.pbx; echo "$?" >&2', source, cwd=tmp_path)
    assert done.err == "0\n"
    assert (tmp_path / "out.pbx").read_bytes() == package.assemble(TICK, source="tick.pbasm")


@pytest.mark.parametrize("verb", ["asm", "pack"])
def test_json_never_mixes_with_a_binary_file_on_standard_output(tmp_path, source, verb):
    folder = write_cartridge(tmp_path / "small")
    done = shell('pbs "$1" "$2" -o - --json | cat -v', verb, source if verb == "asm" else folder, cwd=tmp_path)
    assert list(json.loads(done.out))  # one object and nothing else, whether it is the verb's or an error


def test_a_name_that_is_no_utf_8_is_no_obstacle(tmp_path):
    script = "cp \"$1\" $'\\xff.pbasm'; pbs asm $'\\xff.pbasm' -o $'\\xfe.pbx' --json && pbs verify $'\\xfe.pbx' --json"
    (tmp_path / "a.pbasm").write_text(HALT)
    done = shell(script, tmp_path / "a.pbasm", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")


def test_a_name_that_standard_output_cannot_show_is_no_mistake_of_ours(tmp_path, source):
    done = process("asm", source, "-o", "é.pbx", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "é.pbx").exists()


def test_a_title_that_standard_output_cannot_show_is_no_mistake_of_ours(tmp_path):
    from .commands import MANIFEST

    folder = write_cartridge(tmp_path / "small", HALT, MANIFEST.replace("A small one", "Ein grünes Häuschen"))
    done = process("run", folder, "--frames", 1, "--engine", "reference", env={"PYTHONIOENCODING": "ascii"})
    assert (done.code, done.err) == (0, "")


# ---- disasm


@pytest.mark.parametrize("name", sorted(GOLDEN))
@pytest.mark.parametrize("form", ["program", "directory", "cart"])
def test_assembling_the_text_again_gives_the_same_bytes(pbs, tmp_path, name, form):
    program = CARTRIDGES / name / "program.pbx"
    assert pbs("pack", CARTRIDGES / name, "-o", "a.cart").code == 0
    given = {"program": program, "directory": CARTRIDGES / name, "cart": "a.cart"}[form]
    assert pbs("disasm", given, "-o", "again.pbasm").code == 0
    assert pbs("asm", "again.pbasm", "-o", "again.pbx").code == 0
    assert (tmp_path / "again.pbx").read_bytes() == program.read_bytes()


def test_the_text_goes_to_standard_output_or_into_the_object(pbs, tmp_path, tick):
    done = pbs("disasm", tick)
    assert done.code == 0
    value = pbs("disasm", tick, "--json").shown("disasm")
    assert value == {"verb": "disasm", "text": done.out}
    assert package.assemble(value["text"]) == tick.read_bytes()


def test_an_output_is_written_also_with_json(pbs, tmp_path, tick):
    value = pbs("disasm", tick, "-o", "a.pbasm", "--json").shown("disasm")
    assert (tmp_path / "a.pbasm").read_text() == value["text"]


def test_a_source_name_that_is_not_ascii_comes_back(pbs, tmp_path):
    (tmp_path / "grün.pbasm").write_text(HALT)
    assert pbs("asm", "grün.pbasm", "-o", "a.pbx").code == 0
    assert pbs("disasm", "a.pbx", "-o", "b.pbasm").code == 0
    assert (tmp_path / "b.pbasm").read_bytes().isascii()
    assert pbs("asm", "b.pbasm").code == 0
    assert (tmp_path / "b.pbx").read_bytes() == (tmp_path / "a.pbx").read_bytes()


def test_a_program_that_may_not_run_can_still_be_read(pbs, tmp_path):
    path = write_program(tmp_path / "unsound.pbx", UNSOUND)
    text = pbs("disasm", path, "--json").shown("disasm")["text"]
    assert package.assemble(text) == path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        ([], "usage", 2), (["nothing"], "file_missing", 3), (["empty"], "cartridge_member_missing", 3),
        (["text"], "program_magic_wrong", 3), ([str(GOLDEN["pong"].with_suffix(".pbt"))], "file_unrecognized", 3),
        (["tick.pbx", "-o", "missing/a.pbasm"], "file_unwritable", 5),
    ],
)  # fmt: skip
def test_what_cannot_be_disassembled_is_refused(pbs, tmp_path, tick, arguments, code, exit_code):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("text")
    done = pbs("disasm", *arguments, "--json")
    assert (done.code, done.refused()) == (exit_code, code)
