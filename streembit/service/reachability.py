"""Whether others can reach us and where, and whether our clock is right: several peers decide."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from streembit.dht.grouping import parse
from streembit.dht.reach import Reach
from streembit.dht.reach import Reachability as State
from streembit.dht.skew import Skew
from streembit.errors import StreembitError
from streembit.net.relayed import is_hub_host
from streembit.router.terms import Mapped
from streembit.rpc.peer import Peer
from streembit.service import facade
from streembit.service.network import Network, show_address
from streembit.wire.message import DialBack, Dialled, Ping, Pong

AGAIN_S: Final = 5.0  # a peer dials us back once at a time: what it did for us before is over then
ASKED_AT_ONCE: Final = 4  # peers of one round; two of them have to agree

HALF_S: Final = 0.5  # a hello states whole seconds: on average it was so much later

VERDICTS: Final[dict[State, facade.Reachability]] = {
    State.UNKNOWN: "unknown",
    State.REACHABLE: "reachable",
    State.UNREACHABLE: "unreachable",
}

_log = Logger()


class Reachability:
    """Collects what linked peers see, and acts on what `dht.reach` and `dht.skew` make of it.

    A node that others cannot reach is a client from then on: it uses the network and is asked to
    store nothing.

    Args:
        changed: told when we became a client or ceased to be one, after `network.client_only` did.
    """

    def __init__(self, network: Network, changed: Callable[[], None] = lambda: None) -> None:
        self._network = network
        self._changed = changed
        self._reach = Reach(network.settings.grouping)
        self._skew = Skew(network.settings.grouping)
        self._warned = False
        self._mapped: Mapped | None = None
        self._ways = 0  # to us that there have been: what is said of one tells nothing of the next

    # --- what is known
    @property
    def verdict(self) -> facade.Reachability:
        """Whether others can connect to us, as far as two witnesses say."""
        if not self._network.port:
            return "unreachable"
        return VERDICTS[self._reach.state(self._network.now_s())]

    @property
    def observed(self) -> str:
        """Where others see us, "host:port" with the port that we listen at; "" while in doubt."""
        host = self._reach.host(self._network.now_s())
        return show_address(host, self._network.port) if host and self._network.port else ""

    @property
    def mapped(self) -> str:
        """Where the router leads to us, "host:port"; "" for nowhere.

        So too where others see us at another host: that router is behind a further one.
        """
        if self._mapped is None:
            return ""
        host = self._reach.host(self._network.now_s()) or self._mapped.host
        return show_address(host, self._mapped.port) if host == self._mapped.host else ""

    @property
    def clock_skew_s(self) -> float | None:
        """How far our clock is ahead of the median of at least three peers; None in doubt."""
        return self._skew.ahead_s()

    # --- what is heard
    def led(self, mapped: Mapped | None) -> None:
        """Take note that a router leads to us, or does no more: what was known of us is old."""
        self._mapped = mapped
        self._ways += 1
        self._reach.forget_dials()

    def linked(self, peer: Peer) -> None:
        """Take what a peer says of us, and of the time, when its link opens."""
        if is_hub_host(peer.carrier.host):
            return  # it sees the hub
        hello = peer.hello
        self.seen(peer, hello.observed)
        host, now_s = peer.carrier.host, self._network.now_s()
        self._skew.heard(peer.node_id, host, hello.clock_s + HALF_S, now_s)
        self._warn()

    def seen(self, peer: Peer, observed: str) -> None:
        """Take the "host:port" at which a peer sees us; what is no address is passed over."""
        self.seen_from(peer.node_id, peer.carrier.host, observed)

    # --- what hubs say
    def seen_from(self, who: int, host: str, observed: str) -> None:
        """Take the "host:port" at which somebody who is at `host` sees us; `who` is a node id."""
        ours = observed.rpartition(":")[0].strip("[]")
        if parse(ours) is not None:
            self._reach.observed(who, host, ours, self._network.now_s())

    def wants(self, who: int, host: str) -> bool:
        """Tell whether it would tell us something new if somebody connected to us from there."""
        now_s = self._network.now_s()
        return bool(self._network.port) and self._reach.wants_witness(who, host, now_s)

    def dialled_from(self, who: int, host: str, reached: bool) -> None:
        """Take note whether somebody who is at `host` could connect to us, and act on it."""
        self._reach.dialled(who, host, reached, self._network.now_s())
        self._judge()

    # --- what is asked
    async def check(self) -> None:
        """Ask peers that can tell something new to connect to us, or where they see us."""
        now_s = self._network.now_s()
        roster = self._network.roster
        for peer in self._apart(p for p in roster if self._sees(p, now_s)):
            await self._look(peer)
        if not await self._ask_witnesses():
            await deferLater(self._network.clock, AGAIN_S)
            await self._ask_witnesses()

    async def _ask_witnesses(self) -> bool:
        """Ask those who can tell something new; return whether all who were asked answered."""
        now_s = self._network.now_s()
        wanted = [
            peer
            for peer in self._network.roster
            if self._reach.wants_witness(peer.node_id, peer.carrier.host, now_s)
        ]
        answers = await self.ask(wanted)
        return not self._network.port or len(answers) == len(self._apart(wanted))

    async def ask(self, peers: Iterable[Peer]) -> list[Dialled]:
        """Ask some of these peers, of different groups, to connect to us; return what they say."""
        asked = self._apart(peers) if self._network.port else []
        self._network.roster.expect_answer()
        replies = [Deferred.fromCoroutine(self._ask(peer)) for peer in asked]
        answers = [await reply for reply in replies]
        self._judge()
        return [answer for answer in answers if answer is not None]

    async def _ask(self, peer: Peer) -> Dialled | None:
        """Ask one peer; return None where it does not answer."""
        way = self._ways
        try:
            verified = await peer.request(DialBack(self._network.port))
        except StreembitError:
            return None
        answer = verified.claims.body
        assert isinstance(answer, Dialled)  # Peer lets no other answer through
        now_s, host = self._network.now_s(), peer.carrier.host
        if way == self._ways:
            self._reach.dialled(peer.node_id, host, answer.reachable, now_s)
        return answer

    def _sees(self, peer: Peer, now_s: float) -> bool:
        return self._reach.wants_sight(peer.node_id, peer.carrier.host, now_s)

    async def _look(self, peer: Peer) -> None:
        """Ask one peer where it sees us; that it does not answer tells nothing."""
        self._network.roster.expect_answer()
        with suppress(StreembitError):
            answer = (await peer.request(Ping())).claims.body
            assert isinstance(answer, Pong)  # Peer lets no other answer through
            self.seen(peer, answer.observed)

    def _apart(self, peers: Iterable[Peer]) -> list[Peer]:
        """Return the first few peers who see us, no two of one group."""
        chosen: dict[str, Peer] = {}
        for peer in peers:
            if is_hub_host(peer.carrier.host):
                continue
            group = self._network.settings.grouping.group(peer.carrier.host)
            chosen.setdefault(group or peer.key.text, peer)
        return list(chosen.values())[:ASKED_AT_ONCE]

    # --- what follows
    def _judge(self) -> None:
        network, verdict = self._network, self.verdict
        client_only = network.settings.client_only or verdict == "unreachable"
        if client_only == network.client_only:
            return
        network.client_only = client_only
        if client_only:
            _log.warn("others cannot reach us: we store nothing for them; see streembit doctor")
        else:
            _log.info("others can reach us: we store for them")
        self._changed()

    def _warn(self) -> None:
        if self._skew.warns() and not self._warned:
            ahead_s = self._skew.ahead_s() or 0.0
            _log.warn(
                "this machine's clock is {ahead_s} s ahead of its peers; set it, or let it be set",
                ahead_s=round(ahead_s),
            )
        self._warned = self._skew.warns()
