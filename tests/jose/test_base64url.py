"""Base64url: one text for each sequence of bytes, and no other is read."""

from __future__ import annotations

import base64
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadToken
from streembit.jose import base64url

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def is_read(text: bytes) -> bool:
    """Return whether a text is decoded."""
    try:
        base64url.decode(text)
    except BadToken:
        return False
    return True


class Base64urlTests(SynchronousTestCase):
    """The text form of all bytes in tokens."""

    @settings(deadline=None, derandomize=True, database=None)
    @given(data=st.binary(max_size=300))
    def test_any_bytes_come_back(self, data: bytes) -> None:
        """Each length, with the text that everybody else writes."""
        text = base64url.encode(data)
        self.assertEqual(text, base64.urlsafe_b64encode(data).decode().rstrip("="))
        self.assertEqual(base64url.decode(text), data)
        self.assertEqual(base64url.decode(text.encode()), data)
        self.assertEqual(base64url.encode_bytes(data), text.encode())

    @settings(deadline=None, derandomize=True, database=None)
    @given(text=st.binary(max_size=20) | st.lists(st.sampled_from(ALPHABET)).map(bytes))
    def test_A7_no_two_texts_decode_to_the_same_bytes(self, text: bytes) -> None:
        """Whatever is read is exactly what would be written."""
        if is_read(text):
            self.assertEqual(base64url.encode_bytes(base64url.decode(text)), text)

    def test_A7_of_all_short_texts_only_the_canonical_are_read(self) -> None:
        """All 64 + 4,096 + 64 x 64 x 64 / 16 texts: as many are read as there are bytes."""
        one = sum(is_read(bytes(text)) for text in product(ALPHABET, repeat=1))
        two = sum(is_read(bytes(text)) for text in product(ALPHABET, repeat=2))
        three = sum(is_read(b"AB" + bytes(text)) for text in product(ALPHABET, repeat=1))
        self.assertEqual((one, two, three), (0, 256, 16))

    def test_A7_padding_and_foreign_characters_are_refused(self) -> None:
        """Padded, standard alphabet, white space, NUL, letters that only look alike."""
        for text in ("QQ==", "QUE=", "QUFB=", "=", "QQ=", "Q=Q=", "+A", "/A", "A+", "QUFB\n"):
            self.assertRaises(BadToken, base64url.decode, text)
        for text in (" QQ", "QQ ", "Q Q", "QQ\t", "QQ\0", "\uff31\uff31", "QQ\u200b", "Q.Q", "A"):
            self.assertRaises(BadToken, base64url.decode, text)
        for raw in (b"\xff\xff", b"QQ\x00", b"A==="):
            self.assertRaises(BadToken, base64url.decode, raw)

    def test_A7_bits_behind_the_last_byte_are_refused(self) -> None:
        """QQ is one byte; QR to Qf would be the same one."""
        self.assertEqual(base64url.decode("QQ"), b"A")
        for last in "RSTUVWXYZabcdef":
            self.assertRaises(BadToken, base64url.decode, "Q" + last)
        self.assertEqual(base64url.decode("QUE"), b"AA")
        for last in "FGH":
            self.assertRaises(BadToken, base64url.decode, "QU" + last)

    def test_nothing_is_the_text_of_nothing(self) -> None:
        """The empty payload has an empty text."""
        self.assertEqual(base64url.encode(b""), "")
        self.assertEqual(base64url.decode(""), b"")
