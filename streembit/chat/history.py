"""What was said in one conversation, row by row, and how far each message of ours has come."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from streembit.chat.rows import Rows
from streembit.errors import BadParcel
from streembit.wire.content import (
    MAX_SPOKEN_BYTES,
    FileAnswer,
    Rotated,
    Spoken,
    unpack_spoken,
)

_ENTRIES: Final = "history"
_IDS: Final = "ids"
_HEAD: Final = "talk"
_KEY: Final = b"history"
_ID_BYTES: Final = 16

State = Literal["queued", "sent", "delivered", "read", "failed"]


class Entry(Struct, array_like=True, frozen=True):
    """One message, ours or theirs.

    `number` is its place in the history, from 1, never used twice. `id`
    names it on both sides. `at_s` is when it was written or came here.
    `state` and `why` are of ours; `piece` is, of theirs, the number of its
    last piece in the stream named by `stream`. `gone` ones were deleted
    here, and wait until they need not be sent any more.
    """

    number: int
    id: str
    ours: bool
    at_s: int
    body: Annotated[bytes, Meta(max_length=MAX_SPOKEN_BYTES)]
    state: State
    why: str = ""
    stream: bytes = b""
    piece: int = 0
    gone: bool = False

    def spoken(self) -> Spoken | None:
        """Return what was said, or None where that is of a kind not known here."""
        return understood(self.body)

    @property
    def is_shown(self) -> bool:
        """Whether people read this: not what programs say to each other."""
        return not isinstance(self.spoken(), FileAnswer | Rotated)


class _Head(Struct, array_like=True):
    last: int = 0  # number of the newest entry
    seen: int = 0  # the user has read theirs up to here
    unread: int = 0  # of theirs that people read
    read: int = 0  # the contact has read ours up to here


class History:
    """The history of one conversation, on its rows; none of it stays in memory."""

    __slots__ = ("_head", "_rows")

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._head = rows.read(_HEAD, _KEY, _Head) or _Head()

    @property
    def last(self) -> int:
        """The number of the newest entry, 0 where there is none."""
        return self._head.last

    @property
    def unread(self) -> int:
        """How many of theirs the user has not read, of those that are shown."""
        return self._head.unread

    def add_ours(self, spoken: Spoken, body: bytes, now_s: int) -> int:
        """Add a message of ours that waits to be sent; return its number."""
        return self._add(Entry(self._head.last + 1, spoken.id, True, now_s, body, "queued"))

    def add_theirs(self, stream: bytes, piece: int, body: bytes, now_s: int) -> int | None:
        """Add a message of theirs; return its number, or None for one that is here already."""
        spoken = understood(body)
        name = spoken.id if spoken else sha256(body).hexdigest()[: 2 * _ID_BYTES]
        if self._rows.get(_IDS, _key(False, name)) is not None:
            return None
        number = self._head.last + 1
        entry = Entry(number, name, False, now_s, body, "delivered", "", stream, piece)
        self._head.unread += entry.is_shown
        return self._add(entry)

    def get(self, number: int) -> Entry | None:
        """Return an entry, with `read` where the contact said so; None if there is none."""
        entry = self._rows.read(_ENTRIES, number, Entry)
        return None if entry is None or entry.gone else self._seen(entry)

    def body(self, number: int) -> bytes:
        """Return the bytes of a message that is still to be sent."""
        entry = self._rows.read(_ENTRIES, number, Entry)
        return entry.body if entry else b""

    def find(self, name: str) -> int | None:
        """Return the number of the message with this id, ours first."""
        for ours in (True, False):
            row = self._rows.get(_IDS, _key(ours, name))
            if row is not None and self.get(int.from_bytes(row)):
                return int.from_bytes(row)
        return None

    def page(self, before: int | None, limit: int) -> list[Entry]:
        """Return up to `limit` committed entries below a number (None: all), newest first."""
        return list(islice(self._entries(before), limit))

    def move(self, number: int, state: State, why: str = "") -> bool:
        """Put a message of ours into another state; say whether it was in another."""
        entry = self._rows.read(_ENTRIES, number, Entry)
        if entry is None or (entry.state, entry.why) == (state, why):
            return False
        if entry.gone and state in ("delivered", "failed"):
            self._rows.delete(_ENTRIES, number)
            return False
        self._rows.put(_ENTRIES, number, replace(entry, state=state, why=why))
        return not entry.gone

    def delete(self, number: int, *, needed: bool) -> bool:
        """Delete an entry; what is still `needed` is hidden until it is not.

        Its id is remembered, so that it does not come back.
        """
        entry = self.get(number)
        if entry is None:
            return False
        if not entry.ours and number > self._head.seen:
            self._head.unread -= entry.is_shown
            self._save()
        if needed:
            self._rows.put(_ENTRIES, number, replace(entry, gone=True))
        else:
            self._rows.delete(_ENTRIES, number)
        return True

    def see(self, number: int) -> Entry | None:
        """Mark theirs up to this number as read; return the last of them, None if none is new."""
        number = min(number, self._head.last)
        new = [each for each in self._between(self._head.seen, number) if not each.ours]
        if number > self._head.seen:
            self._head.seen = number
            self._head.unread -= sum(each.is_shown for each in new)
            self._save()
        return new[-1] if new else None

    def read_upto(self, number: int) -> bool:
        """Note that the contact has read ours up to this number; say whether that is new."""
        if number <= self._head.read:
            return False
        self._head.read = number
        self._save()
        return True

    def _add(self, entry: Entry) -> int:
        self._head.last = entry.number
        self._rows.put(_ENTRIES, entry.number, entry)
        self._rows.put(_IDS, _key(entry.ours, entry.id), entry.number.to_bytes(8))
        self._save()
        return entry.number

    def _seen(self, entry: Entry) -> Entry:
        if entry.ours and entry.state == "delivered" and entry.number <= self._head.read:
            return replace(entry, state="read")
        if not entry.ours and entry.number <= self._head.seen:
            return replace(entry, state="read")
        return entry

    def _entries(self, before: int | None) -> Iterator[Entry]:
        for entry in self._rows.pages(_ENTRIES, before, Entry):
            if not entry.gone:
                yield self._seen(entry)

    def _between(self, seen: int, number: int) -> Iterator[Entry]:
        for each in range(seen + 1, number + 1):
            entry = self.get(each)
            if entry is not None:
                yield entry

    def _save(self) -> None:
        self._rows.put(_HEAD, _KEY, self._head)


def understood(body: bytes) -> Spoken | None:
    """Return the message of these bytes, or None where it is of a kind not known here."""
    try:
        return unpack_spoken(body)
    except BadParcel:
        return None


def _key(ours: bool, name: str) -> bytes:
    return (b"o" if ours else b"t") + name.encode()
