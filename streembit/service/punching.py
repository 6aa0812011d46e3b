"""From a link through a hub to a direct one, through the routers of both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Final, Protocol

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from streembit.dht.backoff import Backoff
from streembit.errors import KeyRefused, PunchFailed, RateLimited, StreembitError
from streembit.jose.keys import PublicKey
from streembit.link.punch import initiates, lead_s
from streembit.net.budget import Buckets, Rate
from streembit.net.punch import Local
from streembit.net.relayed import is_hub_host
from streembit.net.tcp import LinkProtocol
from streembit.rpc.peer import Peer
from streembit.service.errands import Errands
from streembit.service.metrics import Tally
from streembit.service.network import Network
from streembit.service.upkeep import Upkeep
from streembit.wire.message import Answer, Punch, Punched

LOOK_EVERY_S: Final = 2.0
FIRST_S: Final = 12.0  # of a link through a hub: by then a dial that needs none has been tried
AGAIN_S: Final = 60.0  # after an attempt that failed, twice as long after each
MOST_S: Final = 6 * 3600.0  # routers are exchanged now and then
ATTEMPTS: Final = Rate(per_s=1 / 20, burst=3.0)  # of one contact: each sends some twenty packets
MAX_KNOWN: Final = 1_000  # contacts whose attempts are remembered; as many as a book has

_log = Logger()


@dataclass(frozen=True, slots=True)
class Vantage:
    """A port of ours, and at which address a hub sees it."""

    local: Local
    host: str
    port: int


class Attempt(Protocol):
    """One attempt to meet somebody; `net.punch.Punch` is one."""

    def start(self, lead_s: float = 0.0) -> Deferred[LinkProtocol]:
        """Begin after so many seconds; fire with the open link, or errback PunchFailed."""


MakeAttempt = Callable[[Vantage, str, int, PublicKey], Attempt]


class _Line:
    """When somebody is tried next."""

    def __init__(self, random: Callable[[], float], now_s: float) -> None:
        self.backoff = Backoff(random, first_s=AGAIN_S, most_s=MOST_S)
        self.next_s = now_s + FIRST_S


class Punching(MultiService):
    """Tries to meet each contact directly with whom there is a link through a hub only.

    Of two contacts the one with the smaller key asks. One attempt is made at a time, for all
    listen at one port.

    Args:
        vantage: where a hub sees us, None while none does.
        is_contact: tells whom we want to meet.
        ends: counts the attempts by how they ended.
    """

    def __init__(
        self,
        network: Network,
        errands: Errands,
        vantage: Callable[[], Vantage | None],
        make: MakeAttempt,
        is_contact: Callable[[PublicKey], bool],
        random: Callable[[], float],
        ends: Tally,
    ) -> None:
        super().__init__()
        self.setName("punching")
        self._network, self._errands = network, errands
        self._vantage, self._make, self._is_contact = vantage, make, is_contact
        self._random, self._ends = random, ends
        self._lines: dict[PublicKey, _Line] = {}  # of contacts with a link through a hub
        self._rates = Buckets(ATTEMPTS)
        self._busy = False
        look = Upkeep("punching", network.clock, LOOK_EVERY_S, self._look, random)
        look.setServiceParent(self)

    # --- asked
    def answer(self, peer: Peer, body: Punch) -> Answer:
        """Answer where we are seen, and dial the asker soon.

        Raises:
            KeyRefused: the asker is no contact.
            RateLimited: it asks too often, or another attempt is being made.
            PunchFailed: nobody sees us, or the asker names no address that can be dialled.
        """
        if not self._is_contact(peer.key):
            raise KeyRefused("not a contact")
        _check(body.host)
        vantage = self._seen()
        now_s = self._network.now_s()
        if self._busy or not self._rates.of(peer.key).take(now_s):
            raise RateLimited("of attempts to meet")
        lead = body.lead_ms / 1000
        self._busy = True
        attempt = self._make(vantage, body.host, body.port, peer.key)
        if not self._errands.start(partial(self._meet, attempt, lead)):
            self._busy = False
            raise RateLimited("of what is done in the background")
        return Punched(vantage.host, vantage.port)

    # --- asking
    async def _look(self) -> None:
        """Make one attempt that is due, if there is one."""
        for peer in self._due():
            await self._try(peer)
            return

    def _due(self) -> Iterator[Peer]:
        """Yield the contacts whom it is time, and ours, to ask."""
        network, now_s = self._network, self._network.now_s()
        relayed = [p for p in network.roster if is_hub_host(p.carrier.host)]
        keys = {peer.key for peer in relayed}
        self._lines = {key: line for key, line in self._lines.items() if key in keys}
        for peer in relayed:
            if not self._is_contact(peer.key) or not initiates(network.identity.public, peer.key):
                continue
            if peer.key not in self._lines and len(self._lines) < MAX_KNOWN:
                self._lines[peer.key] = _Line(self._random, now_s)
            if peer.key in self._lines and now_s >= self._lines[peer.key].next_s:
                yield peer

    async def _try(self, peer: Peer) -> None:
        """Ask somebody to meet us, and dial when the answer is there."""
        line = self._lines[peer.key]
        line.next_s = self._network.now_s() + line.backoff.next_s()
        if self._busy:
            return
        self._busy = True
        try:
            vantage = self._seen()
            lead_ms = round(1000 * lead_s(peer.rtt_s))
            self._network.roster.expect_answer()
            verified = await peer.request(Punch(vantage.host, vantage.port, lead_ms))
            answer = verified.claims.body
            assert isinstance(answer, Punched)  # Peer lets no other answer through
            _check(answer.host)
        except StreembitError as error:
            self._busy = False
            self._ends.add(error.code)
            return
        attempt = self._make(vantage, answer.host, answer.port, peer.key)
        await self._meet(attempt, 0.0)

    async def _meet(self, attempt: Attempt, lead: float) -> None:
        """Make an attempt, and say how it ended."""
        try:
            link = await attempt.start(lead)
        except StreembitError as error:
            self._ends.add(error.code)
            _log.info("a contact was not met directly: {error}", error=str(error))
        else:
            self._ends.add("met")
            _log.info("met a contact directly, through routers, at {host}", host=link.host)
        finally:
            self._busy = False

    def _seen(self) -> Vantage:
        vantage = self._vantage()
        if vantage is None:
            raise PunchFailed("no hub sees us")
        return vantage


def _check(host: str) -> None:
    """Refuse what is no address, or one that is ours or many's: nobody is met there."""
    try:
        address = ip_address(host)
    except ValueError:
        raise PunchFailed("a host name is no place to meet") from None
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        raise PunchFailed("no address to meet at")
