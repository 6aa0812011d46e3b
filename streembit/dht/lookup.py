"""Look-ups: which node to ask next, when to stop, and what was found; they decide and never send.

A look-up is a pure object.  Its driver calls `next` until that answers `Wait` or `Done`, sends
what it is told to `Ask`, and reports each answer.  What is looked for is a `Mode`: `FindNodes`
here, `FindFirst` and `FindLatest` in `streembit.dht.values`.

No rounds in lockstep: `alpha` requests are on their way at a time, and one that takes longer than
its peer usually needs no longer counts, so that another is asked at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import ALPHA, ID_BITS, K
from streembit.dht.peer import Node
from streembit.dht.record import Blob, Record
from streembit.dht.shortlist import Entry, Shortlist, State
from streembit.wire.message import Contact

LIMIT_S: Final = 10.0  # a look-up ends then with what it has
MAX_REQUESTS: Final = 80  # twice the widest region; more means that somebody leads us on

NEAR: Final = 2
CROWD: Final = 0.75


@dataclass(frozen=True, slots=True)
class Ask:
    """Send the request to this node."""

    node: Node


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before an answer comes, or before this moment."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Hop:
    """One request of a look-up: to whom, how deep in the chain, and what became of it."""

    node: Node
    depth: int
    state: State


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up ends with.

    nodes: the nearest living ones, nearest first, as many as were wanted.
    spares: the next ones behind them.
    answered: ids of those that answered themselves; of the others somebody told.
    item: the record or blob, None where there is none or only nodes were wanted.
    lacking: nodes that were asked for the item and have none, or an older one.
    requests, rounds: how many were sent, and the longest chain that waited for one another.
    complete: the stop rule was met; False when time or requests ran out.
    """

    nodes: tuple[Node, ...]
    spares: tuple[Node, ...]
    answered: frozenset[int]
    item: Record | Blob | None
    lacking: tuple[Node, ...]
    requests: int
    rounds: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Done:
    """The look-up is over."""

    found: Found


Step = Ask | Wait | Done


class Mode(Protocol):
    """What a look-up is for: whom it wants to hear, and when it has heard enough."""

    k: int

    def window(self, alpha: int) -> int:
        """Return how many requests may be on their way now."""

    def wanted(self, shortlist: Shortlist, now_s: float) -> list[Entry]:
        """Return the nodes whose answers are needed, the most urgent first; none: all is done."""

    def value(self, node: Node, item: Record | Blob) -> None:
        """Take a verified item that a node answered."""

    def lacks(self, node: Node) -> None:
        """Take note that a node answered without an item."""

    def item(self) -> Record | Blob | None:
        """Return the best item so far."""

    def lacking(self) -> tuple[Node, ...]:
        """Return the nodes that should have the item and have none, or an older one."""


class Lookup:
    """One look-up, for one target, in one mode.

    Args:
        target: the place looked for.
        start: the nearest nodes that the table knows; more than k do no harm.
        mode: what is looked for.
        own_id: who looks, so that it never asks itself.
        alpha: requests on their way at a time.
        radius: see `Shortlist`.
    """

    __slots__ = (
        "_alpha",
        "_asked",
        "_depth",
        "_found",
        "_limit_s",
        "_mode",
        "requests",
        "rounds",
        "shortlist",
    )

    def __init__(
        self,
        target: int,
        start: Iterable[Node],
        mode: Mode,
        *,
        now_s: float,
        own_id: int | None = None,
        grouping: Grouping | None = None,
        alpha: int = ALPHA,
        radius: int | None = None,
        limit_s: float = LIMIT_S,
    ) -> None:
        self.shortlist = Shortlist(target, own_id, grouping or Grouping(), radius)
        self.shortlist.start(start)
        self.requests = 0
        self.rounds = 0
        self._mode = mode
        self._alpha = alpha
        self._limit_s = now_s + limit_s
        self._asked: list[Entry] = []
        self._depth = 0
        self._found: Found | None = None

    @property
    def target(self) -> int:
        """The place looked for."""
        return self.shortlist.target

    @property
    def hops(self) -> tuple[Hop, ...]:
        """All requests so far, in order."""
        return tuple(Hop(entry.node, entry.depth, entry.state) for entry in self._asked)

    def next(self, now_s: float) -> Step:
        """Return what to do now; call it again after each `Ask` and each report."""
        if self._found is not None:
            return Done(self._found)
        wanted = self._mode.wanted(self.shortlist, now_s)
        if not wanted or now_s >= self._limit_s:
            return self._end(now_s, complete=not wanted)
        pending = [e for e in self._asked if e.state is State.ASKED and now_s < e.late_s]
        if len(pending) < self._mode.window(self._alpha) and self.requests < MAX_REQUESTS:
            entry = next((e for e in wanted if e.state is State.HEARD), None)
            if entry is not None:
                return self._ask(entry, now_s)
        return self._wait(now_s)

    def answered(self, node_id: int, contacts: Iterable[Contact], now_s: float) -> list[Node]:
        """Take the nodes that one told instead of an item; return those that are news."""
        entry = self._close(node_id, State.ANSWERED)
        if entry is None:
            return []
        self._mode.lacks(entry.node)
        return self.shortlist.hear(contacts)

    def value(self, node_id: int, item: Record | Blob, now_s: float) -> None:
        """Take the item that a node answered; the caller has verified that it belongs here."""
        entry = self._close(node_id, State.ANSWERED)
        if entry is not None:
            self._mode.value(entry.node, item)

    def failed(self, node_id: int, now_s: float) -> None:
        """Take note that a node could not be reached, refused, did not answer, or lied."""
        self._close(node_id, State.FAILED)

    def _ask(self, entry: Entry, now_s: float) -> Ask:
        late = [e.depth for e in self._asked if e.state is State.ASKED and now_s >= e.late_s]
        depth = 1 + max([self._depth, *late])
        entry.asked(now_s, depth)
        self._asked.append(entry)
        self.requests += 1
        self.rounds = max(self.rounds, depth)
        return Ask(entry.node)

    def _close(self, node_id: int, state: State) -> Entry | None:
        """Note how a request ended; None for one that was never asked or has ended."""
        entry = self.shortlist.get(node_id)
        if entry is None or entry.state is not State.ASKED:
            return None
        entry.state = state
        self._depth = max(self._depth, entry.depth)
        return entry

    def _wait(self, now_s: float) -> Step:
        """Wait for the next answer, overdue mark or give-up; end where none can come."""
        moments = [
            moment
            for entry in self._asked
            if entry.state is State.ASKED
            for moment in (entry.late_s, entry.lost_s)
            if moment > now_s
        ]
        if not moments:
            return self._end(now_s, complete=False)
        return Wait(min(*moments, self._limit_s))

    def _end(self, now_s: float, *, complete: bool) -> Done:
        nearest = [e.node for e in self.shortlist.best(2 * self._mode.k, now_s)]
        self._found = Found(
            nodes=tuple(nearest[: self._mode.k]),
            spares=tuple(nearest[self._mode.k :]),
            answered=frozenset(e.node.id for e in self._asked if e.state is State.ANSWERED),
            item=self._mode.item(),
            lacking=self._mode.lacking(),
            requests=self.requests,
            rounds=self.rounds,
            complete=complete,
        )
        return Done(self._found)


