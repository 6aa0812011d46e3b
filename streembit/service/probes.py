"""Dial-backs done for others: a peer asks whether it can be reached, and a connection answers."""

from __future__ import annotations

from typing import Final, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from streembit.dht.grouping import Grouping, parse
from streembit.errors import (
    PeerGone,
    PrivateAddress,
    RateLimited,
    StreembitError,
    TooManyConnections,
)
from streembit.jose.keys import PublicKey
from streembit.net.budget import Buckets, Rate
from streembit.net.tcp import LinkProtocol
from streembit.service.network import Dialler
from streembit.wire.message import Answer, Dialled

PROBE_TIMEOUT_S: Final = 3.0  # less than a request's time, so that who asked hears of it
MAX_PROBES: Final = 32  # connections that we open for others at a time
MAX_PER_GROUP: Final = 2  # of them to one group of addresses: it takes 16 groups to fill all
PER_PEER: Final = Rate(per_s=0.1, burst=4.0)  # each costs us a connection and a handshake
PER_GROUP: Final = Rate(per_s=0.2, burst=4.0)  # a group of tarpits has 0.6 under way in the mean


class Asker(Protocol):
    """Who asks whether it can be reached: a peer, or a member of a hub."""

    @property
    def carrier(self) -> Reached:
        """What its own connection is."""

    @property
    def key(self) -> PublicKey:
        """The only key that counts as itself."""


class Reached(Protocol):
    """A connection whose other end has an address."""

    @property
    def host(self) -> str:
        """The address."""


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
        grouping: which addresses share a ration; each peer at an exempt one has its own alone.
    """

    def __init__(self, prober: Dialler, clock: IReactorTime, grouping: Grouping) -> None:
        self._prober = prober
        self._clock = clock
        self._grouping = grouping
        self._rates = Buckets(PER_PEER)
        self._group_rates = Buckets(PER_GROUP)
        self._under_way: dict[str, Deferred[LinkProtocol]] = {}
        self._groups: dict[str, str] = {}  # of those under way, by key

    def dial_back(self, peer: Asker, port: int) -> Deferred[Answer]:
        """Answer whether the peer, and nobody else, accepts links at its host and this port.

        Raises:
            PrivateAddress: its link comes from no IP address.
            RateLimited: one is under way for this peer, or it asks too often, or its group does.
            TooManyConnections: we do this for too many others just now.
        """
        host, key = peer.carrier.host, peer.key.text
        self._admit(host, key)
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

    def _admit(self, host: str, key: str) -> None:
        """Note the group of one that is dialled; who is refused has used up nothing."""
        if parse(host) is None:
            raise PrivateAddress("your link comes from no IP address")
        if key in self._groups:
            raise RateLimited("a dial-back is under way")
        group = self._grouping.group(host) or key
        if sum(other == group for other in self._groups.values()) >= MAX_PER_GROUP:
            raise RateLimited("dial-backs of your group of addresses are under way")
        if len(self._groups) >= MAX_PROBES:
            raise TooManyConnections("dial-backs for others", limit=MAX_PROBES)
        now_s, ration = self._clock.seconds(), self._group_rates.of(group)
        if ration.wait_s(now_s) > 0 or not self._rates.of(key).take(now_s):
            raise RateLimited("dial-backs")
        ration.spend(1.0)
        self._groups[key] = group

    def _forget(self, answer: Answer | Failure, key: str) -> Answer | Failure:
        self._under_way.pop(key, None)
        self._groups.pop(key, None)
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
