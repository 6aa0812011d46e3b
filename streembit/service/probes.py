"""Dial-backs done for others: a peer asks whether it can be reached, and a connection answers."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from streembit.dht.grouping import parse
from streembit.errors import (
    PeerGone,
    PrivateAddress,
    RateLimited,
    StreembitError,
    TooManyConnections,
)
from streembit.net.budget import Buckets, Rate
from streembit.net.tcp import LinkProtocol
from streembit.rpc.peer import Peer
from streembit.service.network import Dialler
from streembit.wire.message import Answer, Dialled

PROBE_TIMEOUT_S: Final = 3.0  # less than a request's time, so that who asked hears of it
MAX_PROBES: Final = 32  # connections that we open for others at a time
PER_PEER: Final = Rate(per_s=0.1, burst=4.0)  # each costs us a connection and a handshake


class Silent:
    """The owner of links that carry nothing: they are opened to be closed."""

    def link_open(self, link: LinkProtocol) -> None:
        """Wait for the prober's word."""

    def message(self, link: LinkProtocol, payload: bytes) -> None:
        """Hear nothing."""

    def link_lost(self, link: LinkProtocol, reason: StreembitError) -> None:
        """It was to be expected."""

    def refused(self, peer_host: str, error: StreembitError) -> None:
        """The dialler hears of it."""


class Probes:
    """Connects to peers that ask for it, shakes hands, and hangs up.

    Only to the host that the peer's own link comes from, never to one that it names: nobody sends
    us knocking at other doors, and nobody in the public network at those of a private one.

    Args:
        prober: opens links that nobody else hears of, within `PROBE_TIMEOUT_S`.
    """

    def __init__(self, prober: Dialler, clock: IReactorTime) -> None:
        self._prober = prober
        self._clock = clock
        self._rates = Buckets(PER_PEER)
        self._under_way: dict[str, Deferred[LinkProtocol]] = {}

    def dial_back(self, peer: Peer, port: int) -> Deferred[Answer]:
        """Answer whether the peer, and nobody else, accepts links at its host and this port.

        Raises:
            PrivateAddress: its link comes from no IP address.
            RateLimited: one is under way for this peer, or it asks too often.
            TooManyConnections: we do this for too many others just now.
        """
        self._admit(peer)
        host, key = peer.carrier.host, peer.key.text
        attempt = self._prober.dial(host, port, peer.key)
        self._under_way[key] = attempt
        answer: Deferred[Answer] = attempt.addCallbacks(
            lambda link: _reached(link, port), lambda failure: _missed(failure, host, port)
        )
        return answer.addBoth(self._forget, key)

    def stop(self) -> None:
        """Give up what is under way."""
        for attempt in list(self._under_way.values()):
            attempt.cancel()

    def _admit(self, peer: Peer) -> None:
        if parse(peer.carrier.host) is None:
            raise PrivateAddress("your link comes from no IP address")
        if peer.key.text in self._under_way:
            raise RateLimited("a dial-back is under way")
        if len(self._under_way) >= MAX_PROBES:
            raise TooManyConnections("dial-backs for others", limit=MAX_PROBES)
        if not self._rates.of(peer.key.text).take(self._clock.seconds()):
            raise RateLimited("dial-backs")

    def _forget(self, answer: Answer | Failure, key: str) -> Answer | Failure:
        self._under_way.pop(key, None)
        return answer


def _reached(link: LinkProtocol, port: int) -> Answer:
    link.close(PeerGone("dialled back, as asked"))
    return Dialled(True, link.host, port)


def _missed(failure: Failure, host: str, port: int) -> Answer:
    """Return what a failed attempt says about the peer; what is our own matter is a refusal."""
    error = failure.value
    if isinstance(error, CancelledError):
        raise PeerGone("we are stopping")
    if not isinstance(error, StreembitError) or isinstance(error, TooManyConnections):
        failure.raiseException()
    return Dialled(False, host, port, error.code)
