import copy
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbs import contract
from pbs.contract import (
    Denied,
    Diagnostic,
    Diverged,
    Family,
    InternalError,
    Interrupted,
    LimitReached,
    PbsError,
    Place,
    Rejected,
    StorageError,
    UsageError,
)
from pbs.contract.diagnostics import as_json, registry, text
from pbs.contract.schemas import violations

ROOMS = Path(contract.__file__).resolve().parent.parent
CODES = list(registry())

# docs/machine.md, command line.
EXIT_CODES = {
    "trap": 1, "usage": 2, "malformed": 3, "invalid": 3, "incompatible": 3,
    "limit": 4, "storage": 5, "diverged": 6, "slower": 8, "denied": 7, "interrupted": 130, "internal": 70,
}  # fmt: skip

# R004-24 names the first of the stable codes; they belong to these families for ever.
FROZEN = {
    "target_major_unsupported": "incompatible", "target_range_unsupported": "incompatible",
    "profile_unsupported": "incompatible",
    "isa_unsupported": "incompatible", "host_call_unknown": "incompatible", "host_call_version_unsupported": "incompatible",
    "capability_unavailable": "incompatible", "host_call_abi_mismatch": "invalid", "host_call_unused": "invalid",
    "host_call_index_invalid": "invalid", "raw_syscall_forbidden": "invalid", "capability_undeclared": "invalid",
    "manifest_invalid": "malformed", "program_invalid": "invalid",
}  # fmt: skip


# ---- the registry


def test_every_family_has_its_exit_code():
    assert {family.value: family.exit_code for family in Family} == EXIT_CODES


def test_every_family_has_codes():
    assert {entry.family for entry in registry().values()} == set(Family)


@pytest.mark.parametrize("code", CODES)
def test_a_registered_code_is_well_formed(code):
    entry = registry()[code]
    assert entry.code == code
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", code)
    assert len(code) <= 40
    assert entry.sentence[0].islower()
    assert entry.sentence.isprintable()
    assert entry.sentence.isascii()
    assert not entry.sentence.endswith((".", " ", "!"))
    assert entry.hint == entry.hint.strip()
    assert not entry.hint.endswith(".")
    assert entry.hint.isprintable()


def test_no_two_codes_say_the_same():
    sentences = [entry.sentence for entry in registry().values()]
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize(("code", "family"), FROZEN.items())
def test_the_codes_of_the_requirement_are_there_and_stay_in_their_family(code, family):
    assert registry()[code].family.value == family


def test_the_registry_file_gives_no_code_twice():
    lines = (Path(contract.__file__).parent / "diagnostics.yaml").read_text().splitlines()
    codes = [line.split(":")[0].strip() for line in lines if line.startswith("  ")]
    assert codes == CODES


def source_files():
    return sorted(
        path
        for path in ROOMS.rglob("*.py")
        if not {"tests", ".venv", "build", "src"} & set(path.relative_to(ROOMS).parts)
    )


def test_every_code_that_the_sources_raise_is_registered():
    raised = re.compile(
        r"""(?:\bcode=|(?:Rejected|UsageError|LimitReached|StorageError|Diverged|Denied|Interrupted|PbsError|LineProblem|TypeProblem|CodeProblem)\(\s*)"([a-z_]+)\""""
    )
    used = {match for path in source_files() for match in raised.findall(path.read_text())}
    assert {"section_malformed", "export_may_stop", "file_unwritable", "assembly_name_taken", "stack_underflow"} <= used
    assert used <= set(CODES)


# ---- diagnostics and errors


@pytest.mark.parametrize("code", ["no_such_code", "", "Program_invalid", "program_invalid "])
def test_an_unregistered_code_is_our_own_mistake(code):
    with pytest.raises(InternalError):
        Diagnostic(code=code)
    with pytest.raises(InternalError):
        Rejected(code)


CLASSES = {
    UsageError: {"usage"},
    Rejected: {"malformed", "invalid", "incompatible"},
    LimitReached: {"limit"},
    StorageError: {"storage"},
    Diverged: {"diverged"},
    Denied: {"denied"},
    Interrupted: {"interrupted"},
}


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_class_takes_the_codes_of_its_families_only(kind):
    for code, entry in registry().items():
        if entry.family.value in CLASSES[kind]:
            error = kind(code)
            assert (error.code, error.exit_code) == (code, EXIT_CODES[entry.family.value])
        else:
            with pytest.raises(InternalError):
                kind(code)


def test_no_two_error_classes_share_a_family():
    families = [family for kind in CLASSES for family in kind.families]
    assert len(set(families)) == len(families)


def test_an_internal_error_is_no_coded_failure():
    assert not issubclass(InternalError, PbsError)


def test_the_first_of_several_findings_leads():
    findings = [
        Diagnostic(
            code="host_call_unknown", subject="a.b/1", required="x", available="y", details={"k": 1}, place=Place(pc=3)
        ),
        Diagnostic(code="program_invalid"),
        Diagnostic(code="program_truncated"),
    ]
    error = Rejected.of(findings)
    assert error.diagnostic == findings[0]
    assert error.findings == tuple(findings[1:])
    assert isinstance(error, Rejected)


# ---- text


