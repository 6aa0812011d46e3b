"""Who of the linked peers is nearest to a place."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.groups import PER_TABLE_GROUP
from streembit.dht.keyspace import ID_BITS
from streembit.dht.nearby import Nearby
from tests.dht.made import at

PLACES = st.one_of(
    st.integers(0, (1 << ID_BITS) - 1),
    st.integers(0, 15),  # side by side
    st.integers(0, 15).map(lambda n: n << ID_BITS - 4),
)


class NearbyTests(SynchronousTestCase):
    """Brute force finds the same."""

    @settings(deadline=None, derandomize=True, database=None, max_examples=300)
    @given(st.lists(st.tuples(st.booleans(), PLACES), max_size=40), st.lists(PLACES, max_size=5))
    def test_the_nearest_is_that_of_brute_force(
        self, steps: list[tuple[bool, int]], asked: list[int]
    ) -> None:
        """Whatever came and went before."""
        nearby, there = Nearby(), set[int]()
        for comes, place in steps:
            if comes:
                nearby.add(at(place, 1))
                there.add(place)
            else:
                nearby.remove(place)
                there.discard(place)
        self.assertEqual(len(nearby), len(there))
        for place in asked:
            found = nearby.nearest(place)
            best = min(there, key=place.__xor__, default=None)
            self.assertEqual(found and found.id, best)

    def test_D2_a_group_has_no_more_places_than_in_the_table(self) -> None:
        """However many links it opens; one that closes makes room for another."""
        nearby = Nearby()
        crowd = [at(n, n) for n in range(1, 9)]
        for node in crowd:
            node.group = "192.0.2.0/24"
        self.assertEqual([nearby.add(node) for node in crowd].count(True), PER_TABLE_GROUP)
        other = at(99, 99)
        other.group = "198.51.100.0/24"
        self.assertTrue(nearby.add(other))
        nearby.remove(1)
        self.assertTrue(nearby.add(crowd[-1]))
        self.assertFalse(nearby.add(crowd[-2]))

    def test_of_none_there_is_none(self) -> None:
        """And forgetting who is not in changes nothing."""
        nearby = Nearby()
        nearby.remove(1)
        self.assertIsNone(nearby.nearest(7))
