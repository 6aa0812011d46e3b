"""Silent members are asked for a sign of life in turn."""

from __future__ import annotations

from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from streembit.net.carrier import SILENCE_S
from streembit.service.hub.rounds import PARTS, ROUND_S
from tests.hubs.house import House

MEMBERS = 60


class RoundsTests(SynchronousTestCase):
    """Many join at the same time, and then say nothing."""

    def test_they_are_not_asked_all_at_once(self) -> None:
        """But all of them within a round."""
        house = House(self)
        self.addCleanup(house.stop)
        guests = [house.guest(number).connect() for number in range(1, MEMBERS + 1)]
        house.run(1.0)
        joined_s = house.clock.seconds()
        house.run(SILENCE_S + 2 * ROUND_S)
        asked: Counter[int] = Counter()
        for guest in guests:
            assert guest.carrier is not None
            asked[round(guest.carrier.last_received_s / (ROUND_S / PARTS))] += 1
            self.assertGreaterEqual(guest.carrier.last_received_s, joined_s + SILENCE_S - 1.0)
        self.assertEqual(asked.total(), len(guests))
        self.assertLessEqual(max(asked.values()), 2 * MEMBERS / PARTS, asked)
