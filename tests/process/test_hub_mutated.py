"""A mutator at a real hub, at every layer of what strangers and members say."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.protocol import Protocol as ByteProtocol
from twisted.internet.task import deferLater

from streembit.errors import StreembitError
from streembit.hub import cargo
from streembit.hub.admission import MemberAdmission
from streembit.hub.session import MemberSession
from streembit.jose import base64url, jws
from streembit.jose.jws import Kind
from streembit.jose.keys import Identity, PrivateKey
from streembit.net.carrier import Carrier
from streembit.net.dial import over_tcp
from streembit.net.hubdial import dial_hub
from tests.fuzz.mutate import CASES, mutate
from tests.fuzz.test_upgrade import HELLO, REQUEST
from tests.hub.samples import COMMANDS
from tests.jose.people import BOB
from tests.rig.hubcase import HubCase, free_ports
from tests.rig.hubmember import LOOPBACK, HubMember
from tests.rig.procnet import memory_of

reactor: Any = installed

SECONDS: Final = float(os.environ.get("STREEMBIT_FUZZ_S", max(3, CASES / 2000)))  # 10 s, all cases
PATIENCE_S: Final = 0.05  # for what comes of a case
HONEST_WITHIN_S: Final = 1.5
MAX_GROWTH_BYTES: Final = 32 * 1024 * 1024
AT_ONCE: Final = 2  # of each layer


class Mutant:
    """A stranger or a member that says one mutated thing.

    Args:
        alter: makes a token into what is sent in its place.
        joins: whether it joins first; else it is the Join that is mutated.
    """

    def __init__(self, alter: Callable[[bytes, PrivateKey], bytes], *, joins: bool) -> None:
        self.identity = Identity.generate()
        self._alter, self._joins = alter, joins
        self._admission = MemberAdmission(
            self.identity.signing, None, own=os.urandom(32), started_ms=1
        )
        self._challenged = False
        self.session: MemberSession | None = None

    def opened(self, carrier: Carrier) -> None:
        """Wait for the challenge."""

    def received(self, carrier: Carrier, token: bytes) -> None:
        """Join, or say what is no Join; then what is no frame."""
        if not self._challenged:
            self._challenged = True
            join = self._admission.join(token)
            carrier.send(join if self._joins else self._alter(join, self.identity.signing))
        elif self._joins and self.session is None:
            self.session = self._admission.finish(token).session
            carrier.welcomed()
            for frame in frames(self.session):
                if carrier.can_send:
                    carrier.send(self._alter(frame, self.identity.signing))

    def lost(self, carrier: Carrier, reason: StreembitError) -> None:
        """Need not be told."""

    def refused(self, host: str, error: StreembitError) -> None:
        """Need not be told either."""


class Pouring(ByteProtocol):
    """A connection that says some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        assert self.transport is not None
        self.transport.write(self._data)


def frames(session: MemberSession) -> list[bytes]:
    """Return what a member may say: each command, an envelope and a mail."""
    said = [session.command(body)[1] for body in COMMANDS[1:]]
    said.append(session.live(BOB.public, cargo.pack(cargo.STREAM, bytes(40)))[1])
    said.append(session.mail(BOB.public, bytes(16), cargo.pack(cargo.PARCEL, bytes(40)))[1])
    return said


class MutatedTests(HubCase):
    timeout = int(SECONDS) + 60

    async def test_B9_a_hub_outlives_the_mutator(self) -> None:
        """No defect comes to light, it does not grow, and who is honest is served meanwhile."""
        (self.port,) = free_ports(1)
        hub = self.hub(self.port, "--plain", "--exempt", "127.0.0.0/8")
        await self.until_open(self.port)
        honest = [self.member(number, self.port) for number in (1, 2)]
        for member in honest:
            await member.join()
        await self.assert_they_talk(*honest)
        self.chance, self.cases, slowest_s = Random(97), Counter[str](), 0.0
        grown = memory_of(hub.pid)
        until_s = reactor.seconds() + SECONDS
        layers = (self.upgrades, self.joins, self.joins_signed, self.said, self.said_signed)
        lanes = [Deferred.fromCoroutine(self.lane(one, until_s)) for one in layers * AT_ONCE]
        while reactor.seconds() < until_s:
            slowest_s = max(slowest_s, await self.exchange(*honest))
            await deferLater(reactor, 0.1)
        await gatherResults(lanes)
        self.assertLess(slowest_s, HONEST_WITHIN_S)
        self.assertEqual([member.joins for member in honest], [1, 1])
        self.assertLess(memory_of(hub.pid) - grown, MAX_GROWTH_BYTES)
        self.assertFalse(hub.ended.called)
        self.assertIn(b"refused reason=", hub.out)  # its log is read here
        self.assertNotIn(b'"trace"', hub.out)
        self.assertNotIn(b"internal-error", hub.out)
        for what in ("upgrade", "join", "signed join", "frame", "signed frame"):
            self.assertGreater(self.cases[what], 0, self.cases)

    async def exchange(self, one: HubMember, other: HubMember) -> float:
        """Let one say something to the other; return how long it took (s)."""
        heard = len(other.heard)
        self.assertTrue(one.say(other.key, b"still here"))
        return await self.until(lambda: len(other.heard) > heard)

    async def lane(self, once: Callable[[], Awaitable[None]], until_s: float) -> None:
        """Do one thing again and again."""
        while reactor.seconds() < until_s:
            await once()

    async def upgrades(self) -> None:
        """Mutate the request and what follows it."""
        self.cases["upgrade"] += 1
        data = mutate(REQUEST + HELLO, self.chance)
        factory = Factory.forProtocol(lambda: Pouring(data))
        protocol: Any = await TCP4ClientEndpoint(reactor, LOOPBACK, self.port).connect(factory)
        await deferLater(reactor, PATIENCE_S)
        protocol.transport.abortConnection()

    async def joins(self) -> None:
        """Mutate the Join."""
        await self.as_member(lambda token, _key: self.mutated(token, "join"), joins=False)

    async def joins_signed(self) -> None:
        """Mutate the claims of the Join, and sign what comes out."""
        await self.as_member(lambda t, key: self.resigned(t, key, "signed join"), joins=False)

    async def said(self) -> None:
        """Mutate the frames of a member, here and there."""
        await self.as_member(lambda token, _key: self.mutated(token, "frame"), joins=True)

    async def said_signed(self) -> None:
        """Mutate the claims of a member's frames, and sign what comes out."""
        await self.as_member(lambda t, key: self.resigned(t, key, "signed frame"), joins=True)

    async def as_member(self, alter: Callable[[bytes, PrivateKey], bytes], *, joins: bool) -> None:
        """Connect as somebody new, and go away."""
        mutant = Mutant(alter, joins=joins)
        try:
            carrier = await dial_hub(over_tcp(reactor), LOOPBACK, self.port, None, reactor, mutant)
        except StreembitError:
            return
        await deferLater(reactor, PATIENCE_S)
        carrier.abort()

    def mutated(self, data: bytes, what: str) -> bytes:
        """Return mutated bytes, one time in three, of what a carrier can send."""
        if self.chance.random() < 0.67:
            return data
        self.cases[what] += 1
        return mutate(data, self.chance)[:60_000]

    def resigned(self, token: bytes, key: PrivateKey, what: str) -> bytes:
        """Return a token over mutated claims."""
        kind = Kind.ENVELOPE if token.startswith(Kind.ENVELOPE.prefix) else Kind.HUB
        claims = self.mutated(base64url.decode(token.split(b".")[1]), what)
        return jws.sign(kind, claims[:40_000], key)
