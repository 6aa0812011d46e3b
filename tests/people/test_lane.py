"""Work for the disk: short work at once while the disk is quick, all else elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import DiskFull
from streembit.service.people.lane import SLOW_FOR_S, SLOW_S, Lane

T = TypeVar("T")


class LaneTests(SynchronousTestCase):
    """A lane whose threads never come to anything."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.elsewhere: list[object] = []
        self.lane = Lane(self.put_off, self.clock)

    def put_off(self, work: Callable[[], T], /) -> Deferred[T]:
        self.elsewhere.append(work)
        return Deferred()

    def take(self, seconds: float) -> Callable[[], str]:
        """Return work that takes so long."""

        def work() -> str:
            self.clock.advance(seconds)
            return "done"

        return work

    def test_short_work_is_done_at_once(self) -> None:
        """While it is short; what waits for the disk never is."""
        for _ in range(3):
            self.assertEqual(self.successResultOf(self.lane.brief(self.take(SLOW_S / 2))), "done")
        self.assertEqual(self.elsewhere, [])
        self.assertNoResult(self.lane.run(self.take(0)))
        self.assertEqual(len(self.elsewhere), 1)

    def test_a_slow_disk_gets_a_thread(self) -> None:
        """Once it was slow, for some time."""
        self.assertEqual(self.successResultOf(self.lane.brief(self.take(2 * SLOW_S))), "done")
        self.assertNoResult(self.lane.brief(self.take(0)))
        self.clock.advance(SLOW_FOR_S)
        self.successResultOf(self.lane.brief(self.take(0)))
        self.assertEqual(len(self.elsewhere), 1)

    def test_what_goes_wrong_is_told_the_same_way(self) -> None:
        """As a failure, not as an exception."""

        def fail() -> None:
            raise DiskFull

        self.failureResultOf(self.lane.brief(fail), DiskFull)
