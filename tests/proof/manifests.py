"""Manifests as someone would write who wants them read in two ways, and a cartridge with everything in it to write them for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from pbs.contract.limits import LIMIT_NAMES
from pbs.host.bitmap import Bitmap, encode
from pbs.loader import assemble
from tests.unit.vm.world import LIMITS, PROGRAM

NAME = "manifest.yaml"
REFUSED, SAME, AS_JSON = (
    "refused",
    "the same",
    "what JSON says",
)  # what must come of a manifest; the last, if it is accepted

MANIFEST: dict[str, Any] = {
    "manifest_schema_version": "1.0.0",
    "identity": {"id": "world", "title": "World é", "version": "0.3.1-rc.1+7"},
    "runtime_compatibility": {"min_version": "1.0.0", "max_version": "1.9.0", "tested_versions": ["1.0.0"]},
    "target": {"isa": "1.0.0", "profile": "game", "profile_version": "1.0.0"},
    "requires": {
        "host_calls": [
            ["log", "write", 1], ["random", "bits", 1], ["log", "number", 1], ["gfx", "pixel", 1], ["gfx", "present", 1],
        ],
        "capabilities": ["log@1.0", "gfx@1.0"],
        "packs": [],
    },
    "entries": {
        "main": {"owner": "vm"},
        "probe": {"owner": "vm", "export": "probe", "requires": {"capabilities": ["log@1.0"]}},
    },
    "limits": {"profile": "STANDARD"} | {name: getattr(LIMITS, name) for name in LIMIT_NAMES},
    "assets": [{"name": "ball", "kind": "bitmap", "file": "art/ball.pbi"}],
    "extensions": {"shop": {"price": 3}},
}  # fmt: skip
BALL = Bitmap(width=2, height=1, frames=1, key=-1, pixels=b"\x00\xf8\x1f\x00")

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 255, 1 << 16, 1 << 31, 1 << 63, 10**18, 10**19, 10**400, 1.0, 1.5, -0.0, 1e308, "", " ",
    "x", "1.0", "1.0.0", "2.0.0", "01.0.0", "1.0.0\n", "1.0.0 ", "\n1.0.0", "\uff11.0.0", "1.\u0660.0", "1.0.0-", "1.0.0-\u0663",
    "9" * 10_000 + ".0.0", "1." + "0" * 60 + ".0", "gfx@1.0", "gfx@1.0\n", "gfx@99.0", "gfx@1.\u0660", "main", "vm", "vm\n",
    "\x1b[2J", "../up", "/etc/passwd", "art/../../x", "program.pbx", "manifest.yaml", "a" * 65, "é", "\U0001f600",
    [], [1], ["x"], ["1.0.0"] * 65, [["a", "b", 1]], [[[]]], {}, {"a": 1}, {"main": {"owner": "vm"}}, {"": ""},
)  # fmt: skip

# Instead of a value: each is one of the ways in which YAML can be misread.
_PLAIN = (
    "1.10", "1.0", "010", "0o10", "0x10", "0b1", "1_000", "+1", ".5", "5.", "1:30", "no", "No", "yes", "on", "off", "y", "n", "~",
    "True", "NULL", ".nan", "-.inf", "2001-01-01", "1e400", "9" * 10_000, "!!str x", "!x y", "!!python/object:os.system x",
    "&a x", "*a", "|\n  1.0.0", "? x", "{<<: {a: 1}}", "{a: 1, a: 2}", "[*a]", "@x", "`x", "%x", '"\\ud800"', '"\\UFFFFFFFF"', "'",
    '"', "[", "{", "]", "- x: [", "\t1.0.0",
)  # fmt: skip


@cache
def members() -> dict[str, bytes]:
    """The members of the cartridge."""
    return {
        "art/ball.pbi": encode(BALL),
        NAME: json.dumps(MANIFEST, indent=1).encode(),
        "program.pbx": assemble(PROGRAM),
    }


def manifests() -> Iterator[tuple[str, bytes, str]]:
    """A name for it, the bytes, and what must come of them."""
    yield from _spellings()
    for path, value in _nodes(MANIFEST):
        if path and isinstance(_at(path[:-1]), dict):
            yield f"{path} twice", _spelled(MANIFEST, path).encode(), REFUSED
            yield f"{path} as a merge", _changed(path[:-1], _renamed(path, "<<")), REFUSED
        if path:
            yield f"{path} missing", _changed(path, _GONE), AS_JSON
        if isinstance(value, dict):
            yield f"{path} with a key more", _changed(path, {**value, "more": 1}), AS_JSON
        elif isinstance(value, list):
            yield f"{path} with a value twice", _changed(path, value * 2), AS_JSON
        for i, other in enumerate(VALUES):
            if other != value or type(other) is not type(value):
                yield f"{path} is {i}: {other!r:.40}", _changed(path, other), AS_JSON


def _spellings() -> Iterator[tuple[str, bytes, str]]:
    good = json.dumps(MANIFEST, ensure_ascii=False)
    raw = good.encode()
    for text in _PLAIN:
        yield f"{text!r:.40} as a version", good.replace('"0.3.1-rc.1+7"', f"\n{text}\n").encode(), REFUSED
    for text in _PLAIN:
        if text not in ("1.10", "1.0"):  # where anything may stand, these are numbers
            yield f"{text!r:.40} anywhere", _nested(good, f"\n{text}\n"), REFUSED
    yield "a byte order mark", b"\xef\xbb\xbf" + raw, REFUSED
    yield "UTF-16", good.encode("utf-16"), REFUSED
    yield "not UTF-8", raw.replace(b"World", b"W\xffrld"), REFUSED
    yield "half a character", raw[: raw.index("é".encode()) + 1], REFUSED
    yield "NUL", raw.replace(b"World", b"W\x00rld"), REFUSED
    yield "a line break of YAML 1.1", good.replace("World", "Wo\u2028rld").encode(), REFUSED
    yield "next line", good.replace("World", "Wo\x85rld").encode(), REFUSED
    yield "tabs", b"identity:\n\tid: world\n", REFUSED
    yield "CRLF", json.dumps(MANIFEST, indent=2).replace("\n", "\r\n").encode(), SAME
    yield "CR", json.dumps(MANIFEST, indent=2).replace("\n", "\r").encode(), SAME
    yield "a comment", b"# for you\n" + raw + b"\n# the end\n", SAME
    yield "a mark in front", b"---\n" + raw, SAME
    yield "a mark behind", raw + b"\n...\n", SAME
    yield "two documents", raw + b"\n---\n" + raw, REFUSED
    yield "an empty document behind", raw + b"\n---\n", REFUSED
    yield "a directive", b"%YAML 1.1\n---\n" + raw, REFUSED
    yield "an unknown directive", b"%FOO bar\n---\n" + raw, REFUSED
    yield "nothing", b"", REFUSED
    yield "a comment alone", b"# nothing\n", REFUSED
    yield "null", b"null", REFUSED
    yield "a list", b"[" + raw + b"]", REFUSED
    yield "text", b"manifest", REFUSED
    for key in ("1", "null", "true", "1.5", "[a]", "{a: b}", "? [a]", "*a", "&a k", "<<", ""):
        changed = good.replace('"price": 3', f"{key}: 3")
        yield f"the key {key!r}", changed.encode(), REFUSED
    for size, outcome in ((64 * 1024, SAME), (64 * 1024 + 1, REFUSED)):
        yield f"{size} bytes", raw + b" " * (size - len(raw) - 1) + b"\n", outcome
    for depth, outcome in (
        (14, SAME),
        (15, REFUSED),
        (1000, REFUSED),
        (10_000, REFUSED),
    ):  # beside three levels around it
        yield f"{depth} lists", _nested(good, "[" * depth + "]" * depth), outcome
    yield "10,000 mappings", _nested(good, "{a: " * 10_000 + "1" + "}" * 10_000), REFUSED
    yield "10,000 blocks", b"".join(b" " * i + b"a:\n" for i in range(300)), REFUSED
    yield "an open list", _nested(good, "[" * 30_000), REFUSED
    yield "20,000 values", _nested(good, "[" + "1," * 20_000 + "1]"), REFUSED
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9) if i else 'x'}]" for i in range(9)]
    yield "a billion laughs", "\n".join(levels).encode(), REFUSED
    yield "10^4 digits", good.replace('"0.3.1-rc.1+7"', '"' + "1" * 10_000 + '.0.0"').encode(), REFUSED
    yield "30,000 keys", b"{" + b",".join(b"a%d: 1" % i for i in range(7000)) + b"}", REFUSED


def _nested(good: str, text: str) -> bytes:
    return good.replace('"price": 3', f'"price": {text}').encode()


# ---- the good manifest with one thing changed

_GONE = object()
Path = tuple[str | int, ...]


def _nodes(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    yield path, value
    inner: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield from _nodes(below, (*path, key))


def _at(path: Path) -> Any:
    value: Any = MANIFEST
    for key in path:
        value = value[key]
    return value


def _renamed(path: Path, name: str) -> dict[str, Any]:
    return {name if key == path[-1] else key: below for key, below in _at(path[:-1]).items()}


def _changed(path: Path, value: Any) -> bytes:
    """The manifest with what stands at `path` replaced, or left out."""
    if not path:
        return json.dumps(value).encode()
    whole = json.loads(json.dumps(MANIFEST))
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    if value is _GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(whole).encode()


def _spelled(value: Any, twice: Path) -> str:
    """As JSON, with the key at `twice` standing there twice."""
    if isinstance(value, list):
        return (
            "["
            + ", ".join(_spelled(below, twice[1:] if twice[:1] == (i,) else ()) for i, below in enumerate(value))
            + "]"
        )
    if not isinstance(value, dict):
        return json.dumps(value)
    rows = []
    for key, below in value.items():
        row = f"{json.dumps(key)}: {_spelled(below, twice[1:] if twice[:1] == (key,) else ())}"
        rows += [row, row] if twice == (key,) else [row]
    return "{" + ", ".join(rows) + "}"
