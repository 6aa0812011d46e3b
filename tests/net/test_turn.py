"""What is sent while a connection is read leaves when that is over."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.net.turn import Turn


class Gatherer:
    """A connection that notes when it was told to write."""

    def __init__(self, turn: Turn, then: Gatherer | None = None) -> None:
        self.turn, self.then = turn, then
        self.left = 0

    def leave(self) -> None:
        """Note it; some have another connection read by that."""
        self.left += 1
        if self.then is not None:
            with self.turn:
                self.turn.add(self.then)


class TurnTests(SynchronousTestCase):
    """When a turn ends."""

    def setUp(self) -> None:
        self.turn = Turn()
        self.one = Gatherer(self.turn)

    def test_it_lasts_while_a_connection_is_read(self) -> None:
        """And not before or after."""
        self.assertFalse(self.turn.lasts)
        with self.turn:
            self.assertTrue(self.turn.lasts)
            self.turn.add(self.one)
            self.assertEqual(self.one.left, 0)
        self.assertFalse(self.turn.lasts)
        self.assertEqual(self.one.left, 1)

    def test_one_within_another_ends_with_it(self) -> None:
        """Reading one connection may have another read."""
        with self.turn:
            with self.turn:
                self.turn.add(self.one)
            self.assertEqual(self.one.left, 0)
        self.assertEqual(self.one.left, 1)

    def test_what_failed_ends_it_too(self) -> None:
        """Nothing that was gathered stays behind."""

        def fail() -> None:
            with self.turn:
                self.turn.add(self.one)
                raise ValueError

        self.assertRaises(ValueError, fail)
        self.assertEqual(self.one.left, 1)

    def test_writing_may_begin_another_turn(self) -> None:
        """Where the other end answers at once."""
        writer = Gatherer(self.turn, then=self.one)
        with self.turn:
            self.turn.add(writer)
        self.assertEqual((writer.left, self.one.left), (1, 1))
