"""The services of a hub, joined: its ports, its mailbox, its list, its local API, its figures."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any, Final

from autobahn.websocket import USES_NVX
from twisted.application.service import IService, Service
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from streembit.api.desks import HubDesk
from streembit.api.late import LateFactory
from streembit.api.server import ApiService
from streembit.disk import allowlist, atomic
from streembit.disk.config import Config, Role
from streembit.disk.home import Home, Place
from streembit.disk.hubconfig import HubConfig
from streembit.disk.mailbox import Mailbox, MailLimits
from streembit.disk.passcode import password
from streembit.errors import BadConfig, StreembitError
from streembit.hub.allowlist import Allowlist, Member, network_of
from streembit.jose.keys import Identity
from streembit.net.budget import Rate
from streembit.net.carrier import CarrierLimits
from streembit.net.certificate import Pem, ServerTls, is_worn, self_signed
from streembit.net.gate import DESCRIPTORS_SHARE, GateLimits
from streembit.net.hublisten import ProxiedFactory, SecureFactory
from streembit.net.listen import descriptors
from streembit.service.hub.backplane import Backplane
from streembit.service.hub.desk import Desk, Security
from streembit.service.hub.hub import Hub
from streembit.service.hub.local import LocalBackplane
from streembit.service.hub.members import Everybody, Members
from streembit.service.hub.settings import HubSettings
from streembit.service.notify import Notifier
from streembit.service.storeclock import StoreClock
from streembit.tap.grow import figures_site, gate_limits, tell_of_migration
from streembit.tap.hubnode import HubNode
from streembit.tap.listening import Listening, shown
from streembit.tap.party import Party
from streembit.tap.watchdog import watchdog
from streembit.wire.hub import Quota

CERTIFICATE_FILE: Final = "hub-certificate.pem"
REDIS_CREDENTIAL: Final = "redis"  # of systemd: the password
KEY_FILE: Final = "hub-key.pem"
PROXY: Final = "haproxy:"  # Twisted's endpoint that reads a PROXY header

_log = Logger()


class AllowlistFile:
    """See `service.hub.desk.Roll`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Allowlist:
        """Return the list in the file."""
        return allowlist.load(self.path)

    def add(self, member: Member) -> Allowlist:
        """Write a member."""
        return allowlist.add(self.path, member)

    def remove(self, key: str) -> Allowlist:
        """Take a member out."""
        return allowlist.remove(self.path, key)


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
        roll = AllowlistFile(_path(config.hub.private)) if config.hub.private else None
        hub = self._hub(config, identity, roll, self._backplane(config, identity, place, held))
        tls = self._tls(config, place)
        pin = partial(pinned, config, hub, tls is not None)
        node, services = None, []
        if config.hub.node and (roll is not None or config.seeds):
            made = HubNode(identity, config, hub, place, held, self.reactor)
            node, services = made.node, made.services
        desk = Desk(hub, roll, security_of(config), pin, node)
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
            members = listed = roll.load()
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
        mailbox = Mailbox(place.mailbox_path, limits)
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

        file = _path(config.backplane_password_file) if config.backplane_password_file else None
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
            files = _path(config.hub.certificate), _path(config.hub.private_key)
            return ServerTls(partial(given, *files))
        return ServerTls(partial(own, place.folder))

    def _port(self, config: Config, hub: Hub, tls: ServerTls | None) -> IProtocolFactory:
        if tls is not None:
            return SecureFactory(tls, False, hub.factory, self.reactor)
        if config.hub.behind_proxy:
            return ProxiedFactory(hub.factory, self.reactor)
        return hub.factory


class Reloading(Service):
    """Reads the allowlist and the certificate anew at SIGHUP; what cannot be used stays as it was.

    A public hub has no list, and one without TLS no certificate.
    """

    def __init__(self, desk: Desk, listed: bool, tls: ServerTls | None, reactor: Any) -> None:
        self.setName("reloading")
        self._desk = desk
        self._listed = listed
        self._tls = tls
        self._reactor = reactor

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Listen to the signal, as soon as the reactor's own are set."""
        super().startService()
        self._reactor.callWhenRunning(signal.signal, signal.SIGHUP, self._hung_up)

    def reload(self) -> Deferred[None]:
        """Read both; fire when done, with whatever outcome: the log tells it."""
        if self._tls is not None:
            try:
                self._tls.load()
            except StreembitError as error:
                _log.error("the certificate stays as it was: {error}", error=str(error))
        done: Deferred[None] = Deferred.fromCoroutine(self._reload())
        return done

    def _hung_up(self, _signal: int, _frame: object) -> None:
        self._reactor.callFromThread(self.reload)

    async def _reload(self) -> None:
        if self._listed:
            try:
                await self._desk.reload()
            except StreembitError:
                pass  # the desk has told it, and counted it


