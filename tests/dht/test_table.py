"""The routing table against brute force, and against those who want to own it."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import ID_BITS, K, shared_bits
from streembit.dht.peer import Node
from streembit.dht.slots import slot_of
from streembit.dht.table import MAX_FAILURES, Added, Full, Known, Refused, Table
from tests.dht.made import OPEN, WHOLE, at, contact, node, own_id, table

IDS = st.integers(0, WHOLE - 1)
HYPOTHESIS = settings(deadline=None, derandomize=True, database=None)


def nearest(made: Table, target: int, n: int) -> list[int]:
    """Return the nearest by brute force over everything in the table."""
    return sorted((held.id for held in made), key=target.__xor__)[:n]


class NearestTests(SynchronousTestCase):
    """The nearest that the table names are the nearest that it holds."""

    @HYPOTHESIS
    @given(st.sets(IDS, max_size=120), IDS, st.integers(1, 40))
    def test_nearest_is_exact(self, ids: set[int], target: int, n: int) -> None:
        """For any table, any target and any number."""
        made = Table(own_id(), grouping=OPEN)
        for node_id in ids:
            made.add(at(node_id), 1.0)
        self.assertEqual([held.id for held in made.nearest(target, n)], nearest(made, target, n))

    @HYPOTHESIS
    @given(st.sets(IDS, min_size=1, max_size=60), st.data())
    def test_nearest_is_exact_near_ourselves_too(self, ids: set[int], data: st.DataObject) -> None:
        """Also for targets that share most bits with our own id."""
        made = Table(own_id(), grouping=OPEN)
        for node_id in ids:
            made.add(at(node_id), 1.0)
        target = own_id() ^ data.draw(st.integers(0, 2 ** data.draw(st.integers(0, 159)) - 1))
        self.assertEqual([held.id for held in made.nearest(target)], nearest(made, target, K))

    @HYPOTHESIS
    @given(st.sets(IDS, max_size=80), IDS, IDS)
    def test_within_and_rank_agree_with_brute_force(
        self, ids: set[int], place: int, radius: int
    ) -> None:
        """Who is nearer than a radius, and how many are nearer than we are."""
        made = Table(own_id(), grouping=OPEN)
        for node_id in ids:
            made.add(at(node_id), 1.0)
        inside = [held.id for held in made.within(place, radius)]
        self.assertEqual(inside, [i for i in nearest(made, place, 999) if i ^ place < radius])
        nearer = sum(held.id ^ place < own_id() ^ place for held in made)
        self.assertEqual(made.rank(place), nearer)

    def test_the_excluded_the_failing_and_the_clients_are_passed_over(self) -> None:
        """Who asks is not told of itself; who failed is not handed out."""
        made = table(60)
        target = 12345
        first, second, third, fourth = made.nearest(target, 4)
        made.failed(first.id)
        third.storage = False
        told = made.nearest(target, 2, storage_only=True, exclude=(second.id,))
        self.assertEqual(told[0].id, fourth.id)

    def test_with_nobody_sound_the_failing_are_better_than_nobody(self) -> None:
        """After our own network was away for a while there is still somebody to try."""
        made = table(5)
        for held in list(made):
            made.failed(held.id)
        self.assertEqual(len(made.nearest(1, 3)), 3)

    def test_who_knows_all_around_a_place(self) -> None:
        """A full bucket may hide somebody; buckets with room hide nobody."""
        self.assertTrue(table(15).knows_all(1))
        crowd = table(400)
        far = own_id() ^ 1 << ID_BITS - 1
        self.assertFalse(crowd.knows_all(far))

    def test_the_radius_holds_as_many_as_asked(self) -> None:
        """Around ourselves; the whole ring while there are too few to judge by."""
        made = table(500)
        inside = [held for held in made if held.id ^ own_id() <= made.radius()]
        self.assertEqual(len(inside), K)
        self.assertEqual(table(5).radius(), WHOLE - 1)

    def test_D3_a_crowd_around_ourselves_does_not_narrow_the_radius(self) -> None:
        """Who stands around a publisher would otherwise hide the crowd around its record."""
        for others in (100, 200, 1_000):
            made = table(others)
            before = made.radius()
            for number in range(60):
                made.add(at(own_id() ^ (1 << ID_BITS - 16) + number), 1.0)
            self.assertLess(before / 4, made.radius())
            self.assertLess(made.radius(), before * 4)

    def test_chance_is_not_taken_for_a_crowd(self) -> None:
        """In nearly all networks without one the neighbourhood counts."""
        wrong = 0
        for seed in range(300):
            chance = Random(seed)
            made = Table(own_id(), grouping=OPEN)
            for _ in range(chance.choice((60, 200, 500))):
                made.add(at(chance.getrandbits(ID_BITS)), 1.0)
            inside = sum(held.id ^ own_id() <= made.radius() for held in made)
            wrong += inside != K
        self.assertLessEqual(wrong, 6)


class EntryTests(SynchronousTestCase):
    """Who gets in, who stays."""

    def test_our_own_id_never_enters(self) -> None:
        """A node does not route to itself."""
        self.assertEqual(table(0).add(at(own_id()), 1.0), Refused("self"))

    def test_a_node_met_again_is_fresh_and_may_have_moved(self) -> None:
        """Its address is the one of its latest handshake."""
        made = table(1)
        held = next(iter(made))
        made.failed(held.id)
        moved = Node.of(contact(0, "10.9.9.9"), OPEN)
        self.assertEqual(made.add(moved, 50.0), Known())
        kept = made.get(held.id)
        assert kept is not None
        self.assertEqual((kept.contact.host, kept.seen_s, kept.failures), ("10.9.9.9", 50.0, 0))

    def test_old_living_nodes_stay(self) -> None:
        """A full, well spread bucket takes nobody; it names its oldest for a test."""
        made = full_bucket(spread=True)
        oldest = widest(made)[0]
        entry = made.add(far(31, 99), 99.0)
        self.assertEqual(entry, Full(oldest))
        self.assertEqual(len(widest(made)), K)

    def test_test_before_evict(self) -> None:
        """Only when the oldest does not answer the newcomer takes its place."""
        made = full_bucket(spread=True)
        newcomer = far(31, 99)
        entry = made.add(newcomer, 99.0)
        assert isinstance(entry, Full)
        self.assertEqual(made.replace(entry.oldest, newcomer, 100.0), Added())
        self.assertIn(newcomer.id, made)
        self.assertNotIn(entry.oldest.id, made)

    def test_who_left_a_request_unanswered_gives_way(self) -> None:
        """And the newcomer is told in whose place it came."""
        made = full_bucket(spread=True)
        weak = widest(made)[0]
        made.failed(weak.id)
        entry = made.add(far(31, 99), 99.0)
        self.assertEqual(entry, Added(weak))

    def test_a_client_gives_way_to_a_node_that_can_store(self) -> None:
        """Never the other way round."""
        made = full_bucket(spread=True)
        client = widest(made)[0]
        client.storage = False
        other_client = far(31, 98)
        other_client.storage = False
        self.assertIsInstance(made.add(other_client, 98.0), Full)
        self.assertEqual(made.add(far(31, 99), 99.0), Added(client))

    def test_a_full_bucket_spreads_over_its_part_of_the_ring(self) -> None:
        """Who comes from where we know nobody replaces one of a crowd, the youngest of it."""
        made = full_bucket(spread=False)
        youngest = widest(made)[-1]
        self.assertEqual(made.add(far(9, 99), 99.0), Added(youngest))
        self.assertEqual({slot_of(held.id, 0) for held in widest(made)}, {0, 9})

    def test_our_nearest_neighbours_always_enter(self) -> None:
        """So that whoever asks about our neighbourhood hears of all of it."""
        made = Table(own_id(), grouping=OPEN)
        ids = [own_id() ^ (1 << 150 | number) for number in range(1, 4 * K)]
        for number in reversed(ids):
            made.add(at(number), 1.0)
        self.assertEqual(
            [held.id for held in made.nearest(own_id())], sorted(ids, key=own_id().__xor__)[:K]
        )
        self.assertLessEqual(len(made), 2 * K)

    def test_three_requests_without_an_answer_and_it_is_gone(self) -> None:
        """And one answer in between starts the count again."""
        made = table(1)
        held = next(iter(made))
        for _ in range(MAX_FAILURES - 1):
            self.assertFalse(made.failed(held.id))
        made.answered(held.id, 5.0, 0.1)
        for _ in range(MAX_FAILURES - 1):
            self.assertFalse(made.failed(held.id))
        self.assertTrue(made.failed(held.id))
        self.assertEqual(len(made), 0)

    @HYPOTHESIS
    @given(st.lists(IDS, max_size=300))
    def test_C6_a_table_is_bounded_whoever_comes(self, ids: list[int]) -> None:
        """No bucket holds more than twice k, and what `wants` promised `add` keeps."""
        made = Table(own_id(), grouping=OPEN)
        for node_id in ids:
            newcomer = at(node_id)
            wanted = made.wants(newcomer)
            self.assertEqual(isinstance(made.add(newcomer, 1.0), Added), wanted)
        self.assertTrue(all(size <= 2 * K for size in made.sizes().values()))


class EclipseTests(SynchronousTestCase):
    """One hand with many ids."""

    def test_D2_of_256_ids_in_one_network_three_enter(self) -> None:
        """At most two a bucket and three in the table; the honest node gets in all the same."""
        rule = Grouping()
        made = Table(own_id(), grouping=rule)
        for number in range(256):
            made.add(node(number, f"198.51.100.{number}", rule), 1.0)
        self.assertEqual(len(made), 3)
        crowd = max(made.sizes().values())
        self.assertLessEqual(crowd, 2)
        self.assertEqual(made.add(node(999, "203.0.113.1", rule), 2.0), Added())

    def test_D2_the_same_for_ipv6(self) -> None:
        """A /48 is one hand."""
        rule = Grouping()
        made = Table(own_id(), grouping=rule)
        for number in range(256):
            made.add(node(number, f"2001:db8:7:{number:x}::1", rule), 1.0)
        self.assertEqual(len(made), 3)

    def test_D2_one_may_not_sneak_in_by_moving(self) -> None:
        """Whoever enters from elsewhere and moves into a full group keeps its old address."""
        rule = Grouping()
        made = Table(own_id(), grouping=rule)
        for number in range(10):
            made.add(node(number, f"198.51.100.{number}", rule), 1.0)
        made.add(node(50, "203.0.113.9", rule), 1.0)
        made.add(node(50, "198.51.100.77", rule), 2.0)
        kept = made.get(node(50).id)
        assert kept is not None
        self.assertEqual(kept.contact.host, "203.0.113.9")

    def test_D2_a_place_becomes_free_when_its_holder_goes(self) -> None:
        """The groups are counted exactly."""
        rule = Grouping()
        made = Table(own_id(), grouping=rule)
        for number in range(10):
            made.add(node(number, f"198.51.100.{number}", rule), 1.0)
        for held in list(made):
            made.remove(held.id)
        self.assertIsNone(made.remove(1))
        self.assertEqual(made.add(node(77, "198.51.100.77", rule), 2.0), Added())

    def test_D2_the_limit_is_a_setting_and_loopback_is_no_exception(self) -> None:
        """Without the exemption 127.0.0.x is one group; with it all of them enter."""
        for rule, expected in ((Grouping(), 3), (Grouping(exempt=["127.0.0.0/8"]), 12)):
            made = Table(own_id(), grouping=rule)
            for number in range(12):
                made.add(node(number, f"127.0.0.{number}", rule), 1.0)
            self.assertEqual(len(made), expected)


class UpkeepTests(SynchronousTestCase):
    """Which parts of the ring are due."""

    def test_buckets_are_due_until_a_look_up_touched_them(self) -> None:
        """And again after the time, from the widest down to our nearest neighbour's."""
        made = table(300)
        deepest = max(made.sizes())
        self.assertEqual(made.buckets_to_refresh(10.0, 3600.0), list(range(deepest + 1)))
        made.touch(own_id() ^ 1 << ID_BITS - 1, 10.0)
        self.assertNotIn(0, made.buckets_to_refresh(3609.0, 3600.0))
        self.assertIn(0, made.buckets_to_refresh(3610.0, 3600.0))

    def test_gaps_are_the_slots_where_we_know_nobody(self) -> None:
        """Each gap lies in its bucket, and in a slot of its own."""
        made = full_bucket(spread=False)
        gaps = made.gaps(0)
        self.assertEqual({shared_bits(gap, own_id()) for gap in gaps}, {0})
        self.assertEqual(sorted(slot_of(gap, 0) for gap in gaps), list(range(1, 16)))


def far(slot: int, number: int) -> Node:
    """Return a node in the widest bucket, in this sixteenth of it."""
    first = (own_id() >> ID_BITS - 1 ^ 1) << ID_BITS - 1
    return at(first | (slot & 15) << ID_BITS - 5 | number, number)


def widest(made: Table) -> list[Node]:
    """Return the nodes of the widest bucket, the longest known first."""
    held = [held for held in made if shared_bits(held.id, own_id()) == 0]
    return sorted(held, key=lambda node: node.seen_s)


def full_bucket(*, spread: bool) -> Table:
    """Return a table with its neighbours and a full widest bucket: spread, or in one slot."""
    made = Table(own_id(), grouping=OPEN)
    for number in range(K):
        made.add(at(own_id() ^ (number + 1)), 0.0)
    for number in range(K):
        made.add(far(number if spread else 0, number), 1.0 + number)
    return made
