"""The pace: so many at a time, so many requests a second, the urgent first, nothing left over."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import NoPeers, NotReady
from streembit.net.budget import Rate
from streembit.service.people.pace import EXPECTED, Pace


@dataclass
class Cost:
    """A result that cost so many requests."""

    requests: int


class PaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.asked = 0
        self.pace = Pace(
            self.clock, lambda: self.asked, at_once=2, requests=Rate(2.0 * EXPECTED, 4.0 * EXPECTED)
        )
        self.begun: list[str] = []
        self.waiting: dict[str, Deferred[Cost]] = {}
        self.addCleanup(self._still)

    def _still(self) -> None:
        self.pace.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def work(self, name: str, *, urgent: bool = False) -> Deferred[Cost]:
        """Queue a piece of work that ends when its Deferred in `waiting` fires."""

        async def do() -> Cost:
            self.begun.append(name)
            self.waiting[name] = Deferred()
            return await self.waiting[name]

        return self.pace.run(do, urgent=urgent)

    def end(self, name: str, requests: int = EXPECTED) -> None:
        """Let a piece of work succeed."""
        self.asked += requests
        self.waiting.pop(name).callback(Cost(requests))
        self.clock.advance(0)

    def test_so_many_at_a_time(self) -> None:
        """The next begins when one has ended, however it ended."""
        done = [self.work(name) for name in "abcd"]
        self.assertEqual(self.begun, ["a", "b"])
        self.end("a")
        self.assertEqual(self.begun, ["a", "b", "c"])
        self.waiting.pop("b").errback(NoPeers())
        self.clock.advance(0)
        self.assertEqual(self.begun, ["a", "b", "c", "d"])
        self.assertEqual(self.successResultOf(done[0]), Cost(EXPECTED))
        self.failureResultOf(done[1], NoPeers)

    def test_the_urgent_goes_first(self) -> None:
        """Of what waits, not of what runs."""
        for name in "abc":
            self.work(name)
        self.work("urgent", urgent=True)
        self.end("a")
        self.assertEqual(self.begun, ["a", "b", "urgent"])

    def test_what_is_patient_is_not_forgotten(self) -> None:
        """While both wait, each has every second turn."""
        for name in "ab":
            self.work(name)
        for name in ("patient 1", "patient 2"):
            self.work(name)
        for name in ("urgent 1", "urgent 2", "urgent 3"):
            self.work(name, urgent=True)
        for _ in range(5):
            self.end(self.begun[-1], 0)
        urgent = ("urgent 1", "patient 1", "urgent 2", "patient 2", "urgent 3")
        self.assertEqual(tuple(self.begun[2:]), urgent)

    def test_so_many_requests_a_second(self) -> None:
        """What was less than expected is given back, what was more is taken."""
        for name in "abcdefg":
            self.work(name)
        for name in "abcd":
            self.end(name)
        self.assertEqual(self.begun, list("abcd"))
        self.clock.advance(0.51)
        self.assertEqual(self.begun, list("abcde"))
        self.end("e", requests=2 * EXPECTED)
        self.clock.advance(0.51)
        self.assertEqual(self.begun, list("abcde"))
        self.clock.advance(0.51)
        self.assertEqual(self.begun, list("abcdef"))
        self.end("f", requests=0)
        self.clock.advance(0.01)
        self.assertEqual(self.begun, list("abcdefg"))

    def test_what_the_node_asks_beside(self) -> None:
        """It takes of the same rate."""
        self.asked = 3 * EXPECTED
        for name in "abc":
            self.work(name)
        self.assertEqual(self.begun, ["a"])
        self.clock.advance(0.51)
        self.assertEqual(self.begun, ["a", "b"])

    def test_who_waits_no_more_has_nothing_done(self) -> None:
        """What was given up in the queue does not begin; what runs is cancelled."""
        running, _, queued = (self.work(name) for name in "abc")
        queued.cancel()
        self.failureResultOf(queued, CancelledError)
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.clock.advance(0)
        self.assertEqual(self.begun, ["a", "b"])
        self.assertEqual(len(self.pace), 1)

    def test_closed_it_does_nothing_more(self) -> None:
        """What runs and what waits ends, and nothing new begins."""
        done = [self.work(name) for name in "abc"]
        self.pace.close()
        for each in done:
            self.assertTrue(each.called)
        self.assertEqual(len(self.pace), 0)
        self.failureResultOf(self.work("late"), NotReady)
