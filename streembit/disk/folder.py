"""A folder that is held open: what lies in it is reached through it, and links lead nowhere."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from streembit.files.names import free_name

_ENTER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FRESH: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Waits for no writer where somebody puts a pipe in the place of a file.
_PLAIN: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TRIES: Final = 16  # names that somebody else takes between our look and our step
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


class Calls(Protocol):
    """The functions of `os` by these names, as an interface, so that tests can let them fail."""

    def open(self, path: str, flags: int, mode: int = ..., *, dir_fd: int | None = ...) -> int: ...
    def close(self, fd: int, /) -> None: ...
    def dup(self, fd: int, /) -> int: ...
    def pread(self, fd: int, length: int, offset: int, /) -> bytes: ...
    def pwrite(self, fd: int, data: bytes | memoryview, offset: int, /) -> int: ...
    def ftruncate(self, fd: int, length: int, /) -> None: ...
    def fsync(self, fd: int) -> None: ...
    def fstat(self, fd: int) -> os.stat_result: ...
    def fstatvfs(self, fd: int, /) -> os.statvfs_result: ...
    def listdir(self, path: int) -> list[str]: ...
    def stat(self, path: str, *, dir_fd: int, follow_symlinks: bool) -> os.stat_result: ...
    def mkdir(self, path: str, mode: int = ..., *, dir_fd: int | None = ...) -> None: ...
    def rmdir(self, path: str, *, dir_fd: int | None = ...) -> None: ...
    def unlink(self, path: str, *, dir_fd: int | None = ...) -> None: ...
    def rename(self, src: str, dst: str, *, src_dir_fd: int, dst_dir_fd: int) -> None: ...
    def link(
        self, src: str, dst: str, *, src_dir_fd: int, dst_dir_fd: int, follow_symlinks: bool
    ) -> None: ...


SYSTEM: Final[Calls] = os


class Folder:
    """A folder of the file system, whatever happens to its path meanwhile.

    A name is one part of a path. A link in the place of a file or folder is
    refused (OSError), never followed. All methods raise OSError.
    """

    __slots__ = ("_calls", "_fd")

    def __init__(self, fd: int, calls: Calls) -> None:
        self._fd = fd
        self._calls = calls

    @classmethod
    def at(cls, path: Path, calls: Calls = SYSTEM) -> Folder:
        """Open a folder that the user names; links on the way to it are the user's own."""
        return cls(calls.open(str(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), calls)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        self._calls.close(self._fd)

    # --- folders

    def enter(self, name: str) -> Folder:
        """Open a folder in this one."""
        return Folder(self._calls.open(name, _ENTER, dir_fd=self._fd), self._calls)

    def make(self, name: str) -> Folder:
        """Make and open a folder that only its owner may use; FileExistsError if the name is."""
        self._calls.mkdir(name, 0o700, dir_fd=self._fd)
        return self.enter(name)

    def reach(self, parts: Sequence[str]) -> Folder:
        """Open the folder at the end of a path below this one; what is missing is made."""
        folder = self.enter(".")
        for part in parts:
            with folder:
                try:
                    folder = folder.make(part)
                except FileExistsError:
                    folder = folder.enter(part)
        return folder

    def is_private(self) -> bool:
        """Return whether it is ours, and nobody else may even look."""
        found = self._calls.fstat(self._fd)
        return found.st_uid == os.geteuid() and not found.st_mode & 0o077

    def names(self) -> list[str]:
        """Return the names in it, in order."""
        return sorted(self._calls.listdir(self._fd))

    def free_bytes(self) -> int:
        """Return what an ordinary user may still write to its file system."""
        found = self._calls.fstatvfs(self._fd)
        return found.f_bavail * found.f_frsize

    def sync(self) -> None:
        """Return once its names are on the medium."""
        self._calls.fsync(self._fd)

    # --- files

    def create(self, name: str) -> int:
        """Make a file, mode 0600, and return its descriptor; FileExistsError if the name is."""
        return self._calls.open(name, _FRESH, 0o600, dir_fd=self._fd)

    def open(self, name: str, access: int = os.O_RDONLY) -> int:
        """Open a plain file and return its descriptor."""
        fd = self._calls.open(name, access | _PLAIN, dir_fd=self._fd)
        if stat.S_ISREG(self._calls.fstat(fd).st_mode):
            return fd
        self._calls.close(fd)
        raise OSError(errno.EINVAL, "not a plain file", name)

    def status(self, name: str) -> os.stat_result | None:
        """Return what is known of a name, of a link itself, or None where there is nothing."""
        try:
            return self._calls.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    # --- names

    def rename(self, name: str, folder: Folder, new: str) -> None:
        """Move a name to another folder, over what is there."""
        self._calls.rename(name, new, src_dir_fd=self._fd, dst_dir_fd=folder._fd)

    def settle(self, name: str, folder: Folder, wanted: str) -> str:
        """Move a file or folder to another folder, over nothing that is there.

        It gets the name wanted, or that with a number; returned is which.

        Raises:
            FileExistsError: all of these names are taken.
        """
        own = self._calls.stat(name, dir_fd=self._fd, follow_symlinks=False)
        move = self._settle_folder if stat.S_ISDIR(own.st_mode) else self._settle_file
        for _ in range(_TRIES):
            tried = free_name(wanted, lambda other: folder._has_other(other, own))
            try:
                move(name, folder, tried, own)
            except FileExistsError:
                continue
            return tried
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), wanted)

    def remove(self, name: str) -> None:
        """Remove a file or link, or a folder with all that is in it; nothing if there is none."""
        found = self.status(name)
        if found is None:
            return
        if not stat.S_ISDIR(found.st_mode):
            self._calls.unlink(name, dir_fd=self._fd)
            return
        with self.enter(name) as folder:
            for inner in folder.names():
                folder.remove(inner)
        self._calls.rmdir(name, dir_fd=self._fd)

    def sync_tree(self) -> None:
        """Return once its names and those of all folders below are on the medium."""
        for name in self.names():
            found = self.status(name)
            if found is not None and stat.S_ISDIR(found.st_mode):
                with self.enter(name) as folder:
                    folder.sync_tree()
        self.sync()

    def _has_other(self, name: str, own: os.stat_result) -> bool:
        """Return whether a name is taken; not by this same file, which an earlier try put there."""
        found = self.status(name)
        return found is not None and not os.path.samestat(found, own)

    def _settle_file(self, name: str, folder: Folder, new: str, own: os.stat_result) -> None:
        try:
            self._calls.link(
                name, new, src_dir_fd=self._fd, dst_dir_fd=folder._fd, follow_symlinks=False
            )
        except FileExistsError:
            if folder._has_other(new, own):
                raise
        except OSError as e:
            if e.errno not in _NO_LINKS:
                raise
            self._calls.close(folder.create(new))  # the name is ours now
            self.rename(name, folder, new)
            return
        self._calls.unlink(name, dir_fd=self._fd)

    def _settle_folder(self, name: str, folder: Folder, new: str, own: os.stat_result) -> None:
        self._calls.mkdir(new, 0o700, dir_fd=folder._fd)
        self.rename(name, folder, new)  # an empty folder gives way
