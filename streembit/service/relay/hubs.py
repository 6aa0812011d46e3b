"""All hubs of a node: those where it is to be found, and those that its contacts are at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime

from streembit.errors import BadKey, NoHub, PeerGone, StreembitError, WrongIdentity
from streembit.jose.keys import ParsedKeys, PrivateKey, PublicKey
from streembit.net.budget import Rate, TokenBucket
from streembit.net.carrier import beat
from streembit.net.relayed import is_hub_host, read_hub_host
from streembit.service.relay.hub import Hub
from streembit.service.relay.seat import Mailed
from streembit.service.relay.session import DialHub
from streembit.service.upkeep import Upkeep, as_deferred
from streembit.wire.hubtext import write
from streembit.wire.offer import Address

MAX_HUBS: Final = 64  # at once; contacts name four places each, and a home has a few hubs
IDLE_S: Final = 60.0  # then a hub that is not ours is left
LOOK_EVERY_S: Final = 5.0
# Contacts name hubs as they like, and nobody is to be flooded in our name. Ten contacts who are at
# two hubs of their own each are looked for at once.
JOINS: Final = Rate(per_s=1 / 10, burst=20.0)


class HubUser(Protocol):
    """Who uses what hubs bring besides links: the people of an account."""

    def hub_joined(self, hub: Hub) -> None:
        """We are joined to a hub."""

    def hub_left(self, hub: Hub) -> None:
        """We are not joined to a hub: not any more, or not at this try."""

    def mailed(self, hub: Hub, mail: Mailed, parcel: bytes) -> None:
        """A parcel has come by a hub's mailbox; `hub.ack` it once it is kept."""

    def present(self, hub: Hub, here: list[str], away: list[str]) -> None:
        """Keys that we watch at a hub came and went."""


class NoUser:
    """Nobody: mail waits at the hub."""

    def hub_joined(self, hub: Hub) -> None:
        """See `HubUser`."""

    def hub_left(self, hub: Hub) -> None:
        """See `HubUser`."""

    def mailed(self, hub: Hub, mail: Mailed, parcel: bytes) -> None:
        """See `HubUser`."""

    def present(self, hub: Hub, here: list[str], away: list[str]) -> None:
        """See `HubUser`."""


