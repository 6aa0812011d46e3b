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
        """A thousand flooders get 4,000 checks, whoever they are."""
        budgets = Budgets()
        served = sum(budgets.wait_s(peer, 0.0) == 0.0 for _ in range(20) for peer in range(1000))
        self.assertEqual(served, 4000)
        self.assertAlmostEqual(budgets.wait_s("next", 0.0), 1 / 4000)

    def test_C3_who_is_refused_pays_nothing(self) -> None:
        """Asking in vain takes no tokens of the others."""
        budgets = Budgets(Rate(1.0, 1.0), Rate(10.0, 10.0))
        for _ in range(100):
            budgets.wait_s("flooder", 0.0)
        served = sum(budgets.wait_s(peer, 0.0) == 0.0 for peer in range(20))
        self.assertEqual(served, 9)
