"""Nodes and contacts made up for tests."""

from __future__ import annotations

from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import ID_BITS, node_id
from streembit.dht.peer import Node
from streembit.dht.table import Table
from streembit.jose import base64url
from streembit.wire.message import Contact

OPEN = Grouping(exempt=["10.0.0.0/8"])  # a network without groups
WHOLE = 1 << ID_BITS


def contact(number: int, host: str = "") -> Contact:
    """Return a contact whose key is made of the number."""
    point = b"\x02" + number.to_bytes(32)
    return Contact(base64url.encode(point), host or address(number), 8905)


def address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def node(number: int, host: str = "", grouping: Grouping = OPEN) -> Node:
    """Return the node of `contact`."""
    return Node.of(contact(number, host), grouping)


def at(place: int, number: int = 0) -> Node:
    """Return a node at a chosen place: its contact's own id is another, which no test here asks."""
    return Node(place, contact(number))


def own_id() -> int:
    return node_id(b"\x03" + bytes(32))


def table(nodes: int, grouping: Grouping = OPEN) -> Table:
    """Return a table that met this many nodes."""
    made = Table(own_id(), grouping=grouping)
    for number in range(nodes):
        made.add(node(number, grouping=grouping), float(number))
    return made
