"""First contacts: who is dialled, in which order, and how long anybody is waited for."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from random import Random
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.peer import Node as Known
from streembit.errors import PeerGone
from streembit.jose.keys import Identity
from streembit.service.entrance import AT_ONCE, STAGGER_S, Address, Entrance, all_of
from streembit.service.settings import NetworkSettings
from streembit.wire.message import Contact
from tests.service.town import NETWORK, PORT, Town

# Nobody dials anybody by itself.
STILL: Final = NetworkSettings(network=NETWORK, membership_every_s=1e6, canary_every_s=1e6)


class EntranceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = Town(self)
        self.node = self.town.add("10.0.0.1", settings=STILL, seeds=[])
        self.others = [self.town.add(f"10.0.{n}.1", settings=STILL, seeds=[]) for n in range(1, 21)]

    def addresses(self, first: int, last: int) -> list[Address]:
        """Return where some of the others are."""
        return [Address(f"10.0.{n}.1", PORT) for n in range(first, last)]

    def entrance(
        self, remembered: Sequence[Address] = (), seeds: Sequence[Address] = ()
    ) -> Entrance:
        """Return the node's entrance."""
        return Entrance(self.node.network, remembered, seeds, Random(1))

    def dialled(self, work: Coroutine[Any, Any, None]) -> list[str]:
        """Let it be done; return whom the node dialled, in order."""
        self.town.memory.trace.clear()
        self.town.result(Deferred.fromCoroutine(work))
        return [
            where.partition(":")[0]
            for _, who, where, size in self.town.memory.trace
            if size < 0 and who == "10.0.0.1"
        ]

    def linked(self) -> int:
        """Return how many links the node has."""
        return len(self.node.network.roster)

    def test_D8_those_remembered_come_before_the_seeds(self) -> None:
        """And eight links are enough to begin with."""
        entrance = self.entrance(self.addresses(1, 9), self.addresses(9, 12))
        self.assertEqual(set(self.dialled(entrance.enter())), {f"10.0.{n}.1" for n in range(1, 9)})
        self.assertEqual(self.linked(), AT_ONCE)

    def test_D8_the_seeds_follow_in_an_order_of_chance(self) -> None:
        """So that a crowd that was sent to the same seeds spreads over them."""
        first = set()
        for seed in range(5):
            entrance = Entrance(self.node.network, (), self.addresses(1, 21), Random(seed))
            first.add(frozenset(self.dialled(entrance.enter())))
            for peer in self.node.network.roster.conversations():
                peer.abort(PeerGone("begin anew"))
            self.town.run(1)
            for known in list(self.node.network.table):
                self.node.network.table.remove(known.id)
        self.assertEqual({len(hosts) for hosts in first}, {AT_ONCE})
        self.assertGreaterEqual(len(first), 4)

    def test_D8_who_is_silent_is_not_waited_for(self) -> None:
        """After a second the next few are dialled beside them."""
        self.town.memory.silence(*(f"10.0.{n}.1" for n in range(1, 9)))
        entering = Deferred.fromCoroutine(
            self.entrance(self.addresses(1, 9), self.addresses(9, 12)).enter()
        )
        self.town.run(STAGGER_S + 0.2)
        self.assertGreaterEqual(self.linked(), 3)
        self.town.run(10)
        self.successResultOf(entering)

    def test_D8_when_nobody_is_there_it_ends(self) -> None:
        """Having dialled everybody once."""
        entrance = self.entrance((), [Address(f"10.99.{n}.1", PORT) for n in range(20)])
        self.town.result(Deferred.fromCoroutine(entrance.enter()))
        self.assertEqual(self.linked(), 0)

    def test_S5_an_end_amid_it_gives_up_all_dials(self) -> None:
        """Nothing is left on the clock."""
        self.town.memory.silence(*(f"10.0.{n}.1" for n in range(1, 21)))
        entering = Deferred.fromCoroutine(self.entrance(self.addresses(1, 21)).enter())
        self.town.run(STAGGER_S + 0.2)
        entering.cancel()
        self.failureResultOf(entering)
        self.assertEqual(self.node.carriers.gate.total, 0)

    def test_nobody_dials_itself(self) -> None:
        """A list of seeds may be the same for all."""
        own = Address("10.0.0.1", PORT, self.node.identity.public)
        entrance = self.entrance([own], [own])
        self.assertFalse(entrance.known)
        self.assertEqual(self.dialled(entrance.enter()), [])

    def test_those_in_the_table_are_dialled_first(self) -> None:
        """All links to them may have ended in order; then they are who is known best."""
        other = self.others[0]
        contact = Contact(other.identity.public.text, "10.0.1.1", PORT)
        self.node.network.table.add(Known.of(contact, STILL.grouping), 1.0)
        entrance = self.entrance((), self.addresses(5, 6))
        self.assertTrue(entrance.known)
        self.assertIn("10.0.1.1", self.dialled(entrance.enter()))

    def test_D8_a_seed_that_is_not_known_is_visited(self) -> None:
        """One of them, and only by whoever is in the network."""
        entrance = self.entrance((), self.addresses(1, 4))
        self.assertEqual(self.dialled(entrance.visit()), [])
        contact = Contact(self.others[9].identity.public.text, "10.0.10.1", PORT)
        self.node.network.table.add(Known.of(contact, STILL.grouping), 1.0)
        self.assertEqual(len(self.dialled(entrance.visit())), 1)

    def test_D8_only_the_key_that_is_remembered_will_do(self) -> None:
        """At the same address somebody else may be by now."""
        stranger = Identity.from_seed(bytes([99]) * 32, "x").public
        entrance = self.entrance([Address("10.0.1.1", PORT, stranger)])
        self.town.result(Deferred.fromCoroutine(entrance.enter()))
        self.assertEqual(self.linked(), 0)


class AllOfTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.parts: list[Deferred[int]] = [Deferred() for _ in range(3)]

    def test_it_counts_those_that_succeeded(self) -> None:
        """When the last has ended."""
        done = all_of(self.parts)
        self.parts[1].errback(PeerGone())
        self.parts[0].callback(1)
        self.assertNoResult(done)
        self.parts[2].callback(1)
        self.assertEqual(self.successResultOf(done), 2)
        self.assertEqual(self.successResultOf(all_of([])), 0)

    def test_cancelled_it_cancels_them_all(self) -> None:
        """And says nothing more."""
        done = all_of(self.parts)
        self.parts[0].callback(1)
        done.cancel()
        self.failureResultOf(done)
        for part in self.parts[1:]:
            self.assertTrue(part.called)
