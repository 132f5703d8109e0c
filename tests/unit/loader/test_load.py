import hashlib
import struct
import sys
from dataclasses import replace

import pytest

from pbs.contract import Family, Place, Rejected, axes
from pbs.contract.diagnostics import registry
from pbs.contract.limits import PROFILES
from pbs.host import standard
from pbs.host.registry import build
from pbs.isa.container import decode, encode
from pbs.isa.program import Export, Import
from pbs.isa.table import BY_NAME
from pbs.isa.types import INT
from pbs.loader import Image, assemble, load
from pbs.loader.cartridge import content_digest, decode_cartridge
from pbs.loader.loading import load_cartridge
from pbs.loader.resolve import resolve

MAIN = ".func main()\n    HALT\n.end\n"


def packed(name, *immediates):
    return BY_NAME[name].pack(BY_NAME[name].opcode, *immediates)


def bare(source, **more):
    """Code and subject of everything that is wrong with a bare program."""
    with pytest.raises(Rejected) as caught:
        load(assemble(source) if isinstance(source, str) else source, **more)
    return [(d.code, d.subject) for d in (caught.value.diagnostic, *caught.value.findings)]


def target(parts, name, value, line):
    """Change the target in the manifest and in the program alike."""
    parts.manifest["target"][name] = value
    parts.source += f"\n{line}\n"


def test_options_are_given_by_their_names(parts):
    assert load_cartridge(cartridge=decode_cartridge(parts.flat)).source == parts.flat
    assert load(source=parts.flat).source == parts.flat
    for wrong in (lambda: load(parts.flat, None), lambda: load_cartridge(decode_cartridge(parts.flat), None)):
        with pytest.raises(TypeError):
            wrong()


# ---- a good cartridge


def test_a_good_cartridge_loads_in_both_forms_to_the_same_image(parts, tmp_path):
    folder = parts.write(tmp_path / "cart")
    flat = tmp_path / "probe.cart"
    flat.write_bytes(parts.flat)
    images = [load(folder), load(str(folder)), load(flat), load(parts.flat)]
    assert {image.digest for image in images} == {content_digest(parts.members)}
    assert {image.source for image in images} == {parts.flat}
    for image in images:
        assert isinstance(image, Image)
        assert image.program == images[0].program
        assert (image.title, image.manifest.id, image.warnings) == ("Probe", "probe", ())
        assert image.limits == replace(PROFILES["JAM"], heap_words=4096, stack_words=64)
        assert {service.identity for service in image.services.values()} == {"gfx.clear/1", "log.write/1"}
        assert [(asset.width, asset.height) for asset in image.assets] == [(2, 1)]
        assert (image.export("reset"), image.export("main"), image.export("nothing")) == (1, None, None)


def test_the_image_is_the_patched_program(parts):
    program = decode(parts.members["program.pbx"])
    image = load(parts.flat)
    assert b"".join(f.code for f in program.functions).count(packed("HOSTCALL", 0)) == 1
    code = image.program.functions[0].code
    assert len(code) == len(program.functions[0].code)
    calls = [d for d in image.facts.functions[0].instructions if d.row.name in ("SYSCALL", "HOSTCALL")]
    assert [(d.row.name, d.immediates[0]) for d in calls] == [
        ("SYSCALL", standard().services["gfx.clear/1"].number),
        ("SYSCALL", standard().services["log.write/1"].number),
    ]
    assert image.program.imports == program.imports


def test_the_source_of_an_image_loads_to_the_same_image(parts):
    for data in (parts.flat, assemble(MAIN)):
        image = load(data)
        assert load(image.source).digest == image.digest


# ---- one cartridge for every code


