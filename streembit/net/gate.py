"""Who may connect: counts, rates and a list of the discouraged; decides, never closes."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from streembit.errors import Discouraged, RateLimited, TooManyConnections
from streembit.net.budget import Buckets, Rate
from streembit.net.relayed import hub_of, is_hub_host

DESCRIPTORS_SHARE: Final = 0.8  # of the process's limit; the rest is for files and listening

# What one hand holds easily: an IPv4 address and a /24; a home's IPv6 /56 and a site's /48.
_V4_BITS: Final = (32, 24)
_V6_BITS: Final = (56, 48)

# A node that restarts reconnects at once; a flood of handshakes costs 0.5 ms of a core each.
NEW_PER_ADDRESS: Final = Rate(per_s=0.2, burst=16.0)

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class GateLimits:
    """How many connections are held, and how fast new ones come.

    Attributes:
        total: connections of all kinds, dialled ones included.
        per_address: of one IPv4 address or IPv6 /56.
        per_group: of one IPv4 /24 or IPv6 /48.
        strangers: accepted but not through their handshake; the oldest
            is dropped for a new one.
        reserved_share: part of `total` that is kept for members.
        new_per_address: how fast one address may connect.
        discouraged_s: how long an address that misbehaved is refused.
        discouraged_entries, rated_entries: addresses remembered.
        exempt: networks ("127.0.0.0/8") whose addresses are bound by
            `total` alone: tests, and proxies that many stand behind.
        members_exempt: whether a member counts no more against its
            address from when it is known, and its coming is forgotten: a
            hub has many members behind one address.
    """

    total: int = 2000
    per_address: int = 8
    per_group: int = 64
    strangers: int = 64
    reserved_share: float = 0.25
    new_per_address: Rate = NEW_PER_ADDRESS
    discouraged_s: float = 600.0
    discouraged_entries: int = 4096
    rated_entries: int = 8192
    exempt: tuple[str, ...] = ()
    members_exempt: bool = False

    def within(self, descriptors: int) -> GateLimits:
        """Return the limits of a process that may open so many file descriptors."""
        return replace(self, total=min(self.total, int(descriptors * DESCRIPTORS_SHARE)))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection comes from, as far as counting goes.

    `by_hub` says that the group is all who come through one hub: nobody
    chose to be in it, so members are not counted there.
    """

    address: str
    group: str
    exempt: bool
    by_hub: bool = False


class Origins:
    """Reads host addresses; a network in `exempt` is not counted against its address."""

    def __init__(self, exempt: tuple[str, ...]) -> None:
        self._exempt = tuple(ip_network(network) for network in exempt)
        self.of = lru_cache(maxsize=4096)(self._read)

    def _read(self, host: str) -> Origin:
        try:
            address = _plain(ip_address(host.partition("%")[0]))
        except ValueError:
            if is_hub_host(host):  # keys cost nothing: they are one group
                return Origin(host, hub_of(host), exempt=False, by_hub=True)
            return Origin(host, host, exempt=False)  # a socket without IP addresses: one origin
        single, group = _V4_BITS if address.version == 4 else _V6_BITS
        exempt = any(address in network for network in self._exempt)
        return Origin(_cut(address, single), _cut(address, group), exempt)


class Pass:
    """The place of one connection; give it back with `Gate.leave`."""

    __slots__ = ("member", "origin")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.member = False


class Discouraging:
    """Addresses that misbehaved; bounded, the first to be let go are the oldest."""

    def __init__(self, life_s: float, max_entries: int) -> None:
        self._life_s = life_s
        self._max_entries = max_entries
        self._until_s: OrderedDict[str, float] = OrderedDict()

    def add(self, address: str, now_s: float) -> None:
        """Refuse the address for `life_s` from now."""
        self._until_s.pop(address, None)
        if len(self._until_s) >= self._max_entries:
            self._until_s.popitem(last=False)
        self._until_s[address] = now_s + self._life_s

    def holds(self, address: str, now_s: float) -> bool:
        """Say whether the address is refused now."""
        until_s = self._until_s.get(address)
        if until_s is not None and until_s <= now_s:
            del self._until_s[address]
        return until_s is not None and until_s > now_s

    def __len__(self) -> int:
        return len(self._until_s)


