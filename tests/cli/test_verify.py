"""`pbs verify`."""

from __future__ import annotations

import pytest

import pbs as package

from .commands import (
    CARTRIDGES,
    GOLDEN,
    HALT,
    LOOP,
    MANIFEST,
    OLD,
    TICK,
    TRAP,
    UNSOUND,
    write_cartridge,
    write_program,
)


@pytest.mark.parametrize("name", sorted(GOLDEN))
@pytest.mark.parametrize("member", ["", "program.pbx"])
def test_every_cartridge_and_its_program_are_accepted(pbs, name, member):
    done = pbs("verify", CARTRIDGES / name / member, "--json")
    value = done.shown("verify")
    assert (done.code, done.err, value["accepted"], value["warnings"]) == (0, "", True, [])
    assert value["cartridge"]["id"] == (None if member else name)


@pytest.mark.parametrize(
    ("text", "instructions", "blocks"),
    [(HALT, 1, 1), (LOOP, 1, 1), (TICK, 6, 2), (TRAP, 7, 3)],  # a block starts behind FRAME_SYNC
)
def test_what_was_proved_is_counted(pbs, tmp_path, text, instructions, blocks):
    value = pbs("verify", write_program(tmp_path / "a.pbx", text), "--json").shown("verify")
    assert (value["functions"], value["instructions"], value["blocks"]) == (1, instructions, blocks)
    assert 0 < value["work"] <= 4096 + 64 * 10 * instructions


def test_verifying_runs_nothing(pbs, tmp_path):
    """Neither a trap nor a loop without end is met."""
    for text in (TRAP, LOOP):
        done = pbs("verify", write_program(tmp_path / "a.pbx", text))
        assert done.code == 0
        assert "accepted, 1 functions" in done.out


def test_directory_file_and_program_have_their_digests(pbs, tmp_path):
    folder = write_cartridge(tmp_path / "small")
    assert pbs("pack", folder, "-o", "small.cart").code == 0
    directory, flat = (pbs("verify", path, "--json").shown("verify")["cartridge"] for path in (folder, "small.cart"))
    assert directory == flat
    assert (flat["id"], flat["title"], flat["version"]) == ("small", "A small one", "2.3.4")
    bare = pbs("verify", folder / "program.pbx", "--json").shown("verify")["cartridge"]
    assert (bare["id"], bare["version"]) == (None, None)
    assert bare["digest"] != flat["digest"]


def test_a_refused_program_is_exit_code_3_with_place(pbs, tmp_path):
    done = pbs("verify", write_program(tmp_path / "unsound.pbx", UNSOUND), "--json")
    error = done.error()
    assert (done.code, error["code"], error["family"]) == (3, "program_invalid", "invalid")
    (finding,) = error["findings"]
    # PUSH_BOOL 3, JMP_IF_TRUE 6, PUSH_I32 6: the paths meet at byte 15
    assert (finding["code"], finding["place"]["function"], finding["place"]["pc"]) == ("stack_height_mismatch", 0, 15)
    plain = pbs("verify", tmp_path / "unsound.pbx")
    assert (plain.code, plain.out) == (3, "")
    assert "stack_height_mismatch" in plain.err
    assert "hint: leave the same operands on both paths" in plain.err


def test_at_most_twenty_functions_are_reported(pbs, tmp_path):
    body = "\n    PUSH true\n    JMP_IF_TRUE on\n    PUSH 1\non:\n    HALT\n.end\n"
    text = '.target profile "core" "1.0.0"\n' + "".join(f".func f{i}(){body}" for i in range(25))
    error = pbs("verify", write_program(tmp_path / "many.pbx", text), "--json").error()
    assert [finding["place"]["function"] for finding in error["findings"]] == list(range(20))


