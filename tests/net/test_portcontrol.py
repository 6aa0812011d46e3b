"""A gateway asked over UDP: in memory, where nothing else is in the way, and over loopback."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from twisted.internet import reactor as installed
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from streembit.errors import MappingRefused, NoRouter, StreembitError
from streembit.net.portcontrol import PortControl, RouterLine
from streembit.router.talk import WAITS_S
from streembit.router.terms import LEASE_S, MAX_DATAGRAM_BYTES, SERVER_PORT, Mapped
from tests.router.box import HOST, Box

OWN, ROUTER, LIAR = "192.168.1.2", "192.168.1.1", "192.168.1.66"
LOOPBACK = "127.0.0.1"
PORT = 8905
reactor = cast(Any, installed)

T = TypeVar("T")


class Wire:
    """One end of a network in memory."""

    def __init__(self, net: Net, line: RouterLine) -> None:
        self.net, self.line = net, line

    def connect(self, host: str, port: int) -> None:
        """See IUDPTransport."""
        if self.net.unroutable is not None:
            raise self.net.unroutable
        self.net.asked = host, port

    def getHost(self) -> IPv4Address:  # noqa: N802 - Twisted's name
        """See IUDPTransport."""
        return IPv4Address("UDP", self.net.own, 40_000)

    def write(self, datagram: bytes, addr: object) -> None:
        """See IUDPTransport."""
        if self.net.fault is not None:
            raise self.net.fault
        for answer, sender in self.net.answers(datagram):
            self.net.clock.callLater(0, self.line.datagramReceived, answer, sender)

    def stopListening(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """See IListeningPort."""
        self.net.open.remove(self)
        return succeed(None)


class Net(Clock):
    """A reactor with datagrams, and a router behind them.

    Attributes:
        answers: given a datagram, returns what comes back and from where.
        fault: what the system says to whoever sends.
        unroutable: what it says to whoever wants to.
        exhausted: whether there are no sockets left.
    """

    def __init__(self) -> None:
        super().__init__()
        self.advance(1_000_000)
        self.clock = self
        self.box = Box(self)
        self.own = OWN
        self.open: list[Wire] = []
        self.asked: object = None
        self.fault: OSError | None = None
        self.unroutable: OSError | None = None
        self.exhausted = False
        self.answers: Callable[[bytes], list[tuple[bytes, tuple[str, int]]]] = self.honest

    def listenUDP(self, port: int, protocol: Any, interface: str = "", size: int = 0) -> Wire:  # noqa: N802
        """See IReactorUDP."""
        if self.exhausted:
            raise CannotListenError(interface, port, OSError(24, "Too many open files"))
        assert (port, interface, size) == (0, "", MAX_DATAGRAM_BYTES)
        wire = Wire(self, protocol)
        self.open.append(wire)
        protocol.makeConnection(wire)
        return wire

    def honest(self, datagram: bytes) -> list[tuple[bytes, tuple[str, int]]]:
        """Return what the router says, if anything."""
        answer = self.box.answer(datagram, self.own)
        return [] if answer is None else [(answer, (ROUTER, SERVER_PORT))]


class PortControlTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.net = Net()
        self.router = ROUTER
        self.control = PortControl(cast(Any, self.net), b"secret", lambda: self.router)

    def tearDown(self) -> None:
        self.assertEqual((self.net.open, self.net.getDelayedCalls()), ([], []))

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns, however long it takes by the clock."""
        result: T = self.successResultOf(self.ended(work))
        return result

    def why(self, kind: type[StreembitError]) -> str:
        """Return why there is no port."""
        failed = self.failureResultOf(self.ended(self.control.map(PORT, PORT)), kind)
        return str(failed.value)

    def ended(self, work: Coroutine[Any, Any, T]) -> Deferred[T]:
        """Return how it ends."""
        done = Deferred.fromCoroutine(work)
        while not done.called and self.net.getDelayedCalls():
            due_s = min(call.getTime() for call in self.net.getDelayedCalls())
            self.net.advance(due_s - self.net.seconds())
        return done

    def map(self) -> Mapped:
        """Ask for our port."""
        mapped: Mapped = self.wait(self.control.map(PORT, PORT))
        return mapped

    def test_a_port_of_the_gateway(self) -> None:
        """Asked for where the RFCs say, got, looked after, and given back."""
        self.assertEqual(self.map(), Mapped(HOST, PORT, LEASE_S, "PCP"))
        self.assertEqual(self.net.asked, (ROUTER, SERVER_PORT))
        self.net.advance(100)
        self.assertTrue(self.wait(self.control.holds()))
        self.wait(self.control.unmap())
        self.assertEqual(self.net.box.open, {})
        self.assertFalse(self.wait(self.control.holds()))

    def test_a_router_that_was_started_anew(self) -> None:
        """Is noticed, and asked again."""
        self.map()
        self.net.advance(60)
        self.net.box.restart()
        self.assertFalse(self.wait(self.control.holds()))
        self.map()
        self.assertEqual(len(self.net.box.open), 1)
        self.assertTrue(self.wait(self.control.holds()))

    def test_a_router_that_is_silent_for_a_while(self) -> None:
        """Is not taken for one that has forgotten."""
        self.map()
        self.net.answers = lambda _: []
        self.assertTrue(self.wait(self.control.holds()))

    def test_another_router(self) -> None:
        """Is asked by another nonce; what the first one's clock said is nothing to it."""
        self.map()
        self.router = "192.168.9.1"
        self.net.own = "192.168.9.2"
        self.net.answers = lambda datagram: [
            (answer, (self.router, port)) for answer, (_, port) in self.net.honest(datagram)
        ]
        self.map()
        (first, one), (second, other) = self.net.box.open.items()
        self.assertEqual((first[0], second[0]), (OWN, "192.168.9.2"))
        self.assertNotEqual(one[1], other[1])

    def test_others_are_not_heard(self) -> None:
        """Not another host, nor another port of the router's, whatever they know."""
        for liar in ((LIAR, SERVER_PORT), (ROUTER, SERVER_PORT + 1)):
            self.net.answers = lambda datagram, at=liar: [  # type: ignore[misc]
                (answer, at) for answer, _ in self.net.honest(datagram)
            ]
            self.assertIn("answers neither", self.why(NoRouter))

    def test_a_router_that_lies(self) -> None:
        """With answers to other questions, without sense, or before the one that counts."""
        lies = [b"", b"\x02\x81", bytes(24), b"\x02\x81" + bytes(58), b"\xff" * 1100, b"\0\x82" * 8]

        def answers(datagram: bytes) -> list[tuple[bytes, tuple[str, int]]]:
            return [(lie, (ROUTER, SERVER_PORT)) for lie in lies] + self.net.honest(datagram)

        self.net.answers = answers
        self.assertEqual(self.map().port, PORT)

    def test_a_refusal(self) -> None:
        """Its code is what is told."""
        self.net.box.result = 77
        self.assertIn("code 77", self.why(MappingRefused))

    def test_nobody_listens_there(self) -> None:
        """The system says so, and it is over at once; it may say so again."""
        self.net.answers = lambda _: []
        mapping = Deferred.fromCoroutine(self.control.map(PORT, PORT))
        (wire,) = self.net.open
        wire.line.connectionRefused()
        wire.line.connectionRefused()
        self.failureResultOf(mapping, NoRouter)

    def test_no_way_there(self) -> None:
        """So does a firewall of this machine, and a network that is down."""
        self.net.fault = OSError(101, "Network is unreachable")
        self.assertIn("unreachable", self.why(NoRouter))
        self.net.unroutable = OSError(101, "Network is down")
        self.assertIn("down", self.why(NoRouter))

    def test_C2_no_file_descriptors_left(self) -> None:
        """Nobody is asked, and that is no defect."""
        self.net.exhausted = True
        self.assertIn("Too many open files", self.why(NoRouter))

    def test_no_gateway(self) -> None:
        """Nobody is asked."""

        def none() -> str:
            raise NoRouter("there is none")

        control = PortControl(cast(Any, self.net), b"secret", none)
        self.failureResultOf(control.map(PORT, PORT), NoRouter)

    def test_an_errand_that_is_given_up(self) -> None:
        """Leaves no socket and no timer; a late answer is nothing to anybody."""
        self.net.answers = lambda _: []
        mapping = Deferred.fromCoroutine(self.control.map(PORT, PORT))
        self.net.advance(WAITS_S[0])
        (wire,) = self.net.open
        mapping.cancel()
        self.failureResultOf(mapping)
        wire.line.datagramReceived(bytes(24), (ROUTER, SERVER_PORT))

    def test_nothing_is_given_back_that_was_not_got(self) -> None:
        """Nobody is asked."""
        self.wait(self.control.unmap())
        self.assertIsNone(self.net.asked)


