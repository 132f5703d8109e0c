"""A small good cartridge in parts, so that a test can change one of them and see what loading says."""

from __future__ import annotations

import copy
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pbs.contract import Rejected
from pbs.host.bitmap import Bitmap
from pbs.host.bitmap import encode as encode_bitmap
from pbs.loader import assemble, load
from pbs.loader.cartridge import encode_cartridge

MANIFEST = {
    "manifest_schema_version": "1.0.0",
    "identity": {"id": "probe", "title": "Probe", "version": "0.3.1"},
    "runtime_compatibility": {"min_version": "1.0.0", "max_version": "1.9.0", "tested_versions": ["1.0.0"]},
    "target": {"isa": "1.0.0", "profile": "game", "profile_version": "1.0.0"},
    "requires": {"host_calls": [["gfx", "clear", 1], ["log", "write", 1]], "capabilities": ["gfx@1.0", "log@1.0"], "packs": []},
    "entries": {"main": {"owner": "vm"}, "reset": {"owner": "vm", "export": "reset",
    "requires": {"capabilities": ["log@1.0"]}}},
    "limits": {"profile": "JAM", "heap_words": 4096, "stack_words": 64},
    "assets": [{"name": "ball", "kind": "bitmap", "file": "art/ball.pbi"}],
    "extensions": {"shop": {"price": 3}},
}  # fmt: skip
SOURCE = """
.target profile "game" "1.0.0"
.import gfx.clear/1
.import log.write/1
.global count: int
.func main()
loop:
    PUSH 0x001F
    HOSTCALL gfx.clear/1
    PUSH 1
    PUSH "started"
    HOSTCALL log.write/1
    POP
    INTRINSIC input.a.down
    JMP_IF_TRUE loop
    FRAME_SYNC
    JMP loop
.end
.func reset(to: int) -> int
    GET_LOCAL to
    SET_GLOBAL count
    GET_GLOBAL count
    RET
.end
.export reset
"""
BALL = encode_bitmap(Bitmap(width=2, height=1, frames=1, key=-1, pixels=b"\x00\xf8\x1f\x00"))


@dataclass
class Parts:
    """What a cartridge is made of. `program` replaces what `source` would assemble to."""

    manifest: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(MANIFEST))
    source: str = SOURCE
    program: bytes | None = None
    files: dict[str, bytes] = field(default_factory=lambda: {"art/ball.pbi": BALL})

    def replace(self, old: str, new: str) -> None:
        """Change the source in one place."""
        assert self.source.count(old) == 1
        self.source = self.source.replace(old, new)

    @property
    def members(self) -> dict[str, bytes]:
        """The members by name, the manifest as JSON, which is YAML."""
        program = assemble(self.source, source="probe.pbasm") if self.program is None else self.program
        return {"manifest.yaml": json.dumps(self.manifest, indent=1).encode(), "program.pbx": program, **self.files}

    def write(self, folder: Path) -> Path:
        """The cartridge as a directory."""
        for name, data in self.members.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return folder

    @property
    def flat(self) -> bytes:
        """The cartridge as the bytes of one file."""
        return encode_cartridge(self.members)


@pytest.fixture
def parts():
    """A small good cartridge."""
    return Parts()


@pytest.fixture
def findings(tmp_path, monkeypatch):
    """Code and subject of everything that is wrong with a cartridge: the same in both forms, and twice."""

    def found(parts, **more):
        monkeypatch.setattr(sys.modules["pbs.loader.loading"], "Image", _no_image)
        texts, lists = set(), []
        folder = parts.write(tmp_path / f"cart{len(list(tmp_path.iterdir()))}")
        for source in (folder, folder, parts.flat, parts.flat):
            with pytest.raises(Rejected) as caught:
                load(source, **more)
            texts.add(str(caught.value))
            lists.append([(d.code, d.subject) for d in (caught.value.diagnostic, *caught.value.findings)])
        assert len(texts) == 1
        return lists[0]

    return found


def _no_image(**_: object) -> None:
    raise AssertionError("an image was made of a cartridge that is to be rejected")
