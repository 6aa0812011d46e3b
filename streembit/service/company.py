"""Whom a node knows as people: what it asks of them and tells them, and a node without any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred

from streembit.errors import KeyRefused, StreembitError
from streembit.jose.keys import PublicKey
from streembit.rpc.peer import Peer
from streembit.service.people_rows import PeopleStatus
from streembit.wire.message import Answer, Hand, Knock, Show, Signal


class Company(Protocol):
    """The people of a node's account, as the node sees them."""

    def is_contact(self, key: PublicKey) -> bool:
        """Tell whether the holder of a key is a contact: it has a budget and a place of its own."""

    def is_refused(self, key: PublicKey) -> bool:
        """Tell whether no link to the holder of a key may stay open."""

    def contact_with(self, test: Callable[[PublicKey], bool]) -> PublicKey | None:
        """Return the contact whose key passes a test, None where none does."""

    def linked(self, peer: Peer) -> None:
        """A link to this peer is open, the first or another one."""

    def unlinked(self, peer: Peer, reason: StreembitError) -> None:
        """The last link to this peer is gone."""

    def frame(self, peer: Peer, payload: bytes) -> bool:
        """Take a payload that belongs to a transfer of files; return False, if it is nobody's.

        Raises:
            RemoteError: the link has to end.
        """

    def hand(self, peer: Peer, body: Hand) -> Answer | Deferred[Answer]:
        """Take a parcel; answer when what it changed is on the medium.

        Raises:
            KeyRefused: the peer is no contact.
        """

    def knock(self, peer: Peer, body: Knock) -> Answer | Deferred[Answer]:
        """Take a letter of somebody who asks to be a contact, or answers that."""

    def shown(self, peer: Peer, body: Show) -> Answer | Deferred[Answer]:
        """Take a contact's newest card.

        Raises:
            KeyRefused: the peer is no contact.
        """

    def signal(self, peer: Peer, body: Signal) -> Answer:
        """Take what a contact's program says of a call.

        Raises:
            KeyRefused: the peer is no contact.
            RateLimited
        """

    def has_told(self) -> bool:
        """Tell whether the network has a card for each contact; not for nobody's node."""

    def standing(self) -> PeopleStatus | None:
        """Return the figures of the people; None for a node that knows none."""


class Nobody:
    """The company of a seed: there is none."""

    def is_contact(self, key: PublicKey) -> bool:
        """See `Company`."""
        return False

    def is_refused(self, key: PublicKey) -> bool:
        """See `Company`."""
        return False

    def contact_with(self, test: Callable[[PublicKey], bool]) -> PublicKey | None:
        """See `Company`."""
        return None

    def linked(self, peer: Peer) -> None:
        """See `Company`."""

    def unlinked(self, peer: Peer, reason: StreembitError) -> None:
        """See `Company`."""

    def frame(self, peer: Peer, payload: bytes) -> bool:
        """See `Company`."""
        return False

    def hand(self, peer: Peer, body: Hand) -> Answer | Deferred[Answer]:
        """See `Company`."""
        raise KeyRefused("nobody here has contacts")

    def knock(self, peer: Peer, body: Knock) -> Answer | Deferred[Answer]:
        """See `Company`."""
        raise KeyRefused("nobody here has contacts")

    def shown(self, peer: Peer, body: Show) -> Answer | Deferred[Answer]:
        """See `Company`."""
        raise KeyRefused("nobody here has contacts")

    def signal(self, peer: Peer, body: Signal) -> Answer:
        """See `Company`."""
        raise KeyRefused("nobody here has contacts")

    def has_told(self) -> bool:
        """See `Company`."""
        return False

    def standing(self) -> PeopleStatus | None:
        """See `Company`."""
        return None
