"""A link's transport through a hub: the bytes of a stream in the place of a connection's."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, cast

from twisted.internet import error
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IProducer,
    IProtocol,
    IPushProducer,
    IReactorTime,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from streembit.errors import BadKey, StreembitError
from streembit.hub.stream import Stream
from streembit.jose.keys import PublicKey

PORT: Final = 1  # of everybody who is reached through a hub; a port has to be some number
FULL_BYTES: Final = 64 * 1024  # that wait when a producer is paused, as of Twisted's sockets

_HALF: Final = 33  # hex digits of a key in one label: a label has at most 63
_HOST: Final = re.compile(r"(0[23][0-9a-f]{31})\.([0-9a-f]{33})(?:\.([0-9a-f]{16}))?\.hub\Z")


def hub_host(key: PublicKey, hub: str = "") -> str:
    """Return the name of the holder of a key as a host that is reached through a hub.

    `hub` is 16 hex digits by which we know the hub; "" for the hub of the network itself.
    """
    parts = [key.hex[:_HALF], key.hex[_HALF:], *([hub] if hub else []), "hub"]
    return ".".join(parts)


def is_hub_host(host: str) -> bool:
    """Tell whether a host is one that is reached through a hub."""
    return host.endswith(".hub") and _HOST.match(host) is not None


def hub_of(host: str) -> str:
    """Return what is common to all hosts that are reached through the same hub as this one."""
    return host[2 * _HALF + 2 :]


def read_hub_host(host: str) -> tuple[PublicKey, str]:
    """Return whose host it is, and through which hub; see `hub_host`.

    Raises:
        BadKey: it is no such host.
    """
    found = _HOST.match(host)
    if found is None:
        raise BadKey("not a host that is reached through a hub")
    return PublicKey.from_hex(found[1] + found[2]), found[3] or ""


@implementer(IAddress)
@dataclass(frozen=True, slots=True)
class RelayedAddress:
    """Where the other end of a relayed link is."""

    host: str
    port: int = PORT


@implementer(ITransport, IPushProducer, IConsumer)
class RelayedTransport:
    """One end of a stream through a hub, as a protocol sees a connection.

    Back pressure goes from end to end: who is read by nobody gets no more
    credit, so its writer's queue grows, and its producer is paused. Whoever
    carries the stream hands over what comes by `received`, `ended` and
    `broken`, and calls `moved` after it has taken cargo from it.

    Args:
        here, there: our own address and that of the other end.
        wake: called when the stream may have something to send.
        reset: breaks the stream off.

    Attributes:
        protocol: whom the bytes are for.
    """

    protocol: IProtocol

    def __init__(
        self,
        stream: Stream,
        here: RelayedAddress,
        there: RelayedAddress,
        clock: IReactorTime,
        wake: Callable[[], None],
        reset: Callable[[Stream], None],
    ) -> None:
        self.connected = True
        self.disconnecting = False
        self._stream = stream
        self._here, self._there = here, there
        self._clock = clock
        self._wake, self._reset = wake, reset
        self._inbox: deque[bytes] = deque()  # never more than the stream's window
        self._paused = False  # by the protocol: nothing is read
        self._closing = False  # the other end has said its last
        self._producer: IPushProducer | None = None
        self._holding = False  # the producer is paused

    # --- ITransport
    def write(self, data: bytes) -> None:
        """Send bytes, in order, when there is room for them at the other end."""
        if self.connected and not self.disconnecting and data:
            self._stream.write(data)
            self._press()
            self._wake()

    def writeSequence(self, data: Iterable[bytes]) -> None:  # noqa: N802 - Twisted's name
        """Send several pieces."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
        """End once what was written has left."""
        if self.connected and not self.disconnecting:
            self.disconnecting = True
            self._stream.close()
            self._wake()
            self._clock.callLater(0, self.moved)

    def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
        """End at once; what was written and has not left is thrown away."""
        if self.connected:
            self.disconnecting = True
            self._reset(self._stream)
            self._wake()
            self._clock.callLater(0, self._lost, Failure(error.ConnectionAborted()))

    def getPeer(self) -> RelayedAddress:  # noqa: N802 - Twisted's name
        """Return the other end's address."""
        return self._there

    def getHost(self) -> RelayedAddress:  # noqa: N802 - Twisted's name
        """Return our own address."""
        return self._here

    # --- IPushProducer: of the bytes that come
    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Hand nothing on for a while; the other end is soon told to send no more."""
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Hand on what came meanwhile, in the next turn."""
        if self._paused:
            self._paused = False
            self._clock.callLater(0, self._drain)

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """End."""
        self.loseConnection()

    # --- IConsumer: of the bytes that go
    def registerProducer(  # noqa: N802 - Twisted's name
        self, producer: IProducer, streaming: bool
    ) -> None:
        """Have this push producer paused while much waits, until all has left."""
        self._producer = cast("IPushProducer", producer)
        self._press()

    def unregisterProducer(self) -> None:  # noqa: N802 - Twisted's name
        """Have nobody paused."""
        self._producer = None

    # --- what the carrier of the stream does
    def received(self, data: bytes) -> None:
        """Take bytes of the other end."""
        self._inbox.append(data)
        if not self._paused:
            self._drain()

    def ended(self) -> None:
        """Take note that the other end sends no more."""
        self._closing = True
        self._stream.close()
        self._wake()
        self._drain()

    def broken(self, why: StreembitError) -> None:
        """Take note that the stream is over before its end."""
        self._lost(Failure(error.ConnectionLost(str(why))))

    def moved(self) -> None:
        """Look at the queue again: some of it may have left."""
        if not self._stream.queued_bytes:
            self._release()
            if self.disconnecting:
                self._lost(Failure(error.ConnectionDone()))

    # --- how
    def _drain(self) -> None:
        while self._inbox and not self._paused:
            data = self._inbox.popleft()
            self._consumed(len(data))
            if self.connected:
                self.protocol.dataReceived(data)
        if self._closing and not self._inbox:
            self._lost(Failure(error.ConnectionDone()))

    def _consumed(self, size_bytes: int) -> None:
        if not self._stream.is_over:
            self._stream.consumed(size_bytes)
            self._wake()

    def _press(self) -> None:
        full = self._stream.queued_bytes > FULL_BYTES
        if full and self._producer is not None and not self._holding:
            self._holding = True
            self._producer.pauseProducing()

    def _release(self) -> None:
        if self._holding:
            self._holding = False
            if self._producer is not None and self.connected:
                self._producer.resumeProducing()

    def _lost(self, reason: Failure) -> None:
        if self.connected:
            self.connected = False
            self._paused = False
            self._drain()  # what nobody reads any more is out of the way
            self.protocol.connectionLost(reason)
