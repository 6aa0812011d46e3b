"""Dialling a hub: an open carrier, or why there is none, in time."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import partial
from hashlib import sha1
from typing import Any

from cryptography import x509
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    PrivateCertificate,
    TLSVersion,
    trustRootFromCertificates,
)
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import (
    DeadlineExceeded,
    PeerGone,
    StreembitError,
    TlsRefused,
    UpgradeRefused,
)
from streembit.net.carrier import CarrierLimits
from streembit.net.hubdial import Unnamed, dial_hub, named
from streembit.net.hublisten import SecureFactory
from streembit.wire.hub import MAX_FRAME_STRANGER
from tests.hubs.house import HUB_HOST, PEM, PORT, House, head

AGREED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: streembit.hub.v1\r\n\r\n"
)


class Owner:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def opened(self, carrier: Any) -> None:
        self.told.append("opened")

    def received(self, carrier: Any, token: bytes) -> None:
        self.told.append("received")

    def lost(self, carrier: Any, reason: StreembitError) -> None:
        self.told.append("lost")

    def refused(self, host: str, error: StreembitError) -> None:
        self.told.append(error.code)


class DialCase(SynchronousTestCase):
    """A hub in memory, and one who dials."""

    def house(self, **more: Any) -> House:
        """Return a hub that is stopped when the test ends."""
        house = House(self, **more)
        self.addCleanup(house.stop)
        return house

    def dial(self, house: House, tls: Any = None, *, port: int = PORT, **more: Any) -> Any:
        """Begin to dial, and let a second pass."""
        self.owner = Owner()
        connect = house.network.host("10.0.0.1").connect
        dialled = dial_hub(connect, HUB_HOST, port, tls, house.clock, self.owner, **more)
        house.run(1.0)
        return dialled


class DialTests(DialCase):
    """Whatever becomes of a dial, its owner hears of it once."""

    def test_the_owner_is_told_that_it_is_open_before_the_dial_is_done(self) -> None:
        """Frames come after that."""
        carrier = self.successResultOf(self.dial(self.house()))
        self.assertEqual(self.owner.told, ["opened", "received"])
        carrier.abort()

    def test_nobody_there(self) -> None:
        """The reason names the place."""
        error = self.failureResultOf(self.dial(self.house(), port=9), PeerGone)
        self.assertIn(HUB_HOST, str(error.value))
        self.assertEqual(self.owner.told, [])

    def test_B2_somebody_who_says_nothing(self) -> None:
        """The dial is over in ten seconds."""
        house = self.house()
        house.network.host(HUB_HOST).listen(7, Factory.forProtocol(Protocol))
        dialled = self.dial(house, port=7)
        self.assertNoResult(dialled)
        house.run(10.0)
        self.failureResultOf(dialled, DeadlineExceeded)
        self.assertEqual(self.owner.told, [])

    def test_a_server_of_another_subprotocol(self) -> None:
        """It is no hub of ours."""
        limits = CarrierLimits(subprotocol="streembit.hub.v9")
        self.failureResultOf(self.dial(self.house(), limits=limits), UpgradeRefused)
        self.assertEqual(self.owner.told, [])

    def test_a_server_that_agrees_to_no_subprotocol(self) -> None:
        """A WebSocket for anybody is no hub."""
        house = self.house(limits=CarrierLimits(subprotocol=""))
        self.failureResultOf(self.dial(house), UpgradeRefused)
        self.assertEqual(self.owner.told, [])

    def test_one_who_gives_up_leaves_nothing_behind(self) -> None:
        """While it connects, or while it upgrades."""
        house = self.house()
        for seconds in (0.0, 0.0025):
            connect = house.network.host("10.0.0.1").connect
            dialled = dial_hub(connect, HUB_HOST, PORT, None, house.clock, Owner())
            house.run(seconds)
            dialled.cancel()
            house.run(20.0)
            self.failureResultOf(dialled)
            self.assertEqual(house.hub.gate.total, 0)


class Speaking(Protocol):
    """A server that agrees to everything, and then says some bytes."""

    def __init__(self, says: bytes) -> None:
        self._says, self._asked = says, b""

    def dataReceived(self, data: bytes) -> None:
        self._asked += data
        found = re.search(rb"Sec-WebSocket-Key: (\S+)", self._asked)
        if found is None or not self._asked.endswith(b"\r\n\r\n"):
            return
        accept = b64encode(sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        assert self.transport is not None
        self.transport.write(AGREED % accept + self._says)


class FrameTests(DialCase):
    """What a hub's side may not send."""

    def test_B8_masked_binary_reserved_and_compressed_frames_are_refused(self) -> None:
        """A member ends the connection for each, as a hub does."""
        frames = (
            head(3) + b"abc",
            head(3, 2, masked=False) + b"abc",
            head(3, 3, masked=False) + b"abc",
            b"\xc1\x03abc",
            head(3, 0, masked=False) + b"abc",
            head(126, 9, masked=False) + b"x" * 126,
            b"\x81\x7e\x00\x03abc",
        )
        house = self.house()
        for number, frame in enumerate(frames):
            factory = Factory()
            factory.protocol = partial(Speaking, frame)
            house.network.host(HUB_HOST).listen(100 + number, factory)
            self.successResultOf(self.dial(house, port=100 + number))
            self.assertEqual(self.owner.told, ["opened", "bad-frame", "lost"], frame)

    def test_B1_a_hub_may_not_say_more_than_a_frame_either(self) -> None:
        """From the header on, before a welcome and whatever it claims."""
        house = self.house()
        for number, size in enumerate((MAX_FRAME_STRANGER + 1, 1 << 31, (1 << 63) - 1)):
            factory = Factory()
            factory.protocol = partial(Speaking, head(size, masked=False))
            house.network.host(HUB_HOST).listen(100 + number, factory)
            self.successResultOf(self.dial(house, port=100 + number))
            self.assertEqual(self.owner.told, ["opened", "frame-too-large", "lost"], size)


