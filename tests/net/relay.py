"""Two ends of a relayed link: real streams, whose cargo moves when a test lets it."""

from __future__ import annotations

from twisted.internet.task import Clock

from streembit.hub.stream import WINDOW_BYTES, Broken, Ended, Opened, Received, Streams
from streembit.jose.keys import PrivateKey
from streembit.net.backlog import Backlog
from streembit.net.events import LIMITS, LinkLimits
from streembit.net.relayed import RelayedAddress, RelayedTransport, hub_host
from streembit.net.tcp import LinkProtocol
from tests.link.party import ALICE, BOB, NETWORK, hello_of
from tests.net.pair import Owner

__all__ = ["WINDOW_BYTES", "RelayedEnd", "RelayedPair"]


class RelayedEnd:
    """One end: an owner, a protocol, and the transport that it has once its stream began."""

    def __init__(
        self,
        own: PrivateKey,
        other: PrivateKey,
        clock: Clock,
        *,
        initiator: bool,
        limits: LinkLimits,
    ) -> None:
        self.owner = Owner()
        self.streams = Streams()
        self.clock = clock
        self.transport: RelayedTransport | None = None
        self.backlog = Backlog()
        self._here = RelayedAddress(hub_host(own.public))
        self._there = RelayedAddress(hub_host(other.public))
        self.protocol = LinkProtocol(
            own,
            lambda _host, _port: hello_of(own),
            NETWORK,
            clock,
            self.owner,
            initiator=initiator,
            limits=limits,
            backlog=self.backlog,
        )

    def begin(self, event: Opened) -> None:
        """Give the protocol its transport."""
        self.transport = RelayedTransport(
            event.stream, self._here, self._there, self.clock, lambda: None, self.streams.reset
        )
        self.transport.protocol = self.protocol
        self.protocol.makeConnection(self.transport)

    def hear(self, cargo: bytes) -> None:
        """Take cargo of the other end."""
        match self.streams.receive(cargo):
            case Opened() as opened:
                self.begin(opened)
            case Received(_, data):
                self._transport().received(data)
            case Ended():
                self._transport().ended()
            case Broken(_, error):
                self._transport().broken(error)
            case None:
                pass

    def next_cargo(self) -> bytes | None:
        """Return what is to be carried next."""
        cargo = self.streams.next_cargo()
        if cargo is not None and self.transport is not None:
            self.transport.moved()
        return cargo

    def _transport(self) -> RelayedTransport:
        assert self.transport is not None
        return self.transport


class RelayedPair:
    """An initiator and a responder, joined by a stream."""

    def __init__(self, limits: LinkLimits = LIMITS) -> None:
        self.clock = Clock()
        self.client = RelayedEnd(ALICE, BOB, self.clock, initiator=True, limits=limits)
        self.server = RelayedEnd(BOB, ALICE, self.clock, initiator=False, limits=limits)
        self.carried = 0
        self.client.begin(Opened(self.client.streams.open(7)))

    def pump(self) -> None:
        """Carry all there is, both ways, until it is quiet."""
        moved = True
        while moved:
            self.clock.advance(0)
            moved = self.carry(self.client, self.server)
            moved = self.carry(self.server, self.client) or moved
        self.clock.advance(0)

    def carry(self, source: RelayedEnd, target: RelayedEnd) -> bool:
        """Carry one piece one way; return whether there was one."""
        cargo = source.next_cargo()
        if cargo is None:
            return False
        self.carried += 1
        target.hear(cargo)
        return True

    def open(self) -> RelayedPair:
        """Finish the handshake."""
        self.pump()
        assert self.client.protocol.is_open
        assert self.server.protocol.is_open
        return self
