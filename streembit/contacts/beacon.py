"""What a node says of itself in a local network: known again by who knows its key, by nobody else.

A beacon holds no name and no key. It holds a salt, drawn anew each day,
and what HMAC makes of the salt and the key, and of the salt and the
network's id: who knows a key can tell whether a beacon is its holder's,
and who does not cannot tell two days' beacons to be one node's.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal, cast

from streembit.errors import BadMessage, BadToken
from streembit.jose import base64url
from streembit.jose.keys import PublicKey

SALT_BYTES: Final = 16
TAG_BYTES: Final = 16
# Of one beacon: a machine in two networks, in each with one address of IPv4 and three of IPv6.
MAX_HOSTS: Final = 8
UNIQUE_LOCAL: Final = ip_network("fc00::/7")  # RFC 4193: what private addresses are in IPv6
MIN_PREFIX: Final = 48  # bits: a shorter one is not the prefix of one network
MAX_TEXT_BYTES: Final = 64  # of one member; ours take 22

Kind = Literal["node", "hub"]
_KINDS: Final = ("node", "hub")


@dataclass(frozen=True, slots=True)
class Beacon:
    """A salt, the two tags made with it, and what is announced."""

    salt: bytes
    network: bytes
    key: bytes
    kind: Kind

    def is_of(self, key: PublicKey) -> bool:
        """Tell whether the holder of a key says so; a replayed beacon says it, too."""
        return hmac.compare_digest(self.key, _tag(self.salt, b"key", key.point))

    def is_in(self, network: str) -> bool:
        """Tell whether it belongs to a network."""
        return hmac.compare_digest(self.network, _tag(self.salt, b"network", network.encode()))


def make(key: PublicKey, network: str, kind: Kind, salt: bytes) -> Beacon:
    """Return the beacon of the holder of a key; `salt` is SALT_BYTES of chance."""
    assert len(salt) == SALT_BYTES
    network_tag = _tag(salt, b"network", network.encode())
    return Beacon(salt, network_tag, _tag(salt, b"key", key.point), kind)


def write(beacon: Beacon) -> dict[str, str]:
    """Return the beacon as the members of a TXT record (RFC 6763, section 6)."""
    return {
        "v": "1",
        "s": base64url.encode(beacon.salt),
        "n": base64url.encode(beacon.network),
        "k": base64url.encode(beacon.key),
        "r": beacon.kind,
    }


def read(members: Mapping[bytes, bytes | None]) -> Beacon:
    """Return the beacon of a TXT record; members that we do not know are passed over.

    Raises:
        BadMessage: it is none, or of another version.
    """
    if members.get(b"v") != b"1":
        raise BadMessage("no beacon of this version")
    kind = (members.get(b"r") or b"").decode("ascii", "replace")
    if kind not in _KINDS:
        raise BadMessage("a beacon of an unknown kind")
    salt, network, key = (_bytes(members.get(name)) for name in (b"s", b"n", b"k"))
    return Beacon(salt, network, key, cast("Kind", kind))


def near(hosts: Iterable[str], networks: Iterable[str] = ()) -> list[str]:
    """Return the first few of these that lie in a local network: nobody is sent elsewhere.

    Private addresses do, of IPv6 the unique-local ones; and those of IPv6 that anybody in the
    world may reach, if they lie in a network of ours. Addresses of one link only do not count,
    for they say nothing without the name of our side of the link.

    Args:
        networks: those of IPv6 that we are in, such as "2001:db8:1::/64".
    """
    ours = [network for network in map(ip_network, networks) if network.prefixlen >= MIN_PREFIX]
    near = []
    for host in hosts:
        try:
            address = ip_address(host)
        except ValueError:
            continue
        if _is_private(address) or _is_in(address, ours):
            near.append(str(address))
    return near[:MAX_HOSTS]


def _is_private(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        return address in UNIQUE_LOCAL and address.scope_id is None
    apart = address.is_loopback or address.is_unspecified or address.is_multicast
    return address.is_private and not apart


def _is_in(
    address: IPv4Address | IPv6Address, networks: Iterable[IPv4Network | IPv6Network]
) -> bool:
    """Tell whether one that anybody in the world may reach lies in one of these networks."""
    apart = address.is_loopback or address.is_link_local or address.is_multicast
    return not apart and any(address in each for each in networks)


def _tag(salt: bytes, what: bytes, about: bytes) -> bytes:
    return hmac.digest(salt, b"streembit 1 lan " + what + b" " + about, "sha256")[:TAG_BYTES]


def _bytes(text: bytes | None) -> bytes:
    if text is None or len(text) > MAX_TEXT_BYTES:
        raise BadMessage("a beacon lacks a member")
    try:
        value = base64url.decode(text.decode("ascii", "replace"))
    except BadToken:
        raise BadMessage("a member of a beacon is not base64url") from None
    if len(value) != TAG_BYTES:
        raise BadMessage("a member of a beacon has another length")
    return value
