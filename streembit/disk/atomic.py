"""Whole files, written so that after any crash there is the old one or the new one."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streembit.disk.files import SYSTEM, Files, exists
from streembit.errors import DiskFailed, DiskFull, TooLarge

MAX_FILE_BYTES = 4 * 1024 * 1024  # the largest, a cache of 256 peers, has about 60 KiB
MAX_ASIDE = 3  # copies kept of one damaged file: a fault that comes back does not fill the disk
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def write(path: Path, data: bytes, files: Files = SYSTEM) -> None:
    """Put the data in the file's place; it is on the medium on return, mode 0600.

    One writer at a time: the caller holds the lock that guards the file.

    Raises:
        DiskFull, DiskFailed: the old file is untouched, or the new one is
            in place but perhaps not yet on the medium.
    """
    with blamed_on_disk(path):
        fresh = _written_beside(path, data, files)
        try:
            files.rename(fresh, path)
        except OSError:
            _remove_quietly(fresh, files)
            raise
        sync_folder(path.parent, files)


def create(path: Path, data: bytes, files: Files = SYSTEM) -> None:
    """Write a file that does not exist yet, else as `write`.

    Raises:
        FileExistsError: something has that name; it is untouched.
    """
    with blamed_on_disk(path):
        fresh = _written_beside(path, data, files)
        try:
            _name_new(fresh, path, files)
        except OSError:
            _remove_quietly(fresh, files)
            raise
        sync_folder(path.parent, files)


def read(path: Path, files: Files = SYSTEM, limit_bytes: int = MAX_FILE_BYTES) -> bytes | None:
    """Return the whole file, or None where there is none.

    Raises:
        TooLarge: it is longer than the limit.
        DiskFailed: it cannot be read.
    """
    with blamed_on_disk(path):
        try:
            fd = files.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            return _read_all(fd, path, files, limit_bytes)
        finally:
            files.close(fd)


def move_aside(path: Path, unix_s: int, files: Files = SYSTEM) -> Path:
    """Rename a damaged file to `NAME.corrupt-<unix_s>` and return where it went.

    Where the clock stands still or went back, the number is the next one. The
    newest three of one name are kept.
    """
    with blamed_on_disk(path):
        stamps = _stamps_aside(path, files)
        stamp = max([unix_s, *(older + 1 for older in stamps)])
        target = _aside(path, stamp)
        files.rename(path, target)
        sync_folder(path.parent, files)
        for older in [*stamps, stamp][:-MAX_ASIDE]:
            files.remove(_aside(path, older))
    return target


def aside_of(path: Path, files: Files = SYSTEM) -> list[Path]:
    """Return the damaged copies kept of this file, the oldest first."""
    return [_aside(path, stamp) for stamp in _stamps_aside(path, files)]


def sync_folder(folder: Path, files: Files = SYSTEM) -> None:
    """Return once the names in the folder are on the medium."""
    fd = files.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        files.sync(fd)
    finally:
        files.close(fd)


@contextmanager
def blamed_on_disk(path: Path) -> Iterator[None]:
    """Turn an OSError about this file into DiskFull or DiskFailed; names taken pass as they are."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as e:
        kind = DiskFull if e.errno in _NO_SPACE else DiskFailed
        raise kind(e.strerror or str(e), file=str(path)) from e


def _aside(path: Path, stamp: int) -> Path:
    return path.with_name(f"{path.name}.corrupt-{stamp}")


def _stamps_aside(path: Path, files: Files) -> list[int]:
    start = f"{path.name}.corrupt-"
    stamps = [name[len(start) :] for name in files.names(path.parent) if name.startswith(start)]
    return sorted(int(stamp) for stamp in stamps if re.fullmatch(r"0|[1-9][0-9]{0,17}", stamp))


def _written_beside(path: Path, data: bytes, files: Files) -> Path:
    fresh = path.with_name(f".{path.name}.new")
    fd = _open_fresh(fresh, files)
    try:
        _write_all(fd, data, files)
    except OSError:
        _remove_quietly(fresh, files)
        raise
    return fresh


def _open_fresh(fresh: Path, files: Files) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        return files.open(fresh, flags)
    except FileExistsError:  # left by a writer that died
        files.remove(fresh)
        return files.open(fresh, flags)


def _write_all(fd: int, data: bytes, files: Files) -> None:
    try:
        while data:
            data = data[files.write(fd, data) :]
        files.sync(fd)
    finally:
        files.close(fd)


def _read_all(fd: int, path: Path, files: Files, limit_bytes: int) -> bytes:
    parts: list[bytes] = []
    left = limit_bytes + 1
    while left > 0 and (part := files.read(fd, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    if left <= 0:
        raise TooLarge("the file is too long", file=str(path), limit_bytes=limit_bytes)
    return b"".join(parts)


def _name_new(fresh: Path, path: Path, files: Files) -> None:
    try:
        files.link(fresh, path)
    except OSError as e:
        if e.errno not in _NO_LINKS:
            raise
        if exists(path, files):  # a file system without links, such as a USB stick's
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from e
        files.rename(fresh, path)
    else:
        files.remove(fresh)


def _remove_quietly(path: Path, files: Files) -> None:
    try:
        files.remove(path)
    except OSError:
        pass
