"""The circle of an account: how it stands with each in the book, as the user is told."""

from __future__ import annotations

from typing import Final

from streembit.contacts.entry import Entry
from streembit.jose.keys import PublicKey
from streembit.rpc.peer import Peer
from streembit.service.network import Network
from streembit.service.people.friend import Friend
from streembit.service.people.holdings import Holdings
from streembit.service.people.presence import Presences
from streembit.service.people.register import told
from streembit.service.people.shown import contact_row
from streembit.service.people.transfers import Transfers
from streembit.service.people_events import ContactChanged, Notice
from streembit.service.people_rows import ContactRow
from streembit.service.relay.hubs import Hubs

ENDED: Final = "contact-ended"


class Circle:
    """Knows who is refused and who has ended it, and shows contacts as they are now."""

    def __init__(
        self,
        network: Network,
        hubs: Hubs,
        held: Holdings,
        transfers: Transfers,
        presence: Presences,
    ) -> None:
        self._network, self._hubs, self._transfers = network, hubs, transfers
        self._register, self._friends, self._talks = held.register, held.friends, held.talks
        self._presence, self._refused, self._feed = presence, held.refused, held.feed
        self._over: set[PublicKey] = set()  # contacts who have ended it

    # --- what the node asks
    def is_former(self, key: PublicKey) -> bool:
        """Tell whether somebody in the book had this key, and has another one now."""
        return self._register.book.successor(key) is not None

    def is_refused(self, key: PublicKey) -> bool:
        """Tell whether a key's owner was removed or blocked, or declared the key void.

        Who has another key now may link by the old one, as strangers may: to say that it was
        stolen.
        """
        entry = self._register.book.get(key) or self._register.book.successor(key)
        if entry is None or not entry.is_refused:
            return False
        return not (entry.state == "removed" and self._may_come_back(entry))

    # --- what the user sees
    def row(self, entry: Entry) -> ContactRow:
        """Return the row of somebody in the book."""
        key = entry.public()
        friend = self._friends.get(key)
        peer = self._network.roster.get(key) if friend is not None else None
        return contact_row(
            entry,
            friend.talk.conversation if friend is not None else None,
            self._presence.of(key),
            via=self._via(peer),
            heard_s=peer.heard_s if peer is not None else 0.0,
            told=told(entry, self._register.settings),
            ended=key in self._over,
            why=self._refused.code(key),
        )

    def tell(self, entry: Entry) -> None:
        """Tell of somebody who is known otherwise than before."""
        self._feed.tell(ContactChanged(self.row(entry)))

    def changed(self, key: PublicKey) -> None:
        """Tell of somebody in the book with whom it stands otherwise than before."""
        self.tell(self._register.book.of(key))

    # --- what contacts do
    def ended(self, friend: Friend) -> None:
        """Note that a contact ended it: nothing more can be said, the user decides the rest."""
        if self._friends.get(friend.key) is not friend or friend.key in self._over:
            return
        self._over.add(friend.key)
        entry = self._register.book.of(friend.key)
        self._feed.tell(Notice(ENDED, f"{entry.name} has ended the contact"))
        friend.talk.end()
        self._talks.settle()
        self._transfers.forget(friend.name, ENDED)
        self.tell(entry)

    def is_ended(self, key: PublicKey) -> bool:
        """Tell whether a contact has ended it, as far as we heard since our start."""
        return key in self._over

    def goes_on(self, friend: Friend) -> None:
        """Note that a contact speaks to us as one: an end is told again if there is another."""
        if friend.key in self._over:
            self._over.discard(friend.key)
            self.changed(friend.key)

    def forget(self, key: PublicKey) -> None:
        """Forget that somebody has ended it, for we have."""
        self._over.discard(key)

    # --- how
    def _via(self, peer: Peer | None) -> str:
        """Return "" without a link, "direct", or "hub " with the name of the hub."""
        if peer is None:
            return ""
        hub = self._hubs.named(peer.carrier.host)
        return f"hub {hub}" if hub else "direct"

    def _may_come_back(self, entry: Entry) -> bool:
        """Tell whether who was removed may knock: with an offer that was made after that."""
        if entry.alarm == "revoked":
            return False
        now_s = int(self._network.now_s())
        return self._register.invitations.is_open("", entry.ended_s, now_s)
