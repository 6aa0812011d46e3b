"""One SQLite file of ours: opened safe against crashes, and its faults told apart."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from streembit.disk.atomic import blamed_on_disk, move_aside, sync_folder
from streembit.disk.files import exists
from streembit.errors import HomeTooNew

Connect = Callable[[str], sqlite3.Connection]
Row = tuple[Any, ...]

_DAMAGE: Final = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
    }
)
BESIDE: Final = ("-wal", "-shm", "-journal")
_CACHE_KIB: Final = 4096  # the indexes of a full store fit in
_HEADER_BYTES: Final = 100
_PAGE_BYTES: Final = 4096
_WAL_PAGES: Final = 2000  # 8 MiB of log, then it is taken over into the file: some 10 ms


class Damaged(Exception):
    """The file's contents are not those of a sound database."""


def connect(path: str) -> sqlite3.Connection:
    """Open the file; statements are committed when we say so."""
    return sqlite3.connect(path, isolation_level=None, timeout=0.0)


def connect_for_threads(path: str) -> sqlite3.Connection:
    """As `connect`; the connection can be used by one thread after the other."""
    return sqlite3.connect(path, isolation_level=None, timeout=0.0, check_same_thread=False)


def open_database(path: Path, tables: str, version: int, dial: Connect) -> sqlite3.Connection:
    """Open or make a database whose commits are on the medium when they return.

    `tables` is the script that makes version `version` in an empty file. Only
    this process can use the file (mode 0600) until the connection is closed.

    Raises:
        Damaged: it is no sound database; an empty file never is.
        HomeTooNew: a newer program wrote it.
        sqlite3.Error, DiskFull, DiskFailed: the disk does not do its part.
    """
    if not exists(path):
        _make(path, tables, version, dial)
    _check_header(path)
    return _dialled(path, tables, version, dial)


def _make(path: Path, tables: str, version: int, dial: Connect) -> None:
    """Make a file beside its place and rename it, so that there never is one without tables."""
    fresh = path.with_name(f".{path.name}.new")
    with blamed_on_disk(path):
        for beside in ("", *BESIDE):  # of a process that died
            fresh.with_name(fresh.name + beside).unlink(missing_ok=True)
        fresh.touch(mode=0o600)
    _dialled(fresh, tables, version, dial).close()
    with blamed_on_disk(path):
        os.rename(fresh, path)
        sync_folder(path.parent)


def _dialled(path: Path, tables: str, version: int, dial: Connect) -> sqlite3.Connection:
    db = dial(str(path))
    try:
        _prepare(db, path, tables, version)
    except BaseException as e:
        db.close()
        if isinstance(e, sqlite3.Error | UnicodeDecodeError):
            raise _told_apart(e) from e
        raise
    return db


def run(db: sqlite3.Connection, sql: str, values: Row = ()) -> list[Row]:
    """Run one statement and return its rows.

    Raises:
        Damaged: the file turned out to be no sound database.
        sqlite3.Error: the disk does not do its part.
    """
    try:
        return db.execute(sql, values).fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as e:
        raise _told_apart(e) from e


def is_full(error: sqlite3.Error) -> bool:
    """Return whether the error says that the disk has no space left."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def put_aside(path: Path, unix_s: int) -> Path:
    """Rename a damaged database and its log, and return where the database went."""
    for beside in BESIDE:
        log = path.with_name(path.name + beside)
        if exists(log):
            move_aside(log, unix_s)
    return move_aside(path, unix_s)


def _told_apart(error: sqlite3.Error | UnicodeDecodeError) -> Exception:
    """Return Damaged for an error that shows broken contents, else the error itself.

    Statements here never change, so one that makes no sense to SQLite, or
    breaks a rule between table and index, met contents that are not ours; so
    did text that is no UTF-8.
    """
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return error
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    return Damaged(str(error)) if code in _DAMAGE else error


def _check_header(path: Path) -> None:
    """Raise Damaged where SQLite would begin anew, or only find that it must not write."""
    with blamed_on_disk(path):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)  # nobody waits for a pipe
        try:
            header = os.read(fd, _HEADER_BYTES)
        finally:
            os.close(fd)
    if header[18:20] not in (b"\1\1", b"\2\2"):
        raise Damaged(f"{path} has no sound header")


def _prepare(db: sqlite3.Connection, path: Path, tables: str, version: int) -> None:
    db.execute("PRAGMA locking_mode=EXCLUSIVE")  # no shared memory, no other process
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    db.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
    db.execute(f"PRAGMA journal_size_limit={_WAL_PAGES * _PAGE_BYTES}")
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found > version:
        raise HomeTooNew("use the newer program", file=str(path), found=found, supported=version)
    if found < version:
        db.executescript(f"BEGIN;{tables};PRAGMA user_version={version};COMMIT")
    _check_tables(db, path, tables)


def _check_tables(db: sqlite3.Connection, path: Path, tables: str) -> None:
    """Raise Damaged where the file's own words for its tables are not those of the script."""
    found = [sql for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]
    if len(found) != tables.count("CREATE ") or not all(sql in tables for sql in found):
        raise Damaged(f"{path} has other tables")