ONE_CHANGE = {
    "target_major_unsupported": (
        lambda p: p.manifest["runtime_compatibility"].update(min_version="2.0.0", max_version="2.5.0"),
        [("target_major_unsupported", "native_runtime_version")],
    ),
    "target_major_unsupported (older)": (
        lambda p: p.manifest["runtime_compatibility"].update(min_version="0.1.0", max_version="0.9.0"),
        [("target_major_unsupported", "native_runtime_version")],
    ),
    "target_range_unsupported": (
        lambda p: p.manifest["runtime_compatibility"].update(min_version="1.0.1"),
        [("target_range_unsupported", "native_runtime_version")],
    ),
    "target_range_unsupported (older)": (
        lambda p: p.manifest["runtime_compatibility"].update(min_version="0.9.0", max_version="1.0.0-rc.1"),
        [("target_range_unsupported", "native_runtime_version")],
    ),
    "manifest_schema_unsupported": (
        lambda p: p.manifest.update(manifest_schema_version="1.0.1"),
        [("manifest_schema_unsupported", "manifest_schema_version")],
    ),
    "manifest_schema_unsupported (major)": (
        lambda p: p.manifest.update(manifest_schema_version="2.0.0"),
        [("manifest_schema_unsupported", "manifest_schema_version")],
    ),
    "isa_unsupported": (lambda p: target(p, "isa", "1.1.0", '.target isa "1.1.0"'), [("isa_unsupported", "isa_version")]),
    "isa_unsupported (major)": (lambda p: target(p, "isa", "2.0.0", '.target isa "2.0.0"'), [("isa_unsupported",
    "isa_version")]),
    "profile_unsupported": (
        lambda p: target(p, "profile_version", "1.0.1", '.target profile "game" "1.0.1"'),
        [("profile_unsupported", "language_profile_game")],
    ),
    "profile_unsupported (unknown)": (
        lambda p: target(p, "profile", "arcade", '.target profile "arcade" "1.0.0"'),
        [("profile_unsupported", "language_profile_arcade")],
    ),
    "pack_unavailable": (
        lambda p: p.manifest["requires"].update(packs=["fonts@1.0", "music@2.1.0-rc.1"]),
        [("pack_unavailable", "fonts@1.0"), ("pack_unavailable", "music@2.1.0-rc.1")],
    ),
    "entry_owner_unsupported": (
        lambda p: p.manifest["entries"].update(pause={"owner": "host", "export": "reset"}, again={"owner": "companion",
        "export": "reset"}),
        [("entry_owner_unsupported", "again"), ("entry_owner_unsupported", "pause")],
    ),
    "capability_undeclared (entry)": (
        lambda p: p.manifest["entries"]["reset"].update(requires={"capabilities": ["pad@1.0"]}),
        [("capability_undeclared", "entry reset")],
    ),
    "target_mismatch": (lambda p: p.replace('"game" "1.0.0"', '"core" "1.0.0"'), [("target_mismatch", "profile")]),
    "target_mismatch (versions)": (
        lambda p: p.manifest["target"].update(isa="1.0.0-rc.1", profile_version="1.0.0-rc.1"),
        [("target_mismatch", "isa"), ("target_mismatch", "profile_version")],
    ),
    "asset_malformed": (lambda p: p.files.update({"art/ball.pbi": b"PBSI"}), [("asset_malformed", "art/ball.pbi")]),
    "entry_export_missing": (lambda p: p.replace(".export reset", ".export other = reset"), [("entry_export_missing",
    "reset")]),
    "host_call_unknown": (
        lambda p: (p.replace(".import gfx.clear/1", ".import gfx.clean/1 (int)"), p.replace("HOSTCALL gfx.clear/1",
        "HOSTCALL gfx.clean/1"),
                   p.manifest["requires"].update(host_calls=[["gfx", "clean", 1], ["log", "write", 1]])),
        [("host_call_unknown", "gfx.clean/1")],
    ),
    "host_call_version_unsupported": (
        lambda p: (p.replace(".import gfx.clear/1", ".import gfx.clear/2 (int)"), p.replace("HOSTCALL gfx.clear/1",
        "HOSTCALL gfx.clear/2"),
                   p.manifest["requires"].update(host_calls=[["gfx", "clear", 2], ["log", "write", 1]])),
        [("host_call_version_unsupported", "gfx.clear/2")],
    ),
    "host_call_undeclared": (
        lambda p: p.manifest["requires"].update(host_calls=[["log", "write", 1]]), [("host_call_undeclared", "gfx.clear/1")],
    ),
    "host_call_undeclared (no other version)": (
        lambda p: p.manifest["requires"].update(host_calls=[["gfx", "clear", 2], ["log", "write", 1]]),
        [("host_call_undeclared", "gfx.clear/1"), ("host_call_not_imported", "gfx.clear/2")],
    ),
    "host_call_not_imported": (
        lambda p: p.manifest["requires"]["host_calls"].append(["gfx", "present", 1]), [("host_call_not_imported",
        "gfx.present/1")],
    ),
    "host_call_abi_mismatch": (
        lambda p: (p.replace(".import gfx.clear/1", ".import gfx.clear/1 (bool)"), p.replace("PUSH 0x001F", "PUSH true")),
        [("host_call_abi_mismatch", "gfx.clear/1")],
    ),
    "host_call_abi_mismatch (results)": (
        lambda p: (p.replace(".import gfx.clear/1", ".import gfx.clear/1 (int) -> int"), p.replace("HOSTCALL gfx.clear/1",
        "HOSTCALL gfx.clear/1\nPOP")),
        [("host_call_abi_mismatch", "gfx.clear/1")],
    ),
    "capability_undeclared": (
        lambda p: p.manifest["requires"].update(capabilities=["log@1.0"]), [("capability_undeclared", "gfx.clear/1")],
    ),
    "capability_undeclared (major)": (
        lambda p: p.manifest["requires"].update(capabilities=["gfx@2.0", "log@1.0"]),
        [("capability_undeclared", "gfx.clear/1"), ("capability_unavailable", "gfx@2.0")],
    ),
    "capability_unavailable": (
        lambda p: p.manifest["requires"]["capabilities"].append("audio@1.0"), [("capability_unavailable", "audio@1.0")],
    ),
    "capability_unavailable (minor)": (
        lambda p: p.manifest["requires"].update(capabilities=["gfx@1.1", "log@1.0"]), [("capability_unavailable", "gfx@1.1")],
    ),
    "host_call_unused": (
        lambda p: p.replace("    PUSH 0x001F\n    HOSTCALL gfx.clear/1\n", ""), [("host_call_unused", "gfx.clear/1")],
    ),
    "host_call_index_invalid": (
        lambda p: p.replace("    FRAME_SYNC\n", "    HOSTCALL 2\n    FRAME_SYNC\n.stack 2\n"), [("host_call_index_invalid",
        None)],
    ),
    "raw_syscall_forbidden": (
        lambda p: p.replace("    FRAME_SYNC\n", "    PUSH 1\n    SYSCALL 4097\n    FRAME_SYNC\n.stack 2\n"),
        [("raw_syscall_forbidden", None)],
    ),
    "raw_syscall_forbidden (no such service)": (
        lambda p: p.replace("    FRAME_SYNC\n", "    SYSCALL 4294967295\n    FRAME_SYNC\n.stack 2\n"),
        [("raw_syscall_forbidden", None)],
    ),
    "program_invalid (verifier)": (
        lambda p: p.replace("    FRAME_SYNC\n", "    ADD\n    FRAME_SYNC\n.stack 2\n"), [("program_invalid", None),
        ("stack_underflow", None)],
    ),
    "program_invalid (file)": (
        lambda p: setattr(p, "program", b"PBSX\1\0"), [("program_invalid", "program.pbx"), ("program_truncated", None)],
    ),
    "program_invalid (no program)": (
        lambda p: setattr(p, "program", b""), [("program_invalid", "program.pbx"), ("program_magic_wrong", None)],
    ),
    "manifest_invalid": (lambda p: p.manifest["identity"].update(id="Probe"), [("manifest_invalid", "/identity/id")]),
    "manifest_invalid (no version)": (
        lambda p: p.manifest["target"].update(isa="1.0"), [("manifest_invalid", "/target/isa")],
    ),
    "cartridge_member_missing (asset)": (lambda p: p.files.clear(), [("cartridge_member_missing", "art/ball.pbi")]),
    "frame_exceeds_stack": (lambda p: p.manifest["limits"].update(stack_words=16) or p.replace(
        ".func reset(to: int) -> int\n", ".func reset(to: int) -> int\n" + "".join(f".local x{i}: int\n" for i in range(15))),
        [("frame_exceeds_stack", None)],
    ),
    "constants_exceed_heap": (lambda p: p.manifest["limits"].update(heap_words=0), [("constants_exceed_heap", None)]),
    "constants_exceed_heap (objects)": (
        lambda p: (p.manifest["limits"].update(objects=1), p.replace("    FRAME_SYNC\n",
        '    PUSH "two"\n    POP\n    FRAME_SYNC\n')),
        [("constants_exceed_heap", None)],
    ),
}  # fmt: skip

