"""Copy a folder of our own files, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from streembit.disk.atomic import blamed_on_disk, sync_folder
from streembit.disk.files import Files, exists

_CHUNK_BYTES = 1 << 20


def copy_tree(source: Path, target: Path, files: Files, leave_out: Callable[[str], bool]) -> None:
    """Copy the files and folders in `source` to `target`; does nothing when that exists.

    The copy has its name only once all of it is on the medium. Modes are
    0700 and 0600; names for which `leave_out` is true are not copied.

    Raises:
        DiskFull, DiskFailed: there is no copy.
    """
    with blamed_on_disk(target):
        if exists(target, files):
            return
        fresh = target.with_name(f".{target.name}.new")
        remove_tree(fresh, files)
        _copy(source, fresh, files, lambda name: leave_out(name) or name == fresh.name)
        files.rename(fresh, target)
        sync_folder(target.parent, files)


def remove_tree(path: Path, files: Files) -> None:
    """Remove a folder's files and the folder; does nothing where there is none."""
    if not exists(path, files):
        return
    if files.status(path, follow=False).is_folder:
        for name in files.names(path):
            remove_tree(path / name, files)
        files.remove_folder(path)
    else:
        files.remove(path)


def _copy(source: Path, target: Path, files: Files, leave_out: Callable[[str], bool]) -> None:
    files.make_folder(target)
    for name in files.names(source):
        if leave_out(name):
            continue
        if files.status(source / name, follow=False).is_folder:
            _copy(source / name, target / name, files, leave_out)
        else:
            _copy_file(source / name, target / name, files)
    sync_folder(target, files)


def _copy_file(source: Path, target: Path, files: Files) -> None:
    old = files.open(source, os.O_RDONLY)
    try:
        new = files.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            while part := files.read(old, _CHUNK_BYTES):
                while part:
                    part = part[files.write(new, part) :]
            files.sync(new)
        finally:
            files.close(new)
    finally:
        files.close(old)
