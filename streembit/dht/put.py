"""A put: which nodes shall store an item, decided while their receipts come in.

There is no look-up first: the item goes straight to the nearest nodes that the publisher knows.
Each receipt names nodes that are `nearer` to the place than the farthest of those the put goes to
and that the publisher missed, so the put finds the true nearest on its way.  Where the table knows
all nodes around the place, everybody is asked at once.  Where it may not, a few are asked first,
and the rest when the first receipts have said who else is there: sending to all twenty at once
would spend most of them on nodes that turn out to be too far.

An open link is worth more than a place or two on the ring: opening one costs three times what a
store does.  So of the k nearest those with a link are chosen before the others, but for the very
nearest, which always get the item: gets ask them first, and they hand it over to newcomers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import REPLICAS, K, from_text
from streembit.dht.lookup import LIMIT_S, MAX_REQUESTS, Wait
from streembit.dht.peer import Node
from streembit.dht.shortlist import FARTHEST, Entry, Known, Shortlist, State
from streembit.dht.table import Table
from streembit.wire.message import MAX_CONTACTS, MAX_RADIUS, Contact

FIRST_WAVE: Final = 3  # asked before the others, where the table may miss some
FIRST_RECEIPTS: Final = 2  # of them let the others go, so that one silent node costs no time
ALWAYS: Final = 4  # of the nearest: a reader linked to half of all nodes is to one of these at 94%
REPLACE_AFTER_S: Final = 0.25  # without an answer the next nearest is asked as well


@dataclass(frozen=True, slots=True)
class Send:
    """Send one signed request to these nodes.

    radius: for a store: the ids of the nodes that need not be named to us, nearest first: all that
        this put goes to so far and those that it passes over.
    about: for a look-up's request: the place to ask about, see `Ask.target`.
    """

    nodes: tuple[Node, ...]
    radius: tuple[str, ...]
    about: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """A node's word that it keeps the item, under its digest, until `exp` (Unix seconds)."""

    node: Node
    digest: bytes
    seq: int
    exp: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a put ends with.

    receipts: who keeps the item, nearest first.
    refusals: how many refused, by code.
    failed: how many did not answer.
    complete: all of the nearest living nodes answered; False when time or requests ran out.
    """

    receipts: tuple[Receipt, ...]
    refusals: dict[str, int]
    failed: int
    requests: int
    rounds: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The put is over."""

    outcome: Outcome


PutStep = Send | Wait | Ended


