"""Work that is done again and again: rounds, failures, and an end that leaves nothing."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import NoPeers
from streembit.service.upkeep import Upkeep
from streembit.testing import MemoryClock


class UpkeepTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = MemoryClock(0.0)
        self.rounds: list[float] = []
        self.waiting: Deferred[None] | None = None

    def upkeep(self, chance: float = 0.5, first_s: float | None = None) -> Upkeep:
        """Return one of every 10 s, give or take 2."""
        upkeep = Upkeep(
            "work", self.clock, 10, self.work, lambda: chance, jitter_s=2, first_s=first_s
        )
        upkeep.startService()
        return upkeep

    def work(self) -> Deferred[None] | None:
        self.rounds.append(self.clock.seconds())
        return self.waiting

    def go_on(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def at(self, *moments: float) -> None:
        """Check when the rounds were."""
        self.assertEqual([round(moment, 1) for moment in self.rounds], list(moments))
        self.rounds.clear()

    def test_rounds_are_jittered(self) -> None:
        """The least chance makes them early, the most late."""
        for chance, moments in ((0.0, (8, 16, 24)), (0.5, (10, 20)), (0.75, (11, 22))):
            self.clock = MemoryClock(0.0)
            upkeep = self.upkeep(chance)
            self.go_on(25)
            self.at(*moments)
            upkeep.stopService()
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_first_round_may_be_at_once(self) -> None:
        """Where `first_s` says so."""
        self.upkeep(first_s=0)
        self.go_on(11)
        self.at(0, 10)

    def test_a_failure_skips_one_round(self) -> None:
        """Refusals are told, defects logged; both are over with the round."""
        errors: list[BaseException] = [NoPeers("nobody"), ZeroDivisionError("a defect")]

        def work() -> None:
            self.work()
            if errors:
                raise errors.pop(0)

        upkeep = Upkeep("work", self.clock, 10, work, lambda: 0.5)
        upkeep.startService()
        self.go_on(31)
        self.at(10, 20, 30)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(upkeep.rounds, 3)

    def test_a_long_round_delays_the_next(self) -> None:
        """Never two at a time."""
        self.waiting = Deferred()
        upkeep = self.upkeep()
        self.go_on(35)
        self.at(10)
        upkeep.soon()
        waiting, self.waiting = self.waiting, None
        waiting.callback(None)
        self.go_on(11)
        self.at(45)

    def test_soon_and_next_in(self) -> None:
        """A round can be brought forward or put off, once."""
        upkeep = self.upkeep()
        upkeep.soon()
        self.go_on(1)
        self.at(0)
        upkeep.next_in(30)
        self.go_on(45)
        self.at(31, 41)

    def test_next_in_within_a_round_holds_for_the_next(self) -> None:
        """So a round that failed says itself when to try again."""
        calls: list[Callable[[], None]] = []

        def work() -> None:
            self.work()
            if calls:
                calls.pop()()

        upkeep = Upkeep("work", self.clock, 10, work, lambda: 0.5)
        calls.append(lambda: upkeep.next_in(3))
        upkeep.startService()
        self.go_on(24)
        self.at(10, 13, 23)

    def test_within_brings_forward_and_puts_nothing_off(self) -> None:
        """Also when it is said in a round: then the time counts from there."""
        upkeep = self.upkeep()
        upkeep.within(30)
        self.go_on(11)
        self.at(10)
        upkeep.within(4)
        self.go_on(5)
        self.at(15)
        self.waiting = Deferred()
        self.go_on(10)
        self.at(25)
        for delay_s in (7, 3, 5):
            upkeep.within(delay_s)
        self.go_on(2)
        waiting, self.waiting = self.waiting, None
        waiting.callback(None)
        self.go_on(15)
        self.at(29, 39)

    def test_S5_an_end_cancels_the_round(self) -> None:
        """It is not waited for longer than it needs to end, and is no failure."""
        self.waiting = Deferred()
        upkeep = self.upkeep()
        self.go_on(10.5)
        stopped = upkeep.stopService()
        assert stopped is not None
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_an_end_before_the_first_round(self) -> None:
        """Nothing is left on the clock, and nothing comes later."""
        upkeep = self.upkeep()
        self.assertIsNone(upkeep.stopService())
        upkeep.soon()
        upkeep.next_in(1)
        self.go_on(20)
        self.at()
