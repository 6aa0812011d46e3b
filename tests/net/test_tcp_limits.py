"""What a link refuses: lying lengths, slow peers, replays; each once, with its reason."""

from __future__ import annotations

import socket
from random import Random

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from streembit.net.events import LIMITS
from streembit.wire.frame import MAX_FRAME_PEER, MAX_FRAME_STRANGER, pack
from tests.fuzz.mutate import CASES, mutate
from tests.link.party import BOB, hello_of
from tests.net.pair import End, Pair


def header(size: int) -> bytes:
    """Return the 4 bytes that announce a frame."""
    return size.to_bytes(4)


class LimitCase(SynchronousTestCase):
    """An open pair and what the server refuses."""

    def setUp(self) -> None:
        self.pair = Pair().open()
        self.client, self.server = self.pair.client, self.pair.server

    def assert_refused(self, end: End, code: str) -> None:
        """The end refused once, for this, dropped the connection and holds no timer."""
        self.assertEqual([refusal[1] for refusal in end.owner.refusals], [code])
        self.assertTrue(end.transport.disconnected)
        end.lose()
        self.assertEqual(end.owner.refusals[1:], [])
        self.assertNotIn(True, [call.active() for call in self.pair.clock.getDelayedCalls()])


class LengthTests(LimitCase):
    """B1: lengths."""

    def test_B1_lengths_from_a_stranger(self) -> None:
        """Above 16 KiB the header alone ends it; below, the deadline runs."""
        for size in (MAX_FRAME_STRANGER + 1, MAX_FRAME_PEER, 2**31, 2**32 - 1):
            self.pair = Pair()
            self.pair.server.protocol.dataReceived(header(size))
            self.assertEqual(self.pair.server.owner.refusals[0][1], "frame-too-large")
            self.assertEqual(self.pair.server.protocol._reader.buffered_bytes, 4)
        for size in (1, MAX_FRAME_STRANGER):
            self.pair = Pair()
            self.pair.server.protocol.dataReceived(header(size))
            self.assertEqual(self.pair.server.owner.refusals, [])

    def test_B1_an_empty_or_senseless_first_frame(self) -> None:
        """It is no handshake."""
        for payload in (b"", b"x", b"GET / HTTP/1.1\r\n\r\n", bytes(MAX_FRAME_STRANGER)):
            self.pair = Pair()
            self.pair.server.protocol.dataReceived(pack(payload))
            self.assert_refused_first(self.pair.server)

    def assert_refused_first(self, end: End) -> None:
        """The stranger is dropped as one who does not follow the protocol."""
        self.assertEqual([code for _, code in end.owner.refusals], ["handshake-failed"])
        self.assertTrue(end.transport.disconnected)

    def test_B1_lengths_from_a_peer(self) -> None:
        """64 KiB is the most."""
        for size in (MAX_FRAME_PEER + 1, 2**31, 2**32 - 1):
            self.pair = Pair().open()
            self.pair.server.protocol.dataReceived(header(size))
            self.assert_refused(self.pair.server, "frame-too-large")

    def test_B1_empty_and_short_frames_from_a_peer(self) -> None:
        """A frame shorter than its seal does not open."""
        for size in (0, 1, 15, 16):
            self.pair = Pair().open()
            self.pair.server.protocol.dataReceived(pack(bytes(size)))
            self.assert_refused(self.pair.server, "decrypt-failed")

    def test_B1_frames_before_the_lying_length_are_delivered(self) -> None:
        """Where the bytes are cut does not change what was received."""
        self.client.protocol.send(b"good")
        self.server.protocol.dataReceived(self.client.take() + header(2**32 - 1))
        self.assertEqual(self.server.owner.payloads, [b"good"])
        self.assert_refused(self.server, "frame-too-large")

    def test_B6_nothing_is_taken_after_a_refusal(self) -> None:
        """What follows a refused frame is not even kept."""
        self.server.protocol.dataReceived(header(2**31))
        for _ in range(100):
            self.server.protocol.dataReceived(bytes(60_000))
        self.assertLess(self.server.protocol._reader.buffered_bytes, 5)
        self.assert_refused(self.server, "frame-too-large")


