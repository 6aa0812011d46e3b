"""A network of pure nodes: real tables, look-ups and puts, one clock, no crypto, no sockets."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from streembit.dht.candidates import Candidates
from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import ID_BITS, K, node_id, to_bytes
from streembit.dht.lookup import Ask, Done, Found, Lookup, Mode, Wait
from streembit.dht.nodes import FindNodes
from streembit.dht.peer import Node
from streembit.dht.put import Ended, Outcome, Put, Receipt, Send, nearer
from streembit.dht.refresh import explore, gap_targets, wide_targets
from streembit.dht.table import Full, Table
from streembit.jose import base64url
from streembit.wire.message import Contact

TIMEOUT_S: Final = 4.0
LATENCY_S: Final = 0.02  # one round trip


@dataclass(frozen=True)
class Thing:
    """What is put and found here: as much of a record as look-ups look at."""

    place: int
    seq: int = 0
    digest: bytes = b""

    @classmethod
    def at(cls, place: int, seq: int = 0) -> Thing:
        return cls(place, seq, sha256(to_bytes(place) + bytes([seq])).digest())


@dataclass(eq=False)
class Host:
    """One simulated node; a liar names liars only and keeps nothing."""

    node: Node
    table: Table
    candidates: Candidates
    alive: bool = True
    liar: bool = False
    items: dict[int, Any] = field(default_factory=dict)

    @property
    def id(self) -> int:
        return self.node.id


class Network:
    """Hosts that join, look up, put, fall silent, and lie."""

    def __init__(self, seed: int, grouping: Grouping | None = None) -> None:
        self.chance = random.Random(seed)
        self.grouping = grouping or Grouping(exempt=["10.0.0.0/8"])
        self.now_s = 1_000.0
        self.hosts: dict[int, Host] = {}
        self.handshakes = 0
        self.learning = True  # whether tables change by what happens

    # --- making it
    def host(self, address: str = "", near: int | None = None, near_bits: int = 0) -> Host:
        """Make a host that knows nobody; its id shares `near_bits` bits with `near`."""
        number = len(self.hosts)
        address = address or f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        contact = Contact(self._key(near, near_bits), address, 8905)
        node = Node.of(contact, self.grouping)
        table = Table(node.id, grouping=self.grouping)
        host = Host(node, table, Candidates(table))
        self.hosts[node.id] = host
        return host

    def liars(self, count: int, place: int, bits: int) -> list[Host]:
        """Make hosts that lie, at ids ground to share `bits` bits with the place."""
        hosts = [self.host(near=place, near_bits=bits) for _ in range(count)]
        for host in hosts:
            host.liar = True
        return hosts

    def join(self, host: Host, seeds: Iterable[Host]) -> None:
        """Join as `streembit.dht.refresh` describes."""
        for seed in seeds:
            self.shake(host, seed.node)
        self.find(host, host.id, FindNodes(confirm=True))
        self.refresh(host)

    def refresh(self, host: Host) -> None:
        bits = self.chance.getrandbits
        for target in wide_targets(host.table, self.now_s, bits):
            self.find(host, target)
        self._fill(host)
        for target in gap_targets(host.table, host.candidates, bits):
            self.find(host, target, explore())
            self._fill(host)
        self._fill(host, spread=False)

    def shake(self, host: Host, node: Node) -> bool:
        """Shake hands: both sides get to know each other; False if nobody is there."""
        other = self.hosts.get(node.id)
        if other is None or not other.alive or other is host:
            return False
        if self.learning and other.id not in host.table:
            self.handshakes += 1
            self._meet(host, other)
            self._meet(other, host)
        return True

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Keep all tables as they are, and wake up whoever falls silent meanwhile."""
        self.learning = False
        yield
        self.learning = True
        for host in self.hosts.values():
            host.alive = True
            host.items.clear()

    def kill(self, share: float) -> None:
        """Let this share of the living hosts fall silent."""
        living = self.living()
        for host in self.chance.sample(living, round(len(living) * share)):
            host.alive = False

    # --- running look-ups and puts
    def find(self, host: Host, target: int, mode: Mode | None = None, **settings: Any) -> Found:
        lookup = Lookup(
            target,
            host.table.nearest(target, 2 * K),
            mode or FindNodes(),
            now_s=self.now_s,
            own_id=host.id,
            grouping=self.grouping,
            known=host.table.get,
            **settings,
        )
        host.table.touch(target, self.now_s)
        found = self.drive(host, lookup)
        assert isinstance(found, Found)
        return found

    def put(self, host: Host, item: Thing, k: int = K, **settings: Any) -> Outcome:
        put = Put(
            item.place,
            host.table.nearest(item.place, 2 * K, storage_only=True),
            now_s=self.now_s,
            k=k,
            sure=host.table.knows_all(item.place, k),
            own_id=host.id,
            grouping=self.grouping,
            known=host.table.get,
            **settings,
        )
        outcome = self.drive(host, put, item)
        assert isinstance(outcome, Outcome)
        return outcome

    def drive(self, host: Host, plan: Any, item: Thing | None = None) -> Found | Outcome:
        """Run a plan to its end; the clock moves with it."""
        due: list[tuple[float, int, Callable[[], None]]] = []
        for count in range(1_000_000):
            match plan.next(self.now_s):
                case Done(found):
                    return found
                case Ended(outcome):
                    return outcome
                case Ask(node, about):
                    self._ask(host, plan, node, due, count, self._told(host, plan, node, about))
                case Send(nodes, radius):
                    for node in nodes:
                        act = self._stored(host, plan, node, item, radius)
                        self._ask(host, plan, node, due, count, act)
                case Wait(until_s):
                    self._wait(due, until_s)
                case step:
                    raise AssertionError(f"not a step: {step!r}")
        raise AssertionError("a plan that never ends")

    def _ask(
        self,
        host: Host,
        plan: Any,
        node: Node,
        due: list[tuple[float, int, Callable[[], None]]],
        count: int,
        act: Callable[[], None],
    ) -> None:
        def failed() -> None:
            if self.learning:
                host.table.failed(node.id)
                host.candidates.unreached(node, self.now_s)
            plan.failed(node, self.now_s)

        there = self.shake(host, node)
        at_s = self.now_s + (LATENCY_S if there else TIMEOUT_S)
        heapq.heappush(due, (at_s, count * 100 + len(due), act if there else failed))

    def _wait(self, due: list[tuple[float, int, Callable[[], None]]], until_s: float) -> None:
        if not due or due[0][0] > until_s:
            self.now_s = max(self.now_s, until_s)
            return
        at_s, _, act = heapq.heappop(due)
        self.now_s = max(self.now_s, at_s)
        act()

    def _told(self, host: Host, lookup: Any, node: Node, about: int) -> Callable[[], None]:
        def act() -> None:
            other = self.hosts[node.id]
            only_nodes = isinstance(lookup, Lookup) and isinstance(lookup.mode, FindNodes)
            item = None if only_nodes else other.items.get(about)
            if item is not None:
                lookup.value(node.id, item, self.now_s)
                return
            news = lookup.answered(node.id, self.contacts(other, about, host), self.now_s)
            self._heard(host, node, news)

        return act

    def _stored(
        self, host: Host, put: Put, node: Node, item: Any, radius: tuple[str, ...]
    ) -> Callable[[], None]:
        def act() -> None:
            other = self.hosts[node.id]
            near = nearer(other.table, item.place, radius, host.id)
            if other.liar:
                near = self.contacts(other, item.place, host)
            else:
                other.items[item.place] = item
            receipt = Receipt(node, item.digest, item.seq, 0)
            self._heard(host, node, put.stored(node.id, receipt, near, self.now_s))

        return act

    def contacts(self, host: Host, about: int, asker: Host) -> list[Contact]:
        """Return what a host names: what it knows, or a liar's friends."""
        if host.liar:
            liars = [other for other in self.hosts.values() if other.liar and other is not host]
            liars.sort(key=lambda other: other.id ^ about)
            return [other.node.contact for other in liars[:K]]
        nodes = host.table.nearest(about, K, storage_only=True, exclude=(asker.id,))
        return [node.contact for node in nodes]

    def _heard(self, host: Host, node: Node, news: list[Node]) -> None:
        if self.learning:
            host.table.answered(node.id, self.now_s)
            told = [heard.contact for heard in news]
            host.candidates.suggest(told, self.now_s, node.contact.host)

    # --- judging it
    def living(self) -> list[Host]:
        return [host for host in self.hosts.values() if host.alive]

    def truth(self, target: int, n: int = K, without: Host | None = None) -> list[int]:
        """Return the ids of the nearest living hosts, by brute force."""
        ids = [host.id for host in self.living() if host is not without]
        return heapq.nsmallest(n, ids, key=target.__xor__)

    def anyone(self) -> Host:
        """Return one of the living and honest by chance."""
        return self.chance.choice([host for host in self.living() if not host.liar])

    def target(self) -> int:
        """Return a place by chance."""
        return self.chance.getrandbits(ID_BITS)

    def _key(self, near: int | None, bits: int) -> str:
        """Return a key, tried out until its id lies where it is wanted."""
        while True:
            point = b"\x02" + self.chance.randbytes(32)
            if near is None or (node_id(point) ^ near) >> ID_BITS - bits == 0:
                return base64url.encode(point)

    def _fill(self, host: Host, *, spread: bool = True) -> None:
        while nodes := host.candidates.take(8, spread=spread):
            for node in nodes:
                if not self.shake(host, node):
                    host.candidates.unreached(node, self.now_s)

    def _meet(self, host: Host, other: Host) -> None:
        fresh = Node.of(other.node.contact, self.grouping)
        fresh.rtt_s = LATENCY_S
        entry = host.table.add(fresh, self.now_s)
        if not isinstance(entry, Full):
            return
        if self.hosts[entry.oldest.id].alive:
            host.table.answered(entry.oldest.id, self.now_s)
        else:
            host.table.replace(entry.oldest, fresh, self.now_s)


def grown(size: int, seed: int, grouping: Grouping | None = None) -> Network:
    """Return a network whose hosts joined one after another through real look-ups."""
    network = Network(seed, grouping)
    seeds = [network.host() for _ in range(3)]
    for host in seeds:
        for other in seeds:
            network.shake(host, other.node)
    for _ in range(size - len(seeds)):
        network.join(network.host(), seeds)
    return network


@lru_cache(maxsize=4)
def settled(size: int, seed: int = 1) -> Network:
    """Return a grown network that several tests share; use it `frozen`."""
    return grown(size, seed)
