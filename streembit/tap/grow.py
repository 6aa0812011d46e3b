"""The services of a role, joined: the node and its ports, its local API, its figures."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import IService, MultiService
from twisted.internet.address import IPv4Address, IPv6Address
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
from streembit.errors import BadConfig, StoreDegraded
from streembit.net.budget import Rate
from streembit.net.dial import over_tcp
from streembit.net.events import LinkLimits
from streembit.net.gate import GateLimits
from streembit.net.listen import descriptors
from streembit.service.desk import Desk
from streembit.service.membership import Address
from streembit.service.network import show_address
from streembit.service.node import Node
from streembit.service.notify import Notifier
from streembit.service.recall import Memory, Recall
from streembit.service.settings import NetworkSettings
from streembit.service.storeclock import StoreClock
from streembit.tap.aside import Aside
from streembit.tap.ending import Ending
from streembit.tap.keyfile import AccountKeyFile
from streembit.tap.listening import Listening
from streembit.tap.party import Party
from streembit.tap.people import LatePeople
from streembit.tap.watchdog import watchdog

if TYPE_CHECKING:
    from streembit.api.guard import QuietSite
    from streembit.service.metrics import Metrics
    from streembit.service.people.desk import PeopleDesk

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

    def grow(self, held: ExitStack) -> Iterator[IService]:
        """Yield the services in the order of their start; stack what is closed after them.

        Raises:
            LocalError: a file in the home, or a value of the configuration,
                cannot be used.
        """
        tell_of_migration(self.home)
        desks: list[Desk] = []
        ending = Ending(self.home, self.reactor)
        held.callback(ending.finish)
        for party in self.parties:
            account = MultiService()
            account.setName(party.identity.name)
            for service in self._grow_one(party, held, desks, ending):
                service.setServiceParent(account)
            yield account
        if self.notifier.heard:
            yield watchdog(self.notifier, desks, self.reactor, Random().random)

    def _grow_one(
        self, party: Party, held: ExitStack, desks: list[Desk], ending: Ending
    ) -> Iterator[IService]:
        """Yield the services of one account, and add what answers for it to the desks."""
        config, place = party.config, self.home.settle(party.identity.name)
        settings = network_settings(self.role, config)
        peers = PeersFile(place.peers_path)
        memory = Memory(peers, settings.grouping)
        shelf = SqliteShelf(place.records_path)
        held.callback(shelf.close)
        own = PublishedRecords(place.published_path)
        held.callback(own.close)
        aside = Aside(peers.moved_aside, shelf.moved_aside, own.moved_aside)

        node = self._node(party, settings, shelf, own, memory)
        desk = Desk(node, place.folder)
        desks.append(desk)
        people = self._people(party, place, node, held, ending) if self.role == "node" else None
        yield aside.watch(self.reactor, Random().random)
        yield node
        if people is not None:
            yield people
        yield Recall(memory, node.network, Random().random)
        yield Listening(self.reactor, config.listen, node.factory, lambda ports: tell(node, ports))
        answering = people.desk if people is not None else None
        yield ApiService(self.reactor, place.socket_path, desk, node.refusals.refuse, answering)
        if config.metrics:
            figures = LateFactory(lambda: figures_site(node.metrics, self.reactor))
            yield Listening(self.reactor, [config.metrics], figures)

    def _people(
        self, party: Party, place: Place, node: Node, held: ExitStack, ending: Ending
    ) -> LatePeople:
        """Return what gives the node people; their chest is opened now, and refused if damaged."""
        chest = Chest(place.chest_path, party.identity.at_rest_key())
        held.callback(chest.close)
        pool = ThreadPool(0, DISK_THREADS, "disk")
        pool.start()
        held.callback(pool.stop)
        disk = partial(deferToThreadPool, self.reactor, pool)
        key_file = AccountKeyFile(self.home.accounts, party.identity.name, ending)

        def make() -> PeopleDesk:
            from streembit.service.people.desk import PeopleDesk
            from streembit.service.people.people import People

            people = People(node, chest, disk, place.folder / "downloads", Random())
            people.setServiceParent(node)
            return PeopleDesk(people, key_file)

        return LatePeople(self.reactor, make)

    def _node(
        self,
        party: Party,
        settings: NetworkSettings,
        shelf: SqliteShelf,
        own: PublishedRecords,
        memory: Memory,
    ) -> Node:
        config, limits, now_s = party.config, party.config.limits, time.time()
        room = descriptors() // len(self.parties)
        return Node(
            party.identity,
            settings,
            shelf,
            own,
            over_tcp(self.reactor),
            self.reactor,
            Random(),
            seeds=[seed(text) for text in config.seeds],
            remembered=memory.best(now_s),
            gate_limits=gate_limits(limits, config.exempt).within(room),
            link_limits=LinkLimits(
                queue_bytes=limits.queue_bytes, queue_bytes_total=limits.queue_bytes_total
            ),
            store_limits=store_limits(limits),
            store_clock=StoreClock(time.monotonic, now_s, newest_s(shelf)),
        )


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


def tell(node: Node, ports: Sequence[IListeningPort]) -> None:
    """Tell the node where it listens: the first port is the one that others are told."""
    addresses = [address_of(port) for port in ports]
    shown = [show_address(a.host, a.port) for a in addresses]
    node.listening_on(addresses[0].port, shown)
    _log.info("listening on {addresses}", addresses=", ".join(shown))


def address_of(port: IListeningPort) -> IPv4Address | IPv6Address:
    """Return where a port listens; raise BadConfig where that is not on TCP."""
    address = port.getHost()
    if not isinstance(address, IPv4Address | IPv6Address):
        raise BadConfig(f"links are accepted on TCP only, not on {address}")
    return address


def tell_of_migration(home: Home) -> None:
    """Log where the copy of a home is that was brought forward, if it was."""
    if home.migrated_from is not None:
        _log.info(
            "the home is of a newer schema now; the old one is kept in {path}",
            path=str(home.migrated_from),
        )


def figures_site(metrics: Metrics, reactor: Any) -> QuietSite:
    """Return the web site of the figures, loading it now."""
    from streembit.api.metrics import make_metrics_site

    return make_metrics_site(metrics, reactor)
