"""Look-ups: which node to ask next, when to stop, and what was found; they decide and never send.

A look-up is a pure object.  Its driver calls `next` until that answers `Wait` or `Done`, sends
what it is told to `Ask`, and reports each answer.  What is looked for is a `Mode`: `FindNodes`
in `streembit.dht.nodes`, `FindFirst` and `FindLatest` in `streembit.dht.values`.

No rounds in lockstep: `alpha` requests are on their way at a time, and one that takes longer than
its peer usually needs no longer counts, so that another is asked at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, Protocol

from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import ALPHA
from streembit.dht.peer import Node
from streembit.dht.record import Item, prefer
from streembit.dht.shortlist import Claim, Entry, Known, Rest, Shortlist, State
from streembit.wire.message import MAX_CONTACTS, Contact

LIMIT_S: Final = 10.0  # a look-up ends then with what it has
MAX_REQUESTS: Final = 80  # twice the widest region; more means that somebody leads us on


@dataclass(frozen=True, slots=True)
class Ask:
    """Send the request to this node.

    target: what to ask about; for an item always the look-up's own target.
    """

    node: Node
    target: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before an answer comes, or before this moment."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Hop:
    """One node that was asked: how deep in the chain, how many it named, what became of it."""

    node: Node
    depth: int
    state: State
    gave: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up ends with.

    nodes: the nearest living ones, nearest first, as many as were wanted; none beside an item.
    spares: the next ones behind them.
    answered: ids of those that answered themselves; of the others somebody told.
    item: the record or blob, None where there is none or only nodes were wanted.
    answers: which node answered which item.
    without: nodes that were asked for the item and have none.
    requests, rounds: how many were sent, and the longest chain that waited for one another.
    complete: the stop rule was met; False when time or requests ran out.
    """

    nodes: tuple[Node, ...]
    spares: tuple[Node, ...]
    answered: frozenset[int]
    item: Item | None
    answers: tuple[tuple[Node, Item], ...]
    without: tuple[Node, ...]
    requests: int
    rounds: int
    complete: bool

    @property
    def lacking(self) -> tuple[Node, ...]:
        """The nodes that a read repair helps: they have no item, or another than the best."""
        if self.item is None:
            return ()
        best = self.item.digest
        return (*self.without, *(node for node, item in self.answers if item.digest != best))


@dataclass(frozen=True, slots=True)
class Done:
    """The look-up is over."""

    found: Found


Step = Ask | Wait | Done
Want = tuple[Entry, int]  # a node, and the place that it has to be asked about


class Mode(Protocol):
    """What a look-up is for: whom it wants to hear, and when it has heard enough."""

    k: int

    def window(self, alpha: int) -> int:
        """Return how many requests may be on their way now."""

    def wanted(self, shortlist: Shortlist, now_s: float) -> list[Want]:
        """Return the answers that are still needed, the most urgent first; none: all is done."""

    def value(self, node: Node, item: Item) -> None:
        """Take a verified item that a node answered."""

    def lacks(self, node: Node) -> None:
        """Take note that a node answered without an item."""

    @property
    def answers(self) -> Sequence[tuple[Node, Item]]:
        """Who answered which item."""

    @property
    def without(self) -> Sequence[Node]:
        """Who answered without one."""


