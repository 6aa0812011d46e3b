"""Two link protocols joined in memory, with what their owners were told."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from streembit.errors import StreembitError
from streembit.jose.keys import PrivateKey, PublicKey
from streembit.link.hello import Hello
from streembit.net.backlog import Backlog
from streembit.net.events import LIMITS, LinkLimits
from streembit.net.tcp import LinkProtocol
from tests.link.party import ALICE, BOB, NETWORK, hello_of


class Owner:
    """Keeps what it is told; `on_open` and `on_message` may do something about it."""

    def __init__(self) -> None:
        self.opened: list[LinkProtocol] = []
        self.payloads: list[bytes] = []
        self.lost: list[StreembitError] = []
        self.refusals: list[tuple[str, str]] = []
        self.on_open: Callable[[LinkProtocol], None] = lambda _link: None
        self.on_message: Callable[[LinkProtocol, bytes], None] = lambda _link, _payload: None

    def link_open(self, link: LinkProtocol) -> None:
        self.opened.append(link)
        self.on_open(link)

    def message(self, link: LinkProtocol, payload: bytes) -> None:
        self.payloads.append(payload)
        self.on_message(link, payload)

    def link_lost(self, link: LinkProtocol, reason: StreembitError) -> None:
        self.lost.append(reason)

    def refused(self, peer_host: str, error: StreembitError) -> None:
        self.refusals.append((peer_host, error.code))


class End:
    """One end: an owner, a protocol and its transport."""

    def __init__(
        self,
        identity: PrivateKey,
        clock: Clock,
        *,
        initiator: bool,
        host: str = "192.0.2.1",
        network: str = NETWORK,
        expect: PublicKey | None = None,
        limits: LinkLimits = LIMITS,
        backlog: Backlog | None = None,
        hello: Hello | None = None,
        transport: StringTransport | None = None,
    ) -> None:
        self.owner = Owner()
        self.seen: list[tuple[str, int]] = []
        self.transport = transport or StringTransport(peerAddress=IPv4Address("TCP", host, 4000))
        self.gone = False

        def make_hello(peer_host: str, peer_port: int) -> Hello:
            self.seen.append((peer_host, peer_port))
            return hello or hello_of(identity, observed=f"{peer_host}:{peer_port}")

        self.protocol = LinkProtocol(
            identity,
            make_hello,
            network,
            clock,
            self.owner,
            initiator=initiator,
            expect=expect,
            limits=limits,
            backlog=backlog,
        )

    def connect(self) -> None:
        """Give the protocol its transport."""
        self.protocol.makeConnection(self.transport)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def lose(self) -> None:
        """End the connection, once."""
        if not self.gone:
            self.gone = True
            self.protocol.connectionLost(Failure(ConnectionDone()))


class Pair:
    """An initiator and a responder joined; bytes move when `pump` is called."""

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        initiator: PrivateKey = ALICE,
        responder: PrivateKey = BOB,
        expect: PublicKey | None = None,
        network: str = NETWORK,
        limits: LinkLimits = LIMITS,
        backlog: Backlog | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.client = End(
            initiator, self.clock, initiator=True, host="198.51.100.2", expect=expect, limits=limits
        )
        self.server = End(
            responder,
            self.clock,
            initiator=False,
            network=network,
            limits=limits,
            backlog=backlog,
        )
        self.client.connect()
        self.server.connect()

    def pump(self, chunk_bytes: int = 1 << 20) -> None:
        """Carry bytes both ways, and ends of connections, until all is quiet."""
        moved = True
        while moved:
            moved = self._carry(self.client, self.server, chunk_bytes)
            moved = self._carry(self.server, self.client, chunk_bytes) or moved

    def open(self) -> Pair:
        """Finish the handshake."""
        self.pump()
        assert self.client.protocol.is_open and self.server.protocol.is_open
        return self

    def _carry(self, source: End, target: End, chunk_bytes: int) -> bool:
        data = source.take()
        for at in range(0, len(data), chunk_bytes):
            if not target.gone:
                target.protocol.dataReceived(data[at : at + chunk_bytes])
        ending = source.transport.disconnecting and not source.gone
        if ending:
            source.lose()
            target.lose()
        return bool(data) or ending
