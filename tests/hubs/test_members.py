"""What one member does, or suffers, the others do not notice."""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import NotThere
from streembit.hub.grant import Grant
from streembit.net.budget import Rate
from streembit.net.gate import GateLimits
from streembit.service.hub.settings import (
    CROWDED_BYTES,
    MAX_BUSY,
    PARKED_BYTES,
    HubSettings,
)
from streembit.wire.hub import (
    Ack,
    DialBack,
    Dialled,
    Found,
    Get,
    Gone,
    Kept,
    MailName,
    Observe,
    Put,
    Refused,
    Seen,
)
from streembit.wire.message import ItemKind
from tests.hubs.house import (
    NETWORK,
    Guest,
    Held,
    House,
    flipped,
    identity,
    listed,
)


class MemberTests(SynchronousTestCase):
    """What one member does, the others do not notice."""

    def setUp(self) -> None:
        self.house = House(self)
        self.addCleanup(self.house.stop)
        self.bad, self.good = self.house.joined(1), self.house.joined(2)

    def assert_served(self) -> None:
        """The good member is served."""
        self.good.ask(Observe())
        self.house.run()
        self.assertIsInstance(self.good.answers()[-1], Seen)

    def test_C3_three_bad_signatures_end_the_session_and_discourage_the_address(self) -> None:
        """Each costs one check, and is answered but for the last."""
        house = House(self, gate=GateLimits())
        self.addCleanup(house.stop)
        bad = house.joined(1, host="203.0.113.1")
        before = house.hub.checks
        for _ in range(5):
            if bad.carrier is not None and bad.carrier.can_send:
                bad.send(flipped(bad.own.live(identity(2).public, b"x")[1]))
                house.run()
        self.assertIsNotNone(bad.end)
        self.assertEqual([type(body) for body in bad.answers()], [Refused, Refused])
        self.assertEqual(house.hub.checks - before, 3)
        self.assertEqual(house.refusals(), {"bad-signature": 3})
        again = house.guest(1, host="203.0.113.1").connect()
        house.run(1.0)
        self.assertIsNone(again.session)
        self.assertEqual(house.refusals(), {"bad-signature": 3, "discouraged": 1})

    def test_C3_frames_that_are_out_of_turn_cost_no_check(self) -> None:
        """Counter and session are looked at first."""
        before = self.house.hub.checks
        token = self.bad.own.live(self.good.who.public, b"once")[1]
        self.bad.send(token)
        self.house.run()
        self.bad.send(token)
        self.house.run()
        self.assertIsNotNone(self.bad.end)
        self.assertEqual(self.house.hub.checks - before, 1)
        self.assertEqual(len(self.good.envelopes()), 1)
        self.assertEqual(self.house.refusals(), {"out-of-turn": 1})
        self.assert_served()

    def test_C3_who_sends_faster_than_it_may_is_read_more_slowly(self) -> None:
        """Nothing is lost, nothing is out of order, and others do not wait."""
        settings = HubSettings(NETWORK, member_frames=Rate(10.0, 10.0))
        house = House(self, settings=settings)
        self.addCleanup(house.stop)
        fast, other = house.joined(1), house.joined(2)
        for _ in range(50):
            fast.live(other, b"x")
        house.run(1.0)
        self.assertLess(len(other.envelopes()), 25)
        other.ask(Observe())
        house.run(0.1)
        self.assertIsInstance(other.answers()[-1], Seen)
        house.run(6.0)
        self.assertEqual([e.seq for e in other.envelopes()], list(range(1, 51)))
        self.assertIsNone(fast.end)

    def test_A8_an_envelope_of_another_member_is_not_passed_on(self) -> None:
        """Also where it is one that was passed on to its sender."""
        token = self.good.live(self.bad, b"to the bad one")
        self.house.run()
        self.bad.send(token)
        self.house.run()
        self.assertIsNotNone(self.bad.end)
        self.assertEqual(self.good.envelopes(), [])
        self.assertEqual(self.house.refusals(), {"wrong-issuer": 1})

    def test_what_is_not_permitted_is_refused_and_the_session_goes_on(self) -> None:
        """Each command and envelope by what it needs."""
        house = House(self, members=listed(1, 2, m1=Grant("m1", "device", frozenset({"relay"}))))
        self.addCleanup(house.stop)
        device, other = house.joined(1), house.joined(2)
        device.mail(other, 1, b"no mailbox")
        device.ask(Get("A" * 27))
        device.ask(Ack([MailName(other.who.public.text, "A" * 22)]))
        other.mail(device, 1, b"it has none")
        house.run()
        self.assertEqual({body.code for body in refusals(device)}, {"not-permitted"})
        self.assertEqual(len(refusals(device)), 3)
        self.assertEqual([body.code for body in refusals(other)], ["not-permitted"])
        device.live(other, b"but this")
        house.run()
        self.assertEqual(len(other.envelopes()), 1)


def refusals(guest: Guest) -> list[Refused]:
    """Return what a guest was refused."""
    return [body for body in guest.answers() if isinstance(body, Refused)]


