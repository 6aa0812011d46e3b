"""A TCP connection becomes a link, carries payloads, and ends for a stated reason."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadMessage, PeerGone, TooLarge
from streembit.net.tcp import MAX_PAYLOAD_BYTES, LinkProtocol
from tests.link.party import ALICE, BOB, CAROL
from tests.net.pair import Pair


class OpenTests(SynchronousTestCase):
    """Two ends open a link."""

    def setUp(self) -> None:
        self.pair = Pair()

    def test_both_ends_learn_the_same_link_and_each_other(self) -> None:
        """The link has one id; each end knows the other's key and what it sees of it."""
        self.pair.open()
        client, server = self.pair.client.protocol.link, self.pair.server.protocol.link
        assert client is not None and server is not None
        self.assertEqual(client.id_text, server.id_text)
        self.assertEqual(client.peer.public, BOB.public)
        self.assertEqual(server.peer.public, ALICE.public)
        self.assertEqual(client.peer.observed, "192.0.2.1:4000")
        self.assertEqual(len(self.pair.client.owner.opened), 1)

    def test_every_chunk_size_carries_the_same(self) -> None:
        """Where the bytes are cut changes nothing."""
        for chunk_bytes in (1, 2, 3, 5, 7, 64, 500):
            pair = Pair()
            pair.pump(chunk_bytes)
            pair.client.protocol.send(b"one")
            pair.client.protocol.send(b"two" * 1000)
            pair.server.protocol.send(b"back")
            pair.pump(chunk_bytes)
            self.assertEqual(pair.server.owner.payloads, [b"one", b"two" * 1000])
            self.assertEqual(pair.client.owner.payloads, [b"back"])
            self.assertEqual(pair.clock.getDelayedCalls(), [])

    def test_an_idle_open_link_holds_no_timer(self) -> None:
        """Two thousand links that wait cost the clock nothing."""
        self.pair.open()
        self.assertEqual(self.pair.clock.getDelayedCalls(), [])

    def test_B6_an_idle_link_keeps_no_bytes(self) -> None:
        """Not even the last message."""
        self.pair.open()
        self.pair.client.protocol.send(bytes(60_000))
        self.pair.pump()
        self.assertEqual(len(self.pair.server.protocol._reader._buffer), 0)

    def test_send_before_open_and_after_the_end_is_refused(self) -> None:
        """Nothing is swallowed silently."""
        with self.assertRaises(PeerGone):
            self.pair.client.protocol.send(b"x")
        self.pair.open()
        self.pair.client.protocol.close()
        with self.assertRaises(PeerGone):
            self.pair.client.protocol.send(b"x")

    def test_the_longest_payload_passes_and_one_byte_more_is_refused(self) -> None:
        """The bound is ours to keep; the link lives on."""
        self.pair.open()
        self.pair.client.protocol.send(bytes(MAX_PAYLOAD_BYTES))
        with self.assertRaises(TooLarge):
            self.pair.client.protocol.send(bytes(MAX_PAYLOAD_BYTES + 1))
        self.pair.pump()
        self.assertEqual(self.pair.server.owner.payloads, [bytes(MAX_PAYLOAD_BYTES)])

    def test_another_key_than_the_expected_one_is_refused(self) -> None:
        """The dialler says why; nobody is told of a link."""
        pair = Pair(expect=CAROL.public)
        pair.pump()
        self.assertEqual(pair.client.owner.refusals, [("198.51.100.2", "wrong-identity")])
        self.assertEqual(pair.client.owner.opened + pair.server.owner.opened, [])
        self.assertEqual(pair.client.owner.lost, [])
        self.assertEqual(pair.clock.getDelayedCalls(), [])

    def test_another_network_is_refused(self) -> None:
        """The dialled side knows it from the first frame."""
        pair = Pair(network="another")
        pair.pump()
        self.assertEqual(pair.server.owner.refusals, [("192.0.2.1", "wrong-network")])
        self.assertEqual(pair.client.owner.opened, [])


