"""Who else may read or change the files of a home: nobody."""

from __future__ import annotations

import os
from pathlib import Path

from streembit.disk.files import Files, Status
from streembit.errors import HomePermissions

_ANY = 0o077
_WRITE = 0o022


def check_modes(home: Path, files: Files) -> None:
    """Refuse a home whose files other users can read, or could have changed.

    A configuration file may be readable; sockets are made anew with each
    start. Nothing is changed: what others may have read has to be looked at
    by somebody.

    Raises:
        HomePermissions: `file` and `mode` say where, the detail what to do.
    """
    _check_owner(home, files.status(home))
    _check(home, files)
    for name in files.names(home):
        if not name.endswith(".sock"):
            _check(home / name, files)
    _check_below(home / "accounts", files)


def _check_below(folder: Path, files: Files) -> None:
    try:
        names = files.names(folder)
    except FileNotFoundError:
        return
    for name in names:
        if _check(folder / name, files):
            _check_below(folder / name, files)


def check_file(path: Path, files: Files) -> None:
    """Refuse one file or folder that others can use; a missing one is fine.

    Raises:
        HomePermissions: as `check_modes`.
    """
    _check(path, files)


def _check(path: Path, files: Files) -> bool:
    try:
        status = files.status(path)
    except FileNotFoundError:  # a link to nowhere, or gone since
        return False
    if status.mode & (_WRITE if path.suffix == ".toml" else _ANY):
        raise HomePermissions(
            f"take away what others may do: chmod {'700' if status.is_folder else '600'} {path}",
            file=str(path),
            mode=f"{status.mode:04o}",
        )
    return status.is_folder


def _check_owner(home: Path, status: Status) -> None:
    if status.owner != os.geteuid():
        raise HomePermissions(
            "it belongs to another user", home=str(home), owner=status.owner, user=os.geteuid()
        )