class Put:
    """One put of one item.

    Args:
        place: where the item lies.
        nearest: nodes that may store, from the table; twice k let failures be replaced at once.
        sure: whether they are all there are around the place (`Table.knows_all`).
        linked: tells whether there is an open link to a node; None if that shall not matter.
        radius, known: see `Shortlist`.
    """

    __slots__ = (
        "_asked",
        "_depth",
        "_k",
        "_limit_s",
        "_linked",
        "_outcome",
        "_quiet",
        "_receipts",
        "_refusals",
        "_sure",
        "_targets",
        "_until_s",
        "requests",
        "rounds",
        "shortlist",
    )

    def __init__(
        self,
        place: int,
        nearest: Iterable[Node],
        *,
        now_s: float,
        k: int = REPLICAS,
        sure: bool = False,
        linked: Callable[[Node], bool] | None = None,
        own_id: int | None = None,
        grouping: Grouping | None = None,
        radius: int | None = None,
        known: Known | None = None,
        limit_s: float = LIMIT_S,
    ) -> None:
        self.shortlist = Shortlist(place, own_id, grouping or Grouping(), radius, known)
        self._linked = linked
        self.shortlist.start(nearest)
        self.requests = 0
        self.rounds = 0
        self._k = k
        self._sure = sure
        self._limit_s = now_s + limit_s
        self._asked: list[Entry] = []
        self._receipts: list[Receipt] = []
        self._refusals: dict[str, int] = {}
        self._targets: list[Entry] | None = None
        self._until_s = self._limit_s
        self._quiet = 0  # so many answers can only be counted: they change nothing else
        self._depth = 0
        self._outcome: Outcome | None = None

    def next(self, now_s: float) -> PutStep:
        """Return what to do now; call it again after each `Send` and each report."""
        if self._outcome is not None:
            return Ended(self._outcome)
        if self._quiet > 0 and now_s < self._until_s:
            return Wait(self._until_s)
        targets = self._choose(now_s)
        unheard = [entry for entry in targets if entry.state is not State.ANSWERED]
        if not unheard or now_s >= self._limit_s:
            return self._end(complete=bool(targets) and not unheard)
        fresh = self._wave([e for e in unheard if e.state is State.HEARD], now_s)
        if fresh:
            return self._send(fresh, targets, now_s)
        self._quiet = len(unheard) - 1 if self._sure else 0
        return Wait(self._until_s)

    def stored(
        self, node_id: int, receipt: Receipt, nearer: Iterable[Contact], now_s: float
    ) -> list[Node]:
        """Take a receipt; return the nodes it named that are news."""
        if self._close(node_id, State.ANSWERED) is None:
            return []
        self._receipts.append(receipt)
        news = self.shortlist.hear(nearer)
        if news:
            self._replan()
        return news

    def refused(self, node_id: int, code: str, now_s: float) -> None:
        """Take a refusal; the node is not asked again and not replaced."""
        if self._close(node_id, State.ANSWERED) is not None:
            self._refusals[code] = self._refusals.get(code, 0) + 1

    def failed(self, node: Node, now_s: float) -> None:
        """Take note that a node did not answer; the next nearest takes its place.

        Where it is asked at another address by now, the one left behind says nothing any more.
        """
        if self.shortlist.asks_at(node) and self._close(node.id, State.FAILED) is not None:
            self._replan()

    def _choose(self, now_s: float) -> list[Entry]:
        """Return who shall have it: the nearest not known or suspected to be away.

        The choice stands until somebody new is heard of or somebody fails.
        """
        if self._targets is None or now_s >= self._until_s:
            nearest = self.shortlist.region(self._k, now_s)
            self._targets = self._handy(nearest, now_s) if len(nearest) == self._k else nearest
            lost_s = (e.lost_s for e in self._asked if e.state is State.ASKED and e.lost_s > now_s)
            self._until_s = min((self._limit_s, *lost_s))
        return self._targets

    def _handy(self, nearest: list[Entry], now_s: float) -> list[Entry]:
        """Exchange those that have to be dialled for others of the k nearest that have not."""
        linked = self._linked
        if linked is None or all(entry.used or linked(entry.node) for entry in nearest):
            return nearest
        near = self.shortlist.best(max(K, self._k), now_s)
        rest = sorted(near[ALWAYS:], key=lambda entry: not (entry.used or linked(entry.node)))
        chosen = near[:ALWAYS] + rest[: self._k - ALWAYS]
        return sorted(chosen, key=lambda entry: entry.node.id ^ self.shortlist.target)

    def _wave(self, fresh: list[Entry], now_s: float) -> list[Entry]:
        """Return whom to ask now: a few while the surroundings are unknown, then everybody."""
        room = MAX_REQUESTS - self.requests
        heard = sum(entry.state is State.ANSWERED for entry in self._asked)
        if self._sure or heard >= FIRST_RECEIPTS:
            self._sure = True
            return fresh[:room]
        pending = sum(e.state is State.ASKED and e.living(now_s) for e in self._asked)
        return fresh[: min(room, max(0, FIRST_WAVE - pending - heard))]

    def _send(self, fresh: list[Entry], targets: list[Entry], now_s: float) -> Send:
        self._depth += 1
        for entry in fresh:
            entry.asked(self.shortlist.target, now_s, self._depth, REPLACE_AFTER_S)
        self._asked += [entry for entry in fresh if entry not in self._asked]
        self._until_s = min(self._until_s, *(entry.lost_s for entry in fresh))
        self.requests += len(fresh)
        self.rounds = self._depth
        return Send(tuple(entry.node for entry in fresh), self._radius(targets, now_s))

    def _radius(self, targets: list[Entry], now_s: float) -> tuple[str, ...]:
        """Return the targets, those passed over and those given up, so that nobody names these."""
        place = self.shortlist.target
        entries = {e.node.id ^ place: e for e in (*targets, *self._asked)}
        if self._linked is not None and len(targets) == self._k:
            farthest = targets[-1].node.id ^ place
            near = self.shortlist.best(max(K, self._k), now_s)
            entries |= {a: e for e in near if (a := e.node.id ^ place) < farthest}
        return tuple(entries[apart].node.id_text for apart in sorted(entries)[:MAX_RADIUS])

    def _close(self, node_id: int, state: State) -> Entry | None:
        entry = self.shortlist.get(node_id)
        if entry is None or entry.state is not State.ASKED:
            return None
        entry.state = state
        self._quiet -= 1
        return entry

    def _replan(self) -> None:
        """Let the next call of `next` choose the targets anew."""
        self._targets = None
        self._quiet = 0

    def _end(self, *, complete: bool) -> Ended:
        place = self.shortlist.target
        self._outcome = Outcome(
            receipts=tuple(sorted(self._receipts, key=lambda r: r.node.id ^ place)),
            refusals=dict(self._refusals),
            failed=sum(e.state in (State.FAILED, State.ASKED) for e in self._asked),
            requests=self.requests,
            rounds=self.rounds,
            complete=complete,
        )
        return Ended(self._outcome)


def nearer(
    table: Table, place: int, radius: Sequence[str], asker_id: int | None = None
) -> list[Contact]:
    """Return the contacts that a publisher missed, for the receipt of the node with this table.

    They are nearer to the place than the farthest of `radius` (the request's, ids as text, nearest
    first) and not in it.  Where the publisher found fewer than k, all that are known are news.

    Raises:
        BadToken: the last of `radius` is no id.
    """
    if not radius:
        return []
    farthest = FARTHEST if len(radius) < REPLICAS else from_text(radius[-1]) ^ place
    asked = set(radius)
    return [
        node.contact
        for node in table.within(place, farthest)
        if node.id_text not in asked and node.id != asker_id
    ][:MAX_CONTACTS]
