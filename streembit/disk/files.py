"""The calls to the operating system that Streembit's own files need, as an interface."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Final, NamedTuple, Protocol


class Status(NamedTuple):
    """What is known of a name; `mode` has the nine permission bits only.

    What is neither file nor folder is a pipe, a socket or a device.
    """

    mode: int
    owner: int
    size_bytes: int
    is_folder: bool
    is_file: bool


class Files(Protocol):
    """Each method is one system call and raises OSError as that call does.

    It is an interface so that tests can let any single call fail, or be the
    last one before the power goes.
    """

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        """Open a file or folder; the descriptor is not inherited by children."""

    def read(self, fd: int, size_bytes: int) -> bytes:
        """Return at most so many bytes, b"" at the end."""

    def write(self, fd: int, data: bytes) -> int:
        """Write a beginning of the data and return its length."""

    def truncate(self, fd: int) -> None:
        """Empty the open file."""

    def sync(self, fd: int) -> None:
        """Return once the file's contents, or the folder's names, are on the medium."""

    def close(self, fd: int) -> None:
        """Close the descriptor, which ends its lock."""

    def lock(self, fd: int, *, wait: bool) -> None:
        """Lock against other processes, or raise BlockingIOError when not to wait."""

    def rename(self, old: Path, new: Path) -> None:
        """Give the file its new name in one step, instead of what had that name."""

    def link(self, old: Path, new: Path) -> None:
        """Give the file a second name that nothing has yet."""

    def remove(self, path: Path) -> None:
        """Remove the file's name."""

    def make_folder(self, path: Path) -> None:
        """Make one folder that only its owner may use."""

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""

    def change_mode(self, path: Path, mode: int) -> None:
        """Set the nine permission bits."""

    def names(self, folder: Path) -> list[str]:
        """Return the names in the folder, in order."""

    def status(self, path: Path, *, follow: bool = True) -> Status:
        """Return what is known of the file, or of the link itself when not to follow."""


class SystemFiles:
    """The real ones."""

    __slots__ = ()

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def read(self, fd: int, size_bytes: int) -> bytes:
        return os.read(fd, size_bytes)

    def write(self, fd: int, data: bytes) -> int:
        return os.write(fd, data)

    def truncate(self, fd: int) -> None:
        os.ftruncate(fd, 0)

    def sync(self, fd: int) -> None:
        os.fsync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def lock(self, fd: int, *, wait: bool) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)

    def rename(self, old: Path, new: Path) -> None:
        os.rename(old, new)

    def link(self, old: Path, new: Path) -> None:
        os.link(old, new, follow_symlinks=False)

    def remove(self, path: Path) -> None:
        os.unlink(path)

    def make_folder(self, path: Path) -> None:
        os.mkdir(path, 0o700)

    def remove_folder(self, path: Path) -> None:
        os.rmdir(path)

    def change_mode(self, path: Path, mode: int) -> None:
        os.chmod(path, mode)

    def names(self, folder: Path) -> list[str]:
        return sorted(os.listdir(folder))

    def status(self, path: Path, *, follow: bool = True) -> Status:
        found = os.stat(path, follow_symlinks=follow)
        kind = found.st_mode
        return Status(kind & 0o777, found.st_uid, found.st_size, S_ISDIR(kind), S_ISREG(kind))


SYSTEM: Final[Files] = SystemFiles()


def exists(path: Path, files: Files = SYSTEM) -> bool:
    """Return whether the name is taken, even by a link to nowhere."""
    try:
        files.status(path, follow=False)
    except FileNotFoundError:
        return False
    return True
