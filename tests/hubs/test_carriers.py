"""Attacks on the hub's WebSocket: what is too long, too slow, or no WebSocket at all."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.net.budget import Rate
from streembit.net.carrier import CarrierLimits
from streembit.net.gate import GateLimits
from streembit.service.hub.settings import HubSettings
from streembit.wire.hub import MAX_FRAME_MEMBER, MAX_FRAME_STRANGER, Observe, Seen
from tests.hubs.house import NETWORK, REQUEST, House, Raw, head


class HouseCase(SynchronousTestCase):
    """A hub with an honest member, who must not notice the others."""

    def setUp(self) -> None:
        self.house = House(self)
        self.addCleanup(self.house.stop)
        self.honest = self.house.joined(1)

    def assert_refused(self, reason: str, times: int = 1) -> None:
        """It was counted by its reason, and the honest member is served as before."""
        self.assertEqual(self.house.refusals(), {reason: times})
        self.assert_served()

    def assert_served(self) -> None:
        """The honest member gets its answer, and nobody else is joined."""
        self.honest.ask(Observe())
        self.house.run()
        self.assertIsInstance(self.honest.answers()[-1], Seen)
        self.assertEqual(len(self.house.hub.sessions()), 1)


class FrameTests(HouseCase):
    """Frames of any length, kind and order."""

    def test_B1_a_length_too_large_is_refused_from_the_header(self) -> None:
        """Before a byte of it is buffered, whatever it claims."""
        sizes = (MAX_FRAME_STRANGER + 1, 1 << 16, 1 << 31, (1 << 32) - 1, (1 << 63) - 1)
        for number, size in enumerate(sizes):
            raw = Raw(self.house, 500 + number).upgrade().write(head(size))
            self.assertTrue(raw.ended, size)
        self.assert_refused("frame-too-large", len(sizes))

    def test_B1_a_message_in_fragments_is_as_long_as_all_of_them(self) -> None:
        """The last header that makes it too long ends it."""
        raw = Raw(self.house).upgrade()
        raw.write(head(MAX_FRAME_STRANGER, fin=False) + b"x" * MAX_FRAME_STRANGER)
        self.assertFalse(raw.ended)
        raw.write(head(1, 0))
        self.assertTrue(raw.ended)
        self.assert_refused("frame-too-large")

    def test_B1_the_longest_frame_of_a_member_passes_and_a_longer_one_does_not(self) -> None:
        """The bound grows with the welcome."""
        guest = self.house.joined(2)
        assert guest.carrier is not None
        guest.carrier.send(b"x" * MAX_FRAME_MEMBER)
        self.house.run(1.0)
        self.assertEqual(self.house.refusals(), {"bad-token": 1})  # it was read
        self.house.clock.advance(1.0)
        self.assert_served()

    def test_B6_fragments_without_end_are_refused(self) -> None:
        """Each empty one costs work, and would cost no bytes."""
        raw = Raw(self.house).upgrade()
        raw.write(head(0, fin=False) + head(0, 0, fin=False) * 64)
        self.assertTrue(raw.ended)
        self.assert_refused("bad-frame")

    def test_B6_an_idle_member_keeps_no_bytes(self) -> None:
        """Not even of its last frame."""
        guest = self.house.joined(2)
        guest.live(self.honest, bytes(30_000))
        self.house.run()
        session = self.house.hub.find(guest.who.public.text)
        assert session is not None
        self.assertEqual(session.carrier.queued_bytes, 0)
        self.assertEqual(session.carrier.data, b"")  # type: ignore[attr-defined]

    def test_C3_a_flood_of_pings_ends_the_connection(self) -> None:
        """They are control frames, and not free."""
        raw = Raw(self.house).upgrade().write(head(0, 9) * 60)
        self.assertFalse(raw.ended)
        raw.write(head(0, 9) * 60)
        self.assertTrue(raw.ended)
        self.assert_refused("rate-limited")

    def test_B8_binary_unmasked_reserved_and_compressed_frames_are_refused(self) -> None:
        """What is not of the protocol ends the connection."""
        frames = (
            head(3, 2) + b"abc",
            head(3, masked=False) + b"abc",
            head(3, 3) + b"abc",
            bytes([0xC1]) + head(3)[1:] + b"abc",
            head(3, 0) + b"abc",
            head(3, 9, fin=False) + b"abc",
            head(126, 9) + b"x" * 126,
            b"\x81\xfe\x00\x03" + bytes(4) + b"abc",
        )
        for number, frame in enumerate(frames):
            raw = Raw(self.house, 500 + number).upgrade().write(frame)
            self.assertTrue(raw.ended, frame)
        self.assert_refused("bad-frame", len(frames))

    def test_every_cut_of_the_bytes_is_the_same(self) -> None:
        """Where the bytes of upgrade and frames are cut changes nothing."""
        stream = (REQUEST + "\r\n").encode() + head(5, fin=False) + b"hello" + head(0, 9)
        stream += head(3, 0) + b"you"
        seen = set()
        for number, size in enumerate((1, 2, 3, 7, 50, len(stream))):
            raw = Raw(self.house, 500 + number)
            for at in range(0, len(stream), size):
                assert raw.transport is not None
                raw.transport.write(stream[at : at + size])
            self.house.run(6.0)  # for a closing handshake that never comes
            self.assertTrue(raw.ended)
            seen.add(raw.got.count(b"\x8a\x00"))
        self.assertEqual(seen, {1})  # the ping between the fragments was answered each time
        self.assertEqual(self.house.refusals(), {"bad-token": 6})

    def test_B7_compression_is_not_agreed_upon(self) -> None:
        """A small frame cannot become a large one."""
        raw = Raw(self.house).upgrade("Sec-WebSocket-Extensions: permessage-deflate\r\n")
        self.assertEqual(raw.status, 101)
        self.assertNotIn(b"deflate", raw.got)


class UpgradeTests(HouseCase):
    """The request before the WebSocket."""

    def test_B8_requests_that_are_none_for_this_hub_are_refused(self) -> None:
        """Each with its HTTP status, and the connection ends."""
        requests = {
            "GET /": (400, REQUEST.replace("Host: hub.example\r\n", "")),
            "post": (405, REQUEST.replace("GET", "POST")),
            "old http": (505, REQUEST.replace("HTTP/1.1", "HTTP/1.0")),
            "no upgrade": (426, REQUEST.replace("Upgrade: websocket\r\n", "")),
            "draft": (400, REQUEST.replace("Version: 13", "Version: 8")),
            "another subprotocol": (406, REQUEST.replace("hub.v1", "hub.v9")),
            "no subprotocol": (406, REQUEST.replace("Sec-WebSocket-Protocol", "X-Nothing")),
            "evil host": (400, REQUEST.replace("hub.example", "a b<c>")),
            "long host": (400, REQUEST.replace("hub.example", "a" * 256)),
        }
        for number, (name, (status, request)) in enumerate(requests.items()):
            raw = Raw(self.house, 500 + number).upgrade("", request)
            self.assertEqual((raw.status, raw.ended), (status, True), name)
        self.assert_refused("upgrade-refused", len(requests))

    def test_L4_a_web_page_connects_only_from_an_origin_that_is_listed(self) -> None:
        """A program tells no origin, and needs none."""
        for number, origin in enumerate(("https://evil.example", "null", "http://hub.example")):
            raw = Raw(self.house, 500 + number).upgrade(f"Origin: {origin}\r\n")
            self.assertEqual(raw.status, 403, origin)
        self.assert_refused("upgrade-refused", 3)

    def test_an_origin_that_is_listed_may_connect(self) -> None:
        """And no other."""
        settings = HubSettings(NETWORK, origins=frozenset({"https://chat.example"}))
        house = House(self, settings=settings)
        self.addCleanup(house.stop)
        for origin, status in (("https://chat.example", 101), ("https://chat.example:8", 403)):
            self.assertEqual(Raw(house).upgrade(f"Origin: {origin}\r\n").status, status)

    def test_B1_a_head_without_end_is_refused(self) -> None:
        """At 8 KiB, however it is cut."""
        for number, size in enumerate((1, 1000)):
            raw = Raw(self.house, 500 + number)
            for _ in range(9000 // size):
                if raw.ended:
                    break
                assert raw.transport is not None
                raw.transport.write(b"x" * size)
            self.house.run()
            self.assertTrue(raw.ended)
        self.assert_refused("frame-too-large", 2)

    def test_B9_bytes_of_all_kinds_raise_nothing(self) -> None:
        """Chance in the place of a head or of frames ends that connection alone."""
        for number in range(40):
            raw = Raw(self.house, 500 + number)
            if number % 2:
                raw.upgrade()
            raw.write(self.house.chance.randbytes(400) + b"\r\n\r\n")
        self.house.run(60.0)
        self.assert_served()
        self.assertEqual(self.flushLoggedErrors(), [])


class DeadlineTests(HouseCase):
    """Time is counted from the beginning, and no byte resets it."""

    def assert_gone_after(self, raw: Raw, begun_s: float, limit_s: float, drip: bytes) -> None:
        """Bytes that drip do not put the end off."""
        at = 0
        while not raw.ended and self.house.clock.seconds() < begun_s + limit_s + 10:
            assert raw.transport is not None
            raw.transport.write(drip[at % len(drip) : at % len(drip) + 1])
            at += 1
            self.house.run(0.9)
        assert raw.gone_s is not None
        self.assertLess(raw.gone_s - begun_s, limit_s + 1.0)
        self.assertGreater(raw.gone_s - begun_s, limit_s - 1.0)
        self.assertEqual(self.house.refusals(), {"deadline-exceeded": 1})
        self.assert_served()

    def test_B2_an_upgrade_that_drips_ends_after_ten_seconds(self) -> None:
        """TLS is in that time."""
        begun_s = self.house.clock.seconds()
        self.assert_gone_after(Raw(self.house), begun_s, 10.0, REQUEST.encode())

    def test_B2_a_join_that_drips_ends_fifteen_seconds_after_connecting(self) -> None:
        """Not after the upgrade."""
        begun_s = self.house.clock.seconds()
        raw = Raw(self.house)
        self.house.run(8.0)
        raw.upgrade().write(head(200))
        self.assert_gone_after(raw, begun_s, 15.0, b"x")

    def test_B2_a_strangers_time_is_the_same_where_its_frames_may_be_as_long(self) -> None:
        """What it may say at once does not make it a member."""
        limits = CarrierLimits(stranger_bytes=MAX_FRAME_MEMBER)
        house = House(self, limits=limits)
        self.addCleanup(house.stop)
        begun_s = house.clock.seconds()
        raw = Raw(house).upgrade().write(head(200))
        house.run(15.5)
        assert raw.gone_s is not None
        self.assertLess(raw.gone_s - begun_s, 15.5)

    def test_B2_a_frame_of_a_member_that_drips_ends_after_thirty_seconds(self) -> None:
        """Its first bytes start the clock; a member that is idle has no deadline."""
        guest = self.house.joined(2)
        self.house.run(100.0)
        carrier = guest.carrier
        assert carrier is not None
        begun_s = self.house.clock.seconds()
        write = carrier.transport.write  # type: ignore[attr-defined]
        write(head(200))
        while guest.end is None and self.house.clock.seconds() < begun_s + 60:
            write(b"x")
            self.house.run(0.9)
        self.assertLess(abs(self.house.clock.seconds() - begun_s - 30.0), 1.5)
        self.assertEqual(self.house.refusals(), {"deadline-exceeded": 1})

    def test_B3_a_member_that_vanished_is_given_up_within_65_seconds(self) -> None:
        """It is asked for a sign of life, and gives none."""
        self.house.joined(2)
        begun_s = self.house.clock.seconds()
        self.house.network.silence("10.0.0.2")
        self.assertTrue(
            self.house.clock.run_until(lambda: len(self.house.hub.sessions()) == 1, 100.0)
        )
        self.assertLessEqual(self.house.clock.seconds() - begun_s, 65.0)
        self.assertEqual(self.house.refusals(), {"deadline-exceeded": 1})
        self.assert_served()


class ProxyTests(SynchronousTestCase):
    """Behind a proxy the address that it tells is the one that counts."""

    def setUp(self) -> None:
        self.house = House(self, behind_proxy=True)
        self.addCleanup(self.house.stop)

    def test_C1_nobody_is_counted_before_the_proxy_has_told_who_it_is(self) -> None:
        """Then the client is, by its own address."""
        raw = Raw(self.house)
        self.assertEqual(self.house.hub.gate.total, 0)
        raw.upgrade()
        self.assertEqual((raw.status, self.house.hub.gate.total), (101, 1))

    def test_C1_a_client_that_is_not_admitted_is_hung_up_on(self) -> None:
        """As one that comes without a proxy."""
        gate = GateLimits(new_per_address=Rate(0.01, 1.0))
        house = House(self, behind_proxy=True, gate=gate)
        self.addCleanup(house.stop)
        first, second = (Raw(house, host="203.0.113.5").upgrade() for _ in range(2))
        self.assertEqual((first.ended, second.ended), (False, True))
        self.assertEqual(house.refusals(), {"rate-limited": 1})

    def test_B2_a_proxy_that_says_nothing_is_dropped_after_ten_seconds(self) -> None:
        """Its connection had no client yet."""
        raw = Raw(self.house)
        self.house.run(10.0)
        self.assertTrue(raw.ended)
