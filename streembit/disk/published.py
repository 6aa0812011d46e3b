"""What we publish ourselves: records to keep alive, and sequence numbers never used twice."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from streembit.disk.database import (
    Connect,
    Damaged,
    Row,
    connect,
    is_full,
    open_database,
    put_aside,
    run,
)
from streembit.errors import DiskFailed, DiskFull, TooLarge

VERSION: Final = 1
MAX_SEQ: Final = 2**53 - 1
_TABLES: Final = """
CREATE TABLE counters (owner BLOB, kind TEXT, salt TEXT, seq INTEGER NOT NULL,
    checksum INTEGER NOT NULL, PRIMARY KEY (owner, kind, salt)) WITHOUT ROWID;
CREATE TABLE published (owner BLOB, kind TEXT, salt TEXT, seq INTEGER NOT NULL,
    token BLOB NOT NULL, ttl_s INTEGER NOT NULL, expires INTEGER NOT NULL,
    deleted INTEGER NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (owner, kind, salt))
"""
_KEEP: Final = (
    "INSERT INTO published VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET seq=excluded.seq,"
    " token=excluded.token, ttl_s=excluded.ttl_s, expires=excluded.expires,"
    " deleted=excluded.deleted, checksum=excluded.checksum WHERE excluded.seq >= published.seq"
)
_SLOT: Final = "owner=? AND kind=? AND salt=?"


class Slot(NamedTuple):
    """Where a record of ours is: our 33-byte key point, the record's kind and salt."""

    owner: bytes
    kind: str
    salt: str


@dataclass(frozen=True, slots=True)
class Published:
    """A record of ours as it was signed.

    token: the signed record. ttl_s: how long each version of it shall live.
    expires_unix_s: when this version ends. deleted: it is a tombstone.
    """

    slot: Slot
    seq: int
    token: bytes
    ttl_s: int
    expires_unix_s: int
    deleted: bool


class PublishedRecords:
    """Our records and their counters, in an SQLite file that only this process uses.

    To publish: `reserve` a number, sign with it, `keep` the signed record,
    then send it. After a crash between any two steps, what was kept is sent
    again as it is and a number that was only reserved is never used: no two
    versions of a record ever bear the same number.

    A damaged file is moved aside (`moved_aside`). Then, and on a new disk,
    `counter` is None for a record that the network may still hold: find it
    there first and give its number as `seen`.

    Raises (every method): DiskFull, DiskFailed: nothing was changed. When
    made: HomeTooNew: a newer program wrote the file.
    """

    def __init__(
        self,
        path: Path,
        *,
        dial: Connect = connect,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.moved_aside: list[Path] = []
        self._dial = dial
        self._unix_s = unix_s
        self._db: sqlite3.Connection | None = None
        try:
            self._rows("SELECT 1", ())
        except (DiskFull, DiskFailed):  # a disk that fails now may work later
            pass

    def counter(self, slot: Slot) -> int | None:
        """Return the last number reserved for the slot; None when that is not known."""
        rows = self._rows(f"SELECT seq, checksum FROM counters WHERE {_SLOT}", slot)
        return rows[0][0] if rows and rows[0][1] == _checksum(slot, rows[0][0]) else None

    def reserve(self, slot: Slot, seen: int = 0) -> int:
        """Return a number above all reserved before and above `seen`; it is on the medium.

        Raises:
            TooLarge: the numbers are used up (2**53 - 1 is the last).
        """
        seq = max(self.counter(slot) or 0, seen) + 1
        if seq > MAX_SEQ:
            raise TooLarge("there is no higher sequence number", seq=seq)
        row = (*slot, seq, _checksum(slot, seq))
        self._rows("REPLACE INTO counters VALUES (?,?,?,?,?)", row)
        return seq

    def keep(self, record: Published) -> None:
        """Remember the record to publish again; an older version than the one kept is ignored.

        Raises:
            ValueError: its number was never reserved.
        """
        if record.seq > (self.counter(record.slot) or 0):
            raise ValueError(f"number {record.seq} was not reserved")
        self._rows(_KEEP, _row(record))

    def get(self, slot: Slot) -> Published | None:
        """Return the record kept for the slot; None where there is none or it is damaged."""
        rows = self._rows(f"SELECT * FROM published WHERE {_SLOT}", slot)
        return _record(rows[0]) if rows else None

    def all(self, owner: bytes) -> list[Published]:
        """Return the records kept for the owner, by kind and salt."""
        sql = "SELECT * FROM published WHERE owner=? ORDER BY kind, salt"
        return [found for row in self._rows(sql, (owner,)) if (found := _record(row))]

    def forget(self, slot: Slot) -> None:
        """Publish the slot's record no more; its counter stays."""
        self._rows(f"DELETE FROM published WHERE {_SLOT}", slot)

    def close(self) -> None:
        """Close the file; it opens again when it is used again."""
        if self._db is not None:
            db, self._db = self._db, None
            db.close()

    def _rows(self, sql: str, values: Row) -> list[Row]:
        """Run one statement, which is a transaction of its own."""
        try:
            return run(self._db or self._opened(), sql, values)
        except (Damaged, sqlite3.Error) as e:
            raise self._failed(e) from e

    def _opened(self) -> sqlite3.Connection:
        try:
            self._db = open_database(self.path, _TABLES, VERSION, self._dial)
        except Damaged:
            self.moved_aside.append(put_aside(self.path, int(self._unix_s())))
            self._db = open_database(self.path, _TABLES, VERSION, self._dial)
        return self._db

    def _failed(self, error: sqlite3.Error | Damaged) -> DiskFull | DiskFailed:
        if isinstance(error, Damaged):
            self.close()
            self.moved_aside.append(put_aside(self.path, int(self._unix_s())))
        kind = DiskFull if not isinstance(error, Damaged) and is_full(error) else DiskFailed
        return kind(str(error), file=str(self.path))


def _row(record: Published) -> Row:
    figures = (record.seq, record.ttl_s, record.expires_unix_s, int(record.deleted))
    seq, ttl_s, expires, deleted = figures
    checksum = _checksum(record.slot, *figures, record.token)
    return (*record.slot, seq, record.token, ttl_s, expires, deleted, checksum)


def _record(row: Row) -> Published | None:
    owner, kind, salt, seq, token, ttl_s, expires, deleted, checksum = row
    slot = Slot(owner, kind, salt)
    if checksum != _checksum(slot, seq, ttl_s, expires, deleted, token):
        return None
    return Published(slot, seq, token, ttl_s, expires, bool(deleted))


def _checksum(*parts: object) -> int:
    return zlib.crc32(repr(parts).encode())
