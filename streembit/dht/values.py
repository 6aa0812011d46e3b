"""What a look-up for an item wants: the first valid one, or the newest of several."""

from __future__ import annotations

from typing import Final

from streembit.dht.keyspace import K
from streembit.dht.lookup import Want
from streembit.dht.peer import Node
from streembit.dht.record import Item
from streembit.dht.shortlist import Shortlist, State

DISTINCT: Final = 3  # nodes that are heard before one version counts as the newest


class FindFirst:
    """Take the first valid item, from one request where all goes well.

    An item lies on the k nearest nodes, and the nearest one that the table knows is nearly always
    among them: so one request is enough, a second one only when it is overdue or answers without
    the item.  After two misses `alpha` go out at a time.  It ends without an item when all of the
    region was asked.
    """

    __slots__ = ("_begun", "answers", "k", "without")

    def __init__(self, k: int = K) -> None:
        self.k = k
        self._begun = False
        self.answers: list[tuple[Node, Item]] = []
        self.without: list[Node] = []

    def window(self, alpha: int) -> int:
        """Return 1 until the second miss, then alpha."""
        return alpha if len(self.without) > 1 else 1

    def wanted(self, shortlist: Shortlist, now_s: float) -> list[Want]:
        """Return who has not answered yet, the nearest first; nobody once there is an item."""
        if self.answers:
            return []
        if not self._begun:  # one is asked now: who comes after it is found out when it is needed
            self._begun = True
            if nearest := shortlist.best(1, now_s):
                return [(nearest[0], shortlist.target)]
        shortlist.widen()
        return _unheard(shortlist, self.k, now_s)

    def value(self, node: Node, item: Item) -> None:
        """Keep the item: it is enough."""
        self.answers.append((node, item))

    def lacks(self, node: Node) -> None:
        """Remember whom a read repair could help."""
        self.without.append(node)


class FindLatest:
    """Take the newest of at least `distinct` valid answers, where there are so many.

    Of one version signed twice all readers take the same (`record.prefer`).
    """

    __slots__ = ("_distinct", "answers", "k", "without")

    def __init__(self, k: int = K, *, distinct: int = DISTINCT) -> None:
        self.k = k
        self._distinct = distinct
        self.answers: list[tuple[Node, Item]] = []
        self.without: list[Node] = []

    def window(self, alpha: int) -> int:
        """Return how many answers are still missing: more would be asked in vain."""
        return max(1, self._distinct - len(self.answers))

    def wanted(self, shortlist: Shortlist, now_s: float) -> list[Want]:
        """Return who has not answered yet, the nearest first; nobody once enough were heard."""
        if len(self.answers) >= self._distinct:
            return []
        return _unheard(shortlist, self.k, now_s)

    def value(self, node: Node, item: Item) -> None:
        """Keep the answer."""
        self.answers.append((node, item))

    def lacks(self, node: Node) -> None:
        """Remember whom a read repair could help."""
        self.without.append(node)


def _unheard(shortlist: Shortlist, k: int, now_s: float) -> list[Want]:
    target = shortlist.target
    entries = shortlist.region(k, now_s)
    return [(entry, target) for entry in entries if entry.state is not State.ANSWERED]
