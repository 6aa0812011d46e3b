"""Work in the background: bounded, alone with its failures, and gone when the node is."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import PeerGone
from streembit.service.errands import Errands


class ErrandsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.errands = Errands(limit=3)
        self.waiting: list[Deferred[None]] = []
        self.ended: list[str] = []

    async def work(self) -> None:
        """Wait until the test lets it go on."""
        self.waiting.append(Deferred())
        try:
            await self.waiting[-1]
        finally:
            self.ended.append("")

    async def go_wrong(self, error: Exception) -> None:
        """Go wrong at once."""
        raise error

    def test_each_runs_until_it_is_done(self) -> None:
        """What ends at once is never counted."""
        for _ in range(2):
            self.assertTrue(self.errands.start(self.work))
        self.assertTrue(self.errands.start(lambda: self.go_wrong(PeerGone())))
        self.assertEqual(len(self.errands), 2)
        self.waiting[0].callback(None)
        self.assertEqual((len(self.errands), len(self.ended)), (1, 1))

    def test_C6_one_too_many_is_not_even_begun(self) -> None:
        """Until another has ended."""
        for _ in range(3):
            self.errands.start(self.work)
        self.assertFalse(self.errands.start(self.work))
        self.assertEqual(len(self.waiting), 3)
        self.waiting[1].callback(None)
        self.assertTrue(self.errands.start(self.work))

    def test_what_goes_wrong_concerns_nobody(self) -> None:
        """A peer's fault is no news; a defect of ours is logged, and the place is free again."""
        self.errands.start(self.work)
        self.waiting[0].errback(PeerGone())
        self.assertEqual(self.flushLoggedErrors(), [])
        self.errands.start(lambda: self.go_wrong(ZeroDivisionError()))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.errands), 0)

    def test_S5_the_end_cancels_all_and_waits_for_them(self) -> None:
        """And nothing begins afterwards."""
        for _ in range(3):
            self.errands.start(self.work)
        self.successResultOf(self.errands.stop())
        self.assertEqual((len(self.ended), len(self.errands)), (3, 0))
        self.assertFalse(self.errands.start(self.work))
        self.assertEqual(len(self.waiting), 3)

    def test_S5_the_end_waits_for_what_cleans_up(self) -> None:
        """An errand that has something to do when it is cancelled does it."""
        cleaning: Deferred[None] = Deferred()

        async def tidy() -> None:
            try:
                await self.work()
            finally:
                await cleaning

        self.errands.start(tidy)
        stopped = self.errands.stop()
        self.assertNoResult(stopped)
        cleaning.callback(None)
        self.successResultOf(stopped)
