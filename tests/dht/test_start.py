"""Coming back: remembered peers, waits, reachability, clocks."""

from __future__ import annotations

import random
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.backoff import FIRST_S, MOST_S, Backoff
from streembit.dht.grouping import Grouping
from streembit.dht.peers import (
    ANCHORS,
    FORGET_AFTER,
    MAX_PEERS,
    OLD_S,
    CachedPeer,
    PeersCache,
    PeersDocument,
)
from streembit.dht.reach import MAX_REPORTS, VALID_S, Reach, Reachability
from streembit.dht.refresh import JITTER_S, REPUBLISH_EVERY_S, next_s
from streembit.dht.skew import WARN_S, Skew
from tests.dht.made import OPEN, contact

NOW = 1_800_000_000.0


class BackoffTests(SynchronousTestCase):
    """Waits between tries."""

    def test_D8_the_bound_doubles_from_one_second_to_five_minutes(self) -> None:
        """And a success starts again."""
        waits = Backoff(lambda: 1.0)
        self.assertEqual(
            [waits.next_s() for _ in range(11)], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
        )
        waits.reset()
        self.assertEqual(waits.next_s(), FIRST_S)

    def test_D8_the_jitter_is_full(self) -> None:
        """Anything down to no wait at all, so that a herd comes apart."""
        self.assertEqual(Backoff(lambda: 0.0).next_s(), 0.0)
        chance = random.Random(1)
        herd = [Backoff(chance.random) for _ in range(1_000)]
        for _ in range(7):
            moments = sorted(one.next_s() for one in herd)
        self.assertLess(max(b - a for a, b in pairwise(moments)), 2.0)
        self.assertLess(abs(sum(moments) / 1_000 - 32), 2.0)

    def test_D8_it_never_overflows(self) -> None:
        """However long the network is away."""
        waits = Backoff(lambda: 0.5)
        for _ in range(5_000):
            self.assertLessEqual(waits.next_s(), MOST_S)

    def test_D8_republishing_is_spread_over_twenty_minutes(self) -> None:
        """An hour, give or take ten minutes."""
        self.assertEqual(next_s(REPUBLISH_EVERY_S, 0.0), REPUBLISH_EVERY_S - JITTER_S)
        self.assertEqual(next_s(REPUBLISH_EVERY_S, 0.5), REPUBLISH_EVERY_S)
        self.assertLess(next_s(REPUBLISH_EVERY_S, 0.999), REPUBLISH_EVERY_S + JITTER_S)
        self.assertGreaterEqual(next_s(60.0, 0.0), 0.0)


class PeersTests(SynchronousTestCase):
    """The cache that a node starts from before it asks a seed."""

    def test_D8_the_cache_survives_a_restart(self) -> None:
        """As a document, with its two steadiest peers as anchors, which come first."""
        cache = PeersCache(OPEN)
        for number in range(80):
            cache.met(contact(number), NOW)
        for number in (7, 33):
            cache.met(contact(number), NOW + 5_000)
        text = msgspec.json.encode(cache.document())
        again = PeersCache.read(msgspec.json.decode(text, type=PeersDocument), OPEN)
        self.assertEqual(len(again), 80)
        best = again.best(64, NOW + 6_000)
        self.assertEqual(len(best), 64)
        self.assertEqual(set(best[:ANCHORS]), {contact(7), contact(33)})
        anchors = [peer.contact for peer in again.document().peers if peer.anchor]
        self.assertEqual(set(anchors), {contact(7), contact(33)})

    def test_a_peer_that_fails_comes_last_and_is_forgotten(self) -> None:
        """After five failures in a row; one success makes it good again."""
        cache = PeersCache(OPEN)
        cache.met(contact(1), NOW)
        cache.met(contact(2), NOW - 10)
        cache.failed(contact(1).key)
        self.assertEqual(cache.best(9, NOW), [contact(2), contact(1)])
        cache.met(contact(1), NOW + 10)
        for _ in range(FORGET_AFTER - 1):
            cache.failed(contact(1).key)
        self.assertEqual(len(cache), 2)
        cache.failed(contact(1).key)
        cache.failed(contact(1).key)
        self.assertEqual(cache.best(9, NOW), [contact(2)])

    def test_old_acquaintances_come_after_fresh_ones(self) -> None:
        """Two weeks are long for an address."""
        cache = PeersCache(OPEN)
        cache.met(contact(1), NOW - 3 * OLD_S)
        cache.met(contact(1), NOW - 2 * OLD_S)
        cache.met(contact(2), NOW)
        self.assertEqual(cache.best(2, NOW), [contact(2), contact(1)])

    def test_D2_groups_take_turns(self) -> None:
        """A start cannot be owned from one /24, however many good peers it gave."""
        rule = Grouping()
        cache = PeersCache(rule)
        for number in range(50):
            cache.met(contact(number, f"198.51.100.{number}"), NOW - 900)
            cache.met(contact(number, f"198.51.100.{number}"), NOW)
        for number in range(3):
            cache.met(contact(100 + number, f"203.0.{number}.1"), NOW)
        hosts = {one.host for one in cache.best(4, NOW)}
        self.assertEqual(len({rule.group(host) for host in hosts}), 4)

    def test_C6_the_cache_is_bounded(self) -> None:
        """In memory and when read; the worst goes, never the one just met."""
        cache = PeersCache(OPEN)
        for number in range(2 * MAX_PEERS):
            cache.met(contact(number), NOW + number)
            self.assertIn(contact(number), cache.best(MAX_PEERS, NOW + number))
        self.assertEqual(len(cache), MAX_PEERS)
        many = PeersDocument(1, [CachedPeer(contact(n)) for n in range(2 * MAX_PEERS)])
        self.assertEqual(len(PeersCache.read(many)), MAX_PEERS)

    def test_a_peer_that_moved_is_kept_at_its_new_address(self) -> None:
        """It is known by its key."""
        cache = PeersCache(OPEN)
        cache.met(contact(1, "10.0.0.1"), NOW)
        cache.met(contact(1, "10.0.0.2"), NOW + 1)
        self.assertEqual([one.host for one in cache.best(9, NOW)], ["10.0.0.2"])


