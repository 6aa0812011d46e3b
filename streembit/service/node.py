"""The service tree of a node or a seed: everything joined, and nothing decided here."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from streembit.dht.shelf import Shelf
from streembit.errors import PeerGone, StreembitError
from streembit.jose.envelope import Verified
from streembit.jose.keys import Identity, PublicKey
from streembit.link.hello import Hello
from streembit.net.dial import Connect
from streembit.net.events import LinkEvents
from streembit.net.relayed import is_hub_host
from streembit.net.tcp import LinkProtocol
from streembit.rpc.peer import Peer
from streembit.service import figures
from streembit.service.answers import Answers
from streembit.service.carriers import Carriers
from streembit.service.company import Company, Nobody
from streembit.service.dht import Dht
from streembit.service.entrance import Address
from streembit.service.errands import Errands
from streembit.service.limits import DEFAULTS, NodeLimits
from streembit.service.log import SETTLE_EVERY_S, Refusals
from streembit.service.metrics import Metrics
from streembit.service.network import Network
from streembit.service.publishing import OwnRecords
from streembit.service.reach import Reach
from streembit.service.relay.hubs import Hubs
from streembit.service.relay.session import over
from streembit.service.relay.sight import Sight
from streembit.service.settings import NetworkSettings
from streembit.service.storeclock import StoreClock
from streembit.service.upkeep import Upkeep, as_deferred
from streembit.wire.message import Answer, Rpc
from streembit.wire.offer import Address as HubAddress


class Node(MultiService):
    """One identity's node, whole: start it and it joins; stop it and it leaves nothing running.

    Who listens builds its protocols from `carriers.factory`, and says where with
    `reach.listening_on`.

    Args:
        shelf: where other people's records lie.
        own: where our own records and their numbers lie.
        connect: opens streams: `net.dial.over_tcp`, or a `testing.MemoryHost`'s.
        seeds, remembered: where to begin; see `Membership`.
        hubs: where others find us besides, the best first.
        random: chance; nothing secret is drawn from it.

    Attributes:
        company: the people of the node; set at most once, before the start.
    """

    def __init__(
        self,
        identity: Identity,
        settings: NetworkSettings,
        shelf: Shelf,
        own: OwnRecords,
        connect: Connect,
        clock: IReactorTime,
        random: Random,
        *,
        seeds: Sequence[Address] = (),
        remembered: Sequence[Address] = (),
        hubs: Sequence[HubAddress] = (),
        limits: NodeLimits = DEFAULTS,
        store_clock: StoreClock | None = None,
    ) -> None:
        super().__init__()
        self.setName(settings.role)
        self.identity, self.settings, self.clock = identity, settings, clock
        self.limits, self.seeds = limits, tuple(seeds)
        self.started_s = clock.seconds()
        self.metrics, self.errands = Metrics(), Errands()
        self.refusals = Refusals(self.metrics, clock.seconds)
        self.company: Company = Nobody()
        self.carriers = Carriers(self, identity.signing, settings, connect, clock, limits)
        dialler, first_jti = self.carriers.dialler, random.getrandbits(48)
        self.network = Network(identity, settings, clock, dialler, self, self._wait_s, first_jti)
        self.hubs = self._hubs(hubs, connect, random)
        store_clock = store_clock or StoreClock(clock.seconds, clock.seconds())
        self.up_s = store_clock.up_s
        self.dht = self._dht(shelf, store_clock, own, random, seeds, remembered)
        self.reach = Reach(self.network, self.carriers.prober, random.random, self._renewed)
        self._answers = self._answering()
        for part in (self.dht, self.hubs, self.reach, self._settling()):
            part.setServiceParent(self)
        if hubs:
            self._sight(random).setServiceParent(self)
        self._show()

    # --- the tree
    def stopService(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Stop upkeep, then errands, then close every link; fire when all is still."""
        self.carriers.factory.doStop()
        stopping = as_deferred(super().stopService())
        closed = self.network.roster.close(PeerGone("we are stopping"))
        self.dht.deposit.settle()
        errands = self.errands.stop()
        self.refusals.settle()
        return stopping.addCallback(lambda _: errands).addCallback(lambda _: closed)

    def _dht(
        self,
        shelf: Shelf,
        store_clock: StoreClock,
        own: OwnRecords,
        random: Random,
        seeds: Sequence[Address],
        remembered: Sequence[Address],
    ) -> Dht:
        return Dht(
            self.network,
            self.errands,
            shelf,
            self.limits.store,
            store_clock,
            own,
            random,
            seeds,
            remembered,
            self._settled,
            self._is_contact,
        )

    def _hubs(self, own: Sequence[HubAddress], connect: Connect, random: Random) -> Hubs:
        return Hubs(
            self.identity.signing,
            self.settings.network,
            own,
            over(connect, self.clock),  # the links through hubs count their bytes themselves
            self.clock,
            random.random,
            lambda: self.carriers.factory,
            self.refused,
            self.settings.grouping.exempts,
        )

    def _answering(self) -> Answers:
        return Answers(
            self.network.table,
            self.dht.deposit,
            self.reach.probes.dial_back,
            self.reach.punch,
            lambda: self.company,
            self.metrics.tally("streembit_requests", "Requests of peers, by kind.", "kind"),
        )

    def _settling(self) -> Upkeep:
        """Return the work of telling how often was refused what was not told each time."""
        tell = self.refusals.settle  # no work on the network: chance has no part in it
        return Upkeep("refusals", self.clock, SETTLE_EVERY_S, tell, lambda: 0.5)

    def _sight(self, random: Random) -> Upkeep:
        """Return the work of learning from our hubs how we are reached."""
        return Sight(self.hubs, self.network, self.reach.reachability).upkeep(random.random)

    def _show(self) -> None:
        figures.show(
            self.metrics,
            self.network,
            self.carriers,
            self.hubs,
            self.dht,
            self.reach,
            self.started_s,
        )

    # --- what the parts tell
    def _settled(self) -> None:
        """We have joined: find out who can reach us."""
        self.reach.check_soon()

    def _renewed(self) -> None:
        """What we say of ourselves has changed."""
        self.dht.membership.renew()

    def _is_contact(self, key: PublicKey) -> bool:
        return self.company.is_contact(key)

    def _wait_s(self, peer: Peer) -> float:
        known = self.network.table.get(peer.node_id)
        member = known is not None and known.contact.key == peer.key.text
        return self.carriers.wait_s(peer, member=member or self._is_contact(peer.key))

    # --- Owner of carriers
    @property
    def events(self) -> LinkEvents:
        """Who has the links: a conversation is one with a peer, not with a link."""
        return self.network.roster

    def is_member(self, hello: Hello, host: str) -> bool:
        """Give reserved places to contacts, nodes of the table, and members of a private hub."""
        if is_hub_host(host) and not self.network.is_apart(host):
            return True
        return self._is_contact(hello.public) or self.dht.membership.knows(hello, host)

    # --- Watcher
    def is_refused(self, key: PublicKey) -> bool:
        """Tell whether its people want nothing of the holder of a key."""
        return self.company.is_refused(key)

    def frame(self, peer: Peer, payload: bytes) -> bool:
        """Pass bytes of files on to the people."""
        return self.company.frame(peer, payload)

    def linked(self, peer: Peer, link: LinkProtocol) -> None:
        """Pass on that a link is open."""
        self.network.linked(peer)
        self.reach.reachability.linked(peer)
        self.dht.membership.linked(peer, link)
        self.company.linked(peer)

    def unlinked(self, peer: Peer, reason: StreembitError) -> None:
        """Pass on that a peer's last link is gone."""
        self.network.unlinked(peer)
        self.dht.membership.unlinked(peer, reason)
        self.company.unlinked(peer, reason)

    def refused(self, host: str, error: StreembitError) -> None:
        """Count and log a refusal."""
        self.refusals.refuse(error.code, host)

    def misbehaved(self, host: str) -> None:
        """Refuse an address for a while that sent too many bad signatures."""
        self.carriers.discourage(host)

    def serve(self, peer: Peer, request: Verified[Rpc]) -> Answer | Deferred[Answer]:
        """Answer a verified request."""
        return self._answers.serve(peer, request)
