"""What changed in a room of rows since it was last kept: each row whole, ready to be committed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from streembit.errors import ChestDamaged

T = TypeVar("T")


class Change(NamedTuple):
    """A row to keep, or with None to delete."""

    room: str
    key: bytes
    row: bytes | None


class Changes:
    """The changes of one room, the last of each row.

    They are to be committed before anything is sent that follows from them.
    Who cannot commit them drops what they came from, and reads it again.
    """

    __slots__ = ("_changed", "_room")

    def __init__(self, room: str) -> None:
        self._room = room
        self._changed: dict[bytes, bytes | None] = {}

    def put(self, key: bytes, value: object) -> None:
        """Keep a value as the row of this key."""
        self._changed[key] = msgspec.msgpack.encode(value)

    def delete(self, key: bytes) -> None:
        """Keep the row of this key no longer."""
        self._changed[key] = None

    def take(self) -> list[Change]:
        """Return the changes since the last time."""
        changed, self._changed = self._changed, {}
        return [Change(self._room, key, row) for key, row in changed.items()]


class Keyed(Protocol):
    """What is kept under a key of its own."""

    @property
    def key(self) -> bytes:
        """The key of its row."""


K = TypeVar("K", bound=Keyed)


class Room(Generic[K]):
    """The rows of one room, in memory by their keys, and what changed in them."""

    __slots__ = ("_changes", "_kept")

    def __init__(self, name: str, kind: type[K], kept: Iterable[bytes]) -> None:
        """Take the rows; raise ChestDamaged for one that is not of this kind."""
        self._changes = Changes(name)
        self._kept = {each.key: each for each in read(kept, kind)}

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: bytes) -> bool:
        return key in self._kept

    def __iter__(self) -> Iterator[K]:
        """Yield what is kept now, whatever is put or dropped meanwhile."""
        return iter(list(self._kept.values()))

    def get(self, key: bytes) -> K | None:
        """Return what is kept under a key, or None."""
        return self._kept.get(key)

    def put(self, value: K) -> K:
        """Keep this under its key from now on, and return it."""
        self._kept[value.key] = value
        self._changes.put(value.key, value)
        return value

    def drop(self, key: bytes) -> None:
        """Keep nothing under this key."""
        if self._kept.pop(key, None) is not None:
            self._changes.delete(key)

    def changes(self) -> list[Change]:
        """Return the rows that changed since the last time."""
        return self._changes.take()


def read(rows: Iterable[bytes], kind: type[T]) -> list[T]:
    """Return what the rows of a room hold; raise ChestDamaged for one that is none of ours."""
    decoder = msgspec.msgpack.Decoder(kind)
    try:
        return [decoder.decode(row) for row in rows]
    except msgspec.MsgspecError as e:
        raise ChestDamaged(f"a row of the contacts: {e}") from None
