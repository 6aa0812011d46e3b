"""Finding and storing on the real network, with repair of what is found amiss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from streembit.dht.disjoint import DisjointLookup
from streembit.dht.keyspace import REPLICAS, K, from_text, to_text
from streembit.dht.lookup import LIMIT_S, Found, Hop, Lookup, Mode
from streembit.dht.nodes import FindNodes
from streembit.dht.peer import Node
from streembit.dht.put import Outcome, Put, Receipt, Send
from streembit.dht.record import Blob, Item, prefer, read_at
from streembit.dht.refresh import explore
from streembit.dht.shortlist import Rest
from streembit.dht.values import FindFirst, FindLatest
from streembit.errors import BadMessage, RemoteRefusal, StreembitError
from streembit.jose import base64url
from streembit.jose.envelope import Verified
from streembit.rpc.crawl import Crawl, LookupPlan, PutPlan
from streembit.service.deposit import Deposit
from streembit.service.entrance import all_of
from streembit.service.errands import Errands
from streembit.service.network import Network, Reply
from streembit.wire.message import (
    FindNode,
    FindValue,
    ItemKind,
    Nodes,
    Request,
    Rpc,
    Store,
    Stored,
    Value,
)

MIN_LINKED: Final = 3  # holders with an open link; with fewer a dial costs less than a miss
MAX_REPAIRS: Final = 8  # copies that one read puts back


@dataclass(frozen=True, slots=True)
class Search:
    """What a look-up on the network ended with.

    item: the verified item, None where there is none.
    hops: every request, in order; empty where the item lay here.
    via: who answered with the item.
    local: the item lay in our own store.
    """

    item: Item | None
    found: Found | None = None
    hops: tuple[Hop, ...] = ()
    via: tuple[Node, ...] = ()
    local: bool = False

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self.found.requests if self.found else 0

    @property
    def rounds(self) -> int:
        """The longest chain of requests that waited for one another."""
        return self.found.rounds if self.found else 0


class Finder:
    """Runs look-ups and puts for one node.

    Answers are verified before the pure look-up hears of them: a wrong item counts as a failure
    of the node that sent it.
    """

    def __init__(self, network: Network, deposit: Deposit, errands: Errands) -> None:
        self._network = network
        self._deposit = deposit
        self._errands = errands

    # --- nodes
    async def nodes(self, target: int, *, confirm: bool = False) -> Search:
        """Find the k nodes nearest to a target; with `confirm` each of them has answered."""
        start = self._network.table.nearest(target, 2 * K)
        self._network.table.touch(target, self._network.now_s())
        return await self._lookup(target, start, FindNodes(confirm=confirm), None)

    async def explore(self, target: int) -> Search:
        """Find out cheaply who lives next to a target, for the candidates' sake."""
        start = self._network.table.nearest(target, K)
        return await self._lookup(target, start, explore(), None)

    # --- items
    async def first(self, place: int) -> Search:
        """Find any valid item at a place: the fastest way, when an older version will do."""
        own = self._deposit.item(place)
        if own is not None:
            return Search(own, local=True)
        if (near := self._network.at_hand(place)) is not None:
            rest = partial(self._linked, place)
            return await self._lookup(place, [near], FindFirst(), place, rest)
        return await self._lookup(place, self._linked(place), FindFirst(), place)

    async def latest(self, place: int) -> Search:
        """Find the newest of several valid items at a place, and bring the others up to it."""
        start = self._network.table.nearest(place, 2 * K)
        return self._settled(place, await self._lookup(place, start, FindLatest(), place))

    async def surely(self, place: int) -> Search:
        """Find the newest item on four disjoint paths, so that no liar is on more than one.

        For reads that matter: twice to three times the requests of `latest` (S/Kademlia, 4.2).
        """
        network = self._network
        lookup = DisjointLookup(
            place,
            network.table.nearest(place, 2 * K),
            now_s=network.now_s(),
            own_id=network.id,
            grouping=network.settings.grouping,
            radius=network.table.radius(),
            known=network.table.get,
        )
        return self._settled(place, await self._run(lookup, place))

    def _settled(self, place: int, search: Search) -> Search:
        """Count our own store's item in, and bring those up to date that lacked the newest."""
        own = self._deposit.item(place)
        if own is not None and (search.item is None or prefer(own, search.item) is own):
            search = Search(own, search.found, search.hops, search.via, local=True)
        if search.item is not None and search.found is not None:
            self._repair(search.item, search.found.lacking)
        return search

    async def elsewhere(self, place: int) -> Search:
        """Find any valid item at a place on other nodes, whatever lies in our own store."""
        start = self._network.table.nearest(place, K)
        return await self._lookup(place, start, FindFirst(), place)

    async def put(self, item: Item, *, limit_s: float = LIMIT_S) -> Outcome:
        """Store an item on the nodes nearest to its place, and return their signed receipts.

        After `limit_s` those that are there by then; what was sent is on its way all the same.
        """
        table = self._network.table
        put = Put(
            item.place,
            table.nearest(item.place, 2 * REPLICAS, storage_only=True),
            now_s=self._network.now_s(),
            sure=table.knows_all(item.place, REPLICAS),
            linked=lambda node: node.contact.key in self._network.roster,
            own_id=self._network.id,
            grouping=self._network.settings.grouping,
            radius=table.radius(),
            known=table.get,
            limit_s=limit_s,
        )

        def ask(send: Send) -> Sequence[Reply]:
            body = Store(item.token, _kind(item), list(send.radius))
            return self._network.ask(send.nodes, body)

        def take(node: Node, verified: Verified[Rpc]) -> None:
            body = verified.claims.body
            if not isinstance(body, Stored) or not _is_receipt_of(body, item):
                raise BadMessage("the receipt is for something else")
            self._network.heard(node, verified)
            receipt = Receipt(node, item.digest, body.seq, body.exp)
            nearer = self._network.believed(node, body.nearer)
            put.stored(node.id, receipt, nearer, self._network.now_s())

        def failed(node: Node, error: StreembitError) -> None:
            self._network.unheard(node, error)
            if isinstance(error, RemoteRefusal):
                put.refused(node.id, error.code, self._network.now_s())

        network = self._network
        crawl = Crawl(PutPlan(put), ask, take, network.clock, failed, network.refused)
        return await crawl.start()

    async def copy(self, item: Item, nodes: Sequence[Node]) -> int:
        """Give an item to these nodes; return how many took it. Cancelling gives all of it up."""
        replies = self._network.ask(nodes, Store(item.token, _kind(item)))
        return await all_of(map(self._given, nodes, replies))

    async def _given(self, node: Node, reply: Reply) -> None:
        try:
            self._network.heard(node, await reply)
        except StreembitError as error:
            self._network.unheard(node, error)
            raise

    # --- how
    def _linked(self, place: int) -> list[Node]:
        """Return the nearest nodes, only those with an open link where they are enough."""
        near = self._network.table.nearest(place, K)
        linked = [node for node in near if node.contact.key in self._network.roster]
        return linked if len(linked) >= MIN_LINKED else near

    async def _lookup(
        self,
        target: int,
        start: Sequence[Node],
        mode: Mode,
        place: int | None,
        rest: Rest | None = None,
    ) -> Search:
        lookup = Lookup(
            target,
            start,
            mode,
            now_s=self._network.now_s(),
            own_id=self._network.id,
            grouping=self._network.settings.grouping,
            radius=self._network.table.radius() if place is not None else None,
            known=self._network.table.get,
            rest=rest,
        )
        return await self._run(lookup, place)

    async def _run(self, lookup: Lookup | DisjointLookup, place: int | None) -> Search:
        via: list[Node] = []

        def take(node: Node, verified: Verified[Rpc]) -> None:
            answer = verified.claims.body
            now_s = self._network.now_s()
            if isinstance(answer, Nodes):
                lookup.answered(node.id, self._network.believed(node, answer.nodes), now_s)
            elif isinstance(answer, Value) and place is not None:
                lookup.value(node.id, self._read(place, answer), now_s)
                via.append(node)
            else:
                raise BadMessage("an answer of another type than the request's")
            self._network.heard(node, verified)

        def ask(send: Send) -> Sequence[Reply]:
            text = to_text(send.about)
            body: Request = FindNode(text) if place is None else FindValue(text)
            return self._network.ask(send.nodes, body)

        network, plan = self._network, LookupPlan(lookup)
        crawl = Crawl(plan, ask, take, network.clock, network.unheard, network.refused)
        found = await crawl.start()
        return Search(found.item, found, lookup.hops, tuple(via))

    def _read(self, place: int, answer: Value) -> Item:
        network = self._network
        return read_at(
            place,
            answer.kind,
            answer.item,
            network.keys,
            network.now_s(),
            network.settings.network,
        )

    def _repair(self, item: Item, lacking: Sequence[Node]) -> None:
        nodes = [node for node in lacking if node.storage][:MAX_REPAIRS]
        if nodes:
            self._errands.start(lambda: self.copy(item, nodes))


def _kind(item: Item) -> ItemKind:
    return "blob" if isinstance(item, Blob) else "record"


def _is_receipt_of(stored: Stored, item: Item) -> bool:
    return (
        from_text(stored.place) == item.place
        and stored.seq == item.seq
        and base64url.decode(stored.digest) == item.digest
    )
