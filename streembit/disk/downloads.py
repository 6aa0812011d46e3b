"""Files on their way in: parts in a private folder, which get their names when all is there."""

from __future__ import annotations

import errno
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from streembit.disk.atomic import blamed_on_disk
from streembit.disk.folder import SYSTEM, Calls, Folder
from streembit.disk.noted import PREFIX, note
from streembit.errors import DiskFailed
from streembit.files.names import safe_tree
from streembit.wire.transfer import Data, FileEntry

MAX_OPEN_PARTS: Final = 16  # as many as a transfer asks for at a time
SYNC_BYTES: Final = 64 * 1024 * 1024  # what a power cut may cost; the end is no long wait

_TREE: Final = "tree"  # whole files, under their safe paths
_WHOLE: Final = "whole"  # the same folder once all of them are there
_PART: Final = ".part"
_SOME: Final = 16  # names of those that landed which are kept, to tell the user


def free_bytes(folder: Path, calls: Calls = SYSTEM) -> int:
    """Return how much the file system of a folder takes; raise DiskFailed where there is none."""
    with blamed_on_disk(folder), Folder.at(folder, calls) as opened:
        return opened.free_bytes()


def make_private(
    folder: Path, token: str, calls: Calls = SYSTEM, *, notes: Path | None = None
) -> str:
    """Make a private folder in the download folder, and return its name.

    The download folder is made where there is none. With `notes` it is
    found again there by whoever wipes the account.

    Raises:
        DiskFull, DiskFailed
        FileExistsError: somebody was there before.
    """
    if notes is not None:
        note(notes, folder.absolute() / (PREFIX + token))
    with blamed_on_disk(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with Folder.at(folder, calls) as opened:
            opened.make(PREFIX + token).close()
            opened.sync()
    return PREFIX + token


class Download:
    """The files of one transfer in their private folder; one caller at a time.

    A file that is not whole is its number's part. A whole one is on the
    medium, and lies in a tree under its safe path. The user sees nothing of
    it before `complete`. All methods raise DiskFull or DiskFailed, and leave
    what was there.

    Args:
        folder: the download folder.
        private: the name of the folder in it that `make_private` made.
    """

    def __init__(self, folder: Path, private: str, calls: Calls = SYSTEM) -> None:
        self._path = folder
        self._private = private
        self._calls = calls
        self._home: Folder | None = None
        self._paths: list[tuple[str, ...]] = []
        self._parts: OrderedDict[int, int] = OrderedDict()
        self._unsynced: dict[int, int] = {}
        self._place: tuple[tuple[str, ...], Folder] | None = None

    def expect(self, entries: Sequence[FileEntry]) -> None:
        """Take the list of files; before `finish` it must be known, by this or by `found`."""
        self._paths = safe_tree(entry.path for entry in entries)

    def found(self, entries: Sequence[FileEntry]) -> tuple[dict[int, int], frozenset[int]]:
        """Return the lengths of the parts that are there, and which files are whole."""
        self.expect(entries)
        with blamed_on_disk(self._path):
            home = self._open()
            names = home.names()
            if _WHOLE in names:
                return {}, frozenset(range(len(entries)))
            whole = self._whole(home, entries) if _TREE in names else frozenset()
            return self._held(home, names, len(entries)), whole

    def write(self, file: int, offset: int, data: Sequence[Data]) -> None:
        """Write to a part, which begins with its first byte."""
        with blamed_on_disk(self._path):
            fd = self._part(file)
            for piece in data:
                self._write_all(fd, piece, offset)
                offset += len(piece)
            self._unsynced[file] = self._unsynced.get(file, 0) + sum(map(len, data))

    def sync_due(self) -> Callable[[], None] | None:
        """Return work that puts a part on the medium, if it is time for that, else None.

        It may be done at any time and in any thread, once.
        """
        for file, unsynced in self._unsynced.items():
            if unsynced >= SYNC_BYTES:
                self._unsynced[file] = 0
                with blamed_on_disk(self._path):
                    return partial(self._sync, self._calls.dup(self._parts[file]))
        return None

    def read(self, file: int, offset: int, size_bytes: int) -> bytes:
        """Return bytes of a part, fewer where it is shorter."""
        with blamed_on_disk(self._path):
            return self._calls.pread(self._part(file), size_bytes, offset)

    def cut(self, file: int, size_bytes: int) -> None:
        """Make a part shorter."""
        with blamed_on_disk(self._path):
            self._calls.ftruncate(self._part(file), size_bytes)

    def finish(self, file: int) -> None:
        """Put a whole part on the medium, and under its path; an empty file, or folder, is made."""
        *folders, name = self._paths[file]
        with blamed_on_disk(self._path):
            if not name:
                self._place_of(tuple(folders))
                return
            self._calls.fsync(self._part(file))
            self._let_go(file)
            self._open().rename(f"{file}{_PART}", self._place_of(tuple(folders)), name)

    def complete(self) -> list[str]:
        """Give all files their names in the download folder, over nothing that is there.

        Called again after a death in the middle it goes on. Returned are the
        first names that were given. The private folder stays, until `discard`.
        """
        with blamed_on_disk(self._path):
            home = self._open()
            self._leave_place()
            if _TREE in home.names():
                with home.enter(_TREE) as tree:
                    tree.sync_tree()
                home.rename(_TREE, home, _WHOLE)
                home.sync()
            with home.enter(_WHOLE) as whole, Folder.at(self._path, self._calls) as target:
                given = [whole.settle(name, target, name) for name in whole.names()]
                target.sync()
            return given[:_SOME]

    def discard(self) -> None:
        """Remove the private folder with all that is in it; nothing if there is none."""
        self.close()
        with blamed_on_disk(self._path):
            try:
                target = Folder.at(self._path, self._calls)
            except FileNotFoundError:
                return
            with target:
                target.remove(self._private)

    def close(self) -> None:
        """Let go of all descriptors; the next call opens what it needs."""
        for file in list(self._parts):
            self._let_go(file)
        self._leave_place()
        home, self._home = self._home, None
        if home is not None:
            home.close()

    # --- the private folder

    def _open(self) -> Folder:
        """Return the private folder, which must be ours alone."""
        if self._home is None:
            with Folder.at(self._path, self._calls) as target:
                home = target.enter(self._private)
            if not home.is_private():
                home.close()
                raise DiskFailed("others may use the folder", file=self._private)
            self._home = home
        return self._home

    def _whole(self, home: Folder, entries: Sequence[FileEntry]) -> frozenset[int]:
        places: dict[tuple[str, ...], list[int]] = {}
        for file, path in enumerate(self._paths):
            places.setdefault(path[:-1], []).append(file)
        found: set[int] = set()
        for folders, files in places.items():
            with home.reach([_TREE, *folders]) as folder:
                for file in files:
                    name = self._paths[file][-1]
                    status = folder.status(name) if name else None
                    if not name or (status and status.st_size == entries[file].size_bytes):
                        found.add(file)
        return frozenset(found)

    def _held(self, home: Folder, names: list[str], count: int) -> dict[int, int]:
        held: dict[int, int] = {}
        for name in names:
            number = name.removesuffix(_PART)
            status = home.status(name) if number.isdecimal() and number != name else None
            if status is not None and int(number) < count:
                held[int(number)] = status.st_size
        return held

    def _place_of(self, folders: tuple[str, ...]) -> Folder:
        """Return the folder of the tree in which a file belongs; the last one stays open."""
        if self._place is None or self._place[0] != folders:
            self._leave_place()
            self._place = folders, self._open().reach([_TREE, *folders])
        return self._place[1]

    def _leave_place(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            place[1].close()

    # --- parts

    def _part(self, file: int) -> int:
        """Return the descriptor of a part, which is made where there is none."""
        fd = self._parts.get(file)
        if fd is not None:
            self._parts.move_to_end(file)
            return fd
        if len(self._parts) >= MAX_OPEN_PARTS:
            self._let_go(next(iter(self._parts)))
        name = f"{file}{_PART}"
        try:
            fd = self._open().open(name, os.O_RDWR)
        except FileNotFoundError:
            fd = self._open().create(name)
        self._parts[file] = fd
        return fd

    def _write_all(self, fd: int, data: Data, offset: int) -> None:
        written = self._calls.pwrite(fd, data, offset)
        while written < len(data):
            count = self._calls.pwrite(fd, data[written:], offset + written)
            if not count:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written += count

    def _sync(self, fd: int) -> None:
        with blamed_on_disk(self._path):
            try:
                self._calls.fsync(fd)
            finally:
                self._calls.close(fd)

    def _let_go(self, file: int) -> None:
        self._unsynced.pop(file, None)
        self._calls.close(self._parts.pop(file))
