"""Mutated heads of HTTP and frames of WebSocket, at a hub and at a member: refused in order."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha1
from random import Random
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadMessage, StreembitError
from streembit.net.carrier import Carrier
from streembit.net.gate import Gate, GateLimits
from streembit.net.hubdial import dial_hub
from streembit.net.hublisten import HubFactory
from streembit.wire.hub import SUBPROTOCOL
from tests.fuzz.mutate import CASES, mutate

FEW = CASES // 4  # each is a connection
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: hub.example.org:32318\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: " + SUBPROTOCOL.encode() + b"\r\n\r\n"
)
HELLO = b"\x81\x85\x00\x00\x00\x00hello"  # masked, as members' frames are
ALLOWED = {
    "frame-too-large",
    "bad-frame",
    "bad-message",
    "upgrade-refused",
    "peer-gone",
    "rate-limited",
}


class Owner:
    """Whoever owns the carriers: refuses every second frame; keeps what came, and why it ended."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.codes: set[str] = set()
        self.open = 0

    def opened(self, carrier: Carrier) -> None:
        self.open += 1

    def received(self, carrier: Carrier, token: bytes) -> None:
        self.frames.append(token)
        if len(self.frames) % 2:
            raise BadMessage("refused, in the turn in which it came")

    def lost(self, carrier: Carrier, reason: StreembitError) -> None:
        self.codes.add(reason.code)

    def refused(self, host: str, error: StreembitError) -> None:
        self.codes.add(error.code)


class Wire(StringTransport):
    """A connection's transport, which can be aborted."""

    def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
        self.loseConnection()


class UpgradeFuzz(SynchronousTestCase):
    """What is logged as a failure fails the test."""

    def setUp(self) -> None:
        self.clock, self.owner, self.rng = Clock(), Owner(), Random(71)

    def tearDown(self) -> None:
        self.assertLessEqual(self.owner.codes, ALLOWED)

    def remember(self, failure: Failure) -> None:
        """Take note of why a dial failed."""
        assert isinstance(failure.value, StreembitError)
        self.owner.codes.add(failure.value.code)

    def pour(self, protocol: Any, wire: Wire, data: bytes) -> None:
        """Give a protocol bytes, cut somewhere, and end the connection."""
        cut = self.rng.randrange(len(data) + 1)
        for part in (data[:cut], data[cut:]):
            if not wire.disconnecting:
                protocol.dataReceived(part)
        protocol.connectionLost()

    def test_B9_mutated_requests(self) -> None:
        """A hub opens no WebSocket for what is none, and nothing in it fails."""
        gate = Gate(GateLimits(exempt=("0.0.0.0/0",)))
        factory = HubFactory(self.owner, gate, self.clock, self.owner.refused, private=False)
        for number in range(FEW):
            protocol = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1))
            assert protocol is not None
            wire = Wire()
            protocol.makeConnection(wire)
            text = REQUEST + HELLO
            self.pour(protocol, wire, mutate(text, self.rng) if number % 50 else text)
        self.assertEqual(gate.total, 0)
        self.assertGreater(self.owner.open, FEW // 50)
        self.assertGreater(len(self.owner.frames), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_B9_mutated_answers(self) -> None:
        """A member takes no other server for a hub, and nothing in it fails."""
        wire = Wire()
        made: list[IProtocol] = []

        def connect(_host: str, _port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
            protocol = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1))
            assert protocol is not None
            made.append(protocol)
            return Deferred()

        for number in range(FEW):
            wire = Wire()
            failed = dial_hub(connect, "hub.example.org", 1, None, self.clock, self.owner)
            failed.addErrback(self.remember)
            protocol: Any = made.pop()
            protocol.makeConnection(wire)
            text = answer_to(wire.value()) + b"\x81\x05hello"
            self.pour(protocol, wire, mutate(text, self.rng) if number % 50 else text)
        self.assertGreater(self.owner.open, FEW // 50)
        self.assertGreater(len(self.owner.frames), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])


def answer_to(request: bytes) -> bytes:
    """Return what a hub answers (RFC 6455, section 4.2.2)."""
    key = re.search(rb"(?i)sec-websocket-key: (\S+)", request)
    assert key is not None
    accept = b64encode(sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n"
        % (accept, SUBPROTOCOL.encode())
    )
