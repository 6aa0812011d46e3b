"""Opens a WebSocket to a hub: connects, puts TLS over it, upgrades, and gives up in time."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Final

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.types import ConnectionResponse
from OpenSSL.SSL import Connection
from service_identity.exceptions import CertificateError, VerificationError
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IReactorTime,
)
from twisted.internet.protocol import Factory
from twisted.internet.ssl import CertificateOptions, TLSVersion, optionsForClientTLS
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from streembit.errors import PeerGone, StreembitError, UpgradeRefused
from streembit.net.carrier import LIMITS, Carrier, CarrierEvents, CarrierLimits
from streembit.net.dial import Connect, what_failed
from streembit.net.events import Traffic
from streembit.net.websocket import WebSocketCarrier

LEAST_TLS: Final = TLSVersion.TLSv1_3


class ClientCarrier(WebSocketCarrier, WebSocketClientProtocol):  # type: ignore[misc]
    """A member's connection, at the member."""

    tls_faults = (*WebSocketCarrier.tls_faults, VerificationError, CertificateError)
    version = 18  # RFC 6455, as autobahn counts
    acceptMaskedServerFrames = False
    maskClientFrames = True
    serverConnectionDropTimeout = 0
    perMessageCompressionOffers: tuple[object, ...] = ()

    @staticmethod
    def perMessageCompressionAccept(_answer: object) -> None:  # noqa: N802
        """Compress nothing."""

    def onConnect(self, response: ConnectionResponse) -> None:  # noqa: N802
        """Refuse a server that speaks something else."""
        if response.protocol != (self._limits.subprotocol or None):
            self.refuse(UpgradeRefused("another subprotocol"))


@implementer(IOpenSSLClientConnectionCreator)
class Unnamed:
    """TLS 1.3 to a hub whose certificate proves nothing: its key does, in what it signs.

    It is for hubs whose key is known. The member's answer to the hub's
    challenge is bound to this connection, so that nobody can stand between.
    """

    def __init__(self, host: str) -> None:
        self._name = None if _is_address(host) else host.encode("idna")
        self._options = CertificateOptions(verify=False, raiseMinimumTo=LEAST_TLS)

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Connection:  # noqa: N802
        """Return a connection that tells the name it wants, and checks none."""
        connection = Connection(self._options.getContext(), None)
        if self._name is not None:
            connection.set_tlsext_host_name(self._name)
        return connection


def named(host: str, trust: Any = None) -> IOpenSSLClientConnectionCreator:
    """Return TLS 1.3 to a hub whose certificate is checked for its name by service_identity.

    Args:
        trust: whose certificates are believed; by default the system's.
    """
    creator: IOpenSSLClientConnectionCreator = optionsForClientTLS(
        host, trustRoot=trust, extraCertificateOptions={"raiseMinimumTo": LEAST_TLS}
    )
    return creator


def dial_hub(
    connect: Connect,
    host: str,
    port: int,
    tls: IOpenSSLClientConnectionCreator | None,
    clock: IReactorTime,
    events: CarrierEvents,
    *,
    limits: CarrierLimits = LIMITS,
    traffic: Traffic | None = None,
) -> Deferred[Carrier]:
    """Fire with an open carrier, after `opened`; cancelling gives up.

    Args:
        connect: connects a stream, as `net.dial.over_tcp`.
        tls: `named` or `Unnamed`; None for plain WebSocket, which is for
            loopback and for what a proxy has secured.

    Errbacks:
        DeadlineExceeded: not open in time.
        PeerGone: nobody there, or it hung up.
        TlsRefused, UpgradeRefused: there is no such hub there.
    """
    return _Attempt(connect, host, port, tls, clock, events, limits, traffic).done


class _Attempt:
    """One dial: it stands before the owner of the carrier until that is open."""

    def __init__(
        self,
        connect: Connect,
        host: str,
        port: int,
        tls: IOpenSSLClientConnectionCreator | None,
        clock: IReactorTime,
        events: CarrierEvents,
        limits: CarrierLimits,
        traffic: Traffic | None,
    ) -> None:
        self.done: Deferred[Carrier] = Deferred(self._give_up)
        self._events = events
        self._carrier = ClientCarrier(self, clock, limits=limits, traffic=traffic, left=self._left)
        self._carrier.factory = _factory(host, port, tls is not None, limits, clock)
        self._error: StreembitError | None = None
        inner = _Once(self._carrier)
        factory = inner if tls is None else TLSMemoryBIOFactory(tls, True, inner, clock)
        self._connecting: Deferred[IProtocol] | None = connect(host, port, factory)
        self._connecting.addCallbacks(self._connected, self._failed, errbackArgs=(host, port))

    # --- CarrierEvents
    def opened(self, carrier: Carrier) -> None:
        """Hand the carrier over."""
        carrier.events = self._events
        carrier.events.opened(carrier)
        if not self.done.called:
            self.done.callback(carrier)

    def received(self, carrier: Carrier, token: bytes) -> None:
        """Need not be told: the carrier is handed over when it opens."""

    def lost(self, carrier: Carrier, reason: StreembitError) -> None:
        """Need not be told either."""

    def refused(self, host: str, error: StreembitError) -> None:
        """Remember why it fails; the dialler hears it, who tells nobody else."""
        self._error = error

    # --- ends
    def _connected(self, _protocol: IProtocol) -> None:
        self._connecting = None

    def _failed(self, failure: Failure, host: str, port: int) -> None:
        self._connecting = None
        if not self.done.called:
            self.done.errback(what_failed(failure, host, port))

    def _left(self) -> None:
        if not self.done.called:
            self.done.errback(self._error or PeerGone("the hub hung up"))

    def _give_up(self, _done: Deferred[Carrier]) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        else:
            self._carrier.abort(PeerGone("given up"))


class _Once(Factory):
    """Makes the one protocol that there is."""

    noisy = False

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: object) -> Any:  # noqa: N802
        """Return it."""
        return self._protocol


def _factory(
    host: str, port: int, secure: bool, limits: CarrierLimits, clock: IReactorTime
) -> WebSocketClientFactory:
    """Return what autobahn reads the request from."""
    shown = f"[{host}]" if ":" in host else host
    return WebSocketClientFactory(
        f"{'wss' if secure else 'ws'}://{shown}:{port}/",
        protocols=[limits.subprotocol] if limits.subprotocol else [],
        useragent="",
        reactor=clock,
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