class TlsTests(DialCase):
    """Who the hub is, by its certificate or by its key."""

    def test_H6_a_hub_that_is_known_by_its_key_needs_no_name(self) -> None:
        """Both ends hold the same exporter."""
        carrier = self.successResultOf(self.dial(self.house(tls=True), Unnamed(HUB_HOST)))
        self.assertEqual(len(carrier.exporter), 32)
        carrier.abort()

    def test_H6_a_certificate_that_nobody_trusted_signed_is_refused(self) -> None:
        """By default the system's are believed."""
        self.failureResultOf(self.dial(self.house(tls=True), named("streembit-hub")), TlsRefused)

    def test_H6_a_certificate_of_another_name_is_refused(self) -> None:
        """service_identity looks at it; the right name is let through."""
        trust = trustRootFromCertificates([Certificate.loadPEM(PEM[0])])
        name = x509.load_pem_x509_certificate(PEM[0]).subject.rfc4514_string()
        self.assertEqual(name, "CN=streembit-hub")
        house = self.house(tls=True)
        self.failureResultOf(self.dial(house, named("hub.example", trust)), TlsRefused)
        carrier = self.successResultOf(self.dial(house, named("streembit-hub", trust)))
        carrier.abort()

    def test_H6_a_server_of_an_older_tls_is_refused(self) -> None:
        """Whether it is known by its certificate or by its key."""
        house = self.house()
        own = PrivateCertificate.loadPEM(b"".join(PEM))
        old = CertificateOptions(
            privateKey=own.privateKey.original,
            certificate=own.original,
            insecurelyLowerMinimumTo=TLSVersion.TLSv1_2,
            lowerMaximumSecurityTo=TLSVersion.TLSv1_2,
        )
        secured = SecureFactory(old, False, house.hub.factory, house.clock)
        house.network.host(HUB_HOST).listen(7, secured)
        trust = trustRootFromCertificates([Certificate.loadPEM(PEM[0])])
        for tls in (Unnamed(HUB_HOST), named("streembit-hub", trust)):
            self.failureResultOf(self.dial(house, tls, port=7), TlsRefused)
            self.assertEqual(self.owner.told, [])

    def test_H6_a_server_without_tls_is_refused(self) -> None:
        """Nothing is said to it in the clear."""
        house = self.house()
        dialled = self.dial(house, Unnamed(HUB_HOST))
        house.run(15.0)
        self.failureResultOf(dialled, StreembitError)
        self.assertEqual(self.owner.told, [])
