"""Files on their way out: which there are below the paths that a user names, and their bytes."""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec
from msgspec import Struct

from streembit.disk.atomic import blamed_on_disk
from streembit.errors import FileChanged, NotFound, TooLarge
from streembit.wire.transfer import MAX_FILES, MAX_PATH_PARTS

MAX_OPEN_FILES: Final = 16  # as many as are asked for at a time
_MAX_LEFT_OUT: Final = 64  # told to the user; more are only counted
_LINK: Final = "a symbolic link, which is not followed"
_OTHER: Final = "neither a file nor a folder"
AHEAD_BYTES: Final = 4 * 1024 * 1024  # some milliseconds of a quick link
_NO_WAIT: Final = getattr(os, "RWF_NOWAIT", 0)  # Linux has it
_WOULD_WAIT: Final = frozenset({errno.EAGAIN, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Source(Struct, frozen=True, array_like=True):
    """A file of ours as it was when it was offered; `path` is as the system has it.

    A folder has no bytes, and is never read.
    """

    path: bytes
    device: int
    inode: int
    size_bytes: int
    changed_ns: int

    @property
    def where(self) -> Path:
        """Its path."""
        return Path(os.fsdecode(self.path))


@dataclass
class Found:
    """What lies below some paths.

    `names` are the parts of each file's path for the receiver, and of each
    folder without files, with an empty one behind them; `left_out`
    tells what is neither file nor folder, or cannot be read, `more`
    counts what it does not tell of.
    """

    sources: list[Source] = field(default_factory=list)
    names: list[tuple[str, ...]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    more: int = 0

    @property
    def files(self) -> list[tuple[tuple[str, ...], int]]:
        """The paths and lengths, as a list of files takes them."""
        return [(n, s.size_bytes) for n, s in zip(self.names, self.sources, strict=True)]


def walk(paths: Sequence[Path]) -> Found:
    """Return the files at and below these paths, in order.

    A link that the user names is followed; one that is met on the way is
    left out, as all that is neither file nor folder is. Of folders those
    are named of which nothing else is sent.

    Raises:
        NotFound: nothing is there, or neither a file nor a folder.
        TooLarge: more files, or deeper ones, than one transfer takes.
        DiskFailed: a folder that the user names cannot be read.
    """
    found = Found()
    for path in paths:
        with blamed_on_disk(path):
            _add_named(found, path)
    if not found.sources:
        raise NotFound("no file is there", path=str(paths[0]) if paths else "")
    return found


def pack_sources(sources: Iterable[Source]) -> bytes:
    """Return the sources as bytes, to be kept."""
    return msgspec.msgpack.encode(list(sources))


def read_sources(data: bytes) -> list[Source]:
    """Return what `pack_sources` packed; raise ValueError for what it did not."""
    return msgspec.msgpack.decode(data, type=list[Source])


class Reading:
    """The bytes of the files that are sent; callers in several threads wait for each other."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._lock = Lock()
        self._buffer = bytearray()
        self._open: OrderedDict[int, int] = OrderedDict()

    def read(self, file: int, offset: int, size_bytes: int) -> bytes:
        """Return bytes of a file, which is still the one that was offered.

        What follows them is fetched from the disk meanwhile.

        Raises:
            FileChanged: it is another one, or was written to, or is gone.
            DiskFailed: it cannot be read.
        """
        source = self._sources[file]
        with self._lock, blamed_on_disk(source.where):
            fd = self._descriptor(file, source)
            data = os.pread(fd, size_bytes, offset)
            _check(fd, source)
            end = offset + size_bytes
            os.posix_fadvise(fd, end, AHEAD_BYTES, os.POSIX_FADV_WILLNEED)
            return data

    def at_hand(self, file: int, offset: int, size_bytes: int) -> memoryview | None:
        """Return what `read` would, if that takes no wait for the disk; else None.

        What is returned is valid until the next call.

        Raises:
            FileChanged, DiskFailed
        """
        if not _NO_WAIT or file not in self._open or not self._lock.acquire(blocking=False):
            return None
        source = self._sources[file]
        try:
            with blamed_on_disk(source.where):
                fd = self._open[file]
                data = self._cached(fd, offset, size_bytes)
                _check(fd, source)
                return data
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let go of all descriptors; the next call opens what it needs."""
        with self._lock:
            while self._open:
                os.close(self._open.popitem()[1])

    def _cached(self, fd: int, offset: int, size_bytes: int) -> memoryview | None:
        """Return bytes that the system has in memory, None unless it has all of them."""
        if len(self._buffer) < size_bytes:
            self._buffer = bytearray(size_bytes)
        view = memoryview(self._buffer)[:size_bytes]
        try:
            found = os.preadv(fd, [view], offset, _NO_WAIT)
        except OSError as e:
            if e.errno in _WOULD_WAIT:
                return None
            raise
        return view if found == size_bytes else None

    def _descriptor(self, file: int, source: Source) -> int:
        fd = self._open.get(file)
        if fd is not None:
            self._open.move_to_end(file)
            return fd
        if len(self._open) >= MAX_OPEN_FILES:
            os.close(self._open.popitem(last=False)[1])
        try:
            fd = os.open(source.path, _READ)
        except FileNotFoundError:
            raise FileChanged("it is gone", file=os.fsdecode(source.path)) from None
        self._open[file] = fd
        return fd


def _check(fd: int, source: Source) -> None:
    if Source(source.path, *_stamp(os.fstat(fd))) != source:
        raise FileChanged(file=str(source.where))


def _add_named(found: Found, path: Path) -> None:
    real = path.resolve()
    try:
        status = os.stat(real)
    except FileNotFoundError:
        raise NotFound("no such file", path=str(path)) from None
    name = path.name or real.name or "files"
    if stat.S_ISDIR(status.st_mode):
        for inner, parts in _below(found, os.fsencode(real), (_text(name),)):
            _add(found, inner, parts)
    elif stat.S_ISREG(status.st_mode):
        _add(found, os.fsencode(real), (_text(name),))
    else:
        raise NotFound(_OTHER, path=str(path))


def _below(
    found: Found, folder: bytes, parts: tuple[str, ...]
) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """Yield the files below a folder, depth first, in the order of their names.

    A folder without any is yielded itself, with an empty part behind its own.
    """
    if len(parts) >= MAX_PATH_PARTS:
        raise TooLarge("folders within each other", size=len(parts), limit=MAX_PATH_PARTS)
    try:
        with os.scandir(folder) as entries:
            names = sorted(entries, key=lambda entry: entry.name)
    except OSError as e:
        _leave_out(found, folder, e.strerror or str(e))
        return
    bare = True
    for entry in names:
        inner = (*parts, _text(os.fsdecode(entry.name)))
        if entry.is_dir(follow_symlinks=False):
            bare = False
            yield from _below(found, entry.path, inner)
        elif entry.is_file(follow_symlinks=False):
            bare = False
            yield entry.path, inner
        else:
            _leave_out(found, entry.path, _LINK if entry.is_symlink() else _OTHER)
    if bare:
        yield folder, (*parts, "")


def _add(found: Found, path: bytes, parts: tuple[str, ...]) -> None:
    try:
        fd = os.open(path, _READ)
    except OSError as e:
        _leave_out(found, path, e.strerror or str(e))
        return
    try:
        status = os.fstat(fd)
    finally:
        os.close(fd)
    device, inode, size_bytes, changed_ns = _stamp(status)
    if stat.S_ISDIR(status.st_mode) and not parts[-1]:
        size_bytes = 0
    elif not stat.S_ISREG(status.st_mode):
        _leave_out(found, path, "not a plain file any more")
        return
    if len(found.sources) >= MAX_FILES:
        raise TooLarge("files of one transfer", size=len(found.sources) + 1, limit=MAX_FILES)
    found.sources.append(Source(path, device, inode, size_bytes, changed_ns))
    found.names.append(parts)


def _leave_out(found: Found, path: bytes, why: str) -> None:
    if len(found.left_out) < _MAX_LEFT_OUT:
        found.left_out.append(f"{_text(os.fsdecode(path))}: {why}")
    else:
        found.more += 1


def _stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _text(name: str) -> str:
    """Return a name as Unicode that can be sent, whatever bytes the system has for it."""
    return os.fsencode(name).decode(errors="replace")
