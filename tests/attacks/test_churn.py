"""Row D7: nodes that vanish at once, or come and go all the time, in whole towns and in large."""

from __future__ import annotations

from random import Random
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.values import FindFirst
from streembit.service.node import Node
from streembit.service.settings import NetworkSettings
from tests.dht.network import Thing, settled
from tests.service.town import NETWORK, Town

TTL_S: Final = 24 * 3600
BRISK: Final = NetworkSettings(
    network=NETWORK, replicate_every_s=600, replicate_jitter_s=100, refresh_every_s=600
)


class WholeNodes(SynchronousTestCase):
    """A town of whole nodes in which records were put."""

    NODES: Final = 24
    RECORDS: Final = 12

    def setUp(self) -> None:
        self.town = Town(self)
        self.chance = Random(11)
        self.names: dict[str, str] = {}
        for number in range(self.NODES):
            self.town.add(f"10.0.{number}.1", settings=BRISK)
        self.town.join()
        self.town.run(60)

    def living(self) -> list[Node]:
        """Return the nodes that run."""
        return [node for node in self.town.nodes if node.running]

    def put(self, count: int) -> None:
        """Let nodes put records of theirs."""
        for owner in self.chance.sample(self.living(), count):
            name = f"a/{len(self.names)}"
            self.town.result(self.town.desk(owner).put_record(name, name.encode(), TTL_S))
            self.names[name] = owner.identity.public.hex

    def lost(self) -> list[str]:
        """Return the records that a node, drawn for each, does not find."""
        missing = []
        for name, owner in self.names.items():
            desk = self.town.desk(self.chance.choice(self.living()))
            found = self.town.result(desk.get_record(owner, name))
            if found is None or found.value != name.encode():
                missing.append(name)
        return missing

    def test_D7_half_of_all_vanish_at_once(self) -> None:
        """Twelve of 24 die in the same moment: every record is found, before any upkeep."""
        self.put(self.RECORDS)
        self.town.end(*self.chance.sample(self.living(), self.NODES // 2))
        self.assertEqual(self.lost(), [])
        self.town.run(120)
        self.assertEqual(self.lost(), [])

    def test_D7_a_third_falls_silent_at_once(self) -> None:
        """No connection ends: whoever asks them waits in vain, and finds the record elsewhere."""
        self.put(self.RECORDS)
        silent = self.chance.sample(self.living(), self.NODES // 3)
        self.town.memory.silence(*(self.town.host(node).address for node in silent))
        living = [node for node in self.living() if node not in silent]
        for name, owner in self.names.items():
            desk = self.town.desk(self.chance.choice(living))
            found = self.town.result(desk.get_record(owner, name))
            assert found is not None, name
            self.assertLess(found.took_ms, 8_000)

    def test_D7_an_hour_of_coming_and_going(self) -> None:
        """By Poisson, half of all replaced in the hour: nothing is lost, and all stay ready."""
        self.put(self.RECORDS)
        ended_s = self.town.memory.clock.seconds() + 3600
        gone = 0
        while True:
            wait_s = self.chance.expovariate(self.NODES / 2 / 3600)
            if self.town.memory.clock.seconds() + wait_s > ended_s:
                break
            self.town.run(wait_s)
            leaver = self.chance.choice(self.living()[1:])  # the newcomers' seed stays
            self.town.end(leaver)
            newcomer = self.town.add(f"10.1.{len(self.town.nodes)}.1", settings=BRISK)
            self.town.join(newcomer)
            gone += 1
        self.assertGreater(gone, self.NODES // 3)
        self.assertEqual(self.lost(), [])
        self.town.run(300)
        self.assertEqual([n for n in self.living() if not n.dht.canary.readiness().ready], [])


class LargeTests(SynchronousTestCase):
    """The same decisions without streams and keys: a thousand nodes."""

    def test_D7_half_of_a_thousand_leave_one_after_another(self) -> None:
        """By Poisson within one hour, without any upkeep; what was put is found all along."""
        network = settled(1000)
        with network.frozen():
            places = [network.target() for _ in range(200)]
            for place in places:
                network.put(network.anyone(), Thing.at(place))
            begun_s, asked, missed = network.now_s, 0, 0
            leaving_s = begun_s
            while len(network.living()) > 500:
                leaving_s += network.chance.expovariate(500 / 3600)
                network.now_s = max(network.now_s, leaving_s)
                network.chance.choice(network.living()).alive = False
                place = network.chance.choice(places)
                asked += 1
                missed += network.find(network.anyone(), place, FindFirst()).item is None
            self.assertEqual(asked, 500)
            self.assertLessEqual(missed, 1)
            found = sum(
                network.find(network.anyone(), place, FindFirst()).item is not None
                for place in places
            )
            self.assertGreaterEqual(found / len(places), 0.99)
