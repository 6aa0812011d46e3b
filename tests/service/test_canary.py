"""Readiness is a put and a get that went through other nodes lately, and nothing less."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.keyspace import record_place
from streembit.dht.record import Record
from streembit.errors import NotReady, StreembitError
from streembit.service.canary import CANARY_KIND, FRESH_ROUNDS, Canary
from streembit.service.settings import NetworkSettings
from tests.service.town import NETWORK, Town, WrongClock

EVERY_S: Final = 120.0
SETTINGS: Final = NetworkSettings(network=NETWORK, canary_every_s=EVERY_S)
# Sings when the test says so.
MUTE: Final = replace(SETTINGS, canary_every_s=1e6)


class CanaryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = Town(self)
        for number in range(3):
            self.town.add(f"10.0.{number}.1", settings=MUTE)
        self.town.join()
        self.node = self.town.nodes[1]
        self.canary = Canary(self.node.network, self.node.dht.finder)

    def sing(self) -> None:
        """Let it try once."""
        self.town.result(self.canary.sing())

    def held(self) -> list[int]:
        """Return the numbers of its record that other nodes hold."""
        place = record_place(self.node.identity.public.point, CANARY_KIND, self.canary.salt)
        found = [n.dht.deposit.item(place) for n in self.town.nodes if n is not self.node]
        return [item.seq for item in found if isinstance(item, Record)]

    def test_before_the_first_try_nothing_is_known(self) -> None:
        """Which is not the same as ready."""
        readiness = self.canary.readiness()
        self.assertEqual((readiness.ready, readiness.canary_age_s), (False, None))

    def test_a_put_and_a_get_through_others(self) -> None:
        """Others hold its record, and it has come back from them."""
        before = self.node.network.requests
        self.sing()
        self.assertTrue(self.canary.readiness().ready)
        self.assertEqual(len(self.held()), 2)
        self.assertGreaterEqual(self.node.network.requests - before, 3)

    def test_each_record_is_newer_than_the_last(self) -> None:
        """They are counted, whatever the clock says."""
        for number in (1, 2, 3):
            self.sing()
            self.assertEqual(set(self.held()), {number})

    def test_what_was_long_ago_is_no_readiness(self) -> None:
        """After two rounds and a half in which no try succeeded."""
        node = self.town.add("10.0.7.1", settings=SETTINGS)
        self.town.join()
        self.assertTrue(self.town.run_until(lambda: node.dht.canary.readiness().ready, 10))
        self.town.run(10 * EVERY_S)
        age_s = node.dht.canary.age_s
        assert age_s is not None
        self.assertLess(age_s, 2 * EVERY_S)
        self.town.memory.silence("10.0.7.1")
        self.town.run(FRESH_ROUNDS * EVERY_S - age_s - 1)
        self.assertTrue(node.dht.canary.readiness().ready)
        self.town.run(2)
        self.assertFalse(node.dht.canary.readiness().ready)

    def test_D5_a_clock_that_was_ahead_is_forgotten_with_the_run(self) -> None:
        """Others remember its numbers for a month; the next run begins anew, and is ready."""
        clock = WrongClock(self.town.memory.clock, ahead_s=20 * 3600)
        wrong = self.town.add("10.0.7.1", settings=MUTE, clock=clock)
        self.town.join()
        self.town.result(Canary(wrong.network, wrong.dht.finder).sing())
        self.town.end(wrong)
        self.town.run(1)
        right = self.town.again(wrong, settings=MUTE)
        self.town.join(right)
        canary = Canary(right.network, right.dht.finder)
        self.town.result(canary.sing())
        self.assertTrue(canary.readiness().ready)

    def test_alone_it_is_not_ready(self) -> None:
        """Its own store proves nothing."""
        alone = self.town.add("10.0.8.1", settings=MUTE, seeds=[])
        canary = Canary(alone.network, alone.dht.finder)
        with self.assertRaises(NotReady):
            self.town.result(canary.sing())
        self.assertFalse(canary.readiness().ready)
        self.assertIn("no other node", canary.readiness().detail)

    def test_a_failure_is_told_to_whoever_asked(self) -> None:
        """And the last success counts, until it is old."""
        self.sing()
        self.town.memory.silence(*(self.town.host(n).address for n in self.town.nodes[::2]))
        with self.assertRaises(StreembitError):
            self.sing()
        self.assertTrue(self.canary.readiness().ready)