class Lookup:
    """One look-up, for one target, in one mode.

    Args:
        target: the place looked for.
        start: the nearest nodes that the table knows; more than k do no harm.
        mode: what is looked for.
        own_id: who looks, so that it never asks itself.
        alpha: requests on their way at a time.
        radius, known, claim, rest: see `Shortlist`.
    """

    __slots__ = (
        "_alpha",
        "_asked",
        "_depth",
        "_found",
        "_limit_s",
        "_quiet_until_s",
        "mode",
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
        known: Known | None = None,
        claim: Claim | None = None,
        rest: Rest | None = None,
        limit_s: float = LIMIT_S,
    ) -> None:
        grouping = grouping or Grouping()
        self.shortlist = Shortlist(target, own_id, grouping, radius, known, claim, rest)
        self.shortlist.start(start)
        self.requests = 0
        self.rounds = 0
        self.mode = mode
        self._alpha = alpha
        self._limit_s = now_s + limit_s
        self._asked: dict[int, Entry] = {}
        self._depth = 0
        self._quiet_until_s = now_s  # there is nothing to ask before, unless a report comes
        self._found: Found | None = None

    @property
    def target(self) -> int:
        """The place looked for."""
        return self.shortlist.target

    @property
    def hops(self) -> tuple[Hop, ...]:
        """All nodes asked so far, in order."""
        return tuple(Hop(e.node, e.depth, e.state, e.gave) for e in self._asked.values())

    def next(self, now_s: float) -> Step:
        """Return what to do now; call it again after each `Ask` and each report."""
        if self._found is not None:
            return Done(self._found)
        if now_s < self._quiet_until_s:
            return Wait(self._quiet_until_s)
        wanted = self.mode.wanted(self.shortlist, now_s)
        if not wanted or now_s >= self._limit_s:
            return self._end(now_s, complete=not wanted)
        room = self.mode.window(self._alpha) - self._pending(now_s)
        if room > 0 and self.requests < MAX_REQUESTS:
            fresh = next((want for want in wanted if want[0].state is not State.ASKED), None)
            if fresh is not None:
                ask = self._ask(*fresh, now_s)
                if room == 1:
                    self._quiet_until_s = self._next_moment(now_s)
                return ask
        return self._wait(now_s)

    def answered(self, node_id: int, contacts: Iterable[Contact], now_s: float) -> list[Node]:
        """Take the nodes that one told instead of an item; return those that are news."""
        entry = self._close(node_id, State.ANSWERED)
        if entry is None:
            return []
        self.mode.lacks(entry.node)
        told = self.shortlist.read(contacts)
        entry.gave += len(told)
        distances = {node.id ^ self.target for node in told}
        if entry.about == self.target and len(distances) >= MAX_CONTACTS:
            entry.reach = max(distances)
        return [node for node in told if self.shortlist.add(node)]

    def value(self, node_id: int, item: Item, now_s: float) -> None:
        """Take the item that a node answered; the caller has verified that it belongs here."""
        entry = self._close(node_id, State.ANSWERED)
        if entry is not None:
            self.mode.value(entry.node, item)

    def failed(self, node: Node, now_s: float) -> None:
        """Take note that a node could not be reached, refused, did not answer, or lied.

        Where it is asked at another address by now, the one left behind says nothing any more.
        """
        if self.shortlist.asks_at(node):
            self._close(node.id, State.FAILED)

    def _pending(self, now_s: float) -> int:
        """Count the requests on their way that are not overdue."""
        asked = self._asked.values()
        return len([e for e in asked if e.state is State.ASKED and now_s < e.late_s])

    def _ask(self, entry: Entry, about: int, now_s: float) -> Ask:
        depth = 1 + self._depth
        for other in self._asked.values():
            if other.depth >= depth and other.overdue(now_s):
                depth = 1 + other.depth
        entry.asked(about, now_s, depth)
        self._asked[entry.node.id] = entry
        self.requests += 1
        self.rounds = max(self.rounds, depth)
        return Ask(entry.node, about)

    def _close(self, node_id: int, state: State) -> Entry | None:
        """Note how a request ended; None for one that was never asked or has ended."""
        entry = self.shortlist.get(node_id)
        if entry is None or entry.state is not State.ASKED:
            return None
        if state is State.ANSWERED:
            entry.answered()
        else:
            entry.state = state
        self._quiet_until_s = 0.0
        self._depth = max(self._depth, entry.depth)
        return entry

    def _wait(self, now_s: float) -> Step:
        """Wait for the next answer, overdue mark or give-up; end where none can come."""
        if not any(e.state is State.ASKED and e.living(now_s) for e in self._asked.values()):
            return self._end(now_s, complete=False)
        self._quiet_until_s = self._next_moment(now_s)
        return Wait(self._quiet_until_s)

    def _next_moment(self, now_s: float) -> float:
        """Return when the next request is overdue or given up, or the look-up's time is over."""
        moment_s = self._limit_s
        for entry in self._asked.values():
            if entry.state is State.ASKED:
                mark_s = entry.late_s if entry.late_s > now_s else entry.lost_s
                if now_s < mark_s < moment_s:
                    moment_s = mark_s
        return moment_s

    def _end(self, now_s: float, *, complete: bool) -> Done:
        answers = tuple(self.mode.answers)
        wide = 0 if answers else 2 * self.mode.k
        nearest = [e.node for e in self.shortlist.best(wide, now_s)]
        self._found = Found(
            nodes=tuple(nearest[: self.mode.k]),
            spares=tuple(nearest[self.mode.k :]),
            answered=frozenset(
                e.node.id for e in self._asked.values() if e.state is State.ANSWERED
            ),
            item=reduce(prefer, (item for _, item in answers)) if answers else None,
            answers=answers,
            without=tuple(self.mode.without),
            requests=self.requests,
            rounds=self.rounds,
            complete=complete,
        )
        return Done(self._found)
