"""Keeping what others stored where it belongs, while nodes come and go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from streembit.dht.keyspace import K
from streembit.dht.peer import Node
from streembit.dht.record import Item
from streembit.errors import StreembitError
from streembit.service.deposit import Deposit
from streembit.service.finder import Finder
from streembit.service.network import Network

PAGE: Final = 200  # items looked through in one turn of the reactor: a few milliseconds
PAUSE_S: Final = 0.05  # between pages, and between copies
MAX_NEWCOMERS: Final = 256  # a flood of newcomers is served by the hourly round instead


class Replication:
    """Hands items over to nodes that join, and once an hour to whoever is nearest by then."""

    def __init__(self, network: Network, finder: Finder, deposit: Deposit) -> None:
        self._network = network
        self._finder = finder
        self._deposit = deposit
        self._newcomers: dict[int, Node] = {}

    def joined(self, node: Node) -> None:
        """Take note of a node that is new in the table."""
        if node.storage and len(self._newcomers) < MAX_NEWCOMERS:
            self._newcomers[node.id] = node

    async def hand_over(self) -> int:
        """Give newcomers what belongs to them and is ours to give; return how many copies.

        Of all that hold an item only the node nearest to its place does it, so that a newcomer
        gets it once.
        """
        newcomers, self._newcomers = list(self._newcomers.values()), {}
        if not newcomers:
            return 0
        copies = 0
        async for item in self._items():
            for node in newcomers:
                if self._owes(item.place, node):
                    copies += await self._finder.copy(item, [node])
        return copies

    async def replicate(self) -> int:
        """Store again what nobody stored here for an hour; return how many items (Kademlia, 2.5)."""
        stale_s = self._network.now_s() - self._network.settings.replicate_every_s
        done = 0
        async for item in self._items(stored_before_s=stale_s):
            if self._network.table.rank(item.place) >= K:
                continue
            await self._finder.put(item)
            self._deposit.renewed(item)
            done += 1
            await self._pause()
        return done

    def _owes(self, place: int, newcomer: Node) -> bool:
        table, apart = self._network.table, newcomer.id ^ place
        near = [n for n in table.nearest(place, K + 1, storage_only=True) if n.id != newcomer.id]
        if len(near) >= K and near[K - 1].id ^ place < apart:
            return False
        return not near or self._network.id ^ place < near[0].id ^ place

    async def _items(self, stored_before_s: float | None = None):  # type: ignore[no-untyped-def]
        after: int | None = None
        while page := self._deposit.page(PAGE, after, stored_before_s):
            after, items = page
            for item in items:
                yield item
            await self._pause()

    def _pause(self) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self._network.clock.callLater(PAUSE_S, done.callback, None)
        return done
