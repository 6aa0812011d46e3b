"""What a look-up for nodes wants: the k nearest, with as few requests as that takes.

Who has to be asked?  A node knows all others of its own small part of the ring: every bucket of it
that is not full is complete.  So the answer of one node near the target is complete for all of the
target's part, and asking the 20 nearest for what one has said is waste.  What one answer may miss
lies in the parts that the answerer keeps in a full bucket: there it knows 20 of perhaps 30.  How
many a part holds is seen from the k nearest found so far, which show how dense the ring is here.

So the rule is: hear the `NEAR` nearest (two, so that no single liar decides), and one member of
each part that reaches into the result and that none of those who answered can be expected to know
completely.  In simulation (bench/lookups.py) that is 2.3 requests in a network of 50, 3.4 in one of
200, 3.9 in one of 500, and every one of the 20 nearest is found.

Nobody is taken on one word: who was named once only is asked, too.  The trust that those who are
told of are there ends with the first one that is not: from then on each of the k nearest has to
answer itself.  And since an answer holds 20 nodes, dead ones among them, the living ones behind
those were cut off: they are asked for in the parts of the ring where the answers ended.
"""

from __future__ import annotations

from typing import Final

from streembit.dht.keyspace import ID_BITS, K
from streembit.dht.lookup import Want
from streembit.dht.peer import Node
from streembit.dht.record import Item
from streembit.dht.shortlist import FARTHEST, Entry, Shortlist, State

NEAR: Final = 2  # witnesses: the nearest of all, who have to answer themselves
CROWD: Final = 0.75  # of k expected in a bucket, which chance brings above k once in 30
ALL_AT_ONCE: Final = 10  # requests on their way where all of the k nearest have to answer anyway


class FindNodes:
    """Find the k nearest nodes.

    Args:
        k: how many.
        confirm: trust nobody's word from the start: each of the k has to answer itself.
        near: how many of the nearest have to, in any case.
        crowd: how full a bucket may be expected and still be taken as complete, in parts of k.
    """

    __slots__ = ("_confirm", "_crowd", "_found_near", "_near", "k")

    def __init__(
        self, k: int = K, *, confirm: bool = False, near: int = NEAR, crowd: float = CROWD
    ) -> None:
        self.k = k
        self._confirm = confirm
        self._near = near
        self._crowd = crowd
        self._found_near = False

    def window(self, alpha: int) -> int:
        """Return alpha until the neighbourhood is known; more when all of it has to answer."""
        return ALL_AT_ONCE if self._found_near else alpha

    def wanted(self, shortlist: Shortlist, now_s: float) -> list[Want]:
        """Return the answers that are still needed."""
        best = shortlist.best(self.k, now_s)
        timely = [entry for entry in best if not entry.overdue(now_s)]
        near = _unheard(timely[: self._near])
        if near:
            return [(entry, shortlist.target) for entry in near]
        if self._confirm or len(timely) < len(best) or not shortlist.all_living(now_s):
            self._found_near = True
            rest = [(entry, shortlist.target) for entry in _unheard(best)]
            return rest or self._cut_off(shortlist, best, now_s)
        return [(entry, shortlist.target) for entry in self._unknown(best, shortlist.target)]

    def _unknown(self, best: list[Entry], target: int) -> list[Entry]:
        """Return who may know nodes that none of those that answered knows."""
        answered = [entry.node.id for entry in best if entry.state is State.ANSWERED]
        known_bits = self._known_bits(best, target)
        missing = [
            entry
            for entry in best
            if _apart_bits(entry, answered) > known_bits
            or (entry.words < self._near and entry.state is not State.ANSWERED)
        ]
        asked = [entry for entry in missing if entry.state is State.ASKED]
        soon = [*answered, *(entry.node.id for entry in asked)]
        fresh = [
            entry
            for entry in missing
            if entry.state is State.HEARD
            and (_apart_bits(entry, soon) > known_bits or entry.words < self._near)
        ]
        return [*asked, *fresh[:1]]

    def _known_bits(self, best: list[Entry], target: int) -> int:
        """Return in how many trailing bits two ids may differ and surely know each other.

        A bucket that is expected to hold less than `crowd` of k is taken to be complete.
        """
        radius = max(1, best[-1].node.id ^ target) if best else 1
        return int(2 * self._crowd * radius).bit_length() - 1

    def _cut_off(self, shortlist: Shortlist, best: list[Entry], now_s: float) -> list[Want]:
        """Return whom to ask about the parts of the ring where the answers ended too early."""
        reach = min((entry.reach for entry in best[: self._near]), default=FARTHEST)
        radius = best[-1].node.id ^ shortlist.target if len(best) == self.k else FARTHEST
        if radius <= reach:
            return []
        parts = range(reach.bit_length() - 1, radius.bit_length())
        places = [shortlist.target ^ (1 << part) for part in parts]
        return [
            (entry, place)
            for place in places
            for entry in shortlist.around(place, self._near, now_s)
            if place not in entry.told
        ]

    def value(self, node: Node, item: Item) -> None:
        """Ignore the item: nodes were asked for."""

    def lacks(self, node: Node) -> None:
        """Nothing to note."""

    @property
    def answers(self) -> tuple[tuple[Node, Item], ...]:
        """No items: nodes were asked for."""
        return ()

    @property
    def without(self) -> tuple[Node, ...]:
        """Nobody: nodes were asked for."""
        return ()


def _unheard(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.state is not State.ANSWERED]


def _apart_bits(entry: Entry, ids: list[int]) -> int:
    """Return in how many trailing bits the entry differs from the most similar of the ids."""
    return min(((entry.node.id ^ other).bit_length() for other in ids), default=ID_BITS)
