"""Images that were loaded before: the same in all that can be seen, and never another's."""

import shutil
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import pbs
from pbs.contract import Rejected
from pbs.host.bitmap import Bitmap, encode
from pbs.loader.cartridge import encode_cartridge, read_directory
from pbs.loader.image import Image
from pbs.vm import cache, kept
from pbs.vm.image_tables import tables_of
from pbs.vm.interpreter import modules_of, native_image
from pbs.vm.kept import KeptImage, load_kept
from pbs.vm.views import assets_of

ROOT = Path(__file__).resolve().parents[3]
CARTRIDGES = ("life", "orbits", "pong")


@pytest.fixture
def entries(monkeypatch):
    """The cache, as a table of our own."""
    found: dict[tuple[str, str], bytes] = {}
    native_read = cache.read

    def read(kind, key):
        return native_read(kind, key) if kind == "native" else found.get((kind, key))

    def write(kind, key, body):
        found[kind, key] = bytes(body)
        return True

    monkeypatch.setattr(cache, "read", read)
    monkeypatch.setattr(cache, "write", write)
    return found


@pytest.fixture
def cartridge(tmp_path):
    """A directory with pong."""
    return Path(shutil.copytree(ROOT / "cartridges" / "pong", tmp_path / "pong"))


def played(image, engine="interpreter"):
    """Everything that comes of some frames."""
    machine = pbs.Machine(image, engine=engine, seed=5)
    results = machine.run(20, [pbs.Input({"start"})] * 20)
    return results, bytes(machine.snapshot()), machine.screen().tobytes()


@pytest.mark.parametrize("name", CARTRIDGES)
@pytest.mark.parametrize("form", ["directory", "flat"])
def test_a_kept_image_plays_like_a_loaded_one(entries, tmp_path, name, form):
    path = ROOT / "cartridges" / name
    if form == "flat":
        (tmp_path / "a.cart").write_bytes(encode_cartridge(read_directory(path).members))
        path = tmp_path / "a.cart"
    first, again, loaded = load_kept(path), load_kept(path), pbs.load(path)
    assert (type(first), type(again)) == (Image, KeptImage)
    assert len(entries) == (2 if form == "directory" else 1)
    assert played(again) == played(loaded) == played(first)
    assert "program" not in vars(again), "it was not needed"
    assert (again.digest, again.limits, again.title, again.id, again.version, again.warnings) == (
        loaded.digest, loaded.limits, loaded.title, loaded.id, loaded.version, loaded.warnings
    )  # fmt: skip


@pytest.mark.parametrize("name", CARTRIDGES)
def test_what_was_kept_is_what_would_be_made(entries, name):
    path = ROOT / "cartridges" / name
    load_kept(path)
    again, loaded = load_kept(path), pbs.load(path)
    assert np.array_equal(tables_of(again), tables_of(loaded))
    assert not tables_of(again).flags.writeable
    for one, other in ((native_image(again).code, native_image(loaded).code), (assets_of(again), assets_of(loaded))):
        for field in fields(one):
            mine, theirs = getattr(one, field.name), getattr(other, field.name)
            assert (mine.dtype, mine.shape, mine.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())
    assert modules_of(again) == modules_of(loaded)


def test_what_is_asked_for_beyond_that_is_loaded(entries, cartridge):
    load_kept(cartridge)
    loaded = pbs.load(cartridge)
    for field in fields(Image):
        again = load_kept(cartridge)
        mine, theirs = getattr(again, field.name), getattr(loaded, field.name)
        if field.name in ("program", "manifest", "assets", "source", "digest", "limits", "warnings", "services"):
            assert mine == theirs, field.name
        else:
            assert type(mine) is type(theirs)
    assert load_kept(cartridge).export("nothing") is None
    with pytest.raises(AttributeError):
        _ = load_kept(cartridge).nothing
    assert played(load_kept(cartridge), "reference") == played(loaded, "reference")


def test_every_byte_of_every_member_counts(entries, cartridge):
    (cartridge / "manifest.yaml").write_text((ROOT / "cartridges/pong/manifest.yaml").read_text())
    load_kept(cartridge)
    program = (cartridge / "program.pbx").read_bytes()
    for at in range(0, len(program), 7):
        (cartridge / "program.pbx").write_bytes(program[:at] + bytes([program[at] ^ 1]) + program[at + 1 :])
        with pytest.raises(Rejected):
            load_kept(cartridge)
    (cartridge / "program.pbx").write_bytes(program)
    assert type(load_kept(cartridge)) is KeptImage
    with (cartridge / "manifest.yaml").open("a") as manifest:
        manifest.write("# a remark\n")
    image = load_kept(cartridge)
    assert type(image) is Image
    assert image.digest == pbs.load(cartridge).digest


