"""What is inside of a parcel once it is opened: pieces of messages, and notices."""

from __future__ import annotations

import struct
from enum import IntFlag
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta, Struct

from streembit.errors import BadJson, BadParcel
from streembit.wire import codec
from streembit.wire.terms import MAX_INT, Whole

STEP_BYTES: Final = 256  # a parcel shows its contents' length in steps of this
MAX_PADDED_BYTES: Final = 11 * STEP_BYTES
STREAM_BYTES: Final = 8
MAX_EARLY: Final = 64  # pieces in flight to one contact: so many may overtake a missing one
MAX_SPOKEN_BYTES: Final = 65_536  # of one message, in pieces
MAX_TEXT_CHARS: Final = 16_384
MAX_BODY_CHARS: Final = 43_691  # base64url of 32 KiB

_PIECE: Final = b"\x01"
_NOTICE: Final = b"\x02"
_END: Final = b"\x80"
_HEAD: Final = struct.Struct(">8sQQB")
MAX_PIECE_BYTES: Final = MAX_PADDED_BYTES - 1 - len(_PIECE) - _HEAD.size

_URL = "A-Za-z0-9_-"
IdText = Annotated[str, Meta(pattern=rf"^[{_URL}]{{21}}[AQgw]\Z")]  # 16 bytes
StreamText = Annotated[str, Meta(pattern=rf"^[{_URL}]{{10}}[AEIMQUYcgkosw048]\Z")]  # 8 bytes
BodyText = Annotated[str, Meta(pattern=rf"^[{_URL}]{{0,{MAX_BODY_CHARS}}}\Z")]
BundleText = Annotated[str, Meta(pattern=rf"^[{_URL}]{{0,600}}\Z")]


class Part(IntFlag):
    """Which part of its message a piece is."""

    MIDDLE = 0
    FIRST = 1
    LAST = 2
    WHOLE = 3  # the first and the last
    VOID = 4  # none: it and all that came before it of its message was given up

    @classmethod
    def of(cls, number: int, first: int, last: int) -> Part:
        """Return what piece `number` is of a message that has these first and last pieces."""
        return (cls.FIRST if number == first else cls.MIDDLE) | (
            cls.LAST if number == last else cls.MIDDLE
        )


class Piece(NamedTuple):
    """A part of a message; pieces are read in the order of their numbers, from 1.

    `base` is the lowest number that the sender still has: all below it
    were acknowledged, or will never come. A later `stream`, by the order of
    its bytes, begins a new count, and ends the one before.
    """

    stream: bytes
    number: int
    base: int
    part: Part
    body: bytes


class Receipt(Struct, frozen=True, tag_field="t", tag="receipt"):
    """What arrived of the receiver's stream.

    Everything up to number `upto`, and the numbers of `early`; the
    reader has read up to `read` (0 where that is nobody's business).
    """

    stream: StreamText
    upto: Whole
    early: Annotated[list[Whole], Meta(max_length=MAX_EARLY)] = []
    read: Whole = 0


class Typing(Struct, frozen=True, tag_field="t", tag="typing"):
    """Somebody is writing, or stopped."""

    on: bool


class Presence(Struct, frozen=True, tag_field="t", tag="presence"):
    """Whether somebody sits there."""

    state: Literal["here", "away", "gone"]


class Prekeys(Struct, frozen=True, tag_field="t", tag="prekeys"):
    """A fresh bundle of prekeys, base64url."""

    bundle: BundleText


class Goodbye(Struct, frozen=True, tag_field="t", tag="goodbye"):
    """The contact was ended."""


class Text(Struct, frozen=True, tag_field="t", tag="text"):
    """What somebody wrote; `id` is known on both sides, `sent_s` is for show only."""

    id: IdText
    sent_s: Whole
    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_CHARS)]


class FileOffer(Struct, frozen=True, tag_field="t", tag="file-offer"):
    """Files are offered; `body` is what the transfer of files says of them, base64url."""

    id: IdText
    sent_s: Whole
    body: BodyText


class FileAnswer(Struct, frozen=True, tag_field="t", tag="file-answer"):
    """Files that were offered are taken or not; `body` as in FileOffer."""

    id: IdText
    sent_s: Whole
    body: BodyText


class Rotated(Struct, frozen=True, tag_field="t", tag="rotated"):
    """The sender has another key; `body` is the statement signed by both, base64url."""

    id: IdText
    sent_s: Whole
    body: BodyText


Notice = Receipt | Typing | Presence | Prekeys | Goodbye
Spoken = Text | FileOffer | FileAnswer | Rotated
Content = Piece | Notice


def pack(content: Content) -> bytes:
    """Return the bytes of a content."""
    if isinstance(content, Piece):
        head = _HEAD.pack(content.stream, content.number, content.base, content.part)
        return _PIECE + head + content.body
    return _NOTICE + codec.encode(content)


def unpack(data: bytes) -> Content:
    """Return the content of these bytes.

    Raises:
        BadParcel: neither a piece nor a notice. A notice of a kind that is
            not known here is one of these.
    """
    form, rest = data[:1], data[1:]
    if form == _PIECE:
        return _piece(rest)
    if form != _NOTICE:
        raise BadParcel("neither a piece nor a notice")
    try:
        return codec.decode(rest, Notice)  # type: ignore[arg-type]
    except BadJson as e:
        raise BadParcel(e.detail) from None


def pack_spoken(spoken: Spoken) -> bytes:
    """Return the bytes of a message, to be cut into pieces."""
    return codec.encode(spoken)


def unpack_spoken(data: bytes) -> Spoken:
    """Return the message of these bytes; raise BadParcel."""
    if len(data) > MAX_SPOKEN_BYTES:
        raise BadParcel("a message too long", size_bytes=len(data))
    try:
        return codec.decode(data, Spoken)  # type: ignore[arg-type]
    except BadJson as e:
        raise BadParcel(e.detail) from None


def pad(data: bytes) -> bytes:
    """Return the data with the byte 0x80 and zeros behind it, a whole number of steps long.

    Raises:
        ValueError: it would be longer than MAX_PADDED_BYTES.
    """
    size_bytes = (len(data) // STEP_BYTES + 1) * STEP_BYTES
    if size_bytes > MAX_PADDED_BYTES:
        raise ValueError(f"a content of {len(data)} bytes")
    return (data + _END).ljust(size_bytes, b"\0")


def unpad(data: bytes) -> bytes:
    """Return what was padded; raise BadParcel."""
    if not 0 < len(data) <= MAX_PADDED_BYTES or len(data) % STEP_BYTES:
        raise BadParcel("its padding")
    text, end, rest = data.rpartition(_END)
    if not end or rest.strip(b"\0") or len(data) - len(text) > STEP_BYTES:
        raise BadParcel("its padding")
    return text


def _piece(data: bytes) -> Piece:
    if not _HEAD.size <= len(data) <= _HEAD.size + MAX_PIECE_BYTES:
        raise BadParcel("its length", size_bytes=len(data))
    stream, number, base, part = _HEAD.unpack_from(data)
    if not 1 <= base <= number <= MAX_INT or part > Part.VOID:
        raise BadParcel("its numbers", number=number, base=base)
    body = data[_HEAD.size :]
    if part == Part.VOID and body:
        raise BadParcel("a void with a body")
    return Piece(stream, number, base, Part(part), body)
