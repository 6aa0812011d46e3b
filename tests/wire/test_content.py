"""What is inside of parcels comes back as it went, and everything else is refused."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadParcel
from streembit.wire import content
from streembit.wire.content import (
    MAX_PADDED_BYTES,
    MAX_PIECE_BYTES,
    MAX_TEXT_CHARS,
    Content,
    FileAnswer,
    FileOffer,
    Goodbye,
    Notice,
    Part,
    Piece,
    Prekeys,
    Presence,
    Receipt,
    Rotated,
    Spoken,
    Text,
    Typing,
)

ID = "A" * 22
NOTICES: list[Notice] = [
    Receipt("A" * 11, 7, [9, 11], 5),
    Typing(True),
    Presence("away"),
    Prekeys("AAAA"),
    Goodbye(),
]
SPOKEN: list[Spoken] = [
    Text(ID, 1_800_000_000, "hello"),
    FileOffer(ID, 1, "AAAA"),
    FileAnswer(ID, 2, ""),
    Rotated(ID, 3, "AAAA"),
]
PIECES = [
    Piece(b"stream 1", 3, 2, Part.LAST, b"body"),
    Piece(b"\0" * 8, 2**53 - 1, 1, Part.MIDDLE, b""),
    Piece(b"\xff" * 8, 1, 1, Part.VOID, b""),
]


class ContentTests(SynchronousTestCase):
    """Pieces and notices."""

    def test_there_and_back(self) -> None:
        """Each kind, and nothing but its own bytes."""
        both: list[Content] = [*PIECES, *NOTICES]
        for each in both:
            self.assertEqual(content.unpack(content.pack(each)), each)
        for spoken in SPOKEN:
            self.assertEqual(content.unpack_spoken(content.pack_spoken(spoken)), spoken)

    def test_other_bytes(self) -> None:
        """Wrong forms, cuts, numbers out of order, a void with a body."""
        piece = content.pack(PIECES[0])
        wrong = [
            b"",
            b"\x01",
            b"\x03" + piece[1:],
            piece[:25],
            piece.ljust(27 + MAX_PIECE_BYTES, b"x"),
            piece[:25] + b"\x05" + piece[26:],
            content.pack(PIECES[0]._replace(base=4)),
            content.pack(PIECES[0]._replace(base=0)),
            content.pack(PIECES[0]._replace(number=2**53)),
            content.pack(PIECES[0]._replace(part=Part.VOID)),
            b'\x02{"t":"unknown"}',
            b'\x02{"t":"typing"}',
            b'\x02{"t":"typing","on":1}',
            b'\x02{"t":"text","id":"%s","sent_s":1,"text":"x"}' % ID.encode(),
            content.pack(Receipt("A" * 11, 1, list(range(65)))),
            content.pack(Receipt("A" * 10 + "B", 1)),
        ]
        for bad in wrong:
            self.assertRaises(BadParcel, content.unpack, bad)

    def test_A8_a_notice_is_no_message_and_the_other_way(self) -> None:
        """Each kind is read in its own place only."""
        for notice in NOTICES:
            self.assertRaises(BadParcel, content.unpack_spoken, content.pack(notice)[1:])
        for spoken in SPOKEN:
            self.assertRaises(BadParcel, content.unpack, b"\x02" + content.pack_spoken(spoken))

    def test_bounds_of_texts(self) -> None:
        """Empty, too long, an id of another form."""
        wrong: list[Spoken] = [
            Text(ID, 1, ""),
            Text(ID, 1, "x" * (MAX_TEXT_CHARS + 1)),
            Text("A" * 21, 1, "x"),
            Text("A" * 21 + "B", 1, "x"),
            Text(ID, -1, "x"),
            FileOffer(ID, 1, "no base64url!"),
        ]
        for bad in wrong:
            self.assertRaises(BadParcel, content.unpack_spoken, content.pack_spoken(bad))
        long = Text(ID, 1, "\U0001f600" * MAX_TEXT_CHARS)
        self.assertRaises(BadParcel, content.unpack_spoken, content.pack_spoken(long))


class PaddingTests(SynchronousTestCase):
    """Lengths come in steps."""

    @settings(max_examples=200)
    @given(st.binary(max_size=MAX_PADDED_BYTES - 1))
    def test_there_and_back(self, data: bytes) -> None:
        """Whatever the data ends with."""
        padded = content.pad(data)
        self.assertEqual(len(padded) % 256, 0)
        self.assertLessEqual(len(padded) - len(data), 256)
        self.assertEqual(content.unpad(padded), data)

    def test_other_padding(self) -> None:
        """None, of another length, with something in it, longer than a step."""
        for bad in (b"", b"\x80", bytes(256), b"\x80" + bytes(254) + b"x", b"\x80" + bytes(511)):
            self.assertRaises(BadParcel, content.unpad, bad)
        self.assertRaises(ValueError, content.pad, bytes(MAX_PADDED_BYTES))
