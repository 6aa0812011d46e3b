"""The in-memory network itself: repeatable, ordered, faulty as told, and quiet in the end."""

from __future__ import annotations

from typing import Any

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IProtocol,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from streembit.testing import SEND_BUFFER, MemoryClock, MemoryNetwork
from tests.service.town import Town

HERE, THERE = "10.0.0.1", "10.0.1.1"
LATENCY_S = 0.02
PORT = 7


class Kept(Protocol):
    """Keeps what comes, with the time, and how it ended."""

    transport: Any

    def __init__(self, clock: MemoryClock) -> None:
        self.clock = clock
        self.got: list[tuple[float, bytes]] = []
        self.ended: list[type[BaseException]] = []

    def dataReceived(self, data: bytes) -> None:
        self.got.append((round(self.clock.seconds() - START_S, 6), data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        assert reason.value is not None
        self.ended.append(type(reason.value))

    @property
    def data(self) -> bytes:
        """All bytes that came."""
        return b"".join(data for _, data in self.got)


START_S = MemoryClock().seconds()


class ClockTests(SynchronousTestCase):
    """The clock moves when told, and runs what is due in order."""

    def setUp(self) -> None:
        self.clock = MemoryClock()
        self.ran: list[object] = []

    def test_it_is_a_reactors_clock(self) -> None:
        """As far as services need one."""
        self.assertTrue(verifyObject(IReactorTime, self.clock))

    def test_calls_run_in_order_of_their_time_and_then_of_their_making(self) -> None:
        """Each sees its own time."""
        for delay_s, name in ((2, "c"), (1, "a"), (2, "d"), (1, "b"), (0, "now")):
            self.clock.callLater(
                delay_s,
                lambda name=name: self.ran.append((name, self.clock.seconds() - START_S)),
            )
        self.clock.advance(3)
        self.assertEqual(self.ran, [("now", 0), ("a", 1), ("b", 1), ("c", 2), ("d", 2)])
        self.assertEqual(self.clock.seconds(), START_S + 3)

    def test_a_call_made_by_a_call_runs_in_the_same_turn_when_due(self) -> None:
        """And not when it is not."""
        self.clock.callLater(1, lambda: self.clock.callLater(1, self.ran.append, "due"))
        self.clock.callLater(1, lambda: self.clock.callLater(2, self.ran.append, "later"))
        self.clock.advance(2.5)
        self.assertEqual(self.ran, ["due"])

    def test_cancelled_moved_and_pulled_calls(self) -> None:
        """They run once, at their last time, or never."""
        gone = self.clock.callLater(1, self.ran.append, "gone")
        put_off = self.clock.callLater(1, self.ran.append, "put off")
        pulled = self.clock.callLater(9, self.ran.append, "pulled")
        gone.cancel()
        put_off.delay(3)
        pulled.reset(2)
        self.assertEqual(len(self.clock.getDelayedCalls()), 2)
        self.clock.advance(3)
        self.assertEqual(self.ran, ["pulled"])
        self.clock.advance(1)
        self.assertEqual(self.ran, ["pulled", "put off"])
        self.clock.advance(20)
        self.assertEqual(len(self.ran), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_run_until_stops_at_once(self) -> None:
        """With the clock where it was done, or at the limit."""
        self.clock.callLater(2, self.ran.append, 1)
        self.clock.callLater(5, self.ran.append, 2)
        self.assertTrue(self.clock.run_until(lambda: bool(self.ran), 60))
        self.assertEqual((self.clock.seconds(), self.ran), (START_S + 2, [1]))
        self.assertFalse(self.clock.run_until(lambda: len(self.ran) > 1, 1))
        self.assertEqual(self.clock.seconds(), START_S + 3)


class StreamTests(SynchronousTestCase):
    """Two hosts, one connection."""

    def setUp(self) -> None:
        self.net = MemoryNetwork(seed=1, latency_s=(LATENCY_S, LATENCY_S))
        self.clock = self.net.clock
        self.here, self.there = self.net.host(HERE), self.net.host(THERE)
        self.server = Kept(self.clock)
        self.client = Kept(self.clock)

    def dial(self) -> Deferred[IProtocol]:
        """Connect from here to there."""
        return self.here.connect(THERE, PORT, Factory.forProtocol(lambda: self.client))

    def listen(self) -> None:
        self.there.listen(PORT, Factory.forProtocol(lambda: self.server))

    def connect(self) -> None:
        """Connect, and wait until it is."""
        self.listen()
        done = self.dial()
        self.clock.advance(1)
        self.assertIs(self.successResultOf(done), self.client)

    def quiet(self) -> None:
        """Assert that nothing is left on the clock."""
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ConnectTests(StreamTests):
    def test_connecting_takes_a_round_trip(self) -> None:
        """And the ends know each other's address."""
        self.listen()
        done = self.dial()
        self.clock.advance(2 * LATENCY_S - 0.001)
        self.assertNoResult(done)
        self.clock.advance(0.001)
        self.successResultOf(done)
        transport = self.client.transport
        self.assertEqual((transport.getPeer().host, transport.getPeer().port), (THERE, PORT))
        self.assertEqual(self.server.transport.getPeer(), transport.getHost())
        self.assertEqual(self.net.connections, 1)
        self.quiet()

    def test_the_transport_is_what_protocols_expect(self) -> None:
        """A TCP transport, a producer."""
        self.connect()
        for interface in (ITCPTransport, IPushProducer):
            self.assertTrue(verifyObject(interface, self.client.transport))

    def test_nobody_listens(self) -> None:
        """Refused, after the round trip."""
        done = self.dial()
        self.clock.advance(1)
        self.failureResultOf(done, error.ConnectionRefusedError)
        self.quiet()

    def test_a_port_is_taken_once(self) -> None:
        """And is free again when its owner stops."""
        port = self.there.listen(PORT, Factory())
        self.assertRaises(ValueError, self.listen)
        port.stopListening()
        self.connect()

    def test_who_is_silent_or_behind_a_partition_is_waited_for(self) -> None:
        """As long as a kernel would be told to."""
        self.listen()
        for fault in (lambda: self.net.silence(THERE), lambda: self.net.partition([HERE], [THERE])):
            fault()
            done = self.dial()
            self.clock.advance(9.9)
            self.assertNoResult(done)
            self.clock.advance(0.2)
            self.failureResultOf(done, error.TimeoutError)
            self.net.heal()
        self.quiet()

    def test_a_factory_that_wants_nobody(self) -> None:
        """The dialler sees a connection that closes."""

        class Closed(Factory):
            noisy = False

            def buildProtocol(self, addr: object) -> None:
                return None

        self.there.listen(PORT, Closed())
        done = self.dial()
        self.clock.advance(1)
        self.assertIs(self.successResultOf(done), self.client)
        self.assertEqual(self.client.ended, [ConnectionLost])
        self.assertEqual(self.net.connections, 0)


class BytesTests(StreamTests):
    def test_bytes_arrive_in_order_after_the_latency(self) -> None:
        """Each write by itself."""
        self.connect()
        for data in (b"a", b"b", b"c"):
            self.client.transport.write(data)
        self.client.transport.writeSequence([b"d", b"e"])
        self.clock.advance(1)
        self.assertEqual(
            self.server.got, [(1 + LATENCY_S, data) for data in (b"a", b"b", b"c", b"de")]
        )
        self.assertEqual(self.net.bytes_sent, 5)
        self.quiet()

    def test_a_close_in_order_comes_after_the_bytes(self) -> None:
        """Both sides see it as done."""
        self.connect()
        self.client.transport.write(b"last words")
        self.client.transport.loseConnection()
        self.client.transport.write(b"too late")
        self.clock.advance(1)
        self.assertEqual(self.server.data, b"last words")
        self.assertEqual((self.client.ended, self.server.ended), ([ConnectionDone],) * 2)
        self.assertEqual(self.net.connections, 0)
        self.quiet()

    def test_an_abort_is_a_reset(self) -> None:
        """At both ends, each once."""
        self.connect()
        self.client.transport.abortConnection()
        self.client.transport.abortConnection()
        self.clock.advance(1)
        self.assertEqual((self.client.ended, self.server.ended), ([ConnectionLost],) * 2)
        self.quiet()

    def test_who_pauses_is_given_nothing(self) -> None:
        """Until it resumes; its sender is told to wait when a buffer is full."""
        self.connect()
        sender = _Told()
        self.client.transport.registerProducer(sender, True)
        self.server.transport.pauseProducing()
        self.client.transport.write(b"x" * SEND_BUFFER)
        self.clock.advance(1)
        self.assertEqual((self.server.data, sender.told), (b"", []))
        self.client.transport.write(b"y")
        self.assertEqual(sender.told, ["pause"])
        self.server.transport.resumeProducing()
        self.clock.advance(1)
        self.assertEqual(len(self.server.data), SEND_BUFFER + 1)
        self.assertEqual(sender.told, ["pause", "resume"])


class _Told:
    """A producer that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")


class FaultTests(StreamTests):
    def test_an_outage_delays_what_was_written_and_loses_nothing(self) -> None:
        """As TCP does; the order stays, also of what was in flight."""
        for begin in (
            lambda: self.net.partition([HERE], [THERE]),
            lambda: self.net.silence(THERE),
            lambda: self.net.silence(HERE),
        ):
            self.setUp()
            self.connect()
            self.client.transport.write(b"1")
            begin()
            self.client.transport.write(b"2")
            self.client.transport.loseConnection()
            self.clock.advance(100)
            self.assertEqual((self.server.data, self.server.ended), (b"", []))
            self.net.heal()
            self.clock.advance(1)
            self.assertEqual((self.server.data, self.server.ended), (b"12", [ConnectionDone]))
            self.assertEqual(self.net.connections, 0)
            self.quiet()

    def test_after_an_outage_both_ends_go_on(self) -> None:
        """An open connection outlives it."""
        self.connect()
        self.net.partition([HERE], [THERE])
        self.client.transport.write(b"to")
        self.server.transport.write(b"fro")
        self.clock.advance(100)
        self.assertEqual((self.server.data, self.client.data), (b"", b""))
        self.net.heal()
        self.clock.advance(1)
        self.assertEqual((self.server.data, self.client.data), (b"to", b"fro"))
        self.quiet()

    def test_who_writes_to_a_connection_that_is_no_more_is_told(self) -> None:
        """One side gave up in an outage; the other hears of it with its next bytes."""
        self.connect()
        self.net.partition([HERE], [THERE])
        self.client.transport.abortConnection()
        self.clock.advance(1)
        self.net.heal()
        self.clock.advance(1)
        self.assertEqual((self.client.ended, self.server.ended), ([ConnectionLost], []))
        self.server.transport.write(b"anybody there?")
        self.clock.advance(1)
        self.assertEqual(self.server.ended, [ConnectionLost])
        self.assertEqual(self.net.connections, 0)

    def test_what_waits_in_an_outage_dies_with_its_host(self) -> None:
        """Nothing of it comes when the outage is over."""
        self.connect()
        self.net.partition([HERE], [THERE])
        self.client.transport.write(b"1")
        self.client.transport.loseConnection()
        self.clock.advance(1)
        self.net.kill(HERE)
        self.net.heal()
        self.clock.advance(1)
        self.assertEqual((self.server.data, self.server.ended), (b"", [ConnectionLost]))
        self.assertEqual(self.net.connections, 0)

    def test_a_partition_splits_sides_only(self) -> None:
        """Who is in neither side is with the others who are not."""
        third, fourth = self.net.host("10.0.2.1"), self.net.host("10.0.3.1")
        self.net.partition([HERE, third.address], [THERE])
        blocked = self.net.blocked
        self.assertFalse(blocked(self.here, third))
        self.assertTrue(blocked(self.here, self.there))
        self.assertTrue(blocked(fourth, self.there))
        self.net.heal()
        self.assertFalse(blocked(fourth, self.there))

    def test_a_killed_host_resets_everything_and_comes_back_empty(self) -> None:
        """Its ports are closed, and it connects to nobody, until it is revived."""
        self.connect()
        self.net.kill(THERE)
        self.assertEqual((self.client.ended, self.server.ended), ([ConnectionLost],) * 2)
        for dial in (self.dial, lambda: self.there.connect(HERE, PORT, Factory())):
            done = dial()
            self.clock.advance(1)
            self.failureResultOf(done, ConnectError)
        self.assertIs(self.net.revive(THERE), self.there)
        self.assertEqual(self.there.ports, {})
        self.connect()

    def test_loss_is_a_reset(self) -> None:
        """As often as the probability says, by the seed."""
        resets = 0
        for _ in range(50):
            self.there.ports.clear()
            self.connect()
            self.net.loss = 0.3
            self.client.transport.write(b"x")
            self.clock.advance(1)
            self.net.loss = 0.0
            resets += bool(self.client.ended)
            self.client, self.server = Kept(self.clock), Kept(self.clock)
        self.assertIn(resets, range(8, 24))

    def test_each_pair_keeps_its_latency(self) -> None:
        """Drawn between the bounds, the same in both directions and in the next run."""
        drawn: dict[frozenset[str], float] = {}
        for run in range(2):
            net = MemoryNetwork(seed=5, latency_s=(0.01, 0.09))
            hosts = [net.host(f"10.0.{n}.1") for n in range(20)]
            for one in hosts:
                for other in hosts:
                    delay_s = net.latency_s(one, other)
                    self.assertTrue(0.01 <= delay_s <= 0.09)
                    pair = frozenset((one.address, other.address))
                    self.assertEqual(drawn.setdefault(pair, delay_s), delay_s, run)
        self.assertGreater(len(set(drawn.values())), 150)

    def test_the_trace_is_bounded(self) -> None:
        """A long simulation does not eat the machine."""
        self.assertIsNotNone(self.net.trace.maxlen)


class RepeatTests(SynchronousTestCase):
    """Whole nodes with keys from the seed."""

    def trace(self, seed: int) -> list[tuple[float, str, str, int]]:
        """Let ten nodes join, look up, put and lose one of them; return who sent how much when."""
        town = Town(self, seed)
        nodes = town.grow(10)
        town.join()
        town.result(nodes[3].dht.finder.nodes(5))
        town.result(nodes[4].dht.publishing.put("name", "a/b", b"value", 3600))
        town.end(nodes[5])
        town.run(100)
        return list(town.memory.trace)

    def test_the_same_seed_gives_the_same_trace(self) -> None:
        """To the last byte and moment, though signatures and nonces differ; another does not."""
        first, again = self.trace(7), self.trace(7)
        self.assertGreater(len(first), 2000)
        for number, (one, other) in enumerate(zip(first, again, strict=False)):
            self.assertEqual(one, other, f"event {number}")
        self.assertEqual(len(first), len(again))
        self.assertNotEqual(first, self.trace(8))


class NoTransportTests(SynchronousTestCase):
    def test_a_transport_is_forgotten_when_it_ends(self) -> None:
        """Nothing grows with the connections that were."""
        net = MemoryNetwork()
        net.host(THERE).listen(PORT, Factory.forProtocol(Protocol))
        for _ in range(100):
            dialling = Factory.forProtocol(lambda: Kept(net.clock))
            done = net.host(HERE).connect(THERE, PORT, dialling)
            net.clock.advance(1)
            protocol = self.successResultOf(done)
            assert isinstance(protocol, Kept)
            protocol.transport.loseConnection()
            net.clock.advance(1)
        self.assertEqual(net.connections, 0)
