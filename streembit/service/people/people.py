"""The people of one account: links, cards, parcels, conversations and contacts, joined."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, cast

from msgspec.structs import replace
from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.chat.agreement import Contact
from streembit.chat.conversation import Conversation
from streembit.chat.events import Event, Outgoing
from streembit.contacts.entry import Entry
from streembit.contacts.pair import Pair
from streembit.errors import BadToken, KeyRefused, RateLimited, StreembitError
from streembit.jose import base64url
from streembit.jose.keys import PublicKey
from streembit.net.budget import Buckets, Rate
from streembit.net.tcp import LinkProtocol
from streembit.rpc.peer import Peer
from streembit.service.feed import Feed
from streembit.service.node import Node
from streembit.service.people import figures, standing
from streembit.service.people.cards import Cards, prekeys_of
from streembit.service.people.chest import Chest
from streembit.service.people.circle import Circle
from streembit.service.people.diary import Diary
from streembit.service.people.discretion import Discretion, told
from streembit.service.people.drops import Drops
from streembit.service.people.farewell import Farewell
from streembit.service.people.friend import Friend, name_of
from streembit.service.people.knocks import Knocks
from streembit.service.people.lane import Disk
from streembit.service.people.links import Links
from streembit.service.people.news import News
from streembit.service.people.pace import Pace
from streembit.service.people.presence import Presences
from streembit.service.people.sealed import Sealed
from streembit.service.people.shown import contact_row
from streembit.service.people.succession import Succession
from streembit.service.people.talks import Talk, Talks
from streembit.service.people.transfers import Transfers
from streembit.service.people.way import DirectWay
from streembit.service.people_rows import ContactRow, PeopleStatus, TransferRow
from streembit.service.upkeep import Upkeep, as_deferred
from streembit.service.whois import Whois
from streembit.wire.card import Card
from streembit.wire.message import Answer, Hand, Handed, Knock, Knocked, Show, Shown
from streembit.wire.offer import MAX_ADDRESSES, Address

PAIRS: Final = "pairs"  # the room of the keys that each conversation goes on under
SHOWS: Final = Rate(per_s=0.5, burst=20.0)  # cards of one contact; honest ones come once an hour
LETTERS: Final = Rate(per_s=0.05, burst=10.0)  # of one key; an honest one comes once a link
EXPIRE_EVERY_S: Final = 3600.0
SHOW_AGAIN_S: Final = (1.0, 4.0, 16.0, 60.0)  # a link can end with our card on its way
MOVED_EVERY_S: Final = 5.0  # how soon contacts hear that our address has changed

_log = Logger()


class People(MultiService):
    """All that is between an account and its contacts; it starts and stops with the node.

    Args:
        node: the account's node; this becomes its company.
        chest: where everything is kept.
        disk: does what waits for the disk.
        downloads: the folder for incoming files, unless the user says otherwise.
        random: chance; nothing secret is drawn from it.
    """

    def __init__(
        self, node: Node, chest: Chest, disk: Disk, downloads: Path, random: Random
    ) -> None:
        super().__init__()
        self.setName("people")
        self.node, self.network, self.chest = node, node.network, chest
        self.random = random
        self.friends: dict[PublicKey, Friend] = {}
        self.whois = Whois(node.network, node.finder)
        self.pace = Pace(node.clock, lambda: node.network.requests)
        self.sealed = Sealed(node.network, node.finder, node.deposit, self.pace)
        self.talks = Talks(chest, node.clock, self)
        self.links = Links(node.network, self, random.random)
        self.cards = Cards(node.network, self.sealed, chest, self, random.random)
        self.drops = Drops(node.network, self.sealed, random.random)
        self.feed = Feed(node.clock, random.getrandbits(32))
        self.presence = Presences(self)
        self.discretion = Discretion(self)
        self.farewell = Farewell(self)
        self.circle = Circle(self)
        self.knocks = Knocks(self)
        self.succession = Succession(self)
        self.news = News(self)
        folder = Path(self.circle.register.settings.downloads or downloads)
        self.transfers = Transfers(
            chest,
            node.clock,
            disk,
            folder,
            self.news.say_of_files,
            self.news.transferred,
            self._file_link,
        )
        self.transfers.setServiceParent(self)
        self._told_addresses: list[Address] = []
        self._moved = Upkeep(
            "addresses", node.clock, MOVED_EVERY_S, self._look_at_addresses, random.random
        )
        self._moved.setServiceParent(self)
        expiry = Upkeep(
            "requests",
            node.clock,
            EXPIRE_EVERY_S,
            self.circle.expire,
            random.random,
            jitter_s=EXPIRE_EVERY_S / 10,
        )
        expiry.setServiceParent(self)
        self._shows, self._letters = Buckets(SHOWS), Buckets(LETTERS)
        self._shown_in_vain: dict[PublicKey, int] = {}
        self._to_show = Diary(node.clock, self.show)
        figures.show(self, node.metrics)
        node.company = self

    # --- the service
    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Take up all contacts; raise ChestDamaged where what is kept is not sound."""
        self._told_addresses = self.addresses()
        self.circle.start()
        super().startService()
        self.news.catch_up()
        self.knocks.start()
        self.succession.start()

    def stopService(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Keep what has happened, and do nothing more."""
        stopped = as_deferred(super().stopService())
        self.drops.close()
        self.cards.close()
        self.links.close()
        self.pace.close()
        self.farewell.close()
        self.succession.close()
        self.presence.close()
        self._to_show.close()
        self.feed.stop()
        self.talks.close()
        return stopped

    # --- contacts that come and go; the circle decides
    def befriend(self, entry: Entry) -> Friend:
        """Talk with a contact from now on."""
        key, agreement = entry.public(), PublicKey.parse(entry.agreement)
        known = self.friends.get(key)
        if known is not None and known.agreement == agreement:
            self.circle.goes_on(known)
            return known
        self.unfriend(key)
        self.farewell.stop(key)
        name = name_of(entry)
        talk = self.talks.add(key, partial(self._conversation, name, key, agreement))
        friend = self.friends[key] = self._friend_of(name, key, agreement, talk)
        self._check_keys(friend)
        self.cards.add(friend)
        self.drops.add(friend)
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
            self.talks.drop(key)
        return friend

    def stranger(self, entry: Entry) -> Friend:
        """Return somebody who is no contact any more, with what is left of the talk."""
        key, agreement = entry.public(), PublicKey.parse(entry.agreement)
        name = name_of(entry)
        talk = Talk(self.talks, key, partial(self._conversation, name, key, agreement))
        return self._friend_of(name, key, agreement, talk)

    def conversation(self, key: PublicKey) -> Conversation | None:
        """Return the conversation with somebody, also one that has ended; None if none began."""
        friend = self.friends.get(key)
        if friend is not None:
            return friend.talk.conversation
        entry = self.circle.book.get(key)
        return self.stranger(entry).talk.conversation if entry and entry.agreement else None

    def contact_row(self, entry: Entry) -> ContactRow:
        """Return the row of somebody in the book."""
        key = entry.public()
        friend = self.friends.get(key)
        return contact_row(
            entry,
            friend.talk.conversation if friend is not None else None,
            self.presence.of(key),
            linked=key.text in self.network.roster,
            told=told(entry, self.circle.register.settings),
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
        friend = self.friends.get(key)
        if friend is not None and friend.talk.is_open:
            self._show(friend)

    # --- Company
    def is_contact(self, key: PublicKey) -> bool:
        """Tell whether the holder of a key is a contact."""
        return key in self.friends

    def is_refused(self, key: PublicKey) -> bool:
        """Tell whether nothing is taken from a key."""
        return self.circle.is_refused(key)

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
            self._shown_in_vain.pop(friend.key, None)
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
            self.succession.stated_by_former(peer.key, body.card.rotation)
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
        if friend is not None:
            await self.cards.look(friend)
        else:
            await self.circle.look(key)
        return self.circle.addresses(key)

    def away(self, key: PublicKey, why: str) -> None:
        """Leave in the network what waits for a contact."""
        friend = self.friends.get(key)
        if friend is not None:
            friend.talk.unreachable(why)

    # --- Readers
    def joined(self) -> bool:
        """Tell whether the node is in the network."""
        return self.node.membership.joined

    def addresses(self) -> list[Address]:
        """Return where we are to be reached: as others see us, then as we know it ourselves."""
        reachability = self.node.reachability
        texts = [reachability.mapped, reachability.observed, *self.node.listening]
        found = [each for text in texts if (each := address_of(text)) is not None]
        return list(dict.fromkeys(found))[:MAX_ADDRESSES]

    def rotation(self) -> str:
        """Return the statement that we have another key."""
        return self.succession.statement

    def stated(self, friend: Friend, statement: str) -> None:
        """Take what a contact says of its key."""
        self.succession.read(friend.key, statement)

    def read(self, friend: Friend, card: Card) -> None:
        """Take what a contact's card says."""
        self.circle.moved(friend, card.addresses)
        bundle = prekeys_of(card)
        if bundle:
            friend.talk.learn(bundle).addErrback(_left_to_the_next)
        friend.talk.conversation.taking.announced(card.first, card.last)
        friend.talk.touch()
        self.drops.fetch(friend.key)
        if card.removed:
            self.circle.ended(friend)
        else:
            self.circle.goes_on(friend)

    def ended(self, friend: Friend) -> None:
        """Note that a contact deleted its card for us."""
        self.circle.ended(friend)

    def outdated(self) -> None:
        """Begin anew with everybody: our state is an older one than we have shown."""
        self.circle.start_anew()

    # --- Carriers
    def leave(self, talk: Talk, outgoing: Outgoing) -> None:
        """Put a parcel into the network."""
        if talk.contact in self.friends:
            self.drops.leave(talk, outgoing)

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
            self._show(friend)
            friend.talk.opened(DirectWay(self.network, friend.key))
            self.presence.linked(friend.talk)
        if (used := self.network.roster.get(friend.key)) is not None:
            self.transfers.link_open(friend.name, _link(used))

    def _friend_of(self, name: str, key: PublicKey, agreement: PublicKey, talk: Talk) -> Friend:
        return Friend(name, key, agreement, Pair(self.node.identity, key, agreement), talk)

    def _check_keys(self, friend: Friend) -> None:
        """Begin new sessions where ours or the contact's identity is not the one it was."""
        row = self.node.identity.public.point + friend.key.point + friend.agreement.point
        known = self.chest.get(PAIRS, friend.name.encode())
        if known == row:
            return
        if known is not None:
            friend.talk.change_keys()
        self.talks.settle((PAIRS, friend.name.encode(), row))

    def _conversation(self, name: str, key: PublicKey, agreement: PublicKey) -> Conversation:
        contact = Contact(key, agreement)
        made = Conversation(self.node.identity, contact, self.chest, self.random, name)
        self.discretion.instruct(made, key)
        return made

    def _show(self, friend: Friend) -> None:
        """Show our newest card over the link; some more times if it is not taken."""
        shown = Deferred.fromCoroutine(self._shown(friend))
        shown.addCallback(self._taken, friend.key).addErrback(self._not_taken, friend.key)

    def _taken(self, _shown: None, key: PublicKey) -> None:
        self._shown_in_vain.pop(key, None)

    def _not_taken(self, failure: Failure, key: PublicKey) -> None:
        _left_to_the_next(failure)
        tries = self._shown_in_vain.get(key, 0)
        if tries < len(SHOW_AGAIN_S):
            self._shown_in_vain[key] = tries + 1
            self._to_show.put(key, SHOW_AGAIN_S[tries])

    async def _shown(self, friend: Friend) -> None:
        card = await self.cards.fresh(friend)
        peer = self.network.roster.get(friend.key)
        if peer is not None:
            self.network.roster.expect_answer()
            await peer.request(Show(card))

    def _look_at_addresses(self) -> None:
        """Tell all contacts when we are reached elsewhere than before."""
        addresses = self.addresses()
        if addresses == self._told_addresses:
            return
        self._told_addresses = addresses
        self.cards.changed()
        for friend in self.friends.values():
            if friend.talk.is_open:
                self._show(friend)


def _link(peer: Peer) -> LinkProtocol:
    """Return the link of a conversation: in a node each has one."""
    return cast("LinkProtocol", peer.carrier)


def address_of(text: str) -> Address | None:
    """Return the address of "host:port"; None for one that nobody can dial."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not port.isdigit() or host in ("", "0.0.0.0", "::"):
        return None
    return Address(host, int(port))


def _left_to_the_next(failure: Failure) -> None:
    """Leave a card that was not shown or not taken to the next one."""
    if failure.check(StreembitError, CancelledError, BadToken) is None:
        _log.failure("a card could not be shown or taken", failure)
