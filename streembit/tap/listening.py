"""Ports that are open before the start is called a success."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.python.failure import Failure

from streembit.errors import BadConfig, ListenFailed
from streembit.service.network import show_address

BACKLOG: Final = 1024  # connections that wait for us to accept them, as far as the system lets them
_TCP: Final = re.compile(r"(haproxy:)?tcp6?:")

T = TypeVar("T")


class Listening(Service):
    """Listens on Twisted endpoints, from the privileged start on.

    Unlike twisted's own service it never stays up without its port, and it
    tells `opened` where it listens, once all ports are open.

    Args:
        reactor: where the endpoints are opened.
        descriptions: such as "tcp:8905" or "systemd:domain=INET:index=0".
    """

    def __init__(
        self,
        reactor: object,
        descriptions: Sequence[str],
        factory: IProtocolFactory,
        opened: Callable[[Sequence[IListeningPort]], object] = lambda _ports: None,
    ) -> None:
        self._endpoints = {text: endpoint(reactor, text) for text in descriptions}
        self._factory = factory
        self._opened = opened
        self._ports: list[IListeningPort] = []

    def privilegedStartService(self) -> None:
        """Open the ports.

        Raises:
            ListenFailed: one cannot be opened; those before it stay open.
        """
        super().privilegedStartService()
        for text, where in self._endpoints.items():
            try:
                self._ports.append(at_once(where.listen(self._factory)))
            except (CannotListenError, OSError, LookupError, OverflowError) as e:
                raise ListenFailed(f"{text}: {reason_of(e)}") from None
        self._opened(self._ports)

    def stopService(self) -> Deferred[None]:
        """Close the ports; fire when they are."""
        super().stopService()
        ports, self._ports = self._ports, []
        closing = [maybeDeferred(port.stopListening) for port in ports]
        return DeferredList(closing).addCallback(lambda _: None)


def endpoint(reactor: object, description: str) -> IStreamServerEndpoint:
    """Return the endpoint that is described.

    Unless the description says how many may wait to be accepted, BACKLOG may. Whoever finds no
    room there tries again after one second, three, and seven: a crowd would keep out all others.

    Raises:
        BadConfig: there is no such endpoint.
    """
    queue = "" if "backlog=" in description else f":backlog={BACKLOG}"
    described = description + queue if _TCP.match(description) else description
    try:
        found: IStreamServerEndpoint = serverFromString(reactor, described)
    except (ValueError, TypeError, LookupError) as e:
        raise BadConfig(f"{description!r} is no endpoint: {e}") from None
    return found


def address_of(port: IListeningPort) -> IPv4Address | IPv6Address:
    """Return where a port listens; raise BadConfig where that is not on TCP."""
    address = port.getHost()
    if not isinstance(address, IPv4Address | IPv6Address):
        raise BadConfig(f"links are accepted on TCP only, not on {address}")
    return address


def shown(port: IListeningPort) -> str:
    """Return "host:port" of a port; raise BadConfig where that is not on TCP."""
    address = address_of(port)
    return show_address(address.host, address.port)


def at_once(result: Deferred[T]) -> T:
    """Return what a Deferred that has fired fired with, or raise its error.

    Raises:
        ListenFailed: it has not fired.
    """
    found: list[Any] = []
    result.addBoth(found.append)
    if not found:
        raise ListenFailed("an endpoint that is not open at once")
    if isinstance(found[0], Failure):
        found[0].raiseException()
    value: T = found[0]
    return value


def reason_of(error: Exception) -> str:
    """Return why a port cannot be opened, without twisted's address before it."""
    if isinstance(error, CannotListenError):
        return str(error.socketError)
    return str(error)
