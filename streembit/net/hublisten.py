"""Accepts the WebSockets of members: first the gate, then TLS, then the rules of the upgrade."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as ByteProtocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from streembit.errors import RemoteError
from streembit.net.admission import Admission
from streembit.net.backlog import Backlog
from streembit.net.carrier import LIMITS, CarrierEvents, CarrierLimits
from streembit.net.deadline import Deadline
from streembit.net.events import Traffic
from streembit.net.frames import text_head
from streembit.net.gate import Gate, Pass
from streembit.net.tuning import tell
from streembit.net.turn import TOGETHER_BYTES, Turn
from streembit.net.websocket import WebSocketCarrier

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255})\Z")

Report = Callable[[str, RemoteError], None]


@dataclass(frozen=True, slots=True)
class Upgrades:
    """Which requests become WebSockets.

    A browser tells the origin of the page; other programs tell none, and
    need none: whoever joins proves a key.

    Attributes:
        origins: pages that may, each "https://host" or with a port.
        subprotocol: that has to be asked for; "" for none.
    """

    origins: frozenset[str] = frozenset()
    subprotocol: str = LIMITS.subprotocol

    def choose(self, request: ConnectionRequest) -> str | None:
        """Return the subprotocol to speak.

        Raises:
            ConnectionDeny: the request is refused, with its HTTP status.
        """
        if not _HOST.match(request.host):
            raise ConnectionDeny(ConnectionDeny.BAD_REQUEST, "Bad Host")
        if request.headers.get("origin") not in {None, *self.origins}:
            raise ConnectionDeny(ConnectionDeny.FORBIDDEN, "Forbidden")
        if self.subprotocol and self.subprotocol not in request.protocols:
            raise ConnectionDeny(ConnectionDeny.NOT_ACCEPTABLE, "Not Acceptable")
        return self.subprotocol or None


class ServerCarrier(WebSocketCarrier, WebSocketServerProtocol):  # type: ignore[misc]
    """A member's connection, at the hub.

    Attributes:
        entrance: who counts it.
    """

    peer_masks = True
    versions = [13]  # RFC 6455
    webStatus = False
    requireMaskedClientFrames = True
    maskServerFrames = False
    serveFlashSocketPolicy = False
    flashSocketPolicy = ""
    allowedOrigins = ["*"]  # see `Upgrades`
    allowedOriginsPatterns = [re.compile("")]
    allowNullOrigin = True
    maxConnections = trustXForwardedFor = 0  # see `Gate`, and `haproxy:`

    factory: HubFactory
    entrance: Entrance
    _gathered: list[bytes] | None = None  # frames that leave when the factory's turn ends
    _gathered_bytes = 0

    def welcomed(self) -> None:
        """See `Carrier`; raise TooManyConnections where the places that are left are for members.

        A member's place is not counted against its address any more.
        """
        self.entrance.known(member=self.factory.private)
        super().welcomed()

    @staticmethod
    def perMessageCompressionAccept(_offers: object) -> None:  # noqa: N802
        """Compress nothing: a small frame could become a large one."""

    def onConnect(self, request: ConnectionRequest) -> str | None:  # noqa: N802
        """Let the rules decide; what the request said is forgotten."""
        return self.factory.upgrades.choose(request)

    def sendData(  # noqa: N802 - autobahn's name
        self, data: bytes, sync: bool = False, chopsize: int | None = None
    ) -> None:
        """Write behind what was gathered in this turn."""
        self.leave()
        super().sendData(data)

    def leave(self) -> None:
        """Write what was gathered: one call of the system costs as much as a frame's parsing."""
        frames, self._gathered = self._gathered, None
        if frames:
            self.guard(super().sendData, b"".join(frames))

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Write no more."""
        self._gathered = None
        super().connectionLost(reason)

    def _take(self, data: bytes) -> None:
        with self.factory.turn:
            super()._take(data)

    def _write_text(self, text: bytes) -> None:
        head = text_head(len(text))  # not autobahn's way, which prepares for masks and parts
        if self.is_full or not self.factory.turn.lasts:
            self.sendData(head + text)
        elif self._gathered is None:
            self._gathered, self._gathered_bytes = [head, text], len(text)
            self.factory.turn.add(self)
        else:
            self._gathered += head, text
            self._gathered_bytes += len(text)
            if self._gathered_bytes >= TOGETHER_BYTES:
                self.leave()

    def _drop(self) -> None:
        self._gathered = None
        super()._drop()


class HubFactory(WebSocketServerFactory):
    """Makes a carrier for each connection that the gate admits.

    Args:
        private: who joins is a member by somebody's decision, and so has a
            right to a reserved place.
        refused: told of each connection that got no carrier.
    """

    noisy = False

    def __init__(
        self,
        events: CarrierEvents,
        gate: Gate,
        clock: IReactorTime,
        refused: Report,
        *,
        private: bool,
        upgrades: Upgrades = Upgrades(),
        limits: CarrierLimits = LIMITS,
        traffic: Traffic | None = None,
    ) -> None:
        super().__init__(server="", reactor=clock)
        self.upgrades = upgrades
        self.private = private
        self.traffic = Traffic() if traffic is None else traffic
        self.backlog = Backlog(limits.queue_bytes_total)
        self.turn = Turn()
        self._events = events
        self._clock = clock
        self._limits = limits
        self._admission = Admission(gate, clock, refused)

    def buildProtocol(  # type: ignore[override]  # noqa: N802
        self, addr: IAddress | None
    ) -> ServerCarrier | None:
        """Return a carrier, or None: the connection is closed at once."""
        return self._admission.admit(getattr(addr, "host", ""), self._make)

    def stopFactory(self) -> None:  # noqa: N802
        """Drop those who have not joined; the others are their owner's."""
        self._admission.stop()
        super().stopFactory()

    def _make(self, entry: Pass) -> ServerCarrier:
        entrance = Entrance(self._admission, entry)
        carrier = ServerCarrier(
            self._events,
            self._clock,
            limits=self._limits,
            traffic=self.traffic,
            backlog=self.backlog,
            left=entrance.leave,
        )
        carrier.factory, carrier.entrance = self, entrance
        return carrier


