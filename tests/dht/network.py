"""A whole network of pure nodes: real tables and look-ups, one clock, no crypto and no sockets."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from streembit.dht.candidates import Candidates
from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import K
from streembit.dht.lookup import Ask, Done, Found, Lookup, Wait
from streembit.dht.nodes import FindNodes
from streembit.dht.peer import Node
from streembit.dht.put import Ended, Outcome, Put, Receipt, Send, nearer
from streembit.dht.refresh import explore, gap_targets, wide_targets
from streembit.dht.table import Full, Table
from streembit.jose import base64url
from streembit.wire.message import Contact

TIMEOUT_S = 4.0


@dataclass(eq=False)
class Host:
    """One simulated node."""

    node: Node
    table: Table
    candidates: Candidates
    alive: bool = True
    items: dict[int, Any] = field(default_factory=dict)

    @property
    def id(self) -> int:
        return self.node.id


class Network:
    """Hosts that answer each other's look-ups; `latency_s` is one round trip."""

    def __init__(
        self, seed: int, grouping: Grouping | None = None, latency_s: float = 0.02
    ) -> None:
        self.chance = random.Random(seed)
        self.grouping = grouping or Grouping(exempt=["10.0.0.0/8"])
        self.latency_s = latency_s
        self.now_s = 1_000.0
        self.hosts: dict[int, Host] = {}
        self.handshakes = 0

    # --- making it
    def contact(self, host: str | None = None) -> Contact:
        number = len(self.hosts)
        address = host or f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        key = base64url.encode(b"\x02" + self.chance.randbytes(32))
        return Contact(key, address, 8905)

    def host(self, address: str | None = None) -> Host:
        """Make one host that knows nobody yet."""
        node = Node.of(self.contact(address), self.grouping)
        table = Table(node.id, grouping=self.grouping)
        host = Host(node, table, Candidates(table))
        self.hosts[node.id] = host
        return host

    def join(self, host: Host, seeds: list[Host]) -> None:
        """Join as a node does: seeds, a look-up of itself, then one for each wide bucket."""
        for seed in seeds:
            self.shake(host, seed.node)
        self.find(host, host.id, FindNodes(confirm=True))
        self.refresh(host)

    def refresh(self, host: Host) -> None:
        """The upkeep that `streembit.dht.refresh` describes."""
        bits = self.chance.getrandbits
        for target in wide_targets(host.table, self.now_s, bits):
            self.find(host, target)
        self.fill(host)
        for target in gap_targets(host.table, host.candidates, bits):
            self.find(host, target, explore())
            self.fill(host)
        self.fill(host, spread=False)

    def fill(self, host: Host, *, spread: bool = True) -> None:
        while nodes := host.candidates.take(8, spread=spread):
            for node in nodes:
                if not self.shake(host, node):
                    host.candidates.unreached(node.id, self.now_s)

    def shake(self, host: Host, node: Node) -> bool:
        """A handshake: both sides get to know each other."""
        other = self.hosts.get(node.id)
        if other is None or not other.alive or other is host:
            return False
        if other.id in host.table:
            return True
        self.handshakes += 1
        self.enter(host, other)
        self.enter(other, host)
        return True

    def enter(self, host: Host, other: Host) -> None:
        fresh = Node.of(other.node.contact, self.grouping)
        fresh.rtt_s = self.latency_s
        entry = host.table.add(fresh, self.now_s)
        if isinstance(entry, Full):
            if self.hosts[entry.oldest.id].alive:
                host.table.answered(entry.oldest.id, self.now_s)
            else:
                host.table.replace(entry.oldest, fresh, self.now_s)

    # --- running look-ups
    def find(self, host: Host, target: int, mode: Any = None, **settings: Any) -> Found:
        lookup = Lookup(
            target,
            host.table.nearest(target, K),
            mode or FindNodes(),
            now_s=self.now_s,
            own_id=host.id,
            grouping=self.grouping,
            **settings,
        )
        host.table.touch(target, self.now_s)
        return self.run(host, lookup)

    def run(self, host: Host, lookup: Any) -> Found:
        """Drive a look-up to its end; the clock moves with it."""
        due: list[tuple[float, int, Callable[[], None]]] = []
        count = 0
        while True:
            step = lookup.next(self.now_s)
            match step:
                case Done(found):
                    return found
                case Ask(node, about):
                    count += 1
                    answers = self.shake(host, node)
                    wait_s = self.latency_s if answers else TIMEOUT_S
                    act = (
                        self._answer(host, lookup, node, about)
                        if answers
                        else self._fail(host, lookup, node)
                    )
                    heapq.heappush(due, (self.now_s + wait_s, count, act))
                case Wait(until_s):
                    if due and due[0][0] <= until_s:
                        at_s, _, act = heapq.heappop(due)
                        self.now_s = max(self.now_s, at_s)
                        act()
                    else:
                        self.now_s = max(self.now_s, until_s)

    def _answer(self, host: Host, lookup: Any, node: Node, about: int) -> Callable[[], None]:
        def answer() -> None:
            other = self.hosts[node.id]
            host.table.answered(node.id, self.now_s)
            item = other.items.get(about)
            if item is not None:
                lookup.value(node.id, item, self.now_s)
                return
            contacts = [
                n.contact
                for n in other.table.nearest(about, K, storage_only=True, exclude=(host.id,))
            ]
            news = lookup.answered(node.id, contacts, self.now_s)
            host.candidates.suggest([n.contact for n in news], self.now_s, node.contact.host)

        return answer

    def _fail(self, host: Host, lookup: Any, node: Node) -> Callable[[], None]:
        def fail() -> None:
            host.table.failed(node.id)
            host.candidates.unreached(node.id, self.now_s)
            lookup.failed(node.id, self.now_s)

        return fail

    def put(self, host: Host, place: int, item: Any, **settings: Any) -> Outcome:
        table = host.table
        put = Put(
            place,
            table.nearest(place, 2 * K, storage_only=True),
            now_s=self.now_s,
            sure=table.knows_all(place),
            own_id=host.id,
            grouping=self.grouping,
            **settings,
        )
        due: list[tuple[float, int, Callable[[], None]]] = []
        count = 0
        while True:
            match put.next(self.now_s):
                case Ended(outcome):
                    return outcome
                case Send(nodes, radius):
                    for node in nodes:
                        count += 1
                        if self.shake(host, node):
                            act = self._store(host, put, node, item, radius)
                            wait_s = self.latency_s
                        else:
                            act = self._fail(host, put, node)
                            wait_s = TIMEOUT_S
                        heapq.heappush(due, (self.now_s + wait_s, count, act))
                case Wait(until_s):
                    if due and due[0][0] <= until_s:
                        at_s, _, act = heapq.heappop(due)
                        self.now_s = max(self.now_s, at_s)
                        act()
                    else:
                        self.now_s = max(self.now_s, until_s)

    def _store(
        self, host: Host, put: Put, node: Node, item: Any, radius: Any
    ) -> Callable[[], None]:
        place = put.shortlist.target

        def store() -> None:
            other = self.hosts[node.id]
            other.items[place] = item
            host.table.answered(node.id, self.now_s)
            near = nearer(other.table, place, radius, host.id)
            news = put.stored(node.id, Receipt(node, b"", 0, 0), near, self.now_s)
            host.candidates.suggest([n.contact for n in news], self.now_s, node.contact.host)

        return store

    # --- judging it
    def living(self) -> list[Host]:
        return [host for host in self.hosts.values() if host.alive]

    def truth(self, target: int, n: int = K, exclude: int | None = None) -> list[int]:
        """The nearest living hosts, by brute force."""
        ids = [host.id for host in self.living() if host.id != exclude]
        return heapq.nsmallest(n, ids, key=target.__xor__)

    def kill(self, share: float) -> list[Host]:
        """Let this share of the hosts fall silent."""
        living = self.living()
        gone = self.chance.sample(living, round(len(living) * share))
        for host in gone:
            host.alive = False
        return gone


def grown(size: int, seed: int, **settings: Any) -> Network:
    """A network whose hosts joined one after another through real look-ups."""
    network = Network(seed, **settings)
    seeds = [network.host() for _ in range(3)]
    for host in seeds:
        for other in seeds:
            network.shake(host, other.node)
    for _ in range(size - 3):
        host = network.host()
        network.join(
            host, network.chance.sample(list(network.hosts.values())[:-1], 1) if size < 0 else seeds
        )
    return network
