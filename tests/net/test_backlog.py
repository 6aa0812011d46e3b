"""What waits for slow peers on all links together stays bounded, at the cost of the slowest."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import StreembitError
from streembit.net.backlog import Backlog
from tests.net.pair import Pair


class Slow:
    """A link that only counts."""

    def __init__(self) -> None:
        self.refusals: list[str] = []

    def refuse(self, error: StreembitError) -> None:
        self.refusals.append(error.code)


class BacklogTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.backlog = Backlog(limit_bytes=1000)
        self.one, self.two, self.three = Slow(), Slow(), Slow()

    def ended(self) -> list[bool]:
        """Return who was ended, each once at most."""
        return [slow.refusals == ["slow-reader"] for slow in (self.one, self.two, self.three)]

    def test_C8_up_to_the_bound_nobody_is_ended(self) -> None:
        """To the last byte."""
        for _ in range(5):
            self.backlog.add(self.one, 100)
            self.backlog.add(self.two, 100)
        self.assertEqual((self.ended(), self.backlog.total_bytes), ([False] * 3, 1000))

    def test_C8_the_longest_queue_goes_whoever_adds(self) -> None:
        """One byte more ends the slowest, and its queue is no more."""
        for link, size_bytes in ((self.one, 300), (self.two, 450), (self.three, 250)):
            self.backlog.add(link, size_bytes)
        self.backlog.add(self.one, 1)
        self.assertEqual((self.ended(), self.backlog.total_bytes), ([False, True, False], 551))

    def test_C8_as_many_go_as_it_takes(self) -> None:
        """Also the one that adds, where it waits for most."""
        for link in (self.one, self.two):
            self.backlog.add(link, 400)
        self.backlog.add(self.three, 2000)
        self.assertEqual((self.ended(), self.backlog.total_bytes), ([False, False, True], 800))
        self.backlog.limit_bytes = 100
        self.backlog.add(self.one, 1)
        self.assertEqual((self.ended(), self.backlog.total_bytes), ([True] * 3, 0))

    def test_C8_what_has_left_counts_no_more(self) -> None:
        """And may be told twice."""
        for _ in range(100):
            self.backlog.add(self.one, 900)
            self.assertEqual(self.backlog.remove(self.one), 900)
            self.assertEqual(self.backlog.remove(self.one), 0)
        self.assertEqual((self.ended(), self.backlog.total_bytes), ([False] * 3, 0))


class LinkTests(SynchronousTestCase):
    """Links that share one."""

    PAIRS = 10
    FRAME_BYTES = 10_000

    def setUp(self) -> None:
        clock = Clock()
        self.backlog = Backlog(limit_bytes=500_000)
        self.pairs = [Pair(clock, backlog=self.backlog).open() for _ in range(self.PAIRS)]
        for pair in self.pairs:
            pair.server.protocol.pauseProducing()

    def send(self, pair: Pair, frames: int) -> None:
        """Queue so many frames for a client that does not read, while its link is open."""
        for _ in range(frames):
            if pair.server.protocol.is_open:
                pair.server.protocol.send(bytes(self.FRAME_BYTES))

    def living(self) -> list[int]:
        """Return which of the links are open."""
        return [n for n, pair in enumerate(self.pairs) if pair.server.protocol.is_open]

    def test_C8_all_links_together_are_bounded(self) -> None:
        """Far below the bound of each link: the one for whom most waits is dropped, once."""
        for number, pair in enumerate(self.pairs):
            self.send(pair, 4)
            self.send(pair, number == 7)
        self.assertEqual(self.living(), list(range(self.PAIRS)))
        while len(self.living()) == self.PAIRS:
            self.send(self.pairs[0], 1)
            self.send(self.pairs[7], 2)
        self.assertEqual(self.living(), [n for n in range(self.PAIRS) if n != 7])
        self.assertEqual([c for _, c in self.pairs[7].server.owner.refusals], ["slow-reader"])
        self.assertTrue(self.pairs[7].server.transport.disconnected)
        self.assertLess(self.backlog.total_bytes, 450_000)

    def test_C8_who_adds_most_is_dropped_itself(self) -> None:
        """In the middle of writing."""
        for pair in self.pairs:
            self.send(pair, 3)
        self.send(self.pairs[3], 100)
        self.assertNotIn(3, self.living())
        self.assertEqual(len(self.living()), self.PAIRS - 1)

    def test_C8_a_queue_that_left_or_was_lost_counts_no_more(self) -> None:
        """However the link ended."""
        ends = (
            lambda pair: pair.server.protocol.resumeProducing(),
            lambda pair: pair.server.protocol.abort(),
            lambda pair: pair.server.lose(),
        )
        for pair, end in zip(self.pairs, ends, strict=False):
            self.send(pair, 4)
            self.assertGreater(self.backlog.total_bytes, 4 * self.FRAME_BYTES)
            end(pair)
            self.assertEqual(self.backlog.total_bytes, 0)

    def test_C8_what_waits_for_a_link_that_is_closing_counts_until_it_is_gone(self) -> None:
        """It may take the seconds that closing takes, and is thrown away where it is too much."""
        closing, other = self.pairs[:2]
        self.send(closing, 30)
        closing.server.protocol.close()
        self.assertGreater(self.backlog.total_bytes, 30 * self.FRAME_BYTES)
        self.send(other, 25)
        self.assertTrue(other.server.protocol.is_open)
        self.assertTrue(closing.server.transport.disconnected)
        self.assertEqual(closing.server.owner.refusals, [])
        self.assertLess(self.backlog.total_bytes, 26 * self.FRAME_BYTES)
