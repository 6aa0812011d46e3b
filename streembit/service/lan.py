"""Being found in the local network, and knowing who else is there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from streembit.contacts import beacon
from streembit.contacts.beacon import SALT_BYTES, Beacon, Kind
from streembit.errors import BadMessage, LanSilent
from streembit.jose.keys import PublicKey
from streembit.net.mdns import AirEvents, Announcement
from streembit.service.upkeep import Upkeep, as_deferred

DAY_S: Final = 24 * 3600.0  # then a new salt, and another name
LOOK_EVERY_S: Final = 60.0  # whether we are where we were: addresses of IPv6 come and go
AGAIN_S: Final = 60.0  # after the local network could not be asked
MAX_SEEN: Final = 256  # announcements remembered; the one not heard of for longest goes
INSTANCE_BYTES: Final = 8  # of chance: the name of an announcement, in hexadecimal

_log = Logger()


class Air(Protocol):
    """The local network, from `start` to `stop`; `net.mdns.Mdns` is one."""

    def start(self) -> None:
        """Announce, and listen."""

    def stop(self) -> Deferred[None]:
        """Take back what was announced; fire when all is still."""


MakeAir = Callable[[Announcement | None, AirEvents], Air]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Somebody in the local network, as their announcement says: it may be a lie."""

    beacon: Beacon
    hosts: Sequence[str]
    port: int


@dataclass(frozen=True, slots=True)
class Here:
    """At which hosts and port of ours we are reached, and the networks of IPv6 that we are in."""

    hosts: Sequence[str]
    port: int
    networks: Sequence[str] = ()


class Lan(MultiService):
    """Announces the holder of a key, under another name each day, and hears of the others.

    Args:
        kind: what is announced.
        where: tells where we are reached, or raises OSError; nothing is announced while there
            is no host.
        chance: so many secret bytes, as `os.urandom`.
        met: told of each neighbour that appears or changes.

    Attributes:
        trouble: why nothing is announced or heard; "" while it is.
    """

    def __init__(
        self,
        make: MakeAir,
        key: PublicKey,
        network: str,
        kind: Kind,
        where: Callable[[], Here],
        clock: IReactorTime,
        random: Callable[[], float],
        chance: Callable[[int], bytes],
        met: Callable[[Neighbour], None] = lambda _neighbour: None,
    ) -> None:
        super().__init__()
        self.setName("lan")
        self.trouble = ""
        self._make, self._key, self._network, self._kind = make, key, network, kind
        self._where, self._chance, self._met = where, chance, met
        self._air: Air | None = None
        self._ears: Ears | None = None
        self._here = Here([], 0)
        self._seen: OrderedDict[str, Neighbour] = OrderedDict()
        self._daily = Upkeep(
            "local network", clock, DAY_S, self._renew, random, jitter_s=DAY_S / 24, first_s=0.0
        )
        watch = Upkeep("local addresses", clock, LOOK_EVERY_S, self._look, random)
        for each in (self._daily, watch):
            each.setServiceParent(self)

    def stopService(self) -> Deferred[None]:
        """Be announced no more; fire when that is so."""
        return as_deferred(super().stopService()).addCallback(lambda _: self._silence())

    def neighbours(self) -> Iterator[Neighbour]:
        """Return those of our network, the latest first."""
        return reversed(list(self._seen.values()))

    def of(self, key: PublicKey) -> list[Neighbour]:
        """Return the neighbours that say to be the holder of a key, the latest first."""
        return [neighbour for neighbour in self.neighbours() if neighbour.beacon.is_of(key)]

    @property
    def detail(self) -> str:
        """What there is, in words."""
        return self.trouble or f"{len(self._seen):,} seen in the local network"

    # --- AirEvents, of the air that is there now
    def seen(self, found: Announcement) -> None:
        """Take note of a neighbour, if it is one of our network and not ourselves."""
        try:
            said = beacon.read(found.members)
        except BadMessage:
            return
        hosts = beacon.near(found.hosts, self._here.networks)
        if not hosts or said.is_of(self._key) or not said.is_in(self._network):
            return
        neighbour = Neighbour(said, hosts, found.port)
        known = self._seen.pop(found.instance, None)
        self._seen[found.instance] = neighbour
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        if neighbour != known:
            self._met(neighbour)

    def gone(self, instance: str) -> None:
        """Forget a neighbour."""
        self._seen.pop(instance, None)

    def failed(self, error: LanSilent) -> None:
        """Try again in a while."""
        _log.warn("nothing is announced in the local network: {error}", error=error.detail)
        self.trouble = f"{error.sentence()} {error.detail}".strip()
        self._daily.next_in(AGAIN_S)

    # --- how
    async def _renew(self) -> None:
        """Begin anew: another salt, another name."""
        await self._silence()
        self.trouble = ""
        self._seen.clear()  # whoever is there is heard anew; who left meanwhile is not
        try:
            self._here = self._where()
        except OSError as e:  # the system does not tell our addresses: a unit may forbid it to
            self.failed(LanSilent(str(e)))
            return
        self._ears = Ears(self)
        self._air = self._make(self._announcement(), self._ears)
        self._air.start()

    async def _look(self) -> None:
        """Begin anew where we are elsewhere than we say."""
        if self._air is None:
            return
        with suppress(OSError):
            if self._where() != self._here:
                self._daily.soon()

    def _silence(self) -> Deferred[None]:
        air, self._air = self._air, None
        if self._ears is not None:
            self._ears.lan = None
        return succeed(None) if air is None else air.stop()

    def _announcement(self) -> Announcement | None:
        here = self._here
        hosts = beacon.near(here.hosts, here.networks)
        if not hosts or not here.port:
            return None
        said = beacon.make(self._key, self._network, self._kind, self._chance(SALT_BYTES))
        members: dict[bytes, bytes | None] = {
            name.encode(): text.encode() for name, text in beacon.write(said).items()
        }
        return Announcement(self._chance(INSTANCE_BYTES).hex(), hosts, here.port, members)


class Ears:
    """Passes on what one air tells, as long as it is the one in use."""

    def __init__(self, lan: Lan) -> None:
        self.lan: Lan | None = lan

    def seen(self, found: Announcement) -> None:
        """See `AirEvents`."""
        if self.lan is not None:
            self.lan.seen(found)

    def gone(self, instance: str) -> None:
        """See `AirEvents`."""
        if self.lan is not None:
            self.lan.gone(instance)

    def failed(self, error: LanSilent) -> None:
        """See `AirEvents`."""
        if self.lan is not None:
            self.lan.failed(error)