# The first set of stable codes, as the requirement names them.
R004_24 = {
    "target_major_unsupported", "target_range_unsupported", "profile_unsupported", "host_call_unknown",
    "host_call_version_unsupported",
    "host_call_abi_mismatch", "host_call_unused", "host_call_index_invalid", "raw_syscall_forbidden", "capability_undeclared",
    "capability_unavailable", "isa_unsupported", "manifest_invalid", "program_invalid",
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_CHANGE)
def test_a_cartridge_with_one_fault_is_rejected_with_exactly_its_codes(name, parts, findings):
    change, expected = ONE_CHANGE[name]
    change(parts)
    assert findings(parts) == expected
    assert expected[0][0] == name.partition(" ")[0]


def test_every_code_of_the_requirement_has_its_cartridge():
    assert not R004_24 - {name.partition(" ")[0] for name in ONE_CHANGE}


def test_the_cartridge_before_its_changes_is_good(parts, tmp_path):
    load(parts.write(tmp_path))
    load(parts.flat)


@pytest.mark.parametrize(
    ("code", "required", "available"),
    [
        ("target_major_unsupported", ">=2.0.0 <=2.5.0", axes.CURRENT[axes.NATIVE_RUNTIME]),
        ("profile_unsupported (unknown)", "1.0.0", "nothing"),
        ("host_call_version_unsupported", "2", "1"),
        ("host_call_abi_mismatch", "color: int ->", None),
        ("capability_undeclared", "gfx@1.0", None),
        ("capability_unavailable", None, "nothing"),
        ("capability_unavailable (minor)", None, "1.0"),
        ("host_call_index_invalid", "below 2", "2"),
        ("target_mismatch", "game", "core"),
        ("entry_owner_unsupported", "companion", "vm"),
        ("frame_exceeds_stack", "17", "16"),
    ],
)
def test_a_finding_says_what_is_needed_and_what_there_is(code, required, available, parts):
    ONE_CHANGE[code][0](parts)
    with pytest.raises(Rejected) as caught:
        load(parts.flat)
    found = caught.value.diagnostic
    assert ((found.required or "").strip() or None, found.available) == (required, available)


