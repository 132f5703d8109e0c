import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from semver import Version

from pbs.contract import Rejected
from pbs.contract.limits import LIMIT_NAMES, PROFILES
from pbs.contract.versions import VersionRange
from pbs.loader.manifest import Asset, EntryPoint, parse_manifest

GOOD = {
    "manifest_schema_version": "1.0.0",
    "identity": {"id": "pong", "title": "Pong é", "version": "1.2.3-rc.1+7"},
    "runtime_compatibility": {"min_version": "1.0.0", "max_version": "2.0.0", "tested_versions": ["1.0.0", "1.0.1"]},
    "target": {"isa": "1.0.0", "profile": "game", "profile_version": "1.1.0"},
    "requires": {
        "host_calls": [["gfx", "clear", 1], ["a.b", "_c9", 0]],
        "capabilities": ["gfx@1.0", "log@10.9999"],
        "packs": ["fonts@1.0.0-a+b"],
    },
    "entries": {"main": {"owner": "vm"}, "reset": {"owner": "host", "export": "go", "requires": {"capabilities": ["gfx@1.0"]}}},
    "limits": {"profile": "JAM", "frame_cycles": 1024, "heap_words": 0, "log_bytes": 7},
    "assets": [{"name": "ball", "kind": "bitmap", "file": "art/ball.pbi"}, {"name": "b2", "kind": "bitmap", "file": "b.pbi"}],
    "extensions": {"anything": [1, {"at": "all"}]},
}  # fmt: skip
LEAST = {
    name: GOOD[name]
    for name in ("manifest_schema_version", "identity", "runtime_compatibility", "target", "requires", "entries")
}


def parsed(value):
    return parse_manifest(value if isinstance(value, bytes) else json.dumps(value).encode())


def places(value):
    """Where the manifest is wrong."""
    with pytest.raises(Rejected) as caught:
        parsed(value)
    found = [caught.value.diagnostic, *caught.value.findings]
    assert {finding.code for finding in found} == {"manifest_invalid"}
    assert all(finding.details["reason"] for finding in found)
    return [finding.subject for finding in found]


def changed(path, value):
    """The good manifest with one thing replaced, added or (value None) removed. `path` is a JSON pointer."""
    whole = copy.deepcopy(GOOD)
    *parents, last = path.strip("/").split("/")
    inner = whole
    for part in parents:
        inner = inner[int(part)] if isinstance(inner, list) else inner[part]
    if isinstance(inner, list):
        inner[int(last) : int(last) + 1] = [] if value is None else [value]
    elif value is None:
        del inner[last]
    else:
        inner[last] = value
    return whole


# ---- what is read


def test_a_manifest_is_read_whole():
    manifest = parsed(GOOD)
    assert (manifest.schema_version, manifest.id, manifest.title) == (Version(1), "pong", "Pong é")
    assert str(manifest.version) == "1.2.3-rc.1+7"
    assert manifest.runtime == VersionRange(minimum=Version(1), maximum=Version(2))
    assert manifest.tested_versions == (Version(1), Version(1, 0, 1))
    assert (manifest.isa, manifest.profile, manifest.profile_version) == (Version(1), "game", Version(1, 1))
    assert manifest.host_calls == ("gfx.clear/1", "a.b._c9/0")
    assert manifest.capabilities == ("gfx@1.0", "log@10.9999")
    assert manifest.packs == ("fonts@1.0.0-a+b",)
    assert manifest.entries == (
        EntryPoint(name="main", owner="vm", export=None, capabilities=()),
        EntryPoint(name="reset", owner="host", export="go", capabilities=("gfx@1.0",)),
    )
    assert manifest.limits_profile == "JAM"
    assert (manifest.limits.frame_cycles, manifest.limits.heap_words, manifest.limits.log_bytes) == (1024, 0, 7)
    assert manifest.limits.objects == PROFILES["JAM"].objects
    assert manifest.assets == (
        Asset(name="ball", kind="bitmap", file="art/ball.pbi"),
        Asset(name="b2", kind="bitmap", file="b.pbi"),
    )


