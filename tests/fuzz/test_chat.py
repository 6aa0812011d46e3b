"""Mutated parcels, contents and bundles: what is read comes back, and no seal opens altered."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.chat.sessions import Sessions
from streembit.errors import BadParcel, BadPrekeys, ParcelRefused
from streembit.wire import bundle as bundles
from streembit.wire import content as contents
from streembit.wire import parcel as parcels
from streembit.wire.content import MAX_PADDED_BYTES, Part, Piece, Receipt, Text, Typing
from streembit.wire.parcel import MAX_PARCEL_BYTES
from tests.chat.people import Side, contact_of, piece
from tests.fuzz.mutate import CASES, run
from tests.jose.people import ANN, BOB

TEXT = contents.pack_spoken(Text("A" * 22, 1, "h\u00e9llo"))
CONTENTS = [
    contents.pack(Piece(b"stream 1", 3, 2, Part.WHOLE, TEXT)),
    contents.pack(Piece(b"\xff" * 8, 2**53 - 1, 1, Part.VOID, b"")),
    contents.pack(Receipt("A" * 11, 7, [9, 11, 2**53 - 1], 5)),
    contents.pack(Typing(True)),
    contents.pack(contents.Prekeys("A" * 530)),
]
SPOKEN = [
    TEXT,
    contents.pack_spoken(contents.FileOffer("A" * 22, 2**53 - 1, "AAAA" * 20)),
    contents.pack_spoken(contents.Rotated("_" * 21 + "w", 0, "")),
]


def said() -> tuple[Side, list[bytes]]:
    """Return Bob, and parcels of Ann: two that begin a session, and one of another."""
    ann, bob = Side(ANN, BOB), Side(BOB, ANN)
    made = [ann.sessions.begin(piece(1), bob.bundle()).parcel, ann.sessions.seal(piece(2)).parcel]
    other = ann.sessions.begin(piece(3, bytes(900)), bob.bundle()).parcel
    return bob, [*made, other]


class ChatTests(SynchronousTestCase):
    """Parsers of what contacts hand over."""

    def test_B1_mutated_parcels(self) -> None:
        """A parcel that is read is packed to the same bytes."""

        def read(data: bytes) -> None:
            found = parcels.unpack(data)
            assert parcels.pack(found) == data
            assert len(data) <= MAX_PARCEL_BYTES

        outcome = run(read, said()[1], CASES, 31, BadParcel)
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)

    def test_A4_mutated_parcels_of_a_session(self) -> None:
        """None opens but those that nothing was changed in, and none changes anything."""
        bob, made = said()
        bob.sessions.open(made[0], bob.prekeys)
        bob.keep()
        prekeys, rows = bob.prekeys.state(), list(bob.rows.values())

        def read(data: bytes) -> None:
            if data not in made:
                Sessions(BOB, contact_of(ANN), rows).open(data, bob.prekeys)

        unchanged = run(read, made, CASES // 10, 32, ParcelRefused)
        self.assertEqual(bob.prekeys.state(), prekeys)
        self.assertLess(unchanged.accepted, unchanged.refused // 10)

    def test_B5_mutated_contents(self) -> None:
        """What is read comes back the same, padded too."""

        def read(data: bytes) -> None:
            found = contents.unpack(data)
            assert contents.unpack(contents.pack(found)) == found
            assert contents.unpad(contents.pad(data)) == data

        outcome = run(read, CONTENTS, CASES, 33, BadParcel)
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)

    def test_B5_mutated_messages(self) -> None:
        """The same for what is put together of pieces."""

        def read(data: bytes) -> None:
            found = contents.unpack_spoken(data)
            assert contents.unpack_spoken(contents.pack_spoken(found)) == found

        outcome = run(read, SPOKEN, CASES, 34, BadParcel)
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)

    def test_B1_mutated_padding(self) -> None:
        """There is one padding for each text."""

        def read(data: bytes) -> None:
            text = contents.unpad(data)
            assert contents.pad(text) == data
            assert len(data) <= MAX_PADDED_BYTES

        padded = [contents.pad(each) for each in (b"", *CONTENTS, bytes(300), b"\x80" * 255)]
        outcome = run(read, padded, CASES, 35, BadParcel)
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)

    def test_B1_mutated_bundles(self) -> None:
        """A bundle that is read is packed to the same bytes."""
        bundle = Side(BOB, ANN).bundle()
        corpus = [bundles.pack(bundle), bundles.pack(bundle._replace(one_time=()))]

        def read(data: bytes) -> None:
            found = bundles.unpack(data)
            assert bundles.pack(found) == data
            assert len(found.one_time) <= bundles.MAX_ONE_TIME

        outcome = run(read, corpus, CASES, 36, BadPrekeys)
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)
