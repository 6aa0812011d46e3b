"""One person in the book of contacts, as it is kept."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from streembit.jose import fingerprint
from streembit.jose.keys import POINT_BYTES, PublicKey
from streembit.wire.offer import Addresses, NameText, NoteText, UserType

MAX_FORMER: Final = 16  # changes of key that one contact may go through: two a year for eight years

State = Literal["contact", "asked", "blocked", "removed"]
Alarm = Literal["", "known-name", "new-key", "two-successors", "revoked"]
Point = Annotated[bytes, Meta(min_length=POINT_BYTES, max_length=POINT_BYTES)]
NoPoint = Annotated[bytes, Meta(max_length=POINT_BYTES)]


class Former(Struct, array_like=True, frozen=True):
    """A key that a contact had, and the SHA-256 of the statement that ended it."""

    key: Point
    rotation: bytes


class Renewal(Struct, array_like=True, frozen=True):
    """How a contact came to the agreement key that it has now.

    `origin` is the one that it told when it became a contact, or took its
    key; `former` the one before the present one. `made_s` is when the
    present one was made, by the contact's clock, `at_s` when we heard.
    """

    origin: Point
    former: Point
    made_s: int
    at_s: int


class Entry(Struct, array_like=True, frozen=True):
    """A contact, somebody whom we asked to be one, or somebody whose key is refused.

    `key` and `agreement` are compressed points; `agreement` is b"" until it
    is known. `name` is what we call them, `called` what they call
    themselves. Times are whole Unix seconds; `ended_s` is when they were
    blocked or removed. `verified` says that the user has compared this very
    key's fingerprint. `receipts` and `presence` say what they are told of
    us, None where the account's setting holds.
    `before` is the state that ends with `unblock`. `renewal` is None for
    a contact whose agreement key is the first one that it told; `knows` is
    the agreement key of ours that it used last, b"" where it never said.
    """

    key: Point
    name: NameText
    state: State
    user_type: UserType
    added_s: int
    agreement: NoPoint = b""
    called: str = ""
    note: NoteText = ""
    addresses: Addresses = []
    verified: bool = False
    alarm: Alarm = ""
    last_seen_s: int | None = None
    ended_s: int = 0
    receipts: bool | None = None
    before: State = "contact"
    former: Annotated[list[Former], Meta(max_length=MAX_FORMER)] = []
    presence: bool | None = None
    renewal: Renewal | None = None
    knows: NoPoint = b""

    @property
    def is_live(self) -> bool:
        """Whether the name is in use: for a contact, or for somebody we asked or blocked."""
        return self.state != "removed"

    @property
    def is_usable(self) -> bool:
        """Whether something may be sent to this key, and taken from it."""
        return self.state == "contact" and self.alarm not in ("two-successors", "revoked")

    @property
    def is_refused(self) -> bool:
        """Whether nothing at all is taken from this key."""
        return self.state in ("blocked", "removed") or self.alarm == "revoked"

    def public(self) -> PublicKey:
        """Return the key."""
        return PublicKey.parse(self.key)

    def fingerprint(self) -> str:
        """Return what people compare."""
        return fingerprint.of(self.public())
