"""The routing table: which nodes we have met, and which of them are nearest to a place.

Only nodes that finished a handshake from their address are in it; what others tell of goes to
`Candidates`.  A bucket keeps its old living nodes, since those who stayed long stay longer, and
takes a newcomer only for a place that is free or whose holder left a request unanswered.

Two exceptions make look-ups exact and short.  The k nodes nearest to ourselves are always taken,
so that whoever asks us about our own neighbourhood hears of all of it.  And a full bucket is spread
over its part of the ring: a newcomer from a sixteenth of it where we know nobody takes the place
of the youngest in the most crowded one, for gossip comes in clusters, and a bucket filled from one
answer would know one corner of its part only.  With five more bits than the bucket's own, the first
node asked for an item holds it in a network of up to 600 nodes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal

from streembit.dht.grouping import Grouping
from streembit.dht.groups import Groups
from streembit.dht.keyspace import ID_BITS, K, shared_bits
from streembit.dht.peer import Node
from streembit.dht.slots import empty_slots, slot_of, youngest_of_a_crowd

SURROUNDED: Final = 1 / 3  # of the radius elsewhere; chance alone is that dense once in 1,000
MAX_FAILURES: Final = 3  # requests in a row without an answer, then the node goes

Reason = Literal["self", "group"]


@dataclass(frozen=True, slots=True)
class Added:
    """The node is in the table now; `instead_of` left for it."""

    instead_of: Node | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The node was in the table, and is fresh again."""


@dataclass(frozen=True, slots=True)
class Full:
    """Its bucket is full; it may `replace` the oldest, if that one does not answer."""

    oldest: Node


@dataclass(frozen=True, slots=True)
class Refused:
    """The node cannot enter."""

    reason: Reason


Entry = Added | Known | Full | Refused
Bucket = dict[int, Node]


