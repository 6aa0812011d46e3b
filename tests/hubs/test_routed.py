"""Envelopes that come through another process of the hub, for a member that reads slowly."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from streembit.hub.stream import MAX_DATA_BYTES, WINDOW_BYTES
from streembit.hub.witness import Witness
from streembit.service.hub.backplane import Routed
from streembit.service.hub.local import LocalBackplane
from streembit.service.hub.settings import CROWDED_BYTES
from streembit.wire.hub import MAX_CARGO_BYTES, Busy, Ready
from tests.hubs.house import House, identity

WINDOW_FRAMES = -(-WINDOW_BYTES // MAX_DATA_BYTES)


class RoutedTests(SynchronousTestCase):
    """Its sender is not held up, for it is another process's: it gets word, or its window."""

    def setUp(self) -> None:
        self.house = House(self)
        self.addCleanup(self.house.stop)
        self.slow, self.here, self.elsewhere = (self.house.joined(n) for n in (1, 2, 3))
        assert self.slow.carrier is not None
        self.transport: Any = self.slow.carrier.transport  # type: ignore[attr-defined]

    def routed(self) -> Routed:
        """Have another process pass on an envelope of the greatest size; tell what became of it."""
        _, token = self.elsewhere.own.live(self.slow.who.public, bytes(MAX_CARGO_BYTES))
        return self.house.hub.routed(self.slow.who.public.text, token)

    def test_C8_a_streams_window_is_taken_for_one_that_reads_slowly(self) -> None:
        """Though so much waits for it already that senders of this process are held."""
        self.transport.pauseProducing()
        for _ in range(20):
            self.here.live(self.slow, bytes(30_000))
        self.house.run(1.0)
        session = self.house.hub.find(self.slow.who.public.text)
        assert session is not None
        self.assertGreater(session.carrier.queued_bytes, CROWDED_BYTES)
        self.assertEqual([self.routed() for _ in range(WINDOW_FRAMES)], ["busy"] * WINDOW_FRAMES)
        self.transport.resumeProducing()
        self.house.run(2.0)
        witness = Witness(self.slow.who.public.text, self.house.key.text)
        witness.begin()
        for claims in self.slow.envelopes():
            self.assertIsNone(witness.judge(claims, self.house.clock.seconds()))
            witness.take(claims)
        self.assertEqual(len(self.slow.envelopes()), 20 + WINDOW_FRAMES)

    def test_C8_more_than_that_is_turned_away_and_ends_no_session(self) -> None:
        """The other process tells the sender that nobody took it."""
        self.transport.pauseProducing()
        taken = [self.routed() for _ in range(200)]
        self.assertEqual(taken[-1], "gone")
        count = len(taken) - taken.count("gone")
        self.assertGreaterEqual(count, WINDOW_FRAMES)
        self.house.run(1.0)
        self.transport.resumeProducing()
        self.house.run(5.0)
        self.assertEqual(len(self.slow.envelopes()), count)
        self.assertEqual(self.house.refusals(), {})


class OfTwo(LocalBackplane):
    """A hub of which another process has all who are not here; each of them reads slowly.

    Attributes:
        told: what that process was told.
    """

    told: list[str]

    def route(self, _recipient: str, _token: bytes) -> Deferred[Routed]:
        return succeed("busy")

    def ease(self, key: str) -> None:
        self.told.append(key)


class BusyAfarTests(SynchronousTestCase):
    """Row C8: a member of one process that reads slowly, and senders of another."""

    def setUp(self) -> None:
        self.house = House(self, backplane=OfTwo)
        self.addCleanup(self.house.stop)
        assert isinstance(self.house.hub.backplane, OfTwo)
        self.told = self.house.hub.backplane.told = []
        self.ann, self.bob = self.house.joined(1), self.house.joined(2)
        self.far = identity(99).public

    def test_C8_a_sender_is_told_once_and_told_when_it_takes_more(self) -> None:
        """As one of the same process; it is not held, and reaches others."""
        for _ in range(5):
            self.ann.live(self.far, b"many")
        self.ann.live(self.bob, b"and you")
        self.house.run()
        self.assertEqual(self.ann.answers(), [Busy(self.far.text)])
        self.assertEqual(len(self.bob.envelopes()), 1)
        self.house.hub.eased(self.far.text)
        self.house.run()
        self.assertEqual(self.ann.answers()[1:], [Ready(self.far.text)])
        self.assertEqual(self.bob.answers(), [])

    def test_C8_a_member_that_came_or_went_there_is_busy_no_more(self) -> None:
        """Whatever was said of its former session; who left meanwhile is told nothing."""
        self.ann.live(self.far, b"x")
        self.bob.live(self.far, b"x")
        self.house.run()
        assert self.bob.carrier is not None
        self.bob.carrier.abort()
        self.house.run(1.0)
        self.house.hub.changed(self.far.text)
        self.house.run(1.0)
        self.assertEqual(self.ann.answers(), [Busy(self.far.text), Ready(self.far.text)])

    def test_C8_other_processes_hear_when_a_member_of_this_one_reads(self) -> None:
        """Once, and only if they were told that it did not."""
        assert self.ann.carrier is not None
        transport: Any = self.ann.carrier.transport  # type: ignore[attr-defined]
        _, token = self.bob.own.live(self.ann.who.public, bytes(MAX_CARGO_BYTES))
        routed = self.house.hub.routed
        self.assertEqual(routed(self.ann.who.public.text, token), "taken")
        self.house.run()
        transport.pauseProducing()
        while routed(self.ann.who.public.text, token) != "busy":
            self.house.run(0.01)
        self.assertEqual(self.told, [])
        transport.resumeProducing()
        self.house.run(1.0)
        self.assertEqual(self.told, [self.ann.who.public.text])
