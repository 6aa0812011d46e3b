"""The circle of an account: who belongs to it, what is known of them, and how it ends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from streembit.contacts import offer as offers
from streembit.contacts.book import Book
from streembit.contacts.entry import Entry
from streembit.contacts.invitations import Invitation
from streembit.contacts.offer import NONCE_BYTES, Offer
from streembit.dht.keyspace import node_id
from streembit.errors import DiskFailed, DiskFull, KeyRefused
from streembit.jose.keys import PublicKey
from streembit.net.relayed import is_hub_host
from streembit.rpc.peer import Peer
from streembit.service.finder import Search
from streembit.service.people.friend import Friend, name_of
from streembit.service.people.register import Register
from streembit.service.people_events import ContactChanged, Notice
from streembit.service.people_rows import OfferRow
from streembit.wire.content import Goodbye
from streembit.wire.offer import Address

if TYPE_CHECKING:
    from streembit.service.people.people import People

RENEWED: Final = "sessions-renewed"
RENEWED_TEXT: Final = (
    "what is kept here is older than what was said since: all conversations begin with new keys"
)
ENDED: Final = "contact-ended"
UNANSWERED: Final = "request-unanswered"
DENIED: Final = "request-denied"

_log = Logger()


class Circle:
    """Contacts, from the user's side: each change is kept before anything follows from it."""

    def __init__(self, people: People) -> None:
        self._people = people
        self.register = Register(people.chest, people.talks.settle)
        self._renewed = False
        self._over: set[PublicKey] = set()  # contacts who have ended it

    @property
    def book(self) -> Book:
        """The book, as it is kept."""
        return self.register.book

    def start(self) -> None:
        """Take up all contacts."""
        for entry in self.book:
            if entry.is_usable and entry.agreement:
                self._people.befriend(entry)
            elif entry.state == "removed":
                self._people.farewell.go_on(entry)
        if self._people.chest.restored:
            self.start_anew()
        for peer in self._people.network.roster.conversations():
            if self.is_refused(peer.key):
                peer.close(KeyRefused())

    # --- what the node asks
    def is_former(self, key: PublicKey) -> bool:
        """Tell whether somebody in the book had this key, and has another one now."""
        return self.book.successor(key) is not None

    def is_refused(self, key: PublicKey) -> bool:
        """Tell whether a key's owner was removed or blocked, or declared the key void.

        Who has another key now may link by the old one, as strangers may: to say that it was
        stolen.
        """
        entry = self.book.get(key) or self.book.successor(key)
        if entry is None or not entry.is_refused:
            return False
        return not (entry.state == "removed" and self._may_come_back(entry))

    def addresses(self, key: PublicKey) -> Sequence[Address]:
        """Return where somebody was last."""
        entry = self.book.get(key)
        return entry.addresses if entry is not None else ()

    async def look(self, key: PublicKey) -> None:
        """Look on the network for a node with this key."""
        target = node_id(key.point)

        async def nodes() -> Search:
            return await self._people.node.dht.finder.nodes(target)

        search = await self._people.pace.run(nodes, urgent=True)
        for node in search.found.nodes if search.found is not None else ():
            entry = self.book.get(key)
            if node.contact.key == key.text and entry is not None:
                address = Address(node.contact.host, node.contact.port)
                self.book.set_addresses(key, [address, *entry.addresses])
                self.register.keep()

    def seen(self, peer: Peer) -> None:
        """Note that a contact is there, and where it can be dialled, or by which hub."""
        host, port = peer.carrier.host, peer.hello.port
        if is_hub_host(host):
            address = self._people.node.hubs.address_of(host)
        else:
            address = Address(host, port) if port else None
        self.book.seen(peer.key, self._now(), address)
        self._keep_if_possible()

    def left(self, key: PublicKey) -> None:
        """Note that a contact was there until now."""
        self.book.seen(key, self._now(), exact=True)
        self._keep_if_possible()

    def moved(self, friend: Friend, addresses: list[Address]) -> None:
        """Take where a contact says to be; the last address that worked is kept behind it."""
        entry = self.book.get(friend.key)
        if entry is not None and addresses:
            others = [each for each in entry.addresses if each not in addresses]
            self.book.set_addresses(friend.key, [*addresses, *others])
            self._keep_if_possible()
            if set(addresses) - set(entry.addresses):
                self._people.links.moved(friend.key)
                self._people.post.moved(friend)
                self._people.at_hubs.changed()

    # --- what the user does
    def invite(self, life_s: int, once: bool, note: str) -> tuple[OfferRow, Offer]:
        """Make an offer; raise BadName, TooManyOffers, KeyRevoked."""
        self._people.succession.check_valid()
        node = self._people.node
        place = self._people.showing.best_address()
        made = offers.make(
            self._people.renewals.newest,
            network=node.settings.network,
            now_unix_s=self._now(),
            life_s=life_s,
            nonce=os.urandom(NONCE_BYTES),
            host=place.host if place else "",
            port=place.port if place else 0,
            transport=place.transport if place else "tcp",
            hub=place.hub if place else "",
            once=once,
            note=note,
        )
        invitation = self.register.invitations.add(made, self._now())
        self.register.keep()
        return _offer_row(invitation), made

    def invitations(self) -> list[OfferRow]:
        """Return our offers that are not over, newest first."""
        return [_offer_row(each) for each in self.register.invitations.valid(self._now())]

    def revoke_invitation(self, nonce: str) -> OfferRow:
        """Take an offer back; raise NotFound."""
        revoked = self.register.invitations.revoke(nonce)
        self.register.keep()
        return _offer_row(revoked)

    def withdraw(self) -> None:
        """Take all offers back, and ask nobody any more: our own key is void."""
        register = self.register
        for invitation in register.invitations.valid(self._now()):
            register.invitations.revoke(invitation.nonce)
        asked = [PublicKey.parse(each.key) for each in register.requests.asked()]
        waiting = [PublicKey.parse(each.key) for each in register.requests.waiting()]
        for key in (*asked, *waiting):
            register.requests.withdraw(key)
        # Who has ended it may be asked again, and is in the book all the while.
        gone = [key for key in asked if self.book.of(key).state == "asked"]
        for key in gone:
            self.book.forget(key)
        register.keep()
        for key in gone:
            self._people.links.unwant(key)

    def rename(self, key: PublicKey, name: str) -> Entry:
        """Call a contact otherwise; raise NameTaken, BadName."""
        return self._kept(self.book.rename(key, name))

    def verify(self, key: PublicKey, proof: str) -> Entry:
        """Mark a key as compared; raise FingerprintDiffers."""
        entry = self._kept(self.book.verify(key, proof))
        if entry.is_usable and key not in self._people.friends:
            self._people.befriend(entry)
        return entry

    def restore(self, key: PublicKey, proof: str) -> Entry:
        """Let a contact go back to a key that it had, as its owner told it; refuse later ones.

        Raises:
            FingerprintDiffers, KeyRevoked, BadName, SecretWords
        """
        former = self.book.former(key, proof)
        agreement = self._people.following.agreement_of(former)
        entry = self.book.restore(key, proof, agreement, self._now())
        self.register.keep()
        self.dismiss(key)
        self._people.succession.silence(key)
        if entry.is_usable:
            self._people.befriend(entry)
        elif entry.state == "asked":
            self._people.knocks.ask_again(entry)
        self.changed(entry)
        return entry

    def remove(self, key: PublicKey) -> Entry:
        """End a contact: tell it, refuse its key, delete what lies in the network for it."""
        friend = self._people.friends.get(key)
        if friend is not None:
            friend.talk.say(Goodbye())
            self._people.talks.settle()
            friend.talk.end()
        entry = self.book.remove(key, self._now())
        self.register.requests.withdraw(key)
        rows = [] if friend is None else self._people.farewell.begin(entry)
        self.register.keep(*rows)
        self.dismiss(key)
        self._people.succession.silence(key)
        self._people.transfers.forget(name_of(entry))
        if friend is not None:
            self._people.farewell.go_on(entry)
        self.changed(entry)
        return entry

    def block(self, key: PublicKey) -> Entry:
        """Refuse a key without telling its owner."""
        entry = self.book.block(key, self._now())
        self.register.requests.withdraw(key)
        self.register.keep()
        self.dismiss(key)
        self._people.succession.silence(key)
        self._people.transfers.forget(name_of(entry))
        self.changed(entry)
        return entry

    def unblock(self, key: PublicKey) -> Entry:
        """Take a blocked contact back."""
        entry = self._kept(self.book.unblock(key))
        if entry.is_usable:
            self._people.befriend(entry)
        return entry

    # --- what contacts do
    def ended(self, friend: Friend) -> None:
        """Note that a contact ended it: nothing more can be said, the user decides the rest."""
        if self._people.friends.get(friend.key) is not friend or friend.key in self._over:
            return
        self._over.add(friend.key)
        entry = self.book.of(friend.key)
        text = f"{entry.name} has ended the contact"
        self._people.feed.tell(Notice(ENDED, text))
        friend.talk.end()
        self._people.talks.settle()
        self._people.transfers.forget(friend.name, ENDED)
        self.changed(entry)

    def is_ended(self, key: PublicKey) -> bool:
        """Tell whether a contact has ended it, as far as we heard since our start."""
        return key in self._over

    def goes_on(self, friend: Friend) -> None:
        """Note that a contact speaks to us as one: an end is told again if there is another."""
        if friend.key in self._over:
            self._over.discard(friend.key)
            self.changed(self.book.of(friend.key))

    def denied(self, entry: Entry) -> None:
        """Note that somebody does not want to be a contact."""
        self._people.feed.tell(Notice(DENIED, f"{entry.name} does not want to be a contact"))

    def expire(self) -> None:
        """End offers and requests that are over; give up on those who never answered."""
        self.register.invitations.expire(self._now())
        overdue = self.register.requests.expire(self._now())
        silent = [self.book.get(PublicKey.parse(asked.key)) for asked in overdue.asked]
        given_up = [entry for entry in silent if entry is not None and entry.state == "asked"]
        for entry in given_up:
            self.book.forget(entry.public())
        self.register.keep()
        for entry in given_up:
            self._people.links.unwant(entry.public())
            self._people.feed.tell(Notice(UNANSWERED, f"{entry.name} has not answered"))

    # --- an older state
    def start_anew(self) -> None:
        """Use no key any more that a newer state has used, and tell the user; once a run."""
        if self._renewed:
            return
        self._renewed = True
        self._people.renewals.renew()  # the one that is kept here may be one before the newest
        for friend in self._people.friends.values():
            friend.talk.start_anew()
        self._people.talks.settle()
        self._people.chest.renew(self._people.cards.start_anew())
        self._people.cards.changed()
        _log.warn("all conversations begin with new keys: what is kept is older than what was said")
        self._people.feed.tell(Notice(RENEWED, RENEWED_TEXT))

    # --- what others of the people need
    def dismiss(self, key: PublicKey) -> None:
        """Have nothing to do with a key any more: no talk, no search, no link."""
        self._over.discard(key)
        self._people.unfriend(key)
        self._people.links.unwant(key)
        for peer in self._people.network.roster.conversations():
            if peer.key == key:
                peer.close(KeyRefused())

    def changed(self, entry: Entry) -> None:
        """Tell of somebody who is known otherwise than before."""
        self._people.feed.tell(ContactChanged(self._people.contact_row(entry)))

    # --- how
    def _may_come_back(self, entry: Entry) -> bool:
        """Tell whether who was removed may knock: with an offer that was made after that."""
        if entry.alarm == "revoked":
            return False
        return self.register.invitations.is_open("", entry.ended_s, self._now())

    def _keep_if_possible(self) -> None:
        """Keep what is worth little: a disk that fails now costs no more than that."""
        try:
            self.register.keep()
        except (DiskFull, DiskFailed) as error:
            _log.warn("not kept when and where contacts were seen: {error}", error=str(error))

    def _kept(self, entry: Entry) -> Entry:
        self.register.keep()
        self.changed(entry)
        return entry

    def _now(self) -> int:
        return int(self._people.network.now_s())


def _offer_row(each: Invitation) -> OfferRow:
    return OfferRow(
        each.nonce, each.created_s, each.expires_s, each.once, each.note, len(each.by), each.revoked
    )
