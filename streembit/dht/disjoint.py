"""Look-ups on disjoint paths: no node serves two of them, so one liar misleads one path at most."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, Final

from streembit.dht.keyspace import K
from streembit.dht.lookup import Ask, Done, Found, Hop, Lookup, Mode, Step, Wait
from streembit.dht.peer import Node
from streembit.dht.record import Item, prefer
from streembit.dht.values import FindLatest
from streembit.wire.message import Contact

PATHS: Final = 4  # d of S/Kademlia
PATH_K: Final = K // 2  # nodes asked on one path before it gives up: 40 in all
PATH_DISTINCT: Final = 2  # items heard on one path


def latest_of_path() -> FindLatest:
    """Return the mode of one path of a read that matters."""
    return FindLatest(PATH_K, distinct=PATH_DISTINCT)


class DisjointLookup:
    """Runs several look-ups side by side and joins what they find; driven like one `Lookup`.

    Each node belongs to the path that hears of it first.

    Args:
        start: the nearest nodes known, dealt out to the paths in turn.
        mode: makes the mode of each path.
        settings: for each `Lookup`.
    """

    __slots__ = ("_owners", "_paths", "target")

    def __init__(
        self,
        target: int,
        start: Iterable[Node],
        mode: Callable[[], Mode] = latest_of_path,
        *,
        paths: int = PATHS,
        **settings: Any,
    ) -> None:
        self.target = target
        nodes = list(start)
        self._owners = {node.id: place % paths for place, node in enumerate(nodes)}
        self._paths = [
            Lookup(target, nodes[path::paths], mode(), claim=self._claims(path), **settings)
            for path in range(paths)
        ]

    @property
    def requests(self) -> int:
        """How many requests were sent on all paths."""
        return sum(path.requests for path in self._paths)

    @property
    def hops(self) -> tuple[Hop, ...]:
        """All requests so far, path by path."""
        return tuple(hop for path in self._paths for hop in path.hops)

    def next(self, now_s: float) -> Step:
        """Return what to do now; call it again after each `Ask` and each report."""
        found: list[Found] = []
        waits_s: list[float] = []
        for path in self._paths:
            match path.next(now_s):
                case Ask() as ask:
                    return ask
                case Wait(until_s):
                    waits_s.append(until_s)
                case Done(result):
                    found.append(result)
        return Wait(min(waits_s)) if waits_s else Done(self._joined(found))

    def answered(self, node_id: int, contacts: Iterable[Contact], now_s: float) -> list[Node]:
        """Take the nodes that one told instead of an item; return those that are news."""
        path = self._path(node_id)
        return [] if path is None else path.answered(node_id, contacts, now_s)

    def value(self, node_id: int, item: Item, now_s: float) -> None:
        """Take the verified item that a node answered."""
        if (path := self._path(node_id)) is not None:
            path.value(node_id, item, now_s)

    def failed(self, node: Node, now_s: float) -> None:
        """Take note that a node could not be reached, refused, did not answer, or lied."""
        if (path := self._path(node.id)) is not None:
            path.failed(node, now_s)

    def _path(self, node_id: int) -> Lookup | None:
        number = self._owners.get(node_id)
        return None if number is None else self._paths[number]

    def _claims(self, path: int) -> Callable[[int], bool]:
        def claim(node_id: int) -> bool:
            return self._owners.setdefault(node_id, path) == path

        return claim

    def _joined(self, found: list[Found]) -> Found:
        nodes = sorted(
            {
                node.id: node for result in found for node in (*result.nodes, *result.spares)
            }.values(),
            key=lambda node: node.id ^ self.target,
        )
        answers = tuple(answer for result in found for answer in result.answers)
        item = reduce(prefer, (item for _, item in answers)) if answers else None
        without = tuple(node for result in found for node in result.without)
        return Found(
            nodes=tuple(nodes[:K]),
            spares=tuple(nodes[K:]),
            answered=frozenset[int]().union(*(result.answered for result in found)),
            item=item,
            answers=answers,
            without=without,
            requests=self.requests,
            rounds=max(result.rounds for result in found),
            complete=all(result.complete for result in found),
        )