@pytest.mark.parametrize("code", ["host_call_index_invalid", "raw_syscall_forbidden"])
def test_a_finding_about_code_says_where(code, parts):
    ONE_CHANGE[code][0](parts)
    with pytest.raises(Rejected) as caught:
        load(parts.flat)
    place = caught.value.diagnostic.place
    assert (place.function, place.name) == (0, "main")
    assert place.pc > 0
    assert parts.source.splitlines()[place.line - 1].strip() in ("SYSCALL 4097", "HOSTCALL 2")


# ---- the order of the stages


STAGES = [
    ("manifest_schema_unsupported", "manifest_schema_version"), ("target_major_unsupported", "native_runtime_version"),
    ("isa_unsupported", "isa_version"), ("profile_unsupported", "language_profile_none"), ("pack_unavailable", "fonts@1.0"),
    ("capability_undeclared", "entry main"), ("entry_owner_unsupported", "reset"), ("target_mismatch", "isa"),
    ("target_mismatch", "profile"),
    ("target_mismatch", "profile_version"), ("asset_malformed", "art/ball.pbi"), ("entry_export_missing", "reset"),
    ("host_call_unknown", "a.b/1"), ("host_call_undeclared", "a.b/1"), ("host_call_version_unsupported", "gfx.clear/9"),
    ("host_call_undeclared", "gfx.clear/9"), ("host_call_not_imported", "gfx.clear/1"), ("host_call_not_imported", "x.y/3"),
    ("host_call_abi_mismatch", "log.write/1"), ("capability_undeclared", "log.write/1"), ("capability_unavailable", "pad@1.0"),
    ("host_call_unused", "a.b/1"), ("host_call_index_invalid", None), ("raw_syscall_forbidden", None),
    ("host_call_index_invalid", None),
]  # fmt: skip
MANY_FAULTS = """
.target profile "game" "1.0.0"
.import a.b/1 ()
.import gfx.clear/9 ()
.import log.write/1 (int)
.func main()
    .stack 1
    HOSTCALL 77
    HOSTCALL gfx.clear/9
    SYSCALL 1
    HOSTCALL log.write/1
    HALT
.end
.func second()
    .stack 9
    ADD
    HOSTCALL 78
.end
"""


