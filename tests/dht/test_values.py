"""Look-ups of items: one request where all goes well, the newest where it matters."""

from __future__ import annotations

from itertools import permutations

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.disjoint import PATHS, DisjointLookup
from streembit.dht.keyspace import ID_BITS, K
from streembit.dht.lookup import Ask, Done, Found, Lookup, Mode, Wait
from streembit.dht.peer import HEDGE_UNKNOWN_S, Node
from streembit.dht.record import Blob, Item
from streembit.dht.values import DISTINCT, FindFirst, FindLatest
from tests.dht.made import OPEN, at, contact
from tests.dht.network import Thing, settled

TARGET = 1 << ID_BITS - 1


class FirstTests(SynchronousTestCase):
    """The fast read."""

    def test_one_request_is_enough_in_networks_of_50_and_200(self) -> None:
        """The item lies on the true 20 nearest, and the nearest one known is one of them."""
        for size in (50, 200):
            network = settled(size)
            requests = 0
            with network.frozen():
                for _ in range(200):
                    place = network.target()
                    for holder in network.truth(place):
                        network.hosts[holder].items[place] = Thing.at(place)
                    host = network.anyone()
                    found = network.find(host, place, FindFirst(), radius=host.table.radius())
                    self.assertIsNotNone(found.item)
                    requests += found.requests
            self.assertLessEqual(requests / 200, 1.05)

    def test_one_is_asked_then_another_when_it_is_late(self) -> None:
        """The first valid answer ends it, whoever it is from."""
        lookup = first(near(9))
        one = ask(lookup, 0.0)
        self.assertEqual(lookup.next(0.0), Wait(HEDGE_UNKNOWN_S))
        two = ask(lookup, HEDGE_UNKNOWN_S)
        self.assertEqual([one.id, two.id], [n.id for n in near(2)])
        lookup.value(one.id, blob(1), 0.2)
        self.assertEqual(done(lookup).item, blob(1))

    def test_after_two_misses_three_are_asked_at_once(self) -> None:
        """One miss is bad luck; two mean that the item is not where it should be."""
        lookup = first(near(9))
        for _ in range(2):
            lookup.answered(ask(lookup, 0.0).id, [], 0.0)
        self.assertEqual(
            [isinstance(lookup.next(0.0), Ask) for _ in range(4)], [True] * 3 + [False]
        )

    def test_without_an_item_it_ends_when_the_nearest_were_asked(self) -> None:
        """All 20 of them, and no more."""
        lookup = first(near(60))
        while isinstance(step := lookup.next(0.0), Ask):
            lookup.answered(step.node.id, [], 0.0)
        found = done(lookup)
        self.assertEqual((found.item, found.requests, len(found.without)), (None, K, K))
        self.assertTrue(found.complete)
        self.assertEqual(found.lacking, ())

    def test_the_rest_is_listed_only_once_the_first_one_does_not_do(self) -> None:
        """Silent, without the item or lying; what it named and the table has is listed once."""
        nodes = near(9)
        named = [contact(77), contact(77)]
        for end in ("late", "lacks", "lies"):
            calls: list[str] = []

            def rest(calls: list[str] = calls) -> list[Node]:
                calls.append("rest")
                return nodes

            lookup = Lookup(TARGET, nodes[:1], FindFirst(), now_s=0.0, grouping=OPEN, rest=rest)
            one = ask(lookup, 0.0)
            self.assertEqual(
                (one.id, lookup.next(0.0), calls), (nodes[0].id, Wait(HEDGE_UNKNOWN_S), [])
            )
            if end == "lacks":
                lookup.answered(one.id, named, 0.1)
            elif end == "lies":
                lookup.failed(one, 0.1)
            two = ask(lookup, 0.1 if end != "late" else HEDGE_UNKNOWN_S)
            self.assertEqual((two.id, calls), (nodes[1].id, ["rest"]))
            self.assertEqual(len(lookup.shortlist), 9 + (end == "lacks"))
            lookup.value(two.id, blob(1), 0.2)
            self.assertEqual(done(lookup).item, blob(1))

    def test_an_item_at_the_first_one_leaves_the_rest_unread(self) -> None:
        """One request, one node looked at."""
        lookup = Lookup(
            TARGET, near(1), FindFirst(), now_s=0.0, grouping=OPEN, rest=lambda: self.fail("read")
        )
        lookup.value(ask(lookup, 0.0).id, blob(1), 0.1)
        self.assertEqual((done(lookup).item, len(lookup.shortlist)), (blob(1), 1))

    def test_who_sends_something_wrong_counts_as_failed(self) -> None:
        """The driver verified it; the look-up goes on to the next."""
        lookup = first(near(3))
        lookup.failed(ask(lookup, 0.0), 0.0)
        lookup.value(ask(lookup, 0.0).id, blob(1), 0.0)
        self.assertEqual(done(lookup).answered, {near(2)[1].id})


