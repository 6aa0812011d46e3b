"""Frames that are read and made at once."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.net.frames import SHORT_BYTES, text_head, unmasked, whole_text

LIMIT = 70_000
TEXT = 0x81

bodies = st.one_of(st.binary(max_size=200), st.integers(0, LIMIT).map(lambda n: b"x" * n))
masks = st.binary(min_size=4, max_size=4)


def masked(text: bytes, mask: bytes, first: int = TEXT) -> bytes:
    """Return a client's frame, made as slowly as the standard describes it."""
    head = bytearray(text_head(len(text)))
    head[0] = first
    head[1] |= 0x80
    return bytes(head) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(text))


class WholeTextTests(SynchronousTestCase):
    """A message of one frame, found in what came."""

    @given(st.lists(st.tuples(st.binary(max_size=300), masks), max_size=6), st.data())
    def test_frames_are_found_one_after_another_up_to_the_cut(
        self, messages: list[tuple[bytes, bytes]], chance: st.DataObject
    ) -> None:
        """Those that came whole, and no other."""
        frames = [masked(*message) for message in messages]
        stream = b"".join(frames)
        cut = chance.draw(st.integers(0, len(stream)))
        found, at = [], 0
        while (one := whole_text(stream[:cut], at, LIMIT, masked=True)) is not None:
            text, at = one
            found.append(text)
        whole = [
            text for n, (text, _) in enumerate(messages) if len(b"".join(frames[: n + 1])) <= cut
        ]
        self.assertEqual(found, whole)

    @given(bodies)
    def test_what_a_server_writes_a_client_reads(self, text: bytes) -> None:
        """Unmasked; from 64 KiB on it is left to autobahn."""
        frame = text_head(len(text)) + text
        found = whole_text(frame + b"...", 0, LIMIT, masked=False)
        if len(text) < 1 << 16:
            self.assertEqual(found, (text, len(frame)))
        else:
            self.assertIsNone(found)
            self.assertEqual(frame[:10], b"\x81\x7f" + len(text).to_bytes(8, "big"))

    @given(st.integers(0, 255).filter(lambda first: first != TEXT), st.binary(max_size=200), masks)
    def test_other_frames_are_left_alone(self, first: int, text: bytes, mask: bytes) -> None:
        """Fragments, binary and control frames, reserved bits."""
        self.assertIsNone(whole_text(masked(text, mask, first), 0, LIMIT, masked=True))

    @given(st.binary(max_size=400), masks)
    def test_masks_are_as_they_must_be_or_nothing_is_read(self, text: bytes, mask: bytes) -> None:
        """A client's frame is masked, a server's is not."""
        self.assertIsNone(whole_text(masked(text, mask), 0, LIMIT, masked=False))
        self.assertIsNone(whole_text(text_head(len(text)) + text + b"....", 0, LIMIT, masked=True))

    @given(st.sampled_from((0, 1, 3, 4, SHORT_BYTES, SHORT_BYTES + 1, 20_001)), masks)
    def test_a_mask_is_taken_off_whatever_the_length(self, size: int, mask: bytes) -> None:
        """There are two ways to do it."""
        text = random.Random(size).randbytes(size)
        self.assertEqual(unmasked(bytes(b ^ mask[i % 4] for i, b in enumerate(text)), mask), text)

    def test_B1_a_longer_message_is_left_alone(self) -> None:
        """It is refused from its header, by who keeps the state."""
        frame = masked(b"x" * 300, b"abcd")
        self.assertIsNone(whole_text(frame, 0, 299, masked=True))
        self.assertEqual(whole_text(frame, 0, 300, masked=True), (b"x" * 300, len(frame)))

    def test_a_length_in_too_many_bytes_is_left_alone(self) -> None:
        """The standard has one form for each."""
        for size in (0, 1, 125):
            frame = b"\x81\x7e" + size.to_bytes(2, "big") + b"x" * 125
            self.assertIsNone(whole_text(frame, 0, LIMIT, masked=False), size)
