"""Rates hold: a burst at once, the rate in the long run, one peer and all together."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.net.budget import Buckets, Budgets, Rate, TokenBucket

SLOW = Rate(per_s=2.0, burst=4.0)


class TokenBucketTests(SynchronousTestCase):
    """One bucket."""

    def test_a_burst_and_then_the_rate(self) -> None:
        """Four at once, then one each half second."""
        bucket = TokenBucket(SLOW)
        self.assertEqual([bucket.take(100.0) for _ in range(5)], [True] * 4 + [False])
        self.assertAlmostEqual(bucket.wait_s(100.0), 0.5)
        self.assertFalse(bucket.take(100.4))
        self.assertTrue(bucket.take(100.5))
        self.assertFalse(bucket.take(100.5))

    def test_it_never_holds_more_than_its_burst(self) -> None:
        """A year of rest is worth four."""
        bucket = TokenBucket(SLOW)
        bucket.take(0.0)
        self.assertEqual(sum(bucket.take(3e7) for _ in range(100)), 4)

    def test_D6_a_clock_set_back_costs_a_burst_at_most(self) -> None:
        """Nobody is shut out until the clock comes round again."""
        bucket = TokenBucket(SLOW)
        bucket.take(1e9)
        self.assertLessEqual(bucket.wait_s(0.0), 2.0)
        self.assertTrue(TokenBucket(SLOW).take(-1e9))

    def test_after_waiting_as_told_the_token_is_there(self) -> None:
        """What `wait_s` says holds."""
        bucket = TokenBucket(SLOW)
        now_s = 5.0
        for _ in range(50):
            now_s += bucket.wait_s(now_s) + 1e-9
            self.assertTrue(bucket.take(now_s))
        self.assertAlmostEqual(now_s, 5.0 + (50 - 4) / 2.0, places=3)

    def test_C3_a_clock_that_counts_from_1970_sees_the_wait(self) -> None:
        """However little is missing: a wait below the clock's resolution would never be over."""
        for missing in (1e-5, 1e-4, 1e-3, 0.1, 1.0):
            for rate in (Rate(200.0, 200.0), Rate(4000.0, 4000.0)):
                bucket, now_s = TokenBucket(rate), 1_800_000_000.0
                bucket.take(now_s, rate.burst - 1 + missing)
                wait_s = bucket.wait_s(now_s)
                self.assertGreater(now_s + wait_s, now_s, missing)
                self.assertTrue(bucket.take(now_s + wait_s + 1e-6))

    @settings(deadline=None, derandomize=True, database=None)
    @given(st.lists(st.floats(0.0, 3.0), max_size=60))
    def test_no_window_gives_more_than_burst_and_rate(self, gaps: list[float]) -> None:
        """Whatever the times of asking."""
        bucket = TokenBucket(SLOW)
        now_s, given_times = 0.0, []
        for gap in gaps:
            now_s += gap
            if bucket.take(now_s):
                given_times.append(now_s)
        for first, start in enumerate(given_times):
            for last in range(first, len(given_times)):
                allowed = SLOW.burst + SLOW.per_s * (given_times[last] - start) + 1e-6
                self.assertLessEqual(last - first + 1, allowed)


class RateTests(SynchronousTestCase):
    def test_less_than_one_a_second_is_one_in_a_while(self) -> None:
        """A burst of half a token would never come to a whole one."""
        bucket = TokenBucket(Rate.a_second(0.5))
        self.assertEqual([bucket.take(now_s) for now_s in (0.0, 1.0, 2.0)], [True, False, True])
        self.assertEqual(Rate.a_second(200.0), Rate(200.0, 200.0))
        budgets = Budgets(Rate.a_second(0.5), Rate.a_second(0.5))
        self.assertEqual(budgets.wait_s("peer", 0.0), 0.0)
        self.assertEqual(budgets.wait_s("member", 0.0, member=True), 0.0)


class BucketsTests(SynchronousTestCase):
    """Many keys."""

    def test_keys_do_not_share(self) -> None:
        """One that is empty leaves the other full."""
        buckets = Buckets(SLOW)
        while buckets.of("a").take(0.0):
            pass
        self.assertTrue(buckets.of("b").take(0.0))

    def test_C6_a_million_keys_stay_bounded(self) -> None:
        """The one idle for longest is forgotten, the busy one is not."""
        buckets = Buckets(SLOW, max_keys=100)
        while buckets.of("busy").take(0.0):
            pass
        for n in range(10_000):
            buckets.of(n).take(0.0)
            self.assertFalse(buckets.of("busy").take(0.0))
        self.assertEqual(len(buckets), 100)


