"""Dialling from a port that is in use, on real sockets of the loopback interface."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, cast

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, UNIXClientEndpoint
from twisted.internet.interfaces import IDelayedCall, IListeningPort
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import TestCase

from streembit.errors import PunchFailed
from streembit.jose.keys import PrivateKey
from streembit.link.punch import WINDOW_S, initiates
from streembit.net.events import LinkWatch
from streembit.net.gate import Gate
from streembit.net.punch import Punch, local_of
from streembit.net.tcp import LinkProtocol
from tests.disk.places import a_folder
from tests.link.party import ALICE, BOB, CAROL, NETWORK, hello_of
from tests.net.pair import Owner

reactor: PosixReactorBase = installed  # type: ignore[assignment]
LOOPBACK = "127.0.0.1"


class Timed:
    """The reactor, but for its time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)

    def seconds(self) -> float:
        return self._clock.seconds()

    def callLater(self, delay: float, call: Callable[..., object], *args: object) -> IDelayedCall:  # noqa: N802
        return self._clock.callLater(delay, call, *args)


class Side:
    """One who has a connection to somebody, and meets another one from its port."""

    def __init__(self, key: PrivateKey, other: PrivateKey, clock: Any = None) -> None:
        self.key, self.other = key, other
        self.gate, self.owner = Gate(), Owner()
        self._reactor = reactor if clock is None else Timed(clock)
        self.carrier = Protocol()

    async def connect(self, port: int) -> None:
        """Connect to the one who sees us."""
        endpoint = TCP4ClientEndpoint(reactor, LOOPBACK, port)
        await endpoint.connect(Factory.forProtocol(lambda: self.carrier))
        local = local_of(self.carrier)
        assert local is not None
        self.local = local

    def meet(self, port: int) -> Deferred[LinkProtocol]:
        """Try to meet the other side at a port."""
        punch = Punch(
            cast(Any, self._reactor),
            self.local,
            LOOPBACK,
            port,
            self._link,
            self.other.public,
            self.gate,
        )
        return punch.start()

    def _link(self, watch: LinkWatch) -> LinkProtocol:
        return LinkProtocol(
            self.key,
            lambda host, port: hello_of(self.key),
            NETWORK,
            reactor,
            self.owner,
            initiator=initiates(self.key.public, self.other.public),
            expect=self.other.public,
            watch=watch,
        )


class PunchTests(TestCase):
    timeout = 20

    def setUp(self) -> None:
        self.port: IListeningPort = reactor.listenTCP(
            0, Factory.forProtocol(Protocol), interface=LOOPBACK
        )
        self.addCleanup(self.port.stopListening)
        self.sides: list[Side] = []
        self.addCleanup(self.leave)

    async def leave(self) -> None:
        """End every connection, and see that no place is taken."""
        for side in self.sides:
            for link in side.owner.opened:
                link.abort()
            cast(Any, side.carrier.transport).abortConnection()
        while any(side.gate.total for side in self.sides):
            await deferLater(reactor, 0.01)

    async def side(self, key: PrivateKey, other: PrivateKey, clock: Any = None) -> Side:
        """Return one who is connected."""
        side = Side(key, other, clock)
        await side.connect(cast(Any, self.port.getHost()).port)
        self.sides.append(side)
        return side

    async def test_two_who_dial_each_other(self) -> None:
        """Both get a link to the key they expect; the connections that they had go on."""
        ann, bob = await self.side(ALICE, BOB), await self.side(BOB, ALICE)
        met = [ann.meet(bob.local.port), bob.meet(ann.local.port)]
        links = [await each for each in met]
        for link, side in zip(links, (ann, bob), strict=True):
            assert link.link is not None
            self.assertEqual(link.link.peer.public, side.other.public)
            self.assertEqual(link.initiator, initiates(side.key.public, side.other.public))
            self.assertTrue(cast(Any, side.carrier.transport).connected)
        links[0].send(b"hello")
        while not bob.owner.payloads:
            await deferLater(reactor, 0.01)

    async def test_the_side_that_comes_late(self) -> None:
        """What is refused at first is dialled again."""
        ann, bob = await self.side(ALICE, BOB), await self.side(BOB, ALICE)
        met = ann.meet(bob.local.port)
        await deferLater(reactor, 0.3)
        self.assertFalse(met.called)
        await bob.meet(ann.local.port)
        await met

    async def test_nobody_comes(self) -> None:
        """It is given up in time, and the port is free again."""
        clock = Clock()
        ann, bob = await self.side(ALICE, BOB, clock), await self.side(BOB, ALICE)
        met = ann.meet(bob.local.port)
        clock.advance(WINDOW_S)
        with self.assertRaises(PunchFailed):
            await met
        self.assertEqual(clock.getDelayedCalls(), [])
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            again.bind((LOOPBACK, ann.local.port))
            again.listen()

    async def test_another_key_comes(self) -> None:
        """Whoever sits where the contact was said to be is not taken for it."""
        clock = Clock()
        ann, eve = await self.side(ALICE, BOB, clock), await self.side(CAROL, ALICE)
        met, other = ann.meet(eve.local.port), eve.meet(ann.local.port)
        while not (ann.owner.refusals or eve.owner.refusals or eve.owner.lost):
            await deferLater(reactor, 0.01)
        other.addErrback(lambda _: None)
        other.cancel()
        clock.advance(WINDOW_S)
        with self.assertRaises(PunchFailed):
            await met
        self.assertEqual(ann.owner.opened, [])

    async def test_giving_up(self) -> None:
        """Cancelling leaves nothing behind."""
        ann, bob = await self.side(ALICE, BOB), await self.side(BOB, ALICE)
        met = ann.meet(bob.local.port)
        met.addErrback(lambda _: None)
        met.cancel()
        self.assertTrue(met.called)

    async def test_what_is_no_tcp_has_no_port(self) -> None:
        """A Unix socket, or nothing at all."""
        self.assertIsNone(local_of(Protocol()))
        path = str(a_folder(self) / "s")
        port = reactor.listenUNIX(path, Factory.forProtocol(Protocol))
        self.addCleanup(port.stopListening)
        carrier = Protocol()
        await UNIXClientEndpoint(reactor, path).connect(Factory.forProtocol(lambda: carrier))
        self.assertIsNone(local_of(carrier))
        cast(Any, carrier.transport).abortConnection()
