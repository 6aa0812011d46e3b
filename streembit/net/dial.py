"""Opens links: connects, shakes hands, and gives up in time."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final, NoReturn

from twisted.internet import error
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from streembit.errors import DeadlineExceeded, PeerGone, StreembitError, TooManyConnections
from streembit.jose.keys import PublicKey
from streembit.net.events import LinkWatch
from streembit.net.gate import Gate, Pass
from streembit.net.tcp import LinkProtocol

DIAL_TIMEOUT_S: Final = 10.0  # from the first packet to the open link
CACHED_HOSTS: Final = 4_096  # hosts of which we remember whether they are a name or an address

Connect = Callable[[str, int, IProtocolFactory], Deferred[IProtocol]]
MakeLink = Callable[[PublicKey | None, LinkWatch], LinkProtocol]


def over_tcp(reactor: Any) -> Connect:
    """Return a `Connect` over the reactor's TCP; names are looked up, addresses are not."""

    def connect(host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        endpoint = _endpoint(host)(reactor, host, port, timeout=DIAL_TIMEOUT_S)
        connected: Deferred[IProtocol] = endpoint.connect(factory)
        return connected

    return connect


class Dialer:
    """Opens a link to an address.

    Args:
        connect: connects a stream, as an endpoint does.
        make_link: returns an initiator's protocol with the key expected
            and the watch given.
        gate: counts the connections that we open, if given.
    """

    def __init__(
        self,
        connect: Connect,
        make_link: MakeLink,
        clock: IReactorTime,
        gate: Gate | None = None,
        timeout_s: float = DIAL_TIMEOUT_S,
    ) -> None:
        self._connect = connect
        self._make_link = make_link
        self._clock = clock
        self._gate = gate
        self._timeout_s = timeout_s

    def dial(self, host: str, port: int, expect: PublicKey | None = None) -> Deferred[LinkProtocol]:
        """Fire with the open link, after `link_open`; cancelling gives up.

        Errbacks:
            TooManyConnections: of our own.
            DeadlineExceeded: no open link in time.
            PeerGone: nobody there, or it hung up.
            WrongIdentity, SelfConnect, ...: as the handshake says.
        """
        try:
            entry = self._gate.dialled() if self._gate else None
        except TooManyConnections as e:
            return fail(e)
        attempt = _Attempt(self._gate, entry)
        attempt.begin(self._connect, host, port, lambda: self._make_link(expect, attempt))
        return attempt.done.addTimeout(self._timeout_s, self._clock, _too_late)


class _Attempt(Factory):
    """One dial: the factory of its protocol and the watch of its link."""

    noisy = False

    def __init__(self, gate: Gate | None, entry: Pass | None) -> None:
        self.done: Deferred[LinkProtocol] = Deferred(self._give_up)
        self._gate = gate
        self._entry = entry
        self._make: Callable[[], LinkProtocol] | None = None
        self._connecting: Deferred[IProtocol] | None = None
        self._link: LinkProtocol | None = None

    def begin(
        self, connect: Connect, host: str, port: int, make: Callable[[], LinkProtocol]
    ) -> None:
        """Connect; everything else follows from that."""
        self._make = make
        self._connecting = connect(host, port, self)
        self._connecting.addErrback(self._not_connected, host, port)

    def buildProtocol(self, addr: IAddress | None) -> LinkProtocol | None:
        """Return the link's protocol, or None if we gave up meanwhile."""
        if self._make is None:
            return None
        self._link = self._make()
        self._make = None
        return self._link

    # --- LinkWatch

    def check(self, link: LinkProtocol) -> None:
        """Whom we dialled we want."""

    def opened(self, link: LinkProtocol) -> None:
        """Hand the link over."""
        self._connecting = self._link = None
        if not self.done.called:
            self.done.callback(link)

    def closed(self, link: LinkProtocol, reason: StreembitError) -> None:
        """Give the place back, and say so to whoever still waits."""
        self._connecting = self._link = None
        self._leave()
        if not self.done.called:
            self.done.errback(reason)

    # --- ends

    def _not_connected(self, failure: Failure, host: str, port: int) -> None:
        self._make = None
        self._leave()
        if not self.done.called:
            self.done.errback(what_failed(failure, host, port))

    def _give_up(self, _done: Deferred[LinkProtocol]) -> None:
        self._make = None
        if self._link is not None:
            self._link.abort(DeadlineExceeded("dialling"))
        elif self._connecting is not None:
            self._connecting.cancel()

    def _leave(self) -> None:
        entry, self._entry = self._entry, None
        if self._gate is not None and entry is not None:
            self._gate.leave(entry)


def _too_late(_result: object, timeout_s: float) -> NoReturn:
    raise DeadlineExceeded("dialling", timeout_s=timeout_s)


def what_failed(failure: Failure, host: str, port: int) -> StreembitError:
    """Return our error for a connection that did not come about."""
    if isinstance(failure.value, error.TimeoutError | error.TCPTimedOutError):
        return DeadlineExceeded("connecting", host=host, port=port)
    return PeerGone(f"cannot connect: {failure.getErrorMessage()}", host=host, port=port)


@lru_cache(maxsize=CACHED_HOSTS)
def _endpoint(host: str) -> type[Any]:
    try:
        version = ip_address(host.partition("%")[0]).version
    except ValueError:
        return HostnameEndpoint
    return TCP4ClientEndpoint if version == 4 else TCP6ClientEndpoint