def quota_of(limits: MailLimits) -> Quota:
    """Return what members are told of their mailbox."""
    return Quota(limits.box_messages, limits.box_bytes, limits.days)


def gate_of(config: Config, *, private: bool) -> GateLimits:
    """Return who may connect; at a public hub nobody is a member more than another."""
    gate = replace(gate_limits(config.limits, config.exempt), members_exempt=True)
    return gate if private else replace(gate, reserved_share=0.0)


def make_room(connections: int) -> None:
    """Let the process open as many files as so many connections need, as far as it may."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = int(connections / DESCRIPTORS_SHARE) + 1
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), most))


def given(certificate: Path, key: Path) -> Pem:
    """Return an operator's certificate and its key."""
    return _read(certificate), _read(key)


def own(folder: Path) -> Pem:
    """Return the hub's own certificate and its key, made where there is none that lasts."""
    certificate, key = folder / CERTIFICATE_FILE, folder / KEY_FILE
    now = datetime.now(UTC)
    if is_worn(atomic.read(certificate) or b"", now) or not key.exists():
        made = self_signed(now)
        atomic.write(key, made[1])
        atomic.write(certificate, made[0])
    return _read(certificate), _read(key)


def endpoints(config: Config) -> list[str]:
    """Return where to listen, as Twisted endpoints.

    Raises:
        BadConfig: plain WebSocket elsewhere than on loopback.
    """
    if config.hub.behind_proxy:
        return [PROXY + text for text in config.listen]
    if config.hub.plain and not all(map(on_loopback, config.listen)):
        raise BadConfig("without TLS a hub listens on loopback only, or behind a proxy")
    return list(config.listen)


def on_loopback(endpoint: str) -> bool:
    """Tell whether an endpoint is one that only this machine reaches."""
    kind, _, rest = endpoint.partition(":")
    if kind == "unix":
        return True
    parts = re.split(r"(?<!\\):", rest)
    interface = next((part[10:] for part in parts if part.startswith("interface=")), "")
    try:
        return kind.startswith("tcp") and ip_address(interface.replace("\\", "")).is_loopback
    except ValueError:
        return False


def security_of(config: Config) -> Security:
    """Return what the hub's own port speaks."""
    if config.hub.behind_proxy:
        return "proxy"
    return "plain" if config.hub.plain else "tls"


def pinned(config: Config, hub: Hub, secure: bool) -> str:
    """Return what to give members, so that they know this hub; "" where it has no such place."""
    where = config.advertise or next(iter(hub.listening), "")
    host, _, port = where.rpartition(":")
    if not host:  # nothing listens, or only a socket that is a file
        return ""
    if host in ("0.0.0.0", "[::]", "::"):
        host = socket.gethostname()
    scheme = "wss" if secure or config.hub.behind_proxy else "ws"
    return f"{scheme}://{host}:{port}#{hub.identity.public.hex}"


def tell(hub: Hub, pin: Callable[[], str], ports: Sequence[IListeningPort]) -> None:
    """Tell the hub, and the log, where it listens, and how members know it."""
    hub.listening = [place_of(port) for port in ports]
    _log.info("listening on {addresses}", addresses=", ".join(hub.listening))
    if known_by := pin():
        _log.info("members know this hub by {pin}", pin=known_by)
    if not USES_NVX:
        _log.warn("autobahn has no native part (NVX): frames cost several times as much")


def place_of(port: IListeningPort) -> str:
    """Return "host:port" of a port, or its path where it is a file."""
    address = port.getHost()
    return os.fsdecode(address.name or b"") if isinstance(address, UNIXAddress) else shown(port)


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _read(path: Path) -> bytes:
    data = atomic.read(path)
    if data is None:
        raise BadConfig("there is no such file", file=str(path))
    return data