def many_faults(parts):
    parts.source = MANY_FAULTS
    parts.files["art/ball.pbi"] = b""
    parts.manifest |= {
        "manifest_schema_version": "3.0.0",
        "runtime_compatibility": {"min_version": "5.0.0"},
        "target": {"isa": "7.0.0", "profile": "none", "profile_version": "2.0.0"},
        "requires": {
            "host_calls": [["gfx", "clear", 1], ["log", "write", 1], ["x", "y", 3]],
            "capabilities": ["pad@1.0"],
            "packs": ["fonts@1.0"],
        },
        "entries": {
            "reset": {"owner": "host", "export": "reset"},
            "main": {"owner": "vm", "requires": {"capabilities": ["gfx@1.0"]}},
        },
    }


def test_faults_at_every_stage_are_all_reported_in_the_order_of_the_stages(parts, findings):
    many_faults(parts)
    assert findings(parts) == STAGES


def test_nothing_is_verified_while_something_before_is_wrong(parts, findings, monkeypatch):
    def verify(*_):
        raise AssertionError("verified")

    many_faults(parts)
    monkeypatch.setattr(sys.modules["pbs.loader.loading"], "verify", verify)
    assert findings(parts) == STAGES


def test_a_program_that_cannot_be_read_ends_the_list_behind_what_the_manifest_says(parts, findings):
    many_faults(parts)
    parts.program = assemble(MAIN)[:-1]
    end = [("program_invalid", "program.pbx"), ("program_truncated", None)]
    assert findings(parts) == STAGES[: STAGES.index(("target_mismatch", "isa"))] + end


def test_a_manifest_that_cannot_be_read_is_the_only_finding(parts, findings):
    many_faults(parts)
    parts.manifest["surprise"] = 1
    assert findings(parts) == [("manifest_invalid", "/")]


def test_the_program_that_could_not_be_read_is_named_with_the_reason(parts):
    parts.program = b"PBSX\1\0"
    with pytest.raises(Rejected) as caught:
        load(parts.flat)
    assert caught.value.diagnostic.details == {"reason": "program_truncated"}
    assert caught.value.diagnostic.entry.family is Family.INVALID


def test_misfits_are_all_reported(parts, findings):
    parts.manifest["limits"] = {"stack_words": 16, "heap_words": 0}
    locals_ = "".join(f".local x{i}: int\n" for i in range(20))
    parts.replace(".func reset(to: int) -> int\n", ".func reset(to: int) -> int\n" + locals_)
    parts.replace(".func main()\n", ".func main()\n" + locals_)
    assert findings(parts) == [("frame_exceeds_stack", None)] * 2 + [("constants_exceed_heap", None)]


# ---- no fallback


def test_another_version_of_a_service_never_answers_for_the_one_that_is_asked(parts):
    for version in (0, 3, 9, 65535):
        body = f"PUSH 1\nPUSH 1\nPUSH null\nPUSH 1\nHOSTCALL gfx.text/{version}\nHALT\n"
        source = f".import gfx.text/{version} (int, int, array byte, int)\n.func main()\n{body}.end\n"
        assert bare(source) == [("host_call_version_unsupported", f"gfx.text/{version}")]


@pytest.mark.parametrize("identity", ["gfx.Clear/1", "GFX.clear/1", "gfx.clear_/1", "gfx.gfx.clear/1", "clear.gfx/1"])
def test_nothing_is_matched_nearly(identity):
    assert bare(f".import {identity} (int)\n.func main()\nPUSH 1\nHOSTCALL {identity}\nHALT\n.end\n") == [
        ("host_call_unknown", identity)
    ]


