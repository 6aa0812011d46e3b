"""Meeting through two routers: when to dial, and who plays which part."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.link.punch import (
    MAX_KNOCKS,
    RETRY_S,
    WINDOW_S,
    Knock,
    Knocking,
    Over,
    Wait,
    initiates,
    lead_s,
)
from tests.link.party import ALICE, BOB


class KnockingTests(SynchronousTestCase):
    def test_one_dial_until_it_is_refused(self) -> None:
        """The system repeats its packets itself; a refusal is answered by another dial."""
        knocking = Knocking(10.0)
        self.assertEqual(knocking.next(9.0), Wait(10.0))
        self.assertEqual(knocking.next(10.0), Knock())
        self.assertEqual(knocking.next(11.0), Wait(10.0 + WINDOW_S))
        knocking.refused(11.0)
        self.assertEqual(knocking.next(11.0), Wait(11.0 + RETRY_S))
        self.assertEqual(knocking.next(11.0 + RETRY_S), Knock())
        self.assertEqual(knocking.next(10.0 + WINDOW_S), Over())

    def test_what_is_refused_at_once_again_and_again(self) -> None:
        """Somebody's address is not flooded in a contact's name."""
        knocking, now_s, knocks = Knocking(0.0), 0.0, 0
        while not isinstance(todo := knocking.next(now_s), Over):
            if isinstance(todo, Wait):
                now_s = todo.until_s
            else:
                knocks += 1
                knocking.refused(now_s)
        self.assertEqual((knocks, now_s), (MAX_KNOCKS, WINDOW_S))

    @given(st.lists(st.integers(0, 20), max_size=40))
    def test_it_ends(self, delays: list[int]) -> None:
        """Whenever it is asked, and whatever is refused: no dial after its time."""
        knocking, now_s = Knocking(0.0), 0.0
        for tenths in delays:
            todo = knocking.next(now_s)
            self.assertEqual(isinstance(todo, Over), now_s >= WINDOW_S)
            if isinstance(todo, Knock):
                knocking.refused(now_s)
            now_s += tenths / 10


class PartTests(SynchronousTestCase):
    def test_one_of_two_begins(self) -> None:
        """Both come to the same result without a word."""
        one, other = ALICE.public, BOB.public
        self.assertNotEqual(initiates(one, other), initiates(other, one))

    def test_the_asked_side_waits_until_its_answer_has_arrived(self) -> None:
        """Half a round trip; two seconds at most, none where nothing was measured."""
        self.assertEqual((lead_s(0.3), lead_s(60.0), lead_s(None)), (0.15, 2.0, 0.0))
