"""Streembit under the workload of the comparison: whole nodes over TCP on loopback.

Every node is the service tree that `twistd streembit-node` runs, with its default limits; only its
records lie in memory, as those of the others do.  Each message is signed and encrypted, and each
record verified by whoever stores or reads it.  A get counts as local when the node's own store
holds the record.
"""

import random
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater, react

from bench.contestant import main
from bench.swarm import Outcome
from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import record_place
from streembit.dht.memory import MemoryShelf
from streembit.dht.record import Record
from streembit.errors import StreembitError
from streembit.jose.keys import Identity
from streembit.net.dial import over_tcp
from streembit.net.gate import GateLimits
from streembit.service.limits import NodeLimits
from streembit.service.membership import Address
from streembit.service.node import Node
from streembit.service.publishing import NAME_KIND
from streembit.service.settings import NetworkSettings
from streembit.testing import MemoryOwnRecords

reactor: Any = _reactor

HOST = "127.0.0.1"
LOOPBACK = ("127.0.0.0/8",)
DESCRIPTORS = 18_600  # of the usual hard limit of 20,000: both ends of each link are in here
MOST_LINKS = 128
TTL_S = 3600


class OurSwarm:
    """Whole nodes in one process."""

    settle_s = 12.0  # by then every node has announced its keys and handed over what newcomers lack

    def __init__(self, variant: str) -> None:
        """Begin without a node; there is one way only, `plain`."""
        assert variant == "plain"
        self._nodes: list[Node] = []
        self._ports: list[Any] = []
        self._owners: dict[str, int] = {}
        nodes = int(sys.argv[sys.argv.index("--nodes") + 1]) if "--nodes" in sys.argv else 50
        self._links = min(MOST_LINKS, DESCRIPTORS // (2 * nodes))

    async def join(self, seed_port: int | None) -> int:
        """Start one more node and wait until it has joined."""
        seeds = [] if seed_port is None else [Address(HOST, seed_port)]
        number = len(self._nodes)
        node = Node(
            Identity.generate(f"node{number}"),
            NetworkSettings(
                network="bench",
                grouping=Grouping(exempt=LOOPBACK),
                kept_links=self._links,
            ),
            MemoryShelf(),
            MemoryOwnRecords(),
            over_tcp(reactor),
            reactor,
            random.Random(number),
            seeds=seeds,
            limits=NodeLimits(GateLimits(exempt=LOOPBACK)),
        )
        port = reactor.listenTCP(0, node.carriers.factory, backlog=512, interface=HOST)
        node.reach.listening_on(port.getHost().port, [])
        node.startService()
        self._nodes.append(node)
        self._ports.append(port)
        while seeds and not node.dht.membership.joined:
            await self.pause(0.005)
        return int(port.getHost().port)

    async def put(self, at: int, name: str, value: bytes, reader: int) -> Outcome:
        """Publish a record, which ends when every one of the k nearest has answered."""
        self._owners[name] = at
        begun = time.perf_counter()
        try:
            await self._nodes[at].dht.publishing.put(NAME_KIND, name, value, TTL_S)
        except StreembitError:
            return Outcome(None, time.perf_counter() - begun)
        return Outcome(value, time.perf_counter() - begun)

    async def get(self, at: int, name: str, limit_s: float) -> Outcome:
        """Get the first valid answer, giving up at the limit."""
        begun = time.perf_counter()
        looking = Deferred.fromCoroutine(self._nodes[at].dht.finder.first(self._place(name)))
        looking.addTimeout(limit_s, reactor)
        try:
            item = (await looking).item
        except Exception:
            item = None
        value = item.value if isinstance(item, Record) else None
        return Outcome(value, time.perf_counter() - begun)

    def holds(self, at: int, name: str) -> bool:
        """Look into a node's own store."""
        return self._nodes[at].dht.deposit.answer(self._place(name)) is not None

    async def pause(self, seconds: float) -> None:
        """Let the nodes run for a while."""
        await deferLater(reactor, seconds)

    async def together(self, work: Sequence[Coroutine[Any, Any, Outcome]]) -> list[Outcome]:
        """Run these at the same time."""
        return list(await gatherResults([Deferred.fromCoroutine(one) for one in work]))

    def requests(self) -> int:
        """Count the requests that all nodes have sent."""
        return sum(node.network.requests for node in self._nodes)

    async def stop(self) -> None:
        """Close every node."""
        for port in self._ports:
            await port.stopListening()
        await gatherResults([Deferred.fromCoroutine(_stop(node)) for node in self._nodes])

    def _place(self, name: str) -> int:
        owner = self._nodes[self._owners[name]].identity.public
        return record_place(owner.point, NAME_KIND, name)


async def _stop(node: Node) -> None:
    await node.stopService()


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Drive a coroutine on Twisted's reactor to its end."""
    work: Callable[[Any], Deferred[None]] = lambda _: Deferred.fromCoroutine(coroutine)  # noqa: E731
    try:
        react(work)
    except SystemExit as end:
        if end.code:
            raise


if __name__ == "__main__":
    main("bench.ours", __doc__, run, OurSwarm)