def test_the_text_says_what_where_and_what_next():
    error = Rejected(
        "type_mismatch",
        subject="game.pbx",
        place=Place(function=2, name="draw", pc=14, line=7, column=3),
        required="int",
        available="float",
        details={"offset": 9},
    )
    assert str(error) == text(error)
    (line,) = [line for line in text(error).split("\n") if not line.startswith("hint: ")]
    at = 0
    for piece in (
        f"type_mismatch: {registry()['type_mismatch'].sentence}",
        *("game.pbx", "line 7", "column 3", "function 2 (draw)", "pc 14", "needs int", "has float", "offset 9"),
    ):
        assert piece in line[at:], piece
        at = line.index(piece, at) + len(piece)


@pytest.mark.parametrize("code", ["assembly_failed", "file_missing"])
def test_the_plainest_text_is_code_and_sentence_and_hint(code):
    entry = registry()[code]
    assert text(Rejected(code)) == f"{code}: {entry.sentence}" + (f"\nhint: {entry.hint}" if entry.hint else "")


def test_findings_follow_indented_and_hints_come_once_and_at_most_three():
    findings = [
        Diagnostic(code=code)
        for code in ("file_missing", "file_missing", "file_unreadable", "file_too_large", "type_repeated")
    ]
    lines = text(Rejected("program_invalid", findings=findings)).splitlines()
    assert lines[0].startswith("program_invalid: ")
    assert [line.split(":")[0] for line in lines[1:6]] == [f"  {finding.code}" for finding in findings]
    assert lines[6:] == [
        f"hint: {registry()[code].hint}" for code in ("file_missing", "file_unreadable", "file_too_large")
    ]


@pytest.mark.parametrize(
    "character", ["\x1b", "\n", "\r", "\x00", "\x07", "\x7f", "\x9b", "\u202e", "\u2028", "\ud800", "\U000e0001"]
)
def test_no_control_character_reaches_a_terminal(character):
    hostile = f"a{character}b"
    error = Rejected(
        "type_mismatch",
        subject=hostile,
        place=Place(function=0, name=hostile),
        required=hostile,
        available=hostile,
        details={"k": hostile},
    )
    shown = text(error)
    assert character not in shown.replace("\nhint: ", "") if character == "\n" else character not in shown
    assert shown.count(f"a\\x{ord(character):02x}b") == 5


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(max_size=20), st.text(max_size=20), st.dictionaries(st.just("k"), st.text(max_size=20) | st.integers()))
def test_any_text_from_outside_is_printable_when_shown(subject, required, details):
    for line in text(Rejected("type_mismatch", subject=subject, required=required, details=details)).split("\n"):
        assert line.isprintable()


# ---- JSON


FULL = Rejected(
    "program_invalid",
    subject="s",
    place=Place(function=1, name="f", pc=2, line=3, column=4),
    required="r",
    available="a",
    details={"z": "text", "b": 7},
    findings=[Diagnostic(code="type_mismatch", place=Place(function=0, pc=0)), Diagnostic(code="trace_empty")],
)


def test_the_object_has_every_field_also_where_there_is_nothing_to_say():
    empty = as_json(Rejected("assembly_failed"))
    assert empty == {
        "error": {
            "code": "assembly_failed", "family": "malformed", "message": registry()["assembly_failed"].sentence, "hint": "",
            "subject": None, "place": None, "required": None, "available": None, "details": {}, "findings": [],
        }
    }  # fmt: skip
    full = as_json(FULL)["error"]
    assert full["place"] == {"function": 1, "name": "f", "pc": 2, "line": 3, "column": 4}
    assert list(full["details"]) == ["b", "z"]
    assert [finding["code"] for finding in full["findings"]] == ["type_mismatch", "trace_empty"]
    assert full["findings"][1]["place"] is None


@pytest.mark.parametrize(
    "error", [FULL, Rejected("assembly_failed"), UsageError("usage"), PbsError("trap"), Interrupted("interrupted")]
)
def test_the_object_follows_its_schema(error):
    assert violations("error", as_json(error)) == []
    assert violations("error", json.loads(json.dumps(as_json(error)))) == []


@pytest.mark.parametrize("code", CODES)
def test_every_code_can_leave_as_json(code):
    assert violations("error", as_json(PbsError(code))) == []


def broken(change):
    value = copy.deepcopy(as_json(FULL))
    change(value)
    return value


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.update(more=1),
        lambda v: v["error"].update(more=1),
        lambda v: v["error"]["place"].update(more=1),
        lambda v: v["error"]["findings"][0].update(more=1),
        lambda v: v["error"]["findings"][0].update(findings=[]),
        lambda v: v["error"]["findings"][0]["place"].pop("line"),
        lambda v: v.pop("error"),
        lambda v: v["error"].update(code="Not_Snake"),
        lambda v: v["error"].update(code="a__b"),
        lambda v: v["error"].update(code="a\n"),
        lambda v: v["error"].update(family="guest"),
        lambda v: v["error"].update(message=""),
        lambda v: v["error"].update(subject=1),
        lambda v: v["error"].update(required=1),
        lambda v: v["error"]["place"].update(pc=-1),
        lambda v: v["error"]["place"].update(pc=1.0),
        lambda v: v["error"]["place"].update(line=True),
        lambda v: v["error"]["place"].update(name=3),
        lambda v: v["error"]["details"].update(k=None),
        lambda v: v["error"]["details"].update(k=1.5),
        *(lambda v, key=key: v["error"].pop(key) for key in as_json(FULL)["error"]),
        *(lambda v, key=key: v["error"]["findings"][0].pop(key) for key in as_json(FULL)["error"]["findings"][0]),
    ],
)
def test_the_schema_refuses_everything_else(change):
    assert violations("error", broken(lambda v: None)) == []
    assert violations("error", broken(change))
