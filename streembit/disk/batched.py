"""An SQLite file whose changes are committed in batches: each is on the medium, or told as lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from streembit.disk.database import Connect, Damaged, Row, open_database, run
from streembit.disk.steps import Steps, finish
from streembit.errors import DiskFailed, DiskFull, StoreDegraded


def _nothing() -> None:
    pass


def _no_look(_db: sqlite3.Connection) -> Steps[None]:
    yield from ()


class BatchedFile:
    """The connection to a file that only this process uses, and the batch that is open on it.

    When the disk is full or broken, changes raise StoreDegraded and reads
    go on as long as the system lets them; the first batch that is committed
    ends that (`trouble`). A connection does not outlive a fork: open it in
    the process that uses it.

    Args:
        tables: the script that makes version `version` in an empty file.
        put_aside: moves a damaged file away, so that an empty one can take
            its place; without it the file is left as it is, and is not
            opened again: everything raises StoreDegraded from then on.
        check: looks an open file through once, in steps; raises Damaged.
        ended: called when a batch was committed (True) or lost (False).
        closed: called when the file is closed.
    """

    def __init__(
        self,
        path: Path,
        tables: str,
        version: int,
        dial: Connect,
        *,
        put_aside: Callable[[], None] | None = None,
        check: Callable[[sqlite3.Connection], Steps[None]] = _no_look,
        ended: Callable[[bool], None] = lambda _kept: None,
        closed: Callable[[], None] = _nothing,
    ) -> None:
        self.path = path
        self.trouble = ""
        self._tables, self._version, self._dial = tables, version, dial
        self._put_aside, self._ended, self._closed = put_aside, ended, closed
        self._check, self._is_checked = check, False
        self._looked_at: sqlite3.Connection | None = None  # while it is being looked through
        self._given_up = False
        self._damage = ""
        self._db: sqlite3.Connection | None = None
        self._in_batch = False
        self._changes = 0
        self._lost = False

    @property
    def uncommitted(self) -> bool:
        """Whether there are changes that the next `commit` makes durable, or reports as lost."""
        return self._changes > 0 or self._lost

    @property
    def is_damaged(self) -> bool:
        """Whether the file is not opened any more, for it is damaged."""
        return bool(self._damage)

    def open(self) -> sqlite3.Connection:
        """Open the file where it is not open; raise StoreDegraded where that cannot be now.

        Raises:
            HomeTooNew: a newer program wrote it.
        """
        if self._looked_at is not None or self._given_up:
            raise StoreDegraded(self.trouble)
        return self._db or finish(self.opening())

    def opening(self) -> Steps[sqlite3.Connection]:
        """Open the file in steps, of which the first opens it and the others look it through.

        Until they are done it cannot be used: everything raises StoreDegraded.

        Raises:
            StoreDegraded, HomeTooNew: as `open`.
        """
        before, self.trouble = self.trouble, f"{self.path.name} is being looked through"
        try:
            self._db = yield from self._open_or_renew()
        except (sqlite3.Error, Damaged, DiskFull, DiskFailed) as e:
            self.trouble = str(e)
            raise StoreDegraded(f"{self.path.name} cannot be opened") from e
        self.trouble = before
        return self._db

    def give_up(self) -> None:
        """Have the step that looks through the file end early; it is not opened any more.

        Does nothing to an open file. Another thread may call this than the one that does the step.
        """
        if (db := self._looked_at) is not None:
            self._given_up = True
            db.interrupt()

    def begin(self) -> None:
        """Open a batch; does nothing when one is open."""
        if self._lost:
            raise StoreDegraded("the batch was lost")
        if not self._in_batch:
            self.rows("BEGIN IMMEDIATE")
            self._in_batch = True

    def commit(self) -> None:
        """Make the batch durable and end it; does nothing when none is open."""
        if self._lost:
            self._lost = False
            raise StoreDegraded("the batch was lost")
        if not self._in_batch:
            return
        self._changes = 0  # on failure the caller hears it from here
        self.rows("COMMIT")
        self._in_batch = False
        self._ended(True)
        self.trouble = ""

    def write(self, sql: str, values: Row = ()) -> list[Row]:
        """Run a statement that changes something, as a part of the batch; return its rows."""
        self.begin()
        rows = self.rows(sql, values)
        self._changes += 1
        return rows

    def rows(self, sql: str, values: Row = ()) -> list[Row]:
        """Run one statement and return its rows."""
        try:
            return run(self.open(), sql, values)
        except (Damaged, sqlite3.Error) as e:
            raise self.failed(e) from e

    def failed(self, error: sqlite3.Error | Damaged) -> StoreDegraded:
        """End the batch without a trace, and put the file aside when it is damaged."""
        self._lost = self._changes > 0
        self._in_batch, self._changes = False, 0
        self._ended(False)
        self._roll_back()
        self.trouble = str(error)
        if isinstance(error, Damaged):
            self._renew(error)
        return StoreDegraded(str(error))

    def close(self) -> None:
        """Commit what is open and close the file; it opens again when it is used again.

        Raises:
            StoreDegraded: the last batch was lost.
        """
        try:
            self.commit()
        finally:
            self._close()

    def _open_or_renew(self) -> Steps[sqlite3.Connection]:
        if self._damage:
            raise Damaged(self._damage)
        try:
            return (yield from self._open_checked())
        except Damaged as e:
            if self._put_aside is None:
                self._damage = str(e)  # not the error: it would keep the file open
                raise
            self._put_aside()
            return (yield from self._open_checked())

    def _open_checked(self) -> Steps[sqlite3.Connection]:
        db = open_database(self.path, self._tables, self._version, self._dial)
        if self._is_checked:
            return db
        self._looked_at = db
        try:
            yield None
            for step in self._check(db):
                yield step
                if self._given_up:
                    raise StoreDegraded(self.trouble)
            self._is_checked = True
        except BaseException:
            db.close()
            raise
        finally:
            self._looked_at = None
        return db

    def _roll_back(self) -> None:
        try:
            if self._db is not None and self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            self._close()

    def _renew(self, damage: Damaged) -> None:
        self._close()
        if self._put_aside is None:
            self._damage = str(damage)
            return
        try:
            self._put_aside()
        except (DiskFull, DiskFailed) as e:
            self.trouble = str(e)

    def _close(self) -> None:
        self._closed()
        if self._db is not None:
            db, self._db = self._db, None
            db.close()