class BudgetsTests(SynchronousTestCase):
    """C3: one peer, and all together."""

    def test_C3_one_peer_cannot_ask_for_more_than_its_share(self) -> None:
        """200 at once, 200 a second; others are served meanwhile."""
        budgets = Budgets()
        served = sum(budgets.wait_s("flooder", 0.0) == 0.0 for _ in range(40_000))
        self.assertEqual(served, 200)
        self.assertEqual(budgets.wait_s("honest", 0.0), 0.0)
        served = sum(budgets.wait_s("flooder", 1.0) == 0.0 for _ in range(40_000))
        self.assertEqual(served, 200)

    def test_C3_all_together_are_bounded(self) -> None:
        """A thousand flooders get 4,000 checks at once; the next waits behind one of each."""
        budgets = Budgets()
        served = sum(budgets.wait_s(peer, 0.0) == 0.0 for _ in range(20) for peer in range(1000))
        self.assertEqual(served, 4000)
        self.assertAlmostEqual(budgets.wait_s("next", 0.0), 1001 / 4000)

    def test_C3_in_the_long_run_as_well(self) -> None:
        """4,000 a second, whoever asks how often; and none of it is wasted."""
        budgets = Budgets()
        for peer in range(1000):
            for _ in range(4):
                budgets.wait_s(peer, 0.0)
        served = sum(
            budgets.wait_s(peer, tick / 100) == 0.0
            for tick in range(1, 201)
            for peer in range(1000)
        )
        self.assertLessEqual(served, 2 * 4000)
        self.assertGreaterEqual(served, 2 * 4000 - 1000)

    def test_C3_who_is_refused_pays_nothing(self) -> None:
        """Asking in vain takes no tokens of the others."""
        budgets = Budgets(Rate(1.0, 1.0), Rate(10.0, 10.0))
        for _ in range(100):
            budgets.wait_s("flooder", 0.0)
        served = sum(budgets.wait_s(peer, 0.0) == 0.0 for peer in range(20))
        self.assertEqual(served, 9)


class TurnTests(SynchronousTestCase):
    """C3: who finds the common budget empty is served in the order of asking."""

    def make(self, max_peers: int = 100) -> Budgets:
        """Return budgets of ten a second in all, whose burst is used up by members and others."""
        budgets = Budgets(Rate(1000.0, 1000.0), Rate(10.0, 10.0), max_peers)
        for number in range(10):
            self.assertEqual(budgets.wait_s(f"former {number}", 0.0), 0.0)
        return budgets

    def test_C3_in_the_order_of_asking(self) -> None:
        """A tenth of a second apart; each is served when it was told, and not before."""
        budgets = self.make()
        waits = [budgets.wait_s(peer, 0.0) for peer in range(5)]
        for number, wait_s in enumerate(waits):
            self.assertAlmostEqual(wait_s, 0.1 * (number + 1))
            self.assertAlmostEqual(budgets.wait_s(number, wait_s - 0.05), 0.05)
        self.assertEqual([budgets.wait_s(n, waits[n]) for n in range(5)], [0.0] * 5)

    def test_C3_asking_again_and_again_brings_nothing_forward(self) -> None:
        """And takes nothing from anybody: a turn is one."""
        budgets = self.make()
        for _ in range(1000):
            self.assertAlmostEqual(budgets.wait_s("flooder", 0.0), 0.1)
        self.assertAlmostEqual(budgets.wait_s("honest", 0.0), 0.2)

    def test_C3_members_do_not_wait_for_strangers(self) -> None:
        """A quarter of the rate is theirs, beside what all have."""
        budgets = self.make()
        for peer in range(50):
            budgets.wait_s(peer, 0.0)
        served = sum(budgets.wait_s(f"member {n}", 0.0, member=True) == 0.0 for n in range(10))
        self.assertEqual(served, 2)
        served = sum(budgets.wait_s(f"late {n}", 1.0, member=True) == 0.0 for n in range(10))
        self.assertEqual(served, 2)

    def test_C3_a_member_that_floods_has_no_more_than_one_peer(self) -> None:
        """Its own bucket is asked first."""
        budgets = Budgets(Rate(5.0, 5.0), Rate(100.0, 100.0))
        served = sum(budgets.wait_s("member", 0.0, member=True) == 0.0 for _ in range(1000))
        self.assertEqual(served, 5)

    def test_C6_turns_are_bounded(self) -> None:
        """Where too many wait the next has to ask again; those who went away make room."""
        budgets = self.make(max_peers=20)
        waits = [budgets.wait_s(peer, 0.0) for peer in range(1000)]
        self.assertEqual(len(budgets._turns_s), 20)
        self.assertAlmostEqual(max(waits), 2.1)
        for peer in range(1000, 2000):
            budgets.wait_s(peer, 1.0)
        self.assertEqual(len(budgets._turns_s), 20)
        self.assertIn(1000, budgets._turns_s)
        self.assertAlmostEqual(budgets.wait_s(15, 1.0), 0.6)

    def test_D6_a_clock_set_back_ends_the_waits(self) -> None:
        """Nobody waits until the clock comes round again."""
        budgets = self.make()
        self.assertAlmostEqual(budgets.wait_s("peer", 0.0), 0.1)
        self.assertEqual(budgets.wait_s("peer", -3600.0), 0.0)
        self.assertLess(budgets.wait_s("peer", -3600.0), 1.0)
