"""Many hosts, joined by streams with latency, loss, partitions and silence."""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable

from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IProtocol, IProtocolFactory

from streembit.testing.clock import MemoryClock
from streembit.testing.streams import MemoryTransport, Place, address_of

CONNECT_TIMEOUT_S = 10.0
MAX_TRACE = 200_000  # events kept, so a long simulation cannot eat the machine


class MemoryPort:
    """A listening port of a memory host; `stopListening` closes it."""

    def __init__(self, host: MemoryHost, port: int, factory: IProtocolFactory) -> None:
        self.host, self.port, self.factory = host, port, factory

    def getHost(self) -> IPv4Address | IPv6Address:  # noqa: N802
        return address_of(self.host.address, self.port)

    def stopListening(self) -> None:  # noqa: N802
        self.host.ports.pop(self.port, None)
        self.factory.doStop()


class MemoryHost:
    """One host of the memory network: it listens and it connects."""

    def __init__(self, network: MemoryNetwork, address: str) -> None:
        self.network, self.address = network, address
        self.ports: dict[int, MemoryPort] = {}
        self.alive = True
        self._ephemeral = itertools.count(40_000)

    def listen(self, port: int, factory: IProtocolFactory) -> MemoryPort:
        """Listen on a port; a taken one raises `ValueError`."""
        if port in self.ports:
            raise ValueError(f"port {port} is taken")
        self.ports[port] = MemoryPort(self, port, factory)
        factory.doStart()
        return self.ports[port]

    def connect(self, host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect as an `IStreamClientEndpoint` does: the protocol, or a connection error."""
        return self.network.connect(self, host, port, factory, next(self._ephemeral))


class MemoryNetwork:
    """Hosts joined by streams with latency, loss as reset, partitions and silence.

    Args:
        seed: the only source of chance.
        latency_s: least and greatest one-way delay of a pair of hosts; a pair keeps what it drew.
        loss: probability that a write resets its connection.

    Attributes:
        tap: hears of every write, by whoever it is; None for nobody who listens.
    """

    def __init__(
        self,
        seed: int = 0,
        latency_s: tuple[float, float] = (0.005, 0.05),
        loss: float = 0.0,
        clock: MemoryClock | None = None,
    ) -> None:
        self.clock = clock or MemoryClock()
        self.random = random.Random(seed)
        self._seed = seed
        self._latency = latency_s
        self.loss = loss
        self.hosts: dict[str, MemoryHost] = {}
        self.trace: deque[tuple[float, str, str, int]] = deque(maxlen=MAX_TRACE)
        self.bytes_sent = 0
        self.tap: Callable[[MemoryTransport, bytes], None] | None = None
        self._open: dict[int, MemoryTransport] = {}
        self._sides: dict[str, int] = {}
        self._silent: set[str] = set()

    def host(self, address: str) -> MemoryHost:
        """Return the host with this IP address, made at its first mention."""
        return self.hosts.setdefault(address, MemoryHost(self, address))

    def connect(
        self, source: MemoryHost, host: str, port: int, factory: IProtocolFactory, from_port: int
    ) -> Deferred[IProtocol]:
        """Connect two hosts; see `MemoryHost.connect`."""
        target = self.host(host)
        done: Deferred[IProtocol] = Deferred()
        if not source.alive:
            return fail(error.ConnectError())
        if self.blocked(source, target):
            self.clock.callLater(CONNECT_TIMEOUT_S, done.errback, error.TimeoutError())
            return done
        round_trip_s = 2 * self.latency_s(source, target)
        self.clock.callLater(
            round_trip_s, self._connected, done, source, target, port, factory, from_port
        )
        return done

    def _connected(
        self,
        done: Deferred[IProtocol],
        source: MemoryHost,
        target: MemoryHost,
        port: int,
        factory: IProtocolFactory,
        from_port: int,
    ) -> None:
        listening = target.ports.get(port)
        if listening is None or not target.alive or not source.alive:
            done.errback(error.ConnectionRefusedError())
            return
        ours = MemoryTransport(self, source, from_port, target, port)
        theirs = MemoryTransport(self, target, port, source, from_port)
        ours.other, theirs.other = theirs, ours
        self._open[id(ours)], self._open[id(theirs)] = ours, theirs
        self.trace.append((self.clock.seconds(), source.address, f"{target.address}:{port}", -1))
        client = factory.buildProtocol(ours.getPeer())
        if client is None:
            ours.abortConnection()
            done.errback(error.ConnectError())
            return
        server = listening.factory.buildProtocol(theirs.getPeer())
        ours.protocol = client
        client.makeConnection(ours)
        if server is None:
            theirs.abortConnection()
        else:
            theirs.protocol = server
            server.makeConnection(theirs)
        done.callback(client)

    # --- faults
    def partition(self, *sides: Iterable[str]) -> None:
        """Split the hosts: those of different sides hear nothing of each other; `heal` ends it."""
        self._sides = {address: n for n, side in enumerate(sides) for address in side}

    def heal(self) -> None:
        """End partition and silence: what waited is delivered, as TCP would."""
        self._sides = {}
        self._silent = set()
        for transport in list(self._open.values()):
            transport.release()

    def silence(self, *addresses: str) -> None:
        """Let hosts fall silent: no reset, no answer, as a stopped process or a pulled cable."""
        self._silent.update(addresses)

    def kill(self, *addresses: str) -> None:
        """Kill hosts: their ports close and their connections are reset at both ends."""
        gone = set(addresses)
        for address in addresses:
            self.host(address).alive = False
            self.host(address).ports.clear()
        for transport in list(self._open.values()):
            if transport.local.address in gone or transport.remote.address in gone:
                transport.reset()

    def revive(self, address: str) -> MemoryHost:
        """Let a killed or silent host live again; it has no ports and no connections."""
        self._silent.discard(address)
        host = self.host(address)
        host.alive = True
        return host

    def blocked(self, one: Place, other: Place) -> bool:
        """Say whether bytes between two hosts are being dropped."""
        if not self._silent and not self._sides:
            return False
        if one.address in self._silent or other.address in self._silent:
            return True
        return self._sides.get(one.address, -1) != self._sides.get(other.address, -1)

    def latency_s(self, one: Place, other: Place) -> float:
        """Return the one-way delay of a pair: drawn from the seed and the pair, and kept."""
        least_s, most_s = self._latency
        low, high = sorted((one.address, other.address))
        if least_s == most_s:
            return least_s
        return random.Random(f"{self._seed} {low} {high}").uniform(least_s, most_s)

    # --- used by the transports
    def sent(self, transport: MemoryTransport, data: bytes) -> None:
        """Note a write in the trace."""
        self.bytes_sent += len(data)
        peer = transport.remote.address
        self.trace.append((self.clock.seconds(), transport.local.address, peer, len(data)))
        if self.tap is not None:
            self.tap(transport, data)

    def resets(self, transport: MemoryTransport) -> bool:
        """Draw whether this write breaks its connection."""
        return self.loss > 0 and self.random.random() < self.loss

    def keep(self, transport: MemoryTransport) -> None:
        """Remember a transport until what it holds has got through."""
        self._open[id(transport)] = transport

    def forget(self, transport: MemoryTransport) -> None:
        """Drop a closed transport."""
        self._open.pop(id(transport), None)

    @property
    def connections(self) -> int:
        """How many connections are open, both ends counted as one."""
        return len(self._open) // 2
