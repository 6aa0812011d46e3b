"""The services of a role, joined: the node and its ports, its local API, its figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from streembit.api.late import LateFactory
from streembit.api.server import ApiService
from streembit.dht.grouping import Grouping
from streembit.dht.store import StoreLimits
from streembit.disk.chest import Chest
from streembit.disk.config import Config, Role, parse_seed
from streembit.disk.home import Home, Place
from streembit.disk.limits import Limits
from streembit.disk.peers import PeersFile
from streembit.disk.published import PublishedRecords
from streembit.disk.records import SqliteShelf
from streembit.errors import StoreDegraded
from streembit.net.aloof import Aloof
from streembit.net.budget import Rate
from streembit.net.dial import over_tcp
from streembit.net.events import LinkLimits
from streembit.net.gate import GateLimits
from streembit.net.listen import descriptors
from streembit.net.portcontrol import PortControl
from streembit.net.upnp import Device, Upnp
from streembit.service.desk import Desk
from streembit.service.limits import NodeLimits
from streembit.service.mapping import Mapping
from streembit.service.membership import Address
from streembit.service.node import Node
from streembit.service.notify import Notifier
from streembit.service.recall import Memory, Recall
from streembit.service.routers import InTurn
from streembit.service.settings import NetworkSettings
from streembit.service.storeclock import StoreClock
from streembit.tap.account import Account, Life
from streembit.tap.aside import Aside
from streembit.tap.ending import Ending
from streembit.tap.keyfile import AccountKeyFile
from streembit.tap.listening import Listening
from streembit.tap.party import Party
from streembit.tap.people import LatePeople
from streembit.tap.private import HubOnly, Leaving, Plan, plan_of, seed_of
from streembit.tap.punch import meet
from streembit.tap.watchdog import watchdog
from streembit.wire import hubtext

if TYPE_CHECKING:
    from streembit.api.guard import QuietSite
    from streembit.jose.keys import Identity
    from streembit.service.metrics import Metrics
    from streembit.service.people.desk import PeopleDesk

DAY_S: Final = 24 * 3600
DISK_THREADS: Final = 4  # of an account: several transfers at once on one disk

_log = Logger()


@dataclass(frozen=True)
class Grower:
    """Makes the services of one role; `reactor` is the real one.

    Each party is a whole node with a place of its own: they share the
    process, and nothing in it.
    """

    role: Role
    home: Home
    parties: Sequence[Party]
    notifier: Notifier
    reactor: Any
    left: list[Party] = field(default_factory=list)  # who are in their private network for good

    def grow(self, held: ExitStack) -> Iterator[IService]:
        """Yield the services in the order of their start; stack what is closed after them.

        Raises:
            LocalError: a file in the home, or a value of the configuration,
                cannot be used.
        """
        tell_of_migration(self.home)
        accounts: list[Account] = []
        ending = Ending(self.home, self.reactor)
        held.callback(ending.finish)
        for party in self.parties:
            account = Account(party.identity, partial(self._begin, party, ending), self.reactor)
            held.callback(account.close)
            accounts.append(account)
            for service in self._doors(party, account):
                service.setServiceParent(account)
            yield account
        if self.notifier.heard:
            nodes = [account.watched for account in accounts]
            yield watchdog(self.notifier, nodes, self.reactor, Random().random)

    def _doors(self, party: Party, account: Account) -> Iterator[IService]:
        """Yield what stays open whichever node is behind it."""
        config, place = party.config, self.home.settle(party.identity.name)
        if not config.private:
            yield Listening(self.reactor, config.listen, account.door, partial(tell, account))
        yield ApiService(self.reactor, place.socket_path, account)
        if config.metrics:
            figures = LateFactory(partial(figures_site, account.metrics, self.reactor))
            yield Listening(self.reactor, [config.metrics], figures)

    def _begin(self, party: Party, ending: Ending, identity: Identity, account: Account) -> Life:
        """Return all that runs under one key of an account."""
        config, place = party.config, self.home.settle(identity.name)
        settings = network_settings(self.role, config)
        plan = (
            None if not config.private else plan_of(config, settings, has_left=party in self.left)
        )
        if plan is not None:
            settings, place = plan.settings, plan.place(place)
        with ExitStack() as held:
            peers = PeersFile(place.peers_path)
            memory = Memory(peers, settings.grouping)
            shelf = SqliteShelf(place.records_path)
            held.callback(shelf.close)
            own = PublishedRecords(place.published_path)
            held.callback(own.close)
            aside = Aside(peers.moved_aside, shelf.moved_aside, own.moved_aside)
            node = self._node(identity, config, settings, shelf, own, memory, plan)
            self._map(config, node)
            if plan is None:
                meet(node, self.reactor)
            if config.lan and (plan is None or plan.is_private):
                from streembit.tap.lan import announce

                announce(node, self.reactor)
            people = None
            if self.role == "node":
                key_file = AccountKeyFile(self.home.accounts, identity.name, ending, account.go_on)
                renew_s = config.agreement_days * DAY_S
                people = self._people(identity, place, node, held, key_file, renew_s)
            life = Life(held.pop_all(), node, Desk(node, place.folder), people)
            if plan is not None:
                plan.prepare(node)
                if not plan.is_private:
                    self._leave(party, account, node).setServiceParent(life)
        chance = Random().random
        recall = Recall(memory, node.network, chance)
        for service in (aside.watch(self.reactor, chance), node, people, recall):
            if service is not None:
                service.setServiceParent(life)
        return life

    def _leave(self, party: Party, account: Account, node: Node) -> Leaving:
        """Return what ends a life in public, once the contacts know where we go."""

        def leave() -> Deferred[None]:
            self.left.append(party)
            return Deferred.fromCoroutine(account.begin_again(node.identity))

        return Leaving(self.reactor, node, leave)

    def _map(self, config: Config, node: Node) -> None:
        """Have a router lead to the node, where that is wanted."""
        if not config.map_port:
            return
        chance = Random()
        device = Device(chance.randrange)
        # One datagram to who leads out of this network, before a question to all who are in it.
        router = InTurn(
            [
                PortControl(self.reactor, node.identity.router_secret()),
                Upnp(device, Aloof(self.reactor, "port mapping")),
            ]
        )
        node.reach.mapping = Mapping(
            router, self.reactor, chance.random, lambda: node.reach.port, node.reach.led
        )
        node.reach.mapping.setServiceParent(node)

    def _people(
        self,
        identity: Identity,
        place: Place,
        node: Node,
        held: ExitStack,
        key_file: AccountKeyFile,
        renew_s: float,
    ) -> LatePeople:
        """Return what gives the node people; their chest is opened now, and refused if damaged."""
        chest = Chest(place.chest_path, identity.at_rest_key())
        held.callback(chest.close)
        chest.check()
        pool = ThreadPool(0, DISK_THREADS, "disk")
        pool.start()
        held.callback(pool.stop)
        disk = partial(deferToThreadPool, self.reactor, pool)

        def make() -> PeopleDesk:
            from streembit.service.people.desk import PeopleDesk
            from streembit.service.people.people import People

            people = People(node, chest, disk, place.folder / "downloads", Random(), renew_s)
            people.setServiceParent(node)
            return PeopleDesk(people, key_file)

        return LatePeople(self.reactor, make)

    def _node(
        self,
        identity: Identity,
        config: Config,
        settings: NetworkSettings,
        shelf: SqliteShelf,
        own: PublishedRecords,
        memory: Memory,
        plan: Plan | None,
    ) -> Node:
        connect = over_tcp(self.reactor)
        seeds = [seed(text) for text in config.seeds]
        hubs = [hubtext.read(text) for text in config.hubs]
        if plan is not None and plan.is_private:
            connect, seeds, hubs = HubOnly(connect, plan.hub), [seed_of(plan)], [plan.hub]
        now_s = time.time()
        node = Node(
            identity,
            settings,
            shelf,
            own,
            connect,
            self.reactor,
            Random(),
            seeds=seeds,
            remembered=memory.best(now_s),
            hubs=hubs,
            limits=node_limits(config, descriptors() // len(self.parties)),
            store_clock=StoreClock(time.monotonic, now_s, newest_s(shelf)),
        )
        if isinstance(connect, HubOnly):
            connect.lan = lambda: node.reach.lan
        return node


def network_settings(role: Role, config: Config) -> NetworkSettings:
    """Return the node's part in the network as it is configured."""
    return NetworkSettings(
        network=config.network,
        role=role,
        client_only=config.client_only,
        scheme=config.id_scheme,
        advertise=config.advertise,
        grouping=Grouping(exempt=config.exempt),
        checks_per_peer_per_s=config.limits.checks_per_peer_per_s,
        checks_per_node_per_s=config.limits.checks_per_node_per_s,
    )


