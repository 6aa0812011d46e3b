"""Two contacts with prekeys for each other, and what goes between them."""

from __future__ import annotations

from streembit.chat.agreement import Contact
from streembit.chat.prekeys import Prekeys
from streembit.chat.sessions import Sessions
from streembit.jose.keys import Identity
from streembit.wire.bundle import Bundle
from streembit.wire.content import Part, Piece

NOW_S = 1_800_000_000
STREAM = b"stream 1"


def contact_of(identity: Identity) -> Contact:
    """Return what others know of an identity."""
    return Contact(identity.public, identity.agreement.public)


class Side:
    """One of two contacts: its identity, its sessions with the other, its prekeys for it."""

    def __init__(self, own: Identity, other: Identity) -> None:
        self.own, self.other = own, contact_of(other)
        self.prekeys = Prekeys()
        self.prekeys.refresh(NOW_S)
        self.sessions = Sessions(own, self.other)
        self.rows: dict[bytes, bytes] = {}

    def bundle(self) -> Bundle:
        """Return what the other needs to begin."""
        return self.prekeys.bundle(self.own, self.other.public)

    def keep(self) -> None:
        """Do what a disk does."""
        for name, row in self.sessions.changes():
            if row is None:
                self.rows.pop(name, None)
            else:
                self.rows[name] = row

    def restart(self) -> None:
        """Go on with what the disk has."""
        self.sessions = Sessions(self.own, self.other, self.rows.values())
        self.prekeys = Prekeys.load(self.prekeys.state())


def piece(number: int, body: bytes = b"body") -> Piece:
    """Return a message of one piece."""
    return Piece(STREAM, number, 1, Part.WHOLE, body)
