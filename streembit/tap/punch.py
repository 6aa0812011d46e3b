"""A node that meets contacts through routers: where it is seen, and sockets."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from streembit.jose.keys import PublicKey
from streembit.net.punch import Punch, local_of
from streembit.service.node import Node
from streembit.service.punching import Punching, Vantage
from streembit.service.relay.hubs import Hubs


def meet(node: Node, reactor: Any) -> None:
    """Let a node meet contacts directly that it is linked with through a hub."""
    ends = node.metrics.tally(
        "streembit_punches", "Attempts to meet contacts through routers, by their end.", "end"
    )
    node.reach.punching = Punching(
        node.network,
        node.errands,
        partial(vantage, node.hubs),
        partial(attempt, reactor, node),
        partial(is_contact, node),
        Random().random,
        ends,
    )
    node.reach.punching.setServiceParent(node)


def vantage(hubs: Hubs) -> Vantage | None:
    """Return the port of our connection to a hub, and where that sees it; None without one."""
    for hub in hubs.all():
        local = None if hub.seat is None else local_of(hub.seat.carrier)
        if local is None or hub.seat is None:
            continue
        host, _, port = hub.seat.welcome.observed.rpartition(":")
        if port.isdigit():
            return Vantage(local, host.strip("[]"), int(port))
    return None


def attempt(reactor: Any, node: Node, seen: Vantage, host: str, port: int, key: PublicKey) -> Punch:
    """Return an attempt to meet the holder of a key, who is seen at this address."""
    make = partial(node.carriers.meeting, key)
    return Punch(reactor, seen.local, host, port, make, key, node.carriers.gate)


def is_contact(node: Node, key: PublicKey) -> bool:
    """Tell whether the people of a node, who come after it, know the holder of a key."""
    return node.company.is_contact(key)