def test_an_asset_is_part_of_the_key(entries, cartridge):
    manifest = cartridge / "manifest.yaml"
    assert "assets" not in manifest.read_text()
    manifest.write_text(manifest.read_text() + "assets:\n  - {name: ball, kind: bitmap, file: ball.pbi}\n")
    for colour in (b"\1\0", b"\2\0"):
        (cartridge / "ball.pbi").write_bytes(encode(Bitmap(width=1, height=1, frames=1, key=-1, pixels=colour)))
        assert type(load_kept(cartridge)) is Image
        again = load_kept(cartridge)
        assert type(again) is KeptImage
        assert assets_of(again).data.tobytes() == colour
        assert again.assets == pbs.load(cartridge).assets
    (cartridge / "ball.pbi").unlink()
    with pytest.raises(Rejected) as caught:
        load_kept(cartridge)
    assert caught.value.code == "cartridge_member_missing"


def test_a_file_and_a_directory_never_share_a_key():
    assert kept._key(b"") != kept._key({})
    assert kept._key({"a": b"b", "c": b""}) != kept._key({"a": b"", "c": b"b"})
    assert kept._key({"a": b"1"}) == kept._key(dict(reversed({"a": b"1"}.items())))


def test_what_is_loaded_with_a_warning_is_not_kept(entries, tmp_path):
    path = tmp_path / "old.pbx"
    path.write_bytes(
        pbs.assemble(
            '.target profile "game" "1.0.0"\n.const TEXT = "old"\n.func main() -> ()\n'
            "PUSH 0\nPUSH 0\nPUSH TEXT\nPUSH 65535\nHOSTCALL gfx.text/1\nHALT\n.end\n"
        )
    )
    for _ in range(2):
        assert [warning.code for warning in load_kept(path).warnings] == ["host_call_deprecated"]
    assert entries == {}


@pytest.mark.parametrize("what", ["missing", "a folder", "no cartridge"])
def test_refusals_are_those_of_load(entries, tmp_path, what):
    path = tmp_path / "it"
    if what == "a folder":
        path.mkdir()
    elif what == "no cartridge":
        path.write_bytes(b"something else")
    refused = []
    for loads in (load_kept, pbs.load):
        with pytest.raises(Rejected) as caught:
            loads(path)
        refused.append(repr([caught.value.diagnostic, *caught.value.findings]))
    assert refused[0] == refused[1]
    assert entries == {}


def test_strings_stand_in_a_kept_image(entries, tmp_path):
    """They are no part of the code: the machine takes them from the tables."""
    path = tmp_path / "talk.pbx"
    path.write_bytes(
        pbs.assemble(
            '.target profile "game" "1.0.0"\n.const A = "seven b"\n.const B = "eight by"\n.const C = "nine byte"\n.const D = ""\n'
            ".func main() -> ()\n"
            + "".join(f"PUSH 2\nPUSH {n}\nHOSTCALL log.write/1\nPOP\n" for n in "ABCD")
            + "HALT\n.end\n"
        )
    )
    load_kept(path)
    again = load_kept(path)
    assert type(again) is KeptImage
    (result,) = pbs.Machine(again).run(1)
    assert [entry.text for entry in result.log] == ["seven b", "eight by", "nine byte", ""]
    (expected,) = pbs.Machine(pbs.load(path), engine="reference").run(1)
    assert result == expected


def test_a_trap_of_a_kept_image_names_its_place(entries, tmp_path):
    path = tmp_path / "trap.pbx"
    path.write_bytes(pbs.assemble(".func main() -> ()\nPUSH 1\nPUSH 0\nDIV\nPOP\nHALT\n.end\n", source="trap.pbasm"))
    load_kept(path)
    image = load_kept(path)
    (result,) = pbs.Machine(image).run(1)
    assert result.trap is not None
    assert image.program.function_name(result.trap.function) == "main"
    assert "pbs.loader.loading" in sys.modules
