"""A hub in memory, and members whose every frame a test can choose."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as ByteProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.mailbox import Mailbox
from streembit.errors import StreembitError
from streembit.hub.admission import MemberAdmission
from streembit.hub.allowlist import Allowlist, Member
from streembit.hub.grant import Grant
from streembit.hub.session import MemberSession
from streembit.jose.keys import Identity, PublicKey
from streembit.net.carrier import LIMITS, Carrier, CarrierLimits
from streembit.net.certificate import ServerTls, self_signed
from streembit.net.gate import GateLimits
from streembit.net.hubdial import dial_hub
from streembit.net.hublisten import ProxiedFactory, SecureFactory
from streembit.service.hub.hub import Hub
from streembit.service.hub.local import Disk, LocalBackplane
from streembit.service.hub.members import Everybody, Members
from streembit.service.hub.settings import HubSettings
from streembit.testing.network import MemoryHost, MemoryNetwork
from streembit.wire.hub import Command, Envelope, HubClaims, Permission, Reply, Welcome

NETWORK = "streembit"
PORT = 32318
HUB_HOST = "192.0.2.200"
PEM = self_signed(datetime(2026, 1, 1, tzinfo=UTC))


def at_once(work: Callable[..., Any], *args: Any) -> Deferred[Any]:
    """Do in this thread what a disk's thread would."""
    return maybeDeferred(work, *args)


def identity(number: int) -> Identity:
    """Return the same identity for the same number, in every run."""
    return Identity.from_seed(number.to_bytes(32, "big"), f"member{number}")


class House:
    """One hub on a network in memory."""

    def __init__(
        self,
        case: SynchronousTestCase,
        *,
        members: Members | None = None,
        settings: HubSettings | None = None,
        gate: GateLimits | None = None,
        limits: CarrierLimits = LIMITS,
        behind_proxy: bool = False,
        tls: bool = False,
        disk: Disk = at_once,
        shelf: Path | None = None,
        at_once: bool = True,
        backplane: Callable[[Mailbox, Disk], LocalBackplane] = LocalBackplane,
        **more: Any,
    ) -> None:
        self.case = case
        self.network = MemoryNetwork(seed=7, latency_s=(0.001, 0.001))
        self.clock = self.network.clock
        self.shelf = Mailbox(shelf or Path(case.mktemp()), at_once=at_once)
        case.addCleanup(self.shelf.close)
        self.chance = random.Random(11)
        self.hub = Hub(
            identity(1000),
            settings or HubSettings(NETWORK, "test hub", private=members is not None),
            members or Everybody(),
            backplane(self.shelf, disk),
            self.clock,
            self.clock.seconds,
            gate_limits=gate or GateLimits(exempt=("10.0.0.0/8",)),
            carrier_limits=limits,
            draw=self.chance.randbytes,
            **more,
        )
        self.hub.startService()
        factory: Any = self.hub.factory
        if behind_proxy:
            factory = ProxiedFactory(factory, self.clock)
        if tls:
            factory = SecureFactory(ServerTls(lambda: PEM), False, factory, self.clock)
        self.port = self.network.host(HUB_HOST).listen(PORT, factory)
        self._started_ms = 1

    @property
    def key(self) -> PublicKey:
        """The hub's own."""
        return self.hub.identity.public

    def guest(self, number: int, host: str | None = None, **more: Any) -> Guest:
        """Return a member that has not connected; each number has a key and a host of its own."""
        self._started_ms += 1
        place = self.network.host(host or f"10.0.{number // 256}.{number % 256}")
        return Guest(self, identity(number), place, self._started_ms, **more)

    def joined(self, number: int, **more: Any) -> Guest:
        """Return a member that has joined."""
        guest = self.guest(number, **more).connect()
        self.run(1.0)
        assert guest.session is not None, guest.end
        return guest

    def run(self, seconds: float = 0.2) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    def refusals(self) -> dict[str, int]:
        """Return what was refused, by reason."""
        return self.hub.refusals.counts()

    def stop(self) -> None:
        """Stop the hub, and prove that nothing is left running."""
        if not self.hub.running:
            return
        stopped = self.hub.stopService()
        self.run(10.0)
        self.case.successResultOf(stopped)
        self.run(60.0)
        left = [call for call in self.clock.getDelayedCalls() if call.active()]
        self.case.assertEqual(left, [])
        self.shelf.close()


