"""Where contacts say to be: read in their cards, in their key records, in the network's tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streembit.contacts import generations
from streembit.contacts.pair import Pair
from streembit.dht.keyspace import node_id
from streembit.errors import BadKey
from streembit.jose.keys import PublicKey
from streembit.service.finder import Finder, Search
from streembit.service.network import Network
from streembit.service.people.cards import Cards
from streembit.service.people.friend import Friend
from streembit.service.people.holdings import Holdings
from streembit.service.people.pace import Pace
from streembit.service.whois import agreement_in, place_of
from streembit.wire.offer import Address

SEEK_EVERY_S: Final = 24 * 3600.0  # the key record of one who is away: a look-up


class Seeking:
    """Implements `links.Whereabouts` for contacts, and for those who were asked to be contacts."""

    def __init__(
        self, network: Network, finder: Finder, pace: Pace, cards: Cards, held: Holdings
    ) -> None:
        self._network, self._finder, self._pace, self._cards = network, finder, pace, cards
        self._friends, self._register = held.friends, held.register
        self._places, self._own = held.places, held.own
        self._sought: dict[PublicKey, float] = {}  # at most one a contact

    def known(self, key: PublicKey) -> Sequence[Address]:
        """Return where somebody was last."""
        return self._places.of(key)

    async def look(self, key: PublicKey) -> Sequence[Address]:
        """Read somebody's card, and return where it says that they are."""
        friend = self._friends.get(key)
        if friend is None:
            await self._find_node(key)
        elif not await self._cards.look(friend):
            await self.find_key(friend)
        return self._places.of(key)

    def away(self, key: PublicKey, why: str) -> None:
        """Leave in the network what waits for a contact."""
        friend = self._friends.get(key)
        if friend is not None:
            friend.talk.unreachable(why)

    async def find_key(self, friend: Friend) -> None:
        """Read a contact's key record, and the card at the place that follows from it.

        So we find one whose key changed, and whose former one was erased,
        while we were away.

        Raises:
            StreembitError: we are stopping.
        """
        now_s = self._network.now_s()
        if now_s - self._sought.get(friend.key, -SEEK_EVERY_S) < SEEK_EVERY_S:
            return
        self._sought[friend.key] = now_s

        async def record() -> Search:
            return await self._finder.surely(place_of(friend.key))

        told = agreement_in(await self._pace.run(record, urgent=True), friend.key)
        entry = self._register.book.get(friend.key)
        if told is None or entry is None or told in generations.keys_of(entry, now_s):
            return
        try:
            pairs = [Pair(own, friend.key, told) for own in self._own.all]
        except BadKey:
            return
        await self._cards.look(friend, pairs)

    async def _find_node(self, key: PublicKey) -> None:
        """Look on the network for a node with this key."""
        target = node_id(key.point)

        async def nodes() -> Search:
            return await self._finder.nodes(target)

        search = await self._pace.run(nodes, urgent=True)
        for node in search.found.nodes if search.found is not None else ():
            if node.contact.key == key.text and self._register.book.get(key) is not None:
                self._places.found(key, Address(node.contact.host, node.contact.port))
