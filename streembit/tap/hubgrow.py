"""The services of a hub, joined: its ports, its mailbox, its list, its local API, its figures."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final

from autobahn.websocket import USES_NVX
from twisted.application.service import IService
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from streembit.api.desks import HubDesk
from streembit.api.late import LateFactory
from streembit.api.server import ApiService
from streembit.disk.allowlist import AllowlistFile
from streembit.disk.config import Config, Role
from streembit.disk.home import Home, Place
from streembit.disk.hubconfig import HubConfig
from streembit.disk.mailbox import Mailbox, MailLimits
from streembit.disk.passcode import password
from streembit.disk.steps import finish
from streembit.errors import BadConfig
from streembit.hub.allowlist import network_of
from streembit.jose.keys import Identity
from streembit.net.budget import Rate
from streembit.net.carrier import CarrierLimits
from streembit.net.certificate import ServerTls
from streembit.net.hublisten import ProxiedFactory, SecureFactory
from streembit.net.listen import descriptors
from streembit.service.hub.backplane import Backplane
from streembit.service.hub.desk import Desk
from streembit.service.hub.hub import Hub
from streembit.service.hub.local import LocalBackplane
from streembit.service.hub.members import Everybody, Members
from streembit.service.hub.settings import HubSettings, joins_of
from streembit.service.notify import Notifier
from streembit.service.storeclock import StoreClock
from streembit.tap.grow import figures_site, tell_of_migration
from streembit.tap.hubnode import HubNode
from streembit.tap.hubport import (
    endpoints,
    gate_of,
    given,
    make_room,
    own,
    path_of,
    pinned,
    place_of,
    security_of,
)
from streembit.tap.hubreload import Reloading
from streembit.tap.listening import Listening
from streembit.tap.party import Party
from streembit.tap.watchdog import watchdog
from streembit.wire.hub import Quota

REDIS_CREDENTIAL: Final = "redis"  # of systemd: the password

_log = Logger()


@dataclass(frozen=True)
class HubGrower:
    """Makes the services of a hub; `reactor` is the real one."""

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
        (party,) = self.parties
        config, identity = party.config, party.identity
        place = self.home.settle(identity.name)
        roll = AllowlistFile(path_of(config.hub.private)) if config.hub.private else None
        hub = self._hub(config, identity, roll, self._backplane(config, identity, place, held))
        tls = self._tls(config, place)
        pin = partial(pinned, config, hub, tls is not None)
        node, services = None, []
        if config.hub.node and (roll is not None or config.seeds):
            made = HubNode(identity, config, hub, place, held, self.reactor)
            node, services = made.node, made.services
        disk = partial(deferToThreadPool, self.reactor, self.reactor.getThreadPool())
        desk = Desk(hub, roll, security_of(config), pin, node, disk)
        yield hub
        yield from services
        yield Reloading(desk, roll is not None, tls, self.reactor)
        yield Listening(
            self.reactor, endpoints(config), self._port(config, hub, tls), partial(tell, hub, pin)
        )
        if config.lan:
            from streembit.tap.lan import announced

            yield announced(hub, identity, hub.settings.network, self.reactor)
        yield ApiService(self.reactor, place.socket_path, HubDesk(desk, hub.refusals.refuse))
        if config.metrics:
            figures = LateFactory(partial(figures_site, lambda: hub.metrics, self.reactor))
            yield Listening(self.reactor, [config.metrics], figures)
        if self.notifier.heard:
            yield watchdog(self.notifier, [lambda: desk], self.reactor, Random().random)

    def _hub(
        self, config: Config, identity: Identity, roll: AllowlistFile | None, backplane: Backplane
    ) -> Hub:
        members: Members = Everybody()
        network = config.network
        if roll is not None:
            members = listed = finish(roll.load())
            network = listed.network or network_of(identity.public)
        limits = config.limits
        gate = gate_of(config, private=roll is not None)
        make_room(gate.total)
        return Hub(
            identity,
            HubSettings(
                network,
                config.hub.name or identity.name,
                private=roll is not None,
                quota=quota_of(config.hub.mail_limits),
                member_frames=Rate.a_second(limits.checks_per_peer_per_s),
                all_frames=Rate.a_second(limits.checks_per_node_per_s),
                address_joins=joins_of(config.hub.joins_per_address_per_s),
                origins=frozenset(config.hub.origins),
            ),
            members,
            backplane,
            self.reactor,
            time.time,
            StoreClock(time.monotonic, time.time()).now_s,
            gate_limits=gate.within(descriptors()),
            carrier_limits=CarrierLimits(
                queue_bytes=limits.queue_bytes, queue_bytes_total=limits.queue_bytes_total
            ),
        )

    def _backplane(
        self, config: Config, identity: Identity, place: Place, held: ExitStack
    ) -> Backplane:
        """Return what the hub's processes share; one process alone shares nothing."""
        limits = config.hub.mail_limits
        if config.hub.backplane:
            return self._shared(config.hub, identity, limits)
        mailbox = Mailbox(place.mailbox_path, limits, at_once=False)
        held.callback(mailbox.close)
        pool = ThreadPool(0, 1, "mailbox")  # one thread: changes are made in the order of asking
        pool.start()
        held.callback(pool.stop)
        return LocalBackplane(mailbox, partial(deferToThreadPool, self.reactor, pool))

    def _shared(self, config: HubConfig, identity: Identity, limits: MailLimits) -> Backplane:
        from streembit.service.hub.redis.address import parse

        try:
            from streembit.service.hub.redis.backplane import RedisBackplane
        except ImportError as e:
            raise BadConfig(f"a backplane needs pip install 'streembit[redis]': {e}") from None

        file = path_of(config.backplane_password_file) if config.backplane_password_file else None
        return RedisBackplane(
            self.reactor,
            parse(config.backplane),
            password(file, REDIS_CREDENTIAL, os.environ),
            f"streembit:{identity.public.text}:",
            os.urandom(8).hex(),
            Random().random,
            limits,
        )

    def _tls(self, config: Config, place: Place) -> ServerTls | None:
        if config.hub.plain or config.hub.behind_proxy:
            return None
        if config.hub.certificate:
            files = path_of(config.hub.certificate), path_of(config.hub.private_key)
            return ServerTls(partial(given, *files))
        return ServerTls(partial(own, place.folder))

    def _port(self, config: Config, hub: Hub, tls: ServerTls | None) -> IProtocolFactory:
        if tls is not None:
            return SecureFactory(tls, False, hub.factory, self.reactor)
        if config.hub.behind_proxy:
            return ProxiedFactory(hub.factory, self.reactor)
        return hub.factory


def quota_of(limits: MailLimits) -> Quota:
    """Return what members are told of their mailbox."""
    return Quota(limits.box_messages, limits.box_bytes, limits.days)


def tell(hub: Hub, pin: Callable[[], str], ports: Sequence[IListeningPort]) -> None:
    """Tell the hub, and the log, where it listens, and how members know it."""
    hub.listening = [place_of(port) for port in ports]
    _log.info("listening on {addresses}", addresses=", ".join(hub.listening))
    if known_by := pin():
        _log.info("members know this hub by {pin}", pin=known_by)
    if not USES_NVX:
        _log.warn("autobahn has no native part (NVX): long frames cost several times as much")
