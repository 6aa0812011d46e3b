"""Accepts connections through the gate and makes links of them."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory

from streembit.errors import RemoteError, StreembitError
from streembit.link.hello import Hello
from streembit.net.admission import Admission
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
        self._make_link = make_link
        self._is_member = is_member
        self._admission = Admission(gate, clock, refused)

    def buildProtocol(self, addr: IAddress | None) -> LinkProtocol | None:
        """Return a protocol, or None: the connection is closed at once."""
        link = self._admission.admit(getattr(addr, "host", ""), self._make)
        if link is not None:
            link.factory = self
        return link

    def stopFactory(self) -> None:
        """Drop those who are still at the handshake; open links are their owner's."""
        self._admission.stop()

    def _make(self, entry: Pass) -> LinkProtocol:
        return self._make_link(_Entrance(self._admission, entry, self._is_member))


class _Entrance:
    """Watches one accepted connection for the gate."""

    __slots__ = ("_admission", "_entry", "_is_member")

    def __init__(
        self, admission: Admission, entry: Pass, is_member: Callable[[Hello, str], bool]
    ) -> None:
        self._admission = admission
        self._entry = entry
        self._is_member = is_member

    def check(self, link: LinkProtocol) -> None:
        """Let the gate decide again, now that the peer is known."""
        assert link.link is not None
        self._admission.known(self._entry, member=self._is_member(link.link.peer, link.host))

    def opened(self, link: LinkProtocol) -> None:
        """Need nothing more."""

    def closed(self, link: LinkProtocol, reason: StreembitError) -> None:
        """Give the place back."""
        self._admission.leave(self._entry)