class EndTests(SynchronousTestCase):
    """How a link ends."""

    def setUp(self) -> None:
        self.pair = Pair().open()

    def test_close_sends_what_is_queued_first(self) -> None:
        """A last message arrives, then both owners are told once."""
        self.pair.client.protocol.send(b"last words")
        self.pair.client.protocol.close()
        self.pair.pump()
        self.assertEqual(self.pair.server.owner.payloads, [b"last words"])
        self.assertEqual(len(self.pair.client.owner.lost), 1)
        self.assertEqual(len(self.pair.server.owner.lost), 1)
        self.assertEqual(self.pair.clock.getDelayedCalls(), [])

    def test_close_to_a_peer_that_does_not_read_ends_in_5_s(self) -> None:
        """What is queued is thrown away then."""
        self.pair.client.protocol.close()
        self.pair.clock.advance(4.9)
        self.assertFalse(self.pair.client.transport.disconnected)
        self.pair.clock.advance(0.2)
        self.assertTrue(self.pair.client.transport.disconnected)

    def test_the_owner_may_refuse_a_message(self) -> None:
        """A RemoteError from `message` is counted once and ends the link."""

        def refuse(_link: LinkProtocol, _payload: bytes) -> None:
            raise BadMessage("nonsense")

        self.pair.server.owner.on_message = refuse
        self.pair.client.protocol.send(b"one")
        self.pair.client.protocol.send(b"two")
        self.pair.pump()
        server = self.pair.server.owner
        self.assertEqual(server.payloads, [b"one"])
        self.assertEqual(server.refusals, [("192.0.2.1", "bad-message")])
        self.assertEqual([error.code for error in server.lost], ["bad-message"])

    def test_B9_an_unforeseen_error_ends_that_link_only(self) -> None:
        """It is logged, counted once, and the other link goes on."""
        other = Pair(self.pair.clock).open()

        def fail(_link: LinkProtocol, _payload: bytes) -> None:
            raise ZeroDivisionError

        self.pair.server.owner.on_message = fail
        self.pair.client.protocol.send(b"x")
        self.pair.pump()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.pair.server.owner.refusals, [("192.0.2.1", "internal-error")])
        self.assertTrue(self.pair.server.transport.disconnected)
        other.client.protocol.send(b"still here")
        other.pump()
        self.assertEqual(other.server.owner.payloads, [b"still here"])


class PauseTests(SynchronousTestCase):
    """The owner may ask for a pause."""

    def setUp(self) -> None:
        self.pair = Pair().open()
        self.server = self.pair.server

    def test_buffered_frames_wait_and_follow_in_order(self) -> None:
        """A pause from within `message` holds the frames of the same chunk back."""
        self.server.owner.on_message = lambda link, _payload: link.pause()
        for n in range(3):
            self.pair.client.protocol.send(b"%d" % n)
        self.pair.pump()
        self.assertEqual(self.server.owner.payloads, [b"0"])
        self.assertEqual(self.server.transport.producerState, "paused")
        self.server.protocol.resume()
        self.assertEqual(self.server.owner.payloads, [b"0", b"1"])
        self.server.owner.on_message = lambda _link, _payload: None
        self.server.protocol.resume()
        self.assertEqual(self.server.owner.payloads, [b"0", b"1", b"2"])
        self.assertEqual(self.server.transport.producerState, "producing")

    def test_resume_within_the_callback_keeps_the_order(self) -> None:
        """No frame is delivered while another is being served."""
        depth = 0
        deepest = 0

        def serve(link: LinkProtocol, _payload: bytes) -> None:
            nonlocal depth, deepest
            depth += 1
            deepest = max(deepest, depth)
            link.pause()
            link.resume()
            depth -= 1

        self.server.owner.on_message = serve
        for n in range(3):
            self.pair.client.protocol.send(b"%d" % n)
        self.pair.pump()
        self.assertEqual(self.server.owner.payloads, [b"0", b"1", b"2"])
        self.assertEqual(deepest, 1)

    def test_a_pause_has_no_deadline(self) -> None:
        """Half a frame that we do not read is not the peer's fault."""
        self.pair.client.protocol.send(b"x" * 100)
        data = self.pair.client.take()
        self.server.protocol.dataReceived(data[:50])
        self.server.protocol.pause()
        self.pair.clock.advance(1000)
        self.server.protocol.resume()
        self.server.protocol.dataReceived(data[50:])
        self.assertEqual(self.server.owner.payloads, [b"x" * 100])
        self.assertEqual(self.pair.clock.getDelayedCalls(), [])