class SlowReaderTests(SynchronousTestCase):
    """A member that does not read what others send it."""

    def setUp(self) -> None:
        self.house = House(self)
        self.addCleanup(self.house.stop)
        self.slow = self.house.joined(1)
        self.senders = [self.house.joined(number) for number in range(2, 12)]
        self.transport().pauseProducing()

    def transport(self) -> Any:
        """Return the slow member's own."""
        assert self.slow.carrier is not None
        return self.slow.carrier.transport  # type: ignore[attr-defined]

    def flood(self) -> None:
        """Send far more than may wait."""
        for sender in self.senders:
            for _ in range(20):
                sender.live(self.slow, bytes(30_000))

    def test_C8_senders_wait_and_nothing_is_lost_if_it_reads_in_time(self) -> None:
        """What waits is bounded, though they do not care that it is busy: some of each sender."""
        self.flood()
        self.house.run(2.0)
        session = self.house.hub.find(self.slow.who.public.text)
        assert session is not None
        self.assertLess(session.carrier.queued_bytes, CROWDED_BYTES + 64 * 1024)
        assert session.parked is not None
        bound = len(self.senders) * (PARKED_BYTES + 64 * 1024)
        self.assertLess(session.parked.size_bytes, bound)
        self.transport().resumeProducing()
        self.house.run(8.0)
        got = self.slow.envelopes()
        self.assertEqual(len(got), 200)
        for sender in self.senders:
            seqs = [e.seq for e in got if e.iss == sender.who.public.text]
            self.assertEqual(seqs, list(range(1, 21)))
        self.assertEqual(self.house.refusals(), {})

    def test_C8_one_that_leaves_is_waited_for_no_more(self) -> None:
        """Its senders hear of it at once."""
        self.flood()
        self.house.run(1.0)
        self.assertEqual(self.house.hub.router.slow, 1)
        self.slow.carrier.abort()  # type: ignore[union-attr]
        self.house.run(0.1)
        self.assertEqual(self.house.hub.router.slow, 0)
        self.house.run(1.0)
        for sender in self.senders:
            self.assertIn(Gone(self.slow.who.public.text), sender.answers())

    def test_C8_one_that_does_not_read_in_time_is_dropped_and_its_senders_go_on(self) -> None:
        """They hear that it is gone, and are read again."""
        self.flood()
        self.house.run(11.0)
        self.assertIsNone(self.house.hub.find(self.slow.who.public.text))
        self.assertEqual(self.house.refusals(), {"slow-reader": 1})
        self.house.run(2.0)
        for sender in self.senders:
            self.assertIn(Gone(self.slow.who.public.text), sender.answers())
            self.assertIsNone(sender.end)
        self.assertEqual(self.house.hub.factory.backlog.total_bytes, 0)


class BusyTests(SynchronousTestCase):
    """A member that asks for more than can be done at once."""

    def test_C3_no_more_is_read_of_it_until_some_is_done(self) -> None:
        """Nothing is lost: it is all done in the end, in order."""
        disk = Held()
        house = House(self, disk=disk)
        self.addCleanup(house.stop)
        member = house.joined(1)
        session = house.hub.find(member.who.public.text)
        assert session is not None
        disk.holds = True
        before = session.frames_in
        numbers = [member.mail(identity(2).public, n, b"x") for n in range(100)]
        house.run(1.0)
        self.assertEqual(session.frames_in - before, MAX_BUSY)
        disk.holds = False
        disk.work()
        house.run(1.0)
        kept = [n for body in member.answers() if isinstance(body, Kept) for n in body.numbers]
        self.assertEqual(kept, numbers)
        self.assertEqual(house.refusals(), {})

    def test_C3_puts_and_gets_have_a_rate_of_their_own(self) -> None:
        """Each costs many nodes work; beyond it they are refused."""
        house = House(self, table=Nothing())
        self.addCleanup(house.stop)
        member = house.joined(1)
        for _ in range(60):
            member.ask(Get("A" * 27))
        house.run(1.0)
        codes = Counter(body.code for body in refusals(member))
        self.assertEqual(set(codes), {"not-there", "rate-limited"})
        self.assertLess(codes["not-there"], 60)
        self.assertIsNone(member.end)

    def test_a_hub_without_a_table_says_so(self) -> None:
        """And one that connects to nobody."""
        house = House(self)
        self.addCleanup(house.stop)
        member = house.joined(1)
        for body in (Get("A" * 27), Put("x", "blob"), DialBack(80)):
            member.ask(body)
        house.run(1.0)
        self.assertEqual([body.code for body in refusals(member)], ["not-ready"] * 3)


class Nothing:
    """A table in which there is nothing."""

    def put(self, item: str, kind: ItemKind) -> Deferred[int]:
        """Put it nowhere."""
        return succeed(0)

    def get(self, place: str) -> Deferred[Found]:
        """Find nothing."""
        return fail(NotThere())


class Broken:
    """A table that does what no table should."""

    def put(self, item: str, kind: ItemKind) -> Deferred[int]:
        """Raise at once."""
        raise RuntimeError("a defect")

    def get(self, place: str) -> Deferred[Found]:
        """Fail later."""
        return fail(RuntimeError("a defect"))

    def dial_back(self, session: object, port: int) -> Deferred[Dialled]:
        """Fail as well."""
        return fail(KeyError("a defect"))


class DefectTests(SynchronousTestCase):
    """A defect of ours costs one connection."""

    def test_B9_an_exception_in_what_answers_ends_that_session_only(self) -> None:
        """It is logged with its trace, counted, and the others go on."""
        for body in (Put("x", "blob"), Get("A" * 27), DialBack(80)):
            house = House(self, table=Broken(), prober=Broken())
            self.addCleanup(house.stop)
            unlucky, other = house.joined(1), house.joined(2)
            unlucky.ask(body)
            house.run(1.0)
            self.assertIsNotNone(unlucky.end, body)
            self.assertEqual(house.refusals(), {"internal-error": 1})
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError, KeyError)), 1)
            other.ask(Observe())
            house.run()
            self.assertIsInstance(other.answers()[-1], Seen)
