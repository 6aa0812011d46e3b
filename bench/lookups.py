"""How few requests look-ups and puts need, and whether they find the true nearest: pure, in memory.

No crypto, no sockets, no reactor: the nodes' own tables, look-ups and puts answer each other on a
simulated clock (tests/dht/network.py), so all figures but those in µs are the same everywhere.

    python -m bench.lookups [--quick]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streembit.dht.disjoint import DisjointLookup
from streembit.dht.keyspace import REPLICAS, K
from streembit.dht.lookup import Ask, Done, Lookup
from streembit.dht.nodes import FindNodes
from streembit.dht.put import Ended, Put, Receipt, Send
from streembit.dht.values import FindFirst, FindLatest
from tests.dht.network import Host, Network, Thing, grown

SIZES: Final = (50, 200, 500, 1_000)
TARGETS: Final = 400
EXACT_BAR: Final = 0.995
ROUNDS_BAR: Final = 3.0
PUT_BAR_US: Final = 300.0
NEAREST_BAR_US: Final = 30.0


@dataclass
class Tally:
    """Sums over many look-ups or puts."""

    runs: int = 0
    exact: int = 0
    requests: int = 0
    rounds: int = 0
    worst: int = 0

    def add(self, missed: int, requests: int, rounds: int) -> None:
        self.runs += 1
        self.exact += not missed
        self.worst = max(self.worst, missed)
        self.requests += requests
        self.rounds += rounds

    def __str__(self) -> str:
        n = max(self.runs, 1)
        return (
            f"exact {100 * self.exact / n:6.2f}%  worst {self.worst}  "
            f"requests {self.requests / n:5.2f}  rounds {self.rounds / n:4.2f}"
        )


def find(network: Network, mode: Callable[[], FindNodes]) -> Tally:
    """Look up random targets, and compare with brute force."""
    tally = Tally()
    with network.frozen():
        for _ in range(TARGETS):
            host, target = network.anyone(), network.target()
            found = network.find(host, target, mode())
            missed = set(network.truth(target, without=host)) - {n.id for n in found.nodes}
            tally.add(len(missed), found.requests, found.rounds)
    return tally


def put(network: Network, k: int, share_killed: float = 0.0) -> Tally:
    """Put at random places, and compare the holders with brute force."""
    tally = Tally()
    with network.frozen():
        network.kill(share_killed)
        for _ in range(TARGETS):
            host, place = network.anyone(), network.target()
            outcome = network.put(host, Thing.at(place), k, radius=host.table.radius())
            holders = {receipt.node.id for receipt in outcome.receipts}
            missed = set(network.truth(place, k, without=host)) - holders
            tally.add(len(missed), outcome.requests, outcome.rounds)
    return tally


def get(
    network: Network, mode: Callable[[], FindFirst | FindLatest], killed: float, k: int = K
) -> Tally:
    """Read what lies on the k true nearest, after a share of all nodes fell silent."""
    tally = Tally()
    with network.frozen():
        places = [network.target() for _ in range(TARGETS)]
        for place in places:
            for holder in network.truth(place, k):
                network.hosts[holder].items[place] = Thing.at(place)
        network.kill(killed)
        for place in places:
            host = network.anyone()
            found = network.find(host, place, mode(), radius=host.table.radius())
            tally.add(int(found.item is None), found.requests, found.rounds)
    return tally


def survive(liars: int, *, wide: bool, disjoint: bool) -> Tally:
    """Write and read a key that liars crowd around, in a network of 200."""
    network = grown(200, 5)
    place = network.target()
    for liar in network.liars(liars, place, 12):
        network.join(liar, [network.anyone()])
    tally = Tally()
    with network.frozen():
        for _ in range(50):
            for host in network.hosts.values():
                host.items.clear()
            writer, reader = network.anyone(), network.anyone()
            radius = writer.table.radius() if wide else None
            outcome = network.put(writer, Thing.at(place), radius=radius)
            radius = reader.table.radius() if wide else None
            found = read(network, reader, place, radius, disjoint=disjoint)
            tally.add(int(not found), outcome.requests, outcome.rounds)
    return tally


def read(network: Network, reader: Host, place: int, radius: int | None, *, disjoint: bool) -> bool:
    if not disjoint:
        return network.find(reader, place, FindLatest(), radius=radius).item is not None
    lookup = DisjointLookup(
        place,
        reader.table.nearest(place, 2 * K),
        now_s=network.now_s,
        own_id=reader.id,
        grouping=network.grouping,
        radius=radius,
    )
    found = network.drive(reader, lookup)
    return getattr(found, "item", None) is not None


# --- what the rules themselves cost


def put_us(network: Network, runs: int) -> float:
    """Return the CPU of table and put at the publisher, in µs a put of 20 replicas."""
    return _us(network, runs, _one_put)


def get_us(network: Network, runs: int) -> float:
    """Return the CPU of table and look-up at the asker, in µs a get of one request."""
    return _us(network, runs, _one_get)


def nearest_us(network: Network, runs: int) -> float:
    """Return the CPU of one `Table.nearest`, in µs."""
    return _us(network, runs, lambda host, place: host.table.nearest(place))


def _us(network: Network, runs: int, act: Callable[[Host, int], object]) -> float:
    cases = [(network.anyone(), network.target()) for _ in range(runs)]
    for host, place in cases[:100]:
        act(host, place)
    best_s = float("inf")
    for _ in range(3):
        started_s = time.process_time()
        for host, place in cases:
            act(host, place)
        best_s = min(best_s, time.process_time() - started_s)
    return best_s / runs * 1e6


def _one_put(host: Host, place: int) -> None:
    table = host.table
    put = Put(
        place,
        table.nearest(place, 2 * K, storage_only=True),
        now_s=0.0,
        k=K,
        sure=table.knows_all(place),
        own_id=host.id,
        grouping=table.grouping,
        radius=table.radius(),
        known=table.get,
    )
    waiting: list[int] = []
    receipt = Receipt(host.node, b"", 0, 0)
    while not isinstance(step := put.next(0.0), Ended):
        if isinstance(step, Send):
            waiting += [node.id for node in step.nodes]
        else:
            put.stored(waiting.pop(), receipt, (), 0.0)


def _one_get(host: Host, place: int) -> None:
    table = host.table
    lookup = Lookup(
        place,
        table.nearest(place),
        FindFirst(),
        now_s=0.0,
        own_id=host.id,
        grouping=table.grouping,
        radius=table.radius(),
        known=table.get,
    )
    asked = 0
    while not isinstance(step := lookup.next(0.0), Done):
        if isinstance(step, Ask):
            asked = step.node.id
        else:
            lookup.value(asked, Thing.at(place), 0.0)  # type: ignore[arg-type]


def main() -> int:
    """Print the figures; return 1 where a bar is missed."""
    quick = "--quick" in sys.argv
    failed: list[str] = []
    for size in SIZES[: 2 if quick else None]:
        started_s = time.process_time()
        network = grown(size, 1)
        entries = sum(len(host.table) for host in network.hosts.values()) / size
        print(
            f"\n{size} nodes, joined one after another through real look-ups"
            f" ({network.handshakes / size:.0f} handshakes a node, {entries:.0f} entries a table,"
            f" {time.process_time() - started_s:.1f} s)"
        )
        report(network, failed)
    cost(grown(200, 2), failed)
    if not quick:
        crowd()
    for line in failed:
        print("MISSED:", line)
    return 1 if failed else 0


def report(network: Network, failed: list[str]) -> None:
    """Print one network's figures, and note the bars that it misses."""
    size = len(network.hosts)
    found = find(network, FindNodes)
    print(f"  find 20 nearest           {found}")
    if found.exact < EXACT_BAR * found.runs or found.worst > 1:
        failed.append(f"{size} nodes: look-ups that equal brute force")
    if found.rounds > ROUNDS_BAR * found.runs:
        failed.append(f"{size} nodes: rounds")
    print(f"    each of them asked      {find(network, lambda: FindNodes(confirm=True))}")
    for k in (REPLICAS, K):
        stored = put(network, k)
        print(f"  put, {k} replicas          {stored}")
        if stored.exact < 0.99 * stored.runs or (size == 50 and stored.requests > 23 * stored.runs):
            failed.append(f"{size} nodes: puts to {k}")
        print(f"    30% fallen silent       {put(network, k, 0.3)}")
        for killed in (0.0, 0.3, 0.5):
            name = f"  get, {killed:.0%} fallen silent"
            print(f"  {name:<24}  {get(network, FindFirst, killed, k)}")
        print(f"    get the newest of 3     {get(network, FindLatest, 0.0, k)}")


