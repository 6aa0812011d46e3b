"""What changed in a room of rows since it was last kept: each row whole, ready to be committed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

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


def read(rows: Iterable[bytes], kind: type[T]) -> list[T]:
    """Return what the rows of a room hold; raise ChestDamaged for one that is none of ours."""
    decoder = msgspec.msgpack.Decoder(kind)
    try:
        return [decoder.decode(row) for row in rows]
    except msgspec.MsgspecError as e:
        raise ChestDamaged(f"a row of the contacts: {e}") from None
