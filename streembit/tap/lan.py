"""A node in the local network: who announces it, and who dials those that are announced."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from streembit.jose.keys import Identity, PublicKey
from streembit.net.mdns import Mdns, own_hosts
from streembit.service.lan import Lan
from streembit.service.neighbours import Neighbours
from streembit.service.node import Node

if TYPE_CHECKING:
    from streembit.service.hub.hub import Hub

ANY_HOST: Final = ("", "0.0.0.0", "::")


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
        lambda: (hosts(node.reach.listening[:1]), node.reach.port),
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
        lambda: (hosts(hub.listening[:1]), port_of(hub.listening)),
        reactor,
        Random().random,
        os.urandom,
    )


def port_of(listening: Sequence[str]) -> int:
    """Return the port that is listened at first, 0 for none."""
    return int(listening[0].rpartition(":")[2]) if listening else 0


def hosts(listening: Sequence[str]) -> list[str]:
    """Return at which hosts a port is reached: its own, or all of the machine."""
    found: list[str] = []
    for text in listening:
        host = text.rpartition(":")[0].strip("[]")
        found += own_hosts() if host in ANY_HOST else [host]
    return found
