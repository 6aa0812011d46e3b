"""A connection in memory: two ends, ordered bytes, the faults of a real one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IProtocol, IPushProducer, ITCPTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from streembit.testing.clock import MemoryClock

INSTANT_S = 1e-6  # what sums of times may be off
SEND_BUFFER = 64 * 1024  # bytes in flight before a registered producer is paused, as a kernel would


class Place(Protocol):
    """Where an end of a connection is."""

    address: str


class Carrier(Protocol):
    """What the ends of a connection need of the network between them."""

    clock: MemoryClock

    def latency_s(self, one: Place, other: Place) -> float:
        """Return the one-way delay of a pair."""

    def blocked(self, one: Place, other: Place) -> bool:
        """Say whether bytes between two hosts are being dropped."""

    def sent(self, transport: MemoryTransport, data: bytes) -> None:
        """Note a write."""

    def resets(self, transport: MemoryTransport) -> bool:
        """Draw whether this write breaks its connection."""

    def keep(self, transport: MemoryTransport) -> None:
        """Remember a transport until what it holds has got through."""

    def forget(self, transport: MemoryTransport) -> None:
        """Drop a closed transport."""


def address_of(host: str, port: int) -> IPv4Address | IPv6Address:
    """Return the Twisted address of a host and port."""
    kind = IPv6Address if ":" in host else IPv4Address
    return kind("TCP", host, port)


@implementer(ITCPTransport, IPushProducer)
class MemoryTransport:
    """One end of an in-memory connection: ordered bytes, delivered after the pair's latency."""

    def __init__(
        self, network: Carrier, host: Place, port: int, peer: Place, peer_port: int
    ) -> None:
        self._network = network
        self._clock = network.clock
        self.local, self.remote = host, peer
        self._host_address = address_of(host.address, port)
        self._peer_address = address_of(peer.address, peer_port)
        self.protocol: IProtocol | None = None
        self.other: MemoryTransport | None = None
        self.connected = True
        self.disconnecting = False
        self._inbox: deque[bytes] = deque()
        self._paused = False
        self._producer: IPushProducer | None = None
        self._producer_paused = False
        self._unread = 0  # bytes written by us that the other side has not taken
        self._closing: Failure | None = None
        self._wire: deque[tuple[float, bytes | None]] = deque()  # when it arrives; None: the end
        self._last_due_s = 0.0
        self._latency_s = network.latency_s(host, peer)

    # --- ITransport, ITCPTransport
    def write(self, data: bytes) -> None:
        if not self.connected or self.disconnecting or not data:
            return
        self._network.sent(self, data)
        if self._network.resets(self):
            self._reset()
            return
        self._unread += len(data)
        self._carry(bytes(data))
        self._press()

    def writeSequence(self, data: Iterable[bytes]) -> None:  # noqa: N802
        self.write(b"".join(data))

    def loseConnection(self) -> None:  # noqa: N802
        if self.connected and not self.disconnecting:
            self.disconnecting = True
            self._carry(None)
            self._clock.callLater(0, self._lost, Failure(error.ConnectionDone()))

    def abortConnection(self) -> None:  # noqa: N802
        if self.connected:
            self._reset()

    def getPeer(self) -> IPv4Address | IPv6Address:  # noqa: N802
        return self._peer_address

    def getHost(self) -> IPv4Address | IPv6Address:  # noqa: N802
        return self._host_address

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        """There is no Nagle here."""

    def getTcpNoDelay(self) -> bool:  # noqa: N802
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802
        """There is no kernel here."""

    def getTcpKeepAlive(self) -> bool:  # noqa: N802
        return False

    def loseWriteConnection(self) -> None:  # noqa: N802
        self.loseConnection()

    # --- the transport as a producer of received bytes
    def pauseProducing(self) -> None:  # noqa: N802
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802
        self._paused = False
        self._clock.callLater(0, self._drain)

    def stopProducing(self) -> None:  # noqa: N802
        self.loseConnection()

    # --- the transport as a consumer of bytes to send
    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:  # noqa: N802
        self._producer = producer

    def unregisterProducer(self) -> None:  # noqa: N802
        self._producer = None

    # --- the wire
    def hold(self) -> bool:
        """Say whether nothing gets through now: a partition, or a host that fell silent."""
        return self._network.blocked(self.local, self.remote)

    def release(self) -> None:
        """Carry what waited, as TCP's retransmission does after an outage."""
        if not self._wire or self.hold():
            return
        if not self.connected:
            self._network.forget(self)
        again_s = self._clock.seconds() + self._latency_s
        self._wire = deque((max(due_s, again_s), item) for due_s, item in self._wire)
        self._last_due_s = max(self._last_due_s, again_s)
        self._clock.callLater(self._latency_s, self._arrive)

    def reset(self) -> None:
        """Break the connection at this end, at once and without a word to the other."""
        self._wire.clear()
        self._network.forget(self)
        self._lost(Failure(error.ConnectionLost()))

    def _reset(self) -> None:
        other = self.other
        self._clock.callLater(0, self._lost, Failure(error.ConnectionLost()))
        self.disconnecting = True
        if other is not None and not self.hold():
            due_s = self._due_s()
            self._at(due_s, other._lost, Failure(error.ConnectionLost()))

    def _carry(self, item: bytes | None) -> None:
        due_s = self._due_s()
        self._wire.append((due_s, item))
        self._at(due_s, self._arrive)

    def _at(self, time_s: float, call: Callable[..., object], *args: object) -> None:
        self._clock.callLater(time_s - self._clock.seconds(), call, *args)

    def _due_s(self) -> float:
        """Return when what is written now arrives: never before what was written earlier."""
        self._last_due_s = max(self._last_due_s, self._clock.seconds() + self._latency_s)
        return self._last_due_s

    def _arrive(self) -> None:
        if self.hold():  # TCP keeps what it could not deliver, also for a socket that was closed
            self._network.keep(self)
            return
        now_s = self._clock.seconds() + INSTANT_S
        while self._wire and self._wire[0][0] <= now_s:
            self._hand_over(self._wire.popleft()[1])

    def _hand_over(self, item: bytes | None) -> None:
        other = self.other
        if other is None:
            return
        if not other.connected:  # nobody is there any more, and says so
            self._clock.callLater(self._latency_s, self._lost, Failure(error.ConnectionLost()))
        elif item is None:
            other._closing = Failure(error.ConnectionDone())
            other._drain()
        else:
            other._inbox.append(item)
            other._drain()

    def _drain(self) -> None:
        while self._inbox and not self._paused and self.connected:
            data = self._inbox.popleft()
            self._took(len(data))
            assert self.protocol is not None
            self.protocol.dataReceived(data)
        if self._closing is not None and not self._inbox and self.connected:
            self._lost(self._closing)

    def _took(self, size: int) -> None:
        if self.other is not None:
            self.other._unread -= size
            self.other._press()

    def _press(self) -> None:
        full = self._unread > SEND_BUFFER
        if self._producer is None or full == self._producer_paused:
            return
        self._producer_paused = full
        if full:
            self._producer.pauseProducing()
        else:
            self._clock.callLater(0, self._producer.resumeProducing)

    def _lost(self, reason: Failure) -> None:
        if not self.connected:
            return
        self.connected = False
        self._inbox.clear()
        if self.hold() and reason.check(error.ConnectionLost):
            self._wire.clear()
        self._network.forget(self)
        if self.protocol is not None:
            self.protocol.connectionLost(reason)