def node_limits(config: Config, room: int) -> NodeLimits:
    """Return the limits of a node as they are configured, within so many file descriptors."""
    limits = config.limits
    return NodeLimits(
        gate_limits(limits, config.exempt).within(room),
        LinkLimits(queue_bytes=limits.queue_bytes, queue_bytes_total=limits.queue_bytes_total),
        store_limits(limits),
    )


def gate_limits(limits: Limits, exempt: Sequence[str]) -> GateLimits:
    """Return the limits on connections as they are configured."""
    return GateLimits(
        total=limits.connections_total,
        per_address=limits.connections_per_address,
        per_group=limits.connections_per_group,
        strangers=limits.connections_unknown,
        new_per_address=Rate(limits.new_connections_per_s, limits.new_connections_burst),
        exempt=tuple(exempt),
    )


def store_limits(limits: Limits) -> StoreLimits:
    """Return the limits of the record store as they are configured."""
    return StoreLimits(
        total_bytes=limits.store_bytes,
        owner_items=limits.records_per_owner,
        address_bytes=limits.bytes_per_address,
        group_bytes=limits.bytes_per_group,
    )


def newest_s(shelf: SqliteShelf) -> float:
    """Return how far the store's clock had come; 0.0 where the disk does not tell."""
    try:
        return shelf.newest_s()
    except StoreDegraded:
        return 0.0


def seed(text: str) -> Address:
    """Return a seed of the configuration as the node wants it."""
    parsed = parse_seed(text)
    if not parsed.key:
        return Address(parsed.host, parsed.port)
    from streembit.jose.keys import PublicKey

    return Address(parsed.host, parsed.port, PublicKey.from_hex(parsed.key))


def tell(account: Account, ports: Sequence[IListeningPort]) -> None:
    """Tell an account, and the log, where it listens."""
    _log.info("listening on {addresses}", addresses=", ".join(account.listening(ports)))


def tell_of_migration(home: Home) -> None:
    """Log where the copy of a home is that was brought forward, if it was."""
    if home.migrated_from is not None:
        _log.info(
            "the home is of a newer schema now; the old one is kept in {path}",
            path=str(home.migrated_from),
        )


def figures_site(find: Callable[[], Metrics | None], reactor: Any) -> QuietSite:
    """Return the web site of the figures, loading it now."""
    from streembit.api.metrics import make_metrics_site

    return make_metrics_site(find, reactor)
