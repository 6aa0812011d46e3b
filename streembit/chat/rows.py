"""The rows of one conversation: what changed since the last commit lies over what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from streembit.errors import ChestDamaged

T = TypeVar("T")

Key = bytes | int


class Shelf(Protocol):
    """Where rows are kept; what is read from it was committed."""

    def get(self, room: str, key: Key) -> bytes | None:
        """Return a row, or None."""

    def all(self, room: str) -> list[bytes]:
        """Return all rows of a room, in any order."""

    def page(self, room: str, before: int | None, limit: int) -> list[tuple[int, bytes]]:
        """Return up to `limit` rows with keys below `before` (None: the highest), highest first."""


class Change(NamedTuple):
    """A row to keep, or with None to delete."""

    room: str
    key: Key
    row: bytes | None


class Rows:
    """A shelf with the changes that are not on it yet.

    `name` keeps the rows of this conversation apart from all others. All
    methods raise ChestDamaged for a row that is none of ours.
    """

    __slots__ = ("_changed", "_name", "_shelf")

    def __init__(self, shelf: Shelf, name: str) -> None:
        self._shelf, self._name = shelf, name
        self._changed: dict[tuple[str, Key], bytes | None] = {}

    def get(self, room: str, key: Key) -> bytes | None:
        """Return a row as it is now, or None."""
        if (room, key) in self._changed:
            return self._changed[room, key]
        return self._shelf.get(self._full(room), key)

    def read(self, room: str, key: Key, kind: type[T]) -> T | None:
        """Return what a row holds, or None where there is none."""
        row = self.get(room, key)
        return None if row is None else _decoded(row, kind)

    def kept(self, room: str) -> list[bytes]:
        """Return the rows of a room as they were last committed."""
        return self._shelf.all(self._full(room))

    def read_kept(self, room: str, kind: type[T]) -> list[T]:
        """Return what the committed rows of a room hold."""
        return [_decoded(row, kind) for row in self.kept(room)]

    def pages(self, room: str, before: int | None, kind: type[T]) -> Iterator[T]:
        """Yield what the rows with keys below `before` hold, highest first, as they are now."""
        limit = 64
        while found := self._shelf.page(self._full(room), before, limit):
            for key, row in found:
                now = self._changed.get((room, key), row)
                if now is not None:
                    yield _decoded(now, kind)
            before = found[-1][0]

    def put(self, room: str, key: Key, value: object) -> None:
        """Keep a row from the next commit on; bytes go as they are, all else encoded."""
        row = value if isinstance(value, bytes) else msgspec.msgpack.encode(value)
        self._changed[room, key] = row

    def delete(self, room: str, key: Key) -> None:
        """Keep a row no longer."""
        self._changed[room, key] = None

    def changes(self) -> list[Change]:
        """Return what changed since the last time, each row once."""
        changed, self._changed = self._changed, {}
        return [Change(self._full(room), key, row) for (room, key), row in changed.items()]

    def _full(self, room: str) -> str:
        return f"{room} {self._name}"


def _decoded(row: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(row, type=kind)
    except msgspec.MsgspecError as e:
        raise ChestDamaged(f"a row of a conversation: {e}") from None
