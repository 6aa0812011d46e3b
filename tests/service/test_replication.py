"""Copies for newcomers and the hourly round: who gives what to whom, and when nobody has to."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.keyspace import REPLICAS
from streembit.dht.peer import Node as Known
from streembit.dht.record import Blob
from streembit.service.node import Node
from streembit.service.replication import (
    LOOKED_AT_PER_S,
    MAX_NEWCOMERS,
    PAGE,
    PAUSE_S,
    PUT_S,
    PUTS_AT_ONCE,
)
from streembit.service.settings import NetworkSettings
from streembit.service.upkeep import Upkeep
from streembit.wire.message import Contact, Refused, Rpc, Store
from tests.dht.made import at
from tests.dht.made import node as made_node
from tests.rig.evil import EvilLink, EvilPeer
from tests.service.town import NETWORK, PORT, Town

HOUR_S: Final = 3600.0
NODES: Final = 5
ITEMS: Final = 12
# Rounds come when the tests say so.
STILL: Final = NetworkSettings(
    network=NETWORK, replicate_every_s=HOUR_S, replicate_jitter_s=0.0, canary_every_s=1e7
)


def stores(peer: EvilPeer) -> int:
    """Return how many requests to store something a peer has heard."""
    return sum(isinstance(rpc.body, Store) for link in peer.links for rpc in link.heard)


class ReplicationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = Town(self)
        for number in range(NODES):
            self.town.add(f"10.0.{number}.1", settings=STILL)
        self.town.join()
        self.town.run(60)
        self.blobs = [Blob.of(b"item %d" % number) for number in range(ITEMS)]

    def lay(self, *nodes: Node) -> None:
        """Put all blobs in the stores of these nodes."""
        for node in nodes:
            for blob in self.blobs:
                self.assertTrue(node.dht.deposit.keep(blob))

    def held(self, node: Node) -> int:
        """Return how many of the blobs a node holds."""
        return sum(node.dht.deposit.item(blob.place) is not None for blob in self.blobs)

    def handed(self, *nodes: Node) -> int:
        """Let these nodes serve their newcomers now; return how many copies they gave."""
        return sum(self.town.result(node.dht.replication.hand_over()) for node in nodes)

    def newcomer(self) -> Node:
        """Return a node that joined and has not been served yet."""
        node = self.town.add("10.0.88.1", settings=STILL)
        node.startService()
        self.assertTrue(self.town.run_until(lambda: node.dht.membership.joined, 5))
        return node

    def known(self, node: Node) -> Known:
        """Return a node as others know it."""
        host = self.town.host(node).address
        contact = Contact(node.identity.public.text, host, PORT)
        return Known.of(contact, STILL.grouping)

    def slow(self, address: str = "10.7.7.1") -> tuple[EvilPeer, Known]:
        """Return one that takes 3.5 s over each request, linked to the first node."""
        host, clock = self.town.memory.host(address), self.town.memory.clock

        def late(link: EvilLink, request: Rpc) -> None:
            refusal = link.token(Refused("store-degraded", ""), re=request.jti)
            clock.callLater(3.5, link.say, refusal)

        slow = EvilPeer(host.connect, clock, NETWORK, port=PORT, respond=late)
        host.listen(PORT, slow.factory)
        self.town.result(slow.open("10.0.0.1", PORT))
        self.town.run(1)
        contact = Contact(slow.key.public.text, address, PORT)
        return slow, Known.of(contact, STILL.grouping)

    # --- newcomers
    def test_a_newcomer_gets_each_item_once(self) -> None:
        """All five hold all twelve; of each it gets one copy, by whoever is nearest to it."""
        nodes = list(self.town.nodes)
        self.lay(*nodes)
        newcomer = self.newcomer()
        for node in nodes:
            node.dht.replication.joined(self.known(newcomer))
        before = newcomer.dht.deposit.usage().items
        handed = self.handed(*nodes)
        self.assertGreaterEqual(handed, ITEMS)
        self.assertGreaterEqual(newcomer.dht.deposit.usage().items - before, handed)
        self.assertEqual(self.held(newcomer), ITEMS)

    def test_it_is_served_in_its_first_seconds(self) -> None:
        """By itself, without anybody's asking."""
        self.lay(*self.town.nodes)
        newcomer = self.newcomer()
        self.town.run(30)
        self.assertEqual(self.held(newcomer), ITEMS)

    def test_nobody_new_costs_nothing(self) -> None:
        """The store is not gone through."""
        self.lay(self.town.nodes[0])
        self.assertEqual(self.handed(self.town.nodes[0]), 0)
        known = self.known(self.town.nodes[1])
        self.town.nodes[0].dht.replication.joined(known)
        self.handed(self.town.nodes[0])
        self.assertEqual(self.handed(self.town.nodes[0]), 0)

    def test_who_does_not_store_gets_nothing(self) -> None:
        """A node known by its address only is no storage target."""
        self.lay(self.town.nodes[0])
        contact = Contact(self.town.nodes[1].identity.public.text, "10.0.1.1", PORT, "address")
        client = Known.of(contact, STILL.grouping)
        self.assertFalse(client.storage)
        self.town.nodes[0].dht.replication.joined(client)
        self.assertEqual(self.handed(self.town.nodes[0]), 0)

    def test_C6_a_flood_of_newcomers_is_bounded(self) -> None:
        """What is remembered of them; the hourly round serves the rest."""
        replication = self.town.nodes[0].dht.replication
        for number in range(4 * MAX_NEWCOMERS):
            replication.joined(made_node(number))
        self.assertEqual(len(replication._newcomers), MAX_NEWCOMERS)
        self.handed(self.town.nodes[0])
        self.assertEqual(len(replication._newcomers), 0)

    def test_one_that_is_slow_does_not_hold_up_the_others(self) -> None:
        """It is left to the hourly round, after the time of one copy."""
        giver = self.town.nodes[0]
        self.lay(giver)
        clock = self.town.memory.clock
        slow, known = self.slow()
        newcomer = self.town.nodes[1]
        giver.dht.replication.joined(known)
        giver.dht.replication.joined(self.known(newcomer))
        begun_s, before = clock.seconds(), stores(slow)  # a round by time may have been
        self.handed(giver)
        self.assertLess(clock.seconds() - begun_s, 5)
        self.assertEqual(stores(slow), before + 1)

    def test_C6_who_comes_and_goes_does_not_keep_us_busy(self) -> None:
        """After a large store was gone through it is not done again for a while."""
        giver, known = self.town.nodes[0], self.known(self.town.nodes[1])
        store, now_s = giver.dht.deposit._store, self.town.memory.clock.seconds()
        for number in range(1_000):
            store.put(Blob.of(b"much %d" % number), "", now_s, now_s)
        passes = 0
        for _ in range(20):
            giver.dht.replication.joined(known)
            begun_s = self.town.memory.clock.seconds()
            self.handed(giver)
            passes += self.town.memory.clock.seconds() > begun_s
            self.town.run(1)
        self.assertLessEqual(passes, 20 * LOOKED_AT_PER_S / 1_000 + 1)
        self.assertGreaterEqual(passes, 3)

    # --- the hourly round
    def replicated(self, node: Node) -> int:
        """Let a node's hourly round come; return how many items it stored again."""
        return self.town.result(node.dht.replication.replicate())

    def test_what_lies_nowhere_else_is_spread(self) -> None:
        """One node holds twelve items; an hour later all do."""
        first = self.town.nodes[0]
        self.lay(first)
        self.assertGreaterEqual(self.replicated(first), ITEMS)
        self.assertEqual([self.held(node) for node in self.town.nodes], [ITEMS] * NODES)

    def test_who_heard_of_it_lately_need_not_do_it_again(self) -> None:
        """Of five that hold an item one stores it again, and the others know that it did."""
        self.lay(*self.town.nodes)
        first, *others = self.town.nodes
        self.assertGreaterEqual(self.replicated(first), ITEMS)
        self.assertEqual(sum(self.replicated(node) for node in others), 0)
        self.town.run(HOUR_S - 300)
        self.assertEqual(self.replicated(others[0]), 0)

    def test_after_an_hour_it_is_done_again(self) -> None:
        """By whoever comes first; the others need not."""
        self.lay(*self.town.nodes)
        self.town.run(HOUR_S + 60)
        self.assertEqual([n for n in self.town.nodes if not self.was_spread(n)], [])
        self.assertEqual([self.replicated(node) for node in self.town.nodes], [0] * NODES)

    def was_spread(self, node: Node) -> bool:
        """Tell whether somebody stored the first blob at a node within the last minutes."""
        return node.dht.deposit.is_fresh(self.blobs[0].place, 600)

    def test_what_we_publish_ourselves_is_not_stored_twice(self) -> None:
        """Publishing stores it again each hour already."""
        first = self.town.nodes[0]
        for number in range(ITEMS):
            self.town.result(first.dht.publishing.put("name", f"a/{number}", b"", 3600))
        self.assertEqual(self.replicated(first), 0)

    def test_a_slow_holder_does_not_stretch_the_round(self) -> None:
        """Nor one of whom we know that it needs its time: several items go at a time."""
        giver, clock = self.town.nodes[0], self.town.memory.clock
        for address, rtt_s in (("10.7.7.1", None), ("10.7.8.1", 2.0)):
            _, known = self.slow(address)
            known.rtt_s = rtt_s
            giver.network.table.remove(known.id)
            giver.network.table.add(known, clock.seconds())
            names = [b"%a %d" % (rtt_s, number) for number in range(5 * PUTS_AT_ONCE)]
            self.blobs = [Blob.of(name) for name in names]
            self.lay(giver)
            begun_s = clock.seconds()
            self.assertGreaterEqual(self.replicated(giver), len(names))
            self.assertLess(clock.seconds() - begun_s, 6 * (PUT_S + PUTS_AT_ONCE * PAUSE_S))
            self.assertEqual([self.held(node) for node in self.town.nodes], [len(names)] * NODES)

    def test_a_round_has_its_pace_and_its_end_and_the_next_goes_on(self) -> None:
        """Of a store that is too large for one round nothing is left out for ever."""
        settings = replace(STILL, replicate_every_s=10.0)
        node, clock = self.town.add("10.0.88.1", settings=settings), self.town.memory.clock
        self.town.join()
        job, holder = node.dht.jobs["replicate"], self.town.nodes[0]
        self.rounds(job)
        self.blobs = [Blob.of(b"much %d" % number) for number in range(3 * PAGE)]
        for blob in self.blobs:
            node.dht.deposit._store.put(blob, "", clock.seconds(), clock.seconds())
        self.town.run(10)  # the round begins
        held = self.held(holder)
        for _ in range(8):
            self.town.run(0.5)
            before, held = held, self.held(holder)
            self.assertLessEqual(held - before, 0.5 / PAUSE_S + PUTS_AT_ONCE)
        self.rounds(job)
        held = self.held(holder)
        self.assertGreaterEqual(held, PAGE)
        self.assertLess(held, 3 * PAGE)
        self.rounds(job)
        self.assertEqual(self.held(holder), 3 * PAGE)

    def rounds(self, job: Upkeep) -> None:
        """Let the round that comes next end."""
        before = job.rounds
        self.assertTrue(self.town.run_until(lambda: job.rounds > before, 60))

    def test_what_belongs_to_others_is_left_to_them(self) -> None:
        """A node that knows twenty nearer ones does not spread an item."""
        first, blob = self.town.nodes[0], self.blobs[0]
        self.assertTrue(first.dht.deposit.keep(blob))
        for number in range(REPLICAS):
            first.network.table.add(at(blob.place ^ (number + 1), number), 0.0)
        before = self.town.nodes[1].dht.deposit.item(blob.place)
        self.replicated(first)
        self.assertIs(self.town.nodes[1].dht.deposit.item(blob.place), before)
