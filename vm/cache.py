"""What is kept between runs: object code, and whatever else can be made again from what it was made of.

    root                      PBS_CACHE_DIR, or `pbs` in the user's cache folder
      runtimes                private: ours, and writable by nobody else
        9f2c..                one folder for each runtime, named by a digest of sources, versions and processor; private
          native.kernels      one file for each entry, named by its kind and key; private

An entry is the bytes that were written under its kind and key by this very runtime, or it is not there: a file that others
own or may write is refused, and a seal in its head finds whatever was damaged, cut short or copied from elsewhere. The seal is no
secret: what keeps strangers out is that only we can write here, as into the sources that we run.

Files appear whole or not at all, and of two writers the last wins; both wrote the same. A new runtime keeps the folders of the
KEPT_RUNTIMES newest; a kind keeps its newest entries up to MOST_BYTES of a runtime.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import stat
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..contract import Diagnostic, InternalError, StorageError, UsageError
from ..contract.diagnostics import line
from ..contract.files import write_bytes
from ..contract.notices import notify
from .target import OnceForEachTarget, target

KEPT_RUNTIMES = 16
MOST_BYTES = 128 * 1024 * 1024  # of one kind and runtime
MOST_ENTRY_BYTES = 64 * 1024 * 1024
_LOOK_S = 0.02
_MAGIC = b"PBSC\x01"
_HEAD_BYTES = len(_MAGIC) + 32
_ROOMS = ("contract", "host", "isa", "loader", "verifier", "vm")
_SUFFIXES = (".json", ".py", ".yaml")
_PACKAGES = {"llvmlite": "_version.py", "numba": "_version.py", "numpy": "version.py"}
_KIND, _KEY = re.compile(r"[a-z]+"), re.compile(r"[a-z0-9_-]{1,120}")
_RUNTIME = re.compile(r"[0-9a-f]{32}")
_OURS = re.compile(r"\.?[a-z]+\.[a-z0-9_.-]+")  # an entry, or what an interrupted write left of one


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of the cache. Only entries of the current runtime that are trusted can be read."""

    runtime: str
    kind: str
    key: str
    size_bytes: int
    is_current: bool
    is_trusted: bool  # ours, and writable by nobody else


@dataclass(frozen=True, slots=True)
class Folder:
    """The entries of one runtime. The folder's name is part of every seal."""

    path: Path

    def read(self, kind: str, key: str) -> bytes | None:
        """The bytes kept under this kind and key; None where there are none. A notice says what was refused."""
        path = self._file(kind, key)
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(path, flags)
        except FileNotFoundError:
            return None
        except OSError:  # a link, a folder, not ours to read
            _refuse("cache_untrusted", path)
            return None
        information = os.fstat(descriptor)
        if not stat.S_ISREG(information.st_mode) or not _is_ours_alone(information):
            os.close(descriptor)  # Python itself makes no file object of a directory
            _refuse("cache_untrusted", path)
            return None
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(MOST_ENTRY_BYTES + _HEAD_BYTES)
        body = data[_HEAD_BYTES:]
        if data[:_HEAD_BYTES] != self._head(path.name, body):
            _refuse("cache_damaged", path)
            return None
        return body

    def write(self, kind: str, key: str, body: bytes) -> bool:
        """Keep bytes under this kind and key; whether that could be done. Where it could not, a notice says why."""
        path = self._file(kind, key)
        if len(body) > MOST_ENTRY_BYTES:
            return False
        try:
            write_bytes(path, self._head(path.name, body) + body, private=True)
        except StorageError as error:
            notify(line(error.diagnostic))
            return False
        self._prune(kind)
        return True

    @contextlib.contextmanager
    def made_once(self, seconds: float) -> Iterator[bool]:
        """While one process makes entries, others that would make them too wait here, but not for ever: it saves work, no more.

        Gives whether it waited, so that there may be more entries now.
        """
        descriptor, waited = _locked(self.path, seconds)
        try:
            yield waited
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _file(self, kind: str, key: str) -> Path:
        if not _KIND.fullmatch(kind) or not _KEY.fullmatch(key):
            raise InternalError(f"no name for a cache entry: {kind!r} {key!r}")
        return self.path / f"{kind}.{key}"

    def _head(self, name: str, body: bytes) -> bytes:
        """A digest of the body and of whose it is: a file of another entry, or of another runtime, is not this one's."""
        return _MAGIC + hashlib.sha256(f"{self.path.name}/{name}\0".encode() + body).digest()

    def _prune(self, kind: str) -> None:
        """Remove the oldest entries of a kind where there is too much of it."""
        found = [(name, information) for name, information in _files(self.path) if name.startswith(f"{kind}.")]
        size = sum(information.st_size for _, information in found)
        for name, information in sorted(found, key=lambda row: (row[1].st_mtime_ns, row[0])):
            if size <= MOST_BYTES:
                return
            (self.path / name).unlink(missing_ok=True)
            size -= information.st_size


