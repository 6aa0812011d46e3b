"""OpenDHT (PyPI `opendht`, C++, UDP, RSA-2048 identities) under the workload of the comparison.

Variants: `signed` uses putSigned, whose values each reader verifies;
`encrypted` uses putEncrypted to the reader's key, known beforehand, which
signs and seals, and whose get decrypts and verifies; `plain` does neither. A get counts as
local when the asked node's own storage lists the key after all puts and
before the first get. Times are taken in the library's callback, so that
the way back into Python's event loop is not counted.

The library's binding holds Python's lock while it waits for the node's
own, so whatever reads a node's state is called only when no callback
can be under way; otherwise both wait for ever.
"""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import opendht

from bench.contestant import main
from bench.swarm import Outcome

HOST = "127.0.0.1"
RSA_BITS = 2048
JOIN_LIMIT_S = 10.0
NO_LIMIT = -1  # its default refuses more than 200 requests a second from one address
PUT_LIMIT_S = 10.0


@dataclass(slots=True)
class Search:
    """What the callbacks of one operation report, from the library's threads."""

    loop: asyncio.AbstractEventLoop
    wanted: bytes | None = None
    begun: float = field(default_factory=time.perf_counter)
    value: bytes | None = None
    seconds: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def found(self, value: Any) -> bool:
        """Take a value that the library has verified; False would end the search."""
        if self.seconds is None:
            self.value, self.seconds = bytes(value.data), time.perf_counter() - self.begun
        return True

    def done(self, ok: bool, nodes: object) -> None:
        """Take the end of the operation."""
        if self.seconds is None:
            self.value = self.wanted if ok else None
            self.seconds = time.perf_counter() - self.begun
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.ended.set)

    async def outcome(self, limit_s: float) -> Outcome:
        """Wait for the whole search, so that the next one finds the nodes idle."""
        try:
            await asyncio.wait_for(self.ended.wait(), limit_s)
        except TimeoutError:
            pass
        return Outcome(self.value, self.seconds or limit_s)


class OpenDhtSwarm:
    """Runners of the library, each with its own threads, identity and socket."""

    settle_s = 5.0  # its nodes first publish their certificates

    def __init__(self, variant: str) -> None:
        self._variant = variant
        self._runners: list[Any] = []
        self._readers: list[Any] = []
        self._requests = 0

    async def join(self, seed_port: int | None) -> int:
        """Start one more runner and wait until the seed has answered it."""
        config = opendht.DhtConfig()
        identity = opendht.Identity.generate("bench", opendht.Identity(), RSA_BITS)
        config.setIdentity(identity)
        config.setRateLimit(NO_LIMIT, NO_LIMIT)
        runner = opendht.DhtRunner()
        runner.run(ipv4=HOST, port=0, config=config)
        port: int = runner.getBound().getPort()
        self._readers.append(identity.publickey)
        if seed_port is not None:
            await self._bootstrap(runner, seed_port)
        self._runners.append(runner)
        return port

    async def _bootstrap(self, runner: Any, seed_port: int) -> None:
        runner.bootstrap(HOST, str(seed_port))
        ping = Search(asyncio.get_running_loop())
        (seed,) = opendht.SockAddr.resolve(HOST, str(seed_port))
        runner.ping(seed, lambda ok: ping.done(ok, None))
        await ping.outcome(JOIN_LIMIT_S)

    async def put(self, at: int, name: str, value: bytes, reader: int) -> Outcome:
        """Put in the way of the variant, which ends when the nearest have taken it."""
        runner, key = self._runners[at], opendht.InfoHash.get(name)
        search = Search(asyncio.get_running_loop(), wanted=value)
        match self._variant:
            case "signed":
                runner.putSigned(key, opendht.Value(value), search.done)
            case "encrypted":
                runner.putEncrypted(key, opendht.Value(value), self._readers[reader], search.done)
            case _:
                runner.put(key, opendht.Value(value), search.done)
        return await search.outcome(PUT_LIMIT_S)

    async def get(self, at: int, name: str, limit_s: float) -> Outcome:
        """Get; the time ends at the first value that the library accepts."""
        runner, key = self._runners[at], opendht.InfoHash.get(name)
        search = Search(asyncio.get_running_loop())
        runner.get(key, search.found, search.done)
        return await search.outcome(limit_s)

    def holds(self, at: int, name: str) -> bool:
        """Look for the key in the listing of a runner's storage."""
        return str(opendht.InfoHash.get(name)) in self._runners[at].getStorageLog()

    async def pause(self, seconds: float) -> None:
        """Let the nodes run for a while."""
        await asyncio.sleep(seconds)

    async def together(self, work: Sequence[Coroutine[Any, Any, Outcome]]) -> list[Outcome]:
        """Run these at the same time."""
        return await asyncio.gather(*work)

    def requests(self) -> int:
        """Count the requests that all runners have sent; each reading sets its counters to 0."""
        self._requests += sum(sum(runner.getNodeMessageStats()) for runner in self._runners)
        return self._requests

    async def stop(self) -> None:
        """Close every runner without a farewell."""
        for runner in self._runners:
            await asyncio.to_thread(runner.join)


if __name__ == "__main__":
    main(
        "bench.peer_opendht",
        __doc__,
        asyncio.run,
        OpenDhtSwarm,
        ("signed", "encrypted", "plain"),
    )
