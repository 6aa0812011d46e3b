"""Two conversations over one real link on the in-memory network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory

from streembit.errors import StreembitError
from streembit.jose.envelope import Verified
from streembit.jose.keys import Identity
from streembit.link.hello import Hello
from streembit.net.tcp import LinkProtocol
from streembit.rpc.peer import Peer, Rules
from streembit.rpc.scrutiny import Checks
from streembit.rpc.signer import Signer
from streembit.testing import MemoryClock, MemoryNetwork
from streembit.wire.message import Answer, Ping, Pong, Rpc

NETWORK = "test"


def pong(_peer: Peer, _request: Verified[Rpc]) -> Answer | Deferred[Answer]:
    """Answer anything as if it were a Ping."""
    return Pong("")


@dataclass
class Side:
    """One end: what it served, refused and lost; its conversation once the link is open."""

    clock: IReactorTime
    serve: Callable[[Peer, Verified[Rpc]], Answer | Deferred[Answer]] = pong
    wait_s: Callable[[Peer], float] = lambda _peer: 0.0
    network: str = NETWORK
    identity: Identity = field(default_factory=lambda: Identity.generate("x"))
    checks: Checks = field(default_factory=Checks)
    refusals: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    peer: Peer | None = None
    link: LinkProtocol | None = None

    def protocol(self, initiator: bool) -> LinkProtocol:
        """Return this side's end of a link."""
        return LinkProtocol(
            self.identity.signing,
            lambda _host, _port: Hello(self.identity.public),
            NETWORK,
            self.clock,
            self,
            initiator=initiator,
        )

    def link_open(self, link: LinkProtocol) -> None:
        """Begin the conversation."""
        signer = Signer(self.identity.signing, self.network, self.clock.seconds, 1)
        rules = Rules(signer, self.clock, self.checks, self.serve, self.wait_s, self.refused)
        self.link = link
        assert link.link is not None
        self.peer = Peer(link, link.link, rules)

    def message(self, link: LinkProtocol, payload: bytes) -> None:
        """Pass on."""
        assert self.peer is not None
        self.peer.message(payload)

    def link_lost(self, link: LinkProtocol, reason: StreembitError) -> None:
        """Note the loss."""
        assert self.peer is not None
        self.peer.lost()
        self.lost.append(reason.code)

    def refused(self, host: str, error: StreembitError) -> None:
        """Note the refusal."""
        self.refusals.append(error.code)


class Pair:
    """Two sides with an open link between them.

    Args:
        right_clock: makes the right side's clock of the network's.
        right: for the right side.
    """

    def __init__(
        self,
        right_clock: Callable[[MemoryClock], IReactorTime] = lambda clock: clock,
        **right: object,
    ) -> None:
        self.net = MemoryNetwork(seed=1, latency_s=(0.01, 0.01))
        self.clock = self.net.clock
        self.left = Side(self.clock)
        self.right = Side(right_clock(self.clock), **right)  # type: ignore[arg-type]
        self.net.host("10.0.0.2").listen(
            1, Factory.forProtocol(lambda: self.right.protocol(initiator=False))
        )
        self.net.host("10.0.0.1").connect(
            "10.0.0.2", 1, Factory.forProtocol(lambda: self.left.protocol(initiator=True))
        )
        self.clock.run_until(lambda: self.right.peer is not None, 5)

    def ask(self, body: object = None) -> Deferred[Verified[Rpc]]:
        """Let the left side ask the right one."""
        assert self.left.peer is not None
        return self.left.peer.request(body or Ping())  # type: ignore[arg-type]
