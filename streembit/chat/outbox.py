"""What waits for one contact: messages cut into pieces, numbered as they first go out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Annotated, Final

from msgspec import Meta, Struct

from streembit.chat.history import History
from streembit.chat.rows import Rows
from streembit.errors import OutboxFull
from streembit.jose import base64url
from streembit.wire.content import MAX_PIECE_BYTES, STREAM_BYTES, Part, Piece, Receipt

MAX_MESSAGES: Final = 2_048  # that wait for one contact
MAX_WAITING_BYTES: Final = 16 * 1024 * 1024  # of all of them
MAX_UNREAD: Final = 64  # messages that arrived, and whose last pieces are remembered
LAST_STREAM: Final = b"\x80".ljust(STREAM_BYTES, b"\0")  # none that we begin comes near it
CHANCE_BITS: Final = 24  # of a stream's number; the time of its beginning is before them
KEEP_S: Final = 14 * 86_400  # then a message has failed

_ROOM: Final = "outbox"
_HEAD: Final = "talk"
_KEY: Final = b"outbox"


class Waiting(Struct, array_like=True):
    """A message on its way.

    `entry` is its number in the history, `first` that of its first piece
    in the stream (0: none yet); bit n of `got` says that piece n arrived.
    """

    entry: int
    written_s: int
    size_bytes: int
    first: int = 0
    got: int = 0

    @property
    def pieces(self) -> int:
        """How many pieces it has."""
        return max(1, -(-self.size_bytes // MAX_PIECE_BYTES))

    @property
    def last(self) -> int:
        """The number of its last piece."""
        return self.first + self.pieces - 1

    def missing(self) -> Iterator[int]:
        """Yield the numbers of the pieces that did not arrive."""
        return (self.first + n for n in range(self.pieces) if not self.got >> n & 1)


class _Head(Struct, array_like=True):
    stream: bytes = bytes(STREAM_BYTES)
    next: int = 1  # the next piece's number
    void: int = 0  # the last piece of messages given up, until the contact knows it; 0: none
    arrived: Annotated[list[tuple[int, int]], Meta(max_length=MAX_UNREAD)] = []


class Outbox:
    """Messages in the order in which they were written; their text is in the history."""

    __slots__ = ("_body", "_bytes", "_head", "_history", "_messages", "_rows")

    def __init__(self, rows: Rows, history: History) -> None:
        self._rows, self._history = rows, history
        self._head = rows.read(_HEAD, _KEY, _Head) or _Head()
        kept = sorted(rows.read_kept(_ROOM, Waiting), key=lambda each: each.entry)
        self._messages = {each.entry: each for each in kept}
        self._bytes = sum(each.size_bytes for each in kept)
        self._body = (0, b"")  # the one that was cut last

    def __len__(self) -> int:
        return len(self._messages)

    def __contains__(self, entry: int) -> bool:
        return entry in self._messages

    @property
    def empty(self) -> bool:
        """Whether there is nothing to send."""
        return not self._messages and not self._head.void

    def check(self, size_bytes: int) -> None:
        """Raise OutboxFull where another message of this size finds no room."""
        if len(self) >= MAX_MESSAGES or self._bytes + size_bytes > MAX_WAITING_BYTES:
            raise OutboxFull(f"{len(self)} wait", messages=len(self), size_bytes=self._bytes)

    def add(self, entry: int, size_bytes: int, now_s: int) -> None:
        """Add a message, which is in the history at this number."""
        self._bytes += size_bytes
        self._messages[entry] = Waiting(entry, now_s, size_bytes)
        self._save_message(self._messages[entry])

    def drop(self, entry: int) -> bool:
        """Take a message out of which no piece has a number yet; say whether it was such a one."""
        message = self._messages.get(entry)
        if message is None or message.first:
            return False
        self._remove(message)
        return True

    def window(self, size: int) -> Iterator[tuple[int, Waiting | None]]:
        """Yield the pieces that may be on their way, with their messages; None for the void.

        They lie within `size` numbers from the first that is missing.
        Messages get their pieces' numbers here.
        """
        end = self.base + size
        if self._head.void:
            yield self._head.void, None
        for message in list(self._messages.values()):
            if not message.first and not self._number(message, end):
                return
            for number in message.missing():
                if number < end:
                    yield number, message

    @property
    def oldest_s(self) -> int | None:
        """When the oldest message was written; None where none waits."""
        oldest = next(iter(self._messages.values()), None)
        return None if oldest is None else oldest.written_s

    @property
    def begun(self) -> bool:
        """Whether there is a stream to number pieces in."""
        return any(self._head.stream)

    @property
    def stream(self) -> bytes:
        """The stream that pieces are numbered in now."""
        return self._head.stream

    @property
    def void(self) -> int:
        """The number of the piece that says what was given up, 0 for none."""
        return self._head.void

    @property
    def base(self) -> int:
        """The lowest number that is still to arrive."""
        if self._head.void:
            return self._head.void
        oldest = next(iter(self._messages.values()), None)
        return next(oldest.missing()) if oldest and oldest.first else self._head.next

    def piece(self, number: int, message: Waiting | None) -> Piece:
        """Return a piece that `window` told of."""
        stream, base = self._head.stream, self.base
        if message is None:
            return Piece(stream, number, base, Part.VOID, b"")
        start = (number - message.first) * MAX_PIECE_BYTES
        body = self._body_of(message.entry)[start : start + MAX_PIECE_BYTES]
        return Piece(stream, number, base, Part.of(number, message.first, message.last), body)

    def pieces_of(self, entry: int) -> set[int]:
        """Return the numbers of a message's pieces that did not arrive; of none yet nothing."""
        message = self._messages.get(entry)
        return set(message.missing()) if message is not None and message.first else set()

    def missing(self) -> Iterator[int]:
        """Yield the numbers of all pieces that have one and did not arrive."""
        if self._head.void:
            yield self._head.void
        for message in self._numbered():
            yield from message.missing()

    def ending(self, piece: int) -> int | None:
        """Return the message of which this is the last piece."""
        ends = (each.entry for each in self._numbered() if each.last == piece)
        return next(ends, None)

    def read(self, piece: int) -> int:
        """Return the newest of the last messages that arrived whose pieces end there or before."""
        return max((entry for last, entry in self._head.arrived if last <= piece), default=0)

    def knows(self, receipt: Receipt) -> bool:
        """Say whether a receipt speaks of our stream, and of what was sent."""
        ours = base64url.decode(receipt.stream) == self._head.stream
        return ours and max((receipt.upto, receipt.read, *receipt.early)) < self._head.next

    def behind(self, receipt: Receipt) -> bool:
        """Say whether the contact heard a later stream of ours, which we do not remember."""
        theirs = base64url.decode(receipt.stream)
        return self._head.stream < theirs < LAST_STREAM

    def arrived(self, receipt: Receipt) -> tuple[bool, list[int]]:
        """Note what a receipt says; return whether that is news, and which messages are there now.

        `knows` said that it can be true.
        """
        early, whole = set(receipt.early), []
        # That it is among the early ones does not do: it may be the piece that was given up.
        news = 0 < self._head.void <= receipt.upto
        if news:
            self._head.void = 0
            self._save_head()
        for message in list(self._numbered()):
            arrived = [n for n in message.missing() if n <= receipt.upto or n in early]
            news = news or bool(arrived)
            if arrived and self._arrived(message, arrived):
                whole.append(message.entry)
        return news, whole

    def expire(self, now_s: float) -> list[int]:
        """Give up the messages that waited for too long, oldest first; return them."""
        over = []
        for message in list(self._messages.values()):
            if now_s - message.written_s < KEEP_S:
                break
            self._give_up(message)
            over.append(message.entry)
        return over

    def give_up_all(self) -> list[int]:
        """Give up all messages, oldest first; return them."""
        over = list(self._messages)
        for message in list(self._messages.values()):
            self._give_up(message)
        return over

    def renew(self, after: bytes, now_s: float, chance: int) -> None:
        """Begin to count anew: all that did not arrive as a whole goes out once more.

        The new stream comes after the one of now, after all of other copies
        of this state, if the clock did not go back, and after `after`.
        """
        drawn = chance % (1 << CHANCE_BITS)  # else two copies of a state begin the same stream
        least = max(map(int.from_bytes, (self._head.stream, after))) + 1 + drawn
        number = max(least, int(now_s) << CHANCE_BITS | drawn)
        self._head = _Head(number.to_bytes(STREAM_BYTES))
        self._save_head()
        for message in self._messages.values():
            message.first = message.got = 0
            self._save_message(message)

    def next_expiry_s(self) -> float | None:
        """Return when the oldest message has waited for too long."""
        return None if self.oldest_s is None else float(self.oldest_s + KEEP_S)

    def _numbered(self) -> Iterator[Waiting]:
        return takewhile(lambda each: each.first, self._messages.values())

    def _give_up(self, message: Waiting) -> None:
        """Send no more of the oldest message; the contact learns that it will not come."""
        if message.first:
            self._head.void = message.last
            self._save_head()
        self._remove(message)

    def _number(self, message: Waiting, end: int) -> bool:
        """Give a message's pieces their numbers if the first is to go out; say whether."""
        if self._head.next >= end:
            return False
        message.first = self._head.next
        self._head.next += message.pieces
        self._save_head()
        self._save_message(message)
        return True

    def _arrived(self, message: Waiting, numbers: list[int]) -> bool:
        for number in numbers:
            message.got |= 1 << number - message.first
        if any(message.missing()):
            self._save_message(message)
            return False
        self._head.arrived = [*self._head.arrived, (message.last, message.entry)][-MAX_UNREAD:]
        self._save_head()
        self._remove(message)
        return True

    def _body_of(self, entry: int) -> bytes:
        if self._body[0] != entry:
            self._body = entry, self._history.body(entry)
        return self._body[1]

    def _remove(self, message: Waiting) -> None:
        del self._messages[message.entry]
        self._bytes -= message.size_bytes
        self._rows.delete(_ROOM, message.entry)

    def _save_message(self, message: Waiting) -> None:
        self._rows.put(_ROOM, message.entry, message)

    def _save_head(self) -> None:
        self._rows.put(_HEAD, _KEY, self._head)