CHANGES = {
    "not a version": ('version: "2.3.4"', 'version: "two"', "manifest_invalid"),
    "a key too many": ("limits: {", "more: 1\nlimits: {", "manifest_invalid"),
    "a key missing": ('runtime_compatibility: {min_version: "1.0.0"}\n', "", "manifest_invalid"),
    "a number instead of text": ("title: A small one", "title: 5", "manifest_invalid"),
    "a key twice": ("limits: {", "limits: {profile: JAM}\nlimits: {", "manifest_invalid"),
    "an anchor": ("title: A small one", "title: &a A small one", "manifest_invalid"),
    "a control character": ("title: A small one", 'title: "A\\x1bsmall one"', "manifest_invalid"),
    "a limit above its profile": ("{profile: JAM}", "{profile: JAM, heap_words: 16385}", "manifest_invalid"),
    "a later runtime": ('min_version: "1.0.0"', 'min_version: "1.0.1"', "target_range_unsupported"),
    "another major runtime": ('min_version: "1.0.0"', 'min_version: "2.0.0"', "target_major_unsupported"),
    "a runtime before": ('{min_version: "1.0.0"}', '{min_version: "0.1.0", max_version: "0.9.0"}', "target_major_unsupported"),
    "a later schema": ('manifest_schema_version: "1.0.0"', 'manifest_schema_version: "1.1.0"', "manifest_schema_unsupported"),
    "a later instruction set": ('isa: "1.0.0"', 'isa: "1.1.0"', "isa_unsupported"),
    "an unknown profile": ("profile: core", "profile: quantum", "profile_unsupported"),
    "another profile than the program's": ("profile: core", "profile: game", "target_mismatch"),
    "a call that is not made": ("host_calls: []", "host_calls: [[log, write, 1]]", "host_call_not_imported"),
    "a pack": ("capabilities: []}", "capabilities: [], packs: [more@1.0]}", "pack_unavailable"),
    "an entry of the host": ("entries: {", "entries: {step: {owner: host, export: step}, ", "entry_owner_unsupported"),
    "an entry that is not exported": ("entries: {", "entries: {step: {owner: vm, export: step}, ", "entry_export_missing"),
    "an asset that is not there": (
        "limits: {",
        "assets: [{name: a, kind: bitmap, file: a.pbi}]\nlimits: {",
        "cartridge_member_missing",
    ),
    "too little stack": ("{profile: JAM}", "{profile: JAM, stack_words: 15}", "manifest_invalid"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_manifest_is_refused_for(pbs, tmp_path, name):
    old, new, code = CHANGES[name]
    assert MANIFEST.count(old) == 1
    done = pbs("verify", write_cartridge(tmp_path / "small", TICK, MANIFEST.replace(old, new)), "--json")
    assert (done.code, done.refused()) == (3, code)


def test_a_capability_that_this_host_lacks_is_named(pbs, tmp_path):
    manifest = MANIFEST.replace("capabilities: []", "capabilities: [gfx@9.0]")
    error = pbs("verify", write_cartridge(tmp_path / "small", TICK, manifest), "--json").error()
    assert error["code"] == "capability_unavailable"


def test_all_findings_are_told_in_the_order_of_the_stages(pbs, tmp_path):
    manifest = MANIFEST.replace('isa: "1.0.0"', 'isa: "1.1.0"').replace("profile: core", "profile: quantum")
    manifest = manifest.replace("host_calls: []", "host_calls: [[log, write, 1]]")
    error = pbs("verify", write_cartridge(tmp_path / "small", TICK, manifest), "--json").error()
    codes = [error["code"], *(finding["code"] for finding in error["findings"])]
    assert codes == [
        "isa_unsupported",
        "profile_unsupported",
        "target_mismatch",
        "target_mismatch",
        "host_call_not_imported",
    ]


def test_a_warning_is_told_and_changes_nothing(pbs, tmp_path):
    path = write_program(tmp_path / "old.pbx", OLD)
    done = pbs("verify", path, "--json")
    assert done.code == 0
    assert [warning["code"] for warning in done.shown("verify")["warnings"]] == ["host_call_deprecated"]
    plain = pbs("verify", path)
    assert plain.code == 0
    assert plain.err.startswith("pbs: warning: host_call_deprecated: ")
    manifest = MANIFEST.replace('{min_version: "1.0.0"}', '{min_version: "0.1.0", tested_versions: ["0.9.0"]}')
    manifest = manifest.replace('{min_version: "0.1.0"', '{min_version: "1.0.0"')
    value = pbs("verify", write_cartridge(tmp_path / "untested", TICK, manifest), "--json").shown("verify")
    assert [warning["code"] for warning in value["warnings"]] == ["runtime_untested"]


def test_a_program_in_a_cartridge_is_told_from_the_cartridge(pbs, tmp_path):
    folder = write_cartridge(tmp_path / "small")
    (folder / "program.pbx").write_bytes(package.assemble(TICK)[:-1])
    error = pbs("verify", folder, "--json").error()
    assert (error["code"], error["subject"]) == ("program_invalid", "program.pbx")
    assert [finding["code"] for finding in error["findings"]] == ["program_truncated"]


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        ([], "usage", 2), (["a", "b"], "usage", 2), (["nothing"], "file_missing", 3), (["empty"], "cartridge_member_missing", 3),
        (["text"], "program_magic_wrong", 3), (["text", "--frames", "1"], "usage", 2),
    ],
)  # fmt: skip
def test_what_cannot_be_verified_is_refused(pbs, tmp_path, arguments, code, exit_code):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("text")
    done = pbs("verify", *arguments, "--json")
    assert (done.code, done.refused()) == (exit_code, code)
