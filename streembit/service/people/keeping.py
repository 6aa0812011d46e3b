"""How transfers of files lie in the chest: a row each, and their long lists in pieces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from streembit.errors import ChestDamaged, StreembitError
from streembit.files.state import Journal, read_journal
from streembit.jose.base64url import decode as b64decode

_ROOM: Final = "transfers"
_LISTS: Final = "transfer lists"
_PIECE_BYTES: Final = 512 * 1024  # a row holds a megabyte
_COUNT_BYTES: Final = 4

Change = tuple[str, bytes | int, bytes | None]


class Chest(Protocol):
    """The part of `streembit.disk.chest.Chest` that transfers need."""

    def get(self, room: str, key: bytes | int) -> bytes | None: ...
    def all(self, room: str) -> list[bytes]: ...
    def commit(self, changes: Iterable[Change]) -> None: ...


class Entry(Struct):
    """What is kept of one transfer beside its journal.

    Attributes:
        contact: with whom.
        outgoing: whether we send.
        at: when it was offered, in Unix seconds.
        journal: packed, without the list of files.
        unsaid: a word for the contact that is perhaps not on its way yet.
        folder: the download folder, "" before the files are accepted.
        private: the name of the private folder in it.
        paths: what we send, or where what we received lies.
        waits: the code of why it pauses though there is a link, or "".
    """

    contact: str
    outgoing: bool
    at: int
    journal: bytes
    unsaid: bytes = b""
    folder: str = ""
    private: str = ""
    paths: list[str] = []
    waits: str = ""


class Keeping:
    """Reads and writes transfers; every method raises what the chest raises."""

    def __init__(self, chest: Chest) -> None:
        self._chest = chest

    def load(self) -> list[tuple[Entry, Journal]]:
        """Return all that are kept; raise ChestDamaged for a row that is not one of ours."""
        return [self._read(row) for row in self._chest.all(_ROOM)]

    def put(self, transfer: str, entry: Entry) -> None:
        """Keep the row of a transfer."""
        self._chest.commit([(_ROOM, b64decode(transfer), msgspec.msgpack.encode(entry))])

    def put_lists(self, transfer: str, entry: Entry, manifest: bytes, sources: bytes) -> None:
        """Keep a row with its lists, in one step; b"" for one that there is not."""
        key = b64decode(transfer)
        changes: list[Change] = [(_ROOM, key, msgspec.msgpack.encode(entry))]
        for kind, data in ((b"m", manifest), (b"s", sources)):
            changes += _pieces(key + kind, data)
        self._chest.commit(changes)

    def manifest(self, transfer: str) -> bytes:
        """Return the list of files, b"" if it was not kept."""
        return self._joined(b64decode(transfer) + b"m")

    def sources(self, transfer: str) -> bytes:
        """Return the sources, b"" if they were not kept."""
        return self._joined(b64decode(transfer) + b"s")

    def drop_lists(self, transfer: str, entry: Entry | None) -> None:
        """Forget the lists of a transfer and keep its row, or with None forget all of it."""
        key = b64decode(transfer)
        row = None if entry is None else msgspec.msgpack.encode(entry)
        changes: list[Change] = [(_ROOM, key, row)]
        for kind in (b"m", b"s"):
            changes += [(_LISTS, name, None) for name in self._names(key + kind)]
        self._chest.commit(changes)

    def _read(self, row: bytes) -> tuple[Entry, Journal]:
        try:
            entry = msgspec.msgpack.decode(row, type=Entry)
            return entry, read_journal(entry.journal)
        except (msgspec.MsgspecError, StreembitError) as e:
            raise ChestDamaged("a transfer of files") from e

    def _names(self, key: bytes) -> list[bytes]:
        head = self._chest.get(_LISTS, key)
        count = 0 if head is None else int.from_bytes(head)
        return [key, *(key + number.to_bytes(_COUNT_BYTES) for number in range(count))]

    def _joined(self, key: bytes) -> bytes:
        return b"".join(self._chest.get(_LISTS, name) or b"" for name in self._names(key)[1:])


def _pieces(key: bytes, data: bytes) -> list[Change]:
    """Return the rows of a list: how many pieces there are, then each."""
    cuts = range(0, len(data), _PIECE_BYTES)
    changes: list[Change] = [(_LISTS, key, len(cuts).to_bytes(_COUNT_BYTES))] if data else []
    for number, cut in enumerate(cuts):
        name = key + number.to_bytes(_COUNT_BYTES)
        changes.append((_LISTS, name, data[cut : cut + _PIECE_BYTES]))
    return changes
