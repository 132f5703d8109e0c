"""What is kept between runs: given back as it was written, or not at all; removed where it is ours, and nothing else."""

import hashlib
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pbs.contract import InternalError, StorageError, UsageError
from pbs.vm import cache, target
from pbs.vm.cache import Folder

BODY = bytes(range(256)) * 9
HEAD = 37


@pytest.fixture
def said(monkeypatch):
    """What is said to the user, instead of saying it."""
    heard: list[str] = []
    monkeypatch.setattr(cache, "notify", heard.append)
    return heard


@pytest.fixture
def root(tmp_path, monkeypatch, said):
    """An empty cache of our own."""
    monkeypatch.setenv("PBS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "current", cache.current.__wrapped__)
    monkeypatch.setattr(cache.current, "cache_clear", lambda: None, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def folder(root):
    """The folder of this runtime, with one entry."""
    ours = cache.current()
    assert ours is not None
    assert ours.write("native", "log", BODY)
    return ours


# ---- entries


def test_what_was_written_is_read_under_its_kind_and_key_alone(root, said):
    assert cache.read("native", "log") is None
    assert cache.write("native", "log", BODY)
    assert cache.write("native", "empty", b"")
    assert cache.read("native", "log") == BODY
    assert cache.read("native", "empty") == b""
    assert cache.read("compiled", "log") is None
    assert cache.write("native", "log", b"later")
    assert cache.read("native", "log") == b"later"
    assert said == []


def test_an_entry_is_private_whatever_the_umask(folder):
    before = os.umask(0)
    try:
        folder.write("native", "open", BODY)
    finally:
        os.umask(before)
    assert (folder.path / "native.open").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in folder.path.iterdir()} == {"native.log", "native.open"}


@pytest.mark.parametrize(
    ("kind", "key"), [("", "a"), ("a", ""), ("A", "a"), ("a", "../a"), ("a", "a.b"), ("a", "a" * 121)]
)
def test_names_that_could_lead_elsewhere_are_our_mistake(folder, kind, key):
    with pytest.raises(InternalError):
        folder.read(kind, key)
    with pytest.raises(InternalError):
        folder.write(kind, key, b"")


def damaged(whole: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "only its head": whole[:HEAD],
        "cut short": whole[: len(whole) // 2],
        "one byte short": whole[:-1],
        "one byte long": whole + b"\0",
        "of another format": b"PBSC\x02" + whole[5:],
        "without its head": whole[HEAD:],
        "something else": b"\x7fELF" + bytes(1000),
    }


@pytest.mark.parametrize("name", damaged(b""))
def test_a_damaged_entry_is_not_taken(folder, said, name):
    path = folder.path / "native.log"
    path.write_bytes(damaged(path.read_bytes())[name])
    assert folder.read("native", "log") is None
    assert "not what was written" in said[0]


def test_no_byte_of_an_entry_may_change(folder):
    path = folder.path / "native.log"
    whole = path.read_bytes()
    assert folder.read("native", "log") == whole[HEAD:] == BODY
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert folder.read("native", "log") is None, at


def test_an_entry_of_another_name_kind_or_runtime_is_not_taken(folder):
    """All are whole files that somebody wrote; loading one would run what belongs elsewhere."""
    written = folder.path / "native.log"
    for name in ("native.clock", "compiled.log"):
        shutil.copy(written, folder.path / name)
        assert folder.read(*name.split(".")) is None
    other = folder.path.parent / hashlib.sha256(b"another runtime").hexdigest()[:32]
    shutil.copytree(folder.path, other)
    assert folder.read("native", "log") == BODY
    assert Folder(other).read("native", "log") is None


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_an_entry_that_others_may_write_is_not_taken(folder, said, mode):
    (folder.path / "native.log").chmod(mode)
    assert folder.read("native", "log") is None
    assert "is not used" in said[0]
    assert folder.write("native", "log", BODY)
    assert folder.read("native", "log") == BODY


def test_an_entry_of_another_owner_is_not_taken(folder, said, monkeypatch):
    monkeypatch.setattr(cache.os, "getuid", lambda: (folder.path / "native.log").stat().st_uid + 1)
    assert folder.read("native", "log") is None
    assert "is not used" in said[0]


def test_what_is_no_file_is_not_taken(folder, said, tmp_path):
    shutil.copy(folder.path / "native.log", tmp_path / "elsewhere")
    (folder.path / "native.log").unlink()
    (folder.path / "native.log").symlink_to(tmp_path / "elsewhere")
    (folder.path / "native.folder").mkdir()
    os.mkfifo(folder.path / "native.pipe")
    for key in ("log", "folder", "pipe"):
        assert folder.read("native", key) is None
    assert ["is not used" in line for line in said] == [True] * 3


def test_what_cannot_be_kept_is_said_and_no_failure(folder, said, monkeypatch):
    (folder.path / "native.folder").mkdir()
    assert not folder.write("native", "folder", BODY)
    assert "folder" in said[0]
    monkeypatch.setattr(cache, "MOST_ENTRY_BYTES", 10)
    assert not folder.write("native", "large", b"12345678901")
    assert folder.write("native", "small", b"1234567890")
    assert not (folder.path / "native.large").exists()


def test_two_that_write_at_once_leave_one_whole_entry(folder):
    bodies = [bytes([i]) * 200_000 for i in range(4)]

    def rewrite(body):
        for _ in range(10):
            assert folder.write("native", "shared", body)

    threads = [threading.Thread(target=rewrite, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    seen = {folder.read("native", "shared") for _ in range(50)}
    for thread in threads:
        thread.join()
    assert seen - {None} <= set(bodies)
    assert folder.read("native", "shared") in bodies
    assert {path.name for path in folder.path.iterdir()} == {"native.log", "native.shared"}


def test_the_oldest_entries_of_a_kind_make_room(folder, monkeypatch):
    size = len(BODY) + HEAD
    monkeypatch.setattr(cache, "MOST_BYTES", 3 * size)
    for age, key in enumerate("edcba"):
        folder.write("compiled", key, BODY)
        os.utime(folder.path / f"compiled.{key}", ns=(0, 10**9 * (10 + age)))
    folder.write("compiled", "new", BODY)
    kept = {path.name for path in folder.path.iterdir()}
    assert kept == {"native.log", "compiled.b", "compiled.a", "compiled.new"}


# ---- whose folder it is


def test_the_folder_is_made_private(root, said):
    folder = cache.current()
    assert folder == Folder(root / "runtimes" / cache.runtime())
    for path in (folder.path, folder.path.parent):
        assert path.stat().st_mode & 0o777 == 0o700
    assert list(folder.path.iterdir()) == []
    assert cache.is_trusted()
    assert said == []


@pytest.mark.parametrize("which", ["runtimes", "runtime"])
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_is_not_used(folder, said, which, mode):
    (folder.path if which == "runtime" else folder.path.parent).chmod(mode)
    assert cache.current() is None
    assert len(said) == 1
    assert "is not used" in said[0]
    assert cache.read("native", "log") is None
    assert not cache.write("native", "log", BODY)
    assert cache.is_trusted() == (which == "runtime")
    assert cache.entries() == []
    assert cache.clear() == (0, 0)
    assert (folder.path / "native.log").exists()


def test_a_folder_of_another_owner_is_not_used(folder, said, monkeypatch):
    monkeypatch.setattr(cache.os, "getuid", lambda: folder.path.stat().st_uid + 1)
    assert cache.current() is None
    assert "is not used" in said[0]
    assert not cache.is_trusted()
    assert cache.clear() == (0, 0)


def test_a_link_in_the_place_of_the_folder_is_not_followed(root, tmp_path, said):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    root.mkdir()
    (root / "runtimes").symlink_to(elsewhere)
    assert cache.current() is None
    assert "is not used" in said[0]
    assert not cache.is_trusted()
    assert list(elsewhere.iterdir()) == []


def test_without_a_folder_there_is_no_cache(root, said):
    root.mkdir()
    (root / "runtimes").write_text("a file where the folder should be")
    assert cache.current() is None
    assert "for this run only" in said[0]
    assert not cache.is_trusted()


def test_a_cache_folder_that_is_given_relative_to_here_stays_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PBS_CACHE_DIR", "here")
    monkeypatch.chdir(tmp_path)
    assert cache.base() == tmp_path / "here" / "runtimes"


# ---- the list, and clearing


def other_runtime(folder: Folder, name: str, age: int) -> Path:
    """Another runtime's folder with one entry, made some seconds after the beginning of time."""
    path = folder.path.parent / hashlib.sha256(name.encode()).hexdigest()[:32]
    path.mkdir(mode=0o700)
    Folder(path).write("native", "log", BODY)
    os.utime(path, ns=(0, 10**9 * age))
    return path


def test_entries_say_whose_they_are(folder):
    stale = other_runtime(folder, "stale", 1)
    (folder.path / "compiled.open").write_bytes(b"something")
    (folder.path / "compiled.open").chmod(0o666)
    rows = [(e.runtime, e.kind, e.key, e.size_bytes, e.is_current, e.is_trusted) for e in cache.entries()]
    ours, size = folder.path.name, len(BODY) + HEAD
    expected = [
        (ours, "compiled", "open", 9, True, False),
        (ours, "native", "log", size, True, True),
        (stale.name, "native", "log", size, False, True),
    ]
    assert rows == sorted(expected)


def test_clearing_removes_what_is_ours_and_follows_no_link(folder, tmp_path):
    stale = other_runtime(folder, "stale", 1)
    (folder.path / ".native.log.tmp1234").write_bytes(b"left behind")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    Folder(elsewhere).write("native", "log", BODY)
    base = folder.path.parent
    (folder.path / "native.link").symlink_to(elsewhere / "native.log")
    (base / ("0" * 32)).symlink_to(elsewhere)
    (folder.path / "README").write_text("mine")
    (base / "notes").mkdir()
    (base / "notes" / "native.log").write_text("mine")
    assert cache.clear() == (3, 2 * (len(BODY) + HEAD) + len(b"left behind"))
    assert not stale.exists()
    assert {path.name for path in folder.path.iterdir()} == {"README", "native.link"}
    assert (base / "notes" / "native.log").read_text() == "mine"
    assert Folder(elsewhere).read("native", "log") == BODY
    assert cache.clear() == (0, 0)


def test_clearing_what_is_not_there_is_nothing(root):
    assert cache.entries() == []
    assert cache.clear() == (0, 0)
    assert not root.exists()


def test_a_file_that_cannot_be_removed_is_a_coded_failure(folder, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StorageError) as caught:
        cache.clear()
    assert caught.value.code == "file_unwritable"


def test_a_new_runtime_keeps_the_newest_of_the_others(root, monkeypatch):
    monkeypatch.setattr(cache, "KEPT_RUNTIMES", 3)
    base = root / "runtimes"
    base.mkdir(parents=True, mode=0o700)
    old = [other_runtime(Folder(base / "any"), str(age), age) for age in (4, 2, 3, 1)]
    (base / "notes").mkdir()
    cache.current()
    left = {path.name for path in base.iterdir()}
    assert left == {cache.runtime(), "notes", old[0].name, old[2].name}
    another = other_runtime(Folder(base / "any"), "another", 5)
    cache.current()
    assert another.exists(), "only a folder that is new makes room for itself"
    assert old[2].exists()


# ---- which runtime


def test_a_runtime_depends_on_its_sources(monkeypatch):
    before = cache.runtime.__wrapped__()
    assert before == cache.runtime()
    for room in cache._ROOMS:
        monkeypatch.setattr(
            cache, "_ROOMS", tuple(r for r in ("contract", "host", "isa", "loader", "verifier", "vm") if r != room)
        )
        assert cache.runtime.__wrapped__() != before


def test_every_byte_and_name_of_a_source_counts(tmp_path):
    def listed():
        return [(name, Path(path).read_bytes()) for name, path in cache._sources(str(tmp_path), "room")]

    (tmp_path / "inner" / "__pycache__").mkdir(parents=True)
    for name in ("b.py", "a.yaml", "inner/c.json", "inner/__pycache__/c.py", "notes.txt", "b.pyc"):
        (tmp_path / name).write_text(name)
    assert listed() == [("room/a.yaml", b"a.yaml"), ("room/b.py", b"b.py"), ("room/inner/c.json", b"inner/c.json")]


@pytest.mark.parametrize("other", [{"cpu": "generic"}, {"features": ""}, {"level": 0}])
def test_a_runtime_depends_on_its_target(monkeypatch, other):
    monkeypatch.setattr(target, "_AIM", [])
    before = cache.runtime.__wrapped__()
    target.aim(target.target())
    assert before == cache.runtime.__wrapped__()
    target.aim(replace(target.target(), **other))
    assert before != cache.runtime.__wrapped__()


def test_a_runtime_depends_on_the_versions_of_what_makes_code(monkeypatch):
    before = cache.runtime.__wrapped__()
    real = cache._version_file
    for package in ("numba", "llvmlite", "numpy"):
        monkeypatch.setattr(cache, "_version_file", lambda p, n, changed=package: real(p, n) + b"+" * (p == changed))
        assert cache.runtime.__wrapped__() != before
    assert b"0.68" in real("numba", "_version.py")


def test_a_package_that_is_missing_is_a_coded_error(monkeypatch):
    monkeypatch.setattr(cache, "find_spec", lambda _: None)
    with pytest.raises(UsageError) as caught:
        cache.runtime.__wrapped__()
    assert (caught.value.code, caught.value.diagnostic.required) == ("engine_unavailable", "llvmlite")
