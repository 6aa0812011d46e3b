"""Envelopes that come through another process of the hub, for a member that reads slowly."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from streembit.hub.stream import MAX_DATA_BYTES, WINDOW_BYTES
from streembit.hub.witness import Witness
from streembit.service.hub.settings import CROWDED_BYTES
from streembit.wire.hub import MAX_CARGO_BYTES
from tests.hubs.house import House

WINDOW_FRAMES = -(-WINDOW_BYTES // MAX_DATA_BYTES)


class RoutedTests(SynchronousTestCase):
    """Its sender is not held up, for it is another process's: it gets word, or its window."""

    def setUp(self) -> None:
        self.house = House(self)
        self.addCleanup(self.house.stop)
        self.slow, self.here, self.elsewhere = (self.house.joined(n) for n in (1, 2, 3))
        assert self.slow.carrier is not None
        self.transport: Any = self.slow.carrier.transport  # type: ignore[attr-defined]

    def routed(self) -> bool:
        """Have another process pass on an envelope of the greatest size; return whether it went."""
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
        self.assertEqual([self.routed() for _ in range(WINDOW_FRAMES)], [True] * WINDOW_FRAMES)
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
        self.assertFalse(taken[-1])
        self.assertGreaterEqual(sum(taken), WINDOW_FRAMES)
        self.house.run(1.0)
        self.transport.resumeProducing()
        self.house.run(5.0)
        self.assertEqual(len(self.slow.envelopes()), sum(taken))
        self.assertEqual(self.house.refusals(), {})
