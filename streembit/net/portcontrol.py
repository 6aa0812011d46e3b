"""Asks the default gateway for a port that leads to one of ours, by PCP or NAT-PMP."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IReactorTime,
    IReactorUDP,
    IUDPTransport,
)
from twisted.internet.protocol import DatagramProtocol

from streembit.errors import NoRouter, StreembitError
from streembit.net.deadline import Deadline
from streembit.net.gateway import default_gateway
from streembit.router.lease import Lease, Place
from streembit.router.talk import Send, Talk, Told, Wait
from streembit.router.terms import MAX_DATAGRAM_BYTES, SERVER_PORT, Mapped


class DatagramReactor(IReactorUDP, IReactorTime):
    """What asking a router needs of the reactor."""


class PortControl:
    """The default gateway, looked for anew at each `map`: it may be another one by then.

    Args:
        secret: of the account, for the nonce of its ports (`router.lease`).
        gateway: tells where the gateway is, or raises NoRouter.
        port: where it is asked.
    """

    name = "PCP and NAT-PMP"

    def __init__(
        self,
        reactor: DatagramReactor,
        secret: bytes,
        gateway: Callable[[], str] = default_gateway,
        port: int = SERVER_PORT,
    ) -> None:
        self._reactor = reactor
        self._secret = secret
        self._gateway = gateway
        self._port = port
        self._lease: Lease | None = None

    async def map(self, inner: int, wanted: int) -> Mapped:
        """See `service.routers.Router`."""
        line = await self._open(self._gateway())
        try:
            lease = self._lease_at(line.place)
            told = await line.ask(lease.take(inner, wanted))
            return lease.took(told, self._reactor.seconds())
        finally:
            await line.close()

    async def holds(self) -> bool:
        """See `service.routers.Router`; a router that is silent is given the benefit of doubt."""
        lease = self._lease
        talk = None if lease is None else lease.look()
        if lease is None or talk is None:
            return False
        try:
            told = await self._ask(lease, talk)
        except StreembitError:
            return True
        return lease.holds(told, self._reactor.seconds())

    async def unmap(self) -> None:
        """See `service.routers.Router`."""
        lease, self._lease = self._lease, None
        talk = None if lease is None else lease.give_back()
        if lease is not None and talk is not None:
            await self._ask(lease, talk)

    # --- how
    def _lease_at(self, place: Place) -> Lease:
        """Return the lease that we have with this router, at this address of ours."""
        if self._lease is None or self._lease.place != place:
            self._lease = Lease(place, self._secret)
        return self._lease

    async def _ask(self, lease: Lease, talk: Talk) -> Told:
        line = await self._open(lease.place.router)
        try:
            return await line.ask(talk)
        finally:
            await line.close()

    async def _open(self, router: str) -> RouterLine:
        line = RouterLine(self._reactor, router, self._port)
        try:
            line.port = self._reactor.listenUDP(0, line, "", MAX_DATAGRAM_BYTES)
        except CannotListenError as e:
            raise NoRouter(f"{router} cannot be asked: {e}") from None
        try:
            line.transport.connect(router, self._port)  # nobody else is heard from now on
        except OSError as e:
            await line.close()
            raise NoRouter(f"{router} cannot be asked: {e}") from None
        return line


class RouterLine(DatagramProtocol):
    """Carries talks with one router, one at a time; nobody else is heard.

    Attributes:
        port: what is closed at the end.
    """

    noisy = False
    port: IListeningPort
    transport: IUDPTransport

    def __init__(self, clock: IReactorTime, host: str, port: int) -> None:
        self._clock = clock
        self._router = host, port
        self._timer = Deadline(clock)
        self._talk: Talk | None = None
        self._told: Deferred[Told] = Deferred()

    @property
    def place(self) -> Place:
        """Where we are, and the router."""
        return Place(self._router[0], str(self.transport.getHost().host))

    def ask(self, talk: Talk) -> Deferred[Told]:
        """Fire with what the router says in the end.

        Errbacks:
            NoRouter, MappingRefused
        """
        self._talk, self._told = talk, Deferred(lambda _: self._ended())
        told = self._told
        self._go_on()
        return told

    async def close(self) -> None:
        """Leave the port."""
        self._ended()
        stopped = self.port.stopListening()
        if isinstance(stopped, Deferred):
            await stopped

    # --- DatagramProtocol
    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:  # noqa: N802
        if addr == self._router and self._talk is not None:
            self._talk.receive(datagram)
            self._go_on()

    def connectionRefused(self) -> None:  # noqa: N802 - Twisted's name
        """Hear from the system that nobody listens there."""
        self._fail(NoRouter(f"{self._router[0]} does not listen at port {self._router[1]}"))

    def stopProtocol(self) -> None:  # noqa: N802 - Twisted's name
        """Hear it in another way: the epoll reactor closes a port that has an error waiting."""
        self.connectionRefused()

    # --- how
    def _go_on(self) -> None:
        """Send what is due; wait for the answer, or be done."""
        while self._talk is not None:
            now_s = self._clock.seconds()
            try:
                step = self._talk.next(now_s)
                if isinstance(step, Send):
                    self.transport.write(step.datagram, None)
            except StreembitError as error:
                self._fail(error)
            except OSError as e:  # no way there, or a firewall of our own
                self._fail(NoRouter(f"{self._router[0]} cannot be asked: {e}"))
            else:
                if isinstance(step, Wait):
                    self._timer.set(step.until_s - now_s, self._go_on)
                    return
                if isinstance(step, Told):
                    self._ended()
                    self._told.callback(step)

    def _fail(self, error: StreembitError) -> None:
        if self._talk is not None:
            self._ended()
            self._told.errback(error)

    def _ended(self) -> None:
        self._talk = None
        self._timer.clear()