def test_what_is_left_out_has_one_meaning():
    manifest = parsed(
        LEAST | {"runtime_compatibility": {"min_version": "1.0.0"}, "requires": {"host_calls": [], "capabilities": []}}
    )
    assert (manifest.tested_versions, manifest.packs, manifest.assets) == ((), (), ())
    assert manifest.runtime.maximum is None
    assert (manifest.limits_profile, manifest.limits) == ("STANDARD", PROFILES["STANDARD"])


def test_yaml_in_blocks_says_the_same_as_json():
    text = b"""
# a comment
manifest_schema_version: "1.0.0"
identity: {id: pong, title: 'Pong', version: "0.1.0"}
runtime_compatibility:
  min_version: "1.0.0"
target:
  isa: "1.0.0"
  profile: core
  profile_version: "1.0.0"
requires:
  host_calls:
    - [gfx, clear, 1]
  capabilities: [gfx@1.0]
entries:
  main: {owner: vm}
"""
    assert parsed(text).host_calls == ("gfx.clear/1",)


def test_entries_stand_in_the_order_of_their_names():
    entries = {name: {"owner": "vm", "export": name} for name in ("b", "z", "a")} | {"main": {"owner": "vm"}}
    assert [entry.name for entry in parsed(LEAST | {"entries": entries}).entries] == ["a", "b", "main", "z"]


# ---- not in the YAML subset


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (b"", 0, 0), (b"\xff", 0, 0), (b"\xef\xbb\xbf{}", 0, 0), (b"{}\n---\n{}", 2, 1), (b"&a {}", 1, 1), (b"a: !!str b",
        1, 4), (b"a: b\na: c", 2, 1),
        (b"identity:\n\tid: x", 2, 1), (b"<<: {}", 1, 1), (b"a: no", 1, 4), (b"a: 010", 1, 4), (b"a: ~", 1, 4), (b"a:",
        1, 3), (b"#" * 65_537, 0, 0),
    ],
)  # fmt: skip
def test_what_is_not_strict_yaml_is_refused_where_it_stands(data, line, column):
    with pytest.raises(Rejected) as caught:
        parsed(data)
    found = caught.value.diagnostic
    assert (found.code, found.subject, found.details["line"], found.details["column"]) == (
        "manifest_invalid",
        "manifest.yaml",
        line,
        column,
    )


@pytest.mark.parametrize("value", [[], "text", 1, None, True, 1.5])
def test_a_manifest_is_a_mapping(value):
    assert places(value) == ["/"]


# ---- against the schema


@pytest.mark.parametrize(
    "path", ["manifest_schema_version", "identity", "runtime_compatibility", "target", "requires", "entries"]
)
def test_what_must_be_there_must_be_there(path):
    assert places(changed(path, None)) == ["/"]


@pytest.mark.parametrize(
    ("path", "at"),
    [
        ("identity/id", "/identity"), ("identity/title", "/identity"), ("identity/version", "/identity"),
        ("runtime_compatibility/min_version", "/runtime_compatibility"),
        ("target/isa", "/target"), ("target/profile", "/target"), ("target/profile_version", "/target"),
        ("requires/host_calls", "/requires"),
        ("requires/capabilities", "/requires"), ("entries/main", "/entries"), ("entries/main/owner", "/entries/main"),
        ("assets/0/name", "/assets/0"),
        ("assets/0/kind", "/assets/0"), ("assets/0/file", "/assets/0"),
    ],
)  # fmt: skip
def test_what_must_be_inside_must_be_inside(path, at):
    assert places(changed(path, None)) == [at]


@pytest.mark.parametrize(
    "path",
    [
        "more", "identity/more", "runtime_compatibility/more", "target/more", "requires/more", "entries/main/more",
        "entries/reset/requires/more",
        "limits/more", "assets/0/more",
    ],
)  # fmt: skip
def test_nothing_unknown_may_stand_anywhere(path):
    at = "/" + path.removesuffix("more").strip("/")
    assert places(changed(path, "x")) == [at]


