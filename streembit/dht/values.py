"""What a look-up for an item wants: the first valid one, or the newest of several."""

from __future__ import annotations

from typing import Final

from streembit.dht.keyspace import K
from streembit.dht.lookup import Want
from streembit.dht.peer import Node
from streembit.dht.record import Item, prefer
from streembit.dht.shortlist import Entry, Shortlist, State

DISTINCT: Final = 3  # nodes that have to agree on which version is the newest


class FindFirst:
    """Take the first valid item, from one request where all goes well.

    An item lies on the k nearest nodes, and the nearest one that the table knows is nearly always
    among them: so one request is enough, a second one only when it is overdue or answers without
    the item.  From then on `alpha` go out at a time.  It ends without an item when all of the
    region was asked.
    """

    __slots__ = ("_item", "_lacking", "k")

    def __init__(self, k: int = K) -> None:
        self.k = k
        self._item: Item | None = None
        self._lacking: list[Node] = []

    def window(self, alpha: int) -> int:
        """Return 1 until the second miss, then alpha."""
        return alpha if len(self._lacking) > 1 else 1

    def wanted(self, shortlist: Shortlist, now_s: float) -> list[Want]:
        """Return who has not answered yet, the nearest first; nobody once there is an item."""
        if self._item is not None:
            return []
        return _unheard(shortlist, shortlist.region(self.k, now_s))

    def value(self, node: Node, item: Item) -> None:
        """Keep the first item."""
        if self._item is None:
            self._item = item

    def lacks(self, node: Node) -> None:
        """Remember whom a read repair could help."""
        self._lacking.append(node)

    def item(self) -> Item | None:
        """Return the item, or None."""
        return self._item

    def lacking(self) -> tuple[Node, ...]:
        """Return the nodes that answered without an item."""
        return tuple(self._lacking)


class FindLatest:
    """Take the newest of at least `distinct` valid answers, where there are so many.

    Of one version signed twice all readers take the same (`record.prefer`).
    """

    __slots__ = ("_answers", "_best", "_distinct", "_lacking", "k")

    def __init__(self, k: int = K, *, distinct: int = DISTINCT) -> None:
        self.k = k
        self._distinct = distinct
        self._answers: list[tuple[Node, Item]] = []
        self._best: Item | None = None
        self._lacking: list[Node] = []

    def window(self, alpha: int) -> int:
        """Return alpha, or as many as are still missing if that is more."""
        return max(alpha, self._distinct - len(self._answers))

    def wanted(self, shortlist: Shortlist, now_s: float) -> list[Want]:
        """Return who has not answered yet, the nearest first; nobody once enough agree."""
        if len(self._answers) >= self._distinct:
            return []
        return _unheard(shortlist, shortlist.region(self.k, now_s))

    def value(self, node: Node, item: Item) -> None:
        """Keep the answer and, if it is the best so far, the item."""
        self._answers.append((node, item))
        self._best = item if self._best is None else prefer(self._best, item)

    def lacks(self, node: Node) -> None:
        """Remember whom a read repair could help."""
        self._lacking.append(node)

    def item(self) -> Item | None:
        """Return the newest item, or None."""
        return self._best

    def lacking(self) -> tuple[Node, ...]:
        """Return the nodes that have no item, or an older one than the result."""
        older = [n for n, item in self._answers if self._best and item.digest != self._best.digest]
        return (*self._lacking, *older)


def _unheard(shortlist: Shortlist, entries: list[Entry]) -> list[Want]:
    target = shortlist.target
    return [(entry, target) for entry in entries if entry.state is not State.ANSWERED]
