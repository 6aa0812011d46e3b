"""What a disk keeps, kept nowhere: an account's chest, and the records of one's own."""

from __future__ import annotations

from collections.abc import Iterable

from streembit.disk.published import Published, Slot
from streembit.errors import DiskFailed, TooLarge
from streembit.jose.atrest import MAX_POSITION, MAX_ROW_BYTES


class MemoryChest:
    """An account's rows, kept nowhere; see `streembit.disk.chest`.

    `restored` can be set, as if the chest had been put back from a backup.
    `commits` counts, `refusal`, when set, is raised by every commit, and
    `locks` are the keys that would open it, where any were named.
    """

    def __init__(self, key: bytes = b"", *, restored: bool = False) -> None:
        self.restored = restored
        self.locks = {key} if key else set()
        self.commits = 0
        self.refusal: Exception | None = None
        self._rows: dict[tuple[str, bytes | int], bytes] = {}
        self._closed = False

    def copy(self) -> MemoryChest:
        """Return another chest with the same rows and locks, as from a backup."""
        twin = MemoryChest()
        twin._rows, twin.locks = dict(self._rows), set(self.locks)
        return twin

    def get(self, room: str, key: bytes | int) -> bytes | None:
        """Return a row, or None where there is none."""
        self._check_open()
        return self._rows.get((room, key))

    def all(self, room: str) -> list[bytes]:
        """Return the rows of a room: by number, where the keys are numbers, else in any order."""
        self._check_open()
        found = [(key, row) for (there, key), row in self._rows.items() if there == room]
        return [row for _, row in sorted(found, key=lambda pair: (str(type(pair[0])), pair[0]))]

    def page(self, room: str, before: int | None, limit: int) -> list[tuple[int, bytes]]:
        """Return up to `limit` rows with numbers below `before` (None: all), highest first."""
        self._check_open()
        numbers = [key for there, key in self._rows if there == room and isinstance(key, int)]
        below = sorted((key for key in numbers if before is None or key < before), reverse=True)
        return [(key, self._rows[room, key]) for key in below[:limit]]

    def commit(self, changes: Iterable[tuple[str, bytes | int, bytes | None]]) -> None:
        """Make the changes, in their order, all or none."""
        self._check_open()
        if self.refusal is not None:
            raise self.refusal
        checked = [(room, key, _checked_row(key, row)) for room, key, row in changes]
        for room, key, row in checked:
            self._rows.pop((room, key), None)
            if row is not None:
                self._rows[room, key] = row
        self.commits += 1

    def renew(self, changes: Iterable[tuple[str, bytes | int, bytes | None]]) -> None:
        """Commit what makes up for a restore, and end `restored` with it."""
        self.commit(changes)
        self.restored = False

    def add_lock(self, key: bytes) -> None:
        """Let this key open the chest too."""
        self._check_open()
        if self.refusal is not None:
            raise self.refusal
        self.locks.add(key)

    def drop_other_locks(self, key: bytes) -> None:
        """Let no other key open the chest; raise ValueError unless this one does."""
        self._check_open()
        if self.locks and key not in self.locks:
            raise ValueError("the key has no lock")
        self.locks = {key}

    def close(self) -> None:
        """Refuse every later use."""
        self._closed = True

    def wipe(self) -> None:
        """Forget all rows, and close."""
        self._rows.clear()
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise DiskFailed("the chest is closed")


def _checked_row(key: bytes | int, row: bytes | None) -> bytes | None:
    if isinstance(key, int) and not 0 <= key <= MAX_POSITION:
        raise ValueError(f"no position: {key}")
    if row is not None and len(row) > MAX_ROW_BYTES:
        raise TooLarge("a row", size_bytes=len(row), limit_bytes=MAX_ROW_BYTES)
    return row


class MemoryOwnRecords:
    """Our own records and their numbers, kept nowhere; see `streembit.disk.published`."""

    def __init__(self) -> None:
        self._numbers: dict[Slot, int] = {}
        self._kept: dict[Slot, Published] = {}

    def reserve(self, slot: Slot, seen: int = 0) -> int:
        """Return a number above all reserved before and above `seen`."""
        self._numbers[slot] = max(self._numbers.get(slot, 0), seen) + 1
        return self._numbers[slot]

    def keep(self, record: Published) -> None:
        """Remember the record to publish again."""
        self._kept[record.slot] = record

    def get(self, slot: Slot) -> Published | None:
        """Return the record kept for the slot, or None."""
        return self._kept.get(slot)

    def all(self, owner: bytes) -> list[Published]:
        """Return the records kept for the owner, by kind and salt."""
        return [kept for slot, kept in sorted(self._kept.items()) if slot.owner == owner]

    def forget(self, slot: Slot) -> None:
        """Publish the slot's record no more; its counter stays."""
        self._kept.pop(slot, None)
