"""The stream of events: nothing is told twice or left out in silence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadName, NotReady
from streembit.service.feed import KEPT, KEPT_CHARS, MAX_ANSWER, MAX_WAITING, Feed
from streembit.service.people_events import MAX_WAIT_S, Arrived, Events, Notice, Signal
from streembit.service.people_rows import MessageRow

RUN = 0xC0FFEE


def notice(number: int) -> Notice:
    return Notice("test", str(number))


def texts(events: Events) -> list[str]:
    told = (happened.event for happened in events.events)
    return [event.text for event in told if isinstance(event, Notice)]


class FeedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.feed = Feed(self.clock, RUN)

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def after(self, position: str, wait_s: float = 0) -> Events:
        found: Events = self.successResultOf(self.feed.after(position, wait_s))
        return found

    def waiting(self, position: str, wait_s: float = 10) -> Deferred[Events]:
        return Deferred.fromCoroutine(self.feed.after(position, wait_s))

    def test_a_client_begins_now_and_goes_on(self) -> None:
        """What happened before its first question is not told; all after it is, once."""
        self.feed.tell(notice(1))
        begun = self.after("")
        self.assertEqual((begun.events, begun.lost), ([], False))
        for number in (2, 3):
            self.feed.tell(notice(number))
        found = self.after(begun.next)
        self.assertEqual((texts(found), found.lost), (["2", "3"], False))
        self.assertEqual(texts(self.after(found.next)), [])
        self.assertEqual(texts(self.after(found.events[0].position)), ["3"])

    def test_who_waits_is_answered_by_the_next_event(self) -> None:
        """Several clients wait, and each hears of it at once."""
        start = self.after("").next
        waiting = [self.waiting(start), self.waiting("")]
        for each in waiting:
            self.assertNoResult(each)
        self.clock.advance(3)
        self.feed.tell(notice(1))
        for each in waiting:
            found = self.successResultOf(each)
            self.assertEqual((texts(found), found.events[0].at), (["1"], 3.0))

    def test_a_wait_ends_empty(self) -> None:
        """After the time, and never later than the most that is allowed."""
        start = self.after("").next
        waiting = self.waiting(start, 10_000)
        self.clock.advance(MAX_WAIT_S - 0.1)
        self.assertNoResult(waiting)
        self.clock.advance(0.1)
        self.assertEqual(self.successResultOf(waiting), Events(start, False, []))

    def test_a_client_that_leaves_is_forgotten(self) -> None:
        """Its wait is cancelled and holds no timer."""
        waiting = self.waiting("")
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.feed.tell(notice(1))

    def test_another_run_of_the_node_is_told_as_a_loss(self) -> None:
        """A position from before a restart is answered at once, with all that is known."""
        old = self.after("").next
        self.feed = Feed(self.clock, RUN + 1)
        self.feed.tell(notice(1))
        for position in (old, f"{RUN + 1:08x}-2"):
            found = self.after(position, 10)
            self.assertEqual((texts(found), found.lost), (["1"], True))
            self.assertFalse(self.after(found.next).lost)

    def test_what_is_no_position_is_refused(self) -> None:
        """Nothing is guessed."""
        for text in ("1", "x-1", "00c0ffee-", "00C0FFEE-1", "00c0ffee-1\n", "00c0ffee--1"):
            self.failureResultOf(self.waiting(text), BadName)

    def test_B6_memory_and_waits_are_bounded(self) -> None:
        """Old events give way, an answer has a most, and so many clients may wait."""
        start = self.after("").next
        for number in range(KEPT + 1):
            self.feed.tell(notice(number))
        found = self.after(start)
        self.assertEqual((len(found.events), found.lost), (MAX_ANSWER, True))
        self.assertEqual(texts(found)[0], "1")
        waiting = [self.waiting("") for _ in range(MAX_WAITING)]
        self.failureResultOf(self.waiting(""), NotReady)
        self.feed.stop()
        for each in waiting:
            self.successResultOf(each)

    def test_B6_long_messages_take_no_more_room(self) -> None:
        """They push out the older ones sooner, and that is told as a loss."""
        start = self.after("").next
        message = MessageRow("A" * 22, 1, "02" + "ab" * 32, False, "", 0, 0, "delivered")
        for number in range(200):
            self.feed.tell(Arrived(replace(message, number=number + 1, text="x" * 16_384)))
        found = self.after(start)
        self.assertTrue(found.lost)
        self.assertEqual(len(found.events), KEPT_CHARS // 16_384)
        for _ in range(200):
            self.feed.tell(Signal("02" + "ab" * 32, "A" * 22, "offer", "x" * 16_384))
        found = self.after(found.next)
        self.assertEqual((len(found.events), found.lost), (KEPT_CHARS // 16_384, True))
        for number in range(KEPT):
            self.feed.tell(notice(number))
        self.assertEqual(texts(self.after(found.next))[0], "0")

    @given(st.lists(st.integers(0, 400), max_size=8))
    def test_whoever_follows_misses_nothing(self, bursts: list[int]) -> None:
        """Whatever comes between two questions, all is told in order, or the loss is."""
        feed, told, heard, lost = Feed(Clock(), RUN), 0, list[str](), False
        position = self.successResultOf(feed.after("", 0)).next
        for burst in bursts:
            for _ in range(burst):
                told += 1
                feed.tell(notice(told))
            found = self.successResultOf(feed.after(position, 0))
            position, lost = found.next, lost or found.lost
            heard += texts(found)
        while found := self.successResultOf(feed.after(position, 0)).events:
            position = found[-1].position
            heard += [e.event.text for e in found if isinstance(e.event, Notice)]
        self.assertEqual(heard, sorted(set(heard), key=int))
        if not lost:
            self.assertEqual(heard, [str(number + 1) for number in range(told)])
