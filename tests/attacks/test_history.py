"""The checks over a history see what they are made to see."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.rig.history import Event, History


def put(seq: int, at_s: float, value: str = "", name: str = "a") -> Event:
    """Return a put that took a second."""
    return Event("put", "owner", name, seq, value or f"v{seq}", at_s, at_s + 1)


def read(seq: int, at_s: float, value: str = "", name: str = "a") -> Event:
    """Return a read that took a second."""
    return Event("read", "owner", name, seq, value or f"v{seq}", at_s, at_s + 1)


class HistoryTests(SynchronousTestCase):
    def test_a_good_one(self) -> None:
        """Two slots, each read after it was put; puts that overlap may end in any order."""
        history = History([put(1, 0), put(3, 1), put(2, 1.5), read(1, 0.5), read(3, 3)])
        history.add(put(9, 0, name="b"))
        history.add(read(9, 2, name="b"))
        for check in (history.numbers_go_up, history.one_value_a_number):
            self.assertEqual(check(), [])
        self.assertEqual(history.nothing_acknowledged_is_lost(), [])
        self.assertEqual(len(list(history.lines())), 7)

    def test_a_number_used_twice_or_going_back(self) -> None:
        """Each pair is named."""
        self.assertEqual(len(History([put(2, 0), put(2, 2)]).numbers_go_up()), 1)
        self.assertEqual(len(History([put(2, 0), put(1, 2), put(3, 4)]).numbers_go_up()), 1)

    def test_two_values_of_one_number(self) -> None:
        """By two puts, or by a put and a read."""
        self.assertEqual(len(History([put(1, 0, "x"), put(1, 0, "y")]).one_value_a_number()), 1)
        self.assertEqual(len(History([put(1, 0, "x"), read(1, 2, "y")]).one_value_a_number()), 1)

    def test_what_was_lost(self) -> None:
        """Never read again, or read as it was before."""
        for events in ([put(1, 0)], [put(1, 0), read(1, 0.5)], [put(2, 0), read(1, 2)]):
            self.assertEqual(len(History(events).nothing_acknowledged_is_lost()), 1)
