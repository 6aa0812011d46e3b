"""The one timer of a connection."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.net.deadline import Deadline


class DeadlineTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.deadline = Deadline(self.clock)
        self.called: list[str] = []

    def test_it_calls_once(self) -> None:
        """At its time, and is not set any more when it does."""
        self.deadline.set(5.0, lambda: self.called.append(str(self.deadline.is_set)))
        self.assertTrue(self.deadline.is_set)
        self.clock.pump([4.9, 0.1, 60.0])
        self.assertEqual(self.called, ["False"])

    def test_only_the_last_thing_set_counts(self) -> None:
        """What was set before is forgotten; a time that is over means at once."""
        self.deadline.set(5.0, self.called.append, "one")
        self.deadline.set(-1.0, self.called.append, "two")
        self.clock.advance(0)
        self.assertEqual((self.called, self.clock.getDelayedCalls()), (["two"], []))

    def test_it_is_put_off(self) -> None:
        """Counted from now; what has happened, or was never set, is not brought back."""
        self.deadline.put_off(5.0)
        self.deadline.set(5.0, self.called.append, "x")
        self.clock.advance(4.0)
        self.deadline.put_off(5.0)
        self.clock.advance(4.0)
        self.assertEqual(self.called, [])
        self.clock.advance(1.0)
        self.deadline.put_off(5.0)
        self.clock.advance(60.0)
        self.assertEqual(self.called, ["x"])

    def test_it_is_cleared(self) -> None:
        """Twice, and after it has called; nothing is left behind."""
        self.deadline.set(5.0, self.called.append, "x")
        self.deadline.clear()
        self.assertFalse(self.deadline.is_set)
        self.deadline.set(5.0, self.called.append, "y")
        self.clock.advance(5.0)
        self.deadline.clear()
        self.deadline.clear()
        self.assertEqual((self.called, self.clock.getDelayedCalls()), (["y"], []))
