"""Nodes that vanish: what was stored is still found."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.values import FindFirst
from tests.dht.network import Thing, grown, settled


class ChurnTests(SynchronousTestCase):
    """Silence at once, and coming and going all the time."""

    def test_D7_a_third_falls_silent_and_all_is_found(self) -> None:
        """At least 99.5% of the records, within a second of simulated time in the mean."""
        found, mean_s = self.after_loss(0.3)
        self.assertGreaterEqual(found, 0.995)
        self.assertLess(mean_s, 0.5)

    def test_D7_half_falls_silent_and_nearly_all_is_found(self) -> None:
        """At least 99%."""
        found, mean_s = self.after_loss(0.5)
        self.assertGreaterEqual(found, 0.99)
        self.assertLess(mean_s, 2.0)

    def after_loss(self, share: float) -> tuple[float, float]:
        """Store 200 records, lose this share of 500 nodes; return how many are found, how fast."""
        network = settled(500)
        with network.frozen():
            places = [network.target() for _ in range(200)]
            for place in places:
                network.put(network.anyone(), Thing.at(place))
            network.kill(share)
            start_s, found = network.now_s, 0
            for place in places:
                host = network.anyone()
                found += network.find(host, place, FindFirst()).item is not None
            return found / len(places), (network.now_s - start_s) / len(places)

    def test_D7_with_steady_coming_and_going_records_stay(self) -> None:
        """Twelve hours, in each a tenth of the nodes replaced, and upkeep: nothing is lost."""
        network = grown(60, 7)
        places = [network.target() for _ in range(30)]
        for hour in range(12):
            for place in places:
                network.put(network.anyone(), Thing.at(place))
            for _ in range(max(1, round(network.chance.expovariate(1 / 5)))):
                network.chance.choice(network.living()).alive = False
                network.join(network.host(), [network.anyone() for _ in range(3)])
            for host in network.chance.sample(network.living(), 20):
                network.refresh(host)
            network.now_s += 3600.0
            found = sum(
                network.find(network.anyone(), place, FindFirst()).item is not None
                for place in places
            )
            self.assertEqual(found, len(places), f"hour {hour}")
        self.assertGreater(len(network.hosts), 90)
