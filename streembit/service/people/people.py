"""The people of one account: links, cards, parcels, conversations and contacts, joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final, cast

from msgspec.structs import replace
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred

from streembit.chat.conversation import Conversation
from streembit.chat.events import Event, Outgoing
from streembit.contacts.entry import Entry
from streembit.contacts.generations import EVERY_S as RENEW_EVERY_S
from streembit.disk.noted import NOTES
from streembit.errors import KeyRefused, RateLimited, StreembitError
from streembit.jose import base64url
from streembit.jose.keys import PublicKey
from streembit.net.budget import Buckets, Rate
from streembit.net.relayed import is_hub_host
from streembit.net.tcp import LinkProtocol
from streembit.rpc.peer import Peer
from streembit.service.feed import Feed
from streembit.service.node import Node
from streembit.service.people import figures, standing
from streembit.service.people.acquaintance import Acquaintance
from streembit.service.people.athubs import AtHubs
from streembit.service.people.cards import Cards
from streembit.service.people.chest import Chest
from streembit.service.people.circle import Circle
from streembit.service.people.discretion import Discretion, told
from streembit.service.people.drops import Drops
from streembit.service.people.farewell import Farewell
from streembit.service.people.following import Following
from streembit.service.people.friend import Friend
from streembit.service.people.knocks import Knocks
from streembit.service.people.lane import Disk
from streembit.service.people.links import Links
from streembit.service.people.listed import Listed
from streembit.service.people.news import News
from streembit.service.people.pace import Pace
from streembit.service.people.post import Post
from streembit.service.people.presence import Presences
from streembit.service.people.reading import Reading
from streembit.service.people.renewals import Renewals
from streembit.service.people.sealed import Sealed
from streembit.service.people.showing import Showing
from streembit.service.people.shown import contact_row
from streembit.service.people.signals import Signals
from streembit.service.people.succession import Succession
from streembit.service.people.talk import Talk
from streembit.service.people.talks import Talks
from streembit.service.people.transfers import Transfers
from streembit.service.people.way import DirectWay
from streembit.service.people_rows import ContactRow, PeopleStatus, TransferRow
from streembit.service.upkeep import Upkeep, as_deferred
from streembit.service.whois import Whois
from streembit.wire.message import Answer, Hand, Handed, Knock, Knocked, Show, Shown, Signal
from streembit.wire.offer import Address

SHOWS: Final = Rate(per_s=0.5, burst=20.0)  # cards of one contact; honest ones come once an hour
LETTERS: Final = Rate(per_s=0.05, burst=10.0)  # of one key; an honest one comes once a link
EXPIRE_EVERY_S: Final = 3600.0


class People(MultiService):
    """All that is between an account and its contacts; it starts and stops with the node.

    Args:
        node: the account's node; this becomes its company.
        chest: where everything is kept.
        disk: does what waits for the disk.
        downloads: the folder for incoming files, unless the user says otherwise.
        random: chance; nothing secret is drawn from it.
        renew_s: how long an agreement key is in use.
    """

    def __init__(
        self,
        node: Node,
        chest: Chest,
        disk: Disk,
        downloads: Path,
        random: Random,
        renew_s: float = RENEW_EVERY_S,
    ) -> None:
        super().__init__()
        self.setName("people")
        self.node, self.network, self.chest = node, node.network, chest
        self.random = random
        self.friends: dict[PublicKey, Friend] = {}
        self.whois = Whois(node.network, node.dht.finder)
        self.pace = Pace(node.clock, lambda: node.network.requests)
        self.sealed = Sealed(node.network, node.dht.finder, node.dht.deposit, self.pace)
        self.talks = Talks(chest, node.clock, self)
        self.links = Links(node.network, node.hubs, self, random.random)
        self.cards = Cards(node.network, self.sealed, chest, Reading(self), random.random)
        self.drops = Drops(node.network, self.sealed, random.random)
        self.post = Post(self, random.random)
        self.at_hubs = AtHubs(self)
        self.listed = Listed(self)
        self.feed = Feed(node.clock, random.getrandbits(32))
        self.presence = Presences(self)
        self.discretion = Discretion(self)
        self.farewell = Farewell(self)
        self.acquaintance = Acquaintance(self)
        self.renewals = Renewals(self, renew_s)
        self.showing = Showing(self)
        self.circle = Circle(self)
        self.knocks = Knocks(self)
        self.following = Following(self)
        self.succession = Succession(self)
        self.news = News(self)
        self.signals = Signals(self.network, self.feed, self.links.seek, self.is_contact)
        folder = Path(self.circle.register.settings.downloads or downloads)
        self.transfers = Transfers(
            chest,
            node.clock,
            disk,
            folder,
            self.news.say_of_files,
            self.news.transferred,
            self._file_link,
            downloads.with_name(NOTES),
        )
        self.transfers.setServiceParent(self)
        expiry = Upkeep(
            "requests",
            node.clock,
            EXPIRE_EVERY_S,
            self.circle.expire,
            random.random,
            jitter_s=EXPIRE_EVERY_S / 10,
        )
        for upkeep in (
            expiry,
            self.showing.upkeep(),
            self.renewals.upkeep(),
            self.listed.upkeep(),
        ):
            upkeep.setServiceParent(self)
        self._shows, self._letters = Buckets(SHOWS), Buckets(LETTERS)
        figures.show(self, node.metrics)
        node.company = self
        node.hubs.user = self.at_hubs

    # --- the service
    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Take up all contacts; raise ChestDamaged where what is kept is not sound."""
        self.showing.start()
        self.circle.start()
        super().startService()
        self.news.catch_up()
        self.knocks.start()
        self.succession.start()

    def stopService(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Keep what has happened, and do nothing more."""
        stopped = as_deferred(super().stopService())
        self.drops.close()
        self.post.close()
        self.at_hubs.close()
        self.cards.close()
        self.links.close()
        self.pace.close()
        self.farewell.close()
        self.succession.close()
        self.presence.close()
        self.showing.close()
        self.feed.stop()
        self.talks.close()
        return stopped

    # --- contacts that come and go; the circle decides
    def befriend(self, entry: Entry) -> Friend:
        """Talk with a contact from now on."""
        key = entry.public()
        known = self.friends.get(key)
        if known is not None and self.acquaintance.is_same(known, entry):
            self.renewals.refresh(known)
            self.circle.goes_on(known)
            return known
        self.unfriend(key)
        self.farewell.stop(key)
        friend = self.friends[key] = self.acquaintance.friend(entry)
        self.cards.add(friend)
        self.drops.add(friend)
        self.post.add(friend)
        self.at_hubs.changed()
        self.links.want(key)
        if (peer := self.network.roster.get(key)) is not None:
            self._meet(friend, peer)
        return friend

    def unfriend(self, key: PublicKey) -> Friend | None:
        """Talk with somebody no longer; what is kept of the talk stays."""
        friend = self.friends.pop(key, None)
        if friend is not None:
            self.links.unwant(key)
            self.cards.drop(key)
            self.drops.drop(key)
            self.post.drop(friend)
            self.at_hubs.changed()
            self.talks.drop(key)
        return friend

    def conversation(self, key: PublicKey) -> Conversation | None:
        """Return the conversation with somebody, also one that has ended; None if none began."""
        friend = self.friends.get(key)
        if friend is not None:
            return friend.talk.conversation
        entry = self.circle.book.get(key)
        return (
            self.acquaintance.stranger(entry).talk.conversation
            if entry and entry.agreement
            else None
        )

    def contact_row(self, entry: Entry) -> ContactRow:
        """Return the row of somebody in the book."""
        key = entry.public()
        friend = self.friends.get(key)
        peer = self.network.roster.get(key) if friend is not None else None
        return contact_row(
            entry,
            friend.talk.conversation if friend is not None else None,
            self.presence.of(key),
            via=self._via(peer),
            heard_s=peer.heard_s if peer is not None else 0.0,
            told=told(entry, self.circle.register.settings),
            ended=self.circle.is_ended(key),
            why=self.knocks.refusal(key),
        )

    def named(self, name: str) -> Friend | None:
        """Return the contact whose rows are known by this name."""
        return next((each for each in self.friends.values() if each.name == name), None)

    def transfer_row(self, row: TransferRow) -> TransferRow:
        """Return the row of a transfer with the key that the contact has now."""
        friend = self.named(row.contact)
        return row if friend is None else replace(row, contact=friend.key.hex)

    def show(self, key: PublicKey) -> None:
        """Show a contact our newest card, if there is a link."""
        self.showing.show(key)

    def show_all(self) -> None:
        """Show all who have a link our newest card."""
        self.showing.show_all()

    # --- Company
    def is_contact(self, key: PublicKey) -> bool:
        """Tell whether the holder of a key is a contact."""
        return key in self.friends

    def is_refused(self, key: PublicKey) -> bool:
        """Tell whether nothing is taken from a key."""
        return self.circle.is_refused(key)

    def contact_with(self, test: Callable[[PublicKey], bool]) -> PublicKey | None:
        """Return the contact whose key passes a test."""
        return next(filter(test, self.friends), None)

    def linked(self, peer: Peer) -> None:
        """Go on with somebody over a link."""
        self.links.opened(peer.key)
        friend = self.friends.get(peer.key)
        if friend is not None:
            self._meet(friend, peer)
        self.knocks.linked(peer)

    def unlinked(self, peer: Peer, reason: StreembitError) -> None:
        """Go on without a link."""
        friend = self.friends.get(peer.key)
        if friend is not None:
            self.transfers.link_gone(friend.name)
            friend.talk.closed(reason.code)
            self.presence.unlinked(friend.key)
            self.circle.left(friend.key)
            self.showing.unlinked(friend.key)
        self.links.lost(peer.key)

    def frame(self, peer: Peer, payload: bytes) -> bool:
        """Take bytes of a contact's files."""
        friend = self.friends.get(peer.key)
        if friend is None:
            return False
        self.transfers.payload(friend.name, _link(peer), payload)
        return True

    def hand(self, peer: Peer, body: Hand) -> Deferred[Answer]:
        """Take a parcel; answer when what it changed is kept."""
        friend = self._friend(peer)
        heard = friend.talk.hear(base64url.decode(body.parcel))
        return heard.addCallback(self._answer, peer)

    def shown(self, peer: Peer, body: Show) -> Answer:
        """Take a contact's newest card; of one under a former key, what it says of that key.

        Raises:
            KeyRefused, RateLimited
        """
        friend = self.friends.get(peer.key)
        if friend is None and not self.circle.is_former(peer.key):
            raise KeyRefused("not a contact")
        self._charge(self._shows, peer)
        if friend is None:
            self.following.stated_by_former(peer.key, body.card)
            raise KeyRefused("a contact's former key")
        self.cards.take(friend, body.card)
        return Shown()

    def knock(self, peer: Peer, body: Knock) -> Answer:
        """Take a letter of somebody who wants to be a contact, or says what was decided.

        Raises:
            RateLimited: too many of this key; and what `Knocks.knock` raises.
        """
        self._charge(self._letters, peer)
        self.knocks.knock(peer, body.letter)
        return Knocked()

    def signal(self, peer: Peer, body: Signal) -> Answer:
        """Tell our programs what a contact's says of a call; raise KeyRefused, RateLimited."""
        return self.signals.take(peer, body)

    def has_told(self) -> bool:
        """Tell whether the network has a card for each contact."""
        return self.cards.is_told

    def standing(self) -> PeopleStatus:
        """Return the figures of the people."""
        return standing.of(self)

    # --- Whereabouts
    def known(self, key: PublicKey) -> Sequence[Address]:
        """Return where somebody was last."""
        return self.circle.addresses(key)

    async def look(self, key: PublicKey) -> Sequence[Address]:
        """Read somebody's card, and return where it says that they are."""
        friend = self.friends.get(key)
        if friend is None:
            await self.circle.look(key)
        elif not await self.cards.look(friend):
            await self.renewals.seek(friend)
        return self.circle.addresses(key)

    def away(self, key: PublicKey, why: str) -> None:
        """Leave in the network what waits for a contact."""
        friend = self.friends.get(key)
        if friend is not None:
            friend.talk.unreachable(why)

    # --- where we are
    def joined(self) -> bool:
        """Tell whether the node is in the network."""
        return self.node.dht.membership.joined

    def addresses(self) -> list[Address]:
        """Return where we are to be reached, the best first."""
        return self.showing.addresses()

    # --- Carriers
    def leave(self, talk: Talk, outgoing: Outgoing) -> None:
        """Put a parcel into the network."""
        if talk.contact in self.friends:
            self.drops.leave(talk, outgoing)
            self.post.leave(talk, outgoing)

    def announce(self, talk: Talk) -> None:
        """Tell the contact in its card what waits in the network."""
        friend = self.friends.get(talk.contact)
        if friend is not None:
            self.drops.tidy(friend)
            self.cards.changed(friend.key)

    def seek(self, talk: Talk) -> None:
        """Look for the contact."""
        self.links.seek(talk.contact)

    def tell(self, talk: Talk, events: list[Event]) -> None:
        """Pass on what happened in a conversation."""
        self.news.tell(talk, events)

    # --- how
    def _via(self, peer: Peer | None) -> str:
        """Return "" without a link, "direct", or "hub " with the name of the hub."""
        if peer is None:
            return ""
        hub = self.node.hubs.named(peer.carrier.host)
        return f"hub {hub}" if hub else "direct"

    def _file_link(self, name: str) -> LinkProtocol | None:
        friend = self.named(name)
        peer = None if friend is None else self.network.roster.get(friend.key)
        return None if peer is None else _link(peer)

    def _charge(self, buckets: Buckets, peer: Peer) -> None:
        """Take one of a peer's tokens, since a commit may follow; raise RateLimited."""
        if not buckets.of(peer.key).take(self.node.clock.seconds()):
            raise RateLimited("of this key")

    def _answer(self, code: str, peer: Peer) -> Answer:
        """Return the answer to a parcel; one that was not taken is counted as refused."""
        if code:
            self.node.refusals.refuse(code, peer.carrier.host)
        return Handed(code)

    def _friend(self, peer: Peer) -> Friend:
        friend = self.friends.get(peer.key)
        if friend is None:
            raise KeyRefused("not a contact")
        return friend

    def _meet(self, friend: Friend, peer: Peer) -> None:
        """Go on with a contact over its first link, or move its files to one that took over."""
        self.circle.seen(peer)
        if not friend.talk.is_open:
            self.showing.show_to(friend)
            friend.talk.opened(DirectWay(self.network, friend.key))
            self.presence.linked(friend.talk)
        elif self._takes_another_way(peer):
            self.circle.changed(self.circle.book.of(friend.key))
        if (used := self.network.roster.get(friend.key)) is not None:
            self.transfers.link_open(friend.name, _link(used))

    def _takes_another_way(self, peer: Peer) -> bool:
        """Tell whether a link took over from one that goes through a hub, or the other way."""
        roster, by_hub = self.network.roster, is_hub_host(peer.carrier.host)
        ways = {is_hub_host(p.carrier.host) for p in roster.conversations() if p.key == peer.key}
        return roster.get(peer.key) is peer and (not by_hub) in ways


def _link(peer: Peer) -> LinkProtocol:
    """Return the link of a conversation: in a node each has one."""
    return cast("LinkProtocol", peer.carrier)