class ReachTests(SynchronousTestCase):
    """Whether others can connect to us."""

    def test_D10_two_witnesses_in_different_groups_are_needed(self) -> None:
        """One alone, or two of one network, prove nothing."""
        reach = Reach(Grouping())
        self.assertTrue(reach.client_only(0.0))
        reach.dialled(1, "198.51.100.1", True, 0.0)
        reach.dialled(2, "198.51.100.2", True, 0.0)
        self.assertIs(reach.state(0.0), Reachability.UNKNOWN)
        reach.dialled(3, "203.0.113.1", True, 0.0)
        self.assertIs(reach.state(0.0), Reachability.REACHABLE)
        self.assertFalse(reach.client_only(0.0))

    def test_D10_a_node_that_nobody_reaches_stays_a_client(self) -> None:
        """So it never becomes a storage target."""
        reach = Reach(Grouping())
        for number in range(3):
            reach.dialled(number, f"203.0.{number}.1", False, 0.0)
        self.assertIs(reach.state(0.0), Reachability.UNREACHABLE)
        self.assertTrue(reach.client_only(0.0))

    def test_D10_two_that_reached_us_outweigh_those_that_did_not(self) -> None:
        """A liar or a broken network says no; nobody can fake a connection to us."""
        reach = Reach(Grouping())
        for number in range(9):
            reach.dialled(number, f"203.0.{number}.1", number < 2, 0.0)
        self.assertIs(reach.state(0.0), Reachability.REACHABLE)

    def test_D10_what_was_true_two_hours_ago_has_to_be_seen_again(self) -> None:
        """And a new witness is asked for in time."""
        reach = Reach(Grouping())
        for number in range(2):
            self.assertTrue(reach.wants_witness(number, f"203.0.{number}.1", 0.0))
            reach.dialled(number, f"203.0.{number}.1", True, 0.0)
        self.assertFalse(reach.wants_witness(5, "203.0.5.1", 1.0))
        self.assertTrue(reach.wants_witness(5, "203.0.5.1", VALID_S / 2))
        self.assertIs(reach.state(VALID_S), Reachability.UNKNOWN)

    def test_D10_where_addresses_have_no_groups_each_peer_is_a_witness(self) -> None:
        """The exemption is a setting; so is what is assumed before anybody said anything."""
        rule = Grouping(exempt=["127.0.0.0/8"])
        reach = Reach(rule)
        for peer in (1, 1, 2):
            self.assertTrue(reach.client_only(0.0))
            reach.dialled(peer, "127.0.0.1", True, 0.0)
        self.assertFalse(reach.client_only(0.0))
        assumed = Reach(rule, assumed=True)
        self.assertFalse(assumed.client_only(0.0))
        for peer in (1, 2):
            assumed.dialled(peer, "127.0.0.1", False, 0.0)
        self.assertTrue(assumed.client_only(0.0))

    def test_our_address_is_what_two_witnesses_see(self) -> None:
        """One that says something else is outvoted."""
        reach = Reach(Grouping())
        self.assertIsNone(reach.host(0.0))
        for number, seen in enumerate(("192.0.2.66", "192.0.2.1", "192.0.2.1")):
            self.assertIsNone(reach.host(0.0))
            reach.observed(number, f"203.0.{number}.1", seen, 0.0)
        self.assertEqual(reach.host(0.0), "192.0.2.1")
        self.assertIsNone(reach.host(VALID_S))

    def test_C6_reports_are_bounded(self) -> None:
        """The latest few count."""
        reach = Reach(Grouping())
        for number in range(200):
            reach.dialled(number, f"203.{number}.0.1", True, 0.0)
            reach.observed(number, f"203.{number}.0.1", "192.0.2.1", 0.0)
        self.assertEqual((len(reach._dials), len(reach._sights)), (MAX_REPORTS, MAX_REPORTS))


class SkewTests(SynchronousTestCase):
    """Our clock against others'."""

    def test_D6_three_peers_that_agree_are_worth_a_warning(self) -> None:
        """Two are not; nothing else is ever decided by it."""
        skew = Skew(Grouping())
        for number in range(3):
            self.assertFalse(skew.warns())
            skew.heard(number, f"203.0.{number}.1", NOW, NOW + 7_200)
        self.assertTrue(skew.warns())
        self.assertEqual(skew.ahead_s(), 7_200)

    def test_D6_one_wrong_clock_among_many_is_theirs(self) -> None:
        """The median counts, and one network speaks once."""
        skew = Skew(Grouping())
        for number in range(9):
            skew.heard(number, f"203.0.{number}.1", NOW, NOW + 1)
        for number in range(200):
            skew.heard(100 + number, f"198.51.100.{number}", NOW - 1e6, NOW)
        self.assertFalse(skew.warns())

    @settings(deadline=None, derandomize=True, database=None)
    @given(st.lists(st.floats(-WARN_S, WARN_S), min_size=3, max_size=50))
    def test_D6_small_differences_never_warn(self, offsets: list[float]) -> None:
        """Ten minutes are harmless."""
        skew = Skew(OPEN)
        for number, offset in enumerate(offsets):
            skew.heard(number, f"10.0.0.{number}", offset, 0.0)
        self.assertFalse(skew.warns())
