"""Records are put again before the first of those who keep them drops them, and never too often."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.renewal import EVERY_S, LEAST_S, SPREAD, before_s, wait_s
from streembit.dht.store import StoreLimits

NOW_S = 1_700_000_000
chances = st.floats(0.0, 1.0, exclude_max=True)


@dataclass(frozen=True)
class Word:
    """A promise to keep a record."""

    exp: int


def words(*kept_s: int) -> list[Word]:
    """Return promises of so many seconds from now."""
    return [Word(NOW_S + each_s) for each_s in kept_s]


class RenewalTests(SynchronousTestCase):
    @given(st.lists(st.integers(-(10**9), 10**9)), chances)
    def test_never_too_often_and_never_too_late(self, kept_s: list[int], chance: float) -> None:
        """Whatever is promised: liars cost no more than two puts an hour."""
        after_s = wait_s(words(*kept_s), NOW_S, chance)
        self.assertGreaterEqual(after_s, LEAST_S)
        self.assertLessEqual(after_s, EVERY_S * (1 + SPREAD))

    @given(st.lists(st.integers(2 * int(LEAST_S), 10**9), min_size=1), chances)
    def test_before_the_first_drops_it(self, kept_s: list[int], chance: float) -> None:
        """With a tenth of the time to spare."""
        after_s = wait_s(words(*kept_s), NOW_S, chance)
        self.assertLessEqual(after_s, 0.9 * min(kept_s))

    @given(chances)
    def test_once_an_hour_where_it_is_kept_for_long(self, chance: float) -> None:
        """At a time of its own."""
        after_s = wait_s(words(86_400, 7_200), NOW_S, chance)
        self.assertEqual(after_s, EVERY_S * (1 + SPREAD * (2 * chance - 1)))

    def test_the_times_differ(self) -> None:
        """Also of those that are due early: none is known by its time."""
        times = {before_s(words(3600), NOW_S, chance / 10) for chance in range(10)}
        self.assertEqual((len(times), min(times)), (10, 2520.0))

    def test_the_least_is_less_than_what_honest_nodes_promise(self) -> None:
        """So nobody's record is missing for the sake of that bound."""
        self.assertLessEqual(2 * LEAST_S, StoreLimits().young_least_s)
