"""PyPI `kademlia` (asyncio, UDP, unsigned, in the clear) under the workload of the comparison.

A get counts as local when the asked node's own storage holds the key
after all puts and before the first get: the library then answers
without a datagram.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from kademlia.network import Server
from kademlia.utils import digest

from bench.contestant import main
from bench.swarm import Outcome

HOST = "127.0.0.1"
REQUEST = b"\x00"  # first byte of a datagram of its RPC that is a request, not an answer


class CountingTransport:
    """A datagram transport that counts the requests among what it sends."""

    def __init__(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport
        self.requests = 0

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        """Send, and count when it is a request."""
        self.requests += data.startswith(REQUEST)
        self._transport.sendto(data, address)


class KademliaSwarm:
    """Servers of the library as it comes, with its defaults: k = 20, alpha = 3."""

    settle_s = 0.5  # bootstrap() returns when its own look-up is complete

    def __init__(self, variant: str) -> None:
        """Begin without a node; the library has one way only, `plain`."""
        assert variant == "plain"
        self._servers: list[Any] = []

    async def join(self, seed_port: int | None) -> int:
        """Start one more server and wait for its bootstrap."""
        server = Server()
        await server.listen(0, HOST)
        server.protocol.transport = CountingTransport(server.transport)
        if seed_port is not None:
            await server.bootstrap([(HOST, seed_port)])
        self._servers.append(server)
        port: int = server.transport.get_extra_info("sockname")[1]
        return port

    async def put(self, at: int, name: str, value: bytes, reader: int) -> Outcome:
        """Set, which ends when every one of the k nearest was tried."""
        begun = time.perf_counter()
        taken = await self._servers[at].set(name, value)
        return Outcome(value if taken else None, time.perf_counter() - begun)

    async def get(self, at: int, name: str, limit_s: float) -> Outcome:
        """Get, giving up at the limit."""
        begun = time.perf_counter()
        try:
            value = await asyncio.wait_for(self._servers[at].get(name), limit_s)
        except TimeoutError:
            value = None
        return Outcome(value, time.perf_counter() - begun)

    def holds(self, at: int, name: str) -> bool:
        """Look into a server's own storage, as its get does first."""
        return self._servers[at].storage.get(digest(name)) is not None

    async def pause(self, seconds: float) -> None:
        """Let the nodes run for a while."""
        await asyncio.sleep(seconds)

    async def together(self, work: Sequence[Coroutine[Any, Any, Outcome]]) -> list[Outcome]:
        """Run these at the same time."""
        return await asyncio.gather(*work)

    def requests(self) -> int:
        """Count the request datagrams of all servers."""
        return sum(server.protocol.transport.requests for server in self._servers)

    async def stop(self) -> None:
        """Close every server."""
        for server in self._servers:
            server.stop()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)  # it logs each lost request, and formatting is not free
    main("bench.peer_kademlia", __doc__, asyncio.run, KademliaSwarm)