class LatestTests(SynchronousTestCase):
    """The read that matters."""

    def test_D4_all_orders_of_five_versions_converge(self) -> None:
        """Whoever answers first, every reader takes the same: highest number, smallest digest."""
        versions: list[Item] = [
            version(1, 9),
            version(2, 5),
            version(2, 7),
            version(2, 3),
            version(0, 1),
        ]
        for order in permutations(versions):
            lookup = latest(near(5), distinct=5)
            for item in order:
                lookup.value(ask(lookup, 0.0).id, item, 0.0)
            found = done(lookup)
            self.assertIs(found.item, versions[3])
            self.assertEqual(len(found.lacking), 4)

    def test_D3_it_does_not_stop_at_the_first_answer(self) -> None:
        """Three distinct nodes are heard, where there are three."""
        lookup = latest(near(9))
        asked = [ask(lookup, 0.0) for _ in range(3)]
        lookup.value(asked[0].id, version(1, 1), 0.0)
        lookup.value(asked[0].id, version(9, 1), 0.0)
        self.assertNotIsInstance(lookup.next(0.0), Done)
        lookup.value(asked[1].id, version(2, 1), 0.0)
        lookup.value(asked[2].id, version(1, 1), 0.0)
        found = done(lookup)
        assert found.item is not None
        self.assertEqual((found.item.seq, len(found.answers)), (2, DISTINCT))

    def test_who_lacks_the_item_or_has_an_older_one_is_told_for_repair(self) -> None:
        """And who has it is not."""
        lookup = latest(near(4))
        lookup.answered(ask(lookup, 0.0).id, [], 0.0)
        for seq in (1, 2, 2):
            lookup.value(ask(lookup, 0.0).id, version(seq, 1), 0.0)
        self.assertEqual([n.id for n in done(lookup).lacking], [n.id for n in near(2)])

    def test_fewer_holders_than_wanted_are_enough_in_the_end(self) -> None:
        """When all of the nearest were asked."""
        lookup = latest(near(4))
        lookup.value(ask(lookup, 0.0).id, version(1, 1), 0.0)
        while isinstance(step := lookup.next(0.0), Ask):
            lookup.answered(step.node.id, [], 0.0)
        self.assertIsNotNone(done(lookup).item)
        self.assertTrue(done(lookup).complete)


class DisjointTests(SynchronousTestCase):
    """Four paths that share no node."""

    def test_no_node_is_asked_on_two_paths(self) -> None:
        """Whatever they hear of each other's nodes."""
        lookup = DisjointLookup(TARGET, near(12), now_s=0.0, grouping=OPEN)
        asked: list[int] = []
        while isinstance(step := lookup.next(0.0), Ask):
            asked.append(step.node.id)
            lookup.answered(step.node.id, [contact(n) for n in range(30)], 0.0)
        self.assertEqual(len(asked), len(set(asked)))
        self.assertEqual(lookup.requests, len(asked))
        self.assertLessEqual(len(asked), 2 * K)

    def test_D3_a_liar_misleads_one_path_only(self) -> None:
        """It names its friends, all nearer than the others; three paths find the item."""
        lookup = DisjointLookup(TARGET, near(12), now_s=0.0, grouping=OPEN)
        liar = near(1)[0].id
        friends = {TARGET ^ 1} | {liar}
        while isinstance(step := lookup.next(0.0), Ask):
            node = step.node
            if node.id in friends:
                lookup.answered(node.id, [], 0.0)
            else:
                lookup.value(node.id, version(3, 1), 0.0)
        assert isinstance(step, Done)
        found = step.found
        assert found.item is not None
        self.assertEqual(found.item.seq, 3)
        self.assertGreaterEqual(len(found.answers), PATHS)

    def test_it_waits_for_the_slowest_path_and_joins_all(self) -> None:
        """The newest version of any path wins."""
        lookup = DisjointLookup(TARGET, near(4), now_s=0.0, grouping=OPEN)
        asked = [step.node for _ in range(4) if isinstance(step := lookup.next(0.0), Ask)]
        for node in asked[:3]:
            lookup.value(node.id, version(1, 1), 0.0)
        self.assertIsInstance(lookup.next(0.0), Wait)
        lookup.failed(at(12345), 0.0)
        lookup.value(asked[3].id, version(4, 1), 0.0)
        step = lookup.next(0.0)
        assert isinstance(step, Done) and step.found.item is not None
        self.assertEqual(step.found.item.seq, 4)
        self.assertEqual(len(step.found.lacking), 3)


class Version(Thing):
    """A thing whose number and digest are chosen."""


def version(seq: int, digest: int) -> Item:
    return Version(TARGET, seq, bytes([digest, seq]))  # type: ignore[return-value]


def blob(number: int) -> Blob:
    return BLOBS[number]


BLOBS = [Blob.of(bytes([number])) for number in range(3)]


def near(count: int) -> list[Node]:
    return [at(TARGET ^ 1 << number + 1, number) for number in range(count)]


def first(nodes: list[Node]) -> Lookup:
    return started(nodes, FindFirst())


def latest(nodes: list[Node], distinct: int = DISTINCT) -> Lookup:
    return started(nodes, FindLatest(distinct=distinct))


def started(nodes: list[Node], mode: Mode) -> Lookup:
    return Lookup(TARGET, nodes, mode, now_s=0.0, grouping=OPEN)


def ask(lookup: Lookup, now_s: float) -> Node:
    step = lookup.next(now_s)
    assert isinstance(step, Ask), step
    return step.node


def done(lookup: Lookup) -> Found:
    step = lookup.next(0.2)
    assert isinstance(step, Done), step
    return step.found