class Table:
    """The nodes that one node has met, in a bucket for each number of leading bits shared.

    Args:
        own_id: the place of the node whose table it is.
        k: how many a bucket holds, and how many neighbours are always taken.
    """

    __slots__ = (
        "_buckets",
        "_groups",
        "_nodes",
        "_radii",
        "_touched_s",
        "grouping",
        "k",
        "own_id",
    )

    def __init__(
        self,
        own_id: int,
        *,
        k: int = K,
        grouping: Grouping | None = None,
    ) -> None:
        self.own_id = own_id
        self.k = k
        self.grouping = grouping or Grouping()
        self._nodes: dict[int, Node] = {}
        self._buckets: dict[int, Bucket] = {}
        self._groups = Groups()
        self._touched_s: dict[int, float] = {}
        self._radii: tuple[int, int] | None = None  # until somebody comes, goes, fails or recovers

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def __contains__(self, node_id: int) -> bool:
        return node_id in self._nodes

    def get(self, node_id: int) -> Node | None:
        """Return the node with this id, or None."""
        return self._nodes.get(node_id)

    # --- coming and going
    def add(self, node: Node, now_s: float) -> Entry:
        """Take a node that just finished a handshake from its address, if there is room for it."""
        if node.id == self.own_id:
            return Refused("self")
        if (known := self._nodes.get(node.id)) is not None:
            return self._again(known, node, now_s)
        if self._crowded(node):
            return Refused("group")
        node.answered(now_s)
        bucket = self._bucket(node.id)
        if len(bucket) < self.k:
            return self._enter(node)
        if (weak := self._gives_way(bucket, node)) is not None:
            return self._enter(node, instead_of=weak)
        if self._is_neighbour(node.id):
            crowded = len(bucket) >= 2 * self.k
            return self._enter(node, instead_of=self._farthest(bucket) if crowded else None)
        return Full(min(bucket.values(), key=lambda held: held.seen_s))

    def replace(self, old: Node, new: Node, now_s: float) -> Entry:
        """Put `new`, which finished a handshake, in the place of `old`, which does not answer."""
        self.remove(old.id)
        return self.add(new, now_s)

    def remove(self, node_id: int) -> Node | None:
        """Take the node out; return it, or None where it was not in."""
        node = self._nodes.pop(node_id, None)
        if node is None:
            return None
        self._bucket(node_id).pop(node_id)
        self._radii = None
        self._groups.remove(node.group)
        return node

    def answered(self, node_id: int, now_s: float, rtt_s: float | None = None) -> None:
        """Note that the node answered; does nothing for one that is not in."""
        if (node := self._nodes.get(node_id)) is not None:
            self._recovered(node)
            node.answered(now_s, rtt_s)

    def failed(self, node_id: int) -> bool:
        """Note a request without an answer; return whether the node went for it.

        After the first one it is not handed out any more, and a newcomer may take its place.
        """
        node = self._nodes.get(node_id)
        if node is None:
            return False
        node.failures += 1
        self._radii = None
        return node.failures >= MAX_FAILURES and self.remove(node_id) is not None

    def wants(self, node: Node) -> bool:
        """Tell whether `add` would take this node at once: whether it is worth a handshake."""
        if node.id == self.own_id or node.id in self._nodes or self._crowded(node):
            return False
        bucket = self._bucket(node.id)
        return (
            len(bucket) < self.k
            or self._gives_way(bucket, node) is not None
            or self._is_neighbour(node.id)
        )

    # --- asking
    def nearest(
        self,
        target: int,
        n: int = K,
        *,
        storage_only: bool = False,
        exclude: Collection[int] = (),
    ) -> list[Node]:
        """Return the `n` nodes nearest to the target, nearest first.

        Nodes that left their last request unanswered are passed over, unless there is no other.
        """
        found: list[Node] = []
        for chunk in self._chunks(target):
            for node in map(chunk.__getitem__, sorted(chunk, key=target.__xor__)):
                if node.failures or (storage_only and not node.storage) or node.id in exclude:
                    continue
                found.append(node)
                if len(found) == n:
                    return found
        return found or self._last_resort(target, n, storage_only, exclude)

    def within(self, place: int, radius: int) -> list[Node]:
        """Return the nodes that may store and are nearer to the place than `radius`, sorted."""
        found: list[Node] = []
        for chunk in self._chunks(place):
            near = [node_id for node_id in chunk if node_id ^ place < radius]
            nodes = map(chunk.__getitem__, sorted(near, key=place.__xor__))
            found += [node for node in nodes if node.storage and not node.failures]
            if len(near) < len(chunk):
                break
        return found

    def knows_all(self, target: int, n: int = K) -> bool:
        """Tell whether the `n` nearest that we know are surely the `n` nearest there are.

        A bucket that is not full holds all nodes of its part of the ring, as long as upkeep
        fills it; a full one may hide some.
        """
        seen = 0
        for chunk in self._chunks(target):
            if self._may_hide(chunk):
                return False
            seen += len(chunk)
            if seen >= n:
                return True
        return True

    def rank(self, place: int) -> int:
        """Return how many nodes that may store are nearer to the place than we are."""
        apart = self.own_id ^ place
        return sum(
            sum(1 for node in bucket.values() if node.storage and not node.failures)
            for shared, bucket in self._buckets.items()
            if apart >> (ID_BITS - 1 - shared) & 1
        )

    def radius(self) -> int:
        """Return the distance within which k nodes lie, judged by how dense it is around us.

        With fewer nodes in the table it is the whole ring.  The estimate is as good as k samples:
        one part in five for 20.  Where it is far denser around us than in the widest parts of the
        ring that we know whole, somebody stands around us, and those parts count instead.
        """
        return self._both_radii()[1]

    def _both_radii(self) -> tuple[int, int]:
        """Return how far the k nearest to ourselves reach, and what that is elsewhere."""
        if self._radii is None:
            near = self.nearest(self.own_id, self.k)
            full = len(near) >= self.k
            here = near[-1].id ^ self.own_id if full else (1 << ID_BITS) - 1
            there = self._radius_of_the_wide()
            self._radii = here, there if here < there * SURROUNDED else here
        return self._radii

    def _radius_of_the_wide(self) -> int:
        """Return the radius by the two widest buckets that have room: they hold all there are."""
        held = (len(self._buckets.get(shared, ())) for shared in range(ID_BITS))
        widest = next(shared for shared, count in enumerate(held) if count < self.k)
        count = sum(len(self._buckets.get(shared, ())) for shared in (widest, widest + 1))
        part = 3 << max(0, ID_BITS - widest - 2)  # so many ids belong into the two
        return min(part * self.k // max(1, count), (1 << ID_BITS) - 1)

    # --- upkeep
    def touch(self, target: int, now_s: float) -> None:
        """Note that a look-up went to this target, so that its bucket is fresh."""
        self._touched_s[shared_bits(target, self.own_id)] = now_s

    def buckets_to_refresh(self, now_s: float, every_s: float) -> list[int]:
        """Return the buckets that no look-up touched for so long, the widest first.

        They reach from the widest to the one of our nearest neighbour, empty ones included.
        """
        deepest = max((shared for shared, held in self._buckets.items() if held), default=0)
        never_s = now_s - every_s
        return [
            shared
            for shared in range(min(deepest + 1, ID_BITS))
            if self._touched_s.get(shared, never_s) <= never_s
        ]

    def gaps(self, shared: int) -> list[int]:
        """Return the least id of each slot of a bucket in which we know nobody."""
        return empty_slots(self.own_id, shared, self._buckets.get(shared, ()))

    def sizes(self) -> dict[int, int]:
        """Return how many nodes each bucket holds, by the bits that they share with us."""
        return {shared: len(bucket) for shared, bucket in self._buckets.items() if bucket}

    def slot_use(self, node_id: int) -> tuple[int, int]:
        """Return how many nodes share the id's bucket with it, and how many its slot."""
        shared = shared_bits(node_id, self.own_id)
        bucket = self._buckets.get(shared, {})
        slot = slot_of(node_id, shared)
        return len(bucket), sum(slot_of(held, shared) == slot for held in bucket)

    def _chunks(self, target: int) -> Iterator[Bucket]:
        """Yield the nodes in sets, each wholly nearer to the target than the next.

        The bucket that shares the most bits with the target comes first, then all deeper ones
        at once (to the target they look alike), then the wider ones from the inside out.
        """
        buckets = self._buckets
        split = shared_bits(target, self.own_id)
        if split in buckets:
            yield buckets[split]
        deeper = [bucket for shared, bucket in buckets.items() if shared > split and bucket]
        if deeper:
            yield dict(chain.from_iterable(bucket.items() for bucket in deeper))
        for shared in sorted((b for b in buckets if b < split), reverse=True):
            yield buckets[shared]

    def _may_hide(self, chunk: Bucket) -> bool:
        wide = {shared_bits(node_id, self.own_id) for node_id in chunk}
        return any(len(self._buckets[shared]) >= self.k for shared in wide)

    def _last_resort(
        self, target: int, n: int, storage_only: bool, exclude: Collection[int]
    ) -> list[Node]:
        nodes = [
            node
            for node in self._nodes.values()
            if (node.storage or not storage_only) and node.id not in exclude
        ]
        return sorted(nodes, key=lambda node: node.id ^ target)[:n]

    def _again(self, known: Node, node: Node, now_s: float) -> Known:
        self._recovered(known)
        known.answered(now_s, node.rtt_s)
        known.storage = node.storage
        if known.contact != node.contact and not self._crowded(node, moving=known.group):
            self._groups.remove(known.group)
            known.contact, known.group = node.contact, node.group
            self._groups.add(known.group)
        return Known()

    def _gives_way(self, bucket: Bucket, newcomer: Node) -> Node | None:
        """Return the node of a full bucket that a newcomer replaces without a test, or None."""
        weak = _weakest(bucket.values(), newcomer)
        if weak is not None or not newcomer.storage:
            return weak
        youngest = youngest_of_a_crowd(bucket, shared_bits(newcomer.id, self.own_id), newcomer.id)
        return None if youngest is None or self._is_neighbour(youngest.id) else youngest

    def _recovered(self, node: Node) -> None:
        if node.failures:
            self._radii = None

    def _enter(self, node: Node, instead_of: Node | None = None) -> Added:
        if instead_of is not None:
            self.remove(instead_of.id)
        self._nodes[node.id] = node
        self._bucket(node.id)[node.id] = node
        self._radii = None
        self._groups.add(node.group)
        return Added(instead_of)

    def _bucket(self, node_id: int) -> Bucket:
        return self._buckets.setdefault(shared_bits(node_id, self.own_id), {})

    def _is_neighbour(self, node_id: int) -> bool:
        return node_id ^ self.own_id <= self._both_radii()[0]

    def _farthest(self, bucket: Bucket) -> Node:
        return bucket[max(bucket, key=self.own_id.__xor__)]

    def _crowded(self, node: Node, moving: str | None = None) -> bool:
        """Tell whether the node's group holds as much of the table or bucket as it may."""
        in_bucket = self._bucket(node.id).values()
        return node.group != moving and self._groups.full(node.group, in_bucket)


def _weakest(held: Collection[Node], newcomer: Node) -> Node | None:
    """Return who gives way: one that left a request unanswered, or one that cannot store."""
    for node in held:
        if node.failures or (newcomer.storage and not node.storage):
            return node
    return None