# ---- warnings


def test_an_old_identity_loads_with_a_warning_that_names_the_new_one():
    source = ".func main()\nPUSH 1\nPUSH 1\nPUSH null\nPUSH 1\nHOSTCALL gfx.text/1\nHALT\n.end\n"
    image = load(assemble(source))
    (warning,) = image.warnings
    assert (warning.code, warning.subject, warning.available) == ("host_call_deprecated", "gfx.text/1", "gfx.text/2")
    assert warning.details == {"deprecated since": "1.0.0", "removed in": "2.0.0"}
    assert warning.entry.family is Family.INCOMPATIBLE


@pytest.mark.parametrize(
    ("tested", "warned"),
    [
        (["1.0.0"], False),
        ([], False),
        (None, False),
        (["0.9.0", "1.0.0+build"], False),
        (["0.9.0"], True),
        (["1.0.0-rc.1", "1.1.0"], True),
    ],
)
def test_a_runtime_that_the_cartridge_was_not_tested_on_is_a_warning(parts, tested, warned):
    if tested is None:
        del parts.manifest["runtime_compatibility"]["tested_versions"]
    else:
        parts.manifest["runtime_compatibility"]["tested_versions"] = tested
    assert [(w.code, w.subject, w.available) for w in load(parts.flat).warnings] == [
        ("runtime_untested", "probe", "1.0.0")
    ] * warned


# ---- ranges of the manifest


@pytest.mark.parametrize(
    "compatibility",
    [
        {"min_version": "1.0.0"}, {"min_version": "1.0.0", "max_version": "1.0.0"}, {"min_version": "0.1.0",
        "max_version": "1.0.0"},
        {"min_version": "1.0.0-rc.1"}, {"min_version": "0.0.0", "max_version": "9.0.0"}, {"min_version": "1.0.0+a"},
    ],
)  # fmt: skip
def test_a_range_that_holds_this_runtime_loads(parts, compatibility):
    parts.manifest["runtime_compatibility"] = compatibility
    load(parts.flat)


@pytest.mark.parametrize(
    ("compatibility", "code"),
    [
        ({"min_version": "1.0.1"}, "target_range_unsupported"), ({"min_version": "0.9.0"}, "target_major_unsupported"),
        ({"min_version": "0.9.0", "max_version": "0.9.9"}, "target_major_unsupported"),
        ({"min_version": "2.0.0-rc.1"}, "target_major_unsupported"),
        ({"min_version": "1.0.1", "max_version": "3.0.0"}, "target_range_unsupported"), ({"min_version": "2.0.0",
        "max_version": "3.0.0"}, "target_major_unsupported"),
    ],
)  # fmt: skip
def test_a_range_without_this_runtime_does_not(parts, findings, compatibility, code):
    parts.manifest["runtime_compatibility"] = compatibility
    assert findings(parts) == [(code, "native_runtime_version")]


# ---- bare programs


def test_a_bare_program_declares_by_importing():
    image = load(assemble(".func main()\nPUSH 1\nHOSTCALL gfx.clear/1\nHALT\n.end\n", source="bare.pbasm"))
    assert (image.manifest, image.title, image.assets) == (None, "bare.pbasm", ())
    assert image.limits == PROFILES["STANDARD"]
    assert load(assemble(MAIN), limits=PROFILES["JAM"]).limits == PROFILES["JAM"]
    assert load(assemble(".strip\n" + MAIN)).title == "program"


