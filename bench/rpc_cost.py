"""The CPU cost of a signed request and its answer over a warm link, both ends in this process.

It stands beside the bare cryptography that it needs, measured in turn with it: two signatures, two
verifications, four AEAD operations, on data of the same sizes.  The bars are 1.8 times that with
32 requests in flight and 2.4 times with one at a time.  Prints the ratios; exits with 1 when one
is above its bar.
"""

import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater, react

from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import to_text
from streembit.dht.memory import MemoryShelf
from streembit.jose.keys import Identity
from streembit.net.dial import over_tcp
from streembit.net.gate import GateLimits
from streembit.rpc.peer import Peer
from streembit.service.limits import NodeLimits
from streembit.service.membership import Address
from streembit.service.node import Node
from streembit.service.settings import NetworkSettings
from streembit.testing import MemoryOwnRecords
from streembit.wire.message import FindNode, Ping, Request

reactor: Any = _reactor
HOST = "127.0.0.1"
LOOPBACK = ("127.0.0.0/8",)
ROUNDS = 15
REQUESTS = 320  # a round
BARS = {"32 in flight": 1.8, "one at a time": 2.4}
MESSAGE_BYTES = 420  # of a request's token, on average with its answer's


def bare(times: int) -> float:
    """Return the CPU seconds that the cryptography alone takes."""
    key = ec.generate_private_key(ec.SECP256R1())
    public, es256, data = key.public_key(), ec.ECDSA(SHA256()), os.urandom(MESSAGE_BYTES)
    signature, nonce = key.sign(data, es256), bytes(12)
    cipher = AESGCM(os.urandom(32))
    sealed = cipher.encrypt(nonce, data, None)
    begun = time.process_time()
    for _ in range(times):
        key.sign(data, es256)
        key.sign(data, es256)
        public.verify(signature, data, es256)
        public.verify(signature, data, es256)
        cipher.encrypt(nonce, data, None)
        cipher.decrypt(nonce, sealed, None)
        cipher.encrypt(nonce, data, None)
        cipher.decrypt(nonce, sealed, None)
    return time.process_time() - begun


async def signed(peer: Peer, times: int, in_flight: int, body: Callable[[], Request]) -> float:
    """Return the CPU seconds that so many requests and answers take, both ends."""
    left = times

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await peer.request(body())

    begun = time.process_time()
    await gatherResults([Deferred.fromCoroutine(worker()) for _ in range(in_flight)])
    return time.process_time() - begun


def node(number: int, seeds: list[Address]) -> tuple[Node, Any]:
    """Return a whole node that listens; its budgets allow what is measured."""
    made = Node(
        Identity.generate(f"node{number}"),
        NetworkSettings(
            network="bench",
            grouping=Grouping(exempt=LOOPBACK),
            checks_per_peer_per_s=1e6,
            checks_per_node_per_s=1e6,
        ),
        MemoryShelf(),
        MemoryOwnRecords(),
        over_tcp(reactor),
        reactor,
        random.Random(number),
        seeds=seeds,
        limits=NodeLimits(GateLimits(exempt=LOOPBACK)),
    )
    port = reactor.listenTCP(0, made.carriers.factory, interface=HOST)
    made.reach.listening_on(port.getHost().port, [])
    made.startService()
    return made, port


async def measure() -> dict[str, float]:
    """Return the ratio for each bar: the median over the rounds."""
    one, port = node(0, [])
    two, port_two = node(1, [Address(HOST, port.getHost().port)])
    while not two.dht.membership.joined:
        await deferLater(reactor, 0.05)
    await deferLater(reactor, 6.0)  # a second link between the two is closed by then
    peer = two.network.roster.get(one.identity.public)
    assert peer is not None
    ratios: dict[str, float] = {}
    target = to_text(random.getrandbits(160))
    for name, in_flight in (("32 in flight", 32), ("one at a time", 1)):
        measured = []
        for _ in range(ROUNDS):
            before = bare(REQUESTS)
            cost = await signed(peer, REQUESTS, in_flight, Ping)
            measured.append(cost / ((before + bare(REQUESTS)) / 2))
        ratios[name] = statistics.median(measured)
    ratios["find_node, 32 in flight"] = await signed(
        peer, REQUESTS, 32, lambda: FindNode(target)
    ) / bare(REQUESTS)
    for made, its_port in ((one, port), (two, port_two)):
        await its_port.stopListening()
        await made.stopService()
    return ratios


def main(_reactor: object) -> Deferred[None]:
    """Measure and print."""

    async def run() -> None:
        ratios = await measure()
        late = [name for name, bar in BARS.items() if ratios[name] > bar]
        print(json.dumps({"ratios": {k: round(v, 3) for k, v in ratios.items()}, "bars": BARS}))
        if late:
            sys.exit(1)

    return Deferred.fromCoroutine(run())


if __name__ == "__main__":
    react(main)