def crowd() -> None:
    """Print what becomes of a key that liars crowd around."""
    print("\n200 honest nodes, liars ground to be the nearest to a key; writes that can be read")
    for liars in (20, 40, 60):
        for wide, disjoint in ((False, False), (True, False), (True, True)):
            how = "radius" if wide else "20 nearest"
            how += ", 4 disjoint paths" if disjoint else ""
            print(f"  {liars} liars, {how:<26} {survive(liars, wide=wide, disjoint=disjoint)}")


def cost(network: Network, failed: list[str]) -> None:
    """Print the CPU of the rules alone."""
    entries = sum(len(host.table) for host in network.hosts.values()) / len(network.hosts)
    figures = (
        ("Table.nearest", nearest_us(network, 2_000), NEAREST_BAR_US),
        ("a put of 20 replicas at its publisher", put_us(network, 500), PUT_BAR_US),
        ("a get of one request at its asker", get_us(network, 1_000), PUT_BAR_US),
    )
    print(f"\nCPU of table, look-up and put alone, {entries:.0f} entries")
    for name, us, bar_us in figures:
        print(f"  {name:<40} {us:6.1f} µs (bar {bar_us:.0f})")
        if us > bar_us:
            failed.append(name)


if __name__ == "__main__":
    raise SystemExit(main())
