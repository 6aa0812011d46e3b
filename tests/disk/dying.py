"""SQLite connections that fail, or lose their process, at the n-th statement."""

from __future__ import annotations

import sqlite3
from typing import Any

from streembit.disk.database import Connect
from tests.disk.faultfiles import PowerCut


class Trouble:
    """What shall go wrong, changeable while connections are open.

    `code` is the SQLite error of every statement that changes something,
    None for none. `die_at` counts statements down: at 1 the next one is the
    last, done or not as `die_after` says.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        self.reads_too = False
        self.die_at = 0
        self.die_after = False
        self.dead = False
        self.statements = 0
        self.commits = 0
        self.opened: list[sqlite3.Connection] = []

    def connect(self) -> Connect:
        """Return what opens connections that have this trouble."""
        return lambda path: _connect(path, self)

    def before(self, sql: str) -> None:
        """Fail or die instead of the statement."""
        self.statements += 1
        self.commits += sql == "COMMIT"
        if self.dead or (self.die_at == self.statements and not self.die_after):
            self.dead = True
            raise PowerCut(sql)
        changes = not sql.startswith(("SELECT", "PRAGMA", "ROLLBACK"))
        if self.code is not None and (changes or self.reads_too):
            error = sqlite3.OperationalError("disk trouble made by the test")
            error.sqlite_errorcode = self.code
            raise error

    def after(self, sql: str) -> None:
        """Die behind the statement."""
        if self.die_at == self.statements and self.die_after:
            self.dead = True
            raise PowerCut(sql)


def _connect(path: str, trouble: Trouble) -> sqlite3.Connection:
    class Connection(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
            trouble.before(sql)
            cursor = super().execute(sql, parameters)
            try:
                trouble.after(sql)
            except PowerCut:
                cursor.close()  # the traceback would keep it, and it the file's lock
                raise
            return cursor

    made = sqlite3.connect(path, isolation_level=None, timeout=0.0, factory=Connection)
    trouble.opened.append(made)
    return made


class FailsOnce(Trouble):
    """Only the n-th statement fails, reads included."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def before(self, sql: str) -> None:
        self.code = sqlite3.SQLITE_IOERR if self.statements + 1 == self.at else None
        self.reads_too = not sql.startswith(("PRAGMA", "ROLLBACK"))
        super().before(sql)
