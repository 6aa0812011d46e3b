"""What an account keeps for itself: contacts, sessions, history, in a file that it alone can read.

Rows lie in rooms, under keys. On the disk a room has a name that tells
nothing, a row is padded and sealed (`jose.atrest`), and so whoever has the
file without the account's key learns how many rows there are, of what
size class, and how often the file was written. What is not guarded
against is somebody who may write to the disk and puts an old file back
with all that lies beside it: see `Chest.restored`.

The rows' key is drawn when the file is made, and is kept in it, wrapped
for the account's own key: so an account can take a new identity without
sealing all again, and the file is lost for ever with its first pages.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from streembit.disk.atomic import blamed_on_disk
from streembit.disk.database import Connect, Damaged, Row, connect, is_full, open_database
from streembit.disk.database import run as run_sql
from streembit.disk.erasure import wipe
from streembit.disk.files import SYSTEM, Files, exists
from streembit.disk.modes import check_file
from streembit.disk.tally import Count, Tally, path_beside
from streembit.errors import ChestDamaged, DecryptFailed, DiskFailed, DiskFull
from streembit.jose import atrest
from streembit.jose.atrest import AtRest, Key, Place

T = TypeVar("T")

VERSION: Final = 1
_TABLES: Final = """
CREATE TABLE locks (name BLOB PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (room BLOB NOT NULL, key NOT NULL, sealed BLOB NOT NULL);
CREATE UNIQUE INDEX rows_place ON rows (room, key)
"""
_PUT: Final = "INSERT INTO rows VALUES (?,?,?) ON CONFLICT DO UPDATE SET sealed=excluded.sealed"
_DELETE: Final = "DELETE FROM rows WHERE room=? AND key=?"
_GET: Final = "SELECT key, sealed FROM rows WHERE room=? AND key=?"
_ALL: Final = "SELECT key, sealed FROM rows WHERE room=? ORDER BY key"
_ROOMS: Final = "SELECT DISTINCT room FROM rows"
_NAMED: Final = "SELECT key, sealed FROM rows WHERE room=? AND key>? ORDER BY key LIMIT ?"
# SQLite sorts every number before every blob, b"" being the first of these.
_PAGE: Final = "SELECT key, sealed FROM rows WHERE room=? AND key<? ORDER BY key DESC LIMIT ?"
_ALL_NUMBERS: Final = b""

_HEAD_ROOM: Final = ""  # no other room has this name
_HEAD_KEY: Final = b"head"
_TALLY_ROOM: Final = "tally"
CHECK_PAGE: Final = 64  # rows in memory at a time: one has up to a megabyte
MAX_CHECKED: Final = 50_000  # numbered rows, the newest of each room: a third of a second


class Kept(NamedTuple):
    """A row to keep from now on; None deletes it."""

    room: str
    key: Key
    row: bytes | None


class _Head(Struct, array_like=True, frozen=True):
    """What the chest knows of itself: its commits, its file's inode, whether it was put back."""

    commits: int
    inode: int
    restored: bool


class Chest:
    """The rows of one account, in an SQLite file that only this process uses.

    `key` is the account's (`Identity.at_rest_key`). What `commit` was given
    is on the medium when it returns, all or nothing.

    `restored` says that the file is not the one that was written last, or is
    a copy: it was put back from a backup, or its latest commits are lost.
    What it says of sessions must then not be used any more, for the contacts
    have gone on: drop them, renew the prekeys, and end this state by `renew`.
    It outlives restarts until then.

    Raises (every method): DiskFull, DiskFailed: nothing was changed, or,
    where the system stopped in that moment, all. ChestDamaged: the file is
    not sound, or not of this account; it is left as it is, and the detail
    says what to do. When made: HomeTooNew: a newer program wrote it;
    HomePermissions: others can read it.
    """

    def __init__(
        self, path: Path, key: bytes, *, dial: Connect = connect, files: Files = SYSTEM
    ) -> None:
        self.path = path
        self._files = files
        self._dial = dial
        self._tally = Tally(path_beside(path), files)
        self._closed = False
        self._db: sqlite3.Connection | None = None
        try:
            self._chest_key = self._unlocked(key)
            self._at_rest = AtRest(self._chest_key)
            self._name = self._at_rest.room(_TALLY_ROOM)
            self._head = self._read_head()
            self._compare()
        except BaseException:
            self.close()
            raise

    @property
    def restored(self) -> bool:
        """Whether the file is an older one than was written last, or a copy of it."""
        return self._head.restored

    # --- rows --------------------------------------------------------------------------------

    def get(self, room: str, key: Key) -> bytes | None:
        """Return a row, or None where there is none."""
        place = self._place(room, key)
        rows = self._read(room, _GET, place)
        return rows[0][1] if rows else None

    def all(self, room: str) -> list[bytes]:
        """Return the rows of a room: by number, where the keys are numbers, else in any order."""
        return [row for _, row in self._read(room, _ALL, (self._at_rest.room(room),))]

    def page(self, room: str, before: int | None, limit: int) -> list[tuple[int, bytes]]:
        """Return up to `limit` rows with numbers below `before` (None: all), highest first."""
        end = _ALL_NUMBERS if before is None else before
        rows = self._read(room, _PAGE, (self._at_rest.room(room), end, limit))
        return [(key, row) for key, row in rows if isinstance(key, int)]

    def commit(self, changes: Iterable[tuple[str, Key, bytes | None]]) -> None:
        """Make the changes, in their order: on the medium on return, all or nothing.

        Raises:
            TooLarge: a row is longer than `atrest.MAX_ROW_BYTES`.
        """
        self._commit(changes, self._head)

    def renew(self, changes: Iterable[tuple[str, Key, bytes | None]]) -> None:
        """Commit what makes up for a restore, and end `restored` with it.

        It may be called also when only the network could tell that our
        state is an older one.
        """
        self._tally.create(Count(self._name, self._head.commits))
        self._commit(changes, replace(self._head, inode=self._inode(), restored=False))

    def check(self) -> None:
        """Read the rows that a start needs; raise ChestDamaged if one does not open.

        These are all that have a name, and of those with numbers the newest
        ones, up to MAX_CHECKED in all.
        """
        left = MAX_CHECKED
        for (room,) in self._sql(_ROOMS):
            self._check_named(room)
            left -= self._check_numbered(room, left)

    def _check_named(self, room: bytes) -> None:
        found: list[Row] = [(_ALL_NUMBERS, b"")]
        while found:
            found = self._sql(_NAMED, (room, found[-1][0], CHECK_PAGE))
            self._open_all(room, found)

    def _check_numbered(self, room: bytes, limit: int) -> int:
        """Return how many there were, of at most `limit`."""
        count, before = 0, _ALL_NUMBERS
        while found := self._sql(_PAGE, (room, before, min(CHECK_PAGE, limit - count))):
            self._open_all(room, found)
            count, before = count + len(found), found[-1][0]
        return count

    def _open_all(self, room: bytes, found: Iterable[Row]) -> list[tuple[Key, bytes]]:
        opened = self._at_rest.open_
        return self._whole(
            lambda: [(key, opened(Place(room, key), sealed)) for key, sealed in found]
        )

    # --- locks -------------------------------------------------------------------------------

    def add_lock(self, key: bytes) -> None:
        """Let this key open the chest too, as the account's next one."""
        wrapped = atrest.wrap(self._chest_key, key)
        self._in_transaction(
            [("REPLACE INTO locks VALUES (?,?)", (atrest.lock_name(key), wrapped))]
        )

    def drop_other_locks(self, key: bytes) -> None:
        """Let no other key than this one open the chest.

        Raises:
            ValueError: this one does not.
        """
        name = atrest.lock_name(key)
        if not self._sql("SELECT 1 FROM locks WHERE name=?", (name,)):
            raise ValueError("the key has no lock")
        self._in_transaction([("DELETE FROM locks WHERE name<>?", (name,))])

    # --- the file ----------------------------------------------------------------------------

    def close(self) -> None:
        """Close the file; every later use raises DiskFailed."""
        self._closed = True
        if self._db is not None:
            db, self._db = self._db, None
            db.close()

    def wipe(self) -> None:
        """Close the chest and destroy it; see `erasure.wipe`."""
        wipe(self.path, self._files, self.close)

    def _opened(self) -> sqlite3.Connection:
        """Open the file, which is made if it never was there, and look it through."""
        check_file(self.path, self._files)
        if self._is_gone():
            raise self._damaged("it is gone or empty, though it was written before")
        try:
            db = open_database(self.path, _TABLES, VERSION, self._dial)
        except (Damaged, sqlite3.Error) as e:
            raise self._failed(e) from e
        try:
            _look_through(db)
        except (Damaged, sqlite3.Error) as e:
            db.close()
            raise self._failed(e) from e
        return db

    def _is_gone(self) -> bool:
        """Return whether there is nothing, but the tally of something.

        SQLite would begin anew, and throw away the log of an empty file.
        """
        with blamed_on_disk(self.path):
            if not exists(self._tally.path, self._files):
                return False
            there = exists(self.path, self._files)
            return not there or not self._files.status(self.path).size_bytes

    def _unlocked(self, key: bytes) -> bytes:
        """Return the chest's key, which is drawn and kept where there is none yet."""
        name = atrest.lock_name(key)
        locks: dict[bytes, bytes] = dict(self._sql("SELECT name, wrapped FROM locks"))
        if not locks and self._tally.read() is None:
            return self._first_key(key)
        if name not in locks:
            raise self._damaged("it is of another account, or damaged")
        return self._whole(lambda: atrest.unwrap(locks[name], key))

    def _first_key(self, key: bytes) -> bytes:
        chest_key = os.urandom(atrest.KEY_BYTES)
        lock = (atrest.lock_name(key), atrest.wrap(chest_key, key))
        head = _Head(1, self._inode(), restored=False)
        rows = AtRest(chest_key)
        place = rows.place(_HEAD_ROOM, _HEAD_KEY)
        self._in_transaction(
            [
                ("INSERT INTO locks VALUES (?,?)", lock),
                (_PUT, (*place, rows.seal(place, msgspec.msgpack.encode(head)))),
            ]
        )
        self._sql("PRAGMA wal_checkpoint(TRUNCATE)")  # who loses the log still has the locks
        return chest_key

    def _compare(self) -> None:
        """Find out whether the file is an older one or a copy, and note it in the file."""
        head, count = self._head, self._tally.read()
        if count is None:
            self._tally.create(Count(self._name, head.commits))
        newest = max(head.commits, count.commits if count else 0)
        is_other = count is not None and count.chest != self._name
        if head.inode != self._inode() or is_other or newest > head.commits:
            self._commit([], replace(head, commits=newest, restored=True))

    def _inode(self) -> int:
        """Return what tells the file from its copies, as long as it is not written into them."""
        with blamed_on_disk(self.path):
            return os.stat(self.path).st_ino & atrest.MAX_POSITION

    def _read_head(self) -> _Head:
        row = self.get(_HEAD_ROOM, _HEAD_KEY)
        if row is None:
            raise self._damaged("its head is missing")
        return msgspec.msgpack.decode(row, type=_Head)

    # --- statements --------------------------------------------------------------------------

    def _commit(self, changes: Iterable[tuple[str, Key, bytes | None]], head: _Head) -> None:
        head = replace(head, commits=head.commits + 1)
        noted = (_HEAD_ROOM, _HEAD_KEY, msgspec.msgpack.encode(head))
        self._in_transaction([self._statement(*change) for change in (*changes, noted)])
        self._head = head
        self._tally.note(Count(self._name, head.commits))

    def _statement(self, room: str, key: Key, row: bytes | None) -> tuple[str, Row]:
        place = self._place(room, key)
        if row is None:
            return _DELETE, place
        return _PUT, (*place, self._at_rest.seal(place, row))

    def _place(self, room: str, key: Key) -> Place:
        return self._at_rest.place(room, key)

    def _read(self, room: str, sql: str, values: Row) -> list[tuple[Key, bytes]]:
        return self._open_all(self._at_rest.room(room), self._sql(sql, values))

    def _in_transaction(self, statements: list[tuple[str, Row]]) -> None:
        try:
            self._sql("BEGIN IMMEDIATE")
            for sql, values in statements:
                self._sql(sql, values)
            self._sql("COMMIT")
        except (DiskFull, DiskFailed, ChestDamaged):
            self._take_back()
            raise

    def _take_back(self) -> None:
        db = self._db
        if db is None or not db.in_transaction:
            return
        try:
            db.execute("ROLLBACK")
        except sqlite3.Error:  # the file opens again when it is used again
            db.close()
            self._db = None

    def _sql(self, sql: str, values: Row = ()) -> list[Row]:
        if self._closed:
            raise DiskFailed("the chest is closed", file=str(self.path))
        if self._db is None:
            self._db = self._opened()
        try:
            return run_sql(self._db, sql, values)
        except (Damaged, sqlite3.Error) as e:
            raise self._failed(e) from e

    def _whole(self, opening: Callable[[], T]) -> T:
        """Return what is opened; raise ChestDamaged where it does not open."""
        try:
            return opening()
        except DecryptFailed:
            raise self._damaged("a row was altered") from None

    def _failed(self, error: sqlite3.Error | Damaged) -> DiskFull | DiskFailed | ChestDamaged:
        if isinstance(error, Damaged):
            return self._damaged(str(error))
        return (DiskFull if is_full(error) else DiskFailed)(str(error), file=str(self.path))

    def _damaged(self, what: str) -> ChestDamaged:
        name, tally = self.path.name, self._tally.path.name
        return ChestDamaged(
            f"{what}; with the node stopped, put a copy of {name} in its place, or move {name}"
            f" and {tally} away to begin without contacts and messages",
            file=str(self.path),
        )


def _look_through(db: sqlite3.Connection) -> None:
    """Raise Damaged unless all pages are sound and the index is the table's."""
    run_sql(db, "PRAGMA secure_delete=ON")  # what is deleted is not left behind in the file
    found = run_sql(db, "PRAGMA integrity_check(1)")
    if found != [("ok",)]:
        raise Damaged(str(found[0][0]) if found else "the check says nothing")
