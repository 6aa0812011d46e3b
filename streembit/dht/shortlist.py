"""The nodes that one look-up has heard of, nearest first, and what became of each."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from heapq import nsmallest
from itertools import islice
from typing import Final

from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import ID_BITS, K
from streembit.dht.peer import Node
from streembit.errors import StreembitError
from streembit.wire.message import MAX_CONTACTS, Contact

MAX_HEARD: Final = 256  # 13 whole answers; the farthest is forgotten for a nearer one
OUR_WORD: Final = 1_000  # who is in our own table needs nobody else's word
MAX_ADDRESSES: Final = 3  # of one node that are tried: an honest peer's word among liars'
GIVE_UP_S: Final = 1.0  # an answer later than this is not waited for
FARTHEST: Final = (1 << ID_BITS) - 1  # no two places are farther apart
MAX_REGION: Final = 2 * K  # nodes in all where somebody crowds around the target
CROWDED: Final = 0.4  # of the expected radius; chance alone is that dense once in 1,000


Known = Callable[[int], Node | None]
Claim = Callable[[int], bool]
Rest = Callable[[], Iterable[Node]]


class State(Enum):
    """How far a node of the look-up has come."""

    HEARD = 1
    ASKED = 2
    ANSWERED = 3
    FAILED = 4


_DOUBTFUL = (State.ASKED, State.FAILED)  # may not be there any more


@dataclass(slots=True, eq=False)
class Entry:
    """One node of the look-up.

    depth: the length of the chain of requests that ends in its own, 0 before it is asked.
    late_s, lost_s: from when on it counts as overdue, and as not answering at all.
    about: what it was asked about last, and `told`: what it has answered about.
    gave: how many nodes it named, and `words`: how many named it, ourselves counting as enough.
    reach: how far from the target its answer went; beyond that it may know more.
    others: where else it was said to be, to be tried when it is not there; `addresses` counts all.
    """

    node: Node
    state: State = State.HEARD
    depth: int = 0
    late_s: float = 0.0
    lost_s: float = 0.0
    about: int = 0
    told: tuple[int, ...] = ()
    reach: int = FARTHEST
    gave: int = 0
    words: int = 0
    others: tuple[Node, ...] = ()
    addresses: int = 1

    def asked(self, about: int, now_s: float, depth: int, give_up_s: float = GIVE_UP_S) -> None:
        """Note the request."""
        patience_s = self.node.patience_s
        self.state, self.depth, self.about = State.ASKED, depth, about
        self.late_s, self.lost_s = now_s + patience_s, now_s + max(give_up_s, patience_s)

    def living(self, now_s: float) -> bool:
        """Tell whether it may still be there."""
        state = self.state
        if state is State.ASKED:
            return now_s < self.lost_s
        return state is not State.FAILED

    def named_at(self, node: Node) -> bool:
        """Take another address of it; return whether that makes it worth asking again."""
        if node.contact == self.node.contact or self.addresses >= MAX_ADDRESSES:
            return False
        if any(node.contact == other.contact for other in self.others):
            return False
        self.others = (*self.others, node)
        self.addresses += 1
        return self.state is State.FAILED

    def elsewhere(self) -> bool:
        """Go on to the next address; return False where there is none."""
        if not self.others:
            return False
        self.node, *others = self.others
        self.others, self.state = tuple(others), State.HEARD
        return True

    @property
    def used(self) -> bool:
        """Whether it has been asked."""
        return self.state is not State.HEARD

    def overdue(self, now_s: float) -> bool:
        """Tell whether its answer takes longer than it usually does."""
        return self.state is State.ASKED and now_s >= self.late_s

    def answered(self) -> None:
        """Note that it answered what it was asked about last."""
        self.state = State.ANSWERED
        self.told = (*self.told, self.about)


class Shortlist:
    """What a look-up knows, bounded, sorted by distance to its target.

    Args:
        target: where the look-up goes.
        own_id: who looks; never listed.
        grouping: the network's rule; of each group only the nearest living node is used.
        radius: the distance within which `K` honest nodes are expected (`Table.radius`), or None
            to trust the crowd.
        known: what we know of a node already (`Table.get`), so that its measured speed counts.
        claim: asked before a node is listed, so that paths can be kept apart.
        rest: gives the nodes to start with where `start` got the nearest only (`widen`).
    """

    __slots__ = (
        "_claim",
        "_distances",
        "_entries",
        "_given",
        "_grouping",
        "_known",
        "_own_id",
        "_radius",
        "_rest",
        "target",
    )

    def __init__(
        self,
        target: int,
        own_id: int | None,
        grouping: Grouping,
        radius: int | None = None,
        known: Known | None = None,
        claim: Claim | None = None,
        rest: Rest | None = None,
    ) -> None:
        self.target = target
        self._rest = rest
        self._known = known
        self._claim = claim
        self._own_id = own_id
        self._grouping = grouping
        self._radius = radius
        self._distances: list[int] = []
        self._entries: dict[int, Entry] = {}
        self._given: dict[int, Node] = {}  # by the table; entries are made when they are looked at

    def __len__(self) -> int:
        return len(self._distances)

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over all entries, nearest first."""
        return map(self._entry, self._distances)

    def get(self, node_id: int) -> Entry | None:
        """Return the entry of this node, or None."""
        apart = node_id ^ self.target
        return self._entry(apart) if apart in self._given else self._entries.get(apart)

    def asks_at(self, node: Node) -> bool:
        """Tell whether a node is listed at this address, and not at the next one by now."""
        entry = self.get(node.id)
        return entry is not None and entry.node.contact == node.contact

    def start(self, nodes: Iterable[Node]) -> None:
        """List the nodes that the table gave, which may be longer than an answer."""
        target = self.target
        given = {node.id ^ target: node for node in nodes}
        self._distances = sorted(given)[:MAX_HEARD]
        fit = len(given) == len(self._distances)
        self._given = given if fit else {apart: given[apart] for apart in self._distances}

    def widen(self) -> None:
        """List the rest of the nodes to start with, once it turns out that they are needed."""
        rest, self._rest = self._rest, None
        for node in rest() if rest is not None else ():
            apart = node.id ^ self.target
            if (heard := self.get(node.id)) is not None:
                heard.words += OUR_WORD
            elif len(self._distances) < MAX_HEARD:
                self._given[apart] = node
                insort(self._distances, apart)

    def hear(self, contacts: Iterable[Contact]) -> list[Node]:
        """List what a peer named, at most a whole answer's worth; return the nodes that are new."""
        return [node for node in self.read(contacts) if self.add(node)]

    def read(self, contacts: Iterable[Contact]) -> list[Node]:
        """Return the nodes that a peer named, without those that cannot be."""
        nodes: list[Node] = []
        for contact in islice(contacts, MAX_CONTACTS):
            try:
                node = Node.of(contact, self._grouping)
            except StreembitError:
                continue
            nodes.append(node if self._known is None else self._known(node.id) or node)
        return nodes

    def add(self, node: Node) -> bool:
        """List a node; return whether it is new and near enough to be kept.

        So is one that was not there where somebody else had said that it is.
        """
        apart = node.id ^ self.target
        if (known := self.get(node.id)) is not None:
            known.words += 1
            return known.node is not node and known.named_at(node)
        if node.id == self._own_id:
            return False
        if self._claim is not None and not self._claim(node.id):
            return False
        if len(self._distances) >= MAX_HEARD and not self._forget_beyond(apart):
            return False
        self._entries[apart] = Entry(node, words=1)
        insort(self._distances, apart)
        return True

    def best(self, n: int, now_s: float) -> list[Entry]:
        """Return the `n` nearest living entries, no two of one group, nearest first.

        Who is not there where a peer said is living if others say that it is elsewhere.
        """
        found: list[Entry] = []
        groups: set[str] = set()
        if n <= 0:
            return found
        for entry in self:
            if entry.state in _DOUBTFUL and not (entry.living(now_s) or entry.elsewhere()):
                continue
            group = entry.node.group
            if group:
                if group in groups:
                    continue
                groups.add(group)
            found.append(entry)
            if len(found) == n:
                break
        return found

    def all_living(self, now_s: float) -> bool:
        """Tell whether nobody failed yet."""
        return all(entry.living(now_s) for entry in self)

    def around(self, place: int, n: int, now_s: float) -> list[Entry]:
        """Return the `n` living entries nearest to another place than the target."""
        living = (entry for entry in self if entry.living(now_s))
        return nsmallest(n, living, key=lambda entry: entry.node.id ^ place)

    def region(self, n: int, now_s: float) -> list[Entry]:
        """Return the `n` nearest, and more where they lie suspiciously close to the target.

        Whoever makes up ids around a target can be the 20 nearest to it.  Honest nodes are still
        there, spread evenly over the radius that the density elsewhere lets us expect: half of
        them in its outer half, a quarter in the next, and so on.  So each of these shells gives
        its share, `MAX_REGION` nodes in all; a crowd around the target fills only its own.
        """
        near = self.best(n, now_s)
        if not self._is_crowded(near, n):
            return near
        room = {shell: -(-n >> shell + 1) for shell in range(ID_BITS)}
        chosen = set(map(id, near))
        for entry in self.best(MAX_HEARD, now_s):
            shell = self._shell(entry)
            if id(entry) not in chosen and room.get(shell, 0) > 0 and len(near) < MAX_REGION:
                room[shell] -= 1
                near.append(entry)
        return near

    def _is_crowded(self, near: list[Entry], n: int) -> bool:
        if len(near) < n or self._radius is None:
            return False
        return near[-1].node.id ^ self.target < self._radius * CROWDED * n / K

    def _shell(self, entry: Entry) -> int:
        """Return how often the radius halves before it excludes the entry, -1 beyond it."""
        apart = entry.node.id ^ self.target
        if self._radius is None or apart > self._radius:
            return -1
        return (self._radius // max(apart, 1)).bit_length() - 1

    def _forget_beyond(self, apart: int) -> bool:
        """Make room by forgetting the farthest node never asked; False if none is farther."""
        first = bisect_left(self._distances, apart)
        for index in range(len(self._distances) - 1, first - 1, -1):
            if self._entry(self._distances[index]).state is State.HEARD:
                farthest = self._distances.pop(index)
                del self._entries[farthest]
                self._given.pop(farthest, None)
                return True
        return False

    def _entry(self, apart: int) -> Entry:
        entry = self._entries.get(apart)
        if entry is None:
            entry = self._entries[apart] = Entry(self._given[apart], words=OUR_WORD)
        return entry