class FindNodes:
    """Find the k nearest nodes, with as few requests as that takes.

    Args:
        k: how many.
        confirm: each of them has to answer itself.  Without it, most are taken on the word of
            those that were asked, until one request fails: then nobody's word is taken.
        near: the nearest ones that always have to answer.
        crowd: how full a bucket may be expected before somebody behind it is asked, in parts of k.
    """

    __slots__ = ("_confirm", "_crowd", "_near", "k")

    def __init__(
        self, k: int = K, *, confirm: bool = False, near: int = NEAR, crowd: float = CROWD
    ) -> None:
        self.k = k
        self._confirm = confirm
        self._near = near
        self._crowd = crowd

    def window(self, alpha: int) -> int:
        """Return alpha: nodes are no secret, and the first answer alone rarely suffices."""
        return alpha

    def wanted(self, shortlist: Shortlist, now_s: float) -> list[Entry]:
        """Return those whose answers are still missing."""
        best = shortlist.best(self.k, now_s)
        if self._confirm or not all(entry.living(now_s) for entry in shortlist):
            return [entry for entry in best if entry.state is not State.ANSWERED]
        near = [entry for entry in best[: self._near] if entry.state is not State.ANSWERED]
        return near or self._uncovered(best, shortlist.target)

    def _uncovered(self, best: list[Entry], target: int) -> list[Entry]:
        """Return who may know nodes that none of those that answered knows."""
        answered = [e.node.id for e in best if e.state is State.ANSWERED]
        limit_bits = self._bucket_bits(best, target)
        missing = [e for e in best if _apart_bits(e, answered) > limit_bits]
        asked = [e for e in missing if e.state is State.ASKED]
        soon = [*answered, *(e.node.id for e in asked)]
        fresh = next((e for e in missing if _apart_bits(e, soon) > limit_bits), None)
        return asked if fresh is None else [*asked, fresh]

    def _bucket_bits(self, best: list[Entry], target: int) -> int:
        """Return how many bits two ids may differ in and still know each other for sure.

        The k nodes within the radius show how dense the ring is here, and so how many nodes are
        expected in the bucket in which one node keeps the other.  A bucket that is expected to
        hold less than `crowd` of k is taken to be complete.
        """
        radius = max(1, best[-1].node.id ^ target) if best else 1
        return int(2 * self._crowd * radius).bit_length() - 1

    def value(self, node: Node, item: Record | Blob) -> None:
        """Ignore the item: nodes were asked for."""

    def lacks(self, node: Node) -> None:
        """Nothing to note."""

    def item(self) -> None:
        """Return None: nodes were asked for."""

    def lacking(self) -> tuple[Node, ...]:
        """Return no node."""
        return ()


def _apart_bits(entry: Entry, ids: list[int]) -> int:
    """Return in how many trailing bits the entry differs from the most similar of the ids."""
    return min(((entry.node.id ^ other).bit_length() for other in ids), default=ID_BITS)
