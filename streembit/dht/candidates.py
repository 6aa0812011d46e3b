"""Nodes that others told us of: worth a handshake, believed only after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from streembit.dht.keyspace import shared_bits
from streembit.dht.peer import Node
from streembit.dht.slots import slot_of
from streembit.dht.table import Table
from streembit.errors import StreembitError
from streembit.wire.message import Contact

MAX_CANDIDATES: Final = 512  # as many as three tables have room for; about 200 KiB
MAX_TOLD: Final = 20  # taken from one answer: a whole answer, so that no teller crowds out others
SPREAD: Final = 2  # nodes taken for one slot of a bucket that overflows: 16 slots, 20 places
MAX_UNREACHED: Final = 1_024  # contacts not to be tried again soon
RETRY_AFTER_S: Final = 600.0  # a node that could not be reached is not tried again for so long


class Candidates:
    """A bounded waiting room in front of the table; first in, first out."""

    __slots__ = ("_table", "_unreached_s", "_waiting")

    def __init__(self, table: Table) -> None:
        self._table = table
        self._waiting: dict[int, Node] = {}
        self._unreached_s: dict[Contact, float] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def suggest(self, contacts: Iterable[Contact], now_s: float, told_by: str) -> int:
        """Note contacts that a peer at the host `told_by` named; return how many are news.

        Left out are those that the table has no room for, that failed lately, or that a public
        peer places in a private network.
        """
        taken = 0
        for contact in list(contacts)[:MAX_TOLD]:
            node = self._plausible(contact, now_s, told_by)
            if node is not None:
                self._keep(node)
                taken += 1
        return taken

    def take(self, limit: int, *, spread: bool = True) -> list[Node]:
        """Return at most `limit` nodes to shake hands with, and forget them here.

        With `spread`, of a bucket that those waiting for it overfill only as many are taken as
        spread over it; the others go on waiting for a call without.
        """
        chosen: list[Node] = []
        crowds = self.crowds()
        for node in list(self._waiting.values()):
            if len(chosen) == limit:
                break
            if not self._table.wants(node):
                del self._waiting[node.id]
            elif not spread or self._fits(node, chosen, crowds):
                chosen.append(self._waiting.pop(node.id))
        return chosen

    def crowds(self) -> Counter[int]:
        """Return how many wait for each bucket."""
        own_id = self._table.own_id
        return Counter(shared_bits(node_id, own_id) for node_id in self._waiting)

    def _fits(self, node: Node, chosen: list[Node], crowds: Counter[int]) -> bool:
        shared = shared_bits(node.id, self._table.own_id)
        bucket, slot = self._table.slot_use(node.id)
        if bucket + crowds[shared] <= self._table.k:
            return True
        own = slot_of(node.id, shared)
        beside = sum(
            shared_bits(other.id, self._table.own_id) == shared and slot_of(other.id, shared) == own
            for other in chosen
        )
        return slot + beside < SPREAD

    def unreached(self, node: Node, now_s: float) -> None:
        """Note that no handshake came about, so that gossip cannot make us try again and again.

        At that address: where somebody else says the node is, it may be.
        """
        waiting = self._waiting.get(node.id)
        if waiting is not None and waiting.contact == node.contact:
            del self._waiting[node.id]
        self._unreached_s.pop(node.contact, None)
        self._unreached_s[node.contact] = now_s
        while len(self._unreached_s) > MAX_UNREACHED:
            del self._unreached_s[next(iter(self._unreached_s))]

    def _plausible(self, contact: Contact, now_s: float, told_by: str) -> Node | None:
        try:
            node = Node.of(contact, self._table.grouping)
        except StreembitError:
            return None
        if not self._table.grouping.believable(contact.host, told_by):
            return None
        tried_s = self._unreached_s.get(contact)
        if tried_s is not None and now_s - tried_s < RETRY_AFTER_S:
            return None
        if node.id in self._waiting or not self._table.wants(node):
            return None
        return node

    def _keep(self, node: Node) -> None:
        self._waiting[node.id] = node
        while len(self._waiting) > MAX_CANDIDATES:
            del self._waiting[next(iter(self._waiting))]
