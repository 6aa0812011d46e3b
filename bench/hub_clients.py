"""Clients of a hub, or of a bare relay, that cost little: they join, and then only count frames."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from typing import Any, Final

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from bench.hub_process import HOST
from streembit.errors import StreembitError
from streembit.hub.admission import MemberAdmission
from streembit.hub.session import MemberSession
from streembit.jose.keys import Identity
from streembit.net.carrier import Carrier, CarrierLimits
from streembit.net.dial import Connect
from streembit.net.hubdial import Unnamed, dial_hub

reactor: Any = _reactor

ADDRESSES: Final = 250 * 250  # of loopback, which clients come from: each has one of its own
_TEXT, _PING, _PONG = 0x81, 0x89, 0x8A
_MASKED: Final = 0x80
_MASK: Final = bytes(4)  # the server takes it off all the same


class Line(Protocol):
    """One open WebSocket, without autobahn: counts the messages that come, and answers pings.

    Attributes:
        took: called with how many messages came together.
        gone: called when the connection has ended.
    """

    transport: Any

    def __init__(self) -> None:
        self.took: Callable[[int], None] = lambda _count: None
        self.gone: Callable[[], None] = lambda: None
        self._buffer = b""

    def send(self, frames: bytes) -> None:
        """Write frames that were made before."""
        self.transport.write(frames)

    def drop(self) -> None:
        """End."""
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Count whole frames."""
        data = self._buffer + data
        count = at = 0
        while (bounds := _frame(data, at)) is not None:
            begin, end = bounds
            if data[at] == _TEXT:
                count += 1
            elif data[at] == _PING:
                self._pong(data[begin:end])
            at = end
        self._buffer = data[at:]
        if count:
            self.took(count)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Say so."""
        self.gone()

    def _pong(self, payload: bytes) -> None:
        self.transport.write(bytes((_PONG, _MASKED | len(payload))) + _MASK + payload)


def _frame(data: bytes, at: int) -> tuple[int, int] | None:
    """Return where a server's frame has its payload, None unless it is whole."""
    if len(data) < at + 4:
        return None
    short = data[at + 1]
    begin = at + (2 if short < 126 else 4 if short == 126 else 10)
    size = short if short < 126 else int.from_bytes(data[at + 2 : begin], "big")
    return (begin, begin + size) if len(data) >= begin + size else None


def framed(token: bytes) -> bytes:
    """Return a client's frame; it is masked with zeros."""
    if len(token) < 126:
        return bytes((_TEXT, _MASKED | len(token))) + _MASK + token
    return bytes((_TEXT, _MASKED | 126)) + len(token).to_bytes(2, "big") + _MASK + token


def stripped(carrier: Carrier) -> Line:
    """Take a connection away from autobahn, and return what holds it from now on."""
    line = Line()
    autobahn: Any = carrier
    transport = autobahn.transport
    transport.unregisterProducer()
    if hasattr(transport, "wrappedProtocol"):  # TLS
        transport.wrappedProtocol = line
    else:
        transport.protocol = line
    line.makeConnection(transport)
    line.dataReceived(bytes(autobahn.data))
    return line


class Client:
    """One WebSocket from its own address; `joined` fires with this, or why it could not be.

    Args:
        number: says which address it comes from, and who it is.
    """

    limits = CarrierLimits()

    def __init__(self, number: int) -> None:
        self.number = number
        self.joined: Deferred[Any] = Deferred()
        self.carrier: Carrier | None = None

    def connect(self, port: int, *, tls: bool) -> Deferred[Any]:
        """Dial, and return `joined`."""
        creator = Unnamed(HOST) if tls else None
        connect = connect_from(self.number)
        dialled = dial_hub(connect, HOST, port, creator, reactor, self, limits=self.limits)
        dialled.addErrback(self._fail)
        return self.joined

    def line(self) -> Line:
        """Return the connection without autobahn."""
        assert self.carrier is not None
        return stripped(self.carrier)

    # --- CarrierEvents
    def opened(self, carrier: Carrier) -> None:
        """Keep it."""
        self.carrier = carrier

    def received(self, carrier: Carrier, token: bytes) -> None:
        """Take the welcome."""
        self._here(carrier)

    def lost(self, carrier: Carrier, reason: StreembitError) -> None:
        """Could not join."""
        self._fail(Failure(reason))

    def refused(self, host: str, error: StreembitError) -> None:
        """Could not join."""
        self._fail(Failure(error))

    def _here(self, carrier: Carrier) -> None:
        carrier.welcomed()
        if not self.joined.called:
            self.joined.callback(self)

    def _fail(self, failure: Failure) -> None:
        if not self.joined.called:
            self.joined.errback(failure)


class Guest(Client):
    """A client of the bare relay."""

    limits = CarrierLimits(subprotocol="")

    def __init__(self, number: int, partner: int) -> None:
        super().__init__(number)
        self._partner = partner

    def opened(self, carrier: Carrier) -> None:
        """Say who this is, and whom its messages go to."""
        super().opened(carrier)
        carrier.send(f"{self.number} {self._partner}".encode())


class Member(Client):
    """A member of a hub, with a key of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.identity = identity_of(number)
        self._session: MemberSession | None = None
        self._admission: MemberAdmission | None = None

    @property
    def session(self) -> MemberSession:
        """What its frames are made by."""
        assert self._session is not None
        return self._session

    def received(self, carrier: Carrier, token: bytes) -> None:
        """Answer the challenge, then take the welcome."""
        if self._admission is None:
            self._admission = self._admitted(carrier)
            carrier.send(self._admission.join(token))
        elif self._session is None:
            self._session = self._admission.finish(token).session
            self._here(carrier)

    def _admitted(self, carrier: Carrier) -> MemberAdmission:
        return MemberAdmission(
            self.identity.signing,
            None,
            own=os.urandom(32),
            started_ms=int(reactor.seconds() * 1000),
            binding=carrier.exporter or None,
        )


def connect_from(number: int) -> Connect:
    """Return what connects from an address of loopback that is this number's own."""
    high, low = divmod(number % ADDRESSES, 250)

    def connect(host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        endpoint = TCP4ClientEndpoint(reactor, host, port, bindAddress=(f"127.1.{high}.{low}", 0))
        connected: Deferred[IProtocol] = endpoint.connect(factory)
        return connected

    return connect


def identity_of(number: int) -> Identity:
    """Return who a member is: always the same for a number."""
    return Identity.from_seed(number.to_bytes(32, "big"), f"m{number}")


def many_files() -> None:
    """Let this process and those that it starts have as many connections as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
