"""Whether others can reach a node: asked of several, answered by connections, acted on."""

from __future__ import annotations

from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.keyspace import K
from streembit.errors import RemoteRefusal, StreembitError
from streembit.service.node import Node
from streembit.service.probes import PROBE_TIMEOUT_S
from streembit.service.settings import NetworkSettings
from streembit.wire.message import DialBack, Dialled
from tests.rig.evil import EvilLink, EvilPeer
from tests.service.town import NETWORK, PORT, Town


class ReachabilityTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = Town(self)

    def holders(self, owner: Node, name: str) -> set[str]:
        """Return the ids of the nodes that took a record of this node."""
        put = self.town.result(self.town.desk(owner).put_record(name, b"value", 3600))
        return {replica.node_id for replica in put.replicas}

    def dialled(self, asker: Node, asked: Node, port: int) -> Dialled:
        """Return what one node says after dialling another back."""
        (peer,) = (p for p in asker.network.roster if p.key == asked.identity.public)
        asker.network.roster.expect_answer()
        answer = self.town.result(peer.request(DialBack(port))).claims.body
        assert isinstance(answer, Dialled)
        return answer

    def test_D10_two_networks_reached_us(self) -> None:
        """Peers in two networks that connected to us leave no doubt, and tell our address."""
        self.town.grow(4)
        self.town.join()
        self.town.run(90)
        for number, node in enumerate(self.town.nodes):
            self.assertEqual(node.reach.reachability.verdict, "reachable")
            self.assertEqual(node.reach.reachability.observed, f"10.0.{number}.1:{PORT}")
            self.assertFalse(node.network.client_only)

    def test_D10_one_network_is_one_witness(self) -> None:
        """Peers of one /24 may be one hand: with them alone nothing is known."""
        first = self.town.add("10.0.0.1")
        for number in range(1, 4):
            self.town.add(f"10.0.1.{number}")
        self.town.join()
        self.assertEqual(first.reach.reachability.verdict, "unknown")
        self.assertEqual(first.reach.reachability.observed, "")
        self.assertFalse(first.network.client_only)

    def test_D10_who_cannot_be_reached_stores_nothing(self) -> None:
        """It finds that out, says so to all, is in no table, and is asked to store nothing."""
        others = self.town.grow(5)
        self.town.join()
        hidden = self.town.add("10.9.0.1", listen=False)
        self.town.join()
        self.assertEqual(hidden.reach.reachability.verdict, "unreachable")
        self.assertTrue(hidden.network.client_only)
        self.assertEqual(len(hidden.network.table), 5)
        for number, node in enumerate(others):
            self.assertIsNone(node.network.table.get(hidden.network.id))
            self.assertNotIn(f"{hidden.network.id:040x}", self.holders(node, f"name/{number}"))
        self.assertEqual(len(self.holders(hidden, "mine")), 5)

    def test_D10_a_port_that_opens_makes_it_a_full_node(self) -> None:
        """Once others reach it, it tells so with new links, and is stored at again."""
        others = self.town.grow(5)
        self.town.join()
        hidden = self.town.add("10.9.0.1", listen=False)
        self.town.join()
        self.town.host(hidden).listen(PORT, hidden.carriers.factory)
        self.town.result(hidden.reach.reachability.ask(hidden.network.roster))
        self.assertFalse(hidden.network.client_only)
        self.town.run(60)
        for number, node in enumerate(others):
            self.assertIsNotNone(node.network.table.get(hidden.network.id))
            self.assertIn(f"{hidden.network.id:040x}", self.holders(node, f"name/{number}"))

    def test_D10_a_port_that_closes_makes_it_a_client(self) -> None:
        """A full node that others cannot reach any more leaves their tables."""
        *others, closing = self.town.grow(6)
        self.town.join()
        self.town.host(closing).ports.clear()
        self.town.run(2.5 * 3600)
        self.assertEqual(closing.reach.reachability.verdict, "unreachable")
        for node in others:
            self.assertIsNone(node.network.table.get(closing.network.id))
            self.assertNotIn(f"{closing.network.id:040x}", self.holders(node, "name"))

    def test_D10_a_dial_back_proves_the_key(self) -> None:
        """A port where nobody listens, and one where another key answers, are not the asker's."""
        self.town.grow(3)
        self.town.join()
        asker, asked, other = self.town.nodes
        answer = self.dialled(asker, asked, PORT)
        self.assertEqual((answer.reachable, answer.host, answer.code), (True, "10.0.0.1", ""))
        self.town.run(60)
        self.assertEqual(self.dialled(asker, asked, PORT + 1).code, "peer-gone")
        self.town.host(asker).listen(PORT + 2, other.carriers.factory)
        answer = self.dialled(asker, asked, PORT + 2)
        self.assertEqual((answer.reachable, answer.code), (False, "wrong-identity"))

    def test_D10_only_the_askers_own_host_is_dialled(self) -> None:
        """Nobody can make a node knock at other doors: the request has no room for a host."""
        self.town.grow(3)
        self.town.join()
        asker, asked, _ = self.town.nodes
        self.town.memory.trace.clear()
        self.dialled(asker, asked, PORT)
        dials = [(who, where) for _, who, where, size in self.town.memory.trace if size < 0]
        self.assertEqual(dials, [("10.0.1.1", f"10.0.0.1:{PORT}")])

    def test_D10_dial_backs_are_rationed(self) -> None:
        """Each costs a connection: one at a time a peer, and only so many a minute."""
        self.town.grow(2)
        self.town.join()
        asker, asked = self.town.nodes
        self.town.run(120)
        (peer,) = asker.network.roster
        before = asked.refusals.counts().get("rate-limited", 0)
        replies = [peer.request(DialBack(PORT)) for _ in range(3)]
        codes = []
        for reply in replies:
            try:
                self.town.result(reply)
                codes.append("")
            except RemoteRefusal as error:
                codes.append(error.code)
        self.assertEqual(codes, ["", "rate-limited", "rate-limited"])
        for _ in range(3):
            self.dialled(asker, asked, PORT)
        with self.assertRaises(StreembitError) as caught:
            self.dialled(asker, asked, PORT)
        self.assertEqual(caught.exception.code, "rate-limited")
        self.assertEqual(asked.refusals.counts()["rate-limited"] - before, 3)

    def test_D10_a_silent_port_is_told_in_time(self) -> None:
        """Where packets vanish the answer comes before the asker's patience ends."""
        self.town.grow(3)
        self.town.join()
        asker, asked, _ = self.town.nodes
        answer = self.dialled(asker, asked, PORT)
        self.assertTrue(answer.reachable)
        self.town.run(60)
        probe = asked.carriers.prober.dial("10.77.0.1", PORT, None)
        self.town.memory.silence("10.77.0.1")
        begun_s = self.town.memory.clock.seconds()
        probe.addErrback(lambda _: None)
        self.town.result(probe)
        self.assertLess(self.town.memory.clock.seconds() - begun_s, 4)

    def test_C1_tarpits_keep_nobody_from_being_dialled_back(self) -> None:
        """A dozen networks, four keys in each, ask again and again; their ports are silent."""
        self.town.grow(2)
        self.town.join()
        self.town.run(60)
        asker, asked = self.town.nodes
        links = [self.tarpit(f"10.66.{group}.{key}") for group in range(12) for key in range(4)]
        for _ in range(4):
            for link in links:
                link.ask(DialBack(PORT)).addErrback(lambda _: None)
            self.town.run(1)
            self.assertTrue(self.dialled(asker, asked, PORT).reachable)
            self.town.run(10)
        begun_s = self.town.memory.clock.seconds()
        answer = self.town.result(links[0].ask(DialBack(PORT))).body
        assert isinstance(answer, Dialled)
        self.assertEqual((answer.reachable, answer.code), (False, "deadline-exceeded"))
        self.assertLess(self.town.memory.clock.seconds() - begun_s, PROBE_TIMEOUT_S + 0.1)

    def tarpit(self, address: str) -> EvilLink:
        """Return a link to the second node of a peer whose port opens and says nothing."""
        host = self.town.memory.host(address)
        host.listen(PORT, Factory.forProtocol(Protocol))
        peer = EvilPeer(host.connect, self.town.memory.clock, NETWORK, alive=True)
        return self.town.result(peer.open("10.0.1.1", PORT))

    def test_D10_a_link_without_an_address_is_not_dialled_back(self) -> None:
        """A name would be looked up by us, and lead anywhere."""
        self.town.grow(2)
        named = self.town.add("localhost")
        self.town.join()
        with self.assertRaises(StreembitError) as caught:
            self.dialled(named, self.town.nodes[0], PORT)
        self.assertEqual(caught.exception.code, "private-address")
        self.assertEqual(named.reach.reachability.verdict, "unknown")

    def test_a_dial_back_leaves_the_link_as_it_was(self) -> None:
        """It comes over a connection of its own, which is closed at once; the old one serves on."""
        self.town.grow(2)
        self.town.join()
        asker, asked = self.town.nodes
        (before,) = asker.network.roster
        self.dialled(asker, asked, PORT)
        self.town.run(1)
        self.assertEqual(len(asker.network.roster), 1)
        self.assertIs(asker.network.roster.get(asked.identity.public), before)

    def test_what_one_peer_sees_counts_little(self) -> None:
        """A liar's word about our address is outvoted; what is no address is not counted."""
        self.town.grow(5)
        self.town.join()
        node = self.town.nodes[0]
        for peer in list(node.network.roster)[:1]:
            node.reach.reachability.seen(peer, "203.0.113.66:8905")
        for peer in list(node.network.roster)[1:]:
            node.reach.reachability.seen(peer, "evil.example:1")
        self.assertEqual(node.reach.reachability.observed, f"10.0.0.1:{PORT}")

    def test_who_does_not_listen_is_a_client(self) -> None:
        """Without a port nobody is asked, and nothing is promised."""
        self.town.grow(3)
        self.town.join()
        node = self.town.add("10.9.0.1", listen=False)
        node.reach.listening_on(0, ["10.9.0.1:0"])
        self.town.join()
        self.assertEqual(
            (node.reach.reachability.verdict, node.reach.reachability.observed), ("unreachable", "")
        )
        self.assertTrue(node.network.client_only)
        self.assertLess(len(node.network.table), K)

    def test_nobody_is_asked_twice_an_hour_where_it_sees_us(self) -> None:
        """Not even where one peer is all there is, and two would be wanted."""
        asker, asked = self.town.grow(2)
        self.town.join()
        self.town.run(60)
        before = asked._answers._asked.counts().get("ping", 0)
        self.town.run(30 * 60)
        pings = asked._answers._asked.counts().get("ping", 0) - before
        self.assertLessEqual(pings, 1)
        self.assertEqual(len(asker.network.roster), 1)

    def test_signs_of_life_keep_our_address_known(self) -> None:
        """What peers say of us in handshakes grows old; what they say in pongs renews it."""
        self.town.grow(3)
        client = NetworkSettings(network=NETWORK, client_only=True)
        node = self.town.add("10.9.0.1", listen=False, settings=client)
        self.town.join()
        self.town.run(3 * 3600)
        self.assertEqual(node.reach.reachability.observed, f"10.9.0.1:{PORT}")