@pytest.mark.parametrize("value", [{}, {"a": 1}, {"deep": {"er": [[1]]}}])
def test_only_extensions_are_open(value):
    parsed(changed("extensions", value))
    assert places(changed("extensions", [])) == ["/extensions"]


VERSIONS = [
    "manifest_schema_version", "identity/version", "runtime_compatibility/min_version", "runtime_compatibility/max_version",
    "runtime_compatibility/tested_versions/0", "target/isa", "target/profile_version",
]  # fmt: skip


@pytest.mark.parametrize("path", VERSIONS)
@pytest.mark.parametrize(
    "version", [1.0, 1, True, ["1.0.0"], "1.0.0\n", " 1.0.0", "", "1.0.\u0660", "1.0.0_", "1" * 65]
)
def test_a_version_is_a_string_in_quotes(path, version):
    assert places(changed(path, version)) == ["/" + path]


@pytest.mark.parametrize("path", VERSIONS)
@pytest.mark.parametrize(
    "version", ["1", "1.0", "1.0.0.0", "01.0.0", "v1.0.0", "1.0.0-", "1.0.0-01", "one", "...", "1.0.0+a+b"]
)
def test_a_version_follows_semver(path, version):
    assert places(changed(path, version)) == ["/" + path]


def test_a_version_that_yaml_would_read_as_a_number_is_refused_and_not_guessed():
    text = json.dumps(GOOD).replace('"isa": "1.0.0"', '"isa": 1.10')
    assert places(text.encode()) == ["/target/isa"]
    with pytest.raises(Rejected) as caught:
        parsed(text.replace("1.10", "1.0.0").encode())
    assert "could mean several things" in caught.value.diagnostic.details["reason"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("identity/id", "Pong"), ("identity/id", "1pong"), ("identity/id", ""), ("identity/id", "a b"), ("identity/id",
        "pong\n"), ("identity/id", "p" * 65), ("identity/id", "pöng"),
        ("identity/id", "../pong"), ("identity/id", 5), ("identity/title", ""), ("identity/title", "x" * 81),
        ("identity/title", 5),
        ("target/profile", "Game"), ("target/profile", ""), ("target/profile", "game\n"), ("target/profile", "g" * 65),
        ("target/profile", 1),
        ("requires/host_calls", {}), ("requires/host_calls/0", "gfx.clear/1"), ("requires/host_calls/0", []),
        ("requires/host_calls/0", ["gfx", "clear"]),
        ("requires/host_calls/0", ["gfx", "clear", 1, 2]), ("requires/host_calls/0/0", ""), ("requires/host_calls/0/0",
        "1gfx"), ("requires/host_calls/0/0", "gfx/x"),
        ("requires/host_calls/0/0", "gfx\n"), ("requires/host_calls/0/0", "g" * 256), ("requires/host_calls/0/1", "cl ear"),
        ("requires/host_calls/0/1", 1),
        ("requires/host_calls/0/2", -1), ("requires/host_calls/0/2", 65_536), ("requires/host_calls/0/2", "1"),
        ("requires/host_calls/0/2", 1.0), ("requires/host_calls/0/2", True),
        ("requires/capabilities", "gfx@1.0"), ("requires/capabilities/0", "gfx"), ("requires/capabilities/0", "gfx@1"),
        ("requires/capabilities/0", "gfx@1.0.0"),
        ("requires/capabilities/0", "Gfx@1.0"), ("requires/capabilities/0", "gfx@1.0\n"), ("requires/capabilities/0",
        "gfx@01.0"), ("requires/capabilities/0", "gfx@1.00"),
        ("requires/capabilities/0", "gfx@10000.0"), ("requires/capabilities/0", "gfx@-1.0"), ("requires/capabilities/0",
        "gfx@1.\u0660"), ("requires/packs/0", "fonts"),
        ("requires/packs/0", "fonts@"), ("requires/packs/0", "fonts@1.0\n"), ("requires/packs/0", "@1.0"), ("entries/main",
        "vm"), ("entries/main/owner", "guest"),
        ("entries/main/owner", "VM"), ("entries/reset/export", ""), ("entries/reset/export", "a b"), ("entries/reset/export",
        1), ("entries/reset/requires", []),
        ("entries/reset/requires/capabilities", "gfx@1.0"), ("limits", []), ("limits/profile", "jam"), ("limits/profile",
        "HUGE"), ("limits/heap_words", "16"),
        ("limits/heap_words", 16.0), ("limits/heap_words", 1e3), ("limits/heap_words", True), ("limits/heap_words", -1),
        ("limits/heap_words", 2**63), ("limits/frame_cycles", 1023),
        ("assets", {}), ("assets/0/kind", "sound"), ("assets/0/kind", "Bitmap"), ("assets/0/name", "a b"), ("assets/0/name",
        ""), ("assets/0/file", "../ball.pbi"),
        ("assets/0/file", "/etc/passwd"), ("assets/0/file", "a/b/c.pbi"), ("assets/0/file", "a//b"), ("assets/0/file",
        "a/../b"), ("assets/0/file", ".hidden"), ("assets/0/file", "a/.b"),
        ("assets/0/file", "a\\b"), ("assets/0/file", "a\n"), ("assets/0/file", "a\0"), ("assets/0/file", ""),
        ("assets/0/file", "x" * 65), ("assets/0/file", "-a"), ("assets/0/file", "é"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_refused_where_it_stands(path, value):
    assert places(changed(path, value)) == ["/" + path]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("requires/host_calls", [["a", f"b{i}", 1] for i in range(1025)]), ("requires/capabilities",
        [f"c{i}@1.0" for i in range(65)]),
        ("requires/packs", [f"p{i}@1" for i in range(65)]), ("runtime_compatibility/tested_versions", ["1.0.0"] * 65),
        ("entries", {"main": {"owner": "vm"}} | {f"e{i}": {"owner": "vm", "export": "x"} for i in range(256)}),
        ("assets", [{"name": f"a{i}", "kind": "bitmap", "file": f"a{i}"} for i in range(257)]),
    ],
)  # fmt: skip
def test_a_list_is_so_long_and_no_longer(path, value):
    assert places(changed(path, value)) == ["/" + path]
    shorter = value[:-1] if isinstance(value, list) else dict(list(value.items())[:-1])
    parsed(changed(path, shorter))


