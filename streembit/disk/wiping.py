"""The end of an account on a machine: its keys overwritten first, then all that it kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from streembit.disk import erasure
from streembit.disk.accounts import KEY, check_name
from streembit.disk.atomic import blamed_on_disk, sync_folder
from streembit.disk.files import SYSTEM, Files, exists
from streembit.disk.home import Home, Place
from streembit.disk.noted import NOTES, remove_noted
from streembit.errors import NoSuchAccount

_ZEROS: Final = bytes(4096)  # a key file has some 600 bytes
# Beside the chest, which is overwritten: what everybody may know, and caches.
_STORES: Final = ("records.sqlite", "published.sqlite", "peers.json", "api.sock", "downloads")


def wipe_account(home: Home, name: str, files: Files = SYSTEM) -> None:
    """Destroy an account and all its stores; the caller holds the home's lock.

    Every copy of its key file in the home is overwritten before anything
    is removed, then its chest and the copies of that. The download folder in
    the home goes too, and files that were on their way to other folders.
    Other accounts, the configuration, and what else lies outside of the home
    (backups, files that arrived in other folders) stay. After an error or a
    crash it can be called again.

    Raises:
        NoSuchAccount: it has neither key nor stores.
        DiskFull, DiskFailed
    """
    check_name(name)
    folder, place = home.accounts.key_path(name).parent, home.place(name)
    with blamed_on_disk(folder):
        if not exists(folder, files):
            raise NoSuchAccount(account=name, accounts=home.accounts.names())
        copies = list(_folders_with_copies(home.path, folder, files))
        for copied in copies:
            _overwrite_keys(copied, files)
        for store in (place.folder, *_copies_of(place.folder, home.path, files)):
            erasure.wipe(Place(store).chest_path, files)
        remove_noted(place.folder / NOTES, files)
        _remove_stores(place.folder, files)
        for store in _copies_of(place.folder, home.path, files):
            _remove_stores(store, files)
        for copied in reversed(copies):
            _remove_folder(copied, files)


def _folders_with_copies(home: Path, folder: Path, files: Files) -> Iterator[Path]:
    """Yield the account's folder, then those in copies from before a migration."""
    yield folder
    yield from _copies_of(folder, home, files)


def _copies_of(folder: Path, home: Path, files: Files) -> list[Path]:
    """Return what a folder of the home is in copies from before a migration."""
    within = folder.relative_to(home)
    copies = [home / name for name in files.names(home) if name.startswith("backup-schema-")]
    return [copy / within for copy in copies if exists(copy / within, files)]


def _overwrite_keys(folder: Path, files: Files) -> None:
    """Write zeros over the key file and all that has its name as a beginning."""
    for name in files.names(folder):
        if name.lstrip(".").startswith(KEY):
            _overwrite(folder / name, files)


def _overwrite(path: Path, files: Files) -> None:
    size_bytes = files.status(path).size_bytes
    fd = files.open(path, os.O_WRONLY)
    try:
        while size_bytes > 0:
            size_bytes -= files.write(fd, _ZEROS[:size_bytes])
        files.sync(fd)
    finally:
        files.close(fd)


def _remove_stores(folder: Path, files: Files) -> None:
    """Remove the stores, with what SQLite and repairs left beside them."""
    for name in files.names(folder):
        if name.lstrip(".").startswith(_STORES):
            _remove(folder / name, files)
    sync_folder(folder, files)


def _remove_folder(folder: Path, files: Files) -> None:
    _remove(folder, files)
    sync_folder(folder.parent, files)


def _remove(path: Path, files: Files) -> None:
    """Remove a file, or a folder with all that is in it; links are not followed."""
    if not files.status(path, follow=False).is_folder:
        files.remove(path)
        return
    for name in files.names(path):
        _remove(path / name, files)
    files.remove_folder(path)
