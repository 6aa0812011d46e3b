"""Envelopes between processes of a hub: each is answered once, by the other or by the clock."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import MailboxDegraded
from streembit.service.hub.backplane import Routed
from streembit.service.hub.redis.routes import TAKEN_WITHIN_S, Routes


class RoutesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.sent: list[tuple[int, str, bytes]] = []
        self.told: list[tuple[str, str]] = []
        self.got: list[tuple[str, bytes]] = []
        self.heard = 1  # how many processes hear what is sent
        self.takes: Routed = "taken"
        self.routes = Routes(self.clock, self.send, self.answer, self.take)

    def send(self, number: int, recipient: str, token: bytes) -> Deferred[Any]:
        self.sent.append((number, recipient, token))
        return succeed(self.heard)

    def answer(self, process: str, answers: str) -> None:
        self.told.append((process, answers))

    def take(self, recipient: str, token: bytes) -> Routed:
        self.got.append((recipient, token))
        return self.takes

    def test_the_answer_counts(self) -> None:
        """Taken or not, each by its number, in whatever order; a second answer is none."""
        routed = [self.routes.route("bob", b"%d" % n) for n in range(3)]
        first, second, third = (number for number, _, _ in self.sent)
        self.routes.answered(b"%d- %d+" % (second, first))
        self.routes.answered(b"%d+ %d- 99+" % (second, first))
        self.assertEqual([self.successResultOf(each) for each in routed[:2]], ["taken", "gone"])
        self.assertNoResult(routed[2])
        self.routes.answered(b"%d~" % third)
        self.assertEqual(self.successResultOf(routed[2]), "busy")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_nobody_has_is_gone_at_once(self) -> None:
        """And so is who cannot be asked for."""
        self.heard = 0
        self.assertEqual(self.successResultOf(self.routes.route("bob", b"x")), "gone")
        failing: Deferred[Any] = Deferred()
        failing.errback(MailboxDegraded("away"))
        routes = Routes(self.clock, lambda *_: failing, self.answer, self.take)
        self.assertEqual(self.successResultOf(routes.route("bob", b"x")), "gone")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_an_answer_that_is_late_is_none(self) -> None:
        """The envelope is gone after its time; what comes then changes nothing."""
        routed = self.routes.route("bob", b"x")
        self.clock.advance(TAKEN_WITHIN_S - 0.01)
        self.assertNoResult(routed)
        self.clock.advance(0.01)
        self.assertEqual(self.successResultOf(routed), "gone")
        self.routes.answered(b"1+")

    def test_C6_so_many_are_under_way_at_most(self) -> None:
        """One more is gone at once; when one is answered, there is room."""
        routes = Routes(self.clock, self.send, self.answer, self.take, limit=3)
        for number in range(3):
            self.assertNoResult(routes.route("bob", b"%d" % number))
        self.assertEqual(self.successResultOf(routes.route("bob", b"x")), "gone")
        routes.answered(b"2+")
        self.assertNoResult(routes.route("bob", b"x"))

    def test_what_comes_in_a_turn_is_answered_together(self) -> None:
        """Each process is told of its own, in one message."""
        self.routes.came(b"4", b"one", b"bob", b"token four")
        self.takes = "gone"
        self.routes.came(b"5", b"one", b"eve", b"token five")
        self.takes = "busy"
        self.routes.came(b"4", b"other", b"bob", b"token")
        self.assertEqual(self.told, [])
        self.clock.advance(0)
        self.assertEqual(self.told, [("one", "4+ 5-"), ("other", "4~")])
        self.assertEqual(self.got[0], ("bob", b"token four"))
        self.assertEqual(self.clock.getDelayedCalls(), [])
