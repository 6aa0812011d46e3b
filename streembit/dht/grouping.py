"""Which addresses count as one group, because one hand may hold them all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from streembit.wire.message import Contact

CACHED_HOSTS: Final = 4_096  # parsing an address takes as long as ten look-ups in the cache

Address = IPv4Address | IPv6Address


class Grouping:
    """The network's rule for groups: a setting, the same for all its nodes.

    Args:
        v4_bits, v6_bits: the length of the prefix that one group shares.
        exempt: networks whose addresses have no group and are never too many, such as
            "127.0.0.0/8" for a test network on one machine.
    """

    __slots__ = ("_exempt", "_group", "_public", "v4_bits", "v6_bits")

    def __init__(
        self, v4_bits: int = 24, v6_bits: int = 48, exempt: tuple[str, ...] | list[str] = ()
    ) -> None:
        self.v4_bits = v4_bits
        self.v6_bits = v6_bits
        self._exempt = tuple(ip_network(text) for text in exempt)
        self._group = lru_cache(maxsize=CACHED_HOSTS)(self._make_group)
        self._public = lru_cache(maxsize=CACHED_HOSTS)(self._is_public)

    def group(self, host: str) -> str:
        """Return the host's group, such as "192.0.2.0/24"; "" where the host is exempt.

        A host name is a group of its own.
        """
        return self._group(host)

    def exempts(self, host: str) -> bool:
        """Tell whether the host lies in an exempt network."""
        return self._group(host) == ""

    def believable(self, host: str, told_by: str) -> bool:
        """Tell whether a peer at `told_by` may tell us of a node at `host`.

        From the public network only public addresses can be reached, so a public peer that
        names a private one is wrong or wants us to knock at our own network's doors. A host name
        may lead to any of them, and nobody has to tell one: nodes are told of as they were met.
        """
        return self._public(host) or not self._public(told_by)

    def believed(self, contacts: Sequence[Contact], told_by: str) -> Sequence[Contact]:
        """Return the contacts of which a peer at `told_by` may tell us; see `believable`."""
        if not self._public(told_by):
            return contacts
        return [contact for contact in contacts if self._public(contact.host)]

    def _make_group(self, host: str) -> str:
        address = parse(host)
        if address is None:
            return host.lower().rstrip(".")
        if any(address in network for network in self._exempt):
            return ""
        bits = self.v4_bits if isinstance(address, IPv4Address) else self.v6_bits
        return str(ip_network((address, bits), strict=False))

    def _is_public(self, host: str) -> bool:
        address = parse(host)
        return address is not None and address.is_global and not address.is_multicast


@lru_cache(maxsize=CACHED_HOSTS)
def parse(host: str) -> Address | None:
    """Return the address that the text is, an IPv4 one where IPv6 wraps it; None for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
