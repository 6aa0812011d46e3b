"""The record store's shelf in an SQLite file: crash-safe, and able to do without a disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from streembit.dht.shelf import ITEM_OVERHEAD_BYTES, StoredItem, Usage
from streembit.disk.batched import BatchedFile
from streembit.disk.database import Connect, Damaged, Row, connect, put_aside
from streembit.disk.ledger import Ledger
from streembit.disk.rows import COLUMNS, TABLES, to_item, to_key, to_row
from streembit.errors import StoreDegraded

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
        self.moved_aside: list[Path] = []
        self._unix_s = unix_s
        self._ledger: Ledger | None = None
        self._counted: list[tuple[bytes, str, str, int]] = []
        self._file = BatchedFile(
            path,
            TABLES,
            VERSION,
            dial,
            put_aside=self._put_aside,
            ended=self._ended,
            closed=self._forget_sums,
        )
        try:
            self._file.open()
        except StoreDegraded:  # a disk that fails now may work later
            pass

    # --- batches -----------------------------------------------------------------------------

    @property
    def trouble(self) -> str:
        """Why changes are not possible, "" where they are as far as is known."""
        return self._file.trouble

    @property
    def uncommitted(self) -> bool:
        """Whether there are changes that the next `commit` makes durable, or reports as lost."""
        return self._file.uncommitted

    def begin(self) -> None:
        """Open a batch; does nothing when one is open."""
        self._file.begin()

    def commit(self) -> None:
        """Make the batch durable and end it; does nothing when none is open."""
        self._file.commit()

    def probe(self) -> None:
        """Find out whether changes are possible, and end `trouble` if so.

        Raises:
            StoreDegraded: they are not.
        """
        self._file.write("REPLACE INTO floors VALUES (x'', 0, 0)")
        self._file.write("DELETE FROM floors WHERE place=x''")
        self.commit()

    def close(self) -> None:
        """Commit what is open and close the file; it opens again when it is used again.

        Raises:
            StoreDegraded: the last batch was lost.
        """
        self._file.close()

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
        before = self._file.rows(_CHARGED, row[:1])
        self._file.write(_SAVE, row)
        for charged in before:
            self._count_off(ledger, charged)
        ledger.add(item.owner, item.address, item.user, item.size_bytes)
        self._counted.append((item.owner, item.address, item.user, item.size_bytes))

    def delete(self, place: int) -> None:
        """Remove the item at the place; does nothing where there is none."""
        self.begin()
        ledger = self._sums()
        before = self._file.rows(_CHARGED, (to_key(place),))
        if before:
            self._file.write("DELETE FROM items WHERE place=?", (to_key(place),))
            self._count_off(ledger, before[0])

    def iterate(self, limit: int, after: int | None = None) -> list[StoredItem]:
        """Return at most `limit` items in order of place, beginning behind `after`."""
        return self._items(_NEXT, (b"" if after is None else to_key(after), limit))

    def expired(self, now_s: float, limit: int) -> list[int]:
        """Return at most `limit` places past their time, the longest past first."""
        sql = "SELECT place FROM items WHERE kept<=? ORDER BY kept LIMIT ?"
        return [int.from_bytes(place) for (place,) in self._file.rows(sql, (now_s, limit))]

    # --- floors ------------------------------------------------------------------------------

    def floor(self, place: int) -> int | None:
        """Return the lowest sequence number still taken at the place, or None."""
        rows = self._file.rows("SELECT seq FROM floors WHERE place=?", (to_key(place),))
        return rows[0][0] if rows else None

    def set_floor(self, place: int, seq: int, until_s: float) -> None:
        """Keep `seq` as the place's floor until then, instead of the place's former floor."""
        self._file.write("REPLACE INTO floors VALUES (?, ?, ?)", (to_key(place), seq, until_s))

    def drop_floors(self, now_s: float, keep: int) -> int:
        """Drop floors past their time, then those that end first until `keep` are left."""
        before = self._file.rows("SELECT count(*) FROM floors")[0][0]
        self._file.write("DELETE FROM floors WHERE until<=?", (now_s,))
        self._file.write(_SPARE_FLOORS, (keep,))
        return int(before - self._file.rows("SELECT count(*) FROM floors")[0][0])

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
            raise self._file.failed(Damaged("the indexes do not agree"))
        return items[0] if items else None

    def newest_s(self) -> float:
        """Return the latest `stored_s` of all items, 0.0 when empty: the clock was that far."""
        return float(self._file.rows("SELECT coalesce(max(stored), 0.0) FROM items")[0][0])

    # --- the file ----------------------------------------------------------------------------

    def _sums(self) -> Ledger:
        if self._ledger is None:
            ledger = Ledger()
            ledger.load(self._file.rows(_CHARGES))
            self._ledger = ledger
        return self._ledger

    def _count_off(self, ledger: Ledger, charged: Row) -> None:
        owner, address, user, size_bytes = charged
        ledger.remove(owner, address, user, size_bytes)
        self._counted.append((owner, address, user, -size_bytes))

    def _items(self, sql: str, values: Row) -> list[StoredItem]:
        try:
            return [to_item(row) for row in self._file.rows(sql, values)]
        except Damaged as e:
            raise self._file.failed(e) from e

    def _put_aside(self) -> None:
        self.moved_aside.append(put_aside(self.path, int(self._unix_s())))

    def _forget_sums(self) -> None:
        self._ledger = None

    def _ended(self, kept: bool) -> None:
        if not kept:
            self._take_back()
        self._counted.clear()

    def _take_back(self) -> None:
        for owner, address, user, size_bytes in reversed(self._counted):
            if self._ledger is not None and size_bytes > 0:
                self._ledger.remove(owner, address, user, size_bytes)
            elif self._ledger is not None:
                self._ledger.add(owner, address, user, -size_bytes)
