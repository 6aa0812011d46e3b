"""What comes on a hub's wires in awkward ways: late, in grains, all at once, or not at all."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.jose import base64url
from streembit.net.budget import Rate
from streembit.net.carrier import CarrierLimits
from streembit.net.certificate import ServerTls
from streembit.net.gate import Gate, GateLimits
from streembit.net.hublisten import HubFactory, SecureFactory
from streembit.net.tuning import TCP_USER_TIMEOUT_MS
from streembit.service.hub.settings import HubSettings
from streembit.wire.hub import MAX_FRAME_STRANGER, Observe
from tests.hubs.house import NETWORK, PEM, PRIVATE, REQUEST, Guest, Held, House, Raw, head, listed
from tests.hubs.test_carriers import HouseCase
from tests.net.test_tcp_limits import SocketTransport
from tests.net.test_websocket import Owner

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # how a client begins with TLS


def framed(guest: Guest, count: int, to: Guest) -> bytes:
    """Return so many envelopes of a member as they go over the wire, all in one piece."""
    tokens = [guest.own.live(to.who.public, b"%d" % number)[1] for number in range(count)]
    return b"".join(head(len(token)) + token for token in tokens)


def ids(guest: Guest) -> list[bytes]:
    """Return the names of the mails that a member got, in order."""
    return [base64url.decode(each.id) for each in guest.envelopes()]


def wire(guest: Guest) -> Any:
    """Return a member's own transport."""
    return guest.carrier.transport  # type: ignore[union-attr]


