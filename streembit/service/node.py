"""The service tree of a node or a seed: everything joined, and nothing decided here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime

from streembit.dht.shelf import Shelf
from streembit.dht.store import Store, StoreLimits
from streembit.errors import PeerGone, PunchFailed, StreembitError
from streembit.jose.envelope import Verified
from streembit.jose.keys import Identity, PublicKey
from streembit.link.hello import Hello
from streembit.link.punch import initiates
from streembit.net.backlog import Backlog
from streembit.net.budget import Budgets, Rate
from streembit.net.dial import Connect, Dialer
from streembit.net.events import LIMITS as LINK_LIMITS
from streembit.net.events import LinkEvents, LinkLimits, LinkWatch, Traffic
from streembit.net.gate import Gate, GateLimits
from streembit.net.listen import LinkFactory
from streembit.net.relayed import is_hub_host
from streembit.net.tcp import LinkProtocol
from streembit.net.upnp import Mapped
from streembit.rpc.peer import Peer
from streembit.service import figures
from streembit.service.answers import Answers
from streembit.service.canary import Canary
from streembit.service.company import Company, Nobody
from streembit.service.deposit import Deposit
from streembit.service.errands import Errands
from streembit.service.finder import Finder
from streembit.service.lan import Lan
from streembit.service.limits import in_force
from streembit.service.log import SETTLE_EVERY_S, Refusals
from streembit.service.mapping import Mapping
from streembit.service.membership import Address, Membership
from streembit.service.metrics import Metrics
from streembit.service.network import Network
from streembit.service.probes import PROBE_TIMEOUT_S, Probes, Silent
from streembit.service.publishing import OwnRecords, Publishing
from streembit.service.punching import Punching
from streembit.service.reachability import Reachability
from streembit.service.relay.hubs import Hubs
from streembit.service.relay.session import over
from streembit.service.replication import Replication
from streembit.service.settings import NetworkSettings
from streembit.service.storeclock import StoreClock
from streembit.service.upkeep import Upkeep, Work, as_deferred
from streembit.wire.message import Answer, Punch, Rpc
from streembit.wire.offer import Address as HubAddress

HAND_OVER_EVERY_S: Final = 10.0  # newcomers of that time are served in one pass over the store
EXPIRE_EVERY_S: Final = 60.0
REACH_EVERY_S: Final = 60.0  # a round asks only peers that can tell something new
GATE_LIMITS: Final = GateLimits()


class Node(MultiService):
    """One identity's node, whole: start it and it joins; stop it and it leaves nothing running.

    Who listens builds its protocols from `factory` and says where with `listening_on`.

    Args:
        shelf: where other people's records lie.
        own: where our own records and their numbers lie.
        connect: opens streams: `net.dial.over_tcp`, or a `testing.MemoryHost`'s.
        seeds, remembered: where to begin; see `Membership`.
        hubs: where others find us besides, the best first.
        trust: whose certificates of hubs are believed; by default the system's.
        random: chance; nothing secret is drawn from it.
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
        trust: Any = None,
        metrics: Metrics | None = None,
        gate_limits: GateLimits = GATE_LIMITS,
        link_limits: LinkLimits = LINK_LIMITS,
        store_limits: StoreLimits | None = None,
        store_clock: StoreClock | None = None,
    ) -> None:
        super().__init__()
        self.setName(settings.role)
        self.identity, self.settings, self.clock = identity, settings, clock
        self.metrics = metrics or Metrics()
        self.refusals = Refusals(self.metrics, clock.seconds)
        self.gate = Gate(gate_limits)
        self.traffic, self.backlog = Traffic(), Backlog(link_limits.queue_bytes_total)
        self._link_limits = link_limits
        self._budgets = Budgets(
            Rate.a_second(settings.checks_per_peer_per_s),
            Rate.a_second(settings.checks_per_node_per_s),
        )
        self.started_s = clock.seconds()
        self.listening: list[str] = []
        self.port = 0  # where we listen; a router may lead to it from another one
        self.mapping: Mapping | None = None
        self.lan: Lan | None = None
        self.punching: Punching | None = None
        self.forwarding: HubAddress | None = None  # where contacts find us from now on, and not here
        self.seeds = tuple(seeds)
        self.hubs = Hubs(
            identity.signing,
            settings.network,
            hubs,
            over(connect, clock, self.traffic, trust),
            clock,
            random.random,
            lambda: self.factory,
            self.refused,
        )
        self._direct = connect
        dialler = Dialer(self._connect, self._outgoing, clock, self.gate)
        self.prober = Dialer(connect, self._probing, clock, self.gate, PROBE_TIMEOUT_S)
        self.probes = Probes(self.prober, clock, settings.grouping)
        self.company: Company = Nobody()
        self.network = Network(
            identity, settings, clock, dialler, self, self._wait_s, random.getrandbits(48)
        )
        self.errands = Errands()
        store_clock = store_clock or StoreClock(clock.seconds, clock.seconds())
        self.up_s = store_clock.up_s
        store_limits = store_limits or StoreLimits()
        self.limits = in_force(settings, gate_limits, link_limits, store_limits)
        store = Store(
            shelf,
            store_limits,
            grouping=settings.grouping,
            started_s=store_clock.now_s(),
        )
        self.deposit = Deposit(store, self.network, store_clock)
        self.finder = Finder(self.network, self.deposit, self.errands)
        self.publishing = Publishing(self.network, self.finder, self.deposit, own)
        self.replication = Replication(self.network, self.finder, self.deposit)
        self.reachability = Reachability(self.network, self._renewed)
        self.canary = Canary(self.network, self.finder)
        self.membership = Membership(
            self.network,
            self.finder,
            self.errands,
            random,
            seeds,
            remembered,
            self.replication.joined,
            self._settled,
            self._is_contact,
        )
        asked = self.metrics.tally("streembit_requests", "Requests of peers, by kind.", "kind")
        self._answers = Answers(
            self.network.table,
            self.deposit,
            self.probes.dial_back,
            self._punch,
            lambda: self.company,
            asked,
        )
        self.factory: IProtocolFactory = LinkFactory(
            self._incoming, self.gate, clock, self.refused, self._is_member
        )
        self.membership.setServiceParent(self)
        self.hubs.setServiceParent(self)
        self._chance = random.random
        self._jobs = self._upkeep(random.random)
        for job in self._jobs.values():
            job.setServiceParent(self)
        figures.show(self, self.metrics)

    # --- the tree
    def listening_on(self, port: int, shown: Sequence[str]) -> None:
        """Say at which port of ours others reach us, and what to show of it."""
        self.port = self.network.port = port
        self.listening = list(shown)

    def led(self, mapped: Mapped | None) -> None:
        """Take note that a router leads to us, or does no more: others are told its port."""
        self.reachability.led(mapped)
        port = self.port if mapped is None else mapped.port
        if port != self.network.port:
            self.network.port = port
            self._renewed()
        self._jobs["reachability"].soon()

    def stopService(self) -> Deferred[None]:
        """Stop upkeep, then errands, then close every link; fire when all is still."""
        self.factory.doStop()
        stopping = as_deferred(super().stopService())
        closed = self.network.roster.close(PeerGone("we are stopping"))
        self.probes.stop()
        self.deposit.settle()
        errands = self.errands.stop()
        self.refusals.settle()
        return stopping.addCallback(lambda _: errands).addCallback(lambda _: closed)

    def _upkeep(self, chance: Callable[[], float]) -> dict[str, Upkeep]:
        settings = self.settings
        canary_s, hour_s = settings.canary_every_s, settings.replicate_every_s
        spread_s = settings.replicate_jitter_s
        work: list[tuple[str, float, float, Work]] = [
            ("canary", canary_s, canary_s / 10, self.canary.sing),
            ("republish", hour_s, spread_s, self.publishing.republish),
            ("replicate", hour_s, spread_s, self.replication.replicate),
            ("hand over", HAND_OVER_EVERY_S, HAND_OVER_EVERY_S / 5, self.replication.hand_over),
            ("expire", EXPIRE_EVERY_S, EXPIRE_EVERY_S / 10, self.deposit.expire),
            ("reachability", REACH_EVERY_S, REACH_EVERY_S / 10, self.reachability.check),
        ]
        jobs = {
            name: Upkeep(name, self.clock, every_s, job, chance, jitter_s=jitter_s)
            for name, every_s, jitter_s, job in work
        }
        tell = self.refusals.settle  # no work on the network: chance has no part in it
        jobs["refusals"] = Upkeep("refusals", self.clock, SETTLE_EVERY_S, tell, lambda: 0.5)
        return jobs

    def _settled(self) -> None:
        """We have joined: prove it, find out who can reach us, and tell our keys.

        If they were told before, they lie in the network still and are told again in a while, so
        that a whole network that was started again does not do it all at once.
        """
        for name in ("reachability", "canary"):
            self._jobs[name].soon()
        spread_s = self.settings.replicate_jitter_s if self.publishing.announced else 0.0
        self._jobs["republish"].next_in(self._chance() * spread_s)

    def _renewed(self) -> None:
        """What we say of ourselves has changed."""
        self.membership.renew()

    # --- links
    def _connect(self, host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Open a stream, through a hub to those whose host says so."""
        connect = self.hubs.connect if is_hub_host(host) else self._direct
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
        network = self.network
        return LinkProtocol(
            self.identity.signing,
            network.hello,
            self.settings.network,
            self.clock,
            events or network.roster,
            initiator=initiator,
            expect=expect,
            parse=network.keys.parse,
            watch=watch,
            limits=self._link_limits,
            traffic=self.traffic,
            backlog=self.backlog,
        )

    def meeting(self, key: PublicKey, watch: LinkWatch) -> LinkProtocol:
        """Return the protocol of a link for which both sides have dialled."""
        return self._link(initiates(self.identity.public, key), key, watch)

    def _punch(self, peer: Peer, body: Punch) -> Answer:
        if self.punching is None:
            raise PunchFailed("we dial nobody that way")
        return self.punching.answer(peer, body)

    def _is_contact(self, key: PublicKey) -> bool:
        return self.company.is_contact(key)

    def _is_member(self, hello: Hello, host: str) -> bool:
        """Give reserved places to contacts and to those whom the table knows."""
        return self.company.is_contact(hello.public) or self.membership.knows(hello, host)

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
        self.reachability.linked(peer)
        self.membership.linked(peer, link)
        self.company.linked(peer)

    def unlinked(self, peer: Peer, reason: StreembitError) -> None:
        """Pass on that a peer's last link is gone."""
        self.network.unlinked(peer)
        self.membership.unlinked(peer, reason)
        self.company.unlinked(peer, reason)

    def refused(self, host: str, error: StreembitError) -> None:
        """Count and log a refusal."""
        self.refusals.refuse(error.code, host)

    def misbehaved(self, host: str) -> None:
        """Refuse an address for a while that sent too many bad signatures."""
        self.gate.discourage(host, self.clock.seconds())

    def serve(self, peer: Peer, request: Verified[Rpc]) -> Answer | Deferred[Answer]:
        """Answer a verified request."""
        return self._answers.serve(peer, request)

    def _wait_s(self, peer: Peer) -> float:
        known = self.network.table.get(peer.node_id)
        member = known is not None and known.contact.key == peer.key.text
        member = member or self.company.is_contact(peer.key)
        return self._budgets.wait_s(peer.key.point, self.clock.seconds(), member=member)
