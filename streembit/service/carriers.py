"""The links of a node, made within its limits: those that come, that go out, and that probe."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime

from streembit.errors import RemoteError
from streembit.jose.keys import PrivateKey, PublicKey
from streembit.link.hello import Hello
from streembit.link.punch import initiates
from streembit.net.backlog import Backlog
from streembit.net.budget import Budgets, Rate
from streembit.net.dial import Connect, Dialer
from streembit.net.events import LinkEvents, LinkWatch, Traffic
from streembit.net.gate import Gate
from streembit.net.listen import LinkFactory
from streembit.net.relayed import is_hub_host
from streembit.net.tcp import LinkProtocol
from streembit.rpc.peer import Peer
from streembit.service.limits import NodeLimits
from streembit.service.network import Network
from streembit.service.probes import PROBE_TIMEOUT_S, Silent
from streembit.service.relay.hubs import Hubs
from streembit.service.settings import NetworkSettings


class Owner(Protocol):
    """Whose links they are; they are asked for when a link is made, not before."""

    @property
    def network(self) -> Network:
        """What the links carry."""

    @property
    def events(self) -> LinkEvents:
        """Who has the links once they are made."""

    @property
    def hubs(self) -> Hubs:
        """Through which some links go."""

    def is_member(self, hello: Hello, host: str) -> bool:
        """Tell whether a peer has a right to a reserved place."""

    def refused(self, host: str, error: RemoteError) -> None:
        """Take note of a connection that was refused."""


class Carriers:
    """Makes links, and counts what they take.

    Args:
        connect: opens streams to all whose host does not say that they are at a hub.

    Attributes:
        dialler: opens links to others.
        prober: opens links that carry nothing and never go through a hub.
        factory: makes the links that others open.
    """

    def __init__(
        self,
        owner: Owner,
        key: PrivateKey,
        settings: NetworkSettings,
        connect: Connect,
        clock: IReactorTime,
        limits: NodeLimits,
    ) -> None:
        self._owner, self._key, self._clock = owner, key, clock
        self._direct, self._limits = connect, limits.link
        self.gate = Gate(limits.gate)
        self.traffic, self.backlog = Traffic(), Backlog(limits.link.queue_bytes_total)
        self._budgets = Budgets(
            Rate.a_second(settings.checks_per_peer_per_s),
            Rate.a_second(settings.checks_per_node_per_s),
        )
        self.dialler = Dialer(self._connect, self._outgoing, clock, self.gate)
        self.prober = Dialer(connect, self._probing, clock, self.gate, PROBE_TIMEOUT_S)
        self.factory: IProtocolFactory = LinkFactory(
            self._incoming, self.gate, clock, owner.refused, owner.is_member
        )

    def wait_s(self, peer: Peer, *, member: bool) -> float:
        """Return how long a peer's next request waits for its check."""
        return self._budgets.wait_s(peer.key.point, self._clock.seconds(), member=member)

    def discourage(self, host: str) -> None:
        """Refuse an address for a while."""
        self.gate.discourage(host, self._clock.seconds())

    def meeting(self, key: PublicKey, watch: LinkWatch) -> LinkProtocol:
        """Return the protocol of a link for which both sides have dialled."""
        return self._link(initiates(self._key.public, key), key, watch)

    def _connect(self, host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Open a stream, through a hub to those whose host says so."""
        connect = self._owner.hubs.connect if is_hub_host(host) else self._direct
        return connect(host, port, factory)

    def _incoming(self, watch: LinkWatch) -> LinkProtocol:
        return self._link(False, None, watch)

    def _outgoing(self, expect: PublicKey | None, watch: LinkWatch) -> LinkProtocol:
        return self._link(True, expect, watch)

    def _probing(self, expect: PublicKey | None, watch: LinkWatch) -> LinkProtocol:
        return self._link(True, expect, watch, Silent())

    def _link(
        self,
        initiator: bool,
        expect: PublicKey | None,
        watch: LinkWatch,
        events: LinkEvents | None = None,
    ) -> LinkProtocol:
        network = self._owner.network
        return LinkProtocol(
            self._key,
            network.hello,
            network.settings.network,
            self._clock,
            events or self._owner.events,
            initiator=initiator,
            expect=expect,
            parse=network.keys.parse,
            watch=watch,
            limits=self._limits,
            traffic=self.traffic,
            backlog=self.backlog,
        )
