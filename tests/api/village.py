"""A few real nodes on the in-memory network, and HTTP to the first one's API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from twisted.internet.interfaces import IReactorTime

from streembit.dht.grouping import Grouping
from streembit.dht.memory import MemoryShelf
from streembit.disk.published import PublishedRecords
from streembit.jose.keys import Identity
from streembit.service.desk import Desk
from streembit.service.membership import Address
from streembit.service.node import Node
from streembit.service.settings import NetworkSettings
from streembit.testing import MemoryNetwork

PORT = 8905
JOIN_WITHIN_S = 120.0


class Village:
    """Nodes that know each other; `desks[0]` is the one that is asked."""

    def __init__(self, folder: Path, count: int = 5, seed: int = 7) -> None:
        self.memory = MemoryNetwork(seed=seed, latency_s=(0.001, 0.01))
        self._folder = folder
        self._own: list[PublishedRecords] = []
        self.nodes = [self._node(number, seed) for number in range(count)]
        self.desks = [Desk(node) for node in self.nodes]

    @property
    def clock(self) -> IReactorTime:
        """The clock that moves the network."""
        return self.memory.clock

    def start(self) -> None:
        """Start all nodes and let them join."""
        for node in self.nodes:
            node.startService()
        ready = self.run_until(lambda: all(len(n.network.table) >= 3 for n in self.nodes))
        assert ready, [len(node.network.table) for node in self.nodes]

    def stop(self) -> None:
        """Stop all nodes and close their files."""
        for node in self.nodes:
            node.stopService()
        self.memory.clock.advance(10)
        for own in self._own:
            own.close()

    def run_until(self, done: Callable[[], bool], limit_s: float = JOIN_WITHIN_S) -> bool:
        """Move the network's time until `done`, at most `limit_s`."""
        return self.memory.clock.run_until(done, limit_s)

    def _node(self, number: int, seed: int) -> Node:
        address = f"10.0.{number}.1"
        clock = self.memory.clock
        own = PublishedRecords(self._folder / f"{number}.sqlite", unix_s=clock.seconds)
        self._own.append(own)
        host = self.memory.host(address)
        node = Node(
            Identity.from_seed(bytes([number + 1]) * 32, f"node{number}"),
            NetworkSettings(network="village", grouping=Grouping(exempt=("10.0.0.0/8",))),
            MemoryShelf(),
            own,
            host.connect,
            clock,
            Random(seed + number),
            seeds=[Address("10.0.0.1", PORT)] if number else [],
        )
        host.listen(PORT, node.carriers.factory)
        node.reach.listening_on(PORT, [f"{address}:{PORT}"])
        return node