class GrainTests(HouseCase):
    """Messages whole, in halves, and in grains."""

    def test_B1_a_message_too_long_that_comes_all_at_once(self) -> None:
        """It is refused, though there would be nothing to wait for."""
        size = MAX_FRAME_STRANGER + 1
        raw = Raw(self.house).upgrade().write(head(size) + b"x" * size)
        self.assertTrue(raw.ended)
        self.assert_refused("frame-too-large")

    def test_B6_fragments_of_one_byte(self) -> None:
        """As many as a message may have, and no more; they add up over no other message."""
        raw = Raw(self.house, 501).upgrade()
        first, more = head(1, fin=False) + b"x", head(1, 0, fin=False) + b"x"
        raw.write(first + more * 63)
        self.assertFalse(raw.ended)
        raw.write(more)
        self.assertTrue(raw.ended)
        self.assertEqual(self.house.refusals(), {"bad-frame": 1})
        guest = self.house.joined(2)
        for _ in range(3):
            _, token = guest.own.live(self.honest.who.public, b"in grains")
            wire(guest).write(in_pieces(token, 60))
            self.house.run()
        self.assertEqual(len(self.honest.envelopes()), 3)

    def test_C3_a_flood_of_pongs_ends_the_connection(self) -> None:
        """Nobody asked for them, and each is as much work as a ping."""
        raw = Raw(self.house).upgrade().write(head(0, 10) * 60)
        self.assertFalse(raw.ended)
        raw.write(head(0, 10) * 60)
        self.assertTrue(raw.ended)
        self.assert_refused("rate-limited")

    def test_C3_what_comes_at_once_is_held_back_frame_by_frame(self) -> None:
        """Fifty frames in one piece, at ten a second: none is lost, and all keep their order."""
        house = House(self, settings=HubSettings(NETWORK, member_frames=Rate(10.0, 10.0)))
        self.addCleanup(house.stop)
        fast, other = house.joined(1), house.joined(2)
        wire(fast).write(framed(fast, 50, other))
        house.run(1.0)
        self.assertLess(len(other.envelopes()), 25)
        house.run(6.0)
        self.assertEqual([envelope.seq for envelope in other.envelopes()], list(range(1, 51)))

    def test_B2_half_of_a_header_has_its_time(self) -> None:
        """A byte, or all of it but one: thirty seconds for a member, whatever it announces."""
        for number, begun in enumerate((head(200)[:1], head(60_000)[:3], head(5, 9)[:-1])):
            guest = self.house.joined(number + 2)
            self.house.run(40.0)
            wire(guest).write(begun)
            self.house.run(29.0)
            self.assertIsNone(guest.end, begun)
            self.house.run(2.0)
            self.assertIsNotNone(guest.end, begun)
        self.assert_refused("deadline-exceeded", 3)

    def test_B2_who_always_has_half_of_the_next_message_on_the_way_is_served(self) -> None:
        """Each message has a time of its own, from its first byte."""
        guest = self.house.joined(2)
        stream = framed(guest, 8, self.honest)
        size, begun = len(stream) // 8, 0
        for end in (*range(size // 2, len(stream), size), len(stream)):
            wire(guest).write(stream[begun:end])
            begun = end
            self.house.run(20.0)
        self.assertIsNone(guest.end)
        self.assertEqual(len(self.honest.envelopes()), 8)


def in_pieces(token: bytes, count: int) -> bytes:
    """Return a message in so many fragments, of which all but the last have one byte."""
    parts = [token[n : n + 1] for n in range(count - 1)] + [token[count - 1 :]]
    kinds = [1] + [0] * (count - 1)
    return b"".join(
        head(len(part), kind, fin=n == count - 1) + part
        for n, (part, kind) in enumerate(zip(parts, kinds, strict=True))
    )


class RequestTests(HouseCase):
    """H6 and L4: nothing hides behind the request, or in it."""

    def test_B8_a_request_behind_the_upgrade_is_no_request(self) -> None:
        """Whoever slips one past a proxy gets no second answer, and loses the connection."""
        for number, more in enumerate(
            ("", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n")
        ):
            raw = Raw(self.house, 500 + number)
            raw.write((REQUEST + more + "\r\n" + REQUEST + "\r\n").encode())
            self.assertTrue(raw.ended, more)
            self.assertEqual(raw.got.count(b"HTTP/1.1"), 1, more)
        self.assertEqual(sum(self.house.refusals().values()), 3)
        self.assert_served()

    def test_B8_requests_that_two_readers_understand_differently(self) -> None:
        """A header twice, folded, without a colon, or with what is no ASCII: no WebSocket."""
        requests = (
            REQUEST + "Host: other.example\r\n",
            REQUEST + "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
            REQUEST + "Sec-WebSocket-Version: 8\r\n",
            REQUEST + "Origin: https://a.example\r\nOrigin: https://b.example\r\n",
            REQUEST.replace("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: short"),
            REQUEST.replace("hub.example", "hüb.example"),
            REQUEST + "User-Agent: \xff\r\n",
            REQUEST.replace("GET /", "GET http://hub.example:x/#y"),
        )
        for number, request in enumerate(requests):
            raw = Raw(self.house, 500 + number).upgrade("", request)
            self.assertNotEqual(raw.status, 101, request)
            self.assertTrue(raw.ended, request)
        self.assert_refused("upgrade-refused", len(requests))


class HeldTests(SynchronousTestCase):
    """Members of whom nothing is read for the moment."""

    def test_H2_frames_that_wait_for_their_budget_are_not_served(self) -> None:
        """Whoever sent them is out meanwhile."""
        settings = HubSettings(PRIVATE, private=True, member_frames=Rate(1.0, 1.0))
        house = House(self, members=listed(1, 2), settings=settings)
        self.addCleanup(house.stop)
        removed, other = house.joined(1), house.joined(2)
        for _ in range(3):
            removed.live(other, b"in time, or too late")
        house.run(0.1)
        self.assertEqual(len(other.envelopes()), 1)
        house.hub.admit(listed(2))
        house.run(10.0)
        self.assertEqual(len(other.envelopes()), 1)
        self.assertEqual(house.hub.checks, 1)

    def test_C8_who_is_held_for_two_reasons_waits_for_both(self) -> None:
        """A sender that reads again is not read again while its recipient does not read."""
        house = House(self)
        self.addCleanup(house.stop)
        deaf, sender, other = [house.joined(number) for number in (1, 2, 3)]
        for each in (deaf, sender):
            wire(each).pauseProducing()
        for _ in range(20):
            sender.live(deaf, bytes(30_000))
            other.live(sender, bytes(30_000))
        house.run(1.0)
        self.assertEqual(house.hub.router.slow, 2)
        session = house.hub.find(sender.who.public.text)
        assert session is not None
        before = session.frames_in
        wire(sender).resumeProducing()
        house.run(2.0)
        self.assertEqual((house.hub.router.slow, session.frames_in), (1, before))
        wire(deaf).resumeProducing()
        house.run(5.0)
        self.assertEqual((len(deaf.envelopes()), len(sender.envelopes())), (20, 20))

    def test_C8_who_does_not_read_its_answers_is_not_read(self) -> None:
        """What it may ask for meanwhile is bounded; when it reads, it gets all of them."""
        house = House(self)
        self.addCleanup(house.stop)
        deaf = house.joined(1)
        wire(deaf).pauseProducing()
        for _ in range(1900):
            deaf.ask(Observe())
        house.run(1.0)
        session = house.hub.find(deaf.who.public.text)
        assert session is not None
        self.assertLess(session.frames_in, 1800)
        wire(deaf).resumeProducing()
        house.run(5.0)
        self.assertEqual(len(deaf.answers()), 1900)

    def test_mail_that_comes_while_mail_is_fetched_comes_once(self) -> None:
        """All of it, in order, when many are kept by one commit."""
        disk = Held()
        house = House(self, disk=disk)
        self.addCleanup(house.stop)
        sender, member = house.joined(1), house.joined(2)
        disk.holds = True
        for number in range(6):
            sender.mail(member, number, b"mail")
        house.run()
        disk.holds = False
        disk.work()
        house.run()
        self.assertEqual([int.from_bytes(each) for each in ids(member)], list(range(6)))

    def test_C8_senders_of_one_that_left_are_read_again(self) -> None:
        """And the others that they speak with hear them."""
        house = House(self)
        self.addCleanup(house.stop)
        deaf, sender, other = [house.joined(number) for number in (1, 2, 3)]
        wire(deaf).pauseProducing()
        for _ in range(20):
            sender.live(deaf, bytes(30_000))
        house.run(1.0)
        wire(deaf).abortConnection()
        sender.live(other, b"still here")
        house.run(1.0)
        self.assertEqual(len(other.envelopes()), 1)


class EndTests(HouseCase):
    """Connections that end in whatever way."""

    def test_B3_whoever_hangs_up_without_a_word_is_gone_at_once(self) -> None:
        """By a reset, or by an end of the stream in the middle of a frame."""
        for number, how in ((2, "abortConnection"), (3, "loseConnection")):
            guest = self.house.joined(number)
            wire(guest).write(head(200) + b"half")
            getattr(wire(guest), how)()
            self.house.run()
            self.assert_served()
        self.assertEqual(self.house.refusals(), {})

    def test_C8_what_waits_for_one_that_leaves_is_forgotten(self) -> None:
        """It counts no more against the bound of all queues."""
        deaf = self.house.joined(2)
        wire(deaf).pauseProducing()
        for _ in range(5):
            self.honest.live(deaf, bytes(30_000))
        self.house.run()
        backlog = self.house.hub.factory.backlog
        self.assertGreater(backlog.total_bytes, 0)
        wire(deaf).abortConnection()
        self.house.run()
        self.assertEqual(backlog.total_bytes, 0)
        self.assert_served()

    def test_C8_all_queues_together_are_bounded(self) -> None:
        """Many who read slowly: whoever has the longest queue goes, before any is full."""
        house = House(self, limits=CarrierLimits(queue_bytes_total=400_000))
        self.addCleanup(house.stop)
        sender, *deaf = [house.joined(number) for number in range(1, 6)]
        for each in deaf:
            wire(each).pauseProducing()
        for _ in range(4):
            for each in deaf:
                sender.live(each, bytes(30_000))
            house.run(0.05)
        self.assertLessEqual(house.hub.factory.backlog.total_bytes, 400_000)
        self.assertGreater(house.refusals()["slow-reader"], 0)
        self.assertIsNone(sender.end)

    def test_S5_strangers_are_dropped_when_the_hub_ends(self) -> None:
        """It does not wait for who has not joined."""
        house = House(self)
        raw = Raw(house).upgrade()
        house.port.stopListening()
        stopped = house.hub.stopService()
        house.run(0.2)
        self.assertTrue(raw.ended)
        self.successResultOf(stopped)

    def test_S5_a_member_that_does_not_answer_is_not_waited_for(self) -> None:
        """It has three seconds to hear that the hub ends."""
        house = House(self)
        deaf = house.joined(1)
        wire(deaf).pauseProducing()
        stopped = house.hub.stopService()
        house.run(2.5)
        self.assertNoResult(stopped)
        house.run(1.0)
        self.successResultOf(stopped)


class SlowTlsTests(SynchronousTestCase):
    """Connections that never come to speak as WebSockets."""

    def test_B2_a_handshake_that_drips_ends_after_ten_seconds(self) -> None:
        """TLS is within the time of the upgrade, said or unsaid."""
        for said in (b"", HELLO):
            house = House(self, tls=True)
            self.addCleanup(house.stop)
            begun_s = house.clock.seconds()
            raw = Raw(house)
            while not raw.ended and house.clock.seconds() < begun_s + 30:
                raw.write(said[:1])
                said = said[1:]
                house.run(0.7)
            assert raw.gone_s is not None
            self.assertLess(abs(raw.gone_s - begun_s - 10.0), 1.0)
            self.assertEqual(house.refusals(), {"deadline-exceeded": 1})
            self.assertEqual(house.hub.gate.total, 0)

    def test_B3_the_kernel_gives_up_on_a_member_that_vanished(self) -> None:
        """Under TLS as without it; and small frames leave at once."""
        owner, clock = Owner(), Clock()
        plain = HubFactory(owner, Gate(), clock, owner.refused, private=False)
        for factory in (plain, SecureFactory(ServerTls(lambda: PEM), False, plain, clock)):
            handle = socket.socket()
            self.addCleanup(handle.close)
            transport = SocketTransport(handle)
            protocol = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 4000))
            assert protocol is not None
            protocol.makeConnection(transport)
            self.assertTrue(transport.no_delay)
            found = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            self.assertEqual(found, TCP_USER_TIMEOUT_MS)


class PlaceTests(SynchronousTestCase):
    """Row C1: whose place is whose."""

    def test_C1_who_joins_a_public_hub_counts_against_its_address(self) -> None:
        """There everybody is a member, so nobody has more right than another."""
        gate = GateLimits(per_address=2, new_per_address=Rate(100.0, 100.0), members_exempt=True)
        house = House(self, gate=gate)
        self.addCleanup(house.stop)
        for number in (1, 2):
            house.joined(number, host="203.0.113.1")
        third = house.guest(3, host="203.0.113.1").connect()
        house.run(1.0)
        self.assertIsNone(third.session)
        self.assertEqual(house.refusals(), {"too-many-connections": 1})

    def test_B3_a_proxied_member_stays_and_its_place_is_free_when_it_leaves(self) -> None:
        """The time that the proxy had is over; the client's end is passed on."""
        house = House(self, behind_proxy=True)
        self.addCleanup(house.stop)
        guest = house.joined(1)
        house.run(20.0)
        self.assertIsNone(guest.end)
        wire(guest).abortConnection()
        house.run()
        self.assertEqual((house.hub.sessions(), house.hub.gate.total), ([], 0))
