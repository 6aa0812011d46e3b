"""Which private folders an account has made for files on their way, wherever they lie.

A user may take files into any folder of the machine. Where that is lies
sealed in the chest, whose key is the first thing that a wipe destroys. So
the home has a note of each, with nothing but its path.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from streembit.disk import atomic
from streembit.disk.files import SYSTEM, Files, exists
from streembit.disk.folder import Folder
from streembit.errors import TooLarge

NOTES: Final = "downloads.noted"  # beside an account's own download folder
PREFIX: Final = ".streembit-"  # of a private folder: hidden, and its owner is known


def note(notes: Path, private: Path, files: Files = SYSTEM) -> None:
    """Keep in mind that this folder is about to be made; forget those that are gone.

    Raises:
        DiskFull, DiskFailed
    """
    with atomic.blamed_on_disk(notes):
        if not exists(notes, files):
            files.make_folder(notes)
        for name in files.names(notes):
            path = _read(notes / name, files)
            if path is not None and not os.path.lexists(path):
                files.remove(notes / name)
    atomic.write(notes / private.name.removeprefix(PREFIX), os.fsencode(private), files)


def remove_noted(notes: Path, files: Files = SYSTEM) -> None:
    """Remove all that lies in the private folders; what cannot be reached stays."""
    if not exists(notes, files):
        return
    for name in files.names(notes):
        path = _read(notes / name, files)
        if path is not None:
            with suppress(OSError), Folder.at(path.parent) as folder:
                folder.remove(path.name)


def _read(file: Path, files: Files) -> Path | None:
    """Return the folder that a note names; None for what is no note of ours."""
    try:
        text = atomic.read(file, files) or b""
    except TooLarge:
        return None
    path = Path(os.fsdecode(text))
    return path if path.is_absolute() and path.name.startswith(PREFIX) else None
