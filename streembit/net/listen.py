"""Accepts connections through the gate and makes links of them."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory

from streembit.errors import PeerGone, RemoteError, StreembitError, TooManyConnections
from streembit.link.hello import Hello
from streembit.net.events import LinkWatch
from streembit.net.gate import Gate, Pass
from streembit.net.tcp import LinkProtocol

_NO_LIMIT: Final = 1 << 20  # descriptors, where the system sets no limit

MakeLink = Callable[[LinkWatch], LinkProtocol]


def descriptors() -> int:
    """Return how many file descriptors this process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else _NO_LIMIT


class LinkFactory(Factory):
    """Makes a responder's protocol for each connection that the gate admits.

    Args:
        make_link: returns a protocol that is not the initiator and has
            the watch given.
        is_member: says whether a peer, by what it says of itself and by its
            host, has a right to a reserved place.
        refused: told of each connection that got no protocol.
    """

    noisy = False

    def __init__(
        self,
        make_link: MakeLink,
        gate: Gate,
        clock: IReactorTime,
        refused: Callable[[str, RemoteError], None],
        is_member: Callable[[Hello, str], bool] = lambda _hello, _host: False,
    ) -> None:
        self.gate = gate
        self.is_member = is_member
        self._make_link = make_link
        self._clock = clock
        self._refused = refused
        self._entrants: dict[Pass, LinkProtocol] = {}  # not known yet; bounded by the gate

    def buildProtocol(self, addr: IAddress | None) -> LinkProtocol | None:
        """Return a protocol, or None: the connection is closed at once."""
        host = getattr(addr, "host", "")
        try:
            entry = self.gate.admit(host, self._clock.seconds())
        except RemoteError as error:
            self._refused(host, error)
            return None
        link = self._make_link(_Entrance(self, entry))
        link.factory = self
        self._entrants[entry] = link
        self._drop_oldest()
        return link

    def stopFactory(self) -> None:
        """Drop those who are still at the handshake; open links are their owner's."""
        for link in list(self._entrants.values()):
            link.abort(PeerGone("we are stopping"))

    def settle(self, entry: Pass) -> None:
        """Take note that this connection is no stranger any more, or is gone."""
        self._entrants.pop(entry, None)

    def _drop_oldest(self) -> None:
        oldest = self.gate.crowd_out()
        if oldest is not None:
            self._entrants[oldest].refuse(TooManyConnections("newer strangers came"))


class _Entrance:
    """Watches one accepted connection for the gate."""

    __slots__ = ("_entry", "_factory")

    def __init__(self, factory: LinkFactory, entry: Pass) -> None:
        self._factory = factory
        self._entry = entry

    def check(self, link: LinkProtocol) -> None:
        """Let the gate decide again, now that the peer is known."""
        self._factory.settle(self._entry)
        assert link.link is not None
        member = self._factory.is_member(link.link.peer, link.host)
        self._factory.gate.known(self._entry, member=member)

    def opened(self, link: LinkProtocol) -> None:
        """Need nothing more."""

    def closed(self, link: LinkProtocol, reason: StreembitError) -> None:
        """Give the place back."""
        self._factory.settle(self._entry)
        self._factory.gate.leave(self._entry)