class Gate:
    """Admits connections and counts them from admission to the end."""

    def __init__(self, limits: GateLimits = GateLimits()) -> None:
        self.limits = limits
        self._origins = Origins(limits.exempt)
        self._rates = Buckets(limits.new_per_address, limits.rated_entries)
        self._discouraged = Discouraging(limits.discouraged_s, limits.discouraged_entries)
        self._of_address: Counter[str] = Counter()  # bounded by `total`, as the next two
        self._of_group: Counter[str] = Counter()
        self._strangers: dict[Pass, None] = {}
        self._members = 0
        self._total = 0

    def admit(self, host: str, now_s: float) -> Pass:
        """Return the place of a connection that just came in.

        `crowd_out` must be asked after it.

        Raises:
            Discouraged, TooManyConnections, RateLimited: it is refused;
                nothing was counted.
        """
        origin = self._origins.of(host)
        self._check_total()
        if not origin.exempt:
            self._check_origin(origin, now_s)
            self._of_address[origin.address] += 1
            self._of_group[origin.group] += 1
        entry = Pass(origin)
        if not origin.exempt:
            self._strangers[entry] = None
        self._total += 1
        return entry

    def crowd_out(self) -> Pass | None:
        """Return the oldest stranger if there are too many: the caller drops it."""
        if len(self._strangers) <= self.limits.strangers:
            return None
        oldest = next(iter(self._strangers))
        del self._strangers[oldest]
        return oldest

    def dialled(self) -> Pass:
        """Return the place of a connection that we open; raise TooManyConnections."""
        self._check_total()
        self._total += 1
        return Pass(Origin("", "", exempt=True))

    def known(self, entry: Pass, *, member: bool) -> None:
        """Take note that a handshake is done.

        Raises:
            TooManyConnections: the places that are left are for members.
        """
        self._strangers.pop(entry, None)
        if not member and not entry.origin.exempt and self._others() > self._open_to_all():
            raise TooManyConnections("the rest is for members", total=self._total)
        if member and not entry.member:
            entry.member = True
            self._members += 1
            apart = self.limits.members_exempt or entry.origin.by_hub
            if apart and not entry.origin.exempt:
                self._uncount(entry.origin)
                self._rates.of(entry.origin.address).give_back()
                entry.origin = replace(entry.origin, exempt=True)

    def leave(self, entry: Pass) -> None:
        """Give the place back; once."""
        self._total -= 1
        self._members -= entry.member
        self._strangers.pop(entry, None)
        if not entry.origin.exempt:
            self._uncount(entry.origin)

    def discourage(self, host: str, now_s: float) -> None:
        """Refuse this host's address for ten minutes, unless it is exempt."""
        origin = self._origins.of(host)
        if not origin.exempt:
            self._discouraged.add(origin.address, now_s)

    def origin(self, host: str) -> Origin:
        """Return what a host counts as."""
        return self._origins.of(host)

    def is_discouraged(self, host: str, now_s: float) -> bool:
        """Say whether `admit` would refuse the host for what it did."""
        return self._discouraged.holds(self._origins.of(host).address, now_s)

    @property
    def total(self) -> int:
        """Connections counted now."""
        return self._total

    @property
    def strangers(self) -> int:
        """Connections that are not through their handshake."""
        return len(self._strangers)

    def _uncount(self, origin: Origin) -> None:
        for counts, name in ((self._of_address, origin.address), (self._of_group, origin.group)):
            counts[name] -= 1
            if not counts[name]:
                del counts[name]

    def _check_total(self) -> None:
        if self._total >= self.limits.total:
            raise TooManyConnections("in all", limit=self.limits.total)

    def _check_origin(self, origin: Origin, now_s: float) -> None:
        if self._discouraged.holds(origin.address, now_s):
            raise Discouraged
        if self._of_address[origin.address] >= self.limits.per_address:
            raise TooManyConnections("of this address", limit=self.limits.per_address)
        if self._of_group[origin.group] >= self.limits.per_group:
            raise TooManyConnections("of this network", limit=self.limits.per_group)
        if not self._rates.of(origin.address).take(now_s):
            raise RateLimited("connections of this address")

    def _others(self) -> int:
        """Return the connections, this one included, that are known and no members."""
        return self._total - self._members - len(self._strangers)

    def _open_to_all(self) -> int:
        return int(self.limits.total * (1 - self.limits.reserved_share))


def _plain(address: Address) -> Address:
    """Return the IPv4 address inside an IPv6 one, if that is what it is."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _cut(address: Address, bits: int) -> str:
    network = IPv4Network if isinstance(address, IPv4Address) else IPv6Network
    return str(network((int(address), bits), strict=False))