def test_the_digest_of_a_bare_program_is_that_of_its_only_member():
    data = assemble(MAIN)
    content = struct.pack("<I", 11) + b"program.pbx" + struct.pack("<Q", len(data)) + data
    assert load(data).digest == hashlib.sha256(content).digest()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('.target runtime "2.0.0"', [("target_major_unsupported", "native_runtime_version")]),
        ('.target runtime "1.0.1"', [("target_range_unsupported", "native_runtime_version")]),
        ('.target runtime "0.1.0" "0.2.0"', [("target_major_unsupported", "native_runtime_version")]),
        ('.target isa "1.9.0"', [("isa_unsupported", "isa_version")]),
        ('.target profile "core" "2.0.0"', [("profile_unsupported", "language_profile_core")]),
        ('.target profile "none" "1.0.0"', [("profile_unsupported", "language_profile_none")]),
        *((f".target {line}", [("program_meta_invalid", "meta")]) for line in (
            'isa ""', 'isa "1"', 'isa "1.0.0 "', 'runtime "v1.0.0"', 'runtime "1.0.0" "x"', 'runtime "1.1.0" "1.0.0"',
            'profile "core" ""',
            f'isa "1.0.0-{"x" * 60}"',
        )),
    ],
)  # fmt: skip
def test_a_bare_program_says_for_what_it_was_made(line, expected):
    assert bare(f"{line}\n{MAIN}") == expected


def test_faults_of_a_bare_program_are_all_reported():
    source = '.target runtime "5.0.0"\n.target isa "3.0.0"\n.import a.b/1 ()\n.func main()\n.stack 0\nSYSCALL 5\nHALT\n.end\n'
    assert bare(source) == [
        ("target_major_unsupported", "native_runtime_version"),
        ("isa_unsupported", "isa_version"),
        ("host_call_unknown", "a.b/1"),
        ("host_call_unused", "a.b/1"),
        ("raw_syscall_forbidden", None),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"heap_words": -1},
        {"stack_words": 15},
        {"frame_cycles": 1023},
        {"objects": 0},
        {"heap_words": 4096.0},
        {"coroutines": True},
        {"log_bytes": 1 << 40},
    ],
)
def test_limits_that_no_profile_allows_are_refused(change):
    assert bare(MAIN, limits=replace(PROFILES["STANDARD"], **change)) == [("limits_invalid", name) for name in change]


# ---- whatever is given


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "program_magic_wrong"), (b"PBS", "program_truncated"), (b"PBSC", "cartridge_truncated"), (b"PBSX",
        "program_truncated"),
        (b"#!/bin/sh\n", "program_magic_wrong"), (b"PK\x03\x04", "program_magic_wrong"), (bytes(100), "program_magic_wrong"),
    ],
)  # fmt: skip
def test_bytes_of_another_kind_are_refused(data, code, tmp_path):
    assert bare(data) == [(code, None)]
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(Rejected) as caught:
        load(tmp_path / "file")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("nothing", "file_missing"),
        ("a" * 300, "file_unreadable"),
        ("a\0b", "file_missing"),
        ("half \ud800", "file_missing"),
        ("empty", "cartridge_member_missing"),
    ],
)
def test_a_path_without_a_cartridge_is_refused(name, code, tmp_path):
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / name, str(tmp_path / name)):
        with pytest.raises(Rejected) as caught:
            load(source)
        assert caught.value.code == code


def test_a_manifest_that_is_a_directory_is_refused(tmp_path):
    (tmp_path / "manifest.yaml").mkdir()
    with pytest.raises(Rejected) as caught:
        load(tmp_path)
    assert caught.value.code == "file_is_directory"


def test_a_program_that_is_a_directory_is_refused(parts, tmp_path):
    parts.write(tmp_path)
    (tmp_path / "program.pbx").unlink()
    (tmp_path / "program.pbx").mkdir()
    with pytest.raises(Rejected) as caught:
        load(tmp_path)
    assert caught.value.code == "file_is_directory"


# ---- resolving


def program_of(*code, imports=(), stack=4):
    program = decode(assemble(f".strip\n.func main()\n.stack {stack}\nHALT\n.end\n"))
    return replace(program, functions=(replace(program.functions[0], code=b"".join(code)),), imports=imports)


CLEAR = Import(module="gfx", name="clear", version=1, params=(INT,), results=())


def test_a_call_before_bytes_that_are_no_instruction_counts_as_use():
    program = program_of(packed("PUSH_I32", 1), packed("HOSTCALL", 0), b"\xff\xff", imports=(CLEAR,))
    assert bare(encode(program)) == [("program_invalid", None), ("opcode_unknown", None)]


