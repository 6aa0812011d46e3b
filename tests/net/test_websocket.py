"""A server's WebSocket on a transport that does nothing by itself."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import RemoteError, StreembitError
from streembit.net.carrier import Carrier
from streembit.net.gate import Gate
from streembit.net.hublisten import HubFactory, ServerCarrier
from tests.hubs.house import REQUEST, head


class Owner:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def opened(self, carrier: Carrier) -> None:
        self.told.append("opened")

    def received(self, carrier: Carrier, token: bytes) -> None:
        self.told.append(token.decode())

    def lost(self, carrier: Carrier, reason: StreembitError) -> None:
        self.told.append("lost")

    def refused(self, host: str, error: RemoteError | StreembitError) -> None:
        self.told.append(error.code)


class ClosingTests(SynchronousTestCase):
    """Who ends in order has some time for it, and no more."""

    def setUp(self) -> None:
        self.clock, self.owner = Clock(), Owner()
        factory = HubFactory(self.owner, Gate(), self.clock, self.owner.refused, private=False)
        carrier = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 4000))
        assert carrier is not None
        self.carrier: ServerCarrier = carrier
        self.transport = StringTransport()
        carrier.makeConnection(self.transport)
        carrier.dataReceived((REQUEST + "\r\n").encode())
        carrier.welcomed()
        self.transport.clear()

    def test_what_is_queued_for_a_peer_that_closes_has_its_time_to_leave(self) -> None:
        """Then it is thrown away with the connection."""
        self.carrier.dataReceived(head(0, 8))
        self.assertEqual(self.transport.value()[:1], b"\x88")
        self.assertTrue(self.transport.disconnecting)
        self.clock.advance(4.9)
        self.assertFalse(self.transport.disconnected)
        self.clock.advance(0.2)
        self.assertTrue(self.transport.disconnected)
        self.assertEqual(self.owner.told, ["opened"])

    def test_a_peer_that_does_not_answer_our_close_is_dropped_in_time(self) -> None:
        """What it says meanwhile is for nobody."""
        self.carrier.close()
        self.carrier.dataReceived(head(4) + b"late")
        self.clock.advance(4.9)
        self.assertFalse(self.transport.disconnected)
        self.clock.advance(0.2)
        self.assertTrue(self.transport.disconnected)
        self.assertEqual(self.owner.told, ["opened"])

    def test_nothing_is_read_of_a_carrier_that_is_held(self) -> None:
        """Frames that came already included; it goes on where it stopped."""
        self.carrier.pause()
        self.assertEqual(self.transport.producerState, "paused")
        self.carrier.dataReceived(head(3) + b"one" + head(3) + b"two")
        self.assertEqual(self.owner.told, ["opened"])
        self.carrier.resume()
        self.assertEqual(self.transport.producerState, "producing")
        self.assertEqual(self.owner.told, ["opened", "one", "two"])

    def test_a_queue_that_is_too_long_ends_the_connection(self) -> None:
        """From when the transport has said that it is full."""
        self.carrier.send(b"x" * 60_000)
        self.carrier.pauseProducing()
        sent = 0
        while self.carrier.can_send and sent < 100:
            self.carrier.send(b"x" * 60_000)
            sent += 1
        self.assertEqual(sent, 18)
        self.assertTrue(self.transport.disconnected)
        self.assertEqual(self.owner.told, ["opened", "slow-reader"])
