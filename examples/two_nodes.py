"""Two whole nodes in one process, on a network in memory: what one publishes the other reads.

python examples/two_nodes.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

from twisted.internet.defer import Deferred

from streembit.dht.memory import MemoryShelf
from streembit.disk.published import PublishedRecords
from streembit.jose.keys import Identity
from streembit.service.desk import Desk
from streembit.service.membership import Address
from streembit.service.node import Node
from streembit.service.settings import NetworkSettings
from streembit.testing import MemoryNetwork


def node_at(memory: MemoryNetwork, address: str, own: PublishedRecords, *seeds: Address) -> Node:
    """Start a node with a new identity at an address of the network in memory."""
    host, settings = memory.host(address), NetworkSettings(network="example")
    identity, chance = Identity.generate("example"), Random(address)
    node = Node(
        identity, settings, MemoryShelf(), own, host.connect, memory.clock, chance, seeds=seeds
    )
    host.listen(8905, node.carriers.factory)
    node.reach.listening_on(8905, [f"{address}:8905"])
    node.startService()
    return node


async def story(ann: Node, ben: Node) -> None:
    """Publish at one, read at the other."""
    put = await Desk(ann).put_record("Greeting", b"Hello", 3600)
    print(f"put: {len(put.replicas)} receipt, {put.took_ms:.0f} simulated ms")
    got = await Desk(ben).get_record(ann.identity.public.hex, "Greeting")
    if got is not None:
        print(f"got: {got.value!r}, signed by {got.signer[:16]}...")


def main() -> None:
    """Let two nodes meet, and simulated time go by until the story is told."""
    memory = MemoryNetwork(seed=1)
    with tempfile.TemporaryDirectory() as folder:
        owns = [PublishedRecords(Path(folder, name)) for name in ("ann", "ben")]
        ann = node_at(memory, "192.0.2.1", owns[0])
        ben = node_at(memory, "198.51.100.1", owns[1], Address("192.0.2.1", 8905))
        memory.clock.run_until(lambda: all(len(n.network.table) for n in (ann, ben)), 60)
        told = Deferred.fromCoroutine(story(ann, ben))
        memory.clock.run_until(lambda: told.called, 60)


if __name__ == "__main__":
    main()