class Daemon(DatagramProtocol):
    """A router on a real socket."""

    noisy = False

    def __init__(self) -> None:
        self.box = Box(Clock())

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:  # noqa: N802
        """Answer."""
        answer = self.box.answer(datagram, addr[0])
        if answer is not None and self.transport is not None:
            self.transport.write(answer, addr)


class LoopbackTests(TestCase):
    """The real reactor's datagrams."""

    timeout = 10

    def control(self, port: int) -> PortControl:
        """Return who asks this machine at a port."""
        return PortControl(reactor, b"secret", lambda: LOOPBACK, port)

    async def test_a_port_and_back(self) -> None:
        """Our own address is the one that the system takes for this router."""
        daemon = Daemon()
        port = reactor.listenUDP(0, daemon, LOOPBACK)
        self.addCleanup(port.stopListening)
        control = self.control(port.getHost().port)
        mapped = await control.map(PORT, PORT)
        self.assertEqual((mapped.port, mapped.by), (PORT, "PCP"))
        self.assertEqual([own for own, _ in daemon.box.open], [LOOPBACK])
        self.assertTrue(await control.holds())
        await control.unmap()
        self.assertEqual(daemon.box.open, {})

    async def test_nobody_listens(self) -> None:
        """Which is known at once."""
        port = reactor.listenUDP(0, DatagramProtocol(), LOOPBACK)
        number = port.getHost().port
        await port.stopListening()
        began_s = reactor.seconds()
        with self.assertRaises(NoRouter):
            await self.control(number).map(PORT, PORT)
        self.assertLess(reactor.seconds() - began_s, sum(WAITS_S))
