"""Dialling and listening over the in-memory network: links open, and fail in time."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import (
    BadMessage,
    DeadlineExceeded,
    PeerGone,
    SelfConnect,
    StreembitError,
    TooManyConnections,
    WrongIdentity,
)
from streembit.net.dial import Dialer, over_tcp
from streembit.net.gate import GateLimits
from streembit.net.listen import descriptors
from streembit.net.tcp import LinkProtocol
from streembit.testing import MemoryNetwork
from tests.link.party import ALICE, BOB, CAROL, key
from tests.net.node import PORT, HostNode


class DialCase(SynchronousTestCase):
    """Alice dials Bob."""

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.alice = HostNode(self.network, "192.0.2.1", ALICE)
        self.bob = HostNode(self.network, "198.51.100.1", BOB).listen()

    def pass_s(self, seconds: float) -> None:
        """Let simulated time pass."""
        self.network.clock.advance(seconds)

    def assert_quiet(self) -> None:
        """No timer is left, no place is taken."""
        self.pass_s(0.5)
        self.assertEqual(list(self.network.clock.getDelayedCalls()), [])
        self.assertEqual((self.alice.gate.total, self.bob.gate.total), (0, 0))
        self.assertEqual(self.bob.gate.strangers, 0)

    def open_link(self) -> LinkProtocol:
        """Return Alice's end of an open link."""
        dialled = self.alice.dial(self.bob)
        self.pass_s(1.0)
        return self.successResultOf(dialled)


class DialTests(DialCase):
    """What a dial comes to."""

    def test_a_link_opens_and_both_sides_count_it(self) -> None:
        """The Deferred fires after the owner was told."""
        link = self.open_link()
        self.assertEqual(self.alice.owner.opened, [link])
        self.assertEqual((link.host, link.port), ("198.51.100.1", PORT))
        self.assertEqual((self.alice.gate.total, self.bob.gate.total), (1, 1))
        self.assertEqual(self.bob.gate.strangers, 0)
        link.send(b"hello")
        self.pass_s(1.0)
        self.assertEqual(self.bob.owner.payloads, [b"hello"])
        link.close()
        self.assert_quiet()
        self.assertEqual(len(self.bob.owner.lost), 1)

    def test_nobody_listens(self) -> None:
        """The peer is gone."""
        self.network.host("203.0.113.1")
        dialled = self.alice.dialer.dial("203.0.113.1", PORT)
        self.pass_s(1.0)
        self.failureResultOf(dialled, PeerGone)
        self.assert_quiet()

    def test_nobody_answers(self) -> None:
        """Ten seconds, whether the network is silent or the host."""
        self.network.silence("198.51.100.1")
        dialled = self.alice.dial(self.bob)
        self.pass_s(9.9)
        self.assertNoResult(dialled)
        self.pass_s(0.2)
        self.failureResultOf(dialled, DeadlineExceeded)
        self.assert_quiet()

    def test_a_host_that_accepts_and_falls_silent(self) -> None:
        """Ten seconds from the first packet, not from the connection."""
        dialled = self.alice.dial(self.bob)
        self.network.clock.run_until(lambda: self.alice.gate.total > 0, 1.0)
        while not self.network.connections:
            self.pass_s(0.001)
        self.network.silence("198.51.100.1")
        self.pass_s(10.1)
        self.failureResultOf(dialled, DeadlineExceeded)
        self.pass_s(10.0)
        self.assertEqual(self.alice.gate.total, 0)

    def test_another_key_answers(self) -> None:
        """The dial fails with the handshake's word for it."""
        dialled = self.alice.dial(self.bob, CAROL.public)
        self.pass_s(1.0)
        self.failureResultOf(dialled, WrongIdentity)
        self.assertEqual(self.alice.owner.opened, [])
        self.assert_quiet()

    def test_a_node_dials_itself(self) -> None:
        """It is told so."""
        dialled = self.bob.dial(self.bob)
        self.pass_s(1.0)
        self.failureResultOf(dialled, SelfConnect)
        self.assert_quiet()

    def test_another_network(self) -> None:
        """The other side hangs up; nothing more is said to a stranger."""
        other = HostNode(self.network, "203.0.113.9", CAROL, name="other")
        dialled = other.dial(self.bob)
        self.pass_s(1.0)
        self.failureResultOf(dialled, PeerGone)
        self.assertEqual([code for _, code in self.bob.owner.refusals], ["wrong-network"])

    def test_the_owner_refuses_the_link_when_it_opens(self) -> None:
        """Then the dial fails too, with the owner's reason."""

        def refuse(_link: LinkProtocol) -> None:
            raise BadMessage("not now")

        self.alice.owner.on_open = refuse
        dialled = self.alice.dial(self.bob)
        self.pass_s(1.0)
        self.failureResultOf(dialled, BadMessage)
        self.assert_quiet()

    def test_a_cancelled_dial_opens_nothing_and_leaves_nothing(self) -> None:
        """At every moment from the first packet to the open link."""
        refused = 0
        for moment in range(40):
            dialled = self.alice.dial(self.bob)
            failures: list[Failure] = []
            dialled.addErrback(failures.append)
            self.pass_s(moment * 0.005)
            dialled.cancel()
            self.pass_s(1.0)
            if failures:
                refused += 1
                self.assertIsInstance(failures[0].value, StreembitError | CancelledError)
                self.assertEqual(self.alice.owner.opened, [])
            for link in self.alice.owner.opened:
                link.abort()
            self.alice.owner.opened.clear()
            self.assert_quiet()
        self.assertIn(refused, range(5, 40))

    def test_C1_our_own_connections_are_bounded(self) -> None:
        """A dial beyond the total is refused at once."""
        crowded = HostNode(self.network, "203.0.113.7", CAROL, limits=GateLimits(total=1))
        first, second = crowded.dial(self.bob), crowded.dial(self.bob)
        self.failureResultOf(second, TooManyConnections)
        self.pass_s(1.0)
        self.successResultOf(first)


