"""A node of a private network: what it leaves behind, and the one thing that it connects to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IProtocol, IProtocolFactory, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.disk.config import Config
from streembit.disk.home import Place
from streembit.errors import PeerGone, StreembitError
from streembit.hub.allowlist import network_of
from streembit.jose.keys import PublicKey
from streembit.net.dial import Connect
from streembit.net.relayed import PORT, hub_host
from streembit.service.lan import Lan
from streembit.service.membership import Address
from streembit.service.node import Node
from streembit.service.settings import PUBLIC_NETWORK, NetworkSettings
from streembit.wire import hubtext
from streembit.wire.offer import Address as HubAddress

PREFIX: Final = "private."  # of the id of every private network
LOOK_EVERY_S: Final = 0.5
LEAVE_WITHIN_S: Final = 60.0  # contacts who are not told by then find us no other way

_log = Logger()


@dataclass(frozen=True)
class Plan:
    """How an account that has a private hub lives now: in public for the last time, or there.

    Attributes:
        hub: the hub, with its key.
        settings: of the network of this life.
    """

    hub: HubAddress
    settings: NetworkSettings
    is_private: bool

    @property
    def key(self) -> PublicKey:
        """The hub's key."""
        return PublicKey.from_hex(self.hub.hub)

    def place(self, place: Place) -> Place:
        """Return where the stores of this life are: nothing of one network gets into another."""
        return place.within(self.settings.network) if self.is_private else place

    def prepare(self, node: Node) -> None:
        """Tell a node where it is found: through the hub; or that it is about to go there."""
        if self.is_private:
            node.reach.listening_on(PORT, [])
        else:
            node.reach.forwarding = self.hub


def plan_of(config: Config, settings: NetworkSettings, *, has_left: bool) -> Plan:
    """Return how an account of this configuration lives next.

    It is in public for once where there is somebody to begin with; who has nobody there has
    nobody to tell.
    """
    hub = hubtext.read(config.private)
    given = config.network if config.network.startswith(PREFIX) else ""
    if config.seeds and not has_left:
        public = PUBLIC_NETWORK if given else config.network
        return Plan(hub, replace(settings, network=public, client_only=True), is_private=False)
    network = given or network_of(PublicKey.from_hex(hub.hub))
    return Plan(hub, replace(settings, network=network, relayed_members=True), is_private=True)


def seed_of(plan: Plan) -> Address:
    """Return where a member begins: at the hub, through itself."""
    return Address(hub_host(plan.key), PORT, plan.key)


class HubOnly:
    """Connects to one hub, wherever somebody wants to connect to; a `net.dial.Connect`.

    Attributes:
        lan: where the hub is looked for as well, if it is told.
    """

    def __init__(self, connect: Connect, hub: HubAddress) -> None:
        self.lan: Callable[[], Lan | None] = lambda: None
        self._connect, self._hub = connect, hub

    def __call__(self, host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect to the hub; fail with PeerGone for anything else."""
        if (host, port) != (self._hub.host, self._hub.port):
            return fail(PeerGone("a private node connects to its hub only", host=host, port=port))
        return self._connect(host, port, factory).addErrback(self._nearby, factory)

    def _nearby(self, failure: Failure, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect to who says to be the hub in the local network; the hub has to prove it."""
        lan = self.lan()
        for neighbour in [] if lan is None else lan.of(PublicKey.from_hex(self._hub.hub)):
            return self._connect(neighbour.hosts[0], neighbour.port, factory)
        return fail(failure)


class Leaving(Service):
    """Ends a life in public once the contacts have been told where it goes on, or time is over.

    Args:
        node: the one of this life.
        leave: ends this life, and this service with it.
    """

    def __init__(
        self,
        clock: IReactorTime,
        node: Node,
        leave: Callable[[], Deferred[None]],
    ) -> None:
        self.setName("leaving")
        self._clock, self._node, self._leave = clock, node, leave
        self._until_s = 0.0
        self._next: IDelayedCall | None = None

    def startService(self) -> None:
        """Begin to look."""
        super().startService()
        self._until_s = self._clock.seconds() + LEAVE_WITHIN_S
        self._next = self._clock.callLater(LOOK_EVERY_S, self._look)

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()

    def _look(self) -> None:
        told, late = self._node.company.has_told(), self._clock.seconds() >= self._until_s
        if not told and not late:
            self._next = self._clock.callLater(LOOK_EVERY_S, self._look)
            return
        if told:
            _log.info("the contacts are told where we are; the public network is left")
        else:
            _log.warn("the public network is left; not all contacts could be told where we are")
        self._leave().addErrback(_given_up)


def _given_up(failure: Failure) -> None:
    """Leave it to the account, which ends the process."""
    failure.trap(StreembitError)
