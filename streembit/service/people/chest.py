"""What the people of an account are kept in, as they see it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

Key = bytes | int
Row = tuple[str, Key, bytes | None]  # a room, a key, and what to keep there; None deletes it


class Chest(Protocol):
    """Rows in rooms; `disk.chest` keeps them sealed in a file, `testing` in memory.

    Every method raises DiskFull, DiskFailed or ChestDamaged; nothing was changed then.
    """

    @property
    def restored(self) -> bool:
        """Whether this is an older state than the one that was kept last."""

    def get(self, room: str, key: Key) -> bytes | None:
        """Return a row, or None."""

    def all(self, room: str) -> list[bytes]:
        """Return all rows of a room."""

    def page(self, room: str, before: int | None, limit: int) -> list[tuple[int, bytes]]:
        """Return up to `limit` rows with numbers below `before` (None: all), highest first."""

    def commit(self, changes: Iterable[Row]) -> None:
        """Make the changes: on the medium on return, all or nothing."""

    def add_lock(self, key: bytes) -> None:
        """Let this key open the chest too, as the account's next one."""

    def drop_other_locks(self, key: bytes) -> None:
        """Let no other key than this one open the chest."""

    def renew(self, changes: Iterable[Row]) -> None:
        """Commit what makes up for an older state, and end `restored` with it."""
