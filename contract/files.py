"""How files are read and written: reads are bounded, writes appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

from .diagnostics import PbsError, Rejected, StorageError

MAX_FILE_BYTES = 256 * 1024 * 1024


def read_bytes(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """The whole regular file. Raises Rejected where there is no such readable file or it is larger than `limit` bytes."""
    try:
        # O_NONBLOCK: opening a FIFO must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise _cannot_read(path, error) from None
    except ValueError:  # NUL, or half of a surrogate pair: no file can have such a name
        raise Rejected("file_missing", subject=str(path)) from None
    information = os.fstat(descriptor)
    if not stat.S_ISREG(information.st_mode):
        os.close(descriptor)  # Python itself makes no file object of a directory
        is_directory = stat.S_ISDIR(information.st_mode)
        raise Rejected("file_is_directory" if is_directory else "file_not_regular", subject=str(path))
    with os.fdopen(descriptor, "rb") as file:
        if information.st_size > limit:
            raise Rejected(
                "file_too_large", subject=str(path), required=f"at most {limit}", available=str(information.st_size)
            )
        try:
            data = file.read(limit + 1)
        except OSError as error:
            raise _cannot_read(path, error) from None
    if len(data) > limit:
        raise Rejected("file_too_large", subject=str(path), required=f"at most {limit}", available="more")
    return data


def _cannot_read(path: Path, error: OSError) -> PbsError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Rejected("file_missing", subject=str(path))
    if error.errno == errno.EISDIR:
        return Rejected("file_is_directory", subject=str(path))
    return Rejected("file_unreadable", subject=str(path), details={"reason": error.strerror or "unknown"})


def write_bytes(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replace `path` by `data`: temporary file beside it, flushed to the disk, renamed. Raises StorageError.

    private: only its owner may read it; otherwise it is as open as the user's umask says.
    """
    target = writable(path)
    try:
        # A part of the name, so that a name of full length leaves room for what mkstemp adds.
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name[:32]}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if not private:
                umask = os.umask(0)
                os.umask(umask)
                os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        sync_directory(target.parent)
    except OSError as error:
        raise cannot_write(path, error) from None


def writable(path: Path) -> Path:
    """Where a file of this name really stands, links followed. Raises StorageError unless it is a regular file, or none yet.

    What is renamed over a device, a pipe or a link would take its place, and to root even /dev/null is no obstacle.
    """
    try:
        information = os.stat(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise cannot_write(path, error) from None
    except ValueError:  # NUL, or half of a surrogate pair
        raise _unwritable(path, "no file can have this name") from None
    else:
        if not stat.S_ISREG(information.st_mode):
            raise _unwritable(path, "it exists and is no regular file")
    return Path(os.path.realpath(path))


def sync_directory(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the system can open folders."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # not every system opens folders; the file itself is synced already
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cannot_write(path: Path, error: OSError) -> StorageError:
    """The coded form of a failed write."""
    return _unwritable(path, error.strerror or "unknown")


def _unwritable(path: Path, reason: str) -> StorageError:
    return StorageError("file_unwritable", subject=str(path), details={"reason": reason})