class Entrance:
    """One accepted connection's place at the gate."""

    __slots__ = ("_admission", "_entry")

    def __init__(self, admission: Admission, entry: Pass) -> None:
        self._admission = admission
        self._entry = entry

    def known(self, *, member: bool) -> None:
        """Let the gate decide again, now that it is known who it is."""
        self._admission.known(self._entry, member=member)

    def leave(self) -> None:
        """Give the place back."""
        self._admission.leave(self._entry)


class SecureFactory(TLSMemoryBIOFactory):
    """Puts TLS under the carriers of who was admitted; for others no work is done."""

    noisy = False

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        """Return the carrier in its TLS, or None."""
        carrier = self.wrappedFactory.buildProtocol(addr)
        return None if carrier is None else self.protocol(self, carrier)


class ProxiedFactory(Factory):
    """Asks `inner` with the address that a proxy tells, once it has told it.

    It stands behind a `haproxy:` endpoint, which reads the PROXY header.
    """

    noisy = False

    def __init__(self, inner: Factory, clock: IReactorTime, limits: CarrierLimits = LIMITS) -> None:
        self.inner = inner
        self.clock = clock
        self.header_s = limits.upgrade_s

    def doStart(self) -> None:  # noqa: N802
        """Start what is behind it as well."""
        super().doStart()
        self.inner.doStart()

    def doStop(self) -> None:  # noqa: N802
        """Stop what is behind it as well."""
        super().doStop()
        self.inner.doStop()

    def buildProtocol(self, _addr: IAddress | None) -> Doorstep:  # noqa: N802
        """Return what waits for the proxy's word."""
        return Doorstep(self)


class Doorstep(ByteProtocol):
    """A connection of the proxy, whose client is not known before its first bytes."""

    transport: Any

    def __init__(self, factory: ProxiedFactory) -> None:
        self._factory = factory
        self._deadline = Deadline(factory.clock)
        self._inner: Any = None

    def connectionMade(self) -> None:  # noqa: N802
        """Wait for the proxy."""
        self._deadline.set(self._factory.header_s, self._drop)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Let the client in, or not; then only pass on."""
        if self._inner is None:
            self._deadline.clear()
            self._inner = self._factory.inner.buildProtocol(self.transport.getPeer())
            if self._inner is None:
                self._drop()
                return
            self._inner.makeConnection(self.transport)
        self._inner.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Pass on the end."""
        self._deadline.clear()
        if self._inner is not None:
            self._inner.connectionLost(reason)

    def _drop(self) -> None:
        if not tell(self.transport, "abortConnection"):
            self.transport.loseConnection()
