"""An errand at a router: questions repeated, protocols tried in turn, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import MappingRefused, NoRouter
from streembit.router import natpmp, pcp
from streembit.router.lease import MIN_RENEWAL_S, Epoch, Lease, Place, renewal_s
from streembit.router.talk import MAX_HEARD, WAITS_S, Send, Talk, Told, Wait, Way
from streembit.router.terms import LEASE_S, Mapped, Question, Said, Want
from tests.router.box import HOST, Box

OWN, ROUTER = "192.168.1.2", "192.168.1.1"
PORT = 8905
START_S = 1_000_000.0


class TalkCase(SynchronousTestCase):
    """A router, and somebody who wants a port of it."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START_S)
        self.box = Box(self.clock)
        self.lease = Lease(Place(ROUTER, OWN), b"secret")

    def end(self, talk: Talk, answer: Callable[[bytes], bytes | None] | None = None) -> Told:
        """Return how a talk ends with a router that answers so, at once or not at all."""
        answer = answer or (lambda datagram: self.box.answer(datagram, OWN))
        while True:
            match talk.next(self.clock.seconds()):
                case Told() as told:
                    return told
                case Wait(until_s):
                    self.clock.advance(until_s - self.clock.seconds())
                case Send(datagram):
                    if (back := answer(datagram)) is not None:
                        talk.receive(back)

    def map(self, wanted: int = PORT) -> Mapped:
        """Return what the router gives us."""
        told = self.end(self.lease.take(PORT, wanted))
        return self.lease.took(told, self.clock.seconds())

    def holds(self) -> bool:
        """Tell whether a look says that it is still ours."""
        talk = self.lease.look()
        assert talk is not None
        return self.lease.holds(self.end(talk), self.clock.seconds())


