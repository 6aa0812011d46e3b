"""The door of an account's people: what peers bring, let in if they are contacts, or asked in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred

from streembit.errors import KeyRefused, RateLimited, StreembitError
from streembit.jose import base64url
from streembit.jose.keys import PublicKey
from streembit.net.budget import Buckets, Rate, TokenBucket
from streembit.rpc.peer import Peer
from streembit.service.log import Refusals
from streembit.service.network import Network
from streembit.service.people.cards import Cards
from streembit.service.people.circle import Circle
from streembit.service.people.following import Following
from streembit.service.people.friend import Friends
from streembit.service.people.knocks import Knocks
from streembit.service.people.meetings import Meetings
from streembit.service.people.signals import Signals
from streembit.service.people.transfers import Transfers
from streembit.service.people.way import link_of
from streembit.service.people_rows import PeopleStatus
from streembit.wire.card import Card
from streembit.wire.message import Answer, Hand, Handed, Knock, Knocked, Show, Shown, Signal

SHOWS: Final = Rate(per_s=0.5, burst=20.0)  # cards of one contact; honest ones come once an hour
# Of all strangers together: each costs two checks of a signature, and a contact who has another key
# is found by its card as well.
INTRODUCTIONS: Final = Rate(per_s=2.0, burst=32.0)
LETTERS: Final = Rate(per_s=0.05, burst=10.0)  # of one key; an honest one comes once a link


class Door:
    """Implements `company.Company` for the people of an account."""

    def __init__(
        self,
        network: Network,
        friends: Friends,
        circle: Circle,
        meetings: Meetings,
        cards: Cards,
        knocks: Knocks,
        following: Following,
        signals: Signals,
        transfers: Transfers,
        refusals: Refusals,
        standing: Callable[[], PeopleStatus],
    ) -> None:
        self._network, self._friends, self._circle = network, friends, circle
        self._meetings, self._cards, self._knocks = meetings, cards, knocks
        self._following, self._signals, self._transfers = following, signals, transfers
        self._refusals, self._standing = refusals, standing
        self._shows, self._letters = Buckets(SHOWS), Buckets(LETTERS)
        self._introductions = TokenBucket(INTRODUCTIONS)

    def start(self) -> None:
        """Show those out who came before the door was there, and are refused."""
        for peer in self._network.roster.conversations():
            if self.is_refused(peer.key):
                peer.close(KeyRefused())

    # --- who it is
    def is_contact(self, key: PublicKey) -> bool:
        """Tell whether the holder of a key is a contact."""
        return key in self._friends

    def is_refused(self, key: PublicKey) -> bool:
        """Tell whether nothing is taken from a key."""
        return self._circle.is_refused(key)

    def contact_with(self, test: Callable[[PublicKey], bool]) -> PublicKey | None:
        """Return the contact whose key passes a test."""
        return next(filter(test, self._friends), None)

    # --- links
    def linked(self, peer: Peer) -> None:
        """See `Meetings.linked`."""
        self._meetings.linked(peer)

    def unlinked(self, peer: Peer, reason: StreembitError) -> None:
        """See `Meetings.unlinked`."""
        self._meetings.unlinked(peer, reason)

    def frame(self, peer: Peer, payload: bytes) -> bool:
        """Take bytes of a contact's files."""
        friend = self._friends.get(peer.key)
        if friend is None:
            return False
        self._transfers.payload(friend.name, link_of(peer), payload)
        return True

    # --- requests
    def hand(self, peer: Peer, body: Hand) -> Deferred[Answer]:
        """Take a parcel; answer when what it changed is kept."""
        friend = self._friends.get(peer.key)
        if friend is None:
            raise KeyRefused("not a contact")
        heard = friend.talk.hear(base64url.decode(body.parcel))
        return heard.addCallback(self._answer, peer)

    def shown(self, peer: Peer, body: Show) -> Answer:
        """Take a contact's newest card; of one under another key, what it says of keys.

        Raises:
            KeyRefused, RateLimited
        """
        if not self.is_contact(peer.key):
            self._introduced(peer, body.card)
        friend = self._friends.get(peer.key)
        if friend is None:
            raise KeyRefused("not a contact")
        self._charge(self._shows, peer)
        self._cards.take(friend, body.card)
        return Shown()

    def _introduced(self, peer: Peer, card: Card) -> None:
        """Take what is said by somebody with a key that a contact had, or may have by now.

        What strangers say is checked whomever it is about: the time that it takes must not tell
        who our contacts are.

        Raises:
            KeyRefused: it is a contact's former key.
            RateLimited
        """
        if self._circle.is_former(peer.key):
            self._charge(self._shows, peer)
            self._following.stated_by_former(peer.key, card)
            raise KeyRefused("a contact's former key")
        if card.rotation and self._introductions.take(self._network.now_s()):
            self._following.introduced(card.rotation)

    def knock(self, peer: Peer, body: Knock) -> Answer:
        """Take a letter of somebody who wants to be a contact, or says what was decided.

        Raises:
            RateLimited: too many of this key; and what `Knocks.knock` raises.
        """
        self._charge(self._letters, peer)
        self._knocks.knock(peer.key, body.letter)
        return Knocked()

    def signal(self, peer: Peer, body: Signal) -> Answer:
        """Tell our programs what a contact's says of a call; raise KeyRefused, RateLimited."""
        return self._signals.take(peer, body)

    # --- how it stands
    def has_told(self) -> bool:
        """Tell whether the network has a card for each contact."""
        return self._cards.is_told

    def standing(self) -> PeopleStatus:
        """Return the figures of the people."""
        return self._standing()

    # --- how
    def _charge(self, buckets: Buckets, peer: Peer) -> None:
        """Take one of a peer's tokens, since a commit may follow; raise RateLimited."""
        if not buckets.of(peer.key).take(self._network.now_s()):
            raise RateLimited("of this key")

    def _answer(self, code: str, peer: Peer) -> Answer:
        """Return the answer to a parcel; one that was not taken is counted as refused."""
        if code:
            self._refusals.refuse(code, peer.carrier.host)
        return Handed(code)
