"""What came from one contact: pieces in their order, each once, put together to messages."""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct

from streembit.chat.rows import Rows
from streembit.errors import BadParcel, ChestDamaged, PieceOutOfPlace
from streembit.jose import base64url
from streembit.wire.content import (
    MAX_EARLY,
    MAX_PIECE_BYTES,
    MAX_SPOKEN_BYTES,
    STREAM_BYTES,
    Part,
    Piece,
    Receipt,
    pack,
    unpack,
)

MAX_PIECES: Final = -(-MAX_SPOKEN_BYTES // MAX_PIECE_BYTES)  # of one message

_ROOM: Final = "pieces"
_HEAD: Final = "talk"
_KEY: Final = b"inbox"
_NO_STREAM: Final = bytes(STREAM_BYTES)


class Said(NamedTuple):
    """A whole message, and the number of its last piece."""

    stream: bytes
    piece: int
    body: bytes


class _Head(Struct, array_like=True):
    stream: bytes = _NO_STREAM
    next: int = 1  # the next piece to be read
    read: int = 0  # what the contact may know of the reader
    owed: bool = False  # a receipt


class Inbox:
    """The contact's stream, as far as it arrived.

    Up to MAX_EARLY pieces that overtook a missing one wait, and those of
    the message that is being put together; all of them are rows.
    """

    __slots__ = ("_head", "_pieces", "_rows")

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._head = rows.read(_HEAD, _KEY, _Head) or _Head()
        pieces = [_loaded(row) for row in rows.kept(_ROOM)]
        self._pieces = {each.number: each for each in sorted(pieces, key=lambda p: p.number)}

    @property
    def owes_receipt(self) -> bool:
        """Whether the contact is to be told what arrived."""
        return self._head.owed

    @owes_receipt.setter
    def owes_receipt(self, owed: bool) -> None:
        if owed != self._head.owed:
            self._head.owed = owed
            self._save()

    def take(self, piece: Piece) -> list[Said]:
        """Take a piece; return the messages that can be read now, in their order.

        A piece that is here, or was here, changes nothing.

        Raises:
            PieceOutOfPlace: it belongs to an earlier stream, or overtook
                MAX_EARLY others; nothing changed.
        """
        self._check(piece)
        said = self._turn_to(piece.stream)
        said += self._skip_to(piece.base)
        if piece.number >= self._head.next and piece.number not in self._pieces:
            self._pieces[piece.number] = piece
            self._rows.put(_ROOM, piece.number.to_bytes(8), pack(piece))
            said += self._advance()
        self._save()
        return said

    def receipt(self) -> Receipt | None:
        """Return what arrived of the contact's stream; None before it began."""
        if self._head.stream == _NO_STREAM:
            return None
        early = sorted(number for number in self._pieces if number >= self._head.next)
        stream = base64url.encode(self._head.stream)
        return Receipt(stream, self._head.next - 1, early, self._head.read)

    def read(self, stream: bytes, piece: int) -> bool:
        """Let the contact know that all up to a piece was read; say whether that is new."""
        if stream != self._head.stream or piece <= self._head.read:
            return False
        self._head.read = piece
        self._save()
        return True

    def _check(self, piece: Piece) -> None:
        known = self._head.next if piece.stream == self._head.stream else 1
        ahead = piece.number - max(known, piece.base)
        if piece.stream < self._head.stream or ahead >= MAX_EARLY:
            raise PieceOutOfPlace("an earlier stream, or too far ahead", ahead=ahead)

    def _turn_to(self, stream: bytes) -> list[Said]:
        """Go over to a later stream if it is one: what is here of the old one is all of it."""
        if stream == self._head.stream:
            return []
        said = self._skip_to(max(self._pieces, default=0) + 1)
        self._forget(list(self._pieces.values()))
        self._head = _Head(stream, owed=True)
        return said

    def _skip_to(self, base: int) -> list[Said]:
        """Read on to `base`: what is missing before it will never come."""
        said = []
        while self._head.next < base:
            early = [n for n in self._pieces if self._head.next <= n < base]
            self._head.next = min(early, default=base)
            said += self._advance()
        return said

    def _advance(self) -> list[Said]:
        said = []
        while (piece := self._pieces.get(self._head.next)) is not None:
            self._head.next += 1
            if self._fits(piece) and piece.part & Part.LAST:
                said.append(self._whole(piece))
        return said

    def _fits(self, piece: Piece) -> bool:
        """Say whether a piece goes on with its message; forget what it does not fit to."""
        begins = piece.part & Part.FIRST
        before = self._message(piece.number)
        if begins or piece.part & Part.VOID or not _goes_on(before, piece):
            self._forget(before)
        if piece.part & Part.VOID or not (begins or _goes_on(before, piece)):
            self._forget([piece])
            return False
        return True

    def _message(self, number: int) -> list[Piece]:
        """Return the pieces below a number, which are those of the message begun before it."""
        return [self._pieces[each] for each in sorted(self._pieces) if each < number]

    def _whole(self, last: Piece) -> Said:
        pieces = self._message(last.number + 1)
        self._forget(pieces)
        return Said(last.stream, last.number, b"".join(each.body for each in pieces))

    def _forget(self, pieces: list[Piece]) -> None:
        for each in pieces:
            del self._pieces[each.number]
            self._rows.delete(_ROOM, each.number.to_bytes(8))

    def _save(self) -> None:
        self._rows.put(_HEAD, _KEY, self._head)


def _goes_on(before: list[Piece], piece: Piece) -> bool:
    """Say whether a piece is the next of a message that is not too long."""
    if not before or before[-1].number != piece.number - 1:
        return False
    return len(before) < MAX_PIECES


def _loaded(row: bytes) -> Piece:
    try:
        piece = unpack(row)
    except BadParcel as e:
        raise ChestDamaged(e.detail) from None
    if not isinstance(piece, Piece):
        raise ChestDamaged("a row of pieces that holds something else")
    return piece
