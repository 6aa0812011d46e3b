"""Row C8: a member that does not read holds up what is for it, and nothing else."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from streembit.hub.stream import MAX_DATA_BYTES, WINDOW_BYTES
from streembit.net.carrier import CarrierLimits
from streembit.service.hub.settings import CROWDED_BYTES, PARKED_BYTES, PARKED_BYTES_TOTAL
from streembit.wire.hub import Busy, Gone, HubClaims, Ready
from tests.hubs.house import Guest, House

# What an honest member may have sent and not heard of: the window of a stream.
WINDOW_FRAMES = -(-WINDOW_BYTES // MAX_DATA_BYTES)
TOKEN_BYTES = 58_300  # of an envelope with so much in it


class SlowTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House(self)
        self.addCleanup(self.house.stop)
        self.deaf, self.ann, self.bob, self.eve = [self.house.joined(n) for n in (1, 2, 3, 4)]
        self.wire(self.deaf).pauseProducing()
        self.fill()

    def wire(self, guest: Guest) -> Any:
        """Return a member's transport."""
        assert guest.carrier is not None
        return guest.carrier.transport  # type: ignore[attr-defined]

    def fill(self) -> None:
        """Have so much wait for the deaf one that no more is written to it."""
        for _ in range(CROWDED_BYTES // TOKEN_BYTES + 4):
            self.eve.live(self.deaf, bytes(MAX_DATA_BYTES))
        self.house.run()
        self.assertEqual(self.house.hub.router.slow, 1)

    def a_window(self, sender: Guest) -> None:
        """Send a stream's window to the deaf one."""
        for _ in range(WINDOW_FRAMES - 1):
            sender.live(self.deaf, bytes(MAX_DATA_BYTES))
        sender.live(self.deaf, bytes(WINDOW_BYTES % MAX_DATA_BYTES))

    def test_C8_who_talks_to_a_deaf_member_still_reaches_the_others(self) -> None:
        """A window for the one, and what is behind it for the other comes at once."""
        self.a_window(self.ann)
        self.ann.live(self.bob, b"and you?")
        self.house.run(0.5)
        self.assertEqual(len(self.bob.envelopes()), 1)
        self.assertIsNone(self.deaf.end)

    def of(self, sender: Guest) -> list[int]:
        """Return the numbers of a sender's envelopes as the deaf one got them."""
        return [e.seq for e in self.deaf.envelopes() if e.iss == sender.who.public.text]

    def test_C8_senders_are_told_once_that_it_is_busy_and_once_that_it_reads(self) -> None:
        """What they sent meanwhile comes in their order, and none of it is lost."""
        key = self.deaf.who.public.text
        for sender in (self.ann, self.bob):
            self.a_window(sender)
        self.house.run(0.5)
        for sender in (self.ann, self.bob):
            self.assertEqual(sender.answers(), [Busy(key)])
        self.wire(self.deaf).resumeProducing()
        self.house.run(3.0)
        for sender in (self.ann, self.bob):
            self.assertEqual(sender.answers(), [Busy(key), Ready(key)])
            self.assertEqual(self.of(sender), list(range(1, WINDOW_FRAMES + 1)))
        self.ann.live(self.deaf, b"more")
        self.house.run()
        self.assertEqual(self.of(self.ann)[-1], WINDOW_FRAMES + 1)
        self.assertEqual(self.ann.answers(), [Busy(key), Ready(key)])

    def test_C8_who_goes_on_sending_is_held_and_takes_nobodys_place(self) -> None:
        """What waits of it is bounded; others are read, and have their turn when it reads."""
        for _ in range(20):
            self.eve.live(self.deaf, bytes(MAX_DATA_BYTES))
            self.house.run(0.05)
        session = self.house.hub.find(self.deaf.who.public.text)
        assert session is not None and session.parked is not None
        self.assertLess(session.parked.size_bytes, PARKED_BYTES + 64 * 1024)
        self.ann.live(self.deaf, b"a word")
        self.eve.live(self.bob, b"too late, behind so much")
        self.ann.live(self.bob, b"in time")
        self.house.run(0.5)
        (came,) = self.bob.envelopes()
        self.assertEqual(came.iss, self.ann.who.public.text)
        written = session.frames_out - 1  # but for the Welcome
        self.wire(self.deaf).resumeProducing()
        self.house.run(5.0)
        order = [e.iss for e in self.deaf.envelopes()]
        turn = order.index(self.ann.who.public.text) - written
        self.assertEqual(turn, 1)  # behind one of Eve's, of a dozen that came before
        self.assertEqual(self.of(self.eve), list(range(1, 21 + CROWDED_BYTES // TOKEN_BYTES + 4)))
        self.assertEqual(len(self.bob.envelopes()), 2)

    def test_C8_who_waits_for_one_that_goes_hears_it_once(self) -> None:
        """It names the first that waited; all behind it went nowhere as well."""
        self.a_window(self.ann)
        self.house.run(0.5)
        self.wire(self.deaf).abortConnection()
        self.house.run(1.0)
        key = self.deaf.who.public.text
        self.assertEqual(self.ann.answers(), [Busy(key), Gone(key)])
        gone = self.ann.frames[-1]
        assert isinstance(gone, HubClaims)
        self.assertEqual(gone.re, 2)  # the Join was the first of her frames
        self.assertEqual(self.house.hub.factory.backlog.total_bytes, 0)

    def test_C8_a_sender_that_leaves_takes_what_waits_along(self) -> None:
        """It is not passed on, and holds up nothing."""
        self.a_window(self.ann)
        self.house.run(0.5)
        self.wire(self.ann).abortConnection()
        self.house.run(0.5)
        self.wire(self.deaf).resumeProducing()
        self.house.run(3.0)
        self.assertEqual(self.of(self.ann), [])
        self.assertEqual(self.house.hub.factory.backlog.total_bytes, 0)


class BoundTests(SynchronousTestCase):
    """Row C8: what waits for all members is one sum."""

    def test_C8_for_whom_most_waits_is_ended(self) -> None:
        """Their queues and what is parked; nobody else is, and what waited is told to be gone."""
        limit = 1_500_000
        house = House(self, limits=CarrierLimits(queue_bytes_total=limit))
        self.addCleanup(house.stop)
        deaf, *senders = [house.joined(number) for number in range(1, 8)]
        assert deaf.carrier is not None
        deaf.carrier.transport.pauseProducing()  # type: ignore[attr-defined]
        for _ in range(8):
            for sender in senders:
                sender.live(deaf, bytes(MAX_DATA_BYTES))
            house.run(0.05)
            self.assertLessEqual(house.hub.factory.backlog.total_bytes, limit)
        house.run(1.0)
        self.assertEqual(house.refusals(), {"slow-reader": 1})
        self.assertIsNone(house.hub.find(deaf.who.public.text))
        for sender in senders:
            self.assertIsNone(sender.end)
            self.assertIn(Gone(deaf.who.public.text), sender.answers())
        self.assertEqual(house.hub.factory.backlog.total_bytes, 0)

    def test_C8_for_one_member_so_much_waits_of_all_senders(self) -> None:
        """Beyond it each has an envelope there, and is held; nothing is lost when it reads."""
        house = House(self)
        self.addCleanup(house.stop)
        deaf, *senders = [house.joined(number) for number in range(1, 22)]
        assert deaf.carrier is not None
        transport: Any = deaf.carrier.transport  # type: ignore[attr-defined]
        transport.pauseProducing()
        for _ in range(10):
            for sender in senders:
                sender.live(deaf, bytes(MAX_DATA_BYTES))
            house.run(0.05)
        session = house.hub.find(deaf.who.public.text)
        assert session is not None and session.parked is not None
        bound = PARKED_BYTES_TOTAL + len(senders) * TOKEN_BYTES
        self.assertIn(session.parked.size_bytes, range(PARKED_BYTES_TOTAL, bound))
        transport.resumeProducing()
        house.run(5.0)
        self.assertEqual(len(deaf.envelopes()), 10 * len(senders))
        self.assertEqual(house.refusals(), {})