class AmplificationTests(SynchronousTestCase):
    """C7: what a stranger gets for its bytes."""

    def test_C7_nothing_is_said_to_who_says_nothing(self) -> None:
        """Not before the whole first frame, and not to a frame that is refused."""
        pair = Pair()
        first = pair.client.take()
        pair.server.protocol.dataReceived(first[:-1])
        self.assertEqual(pair.server.take(), b"")
        other = Pair()
        foreign = other.client.take()
        other.server.protocol.dataReceived(foreign[:4] + b"\0" + foreign[5:])
        self.assertEqual(other.server.take(), b"")

    def test_C7_the_answer_to_a_stranger_is_at_most_6_times_its_frame(self) -> None:
        """With the longest name, agent and address that there are; and the address is proved."""
        full = hello_of(BOB, name="n" * 64, agent="a" * 64, observed="o" * 64)
        first = Pair().client.take()
        end = End(BOB, Clock(), initiator=False, hello=full)
        end.connect()
        end.protocol.dataReceived(first)
        self.assertLessEqual(len(end.take()), 6 * len(first))


class SlowlorisTests(SynchronousTestCase):
    """B2: deadlines that no byte moves."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.pair = Pair(self.clock)
        self.server = self.pair.server

    def refusals(self) -> list[str]:
        """Return the codes that the server refused with."""
        return [code for _, code in self.server.owner.refusals]

    def drip(self, data: bytes, every_s: float) -> float:
        """Feed single bytes until the server drops us; return when."""
        for byte in data:
            if self.server.transport.disconnected:
                break
            self.server.protocol.dataReceived(bytes((byte,)))
            self.clock.advance(every_s)
        return float(self.clock.seconds())

    def test_B2_silence(self) -> None:
        """Who says nothing is gone after 10 s."""
        self.clock.advance(LIMITS.hello_s - 0.1)
        self.assertEqual(self.refusals(), [])
        self.clock.advance(0.2)
        self.assertEqual(self.refusals(), ["deadline-exceeded"])
        self.assertEqual(self.pair.client.owner.refusals[0][1], "deadline-exceeded")

    def test_B2_a_first_frame_that_drips(self) -> None:
        """A byte each 0.9 s: gone at 10 s all the same."""
        gone_s = self.drip(self.pair.client.take(), 0.9)
        self.assertEqual(self.refusals(), ["deadline-exceeded"])
        self.assertLess(gone_s, LIMITS.hello_s + 1)

    def test_B2_a_last_frame_that_never_comes(self) -> None:
        """The whole handshake has 15 s, from the connection on."""
        self.clock.advance(9.0)
        self.server.protocol.dataReceived(self.pair.client.take())
        self.clock.advance(5.9)
        self.assertEqual(self.refusals(), [])
        self.clock.advance(0.2)
        self.assertEqual(self.refusals(), ["deadline-exceeded"])

    def test_B2_a_last_frame_that_drips(self) -> None:
        """Neither does a drip move that."""
        self.server.protocol.dataReceived(self.pair.client.take())
        self.pair.client.protocol.dataReceived(self.server.take())
        gone_s = self.drip(self.pair.client.take(), 0.5)
        self.assertEqual(self.refusals(), ["deadline-exceeded"])
        self.assertLess(gone_s, LIMITS.handshake_s + 1)

    def test_B2_a_frame_on_an_open_link_that_drips(self) -> None:
        """30 s from its first byte, and no timer before it and after it."""
        self.pair.open()
        self.clock.advance(1000)
        self.pair.client.protocol.send(b"x" * 500)
        gone_s = self.drip(self.pair.client.take(), 9.0)
        self.assertEqual(self.refusals(), ["deadline-exceeded"])
        self.assertLess(gone_s, 1000 + LIMITS.frame_s + 9)

    def test_B2_each_frame_has_its_own_time(self) -> None:
        """Slow but whole frames are served: the next frame's time begins with its bytes."""
        self.pair.open()
        for _ in range(5):
            self.pair.client.protocol.send(bytes(100))
        data = self.pair.client.take()
        size = len(data) // 5
        for at in range(-(size // 2), len(data), size):  # each chunk ends within a frame
            self.server.protocol.dataReceived(data[max(0, at) : at + size])
            self.clock.advance(20.0)
        self.assertEqual(len(self.server.owner.payloads), 5)
        self.assertEqual(self.refusals(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_B2_one_timer_a_link_at_most(self) -> None:
        """At every step of a handshake and of frames cut anywhere."""
        for _ in range(200):
            self.assertLessEqual(len(self.clock.getDelayedCalls()), 2)
            data = self.pair.client.take()
            self.server.protocol.dataReceived(data[:10])
            self.assertLessEqual(len(self.clock.getDelayedCalls()), 2)
            self.server.protocol.dataReceived(data[10:])
            self.pair.client.protocol.dataReceived(self.server.take())
            if self.pair.client.protocol.is_open:
                self.pair.client.protocol.send(b"x" * 50)
        self.assertGreater(len(self.server.owner.payloads), 100)


class ReplayTests(LimitCase):
    """A1: frames that come again."""

    def test_A1_resent_frames_end_the_link_and_are_delivered_once(self) -> None:
        """The last, the one before, and the 33rd before."""
        for back in (0, 1, 33):
            self.pair = Pair().open()
            frames = []
            for n in range(40):
                self.pair.client.protocol.send(b"%d" % n)
                frames.append(self.pair.client.take())
            for frame in [*frames, frames[39 - back]]:
                self.pair.server.protocol.dataReceived(frame)
            self.assertEqual(self.pair.server.owner.payloads, [b"%d" % n for n in range(40)])
            self.assert_refused(self.pair.server, "decrypt-failed")

    def test_A2_a_recorded_connection_played_to_another(self) -> None:
        """All bytes of a client, handshake and message, to a fresh server."""
        pair = Pair()
        recorded = pair.client.take()
        pair.server.protocol.dataReceived(recorded)
        pair.client.protocol.dataReceived(pair.server.take())
        pair.client.protocol.send(b"pay 100")
        rest = pair.client.take()
        pair.server.protocol.dataReceived(rest)
        self.assertEqual(pair.server.owner.payloads, [b"pay 100"])
        recorded += rest
        fresh = Pair()
        fresh.server.protocol.dataReceived(recorded)
        self.assertEqual(fresh.server.owner.payloads, [])
        self.assertEqual([code for _, code in fresh.server.owner.refusals], ["decrypt-failed"])

    def test_A4_every_altered_byte_of_a_sealed_frame_ends_the_link(self) -> None:
        """Through the protocol; what was altered is not delivered."""
        self.client.protocol.send(b"message")
        data = self.client.take()
        for at in range(4, len(data)):
            self.pair = Pair().open()
            self.pair.client.protocol.send(b"message")
            fresh = bytearray(self.pair.client.take())
            fresh[at] ^= 0x10
            self.pair.server.protocol.dataReceived(bytes(fresh))
            self.assertEqual(self.pair.server.owner.payloads, [])
            self.assert_refused(self.pair.server, "decrypt-failed")


class SlowReaderTests(LimitCase):
    """C8: a peer that does not read."""

    def test_C8_the_queue_is_capped_at_1_mib(self) -> None:
        """Counted from when the transport says that it is full, as it says at each write."""
        sent_bytes = 0
        self.server.protocol.pauseProducing()
        while self.server.protocol.is_open:
            self.server.protocol.send(bytes(10_000))
            self.server.protocol.pauseProducing()
            sent_bytes += 10_000
        self.assertLess(sent_bytes, LIMITS.queue_bytes + 20_000)
        self.assertGreater(sent_bytes, LIMITS.queue_bytes - 20_000)
        self.assert_refused(self.server, "slow-reader")

    def test_C8_a_peer_that_reads_again_is_kept(self) -> None:
        """The count starts anew."""
        for _ in range(3):
            self.server.protocol.pauseProducing()
            for _ in range(90):
                self.server.protocol.send(bytes(10_000))
            self.server.protocol.resumeProducing()
        self.assertTrue(self.server.protocol.is_open)
        self.assertEqual(self.server.owner.refusals, [])

    def test_C8_who_sends_much_waits_for_the_transport(self) -> None:
        """It is told each time that everything has left, and so nothing queues up."""
        link, told = self.server.protocol, []
        link.when_free(lambda: told.append(link.is_full))
        self.assertFalse(link.is_full)
        for _ in range(2):
            link.pauseProducing()
            self.assertTrue(link.is_full)
            link.send(b"a word")
            link.resumeProducing()
        self.assertEqual(told, [False, False])
        link.when_free(None)
        link.resumeProducing()
        link.close()
        self.assertEqual(told, [False, False])

    def test_C8_an_error_of_who_sends_much_ends_the_link_only(self) -> None:
        """As one of who receives."""
        self.server.protocol.when_free(lambda: 1 / 0)
        self.server.protocol.pauseProducing()
        self.server.protocol.resumeProducing()
        self.assert_refused(self.server, "internal-error")
        self.flushLoggedErrors(ZeroDivisionError)

    def fill_half(self) -> None:
        """Let more than half of the queue wait."""
        self.server.protocol.pauseProducing()
        for _ in range(55):
            self.server.protocol.send(bytes(10_000))

    def ask(self, *payloads: bytes) -> None:
        """Let the client's payloads arrive at the server."""
        for payload in payloads:
            self.client.protocol.send(payload)
        self.server.protocol.dataReceived(self.client.take())

    def test_C8_who_does_not_read_is_not_read(self) -> None:
        """At half of the queue no more requests are served, until it is empty."""
        self.assertFalse(self.server.protocol.is_crowded)
        self.fill_half()
        self.assertTrue(self.server.protocol.is_crowded)
        self.assertEqual(self.server.transport.producerState, "paused")
        self.ask(b"one", b"two")
        self.assertEqual(self.server.owner.payloads, [])
        self.server.protocol.resumeProducing()
        self.assertEqual(self.server.owner.payloads, [b"one", b"two"])
        self.assertEqual(self.server.transport.producerState, "producing")
        self.assertEqual(self.pair.clock.getDelayedCalls(), [])

    def test_C8_a_pipeline_of_requests_stops_at_half_of_the_queue(self) -> None:
        """A client that asks for much at once is served, not refused."""
        self.server.owner.on_message = lambda link, _payload: link.send(bytes(16_000))
        self.server.protocol.pauseProducing()
        self.ask(*[b"get"] * 100)
        self.assertEqual(len(self.server.owner.payloads), 33)
        self.server.protocol.resumeProducing()
        for _ in range(3):
            self.server.protocol.pauseProducing()
            self.server.protocol.resumeProducing()
        self.assertEqual(len(self.server.owner.payloads), 100)
        self.assertEqual(self.server.owner.refusals, [])

    def test_C8_two_sides_that_wait_for_each_other_go_on_after_a_second(self) -> None:
        """Neither reads because neither is read: that must not last."""
        self.fill_half()
        self.ask(b"one")
        self.pair.clock.advance(0.9)
        self.assertEqual(self.server.owner.payloads, [])
        self.pair.clock.advance(0.2)
        self.assertEqual(self.server.owner.payloads, [b"one"])
        self.server.protocol.send(b"still crowded")
        self.assertEqual(self.server.transport.producerState, "paused")

    def test_C8_who_never_reads_is_dropped_before_the_queue_is_full(self) -> None:
        """It goes on asking, one request a second: ten times it is read all the same."""
        self.server.owner.on_message = lambda link, _payload: link.send(b"answer")
        self.fill_half()
        for _ in range(LIMITS.chokes - 1):
            self.ask(b"get")
            self.pair.clock.advance(LIMITS.choke_s)
        self.assertTrue(self.server.protocol.is_open)
        self.ask(b"get")
        self.pair.clock.advance(LIMITS.choke_s)
        self.assert_refused(self.server, "slow-reader")

    def test_C8_who_reads_everything_once_has_its_ten_seconds_again(self) -> None:
        """Slow is not the same as deaf."""
        self.server.owner.on_message = lambda link, _payload: link.send(b"answer")
        for _ in range(3):
            self.fill_half()
            for _ in range(LIMITS.chokes - 1):
                self.ask(b"get")
                self.pair.clock.advance(LIMITS.choke_s)
            self.server.protocol.resumeProducing()
        self.assertEqual(self.server.owner.refusals, [])

    def test_C8_the_second_runs_though_all_frames_are_served(self) -> None:
        """Slowness that begins with the answer to the last request ends like any other."""
        self.server.owner.on_message = lambda _link, _payload: self.fill_half()
        self.ask(b"one")
        self.assertEqual(self.server.transport.producerState, "paused")
        self.pair.clock.advance(1.1)
        self.assertEqual(self.server.transport.producerState, "producing")

    def test_C8_a_pause_of_the_owner_outlives_the_peers_slowness(self) -> None:
        """And the other way round: each has to end."""
        self.fill_half()
        self.server.protocol.pause()
        self.ask(b"one")
        self.server.protocol.resumeProducing()
        self.assertEqual(self.server.owner.payloads, [])
        self.fill_half()
        self.server.protocol.resume()
        self.assertEqual(self.server.owner.payloads, [])
        self.server.protocol.resumeProducing()
        self.assertEqual(self.server.owner.payloads, [b"one"])

    def test_C8_the_protocol_asks_the_transport_for_it(self) -> None:
        """It is registered as the producer, and lets go when it closes."""
        self.assertIs(self.server.transport.producer, self.server.protocol)
        self.server.protocol.close()
        self.assertIsNone(self.server.transport.producer)


class SocketTransport(StringTransport):
    """A transport that has a socket."""

    def __init__(self, handle: socket.socket) -> None:
        super().__init__()
        self.handle = handle
        self.no_delay = False

    def getHandle(self) -> socket.socket:
        return self.handle

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled


class SocketTests(SynchronousTestCase):
    """B3: what is set where there is a socket."""

    def test_B3_the_kernel_gives_up_on_a_peer_that_vanished(self) -> None:
        """After 60 s without an acknowledgement; and small frames leave at once."""
        for family in (socket.AF_INET, socket.AF_INET6):
            handle = socket.socket(family)
            self.addCleanup(handle.close)
            transport = SocketTransport(handle)
            end = End(BOB, Clock(), initiator=False, transport=transport)
            end.connect()
            self.assertTrue(transport.no_delay)
            found = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            self.assertEqual(found, 60_000)

    def test_a_socket_that_is_not_tcp_is_left_alone(self) -> None:
        """Links run over Unix sockets too."""
        one, two = socket.socketpair()
        self.addCleanup(one.close)
        self.addCleanup(two.close)
        end = End(BOB, Clock(), initiator=False, transport=SocketTransport(one))
        end.connect()
        self.assertEqual(end.owner.refusals, [])


class RekeyTests(LimitCase):
    """Keys change below the owner's notice."""

    def test_keys_change_each_hour_of_traffic(self) -> None:
        """The payloads go on; one more frame is written."""
        for _ in range(5):
            self.client.protocol.send(b"tick")
            self.pair.clock.advance(1800)
        frames = self.client.take()
        self.assertEqual(len(frames), 5 * (4 + 4 + 16) + 2 * (4 + 16))
        self.server.protocol.dataReceived(frames)
        self.assertEqual(self.server.owner.payloads, [b"tick"] * 5)


class FuzzTests(LimitCase):
    """Mutated streams."""

    def test_A4_mutated_streams_deliver_a_prefix_of_what_was_sent(self) -> None:
        """Whatever is done to a stream, no payload is changed, invented or repeated."""
        rng = Random(7)
        sent = [b"%d" % n * 10 for n in range(4)]
        for number in range(CASES // 10):
            pair = Pair().open()
            for payload in sent:
                pair.client.protocol.send(payload)
            pair.server.protocol.dataReceived(mutate(pair.client.take(), rng))
            got = pair.server.owner.payloads
            self.assertEqual(got, sent[: len(got)], f"case {number}")
            self.assertLessEqual(len(pair.server.owner.refusals), 1)

    def test_A4_mutated_first_bytes_open_no_link(self) -> None:
        """A stranger's stream, mutated: refused once, by its deadline at the latest."""
        rng = Random(8)
        first = Pair().client.take()
        clock = Clock()
        ends = [End(BOB, clock, initiator=False) for _ in range(CASES // 10)]
        for end in ends:
            end.connect()
            end.protocol.dataReceived(mutate(first, rng))
        clock.advance(LIMITS.handshake_s)
        for end in ends:
            self.assertEqual(end.owner.opened, [])
            self.assertEqual(len(end.owner.refusals), 1)
        self.assertEqual(clock.getDelayedCalls(), [])