class ListenTests(DialCase):
    """What a listener does."""

    def raw(self, address: str) -> Deferred[IProtocol]:
        """Connect and say nothing."""
        host = self.network.host(address)
        return host.connect("198.51.100.1", PORT, Factory.forProtocol(Protocol))

    def test_C1_the_ninth_connection_of_an_address_is_closed_at_once(self) -> None:
        """It gets no protocol, and the refusal is told once."""
        for _ in range(9):
            self.raw("203.0.113.1")
        self.pass_s(1.0)
        self.assertEqual(self.bob.gate.total, 8)
        self.assertEqual([error.code for error in self.bob.turned_away], ["too-many-connections"])

    def test_C1_the_oldest_stranger_is_dropped_and_an_honest_node_joins(self) -> None:
        """65 silent strangers: the first is gone, and Alice gets her link."""
        for n in range(65):
            self.raw(f"203.0.{n}.1")
            self.pass_s(0.05)
        self.pass_s(0.2)
        self.assertEqual(self.bob.gate.strangers, 64)
        self.assertEqual(self.bob.owner.refusals, [("203.0.0.1", "too-many-connections")])
        self.open_link()
        self.pass_s(10.0)
        self.assertEqual(self.bob.gate.strangers, 0)
        self.assertEqual(self.bob.gate.total, 1)

    def test_C1_a_member_gets_a_place_that_others_do_not(self) -> None:
        """The reserved share is given by key, after the handshake."""
        limits = GateLimits(total=4)
        seed = HostNode(
            self.network, "203.0.113.50", key("seed"), limits=limits, members=(CAROL.public,)
        ).listen()
        nodes = [HostNode(self.network, f"203.0.{n}.1", key(f"n{n}")) for n in range(4)]
        dials = [node.dial(seed) for node in nodes]
        self.pass_s(1.0)
        self.assertEqual(len(seed.owner.opened), 3)
        self.assertEqual([code for _, code in seed.owner.refusals], ["too-many-connections"])
        carol = HostNode(self.network, "203.0.99.1", CAROL)
        dials.append(carol.dial(seed))
        self.pass_s(1.0)
        self.assertEqual(len(seed.owner.opened), 4)
        for dialled in dials:
            dialled.addErrback(lambda _failure: None)

    def test_B2_silent_strangers_are_gone_after_10_s(self) -> None:
        """And leave nothing behind."""
        for n in range(20):
            self.raw(f"203.0.{n}.1")
        self.pass_s(9.0)
        self.assertEqual(self.bob.gate.strangers, 20)
        self.pass_s(2.0)
        self.assertEqual({code for _, code in self.bob.owner.refusals}, {"deadline-exceeded"})
        self.assertEqual(len(self.bob.owner.refusals), 20)
        self.assert_quiet()

    def test_a_listener_that_stops_drops_those_at_the_handshake(self) -> None:
        """Open links are their owner's."""
        link = self.open_link()
        self.raw("203.0.113.1")
        self.pass_s(0.5)
        self.bob.host.ports[PORT].stopListening()
        self.pass_s(0.5)
        self.assertEqual((self.bob.gate.strangers, self.bob.gate.total), (0, 1))
        self.assertTrue(link.is_open)
        self.assertEqual(self.bob.owner.refusals, [])

    def test_C2_the_system_says_how_many_descriptors_there_are(self) -> None:
        """A positive number, whatever the system says."""
        self.assertGreater(descriptors(), 3)


class TcpTests(SynchronousTestCase):
    """The endpoints chosen for real connections."""

    def test_addresses_are_not_looked_up_and_names_are(self) -> None:
        """An address is dialled at once."""
        reactor = MemoryReactorClock()
        connect = over_tcp(reactor)
        factory: IProtocolFactory = HostNode(MemoryNetwork(), "192.0.2.1", ALICE).factory
        connect("192.0.2.9", 1, factory)
        connect("2001:db8::9", 2, factory)
        self.assertEqual([client[0] for client in reactor.tcpClients], ["192.0.2.9", "2001:db8::9"])

    def test_a_dialler_without_a_gate(self) -> None:
        """Counting is the gate's business alone."""
        network = MemoryNetwork()
        alice = HostNode(network, "192.0.2.1", ALICE)
        HostNode(network, "198.51.100.1", BOB).listen()
        dialer = Dialer(
            alice.host.connect,
            lambda expect, watch: alice.make(initiator=True, expect=expect, watch=watch),
            network.clock,
        )
        dialled = dialer.dial("198.51.100.1", PORT, BOB.public)
        network.clock.advance(1.0)
        self.assertTrue(self.successResultOf(dialled).is_open)
        self.assertEqual(alice.gate.total, 0)