class Hubs(MultiService):
    """Joins the hubs of a node, and opens links through them.

    Args:
        network: of which the hubs have to be.
        own: where we are always to be found, the best first.
        dial: connects to a hub.
        factory: makes the protocols of links that come to us through a hub.
        refused: told of what was refused, of a hub or its members.
        exempts: tells whether a host is one of a network on one machine, for tests: there the hubs
            of contacts may do without TLS. Elsewhere a contact could have us send requests to
            what else listens here.

    Attributes:
        user: who takes mail and presence; may be set once, before the start.
    """

    def __init__(
        self,
        identity: PrivateKey,
        network: str,
        own: Sequence[Address],
        dial: DialHub,
        clock: IReactorTime,
        random: Callable[[], float],
        factory: Callable[[], IProtocolFactory],
        refused: Callable[[str, StreembitError], None],
        exempts: Callable[[str], bool] = lambda _host: False,
    ) -> None:
        super().__init__()
        self.setName("hubs")
        self.user: HubUser = NoUser()
        self.refused = refused
        self._exempts = exempts
        self._identity, self._network = identity, network
        self._dial, self._clock, self._random, self._factory = dial, clock, random, factory
        self._keys = ParsedKeys()
        self._hubs: dict[str, Hub] = {}  # by label; at most MAX_HUBS
        self._aliases: dict[str, str] = {}  # of other addresses of these hubs, their labels
        self._joins = TokenBucket(JOINS)
        self._looks: Upkeep | None = None  # once there are hubs: most nodes have none
        self._leaving: list[Deferred[None]] = []  # fire when those hubs are left
        for address in own:
            self._add(address, own=True)

    def stopService(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Leave all hubs; fire when that is done."""
        stopping = as_deferred(super().stopService())
        return DeferredList([stopping, *self._leaving]).addCallback(lambda _: None)

    def all(self) -> list[Hub]:
        """Return the hubs that are used now, ours first."""
        return list(self._hubs.values())

    @property
    def own(self) -> list[Hub]:
        """Those where we are to be found, the best first."""
        return [hub for hub in self._hubs.values() if hub.own]

    def ours(self, key: PublicKey) -> Hub:
        """Return the hub of ours that has this key; raise NoHub where none has, as far as known."""
        for hub in self.own:
            if hub.session.hub == key:
                return hub
        raise NoHub("none of ours has this key", key=key.hex)

    def addresses(self) -> list[Address]:
        """Return where contacts find us: at the hubs of ours that let us in, or did until now."""
        return [hub.address for hub in self.own if hub.session.joins]

    def named(self, host: str) -> str:
        """Return what the hub is called that a host is reached through; "" for a direct one."""
        if not is_hub_host(host):
            return ""
        _, label = read_hub_host(host)
        hub = self._find(label)
        return hub.title if hub is not None else label

    def address_of(self, host: str) -> Address | None:
        """Return where the hub is that a host is reached through; None for a direct one."""
        hub = self._find(read_hub_host(host)[1]) if is_hub_host(host) else None
        return None if hub is None else hub.address

    def is_at(self, address: Address) -> bool:
        """Tell whether we use the hub at this address already."""
        return self.find(address) is not None

    def find(self, address: Address) -> Hub | None:
        """Return the hub that we use already of this key, or at this place; None for none."""
        url = write(address)
        for hub in self._hubs.values():
            key = hub.session.hub
            if (address.hub and key is not None and key.hex == address.hub) or hub.url == url:
                return hub
        return self._hubs.get(self._aliases.get(url, ""))

    def at(self, address: Address) -> Hub:
        """Return the hub at this address, joining it if we are not joined to it already.

        Raises:
            WrongIdentity: the hub there has another key.
            PeerGone: we are at too many hubs, or were lately, or are stopping; or it has no TLS.
        """
        hub = self.find(address)
        key = None if hub is None else hub.session.hub
        if address.hub and key is not None and key.hex != address.hub:
            raise WrongIdentity(expected=address.hub, found=key.hex)
        if hub is None:
            if not self.running or len(self._hubs) >= MAX_HUBS:
                raise PeerGone("no more hubs are joined")
            if address.transport == "ws" and not self._exempts(address.host):
                raise PeerGone("without TLS only hubs of our own are joined")
            if not self._joins.take(self._clock.seconds()):
                raise PeerGone("too many hubs were joined lately")
            hub = self._add(address, own=False)
        hub.used_s = self._clock.seconds()
        return hub

    def connect(self, host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Open a stream to a host of `net.relayed`: a `Connect`.

        Errbacks:
            PeerGone: we are at no such hub, or cannot join it.
        """
        try:
            key, label = read_hub_host(host)
        except BadKey as error:
            return fail(error)
        hub = self._find(label)
        if hub is None:
            return fail(PeerGone("not at this hub"))
        return hub.connect(key, factory)

    # --- HubEvents
    def may_join(self, hub: Hub, key: PublicKey) -> bool:
        """Let one session a hub be, by whatever names it is known: ours, else the first."""
        others = [each for each in self.all() if each is not hub and each.session.hub == key]
        for other in others:
            if other.own or not hub.own:
                self._alias(hub, other)
                return False
            self._alias(other, hub)
        return True

    def hub_joined(self, hub: Hub) -> None:
        """Pass it on."""
        self.user.hub_joined(hub)

    def hub_left(self, hub: Hub) -> None:
        """Pass it on; a hub that is not ours is joined again by who needs it."""
        self.user.hub_left(hub)
        if not hub.own:
            self._drop(hub)

    def mailed(self, hub: Hub, mail: Mailed, parcel: bytes) -> None:
        """Pass it on."""
        self.user.mailed(hub, mail, parcel)

    def present(self, hub: Hub, here: list[str], away: list[str]) -> None:
        """Pass it on."""
        self.user.present(hub, here, away)

    # --- how
    def _find(self, label: str) -> Hub | None:
        """Return the hub of a label; of none it is the first of ours."""
        return self._hubs.get(label) if label else next(iter(self.own), None)

    def _add(self, address: Address, *, own: bool) -> Hub:
        hub = Hub(
            self._identity,
            self._network,
            address,
            self._dial,
            self._clock,
            self._random,
            self._keys,
            self._factory,
            self,
            own=own,
        )
        self._hubs[hub.label] = hub
        hub.setServiceParent(self)
        if self._looks is None:
            self._looks = Upkeep("hubs", self._clock, LOOK_EVERY_S, self._look, lambda: 0.5)
            self._looks.setServiceParent(self)
        return hub

    def _look(self) -> None:
        """Ask silent hubs for a sign of life, and leave those that are of no use."""
        now_s = self._clock.seconds()
        beat([hub.seat.carrier for hub in self.all() if hub.seat is not None], now_s)
        for hub in self.all():
            if hub.own or hub.is_used:
                continue
            if now_s - hub.used_s >= IDLE_S:
                self._drop(hub)

    def _alias(self, name: Hub, hub: Hub) -> None:
        """Use a hub by another address of it as well, and nothing else at that one."""
        while len(self._aliases) >= MAX_HUBS:
            del self._aliases[next(iter(self._aliases))]
        self._aliases[name.url] = hub.label
        self._drop(name)

    def _drop(self, hub: Hub) -> None:
        """Leave a hub, and forget it."""
        if self._hubs.get(hub.label) is not hub:
            return
        del self._hubs[hub.label]
        leaving = as_deferred(hub.disownServiceParent())
        self._leaving.append(leaving)
        leaving.addCallback(lambda _: self._leaving.remove(leaving))