class TalkTests(TalkCase):
    def test_pcp_first(self) -> None:
        """One question and one answer, and nothing of NAT-PMP."""
        self.assertEqual(self.map(), Mapped(HOST, PORT, LEASE_S, "PCP"))
        self.assertEqual(len(self.box.asked), 1)

    def test_a_router_that_says_it_knows_no_pcp(self) -> None:
        """Is asked by NAT-PMP at once."""
        self.box.speaks = {"NAT-PMP"}
        self.assertEqual(self.map(), Mapped(HOST, PORT, LEASE_S, "NAT-PMP"))
        self.assertEqual([d[:2].hex() for d in self.box.asked], ["0201", "0002", "0000"])
        self.assertEqual(self.clock.seconds(), START_S)

    def test_a_router_that_is_silent_to_pcp(self) -> None:
        """Is asked by NAT-PMP after four tries."""
        self.box.speaks, self.box.tells = {"NAT-PMP"}, False
        self.assertEqual(self.map().by, "NAT-PMP")
        self.assertEqual(self.clock.seconds(), START_S + sum(WAITS_S))

    def test_silence(self) -> None:
        """Each question is repeated at the times that are written down, and then it is over."""
        sent: list[float] = []

        def hear(_: bytes) -> None:
            sent.append(self.clock.seconds() - START_S)

        with self.assertRaises(NoRouter):
            self.end(self.lease.take(PORT, PORT), hear)
        self.assertEqual(sent, [0, 0.25, 0.75, 1.75, 3.75, 4.0, 4.5, 5.5])
        self.assertEqual(self.clock.seconds() - START_S, 7.5)

    def test_one_that_knows_neither(self) -> None:
        """Says so, and nothing is repeated."""
        self.box.speaks = {"NAT-PMP"}
        says_no = Box(self.clock, {"PCP"})

        def answer(datagram: bytes) -> bytes | None:
            return (self.box if datagram[0] == pcp.VERSION else says_no).answer(datagram, OWN)

        with self.assertRaises(NoRouter):
            self.end(self.lease.take(PORT, PORT), answer)
        self.assertEqual(self.clock.seconds(), START_S)

    def test_a_refusal(self) -> None:
        """Ends it: what a router does not want by one protocol, it is not asked for by another."""
        for speaks, protocol in (("PCP", "PCP"), ("NAT-PMP", "NAT-PMP")):
            self.box.speaks = {speaks}
            self.box.result = 2
            with self.assertRaises(MappingRefused) as refused:
                self.map()
            self.assertEqual(refused.exception.detail, f"by {protocol}: it is told not to (code 2)")

    def test_after_a_refusal_nothing_is_taken(self) -> None:
        """Whatever else the router says then."""
        self.box.speaks, self.box.result = {"PCP"}, 2
        talk = self.lease.take(PORT, PORT)
        step = talk.next(START_S)
        assert isinstance(step, Send)
        for speaks in ("PCP", "NAT-PMP"):
            self.box.speaks = {speaks}
            answer = self.box.answer(step.datagram, OWN)
            assert answer is not None
            talk.receive(answer)
            with self.assertRaises(MappingRefused):
                talk.next(START_S)

    def test_what_several_answers_say_is_put_together(self) -> None:
        """In whichever order; and what was said by a protocol that was given up is forgotten."""
        want = Want(OWN, b"twelve bytes", PORT, PORT)
        port: Question = natpmp.Port(want)
        address: Question = natpmp.Address()
        for questions in ([port, address], [address, port]):
            said = self.end(Talk([Way("NAT-PMP", questions)])).said
            self.assertEqual((said.host, said.port, said.lease_s), (HOST, PORT, LEASE_S))
        ways = [Way("NAT-PMP", [port, address]), Way("PCP", [pcp.Clock(OWN)])]
        self.box.tells = False

        def answer(datagram: bytes) -> bytes | None:
            return None if datagram == address.request else self.box.answer(datagram, OWN)

        self.assertEqual(self.end(Talk(ways), answer).said, Said(self.box.epoch_s))

    def test_an_answer_that_is_lost(self) -> None:
        """The question is repeated; who answers twice does no harm."""
        lost = [True]

        def answer(datagram: bytes) -> bytes | None:
            back = self.box.answer(datagram, OWN)
            return None if lost and lost.pop() else back

        self.box.speaks, self.box.tells = {"NAT-PMP"}, False
        told = self.end(self.lease.take(PORT, PORT), answer)
        self.assertEqual(told.said.port, PORT)

    def test_the_answer_to_the_question_before(self) -> None:
        """Comes late, and is passed over."""
        self.box.speaks, self.box.tells = {"NAT-PMP"}, False
        talk, last = self.lease.take(PORT, PORT), [b""]

        def answer(datagram: bytes) -> bytes | None:
            back = self.box.answer(datagram, OWN)
            if datagram == natpmp.Address().request:
                talk.receive(last[0])
            last[0] = back or b""
            return back

        self.assertEqual(self.end(talk, answer).said.host, HOST)

    def test_what_is_not_asked_is_not_heard(self) -> None:
        """Before the first question, and after the last answer."""
        talk = self.lease.take(PORT, PORT)
        question = Lease(self.lease.place, b"secret").take(PORT, PORT).next(0.0)
        assert isinstance(question, Send)
        answer = self.box.answer(question.datagram, OWN)
        assert answer is not None
        talk.receive(answer)
        self.assertIsInstance(talk.next(START_S), Send)
        talk.receive(answer)
        told = talk.next(START_S)
        talk.receive(answer)
        self.assertEqual(talk.next(START_S), told)

    def test_a_flood_is_not_read(self) -> None:
        """So much that is no answer, and nothing more is read for this errand."""

        def answer(datagram: bytes) -> bytes | None:
            for _ in range(MAX_HEARD):
                talk.receive(b"\x02\x81")
            return self.box.answer(datagram, OWN)

        talk = self.lease.take(PORT, PORT)
        with self.assertRaises(NoRouter):
            self.end(talk, answer)


