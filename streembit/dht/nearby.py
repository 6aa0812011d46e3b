"""The peers with an open link, by their places: who can be asked at once about a place."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter

from streembit.dht.groups import PER_TABLE_GROUP
from streembit.dht.keyspace import ID_BITS, shared_bits
from streembit.dht.peer import Node


class Nearby:
    """Finds the nearest of many places in logarithmic time.

    Its size is bounded by the links that are open, and of one group of addresses by as many as
    the table takes: opening links is no way to stand before others around a place.
    """

    __slots__ = ("_groups", "_ids", "_nodes")

    def __init__(self) -> None:
        self._nodes: dict[int, Node] = {}
        self._ids: list[int] = []  # sorted
        self._groups: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, node: Node) -> bool:
        """Take a node that a link is open to; return whether there was room for its group."""
        if node.id in self._nodes:
            return True
        if node.group and self._groups[node.group] >= PER_TABLE_GROUP:
            return False
        self._nodes[node.id] = node
        insort(self._ids, node.id)
        if node.group:
            self._groups[node.group] += 1
        return True

    def remove(self, node_id: int) -> None:
        """Forget a node, if it is in."""
        node = self._nodes.pop(node_id, None)
        if node is None:
            return
        del self._ids[bisect_left(self._ids, node_id)]
        self._groups[node.group] -= 1
        if self._groups[node.group] <= 0:
            del self._groups[node.group]

    def nearest(self, place: int) -> Node | None:
        """Return the node nearest to a place, None where there is none.

        The ids that share the longest prefix with the place stand side by side, and one of them
        stands next to where the place would.
        """
        ids = self._ids
        if not ids:
            return None
        at = bisect_left(ids, place)
        shared = max(shared_bits(near, place) for near in ids[max(0, at - 1) : at + 1])
        low = place >> ID_BITS - shared << ID_BITS - shared
        alike = ids[bisect_left(ids, low) : bisect_left(ids, low + (1 << ID_BITS - shared))]
        return self._nodes[min(alike, key=place.__xor__)]