@pytest.mark.parametrize("name", ["", "Main", "1", "a b", "a/b", "a\n", "é", "x" * 65])
def test_an_entry_has_a_plain_name(name):
    entry = {"owner": "vm", "export": "x"}
    assert places(changed("entries", {"main": {"owner": "vm"}, name: entry})) == ["/entries"]


# ---- what a schema cannot say


@pytest.mark.parametrize(
    ("path", "value", "at"),
    [
        ("requires/host_calls", [["a", "b", 1], ["a", "b", 1]], "/requires/host_calls"), ("requires/host_calls", [["a.b",
        "c", 1], ["a", "b.c", 1]], "/requires/host_calls"),
        ("requires/capabilities", ["gfx@1.0", "gfx@1.0"], "/requires/capabilities"), ("requires/capabilities", ["gfx@1.0",
        "gfx@2.0"], "/requires/capabilities"),
        ("requires/capabilities", ["gfx@2.0", "gfx@1.0"], "/requires/capabilities"), ("requires/packs", ["a@1", "a@1"],
        "/requires/packs"),
        ("assets/1/name", "ball", "/assets"), ("assets/1/file", "art/ball.pbi", "/assets"), ("assets/0/file", "program.pbx",
        "/assets"), ("assets/0/file", "manifest.yaml", "/assets"),
        ("entries/main/export", "x", "/entries/main"), ("entries/reset/export", None, "/entries/reset"),
        ("runtime_compatibility/max_version", "0.9.9", "/runtime_compatibility/max_version"),
        ("runtime_compatibility/max_version", "1.0.0-rc", "/runtime_compatibility/max_version"), ("identity/title", "a\nb",
        "/identity/title"), ("identity/title", "\x1b[0m", "/identity/title"),
        ("identity/title", "a\u202eb", "/identity/title"), ("identity/title", "\u200b", "/identity/title"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_where_it_stands(path, value, at):
    assert places(changed(path, value)) == [at]


def test_two_versions_of_one_service_may_be_required():
    assert parsed(changed("requires/host_calls", [["gfx", "text", 1], ["gfx", "text", 2]])).host_calls == (
        "gfx.text/1",
        "gfx.text/2",
    )


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_a_limit_may_reach_what_its_profile_allows_and_no_more(profile, name):
    cap = getattr(PROFILES[profile], name)
    manifest = parsed(changed("limits", {"profile": profile, name: cap}))
    assert manifest.limits == PROFILES[profile]
    assert places(changed("limits", {"profile": profile, name: cap + 1})) == [f"/limits/{name}"]


def test_without_a_profile_the_default_one_allows():
    assert parsed(changed("limits", {"heap_words": 262_144})).limits == PROFILES["STANDARD"]
    assert places(changed("limits", {"heap_words": 262_145})) == ["/limits/heap_words"]


# ---- several


def test_everything_that_breaks_the_schema_is_reported_in_the_order_of_places():
    whole = changed("identity/id", "A") | {"more": 1, "target": {"isa": 1, "profile": "game"}}
    assert places(whole) == ["/", "/identity/id", "/target", "/target/isa"]
    assert places(whole) == places(dict(reversed(whole.items())))


def test_everything_that_contradicts_itself_is_reported_in_the_order_of_places():
    whole = changed("target/isa", "1.0")
    whole["identity"] |= {"version": "x", "title": "\n"}
    whole["requires"]["host_calls"] *= 2
    whole["limits"] = {"profile": "JAM", "objects": 999_999, "call_depth": 999}
    assert places(whole) == [
        "/identity/title",
        "/identity/version",
        "/limits/call_depth",
        "/limits/objects",
        "/requires/host_calls",
        "/target/isa",
    ]


def test_only_so_many_violations_are_reported():
    assert len(places(changed("requires/host_calls", [1] * 500))) == 20


# ---- whatever comes


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_the_code_of_manifests(data):
    with pytest.raises(Rejected) as caught:
        parsed(data)
    assert caught.value.code == "manifest_invalid"


JUNK = st.sampled_from(
    [
        "",
        "x",
        "1.0.0",
        "main",
        "vm",
        0,
        -1,
        2**64,
        1.5,
        True,
        False,
        None,
        [],
        {},
        [[]],
        ["gfx", "clear", 1],
        {"main": {}},
        "gfx@1.0",
        "\n",
    ]
)
PATHS = [
    *VERSIONS, "identity", "identity/id", "identity/title", "runtime_compatibility", "target", "target/profile", "requires",
    "requires/host_calls",
    "requires/host_calls/0", "requires/host_calls/0/2", "requires/capabilities/0", "requires/packs", "entries",
    "entries/main", "entries/reset/export", "limits",
    "limits/profile", "limits/objects", "assets", "assets/0", "assets/0/file", "extensions", "surprise",
]  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from(PATHS), JUNK, min_size=1, max_size=3))
def test_any_change_gives_a_manifest_or_the_code_of_manifests(changes):
    whole = copy.deepcopy(GOOD)
    for path, value in changes.items():
        *parents, last = path.split("/")
        inner = whole
        for part in parents:
            try:
                inner = inner[int(part)] if isinstance(inner, list) else inner[part]
            except (KeyError, IndexError, TypeError, ValueError):
                inner = None
                break
        if isinstance(inner, dict):
            inner[last] = value
        elif isinstance(inner, list) and last.isdigit() and int(last) < len(inner):
            inner[int(last)] = value
    try:
        manifest = parsed(whole)
    except Rejected as rejected:
        refused = rejected
    else:
        assert all(type(getattr(manifest.limits, name)) is int for name in LIMIT_NAMES)
        return
    assert refused.code == "manifest_invalid"
