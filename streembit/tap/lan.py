"""A node in the local network: who announces it, and who dials those that are announced."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import TYPE_CHECKING, Any, Final

from streembit.jose.keys import Identity, PublicKey
from streembit.net.mdns import Mdns, own_addresses
from streembit.service.lan import Here, Lan
from streembit.service.neighbours import Neighbours
from streembit.service.node import Node

if TYPE_CHECKING:
    from streembit.service.hub.hub import Hub

ANY_OF_BOTH: Final = "::"
ANY_HOST: Final = ("", "0.0.0.0", ANY_OF_BOTH)


def announce(node: Node, reactor: Any) -> None:
    """Have a node live in the local network as long as it runs."""
    chance = Random().random

    def contact(test: Any) -> PublicKey | None:
        return node.company.contact_with(test)

    neighbours = Neighbours(node.network, node.errands, contact, chance)
    node.reach.lan = Lan(
        partial(Mdns, reactor),
        node.identity.public,
        node.settings.network,
        "node",
        lambda: here(node.reach.listening, node.reach.port),
        reactor,
        chance,
        os.urandom,
        neighbours.met,
    )
    neighbours.live_in(node.reach.lan)
    for service in (neighbours, node.reach.lan):
        service.setServiceParent(node)


def announced(hub: Hub, identity: Identity, network: str, reactor: Any) -> Lan:
    """Return what announces a hub in the local network as long as it runs."""
    return Lan(
        partial(Mdns, reactor),
        identity.public,
        network,
        "hub",
        lambda: here(hub.listening, port_of(hub.listening)),
        reactor,
        Random().random,
        os.urandom,
    )


def port_of(listening: Sequence[str]) -> int:
    """Return the port that is listened at first, 0 for none."""
    return int(listening[0].rpartition(":")[2]) if listening else 0


def here(listening: Sequence[str], port: int) -> Here:
    """Return where we are reached at one of the ports that we listen at."""
    own = own_addresses()
    networks = {str(each.network) for each in own if each.version == 6}
    return Here(hosts(listening, port, [each.ip for each in own]), port, sorted(networks))


def hosts(
    listening: Sequence[str], port: int, own: Sequence[IPv4Address | IPv6Address]
) -> list[str]:
    """Return at which hosts a port is reached: those it was opened at, or all of the machine."""
    found: dict[str, None] = {}
    for text in listening:
        host, _, at = text.rpartition(":")
        if at == str(port):
            found |= dict.fromkeys(_meant(host.strip("[]"), own))
    return list(found)


def _meant(host: str, own: Sequence[IPv4Address | IPv6Address]) -> list[str]:
    """Return what an address to listen at stands for; that of IPv6 stands for IPv4 as well."""
    if host not in ANY_HOST:
        return [host]
    return [str(each) for each in own if host == ANY_OF_BOTH or each.version == 4]
