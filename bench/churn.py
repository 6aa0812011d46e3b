"""Hundreds of whole nodes in one process: exact look-ups, quiet links, records that outlive losses.

Each node is the service tree of `streembit-node` with its handshakes, signatures and upkeep, at an
address of its own on the in-memory network (streembit/testing/): one clock, one seed. They join
one after another through the first, and what they find is compared with brute force. For each loss
the settled network is forked: killed nodes reset their connections, silent ones say nothing more.

    python -m bench.churn [--nodes 500] [--seed 1] [--part lookups|quiet|losses ...] [--json]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.python.failure import Failure

from bench.figure import Figure, report
from streembit.dht.keyspace import K
from streembit.dht.memory import MemoryShelf
from streembit.jose.keys import Identity
from streembit.service.finder import Search
from streembit.service.membership import Address
from streembit.service.node import Node
from streembit.service.settings import NetworkSettings
from streembit.testing import MemoryHost, MemoryNetwork, MemoryOwnRecords

PORT: Final = 8905
JOIN_EVERY_S: Final = 0.2
SETTLE_S: Final = 60.0  # after the last join: what is late, and the announcements of keys
WITHIN_S: Final = 60.0  # after a loss: the time in which records have to be found
LAST_GET_S: Final = 50.0  # gets are spread over so much of it, so that each has ten seconds
QUIET_S: Final = 300.0
LIMIT_S: Final = 120.0  # for one look-up or put; a defect, if it is reached
TARGETS: Final = 400
RECORDS: Final = 400
VALUE_BYTES: Final = 300
TTL_S: Final = 86_400

EXACT_BAR: Final = 0.995
WORST_BAR: Final = 1
ROUNDS_BAR: Final = 3.0
LOSSES: Final = ((0.3, 0.995), (0.5, 0.99))  # share of the nodes, share of the records
FLAPS_BAR: Final = 1.0  # links opened a node and minute, when nothing happens
PARTS: Final = ("lookups", "quiet", "losses")

T = TypeVar("T")


@dataclass(frozen=True)
class Loss:
    """Which share of the nodes is lost at once, how, and which share of records is still found."""

    name: str
    lose: Callable[..., None]
    share: float
    bar: float

    def __str__(self) -> str:
        return f"{self.share:.0%} of the nodes {self.name}"


class Doorway:
    """Connects for one node, and counts how often."""

    def __init__(self, host: MemoryHost) -> None:
        self.dials = 0
        self._host = host

    def connect(self, host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """See `MemoryHost.connect`."""
        self.dials += 1
        return self._host.connect(host, port, factory)


class Swarm:
    """Whole nodes on one in-memory network, and the chance that the measurements draw from."""

    def __init__(self, seed: int) -> None:
        self.memory = MemoryNetwork(seed=seed)
        self.chance = Random(seed)
        self.nodes: list[Node] = []
        self.doorways: list[Doorway] = []
        self.addresses: dict[Node, str] = {}
        self._seed = seed

    def grow(self, count: int) -> None:
        """Let so many nodes join, one after another, through the first; then let them settle."""
        for number in range(count):
            self.add(number).startService()
            self.memory.clock.advance(JOIN_EVERY_S)
            if number % 50 == 49:
                say(f"{number + 1} nodes started, {time.process_time():.0f} s of CPU")
        joined = self.memory.clock.run_until(
            lambda: all(node.dht.membership.joined for node in self.nodes), LIMIT_S
        )
        if not joined:
            raise AssertionError("not all nodes joined")
        self.memory.clock.advance(SETTLE_S)

    @property
    def dials(self) -> int:
        """How often nodes connected to others, whatever became of it."""
        return sum(doorway.dials for doorway in self.doorways)

    def result(self, work: Coroutine[Deferred[Any], Any, T]) -> T:
        """Return what this comes to, letting as much time go by as it needs."""
        results: list[T | Failure] = []
        Deferred.fromCoroutine(work).addBoth(results.append)
        self.memory.clock.run_until(lambda: bool(results), LIMIT_S)
        result = results[0]
        if isinstance(result, Failure):
            result.raiseException()
        return result

    def truth(self, target: int, without: Node) -> set[int]:
        """Return the true nearest to a target, by brute force."""
        ids = [node.network.id for node in self.nodes if node is not without]
        return set(sorted(ids, key=target.__xor__)[:K])

    def add(self, number: int) -> Node:
        """Return a node that is not started yet, the one with this number."""
        address = f"10.{number // 250}.{number % 250}.1"  # each in a /24 of its own
        host = self.memory.host(address)
        doorway = Doorway(host)
        node = Node(
            Identity.from_seed(number.to_bytes(32), f"node{number}"),
            NetworkSettings(network="bench"),
            MemoryShelf(),
            MemoryOwnRecords(),
            doorway.connect,
            self.memory.clock,
            Random(self._seed * 1_000_003 + number),
            seeds=[Address("10.0.0.1", PORT)] if number else [],
        )
        host.listen(PORT, node.carriers.factory)
        node.reach.listening_on(PORT, [f"{address}:{PORT}"])
        self.nodes.append(node)
        self.doorways.append(doorway)
        self.addresses[node] = address
        return node


# --- the parts


def joining(swarm: Swarm, count: int) -> Iterator[Figure]:
    """Build the network; yield what that took."""
    started_s = time.process_time()
    swarm.grow(count)
    entries = sum(len(node.network.table) for node in swarm.nodes)
    yield Figure("CPU seconds to join", time.process_time() - started_s)
    yield Figure("dials a node, joined and settled", swarm.dials / count)
    yield Figure("links a node", 2 * swarm.memory.connections / count)
    yield Figure("entries a table", entries / count)


def lookups(swarm: Swarm) -> Iterator[Figure]:
    """Look random targets up from random nodes, and compare with brute force."""
    exact = requests = rounds = worst = 0
    for _ in range(TARGETS):
        node, target = swarm.chance.choice(swarm.nodes), swarm.chance.getrandbits(160)
        search = swarm.result(node.dht.finder.nodes(target))
        assert search.found is not None
        missed = len(swarm.truth(target, node) - {found.id for found in search.found.nodes})
        exact += not missed
        worst = max(worst, missed)
        requests += search.requests
        rounds += search.rounds
    yield Figure(f"look-ups of {TARGETS} that equal brute force", exact / TARGETS, EXACT_BAR)
    yield Figure("  nodes that the worst of them missed", worst, WORST_BAR, least=False)
    yield Figure("  rounds of requests in the mean", rounds / TARGETS, ROUNDS_BAR, least=False)
    yield Figure("  requests in the mean", requests / TARGETS)


def quiet(swarm: Swarm) -> Iterator[Figure]:
    """Let time go by in which nobody comes or goes; count the links that do."""
    opened, open_before = swarm.dials, swarm.memory.connections
    swarm.memory.clock.advance(QUIET_S)
    opened = swarm.dials - opened
    closed = opened + open_before - swarm.memory.connections
    per_minute = 60.0 / QUIET_S / len(swarm.nodes)
    yield Figure("links opened a node and quiet minute", opened * per_minute, FLAPS_BAR, False)
    yield Figure("links closed a node and quiet minute", closed * per_minute, FLAPS_BAR, False)


def losses(swarm: Swarm) -> Iterator[Figure]:
    """Put records, then lose shares of the nodes in two ways; yield what is still found."""
    places, receipts = [], 0
    for number in range(RECORDS):
        node, value = swarm.chance.choice(swarm.nodes), swarm.chance.randbytes(VALUE_BYTES)
        record, outcome = swarm.result(
            node.dht.publishing.put("name", f"bench/{number}", value, TTL_S)
        )
        places.append(record.place)
        receipts += len(outcome.receipts)
    yield Figure("receipts a put", receipts / RECORDS)
    for share, bar in LOSSES:
        for name, lose in (("killed", swarm.memory.kill), ("silent", swarm.memory.silence)):
            loss = Loss(name, lose, share, bar)
            say(str(loss))
            yield from _apart(lambda loss=loss: after(swarm, places, loss))  # type: ignore[misc]


def after(swarm: Swarm, places: Sequence[int], loss: Loss) -> list[Figure]:
    """Lose this share of the nodes; let the others find the records within a minute."""
    gone = set(swarm.chance.sample(swarm.nodes, round(loss.share * len(swarm.nodes))))
    left = [node for node in swarm.nodes if node not in gone]
    loss.lose(*(swarm.addresses[node] for node in gone))
    took_s: list[float] = []
    for number, place in enumerate(places):
        node = swarm.chance.choice([n for n in left if n.dht.deposit.item(place) is None])
        begin_s = LAST_GET_S * number / len(places)
        swarm.memory.clock.callLater(begin_s, _get, swarm, node, place, took_s)
    swarm.memory.clock.advance(WITHIN_S)
    took_s.sort()
    return [
        Figure(f"records found, {loss}", len(took_s) / len(places), loss.bar),
        Figure("  seconds a get, median", took_s[len(took_s) // 2] if took_s else float("nan")),
        Figure("  seconds a get, slowest", took_s[-1] if took_s else float("nan")),
    ]


def _get(swarm: Swarm, node: Node, place: int, took_s: list[float]) -> None:
    """Begin to read a record; its time is noted if it is found."""
    begun_s = swarm.memory.clock.seconds()

    def ended(search: Search) -> None:
        if search.item is not None:
            took_s.append(swarm.memory.clock.seconds() - begun_s)

    Deferred.fromCoroutine(node.dht.finder.first(place)).addCallback(ended)


def _apart(measure: Callable[[], list[Figure]]) -> list[Figure]:
    """Measure in a forked process, so that this one keeps its network as it is."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            with os.fdopen(writer, "w") as pipe:
                json.dump([asdict(figure) for figure in measure()], pipe)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return [Figure(**fields) for fields in json.loads(text)]


def measure(nodes: int, seed: int, parts: Sequence[str] = PARTS) -> Iterator[Figure]:
    """Build a network of so many nodes, and yield the figures of these parts as they come."""
    gc.set_threshold(200_000, 100, 1_000)  # half a million objects that stay are not looked through
    swarm = Swarm(seed)
    yield from joining(swarm, nodes)
    for part, figures in (("quiet", quiet), ("lookups", lookups), ("losses", losses)):
        if part in parts:
            say(part)
            yield from figures(swarm)


def say(text: str) -> None:
    """Tell how far it is, where it is in nobody's way."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.churn")
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this; may be repeated")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    figures = measure(options.nodes, options.seed, options.part or PARTS)
    return report(figures, as_json=options.json)


if __name__ == "__main__":
    raise SystemExit(main())
