"""The record store's shelf in an SQLite file: crash-safe, and able to do without a disk."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from streembit.dht.shelf import ITEM_OVERHEAD_BYTES, StoredItem, Usage
from streembit.disk.database import Connect, Damaged, Row, connect, open_database, put_aside, run
from streembit.disk.ledger import Ledger
from streembit.disk.rows import COLUMNS, TABLES, to_item, to_key, to_row
from streembit.errors import DiskFailed, DiskFull, StoreDegraded

VERSION: Final = 1
_SAVE: Final = f"INSERT OR REPLACE INTO items ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
_GET: Final = f"SELECT {COLUMNS} FROM items WHERE place=?"
_OLDEST: Final = f"SELECT {COLUMNS} FROM items WHERE user=? ORDER BY stored, place LIMIT 1"
_NEXT: Final = f"SELECT {COLUMNS} FROM items WHERE place>? ORDER BY place LIMIT ?"
_CHARGES: Final = f"SELECT owner, address, user, length(body)+{ITEM_OVERHEAD_BYTES} FROM items"
_CHARGED: Final = _CHARGES + " WHERE place=?"
_SPARE_FLOORS: Final = (
    "DELETE FROM floors WHERE place IN (SELECT place FROM floors ORDER BY until, place"
    " LIMIT max(0, (SELECT count(*) FROM floors) - ?))"
)


class SqliteShelf:
    """A `dht.shelf.Shelf` in a file, which only this process uses.

    The file is a cache of what others published: when it is damaged it is
    moved aside (`moved_aside`) and the shelf goes on empty. When the disk is
    full or broken, changes raise StoreDegraded and reads go on as long as the
    system lets them; the first batch that is committed ends that (`trouble`).
    A connection does not outlive a fork: open it in the process that uses it.
    """

    def __init__(
        self,
        path: Path,
        *,
        dial: Connect = connect,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.trouble = ""
        self.moved_aside: list[Path] = []
        self._dial = dial
        self._unix_s = unix_s
        self._db: sqlite3.Connection | None = None
        self._ledger: Ledger | None = None
        self._counted: list[tuple[bytes, str, str, int]] = []
        self._in_batch = False
        self._changes = 0
        self._lost = False
        try:
            self._opened()
        except StoreDegraded:  # a disk that fails now may work later
            pass

    # --- batches -----------------------------------------------------------------------------

    @property
    def uncommitted(self) -> bool:
        """Whether there are changes that the next `commit` makes durable, or reports as lost."""
        return self._changes > 0 or self._lost

    def begin(self) -> None:
        """Open a batch; does nothing when one is open."""
        if self._lost:
            raise StoreDegraded("the batch was lost")
        if not self._in_batch:
            self._rows("BEGIN IMMEDIATE")
            self._in_batch = True

    def commit(self) -> None:
        """Make the batch durable and end it; does nothing when none is open."""
        if self._lost:
            self._lost = False
            raise StoreDegraded("the batch was lost")
        if not self._in_batch:
            return
        self._changes = 0  # on failure the caller hears it from here
        self._rows("COMMIT")
        self._in_batch = False
        self._counted.clear()
        self.trouble = ""

    def probe(self) -> None:
        """Find out whether changes are possible, and end `trouble` if so.

        Raises:
            StoreDegraded: they are not.
        """
        self._write("REPLACE INTO floors VALUES (x'', 0, 0)")
        self._write("DELETE FROM floors WHERE place=x''")
        self.commit()

    def close(self) -> None:
        """Commit what is open and close the file; it opens again when it is used again.

        Raises:
            StoreDegraded: the last batch was lost.
        """
        try:
            self.commit()
        finally:
            self._close()

    # --- items -------------------------------------------------------------------------------

    def get(self, place: int) -> StoredItem | None:
        """Return the item at the place, None where there is none."""
        items = self._items(_GET, (to_key(place),))
        return items[0] if items else None

    def save(self, item: StoredItem) -> None:
        """Put the item at its place, instead of what was there."""
        self.begin()
        ledger = self._sums()
        row = to_row(item)
        before = self._rows(_CHARGED, row[:1])
        self._write(_SAVE, row)
        for charged in before:
            self._count_off(ledger, charged)
        ledger.add(item.owner, item.address, item.user, item.size_bytes)
        self._counted.append((item.owner, item.address, item.user, item.size_bytes))

    def delete(self, place: int) -> None:
        """Remove the item at the place; does nothing where there is none."""
        self.begin()
        ledger = self._sums()
        before = self._rows(_CHARGED, (to_key(place),))
        if before:
            self._write("DELETE FROM items WHERE place=?", (to_key(place),))
            self._count_off(ledger, before[0])

    def iterate(self, limit: int, after: int | None = None) -> list[StoredItem]:
        """Return at most `limit` items in order of place, beginning behind `after`."""
        return self._items(_NEXT, (b"" if after is None else to_key(after), limit))

    def expired(self, now_s: float, limit: int) -> list[int]:
        """Return at most `limit` places past their time, the longest past first."""
        sql = "SELECT place FROM items WHERE kept<=? ORDER BY kept LIMIT ?"
        return [int.from_bytes(place) for (place,) in self._rows(sql, (now_s, limit))]

    # --- floors ------------------------------------------------------------------------------

    def floor(self, place: int) -> int | None:
        """Return the lowest sequence number still taken at the place, or None."""
        rows = self._rows("SELECT seq FROM floors WHERE place=?", (to_key(place),))
        return rows[0][0] if rows else None

    def set_floor(self, place: int, seq: int, until_s: float) -> None:
        """Keep `seq` as the place's floor until then, instead of the place's former floor."""
        self._write("REPLACE INTO floors VALUES (?, ?, ?)", (to_key(place), seq, until_s))

    def drop_floors(self, now_s: float, keep: int) -> int:
        """Drop floors past their time, then those that end first until `keep` are left."""
        before = self._rows("SELECT count(*) FROM floors")[0][0]
        self._write("DELETE FROM floors WHERE until<=?", (now_s,))
        self._write(_SPARE_FLOORS, (keep,))
        return int(before - self._rows("SELECT count(*) FROM floors")[0][0])

    # --- sums --------------------------------------------------------------------------------

    def total(self) -> Usage:
        """Return what all items take."""
        return self._sums().total

    def used_by_owner(self, owner: bytes) -> Usage:
        """Return what the owner's items take."""
        return self._sums().of_owner(owner)

    def used_by_address(self, address: str) -> Usage:
        """Return what the items given by this address take."""
        return self._sums().of_address(address)

    def used_by_user(self, user: str) -> Usage:
        """Return what the items charged to this user take."""
        return self._sums().of_user(user)

    def largest_user(self) -> str | None:
        """Return the user with the most bytes, None when empty."""
        return self._sums().largest_user()

    def oldest_of(self, user: str) -> StoredItem | None:
        """Return the user's item that was stored first, None where the user has none.

        It can be deleted by its place: whoever makes room by that comes to an end.
        """
        items = self._items(_OLDEST, (user,))
        if items and self.get(items[0].place) != items[0]:
            raise self._failed(Damaged("the indexes do not agree"))
        return items[0] if items else None

    def newest_s(self) -> float:
        """Return the latest `stored_s` of all items, 0.0 when empty: the clock was that far."""
        return float(self._rows("SELECT coalesce(max(stored), 0.0) FROM items")[0][0])

    # --- the file ----------------------------------------------------------------------------

    def _sums(self) -> Ledger:
        if self._ledger is None:
            ledger = Ledger()
            ledger.load(self._rows(_CHARGES))
            self._ledger = ledger
        return self._ledger

    def _count_off(self, ledger: Ledger, charged: Row) -> None:
        owner, address, user, size_bytes = charged
        ledger.remove(owner, address, user, size_bytes)
        self._counted.append((owner, address, user, -size_bytes))

    def _write(self, sql: str, values: Row = ()) -> None:
        self.begin()
        self._rows(sql, values)
        self._changes += 1

    def _items(self, sql: str, values: Row) -> list[StoredItem]:
        try:
            return [to_item(row) for row in self._rows(sql, values)]
        except Damaged as e:
            raise self._failed(e) from e

    def _rows(self, sql: str, values: Row = ()) -> list[Row]:
        try:
            return run(self._db or self._opened(), sql, values)
        except (Damaged, sqlite3.Error) as e:
            raise self._failed(e) from e

    def _opened(self) -> sqlite3.Connection:
        try:
            if self._db is None:
                self._db = self._open_or_renew()
        except (sqlite3.Error, DiskFull, DiskFailed) as e:
            self.trouble = str(e)
            raise StoreDegraded("the record store cannot be opened") from e
        return self._db

    def _open_or_renew(self) -> sqlite3.Connection:
        try:
            return open_database(self.path, TABLES, VERSION, self._dial)
        except Damaged:
            self.moved_aside.append(put_aside(self.path, int(self._unix_s())))
            return open_database(self.path, TABLES, VERSION, self._dial)

    def _failed(self, error: sqlite3.Error | Damaged) -> StoreDegraded:
        """End the batch without a trace; put the file aside when it is damaged."""
        self._lost = self._changes > 0
        self._in_batch, self._changes = False, 0
        self._take_back()
        self.trouble = str(error)
        if isinstance(error, Damaged):
            self._renew()
        return StoreDegraded(str(error))

    def _take_back(self) -> None:
        for owner, address, user, size_bytes in reversed(self._counted):
            if self._ledger is not None and size_bytes > 0:
                self._ledger.remove(owner, address, user, size_bytes)
            elif self._ledger is not None:
                self._ledger.add(owner, address, user, -size_bytes)
        self._counted.clear()
        try:
            if self._db is not None and self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            self._close()

    def _renew(self) -> None:
        self._close()
        try:
            self.moved_aside.append(put_aside(self.path, int(self._unix_s())))
        except (DiskFull, DiskFailed) as e:
            self.trouble = str(e)

    def _close(self) -> None:
        self._ledger = None
        if self._db is not None:
            db, self._db = self._db, None
            db.close()
