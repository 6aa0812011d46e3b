"""Keeping what others stored where it belongs, while nodes come and go."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from twisted.internet.defer import Deferred, FirstError, gatherResults

from streembit.dht.keyspace import REPLICAS
from streembit.dht.peer import Node
from streembit.dht.record import Item
from streembit.dht.shelf import StoredItem
from streembit.service.deposit import Deposit
from streembit.service.entrance import all_of
from streembit.service.finder import Finder
from streembit.service.network import Network

PAGE: Final = 200  # items looked through in one turn of the reactor: a few milliseconds
# After each page and put, so that nobody waits for us; and a holder is asked to verify 50 copies a
# second at most, a quarter of what it does for one peer.
PAUSE_S: Final = 0.02
MAX_NEWCOMERS: Final = 256  # of a flood of newcomers the rest is served by the hourly round
SLOW_S: Final = (
    2.0  # a newcomer that takes longer over a copy is served by the hourly round as well
)
LOOKED_AT_PER_S: Final = (
    500.0  # items, for newcomers' sake: a tenth of a core, whoever comes and goes
)
PUTS_AT_ONCE: Final = 8  # so many items wait together for a holder that is slow
PUT_S: Final = 2.0  # a receipt that comes later is not waited for; the item may be stored yet
ROUND_SHARE: Final = 0.5  # of the time between rounds may be taken; the next one goes on from there

Act = Callable[[Item], Coroutine[Deferred[Any], Any, None]]


class Replication:
    """Hands items over to nodes that join, and once an hour to whoever is nearest by then."""

    def __init__(self, network: Network, finder: Finder, deposit: Deposit) -> None:
        self._network = network
        self._finder = finder
        self._deposit = deposit
        self._newcomers: dict[int, Node] = {}
        self._rests_s = (0.0, 0.0)  # from when until when newcomers wait
        self._stopped_at: int | None = None  # the place up to which an unfinished round came

    def joined(self, node: Node) -> None:
        """Take note of a node that is new in the table."""
        if node.storage and len(self._newcomers) < MAX_NEWCOMERS:
            self._newcomers[node.id] = node

    async def hand_over(self) -> int:
        """Give newcomers what belongs to them and is ours to give; return how many copies.

        Of all that hold an item only the node nearest to its place does it, so that a newcomer
        gets it once.
        """
        since_s, until_s = self._rests_s
        if not self._newcomers or since_s <= self._network.now_s() < until_s:
            return 0
        newcomers, self._newcomers = self._newcomers, {}
        copies = 0

        async def give_to(node: Node, item: Item) -> None:
            nonlocal copies
            begun_s = self._network.now_s()
            taken = await self._finder.copy(item, [node])
            copies += taken
            if self._network.now_s() - begun_s > SLOW_S:
                newcomers.pop(node.id, None)  # the others wait for it

        async def give(item: Item) -> None:
            await all_of(give_to(node, item) for node in self._owed(item.place, newcomers))

        looked_at = await self._each(lambda place: bool(self._owed(place, newcomers)), give)
        now_s = self._network.now_s()
        self._rests_s = (now_s, now_s + looked_at / LOOKED_AT_PER_S)
        return copies

    async def replicate(self) -> int:
        """Store again what nobody stored here for an hour (Kademlia, 2.5); return how many.

        A round that takes too long ends behind a page; the next one goes on from there.
        """
        until_s = self._network.now_s() + self._network.settings.replicate_every_s * ROUND_SHARE
        done = 0
        for page in self._unfinished_first():
            done += await self._renew_all(page)
            self._stopped_at = page[-1].place
            if self._network.now_s() >= until_s:
                return done
            await self._pause()
        self._stopped_at = None
        return done

    def _unfinished_first(self) -> Iterator[list[StoredItem]]:
        """Yield the pages that the last round did not come to, then all: those done are fresh."""
        if self._stopped_at is not None:
            yield from self._deposit.pages(PAGE, self._stopped_at)
        yield from self._deposit.pages(PAGE)

    async def _renew_all(self, page: Sequence[StoredItem]) -> int:
        """Store again what is due of a page, several items at a time; return how many."""
        held = (self._deposit.read(held) for held in page if self._is_due(held.place))
        due = (item for item in held if item is not None)
        done = 0
        while batch := list(islice(due, PUTS_AT_ONCE)):
            await _together(self._renew(item) for item in batch)
            done += len(batch)
            await self._pause(len(batch))
        return done

    async def _renew(self, item: Item) -> None:
        await self._finder.put(item, limit_s=PUT_S)
        self._deposit.renewed(item.place)

    def _is_due(self, place: int) -> bool:
        every_s = self._network.settings.replicate_every_s
        near = self._network.table.rank(place) < REPLICAS
        return near and not self._deposit.is_fresh(place, every_s)

    async def _each(self, is_due: Callable[[int], bool], act: Act) -> int:
        """Go through the store in short turns, and act on what is due; return how many items."""
        looked_at = 0
        for page in self._deposit.pages(PAGE):
            looked_at += len(page)
            for held in page:
                if is_due(held.place) and (item := self._deposit.read(held)) is not None:
                    await act(item)
            await self._pause()
        return looked_at

    def _owed(self, place: int, newcomers: dict[int, Node]) -> list[Node]:
        """Return the newcomers that an item belongs to, if we are the one to give it."""
        table, apart = self._network.table, self._network.id ^ place
        nearest = table.nearest(place, 2, storage_only=True)
        before = [node.id for node in nearest if node.id ^ place < apart]
        if len(before) == 2 or (before and before[0] not in newcomers):
            return []  # somebody nearer has it to give
        due = [n for n in table.nearest(place, REPLICAS, storage_only=True) if n.id in newcomers]
        return [n for n in due if not before or n.id == before[0]]

    def _pause(self, times: int = 1) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self._network.clock.callLater(times * PAUSE_S, done.callback, None)
        return done


async def _together(work: Iterable[Coroutine[Deferred[Any], Any, None]]) -> None:
    """Run all side by side until they have ended; the first failure, or cancelling, is raised."""
    try:
        await gatherResults([Deferred.fromCoroutine(each) for each in work], consumeErrors=True)
    except FirstError as first:
        first.subFailure.raiseException()