class Guest:
    """A member in the hands of a test; it joins when it is challenged, unless told otherwise.

    Attributes:
        frames: what the hub said and passed on, each verified, the
            Challenge and the Welcome left out.
        end: why the connection ended, None while it has not.
    """

    def __init__(
        self,
        house: House,
        who: Identity,
        place: MemoryHost,
        started_ms: int,
        *,
        tls: Any = None,
        must_bind: bool = False,
        joins: bool = True,
        network: str | None = None,
        at: str = HUB_HOST,
    ) -> None:
        self.house, self.who, self.place = house, who, place
        self.started_ms = started_ms
        self.tls, self.must_bind, self.joins = tls, must_bind, joins
        self.network, self.at = network, at
        self.carrier: Carrier | None = None
        self.challenge = b""
        self.frames: list[HubClaims | Envelope] = []
        self.tokens: list[bytes] = []
        self.session: MemberSession | None = None
        self.welcome: Welcome | None = None
        self.end: StreembitError | None = None
        self.refusal: StreembitError | None = None
        self.at_s: list[float] = []
        self._admission: MemberAdmission | None = None

    def connect(self) -> Guest:
        """Begin to connect."""
        dialled = dial_hub(self.place.connect, self.at, PORT, self.tls, self.house.clock, self)
        dialled.addErrback(self._not_there)
        return self

    # --- CarrierEvents
    def opened(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self._admission = MemberAdmission(
            self.who.signing,
            self.network,
            own=self.house.chance.randbytes(32),
            started_ms=self.started_ms,
            binding=carrier.exporter or None,
            pinned=self.house.key,
            must_bind=self.must_bind,
        )

    def received(self, carrier: Carrier, token: bytes) -> None:
        self.tokens.append(token)
        self.at_s.append(self.house.clock.seconds())
        assert self._admission is not None
        if not self.challenge:
            self.challenge = token
            if self.joins:
                carrier.send(self._admission.join(token))
        elif self.session is None and self.joins:
            joined = self._admission.finish(token)
            self.session, self.welcome = joined.session, joined.welcome
            carrier.welcomed()
        elif self.session is not None:
            verified = self.session.verify(self.session.read(token))
            self.frames.append(verified.claims)

    def lost(self, carrier: Carrier, reason: StreembitError) -> None:
        self.end = self.end or reason

    def refused(self, host: str, error: StreembitError) -> None:
        self.refusal = error

    # --- what a test does
    def join(self) -> bytes:
        """Return the Join that answers the challenge, without sending it."""
        assert self._admission is not None
        return self._admission.join(self.challenge)

    def ask(self, body: Command) -> int:
        """Send a command; return its number."""
        number, token = self.own.command(body)
        self.send(token)
        return number

    def live(self, to: Guest | PublicKey, cargo: bytes) -> bytes:
        """Send a live envelope; return its token."""
        _, token = self.own.live(to if isinstance(to, PublicKey) else to.who.public, cargo)
        self.send(token)
        return token

    def mail(self, to: Guest | PublicKey, name: int, cargo: bytes) -> int:
        """Send a mail; return its number."""
        key = to if isinstance(to, PublicKey) else to.who.public
        number, token = self.own.mail(key, name.to_bytes(16, "big"), cargo)
        self.send(token)
        return number

    def send(self, token: bytes) -> None:
        """Send any bytes as a frame."""
        assert self.carrier is not None
        self.carrier.send(token)

    @property
    def own(self) -> MemberSession:
        """The session; the test fails where there is none."""
        assert self.session is not None
        return self.session

    def answers(self) -> list[Reply]:
        """Return the bodies of the hub's own frames."""
        return [f.body for f in self.frames if isinstance(f, HubClaims)]  # type: ignore[misc]

    def envelopes(self) -> list[Envelope]:
        """Return what others sent."""
        return [f for f in self.frames if isinstance(f, Envelope)]

    def _not_there(self, failure: Any) -> None:
        self.end = failure.value


REQUEST = (
    "GET / HTTP/1.1\r\nHost: hub.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: streembit.hub.v1\r\n"
)


class Raw(ByteProtocol):
    """A connection on which a test writes bytes as it likes.

    Attributes:
        got: what came.
        gone_s: when the connection ended, None while it has not.
    """

    def __init__(self, house: House, number: int = 500, host: str | None = None) -> None:
        self.house = house
        self.got = b""
        self.gone_s: float | None = None
        place = house.network.host(host or f"10.0.{number // 256}.{number % 256}")
        factory = Factory()
        factory.buildProtocol = lambda _addr: self  # type: ignore[method-assign,assignment]
        place.connect(HUB_HOST, PORT, factory).addErrback(lambda _: None)
        house.run()

    def dataReceived(self, data: bytes) -> None:
        self.got += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone_s = self.house.clock.seconds()

    def write(self, data: bytes) -> Raw:
        """Send bytes, and let time pass."""
        assert self.transport is not None
        self.transport.write(data)
        self.house.run()
        return self

    def upgrade(self, more: str = "", request: str = REQUEST) -> Raw:
        """Ask for a WebSocket."""
        return self.write((request + more + "\r\n").encode("latin-1"))

    @property
    def status(self) -> int:
        """The HTTP status that came, 0 for none."""
        return int(self.got[9:12] or 0)

    @property
    def ended(self) -> bool:
        """Whether the hub ended the connection."""
        return self.gone_s is not None


def head(size: int, opcode: int = 1, *, fin: bool = True, masked: bool = True) -> bytes:
    """Return the header of a frame that announces so many bytes, masked with zeros."""
    first = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if masked else 0
    if size < 126:
        length = bytes([bit | size])
    elif size < 1 << 16:
        length = bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([bit | 127]) + size.to_bytes(8, "big")
    return first + length + (bytes(4) if masked else b"")


ALL: frozenset[Permission] = frozenset({"relay", "mailbox", "dht", "directory"})
PRIVATE = "private.test"


def listed(*numbers: int, **grants: Grant) -> Allowlist:
    """Return a list of these members."""
    members = {}
    for number in numbers:
        key = identity(number).public
        grant = grants.get(f"m{number}", Grant(f"m{number}", "human", ALL))
        members[key.text] = Member(key, grant)
    return Allowlist(MappingProxyType(members), PRIVATE)


def flipped(token: bytes) -> bytes:
    """Return a frame whose signature is another valid encoding, and wrong."""
    tail = b"A" if token[-10:-9] != b"A" else b"B"
    return token[:-10] + tail + token[-9:]


class Held:
    """A disk whose thread does nothing until it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []
        self.holds = False

    def __call__(self, work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.waiting.append((done, work, args))
        if not self.holds:
            self.work()
        return done

    def work(self) -> None:
        """Do what waits."""
        while self.waiting:
            done, work, args = self.waiting.pop(0)
            done.callback(work(*args))