def read(kind: str, key: str) -> bytes | None:
    """What this runtime keeps under this kind and key; None where there is nothing, or nothing that can be trusted."""
    folder = current()
    return None if folder is None else folder.read(kind, key)


def write(kind: str, key: str, body: bytes) -> bool:
    """Keep bytes for this runtime under a kind (a to z) and a key (a to z, 0 to 9, `_` and `-`); whether they were kept."""
    folder = current()
    return folder is not None and folder.write(kind, key, body)


@OnceForEachTarget
def current() -> Folder | None:
    """This runtime's folder, made if need be. None where there can be none; then a notice says why."""
    shared = base()
    path = shared / runtime()
    try:
        is_new = not path.exists()
        shared.parent.mkdir(parents=True, exist_ok=True)
        for folder in (shared, path):
            folder.mkdir(mode=0o700, exist_ok=True)
            if not _is_private_folder(folder):
                _refuse("cache_untrusted", folder)
                return None
    except OSError as error:
        _refuse("cache_unavailable", path, error.strerror)
        return None
    if is_new:
        _prune_runtimes(path.name)
    return Folder(path)


def base() -> Path:
    """The folder of all runtimes, absolute; there need not be anything yet."""
    root = os.environ.get("PBS_CACHE_DIR")
    if not root:
        import platformdirs

        root = platformdirs.user_cache_dir("pbs")
    return Path(os.path.abspath(root), "runtimes")


def is_trusted() -> bool:
    """Whether nobody else can write to the cache, or there is none yet."""
    try:
        return _is_private_folder(base())
    except FileNotFoundError:
        return True
    except OSError:
        return False


def entries() -> list[Entry]:
    """All entries, of this runtime and of others, by runtime, kind and key. What is not ours is not listed."""
    ours = runtime()
    found = []
    for folder in _runtimes():
        for name, information in _files(folder):
            kind, _, key = name.partition(".")
            if kind:  # else it is what an interrupted write left
                is_trusted = _is_ours_alone(information)
                found.append(
                    Entry(
                        runtime=folder.name,
                        kind=kind,
                        key=key,
                        size_bytes=information.st_size,
                        is_current=folder.name == ours,
                        is_trusted=is_trusted,
                    )
                )
    return found


def clear() -> tuple[int, int]:
    """Remove all entries of all runtimes; how many files that were, and how many bytes.

    Only what this module writes is removed, and links are not followed: folders and files of other names, or of other people,
    stay. Raises StorageError where a file cannot be removed.
    """
    count = size = 0
    for folder in _runtimes():
        removed = _remove(folder)
        count, size = count + removed[0], size + removed[1]
    current.cache_clear()
    return count, size


def _locked(folder: Path, seconds: float) -> tuple[int | None, bool]:
    """A descriptor of the folder, which is locked until that is closed, and whether another had locked it.

    It stays without a lock where there are none, and where that takes too long.
    """
    try:
        import fcntl
    except ImportError:
        return None, False
    descriptor, looks = os.open(folder, os.O_RDONLY), 0
    with contextlib.suppress(OSError):  # a file system without locks
        pause = threading.Event()
        while looks * _LOOK_S < seconds:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                looks += 1
                pause.wait(_LOOK_S)
    return descriptor, looks > 0


