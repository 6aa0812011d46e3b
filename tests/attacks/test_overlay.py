"""Rows D1 and D2: liars about contacts, and many identities in one network."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from streembit.dht.keyspace import node_id
from streembit.dht.peer import Node as Known
from streembit.dht.record import make
from streembit.errors import StreembitError
from streembit.jose.keys import PrivateKey
from streembit.wire.message import Contact, Ping
from tests.attacks.watched import AttackTests
from tests.rig.evil import EvilPeer, lying_with, silent
from tests.rig.refusal import QUIET
from tests.service.town import NETWORK, PORT


class OverlayTests(AttackTests):
    def table(self) -> set[int]:
        """Return the ids of the node's table."""
        return {known.id for known in self.watch.node.network.table}

    def look(self) -> None:
        """Let the node look up something, and do its upkeep for a while."""
        search = Deferred.fromCoroutine(self.watch.node.dht.finder.nodes(1))
        self.town.run(60)
        self.successResultOf(search)

    def test_D1_contacts_that_do_not_exist(self) -> None:
        """Twenty in each answer: tried at most, and never in the table."""
        ghosts = [
            Contact(PrivateKey.generate().public.text, f"10.9.{n}.1", PORT) for n in range(20)
        ]
        evil = self.watch.neighbour(lying_with(ghosts))
        before = self.table()
        self.look()
        self.assertTrue(any(link.heard for link in evil.links), "nobody asked the liar")
        self.assertEqual(self.table(), before)
        self.assertLessEqual(len(self.watch.node.network.candidates), 512)
        self.watch.harmless()

    def test_D1_a_thousand_contacts_in_one_answer(self) -> None:
        """It is no message at all, and 21 are none either: the link ends."""
        key = PrivateKey.generate().public.text
        for number, count, reason in ((1, 21, "bad-json"), (2, 1000, "frame-too-large")):
            ghosts = [Contact(key, f"10.9.{n % 250}.1", PORT) for n in range(count)]
            self.watch.neighbour(lying_with(ghosts), number)
            before = self.table()
            self.look()
            self.assertLessEqual(self.table(), before)
            self.assertGreaterEqual(self.watch.node.refusals.counts()[reason], 1)
            self.watch.harmless()

    def test_D1_contacts_at_somebody_elses_address(self) -> None:
        """The friend's address under other keys: whoever answers there is not who was named."""
        others = [Contact(PrivateKey.generate().public.text, "10.0.1.1", PORT) for _ in range(20)]
        self.watch.neighbour(lying_with(others))
        before = self.table()
        self.look()
        self.assertEqual(self.table(), before)

    def newcomer(self, address: str = "10.0.2.1") -> Known:
        """Return where a node is that listens, has no links, and that nobody was told of."""
        node = self.town.add(address, settings=QUIET)
        contact = Contact(node.identity.public.text, address, PORT)
        return Known.of(contact, self.watch.node.network.settings.grouping)

    def elsewhere(self, node: Known, host: str) -> Known:
        """Return the node as a liar tells of it."""
        contact = Contact(node.contact.key, host, PORT)
        return Known.of(contact, self.watch.node.network.settings.grouping)

    def test_D1_a_false_address_of_somebody_known(self) -> None:
        """Dialled there in vain, it stays in the table with the address that was proven."""
        network = self.watch.node.network
        self.watch.neighbour(silent)
        self.town.memory.silence("10.9.9.1")
        for number, host in enumerate(("10.9.9.1", "10.9.8.1", "10.7.0.1")):
            honest = self.newcomer(f"10.0.{number + 2}.1")
            network.table.add(honest, self.now())
            false = self.elsewhere(honest, host)
            told = network.ask_one(false, Ping())
            self.town.run(60)
            network.unheard(false, self.failureResultOf(told, StreembitError).value)
            self.assertIs(network.table.get(honest.id), honest, host)

    def test_D1_nobody_waits_for_a_dial_to_a_false_address(self) -> None:
        """While a silent host is dialled in its name the node is reached where it is."""
        network, honest = self.watch.node.network, self.newcomer()
        self.town.memory.silence("10.9.9.1")
        told = network.ask_one(self.elsewhere(honest, "10.9.9.1"), Ping())
        asked = network.ask_one(honest, Ping())
        self.town.run(1)
        self.successResultOf(asked)
        self.town.run(60)
        self.failureResultOf(told, StreembitError)

    def test_D1_a_false_address_of_somebody_new(self) -> None:
        """Dialled there in vain, it is greeted all the same when it is told of where it is."""
        newcomer = self.newcomer()
        evil = self.watch.neighbour(lying_with([self.elsewhere(newcomer, "10.9.9.1").contact]))
        self.look()
        self.assertNotIn(newcomer.id, self.table())
        evil.respond = lying_with([newcomer.contact])
        self.look()
        self.assertIn(newcomer.id, self.table())

    def test_D1_false_addresses_hide_no_record(self) -> None:
        """A liar next to the place says that all its holders are where nobody answers."""
        node, friend = self.watch.node, self.watch.friend
        record = make(PrivateKey.generate(), "name", "a", b"v", 1, self.now() + 3600, NETWORK)
        holders = [self.town.add(f"10.0.{n}.1", settings=QUIET) for n in range(2, 5)]
        grouping = node.network.settings.grouping
        for holder in holders:
            holder.dht.deposit.keep(record)
            host = holder.reach.listening[0].partition(":")[0]
            told = Contact(holder.identity.public.text, host, PORT)
            friend.network.table.add(Known.of(told, grouping), self.now())
        self.town.memory.silence("10.9.4.1")
        lies = [
            Contact(holder.identity.public.text, f"10.9.{n + 2}.1", PORT)
            for n, holder in enumerate(holders)
        ]
        self.watch.neighbour(lying_with(lies))
        for mode in (node.dht.finder.first, node.dht.finder.latest, node.dht.finder.surely):
            search = Deferred.fromCoroutine(mode(record.place))
            self.town.run(20)
            found = self.successResultOf(search).item
            assert found is not None, mode
            self.assertEqual(found.digest, record.digest)

    def test_D1_the_liars_answer_hides_nobody(self) -> None:
        """Honest nodes are found though a liar stands nearest to the target."""
        self.town.join(*self.town.grow(6))
        evil = self.watch.neighbour(lying_with([]))
        target = node_id(evil.key.public.point) ^ 1
        search = Deferred.fromCoroutine(self.watch.node.dht.finder.nodes(target))
        self.town.run(10)
        found = self.successResultOf(search).found
        assert found is not None
        honest = {node.network.id for node in self.town.nodes[1:]}
        self.assertLessEqual(honest, {node.id for node in found.nodes})

    def test_D2_many_identities_in_one_network(self) -> None:
        """Of 48 in one /24 that all listen and answer, three enter the table."""
        evils: list[EvilPeer] = []
        for number in range(48):
            host = self.town.memory.host(f"10.8.0.{number + 1}")
            evil = EvilPeer(
                host.connect,
                self.town.memory.clock,
                NETWORK,
                port=PORT,
                respond=lying_with([Contact(e.key.public.text, e.host, PORT) for e in evils[-20:]]),
            )
            evil.host = host.address
            host.listen(PORT, evil.factory)
            evils.append(evil)
            self.town.result(evil.open("10.0.0.1", PORT))
            self.town.run(1)
        self.look()
        ids = {node_id(evil.key.public.point) for evil in evils}
        self.assertLessEqual(len(self.table() & ids), 3)
        self.assertIn(self.watch.friend.network.id, self.table())
        self.watch.harmless()
