"""The channel opens each frame once, in order, unaltered, and nothing else."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadFrame, DecryptFailed, RemoteError
from streembit.link.channel import FRAMES_PER_KEY, KEY_LIFE_S, OVERHEAD_BYTES, Channel

FORTH, BACK = b"\x01" * 32, b"\x02" * 32


def two_ends(frames_per_key: int = FRAMES_PER_KEY) -> tuple[Channel, Channel]:
    """Return the two ends of a channel."""
    return Channel(FORTH, BACK, frames_per_key), Channel(BACK, FORTH, frames_per_key)


def seal_many(channel: Channel, count: int) -> list[bytes]:
    """Return that many frames, each with its number inside."""
    return [channel.seal(b"%d" % n) for n in range(count)]


class CarryTests(SynchronousTestCase):
    """What goes in comes out."""

    def test_payloads_arrive_in_order_both_ways(self) -> None:
        """The directions do not disturb each other."""
        one, two = two_ends()
        for n in range(10):
            self.assertEqual(two.open(one.seal(b"f%d" % n)), b"f%d" % n)
            self.assertEqual(one.open(two.seal(b"b%d" % n)), b"b%d" % n)

    def test_a_frame_is_16_bytes_longer_than_its_payload(self) -> None:
        """And never the same twice."""
        one, _ = two_ends()
        frames = {one.seal(b"same") for _ in range(5)}
        self.assertEqual({len(frame) for frame in frames}, {4 + OVERHEAD_BYTES})
        self.assertEqual(len(frames), 5)

    def test_an_empty_payload_is_a_mistake_of_the_caller(self) -> None:
        """It would be read as the end of a key."""
        one, _ = two_ends()
        self.assertRaises(ValueError, one.seal, b"")


class RefuseTests(SynchronousTestCase):
    """What does not open, and that nothing opens after it."""

    def assert_refused(self, channel: Channel, frame: bytes, then: bytes) -> None:
        """The frame is refused, and the good one after it too."""
        self.assertRaises(DecryptFailed, channel.open, frame)
        self.assertRaises(DecryptFailed, channel.open, then)

    def test_A1_replay_of_the_last_the_one_before_and_the_33rd_before(self) -> None:
        """Distance makes no difference: each frame opens once."""
        for back in (0, 1, 33):
            one, two = two_ends()
            frames = seal_many(one, 41)
            for frame in frames[:40]:
                two.open(frame)
            self.assert_refused(two, frames[39 - back], then=frames[40])

    def test_A1_skipped_and_swapped_frames(self) -> None:
        """A frame may be neither dropped nor overtaken."""
        one, two = two_ends()
        frames = seal_many(one, 3)
        self.assert_refused(two, frames[1], then=frames[0])

    def test_A4_every_flipped_bit_of_a_frame(self) -> None:
        """No altered frame opens, wherever the bit lies."""
        frame = Channel(FORTH, BACK).seal(b"x" * 300)
        whole = int.from_bytes(frame)
        for bit in range(8 * len(frame)):
            altered = (whole ^ (1 << bit)).to_bytes(len(frame))
            self.assertRaises(DecryptFailed, Channel(BACK, FORTH).open, altered)

    def test_A4_every_truncation_of_a_frame(self) -> None:
        """Down to nothing, and with a byte more."""
        frame = Channel(FORTH, BACK).seal(b"x" * 30)
        for altered in [frame[:end] for end in range(len(frame))] + [frame + b"\0"]:
            self.assertRaises(DecryptFailed, Channel(BACK, FORTH).open, altered)

    def test_A2_a_frame_sent_back_to_its_sender(self) -> None:
        """Each direction has a key of its own."""
        one, two = two_ends()
        self.assert_refused(one, one.seal(b"x"), then=two.seal(b"y"))

    @settings(deadline=None, derandomize=True, database=None)
    @given(st.binary(max_size=100))
    def test_any_bytes_are_refused(self, data: bytes) -> None:
        """No exception but ours."""
        self.assertRaises(RemoteError, two_ends()[0].open, data)


class RekeyTests(SynchronousTestCase):
    """Keys change."""

    def test_traffic_goes_on_over_a_change_of_key(self) -> None:
        """The control frame delivers nothing; both directions go on."""
        one, two = two_ends()
        for n in range(3):
            self.assertEqual(two.open(one.seal(b"%d" % n)), b"%d" % n)
            self.assertIsNone(two.open(one.rekey(0.0)))
        self.assertEqual(two.open(one.seal(b"end")), b"end")
        self.assertEqual(one.open(two.seal(b"back")), b"back")

    def test_a_frame_of_the_old_key_does_not_open_after_the_change(self) -> None:
        """Even with a number that is due."""
        one, two = two_ends()
        first = one.seal(b"first")
        two.open(first)
        two.open(one.rekey(0.0))
        self.assertRaises(DecryptFailed, two.open, first)

    def test_a_change_that_was_skipped_is_noticed(self) -> None:
        """The control frame cannot be dropped on the way."""
        one, two = two_ends()
        two.open(one.seal(b"x"))
        one.rekey(0.0)
        self.assertRaises(DecryptFailed, two.open, one.seal(b"y"))

    def test_due_after_an_hour_of_use(self) -> None:
        """Counted from the first question; a key that sealed nothing need not change."""
        one, two = two_ends()
        self.assertFalse(one.due(1000.0))
        self.assertFalse(one.due(1000.0 + KEY_LIFE_S))
        two.open(one.seal(b"x"))
        self.assertFalse(one.due(1000.0 + KEY_LIFE_S - 1))
        self.assertTrue(one.due(1000.0 + KEY_LIFE_S))
        two.open(one.rekey(5000.0))
        two.open(one.seal(b"x"))
        self.assertFalse(one.due(5000.0 + KEY_LIFE_S - 1))
        self.assertTrue(one.due(5000.0 + KEY_LIFE_S))

    def test_due_when_the_frames_of_a_key_are_used_up(self) -> None:
        """The last number is kept for the control frame; both ends hold to it."""
        one, two = two_ends(frames_per_key=5)
        for frame in seal_many(one, 3):
            two.open(frame)
        self.assertFalse(one.due(0.0))
        self.assertEqual(two.open(one.seal(b"last")), b"last")
        self.assertTrue(one.due(0.0))
        self.assertRaises(ValueError, one.seal, b"one too many")
        self.assertIsNone(two.open(one.rekey(0.0)))
        self.assertEqual(two.open(one.seal(b"new key")), b"new key")

    def test_a_peer_that_never_changes_its_key_is_refused(self) -> None:
        """A frame beyond those of one key does not open, however well it is sealed."""
        hostile, two = AESGCM(FORTH), Channel(BACK, FORTH, 5)
        frames = [hostile.encrypt(count.to_bytes(12), b"x", None) for count in range(6)]
        self.assertEqual([two.open(frame) for frame in frames[:5]], [b"x"] * 5)
        self.assertRaises(DecryptFailed, two.open, frames[5])

    def test_a_key_is_for_2_to_the_20_frames(self) -> None:
        """That many nonces are far from where AES-GCM thins, and a long file needs few keys."""
        one = Channel(FORTH, BACK)
        for _ in range(2**20 - 1):
            one.seal(b"x")
        self.assertTrue(one.due(0.0))
        self.assertRaises(ValueError, one.seal, b"one too many")

    def test_C3_changes_of_key_without_traffic_are_refused(self) -> None:
        """Nobody makes us derive keys for 16-byte frames."""
        one, two = two_ends()
        self.assertRaises(BadFrame, two.open, one.rekey(0.0))
        self.assertRaises(DecryptFailed, two.open, one.seal(b"x"))
