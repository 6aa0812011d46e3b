"""The node that a hub has of its own: in the public network, or as the seed of the private one.

Through it members put and get records. That of a private hub connects to
nothing but its own hub, by a socket in the home, and is reached through it.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, Final

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorUNIX,
)
from twisted.internet.protocol import Factory

from streembit.api import unixpath
from streembit.dht.grouping import Grouping
from streembit.disk.config import Config
from streembit.disk.home import Place
from streembit.disk.peers import PeersFile
from streembit.disk.published import PublishedRecords
from streembit.disk.records import SqliteShelf
from streembit.errors import ListenFailed
from streembit.jose.keys import Identity
from streembit.net.dial import Connect, over_tcp
from streembit.net.relayed import PORT
from streembit.service.hub.hub import Hub
from streembit.service.hub.table import NodeProber, NodeTable
from streembit.service.limits import NodeLimits
from streembit.service.node import Node
from streembit.service.recall import Memory, Recall
from streembit.service.settings import NetworkSettings
from streembit.service.storeclock import StoreClock
from streembit.tap.aside import Aside
from streembit.tap.grow import newest_s, seed, store_limits
from streembit.wire.offer import Address

INSIDE: Final = "hub.sock"  # where the hub's own node joins
HERE: Final = "127.0.0.1"  # how it names the place; nothing is ever connected to by that name


class Inside(Service):
    """The port within the home at which the hub's own node joins, mode 0600."""

    def __init__(self, reactor: IReactorUNIX, path: Path, factory: Factory[Any]) -> None:
        self.setName("inside")
        self._reactor, self._path, self._factory = reactor, path, factory
        self._port: IListeningPort | None = None
        self._address = ""
        self._held = ExitStack()

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Open the port; raise ListenFailed where that cannot be."""
        super().privilegedStartService()
        unixpath.clear_stale(self._path)
        self._address = self._held.enter_context(unixpath.short(self._path))
        before = os.umask(0o177)  # so that the socket is ours alone from its first moment
        try:
            self._port = self._reactor.listenUNIX(self._address, self._factory, mode=0o600)
        except (CannotListenError, OSError) as e:
            self._held.close()
            raise ListenFailed(f"the hub's own socket {self._path}: {e}") from None
        finally:
            os.umask(before)

    def stopService(self) -> Deferred[None] | None:  # noqa: N802 - Twisted's name
        """Close the port."""
        super().stopService()
        port, self._port = self._port, None
        if port is None:
            return None
        return maybeDeferred(port.stopListening).addBoth(lambda _: self._held.close())

    def connect(self, _host: str, _port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect to the hub, wherever somebody wants to connect to; see `net.dial.Connect`."""
        connected: Deferred[IProtocol] = UNIXClientEndpoint(self._reactor, self._address).connect(
            factory
        )
        return connected


class HubNode:
    """Makes the node of a hub, and lets it serve the hub's members.

    Attributes:
        node: it, client only in the public network.
        services: what runs beside the hub, in the order of their start.
    """

    def __init__(
        self,
        identity: Identity,
        config: Config,
        hub: Hub,
        place: Place,
        held: ExitStack,
        reactor: Any,
    ) -> None:
        self._identity, self._config, self._held, self._reactor = identity, config, held, reactor
        private = hub.settings.private
        inside = Inside(reactor, place.folder / INSIDE, hub.factory)
        connect: Connect = inside.connect if private else over_tcp(reactor)
        stores = place.within(hub.settings.network) if private else place
        self.node, upkeep = self._made(hub, stores, connect)
        hub.commands.table = NodeTable(self.node)
        if private:
            self.node.reach.listening_on(PORT, [])
        else:
            hub.commands.prober = NodeProber(self.node.reach.probes)
        self.services: list[IService] = [*([inside] if private else []), self.node, *upkeep]

    def _made(self, hub: Hub, place: Place, connect: Connect) -> tuple[Node, list[IService]]:
        config, private = self._config, hub.settings.private
        settings = NetworkSettings(
            network=hub.settings.network,
            role="node",
            client_only=not private,
            grouping=Grouping(exempt=config.exempt),
            relayed_members=private,
        )
        peers, shelf = PeersFile(place.peers_path), SqliteShelf(place.records_path)
        self._held.callback(shelf.close)
        own = PublishedRecords(place.published_path)
        self._held.callback(own.close)
        memory, now_s = Memory(peers, settings.grouping), time.time()
        here = Address(HERE, PORT, "ws", self._identity.public.hex)
        node = Node(
            self._identity,
            settings,
            shelf,
            own,
            connect,
            self._reactor,
            Random(),
            seeds=[] if private else [seed(text) for text in config.seeds],
            remembered=memory.best(now_s),
            hubs=[here] if private else [],
            limits=NodeLimits(store=store_limits(config.limits)),
            store_clock=StoreClock(time.monotonic, now_s, newest_s(shelf)),
        )
        chance = Random().random
        aside = Aside(peers.moved_aside, shelf.moved_aside, own.moved_aside)
        return node, [aside.watch(self._reactor, chance), Recall(memory, node.network, chance)]
