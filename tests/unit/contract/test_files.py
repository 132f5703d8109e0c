import errno
import os
import stat
from pathlib import Path

import pytest

from pbs.contract import PbsError, Rejected, StorageError
from pbs.contract.files import read_bytes, sync_directory, write_bytes


def refused(path, limit=1 << 20):
    with pytest.raises(PbsError) as caught:
        read_bytes(path, limit)
    assert isinstance(caught.value, Rejected)
    assert caught.value.diagnostic.subject == str(path)
    return caught.value


def unwritten(path, data=b"new"):
    with pytest.raises(PbsError) as caught:
        write_bytes(path, data)
    assert isinstance(caught.value, StorageError)
    assert caught.value.code == "file_unwritable"
    assert caught.value.diagnostic.subject == str(path)
    return caught.value.diagnostic.details["reason"]


def failing(number, only=None):
    """A function that fails with this errno; for calls whose first argument is not `only` it is the real `os` function."""

    def fail(*arguments, **_more):
        if only is None or arguments[0] == only:
            raise OSError(number, os.strerror(number))
        raise AssertionError("called with something else")

    return fail


@pytest.fixture(autouse=True)
def _no_descriptor_stays_open():
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    yield
    if before is not None:
        assert set(os.listdir("/proc/self/fd")) == before


# ---- reading


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 500])
def test_a_file_is_read_whole(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    assert read_bytes(path) == data
    assert read_bytes(path, len(data)) == data


def test_a_file_may_be_as_large_as_the_limit_and_no_larger(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    error = refused(path, 4)
    assert (error.code, error.diagnostic.required, error.diagnostic.available) == ("file_too_large", "at most 4", "5")


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert refused(path).code == "file_too_large"


def test_a_file_that_grows_while_it_is_read_is_still_bounded(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"123456")
    true_size = os.fstat

    def small(descriptor):
        fields = list(true_size(descriptor))
        fields[stat.ST_SIZE] = 3
        return os.stat_result(fields)

    monkeypatch.setattr(os, "fstat", small)
    error = refused(path, 5)
    assert (error.code, error.diagnostic.available) == ("file_too_large", "more")


@pytest.mark.parametrize("name", ["nothing", "folder/nothing", "file/below", "a\0b", "half \ud800"])
def test_what_is_not_there_is_missing(tmp_path, name):
    (tmp_path / "file").write_bytes(b"")
    assert refused(tmp_path / name).code == "file_missing"


def test_a_directory_is_no_file(tmp_path):
    assert refused(tmp_path).code == "file_is_directory"


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert refused(tmp_path / "fifo").code == "file_not_regular"


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_file(device):
    assert refused(Path(device)).code == "file_not_regular"


def test_a_link_in_a_circle_is_unreadable(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert refused(tmp_path / "a").code == "file_unreadable"


def test_a_name_that_is_too_long_is_unreadable(tmp_path):
    assert refused(tmp_path / ("a" * 300)).code == "file_unreadable"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EACCES, "file_unreadable"), (errno.EPERM, "file_unreadable"), (errno.EIO, "file_unreadable"),
        (errno.EMFILE, "file_unreadable"),
        (errno.ENXIO, "file_unreadable"), (errno.ENOENT, "file_missing"), (errno.ENOTDIR, "file_missing"),
        (errno.EISDIR, "file_is_directory"),
    ],
)  # fmt: skip
def test_an_error_on_opening_has_its_code(tmp_path, monkeypatch, number, code):
    monkeypatch.setattr(os, "open", failing(number))
    error = refused(tmp_path / "file")
    assert error.code == code
    if code == "file_unreadable":
        assert error.diagnostic.details == {"reason": os.strerror(number)}


def test_an_error_on_reading_has_its_code(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    true_fdopen = os.fdopen

    def broken(descriptor, mode):
        file = true_fdopen(descriptor, mode)

        class Broken:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

            read = staticmethod(failing(errno.EIO))
            fileno = file.fileno

        return Broken()

    monkeypatch.setattr(os, "fdopen", broken)
    assert refused(path).code == "file_unreadable"


# ---- writing


def test_a_new_file_holds_the_data(tmp_path):
    write_bytes(tmp_path / "file", b"data")
    assert (tmp_path / "file").read_bytes() == b"data"
    assert os.listdir(tmp_path) == ["file"]


def test_an_old_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a longer file than the new one")
    before = path.stat().st_ino
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_ino != before  # a reader of the old one keeps the old one
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "x" * 248])
def test_a_name_may_be_as_long_as_the_system_allows(tmp_path, name):
    write_bytes(tmp_path / name, b"data")
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002, 0o000])
def test_the_mode_follows_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_bytes(tmp_path / "file", b"data")
        assert os.umask(umask) == umask  # and is left as it was
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("step", ["write", "fsync", "chmod", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch, step, number):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    if step == "write":
        true_fdopen = os.fdopen

        def full(descriptor, mode):
            file = true_fdopen(descriptor, mode)

            class Full:
                def __enter__(self):
                    return self

                def __exit__(self, *_):
                    file.close()

                write = staticmethod(failing(number))

            return Full()

        monkeypatch.setattr(os, "fdopen", full)
    else:
        monkeypatch.setattr(os, step, failing(number))
    assert unwritten(path) == os.strerror(number)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["no folder/file", "file/below", "a\0b", "half \ud800"])
def test_where_no_file_can_be_nothing_is_written(tmp_path, name):
    (tmp_path / "file").write_bytes(b"old")
    assert unwritten(tmp_path / name)
    assert os.listdir(tmp_path) == ["file"]


def test_a_directory_is_not_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    unwritten(tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"]


def test_data_is_on_the_disk_before_the_name_is_and_then_the_folder(tmp_path, monkeypatch):
    calls = []
    true_fsync, true_replace = os.fsync, os.replace
    monkeypatch.setattr(
        os,
        "fsync",
        lambda d: (calls.append("folder" if stat.S_ISDIR(os.fstat(d).st_mode) else "file"), true_fsync(d))[1],
    )
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), true_replace(a, b))[1])
    write_bytes(tmp_path / "file", b"data")
    assert calls == ["file", "replace", "folder"]


def test_a_system_that_cannot_open_folders_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "open", failing(errno.EACCES, only=tmp_path))
    sync_directory(tmp_path)
