"""Multicast DNS: what we announce in the local network, and what others announce there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.errors import LanSilent

if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncZeroconf

SERVICE: Final = "_streembit._tcp.local."
ASK_MS: Final = 3_000  # for the particulars of one announcement
ASKED_AT_ONCE: Final = 16  # announcements; more are passed over until they are announced again
TAKE_BACK_WITHIN_S: Final = 1.0  # what we announced
STOP_WITHIN_S: Final = 2.0  # of the time that a process has for its end

_log = Logger()


@dataclass(frozen=True, slots=True)
class Announcement:
    """A service in the local network: the name of its instance, where it is, and its TXT record."""

    instance: str
    hosts: Sequence[str]
    port: int
    members: Mapping[bytes, bytes | None]


class AirEvents(Protocol):
    """Who is told of what others announce; in the reactor's thread."""

    def seen(self, found: Announcement) -> None:
        """Somebody is there, or has changed; so are we."""

    def gone(self, instance: str) -> None:
        """Somebody took back what was announced, or did not renew it."""

    def failed(self, error: LanSilent) -> None:
        """Nothing is announced or heard any more."""


class MdnsReactor(IReactorFromThreads, IReactorTime):
    """What multicast DNS needs of the reactor."""


class Mdns:
    """Announces, and listens, from `start` to `stop`; zeroconf does it in a thread of its own.

    Args:
        ours: what is announced, None for nothing.
    """

    def __init__(self, reactor: MdnsReactor, ours: Announcement | None, events: AirEvents) -> None:
        self._reactor = reactor
        self._ours = ours
        self._events = events
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._asking: set[asyncio.Task[None]] = set()
        self._ended: Deferred[None] | None = None

    def start(self) -> None:
        """Begin; what goes wrong is told to the events."""
        self._ended = Deferred(lambda _: None)
        threading.Thread(target=self._run, name="mdns", daemon=True).start()

    def stop(self) -> Deferred[None]:
        """Take back what was announced; fire when all is still, at the latest after two seconds."""
        ended = self._ended
        if ended is None or ended.called:
            return succeed(None)
        with suppress(RuntimeError):  # it has just ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        return ended.addTimeout(STOP_WITHIN_S, self._reactor, lambda _result, _s: None)

    # --- in the thread
    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._live())
        except Exception as e:  # noqa: BLE001 - of a library's thread: it must not end unheard
            self._tell(self._events.failed, LanSilent(str(e)))
        finally:
            self._loop.close()
            self._tell(self._end)

    async def _live(self) -> None:
        from zeroconf.asyncio import AsyncServiceBrowser

        air = _air()
        try:
            if self._ours is not None:
                await air.async_register_service(_info(self._ours))
            browser = AsyncServiceBrowser(air.zeroconf, SERVICE, handlers=[self._changed])
            await self._stop.wait()
            for task in self._asking:
                task.cancel()
            await browser.async_cancel()
        finally:
            with suppress(TimeoutError):
                await asyncio.wait_for(air.async_close(), TAKE_BACK_WITHIN_S)

    def _changed(self, zeroconf: Any, service_type: str, name: str, state_change: Any) -> None:
        """Hear of an announcement; zeroconf calls this by these names."""
        from zeroconf import ServiceStateChange

        if state_change is ServiceStateChange.Removed:
            self._tell(self._events.gone, _instance(name))
        elif len(self._asking) < ASKED_AT_ONCE:
            task = self._loop.create_task(self._ask(zeroconf, name))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _ask(self, zeroconf: Any, name: str) -> None:
        """Find the particulars of an announcement, and tell them."""
        from zeroconf import IPVersion
        from zeroconf.asyncio import AsyncServiceInfo

        info = AsyncServiceInfo(SERVICE, name)
        if await info.async_request(zeroconf, ASK_MS) and info.port:
            hosts = info.parsed_addresses(IPVersion.All)
            found = Announcement(_instance(name), hosts, info.port, dict(info.properties))
            self._tell(self._events.seen, found)

    def _tell(self, call: Callable[..., object], *args: object) -> None:
        self._reactor.callFromThread(_guarded, call, *args)

    # --- in the reactor's thread
    def _end(self) -> None:
        if self._ended is not None and not self._ended.called:
            self._ended.callback(None)


def own_addresses() -> list[IPv4Interface | IPv6Interface]:
    """Return the addresses of this machine, each with the length of its network's prefix.

    Raises:
        OSError: the system does not tell.
    """
    from ifaddr import get_adapters

    return [
        ip_interface(f"{address.ip if address.is_IPv4 else address.ip[0]}/{address.network_prefix}")
        for adapter in get_adapters()
        for address in adapter.ips
    ]


def _air() -> AsyncZeroconf:
    """Return what listens and speaks on every interface, on IPv4 alone where there is no IPv6."""
    from zeroconf import IPVersion
    from zeroconf.asyncio import AsyncZeroconf

    try:
        return AsyncZeroconf(ip_version=IPVersion.All)
    except OSError:
        return AsyncZeroconf(ip_version=IPVersion.V4Only)


def _info(ours: Announcement) -> Any:
    """Return our announcement as zeroconf wants it; the machine's name is not in it."""
    from zeroconf.asyncio import AsyncServiceInfo

    return AsyncServiceInfo(
        SERVICE,
        f"{ours.instance}.{SERVICE}",
        port=ours.port,
        parsed_addresses=list(ours.hosts),
        properties=dict(ours.members),
        server=f"{ours.instance}.local.",
    )


def _instance(name: str) -> str:
    return name.removesuffix(f".{SERVICE}")


def _guarded(call: Callable[..., object], *args: object) -> None:
    try:
        call(*args)
    except Exception:  # noqa: BLE001 - what others announce ends nothing of ours
        _log.failure("an announcement could not be taken", failure=Failure())
