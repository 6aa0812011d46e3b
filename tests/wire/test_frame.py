"""Frames: where a stream is cut does not matter, and a length that is refused is never buffered."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import FrameTooLarge, TooLarge
from streembit.wire.frame import (
    HEADER_BYTES,
    MAX_FRAME_PEER,
    MAX_FRAME_STRANGER,
    FrameReader,
    pack,
)


def drain(reader: FrameReader, data: bytes) -> list[bytes]:
    """Return the frames that are whole after these bytes."""
    reader.receive(data)
    frames = []
    while (frame := reader.next_frame()) is not None:
        frames.append(frame)
    return frames


class FrameTests(SynchronousTestCase):
    """A reader returns what was packed."""

    def test_every_cut(self) -> None:
        """Where the bytes are cut does not change the frames."""
        stream = pack(b"") + pack(b"hello") + pack(b"x" * 300)
        for cut in range(len(stream) + 1):
            reader = FrameReader()
            got = drain(reader, stream[:cut]) + drain(reader, stream[cut:])
            self.assertEqual(got, [b"", b"hello", b"x" * 300], f"cut at {cut}")
            self.assertEqual(reader.buffered_bytes, 0)

    def test_a_byte_at_a_time(self) -> None:
        """A sender that drips is read like any other."""
        stream = pack(b"one") + pack(b"two")
        reader = FrameReader()
        got = [frame for byte in stream for frame in drain(reader, bytes([byte]))]
        self.assertEqual(got, [b"one", b"two"])

    @settings(deadline=None, derandomize=True, database=None)
    @given(
        payloads=st.lists(st.binary(max_size=200), max_size=8),
        cuts=st.lists(st.integers(0, 1700), max_size=8),
    )
    def test_any_cuts(self, payloads: list[bytes], cuts: list[int]) -> None:
        """Any frames in any pieces come out the same, in order."""
        stream = b"".join(map(pack, payloads))
        edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
        reader = FrameReader()
        got = [
            frame for start, end in pairwise(edges) for frame in drain(reader, stream[start:end])
        ]
        self.assertEqual(got, payloads)

    def test_frames_are_bytes_of_their_own(self) -> None:
        """What was returned does not change when more arrives."""
        reader = FrameReader()
        self.assertEqual(drain(reader, pack(b"one")[:-1]), [])
        [first] = drain(reader, b"e" + pack(b"two")[:-1])
        self.assertEqual(drain(reader, b"o"), [b"two"])
        self.assertIsInstance(first, bytes)
        self.assertEqual(first, b"one")

    def test_what_waits_is_counted(self) -> None:
        """The owner of the link can see how much a peer left unfinished."""
        reader = FrameReader()
        reader.receive(pack(b"whole") + pack(b"half")[:-1])
        self.assertEqual(reader.next_frame(), b"whole")
        self.assertIsNone(reader.next_frame())
        self.assertEqual(reader.buffered_bytes, HEADER_BYTES + 3)

    def test_a_frame_that_is_too_long_is_not_packed(self) -> None:
        """We never send what every peer refuses."""
        self.assertEqual(len(pack(bytes(MAX_FRAME_PEER))), HEADER_BYTES + MAX_FRAME_PEER)
        self.assertRaises(TooLarge, pack, bytes(MAX_FRAME_PEER + 1))


class LimitTests(SynchronousTestCase):
    """The length is refused before it is buffered."""

    def test_B1_lengths_at_the_limit_pass_and_beyond_it_are_refused(self) -> None:
        """0, 1 and the limit are frames; one more, 2**31 and 2**32 - 1 are refused."""
        for limit in (MAX_FRAME_STRANGER, MAX_FRAME_PEER):
            for size in (0, 1, limit):
                self.assertEqual(drain(FrameReader(limit), pack(bytes(size))), [bytes(size)])
            for size in (limit + 1, 2**31, 2**32 - 1):
                reader = FrameReader(limit)
                reader.receive(size.to_bytes(HEADER_BYTES))
                error = self.assertRaises(FrameTooLarge, reader.next_frame)
                self.assertEqual((error.size_bytes, error.limit_bytes), (size, limit))

    def test_B1_four_bytes_are_enough_to_refuse(self) -> None:
        """Three bytes of a length say nothing yet; the fourth decides, before any payload."""
        reader = FrameReader(16)
        self.assertEqual(drain(reader, b"\x7f\xff\xff"), [])
        reader.receive(b"\xff")
        self.assertRaises(FrameTooLarge, reader.next_frame)

    def test_B1_frames_before_a_lying_length_are_returned(self) -> None:
        """A hostile length does not take back the good frames of its chunk."""
        reader = FrameReader(16)
        reader.receive(pack(b"one") + pack(b"two") + b"\xff\xff\xff\xff")
        self.assertEqual([reader.next_frame(), reader.next_frame()], [b"one", b"two"])
        self.assertRaises(FrameTooLarge, reader.next_frame)

    def test_B1_nothing_is_kept_after_a_refusal(self) -> None:
        """A peer that goes on sending after its lie fills no memory, and is refused again."""
        reader = FrameReader(16)
        reader.receive(b"\xff\xff\xff\xff")
        self.assertRaises(FrameTooLarge, reader.next_frame)
        before = reader.buffered_bytes
        for _ in range(100):
            reader.receive(bytes(1000))
        self.assertEqual(reader.buffered_bytes, before)
        self.assertRaises(FrameTooLarge, reader.next_frame)

    def test_the_limit_rises_once_the_peer_is_known(self) -> None:
        """A frame longer than a stranger's passes after the limit was raised."""
        reader = FrameReader(MAX_FRAME_STRANGER)
        reader.limit_bytes = MAX_FRAME_PEER
        payload = bytes(MAX_FRAME_STRANGER + 1)
        self.assertEqual(drain(reader, pack(payload)), [payload])

    def test_a_stranger_is_held_to_the_smaller_limit_unless_told(self) -> None:
        """The default is the careful one."""
        self.assertEqual(FrameReader().limit_bytes, MAX_FRAME_STRANGER)
