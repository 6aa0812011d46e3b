"""How an item of the record store lies in its table, with a checksum against the disk's errors."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from streembit.dht.shelf import ItemKind, StoredItem
from streembit.disk.database import Damaged, Row

TABLES: Final = """
CREATE TABLE items (
    place BLOB NOT NULL, kind INTEGER NOT NULL, owner BLOB NOT NULL, address TEXT NOT NULL,
    user TEXT NOT NULL, seq INTEGER NOT NULL, expires INTEGER NOT NULL, digest BLOB NOT NULL,
    stored REAL NOT NULL, kept REAL NOT NULL, checksum INTEGER NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX items_place ON items (place);
CREATE INDEX items_user ON items (user, stored, place);
CREATE INDEX items_kept ON items (kept);
CREATE TABLE floors (place BLOB PRIMARY KEY, seq INTEGER NOT NULL, until REAL NOT NULL)
WITHOUT ROWID
"""
COLUMNS: Final = "place,kind,owner,address,user,seq,expires,digest,stored,kept,checksum,body"
_KINDS: Final[tuple[ItemKind, ItemKind]] = ("record", "blob")
_FIGURES: Final = struct.Struct("<Bqqdd")


def to_key(place: int) -> bytes:
    """Return the place as the 20 bytes that sort as it does."""
    return place.to_bytes(20)


def to_row(item: StoredItem) -> Row:
    """Return the values of COLUMNS for the item."""
    kind = _KINDS.index(item.kind)
    figures = (item.seq, item.expires_unix_s, item.digest, item.stored_s, item.kept_until_s)
    row = (to_key(item.place), kind, item.owner, item.address, item.user, *figures)
    return (*row, _checksum(row, item.body), item.body)


def to_item(row: Row) -> StoredItem:
    """Return the item of a row.

    Raises:
        Damaged: it is not as it was written.
    """
    place, kind, owner, address, user, seq, expires, digest, stored, kept, checksum, body = row
    try:
        sound = checksum == _checksum(row[:10], body)
    except (TypeError, ValueError, AttributeError, struct.error):
        sound = False
    if not sound:
        raise Damaged("an item is not as it was written")
    return StoredItem(
        place=int.from_bytes(place),
        kind=_KINDS[kind],
        body=body,
        owner=owner,
        address=address,
        user=user,
        seq=seq,
        expires_unix_s=expires,
        digest=digest,
        stored_s=stored,
        kept_until_s=kept,
    )


def _checksum(row: Row, body: bytes) -> int:
    place, kind, owner, address, user, seq, expires, digest, stored, kept = row
    figures = _FIGURES.pack(kind, seq, expires, stored, kept)
    texts = f"{address} {user}".encode()
    return zlib.crc32(body, zlib.crc32(b"".join((place, owner, digest, figures, texts))))