# ---- folders and whose they are ------------------------------------------------------------------------------------------


def _is_private_folder(path: Path) -> bool:
    information = path.lstat()
    return stat.S_ISDIR(information.st_mode) and _is_ours_alone(information)


def _is_ours_alone(information: os.stat_result) -> bool:
    """Ours, and writable by nobody else. Where there are no such owners, the user's own folder has to do."""
    if not hasattr(os, "getuid"):
        return True
    return information.st_uid == os.getuid() and not information.st_mode & 0o022


def _refuse(code: str, path: Path, reason: str | None = None) -> None:
    refused = Diagnostic(code=code, subject=str(path), details={"reason": reason} if reason else {})
    notify(f"{line(refused)} ({refused.entry.hint})")


def _runtimes() -> list[Path]:
    """Folders of runtimes that are private, in a cache that is."""
    shared = base()
    try:
        if not _is_private_folder(shared):
            return []
        found = [shared / name for name in sorted(os.listdir(shared)) if _RUNTIME.fullmatch(name)]
        return [path for path in found if _is_private_folder(path)]
    except OSError:
        return []


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Regular files of ours by name."""
    for name in sorted(os.listdir(folder)):
        if _OURS.fullmatch(name):
            try:
                information = (folder / name).lstat()
            except FileNotFoundError:  # someone else pruned it
                continue
            if stat.S_ISREG(information.st_mode):
                yield name, information


def _remove(folder: Path) -> tuple[int, int]:
    """Remove the files of a runtime, and the folder with them if nothing else stands there."""
    count = size = 0
    for name, information in _files(folder):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            details = {"reason": error.strerror or "unknown"}
            raise StorageError("file_unwritable", subject=str(folder / name), details=details) from None
        count, size = count + 1, size + information.st_size
    if not os.listdir(folder):
        folder.rmdir()
    return count, size


def _prune_runtimes(ours: str) -> None:
    """Keep the newest runtimes. Whoever still runs one of the others makes it again."""
    others = sorted((path.lstat().st_mtime_ns, path) for path in _runtimes() if path.name != ours)
    for _, path in others[: -(KEPT_RUNTIMES - 1)]:
        try:
            _remove(path)
        except StorageError as error:
            notify(line(error.diagnostic))


# ---- which runtime this is -----------------------------------------------------------------------------------------------


@OnceForEachTarget
def runtime() -> str:
    """A digest of everything that entries depend on, 32 hexadecimal digits: sources, versions, processor.

    Raises UsageError("engine_unavailable") where a package that native code is made with is missing.
    """
    digest = hashlib.sha256()
    rooms = Path(__file__).resolve().parent.parent
    for room in _ROOMS:
        for name, path in _sources(os.path.join(rooms, room), room):
            with open(path, "rb", buffering=0) as file:
                digest.update(f"{name}\0".encode() + file.read() + b"\0")
    made_for = target()
    facts = [sys.version, platform.machine(), made_for.cpu, made_for.features, str(made_for.level)]
    digest.update("\0".join(facts).encode())
    for package, file_name in _PACKAGES.items():
        digest.update(f"\0{package}\0".encode() + _version_file(package, file_name))
    return digest.hexdigest()[:32]


def _sources(folder: str, name: str) -> Iterator[tuple[str, str]]:
    """Sources under a folder, links followed: name and path, in order of name."""
    with os.scandir(folder) as found:
        rows = sorted((row.name, row.is_dir()) for row in found)
    for row, is_folder in rows:
        at, inner = f"{name}/{row}", os.path.join(folder, row)
        if is_folder and row != "__pycache__":
            yield from _sources(inner, at)
        elif not is_folder and row.endswith(_SUFFIXES):
            yield at, inner


def _version_file(package: str, name: str) -> bytes:
    """What a package says about its version, without importing it."""
    found = find_spec(package)
    try:
        if found is not None and found.origin is not None:
            return Path(found.origin).with_name(name).read_bytes()
    except OSError:
        pass
    raise UsageError("engine_unavailable", subject="interpreter", required=package, available="nothing") from None
