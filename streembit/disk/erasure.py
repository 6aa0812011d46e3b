"""A chest destroyed for good: overwritten before it is removed, its keys first."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from streembit.disk.atomic import blamed_on_disk, sync_folder
from streembit.disk.database import BESIDE
from streembit.disk.files import SYSTEM, Files, exists
from streembit.disk.tally import path_beside

ERASED_BYTES: Final = 1 << 20  # written at once when a file is overwritten


def wipe(path: Path, files: Files = SYSTEM, closing: Callable[[], None] = lambda: None) -> None:
    """Overwrite and remove the chest that lies there, also a damaged one, and all beside it.

    The file begins with its keys: they go first, and what else is left of
    it cannot be read without them. (A disk that writes elsewhere than over
    what was there, as a flash disk does, may keep old pages for a while.)
    `closing` closes the chest. After an error or a crash call it again.

    Raises:
        DiskFull, DiskFailed
    """
    chest = [path, *(path.with_name(path.name + beside) for beside in BESIDE)]
    with blamed_on_disk(path):
        _overwrite_all(
            [each for each in (*chest, path_beside(path)) if exists(each, files)], files, closing
        )
        for each in (*reversed(chest), path_beside(path)):
            if exists(each, files):
                files.remove(each)
        sync_folder(path.parent, files)


def _overwrite_all(paths: list[Path], files: Files, closing: Callable[[], None]) -> None:
    """Overwrite the files, also the log, whose name SQLite removes when it closes."""
    with ExitStack() as opened:
        doomed = []
        for path in paths:
            fd = files.open(path, os.O_WRONLY)
            opened.callback(files.close, fd)
            doomed.append((path, fd, files.status(path).size_bytes))
        closing()
        for path, fd, size_bytes in doomed:
            grown = files.status(path).size_bytes if exists(path, files) else 0
            _overwrite(fd, max(size_bytes, grown), files)


def _overwrite(fd: int, left: int, files: Files) -> None:
    while left > 0:
        left -= files.write(fd, bytes(min(left, ERASED_BYTES)))
    files.sync(fd)