class LeaseTests(TalkCase):
    def test_who_is_started_again_has_the_nonce_still(self) -> None:
        """It renews what it had before it was killed; nobody else does, at the same address."""
        self.map()
        self.lease = Lease(self.lease.place, b"secret")
        self.assertEqual(self.map().port, PORT)
        self.lease = Lease(self.lease.place, b"another secret")
        with self.assertRaises(MappingRefused):
            self.map()

    def test_nonces_tell_nothing_of_each_other(self) -> None:
        """Another router, another address, another port of ours: another nonce."""
        places = [self.lease.place, Place("192.168.1.9", OWN), Place(ROUTER, "192.168.1.9")]
        asked = [
            Lease(place, b"secret").take(port, PORT).next(0.0)
            for place in places
            for port in (PORT, PORT + 1)
        ]
        nonces = {step.datagram[24:36] for step in asked if isinstance(step, Send)}
        self.assertEqual(len(nonces), len(asked))

    def test_another_port_where_the_wanted_one_is_taken(self) -> None:
        """The router says which."""
        self.box.taken = {PORT}
        self.assertEqual(self.map().port, PORT + 1)

    def test_what_is_given_back(self) -> None:
        """Is closed, by the protocol that it was got by."""
        for speaks in ("PCP", "NAT-PMP"):
            self.box.speaks = {speaks}
            self.map()
            talk = self.lease.give_back()
            assert talk is not None
            self.assertEqual(self.end(talk).by, speaks)
            self.assertEqual(self.box.open, {})
            self.assertIsNone(self.lease.give_back())
            self.assertIsNone(self.lease.look())

    def test_a_router_that_goes_on(self) -> None:
        """What it gave is still ours, as long as it is looked after."""
        for speaks in ("PCP", "NAT-PMP"):
            self.box.speaks = {speaks}
            self.box.open.clear()
            self.map()
            for seconds in (1, 120, 1800):
                self.clock.advance(seconds)
                self.assertTrue(self.holds(), speaks)

    def test_a_router_that_was_started_anew(self) -> None:
        """Its clock went back: what it gave is lost, and can be had again."""
        for speaks in ("PCP", "NAT-PMP"):
            self.box.speaks = {speaks}
            self.box.open.clear()
            self.map()
            self.clock.advance(120)
            self.box.restart()
            self.assertFalse(self.holds(), speaks)
            self.map()
            self.assertTrue(self.holds(), speaks)
            self.assertEqual(len(self.box.open), 1)

    def test_another_address_outside(self) -> None:
        """NAT-PMP tells it; what others were told is wrong now."""
        self.box.speaks = {"NAT-PMP"}
        self.map()
        self.box.host = "203.0.113.9"
        self.assertFalse(self.holds())
        self.assertEqual(self.map().host, "203.0.113.9")


class EpochTests(SynchronousTestCase):
    """RFC 6887, section 8.5."""

    def goes_on(self, *told: tuple[float, int]) -> list[bool]:
        """Tell what is thought of each of these, our time and the router's."""
        epoch = Epoch()
        return [epoch.goes_on(theirs_s, ours_s) for ours_s, theirs_s in told]

    def test_a_clock_as_good_as_ours(self) -> None:
        """Seconds are whole there."""
        self.assertEqual(self.goes_on((0.9, 5), (1.1, 6), (100.5, 105)), [True] * 3)

    def test_a_clock_that_goes_wrong(self) -> None:
        """By less than a sixteenth: it is a clock. By more: it was set, or started anew."""
        for rate, expected in ((0.95, True), (1.05, True), (0.9, False), (1.1, False)):
            self.assertEqual(self.goes_on((0, 0), (1000, int(1000 * rate)))[1], expected, rate)

    def test_answers_that_overtake_each_other(self) -> None:
        """One second back is nothing; two are a start."""
        self.assertEqual(self.goes_on((0, 10), (0.1, 9)), [True, True])
        self.assertEqual(self.goes_on((0, 10), (0, 8)), [True, False])

    def test_two_seconds_more_or_less(self) -> None:
        """Beside the sixteenth."""
        for theirs_s, expected in ((7, False), (8, True), (12, True), (13, False)):
            self.assertEqual(self.goes_on((0, 0), (10, theirs_s))[1], expected, theirs_s)

    def test_what_was_told_last_counts(self) -> None:
        """Once it is known that the router was started anew, it goes on from there."""
        self.assertEqual(self.goes_on((0, 999), (60, 5), (120, 65)), [True, False, True])


class RenewalTests(SynchronousTestCase):
    def test_between_a_half_and_five_eighths(self) -> None:
        """Of the lease, as chance has it."""
        self.assertEqual([renewal_s(800, r) for r in (0.0, 0.5, 1.0)], [400, 450, 500])
        for one, other in pairwise([renewal_s(lease_s, 0.5) for lease_s in (100, 1000, LEASE_S)]):
            self.assertLess(one, other)

    def test_absurd_leases(self) -> None:
        """None so short that the router is asked all the time, none so long that it never is."""
        self.assertEqual(renewal_s(1, 0.0), MIN_RENEWAL_S)
        for lease_s in (0, LEASE_S, 2**32 - 1):
            self.assertEqual(renewal_s(lease_s, 0.0), LEASE_S / 2)
