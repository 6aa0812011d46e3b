"""How much memory a held link takes: our own objects, without the transport below.

Run as `python -m bench.link_memory`. Python's objects are counted by
tracemalloc, and everything, OpenSSL's included, as growth of the resident set.
"""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import ITransport
from twisted.internet.task import Clock
from zope.interface import implementer

from streembit.errors import StreembitError
from streembit.jose.keys import PrivateKey
from streembit.link.handshake import Initiator
from streembit.link.hello import Hello
from streembit.net.tcp import LinkProtocol
from streembit.wire.frame import pack

LINKS = 2000
BAR_KIB = 10.0
SERVER = PrivateKey.generate()
PEER = IPv4Address("TCP", "192.0.2.1", 40_000)


@implementer(ITransport)
class NoTransport:
    """Takes what is written until somebody asks for it."""

    __slots__ = ("written",)

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.written += b"".join(data)

    def take(self) -> bytes:
        """Return the payload of the frame that was written."""
        data, self.written = self.written, b""
        return data[4:]

    def loseConnection(self) -> None: ...

    def getPeer(self) -> IPv4Address:
        return PEER

    def getHost(self) -> IPv4Address:
        return PEER


class Owner:
    """Is told, and keeps nothing."""

    def link_open(self, link: LinkProtocol) -> None: ...

    def message(self, link: LinkProtocol, payload: bytes) -> None: ...

    def link_lost(self, link: LinkProtocol, reason: StreembitError) -> None: ...

    def refused(self, peer_host: str, error: StreembitError) -> None:
        raise error


def server_hello(host: str, port: int) -> Hello:
    """Return what the server says of itself."""
    return Hello(SERVER.public, port=32319, agent="streembit/1", observed=f"{host}:{port}")


def held_link(clock: Clock, owner: Owner) -> LinkProtocol:
    """Return the server's end of an open link over which one message came."""
    key = PrivateKey.generate()
    client = Initiator(key, Hello(key.public, port=8905, agent="streembit/1"), "bench")
    protocol = LinkProtocol(SERVER, server_hello, "bench", clock, owner, initiator=False)
    transport = NoTransport()
    protocol.makeConnection(transport)
    protocol.dataReceived(pack(client.start()))
    last, link = client.receive(transport.take())
    protocol.dataReceived(pack(last))
    protocol.dataReceived(pack(link.channel.seal(bytes(8000))))
    assert protocol.is_open
    return protocol


def resident_kib() -> float:
    """Return the resident set in KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def main() -> None:
    """Print both figures."""
    clock, owner = Clock(), Owner()
    warm = [held_link(clock, owner) for _ in range(50)]
    gc.collect()
    before = resident_kib()
    held = [held_link(clock, owner) for _ in range(LINKS)]
    gc.collect()
    resident = (resident_kib() - before) / LINKS
    tracemalloc.start()
    traced = [held_link(clock, owner) for _ in range(200)]
    gc.collect()
    python = tracemalloc.get_traced_memory()[0] / len(traced) / 1024
    tracemalloc.stop()
    timers = len(clock.getDelayedCalls())
    print(f"held links                  {len(warm) + len(held) + len(traced)}")
    print(f"resident memory a link      {resident:6.1f} KiB  (bar {BAR_KIB:.0f})")
    print(f"of it Python's objects      {python:6.1f} KiB")
    print(f"timers                      {timers:6d}")
    raise SystemExit(resident > BAR_KIB or timers > 0)


if __name__ == "__main__":
    main()
