"""`pbs warmup` and `pbs cache`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pbs.host import standard
from pbs.vm import cache
from pbs.vm.native_build import part_names

from .commands import PONG, process, write_cartridge

PARTS = part_names(standard())


@pytest.fixture
def kept(tmp_path):
    """A cache of our own with what all tests share, and with an entry of another runtime."""
    ours = cache.current()
    assert ours is not None
    folder = tmp_path / "kept" / "runtimes" / cache.runtime()
    folder.mkdir(parents=True, mode=0o700)
    folder.parent.chmod(0o700)
    for part in PARTS:
        shutil.copy(ours.path / f"native.{part}", folder)
    stale = folder.parent / ("0" * 32)
    stale.mkdir(mode=0o700)
    assert cache.Folder(stale).write("native", "log", b"old")
    return folder


def settings(folder: Path) -> dict[str, str]:
    return {"PBS_CACHE_DIR": str(folder.parent.parent)}


def test_warming_up_makes_what_is_missing_and_then_nothing(kept, tmp_path):
    (kept / "native.clock").unlink()
    (kept / "native.log").write_bytes(b"damaged")
    write_cartridge(tmp_path / "small")
    first = process("warmup", tmp_path / "small", PONG, "--json", env=settings(kept))
    value = first.shown("warmup")
    assert first.code == 0
    assert value["folder"] == str(kept)
    assert [part["name"] for part in value["parts"]] == PARTS
    assert {part["name"] for part in value["parts"] if part["made"]} == {"clock", "log"}
    assert [cartridge["id"] for cartridge in value["cartridges"]] == ["small", "pong"]
    assert "cache_damaged" in first.err
    assert sorted(path.name.split(".")[0] for path in kept.iterdir()) == sorted(
        ["native"] * len(PARTS) + ["image", "members"] * 2
    )
    before = {path: path.stat().st_mtime_ns for path in kept.iterdir()}
    again = process("warmup", tmp_path / "small", env=settings(kept))
    assert (again.code, again.err) == (0, "")
    assert again.out.startswith("made: nothing\n")
    assert "ready: A small one" in again.out
    assert {path: path.stat().st_mtime_ns for path in kept.iterdir()} == before
    ran = process("run", PONG, "--frames", 1, env=settings(kept))
    assert (ran.code, ran.err) == (0, "")


def test_a_cartridge_that_is_refused_stops_the_warming_up_before_it_begins(kept, tmp_path):
    (kept / "native.clock").unlink()
    done = process("warmup", tmp_path / "nothing", env=settings(kept))
    assert (done.code, done.out) == (3, "")
    assert not (kept / "native.clock").exists()


def test_where_nothing_can_be_kept_there_is_nothing_to_warm_up(tmp_path):
    (tmp_path / "runtimes").write_text("a file where the folder should be")
    done = process("warmup", "--json", env={"PBS_CACHE_DIR": str(tmp_path)})
    assert (done.code, done.refused()) == (5, "cache_unavailable")


def test_the_list_says_what_is_current_and_what_can_be_trusted(kept):
    (kept / "native.log").chmod(0o666)
    value = process("cache", "info", "--json", env=settings(kept)).shown("cache")
    assert (value["folder"], value["runtime"], value["trusted"]) == (str(kept.parent), kept.name, True)
    assert value["removed"] is None
    rows = {(e["runtime"], e["key"]): (e["kind"], e["current"], e["trusted"]) for e in value["entries"]}
    expected = {(kept.name, part): ("native", True, part != "log") for part in PARTS}
    assert rows == {**expected, ("0" * 32, "log"): ("native", False, True)}
    assert value["bytes"] == sum(path.stat().st_size for path in kept.parent.glob("*/*"))
    plain = process("cache", "info", env=settings(kept)).out
    assert [plain.count(f"\n  {word} ") for word in ("stale", "untrusted", "current")] == [1, 1, len(PARTS) - 1]


def test_an_empty_cache_has_an_empty_list_and_stays_unmade(tmp_path):
    value = process("cache", "info", "--json", env={"PBS_CACHE_DIR": str(tmp_path / "none")}).shown("cache")
    assert (value["entries"], value["bytes"], value["trusted"]) == ([], 0, True)
    assert os.listdir(tmp_path) == []


def test_clearing_says_how_much_it_removed(kept):
    size = sum(path.stat().st_size for path in kept.parent.glob("*/*"))
    value = process("cache", "clear", "--json", env=settings(kept)).shown("cache")
    assert value["removed"] == {"files": len(PARTS) + 1, "bytes": size}
    assert value["entries"] == []
    assert os.listdir(kept.parent) == []
    assert process("cache", "clear", env=settings(kept)).out.startswith("removed 0 files, 0 bytes")


def test_what_others_may_write_is_neither_used_nor_cleared(kept):
    kept.parent.chmod(0o777)
    done = process("cache", "clear", "--json", env=settings(kept))
    assert (done.code, done.refused()) == (7, "cache_untrusted")
    assert (kept / "native.log").exists()
    shown = process("cache", "info", "--json", env=settings(kept)).shown("cache")
    assert (shown["trusted"], shown["entries"]) == (False, [])
    assert "not used" in process("cache", "info", env=settings(kept)).out


# ---- a first run


def test_a_first_run_begins_at_once_and_the_next_ones_find_the_core_made(kept):
    (kept / "native.log").unlink()
    usual = process("run", PONG, "--frames", 3, "--json")
    first = process("run", PONG, "--frames", 3, "--json", env=settings(kept))
    assert "in the background; this happens once" in first.err
    assert (first.code, first.shown("run")) == (0, usual.shown("run"))
    waiting = process("run", PONG, "--frames", 3, "--json", "--engine", "interpreter", env=settings(kept))
    assert (waiting.code, waiting.shown("run")["digest"]) == (0, usual.shown("run")["digest"])
    assert cache.Folder(kept).read("native", "log") is not None
    later = process("run", PONG, "--frames", 3, env=settings(kept))
    assert (later.code, later.err) == (0, "")


def test_a_long_first_run_is_handed_over_and_comes_to_the_same(kept):
    (kept / "native.log").unlink()
    first = process("run", PONG, "--frames", 3000, "--json", env=settings(kept))
    assert "in the background" in first.err
    assert first.shown("run") == process("run", PONG, "--frames", 3000, "--json").shown("run")
    assert cache.Folder(kept).read("native", "log") is not None, "it was waited for"