def test_an_import_that_is_named_only_in_an_immediate_is_not_used():
    program = program_of(packed("PUSH_I64", 0x0071), packed("POP"), packed("HALT"), imports=(CLEAR,), stack=1)
    assert bare(encode(program)) == [("host_call_unused", "gfx.clear/1")]


def test_a_call_that_no_path_reaches_is_use_but_no_proof():
    program = program_of(
        packed("HALT"), packed("PUSH_I32", 1), packed("HOSTCALL", 0), packed("HALT"), imports=(CLEAR,), stack=0
    )
    assert bare(encode(program)) == [("program_invalid", None), ("code_unreachable", None)]


def test_the_same_identity_imported_twice_is_refused_by_the_verifier():
    code = [packed("PUSH_I32", 1), packed("HOSTCALL", 0), packed("PUSH_I32", 1), packed("HOSTCALL", 1), packed("HALT")]
    assert bare(encode(program_of(*code, imports=(CLEAR, CLEAR), stack=1))) == [
        ("program_invalid", None),
        ("host_call_repeated", "gfx.clear/1"),
    ]


def test_a_service_whose_types_the_program_lacks_does_not_match():
    row = Import(module="log", name="write", version=1, params=(INT, 17), results=(INT,))
    program = program_of(packed("HALT"), imports=(row,))
    assert ("host_call_abi_mismatch", "log.write/1") in bare(encode(program))


def test_an_intrinsic_needs_its_types_too():
    number = standard().intrinsics["coroutine.state/1"].number
    program = program_of(packed("PUSH_NULL"), packed("INTRINSIC", number), packed("POP"), packed("HALT"), stack=1)
    assert bare(encode(program)) == [("program_invalid", None), ("intrinsic_invalid", None)]


def test_long_type_and_import_tables_are_matched_once():
    class Counting(tuple):
        walked = 0

        def __iter__(self):
            Counting.walked += 1
            return super().__iter__()

    row = Import(module="log", name="write", version=1, params=(INT, 17), results=(INT,))
    program = replace(program_of(packed("HALT")), imports=(row,) * 1000)
    resolve(replace(program, types=Counting(program.types)), None, standard())
    assert Counting.walked < 10


def test_a_registry_of_our_own_is_asked_instead():
    rows = tuple(service for service in standard().services.values() if service.module == "log")
    intrinsics = tuple(standard().intrinsics.values())
    host = build((*rows, *intrinsics), {"log": "1.0"})
    source = ".func main()\nPUSH 1\nHOSTCALL gfx.clear/1\nHALT\n.end\n"
    assert bare(assemble(source), registry=host) == [("host_call_unknown", "gfx.clear/1")]
    assert load(assemble(MAIN), registry=host).registry is host


def test_a_newer_minor_of_a_capability_serves_an_older_one(parts, findings):
    host = build((*standard().services.values(), *standard().intrinsics.values()), {"gfx": "1.4", "log": "1.0"})
    assert load(parts.flat, registry=host).warnings == ()
    parts.manifest["requires"]["capabilities"] = ["gfx@1.4", "log@1.0"]
    load(parts.flat, registry=host)
    parts.manifest["requires"]["capabilities"] = ["gfx@1.5", "log@1.0"]
    assert findings(parts, registry=host) == [("capability_unavailable", "gfx@1.5")]


def test_an_export_of_main_cannot_be_called(parts):
    program = decode(parts.members["program.pbx"])
    parts.program = encode(replace(program, exports=(*program.exports, Export(name="again", function=0))))
    assert load(parts.flat).export("again") is None


def test_all_findings_are_registered_and_of_the_right_family():
    for _, expected in ONE_CHANGE.values():
        for code, _subject in expected:
            assert registry()[code].family in (Family.MALFORMED, Family.INVALID, Family.INCOMPATIBLE)


def test_a_place_is_where_the_debug_section_says(parts):
    parts.replace("    FRAME_SYNC\n", "    ADD\n    FRAME_SYNC\n.stack 2\n")
    with pytest.raises(Rejected) as caught:
        load(parts.flat)
    (finding,) = caught.value.findings
    line = parts.source.splitlines().index("    ADD") + 1
    assert finding.place == Place(function=0, name="main", pc=finding.place.pc, line=line)
