"""What waits for a peer that reads slowly, on one connection of whatever protocol."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import StreembitError
from streembit.net.backlog import Backlog
from streembit.net.queue import Queue

LIMIT_BYTES = 100


class Owner:
    """A connection that notes for what it was refused."""

    def __init__(self) -> None:
        self.refusals: list[str] = []

    def refuse(self, error: StreembitError) -> None:
        """Note it."""
        self.refusals.append(str(error))


class QueueTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.owner, self.backlog = Owner(), Backlog()
        self.queue = Queue(self.owner, LIMIT_BYTES, self.backlog)

    def test_nothing_waits_before_the_transport_is_full(self) -> None:
        """And it goes on being full while it says so again."""
        self.assertFalse(self.queue.is_full)
        self.queue.begin()
        self.assertTrue(self.queue.is_full)
        self.assertTrue(self.queue.add(60))
        self.queue.begin()
        self.assertEqual((self.queue.size_bytes, self.backlog.total_bytes), (60, 60))

    def test_crowded_is_more_than_half(self) -> None:
        """What can wait is not sent then."""
        self.queue.begin()
        self.queue.add(LIMIT_BYTES // 2)
        self.assertFalse(self.queue.is_crowded)
        self.queue.add(1)
        self.assertTrue(self.queue.is_crowded)

    def test_a_queue_that_is_too_long_ends_its_connection(self) -> None:
        """With its length; what was too much is not counted among all."""
        self.queue.begin()
        self.assertTrue(self.queue.add(LIMIT_BYTES))
        self.assertFalse(self.queue.add(1))
        self.assertEqual(self.owner.refusals, ["slow-reader queued_bytes=101"])
        self.assertEqual(self.backlog.total_bytes, LIMIT_BYTES)

    def test_when_all_is_sent_nothing_waits(self) -> None:
        """Here nor among all queues, and the count begins anew."""
        self.queue.begin()
        self.queue.add(60)
        self.queue.end()
        self.assertEqual((self.queue.is_full, self.backlog.total_bytes), (False, 0))
        self.queue.begin()
        self.assertTrue(self.queue.add(60))
        self.queue.forget()
        self.assertEqual((self.queue.size_bytes, self.backlog.total_bytes), (60, 0))
