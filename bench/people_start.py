"""A start with a hundred contacts: how hard the network is asked, and how long all takes.

A whole node with its people joins a network of whole nodes in one process
(streembit/testing/): one clock, one seed. None of the contacts is there, so
that each is looked for again and again: two cards are published for each of
them, and theirs are looked up. Then the node ends and starts again with what
it kept. Counted are the look-ups and puts in flight at a time, and
the signed requests in any second of the start, those of joining and upkeep
with them.

    python -m bench.people_start [--contacts 100] [--nodes 40] [--seed 1] [--json]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final

from bench.churn import Swarm
from bench.figure import Figure, report
from streembit.contacts.book import Book, contact
from streembit.jose.keys import Identity
from streembit.service.node import Node
from streembit.service.people.lane import at_once
from streembit.service.people.people import People
from streembit.testing import MemoryChest

CONTACTS: Final = 100
NODES: Final = 40
STEP_S: Final = 0.01
SECOND: Final = round(1 / STEP_S)
WATCHED_S: Final = 120.0  # of a start
AT_ONCE_BAR: Final = 10
REQUESTS_BAR: Final = 250


def with_contacts(count: int) -> MemoryChest:
    """Return the chest of somebody who has so many contacts."""
    book, chest = Book(), MemoryChest()
    for number in range(count):
        other = Identity.from_seed((1_000_000 + number).to_bytes(32))
        name = f"contact {number}"
        book.add(contact(other.public, name, 0, agreement=other.agreement.public))
    chest.commit(book.changes())
    return chest


def start(
    swarm: Swarm, node: Node, chest: MemoryChest, folder: Path
) -> Iterator[tuple[str, float]]:
    """Start a node with people; yield what was measured meanwhile."""
    people = People(node, chest, at_once, folder, Random(1))
    people.setServiceParent(node)
    node.startService()
    in_flight: list[int] = []
    requests: list[int] = [0]
    published = 0
    while len(in_flight) < WATCHED_S / STEP_S:
        swarm.memory.clock.advance(STEP_S)
        in_flight.append(people.ways.pace.running)
        requests.append(node.network.requests)
        published += people.ways.cards.published < 2 * len(people.friends)
    busiest = max(b - a for a, b in zip(requests, requests[SECOND:], strict=False))
    yield "cards published", people.ways.cards.published
    yield "seconds until all were", published * STEP_S
    yield "signed requests", requests[-1]
    yield "look-ups and puts in flight, most", max(in_flight)
    yield "signed requests in a second, most", busiest


def measure(contacts: int, nodes: int, seed: int) -> Iterator[Figure]:
    """Yield the figures of a first start and of one with what was kept."""
    bars = {
        "look-ups and puts in flight, most": AT_ONCE_BAR,
        "signed requests in a second, most": REQUESTS_BAR,
    }
    swarm, chest = Swarm(seed), with_contacts(contacts)
    swarm.grow(nodes)
    with tempfile.TemporaryDirectory(prefix="streembit-") as folder:
        for which in ("first start", "second start"):
            node = swarm.add(nodes)
            swarm.memory.revive(swarm.addresses[node])
            for what, value in start(swarm, node, chest, Path(folder)):
                bar = bars.get(what)
                if what == "cards published":
                    yield Figure(f"{which}: {what}", value, 2 * contacts)
                else:
                    yield Figure(f"{which}: {what}", value, bar, least=False)
            node.stopService()
            swarm.memory.clock.advance(1.0)
            swarm.memory.kill(swarm.addresses[node])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.people_start")
    parser.add_argument("--contacts", type=int, default=CONTACTS)
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    figures = measure(options.contacts, options.nodes, options.seed)
    return report(figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
