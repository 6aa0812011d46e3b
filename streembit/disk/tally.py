"""How many times a chest was written: a small file beside it, by which an older copy is known.

The number is written behind each commit and not synced, so that it costs
next to nothing. It may lag behind the chest, after a power cut or a kill;
if it is ahead, then the chest is not the one that was written last.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from streembit.disk import atomic
from streembit.disk.files import Files
from streembit.errors import TooLarge

NAME_BYTES: Final = 16
_FORM: Final = struct.Struct(f">{NAME_BYTES}sQI")  # whose, how many commits, checksum


class Count(NamedTuple):
    """The commits of the chest with this name."""

    chest: bytes
    commits: int


def path_beside(chest: Path) -> Path:
    """Return where the tally of a chest lies."""
    return chest.with_name(chest.name + ".tally")


class Tally:
    """The file; the caller holds the lock that guards the chest."""

    def __init__(self, path: Path, files: Files) -> None:
        self.path = path
        self._files = files

    def create(self, count: Count) -> None:
        """Write the file anew; it is on the medium on return.

        Raises:
            DiskFull, DiskFailed
        """
        atomic.write(self.path, _packed(count), self._files)

    def read(self) -> Count | None:
        """Return the count; None where there is none or it is damaged.

        Raises:
            DiskFailed: it cannot be read.
        """
        try:
            return _unpacked(atomic.read(self.path, self._files, _FORM.size) or b"")
        except TooLarge:
            return None

    def note(self, count: Count) -> None:
        """Write the count into the file that is there; errors pass, for it may lag behind."""
        try:
            fd = self._files.open(self.path, os.O_WRONLY)
            try:
                self._files.write(fd, _packed(count))
            finally:
                self._files.close(fd)
        except OSError:
            pass


def _packed(count: Count) -> bytes:
    return _FORM.pack(*count, zlib.crc32(repr(count).encode()))


def _unpacked(data: bytes) -> Count | None:
    if len(data) != _FORM.size:
        return None
    chest, commits, checksum = _FORM.unpack(data)
    count = Count(chest, commits)
    return count if checksum == zlib.crc32(repr(count).encode()) else None
