"""A contact with all keys of its own, who says what no honest one would."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from streembit.chat.events import Spoke
from streembit.chat.inbox import MAX_PIECES
from streembit.chat.sessions import Sessions
from streembit.chat.steps import MAX_STEP
from streembit.jose import base64url
from streembit.wire import bundle as bundles
from streembit.wire import parcel as parcels
from streembit.wire.content import (
    MAX_EARLY,
    MAX_PIECE_BYTES,
    Content,
    Part,
    Piece,
    Prekeys,
    Receipt,
    Text,
    pack_spoken,
)
from streembit.wire.terms import MAX_INT
from tests.chat.people import NOW_S, contact_of
from tests.chat.talk import Talker
from tests.jose.people import ANN, BOB

STREAM = (5).to_bytes(8)
LATER = (6).to_bytes(8)


def text(said: str) -> bytes:
    """Return the bytes of a message."""
    return pack_spoken(Text(base64url.encode(said.encode().ljust(16, b".")), 1, said))


class HostileTest(SynchronousTestCase):
    """Bob talks to somebody who has Ann's keys and none of her manners."""

    def setUp(self) -> None:
        self.bob = Talker(BOB, ANN, Random(5))
        self.bundle = bundles.unpack(self.bob.talk.bundle(NOW_S))
        self.bob.commit()
        self.sessions = Sessions(ANN, contact_of(BOB))

    def say(self, content: Content) -> str:
        """Say anything; return the code of the answer."""
        if self.sessions.can_speak:
            return self.bob.hear(self.sessions.seal(content).parcel)
        return self.bob.hear(self.sessions.begin(content, self.bundle).parcel)

    def whole(self, number: int, said: str, base: int = 1, stream: bytes = STREAM) -> str:
        """Say a message of one piece."""
        return self.say(Piece(stream, number, base, Part.WHOLE, text(said)))

    def receipt(self) -> Receipt:
        """Return what Bob says arrived."""
        receipt = self.bob.talk._inbox.receipt()
        assert receipt is not None
        return receipt


class PieceTests(HostileTest):
    """Pieces with strange numbers."""

    def test_C6_pieces_far_ahead_are_not_kept(self) -> None:
        """They are neither acknowledged nor stored, whatever they claim."""
        self.whole(1, "one")
        for number in (2 + MAX_EARLY, 10**6, MAX_INT):
            self.assertEqual(self.whole(number, "far"), "piece-out-of-place")
        self.assertEqual((self.receipt().upto, self.receipt().early), (1, []))
        for number in range(3, 2 + 2 * MAX_EARLY):
            self.whole(number, str(number))
        self.assertEqual(len(self.receipt().early), MAX_EARLY - 1)
        rows = [r for name, r in self.bob.shelf.rooms.items() if name.startswith("pieces")]
        self.assertEqual(len(rows[0]), MAX_EARLY - 1)
        self.assertEqual(self.bob.heard, ["one"])

    def test_C6_a_message_without_end(self) -> None:
        """More pieces than the longest message has are forgotten; the next one is read."""
        part = Part.FIRST
        for number in range(1, 3 * MAX_PIECES):
            self.say(Piece(STREAM, number, 1, part, b"."))
            part = Part.MIDDLE
            rows = [r for name, r in self.bob.shelf.rooms.items() if name.startswith("pieces")]
            self.assertLessEqual(len(rows[0]), MAX_PIECES)
        self.whole(3 * MAX_PIECES, "next")
        self.assertEqual(self.bob.heard, ["next"])

    def test_a_base_far_ahead_costs_nothing(self) -> None:
        """All below it is given up at once; what comes below it later is old."""
        self.whole(3, "three")
        self.whole(MAX_INT, "last", base=MAX_INT)
        self.whole(2, "two")
        self.assertEqual(self.bob.heard, ["three", "last"])
        self.assertEqual(self.receipt().upto, MAX_INT)

    def test_parts_in_any_order(self) -> None:
        """Ends without beginnings, beginnings without ends, voids: no message comes of them."""
        one = text("one")
        parts = (Part.LAST, Part.MIDDLE, Part.FIRST, Part.FIRST, Part.VOID, Part.LAST)
        for number, part in enumerate(parts, 1):
            body = b"" if part is Part.VOID else one[:5]
            self.assertEqual(self.say(Piece(STREAM, number, 1, part, body)), "")
        self.assertEqual(self.bob.heard, [])
        self.say(Piece(STREAM, 7, 1, Part.FIRST, one[:5]))
        self.say(Piece(STREAM, 8, 1, Part.LAST, one[5:]))
        self.assertEqual(self.bob.heard, ["one"])

    def test_an_earlier_stream_is_over(self) -> None:
        """What was in flight in it is read as far as it goes, and then no more."""
        self.whole(2, "early")
        self.whole(1, "new", stream=LATER)
        self.whole(1, "late")
        self.assertEqual(self.bob.heard, ["early", "new"])

    def test_an_id_said_twice(self) -> None:
        """The second is not shown."""
        self.whole(1, "same")
        self.whole(2, "same")
        self.assertEqual((self.bob.heard, self.receipt().upto), (["same"], 2))

    def test_what_is_no_message(self) -> None:
        """It is in the history as unknown, once; too long ones likewise."""
        for number, body in enumerate((b"", b"{", b'{"t":"later"}', b'{"t":"later"}'), 1):
            self.assertEqual(self.say(Piece(STREAM, number, 1, Part.WHOLE, body)), "")
        spoke = [event for event in self.bob.events if isinstance(event, Spoke)]
        self.assertEqual([event.spoken for event in spoke], [None] * 3)
        body = bytes(MAX_PIECE_BYTES)
        for number in range(5, 5 + MAX_PIECES):
            part = Part.of(number, 5, 4 + MAX_PIECES)
            self.assertEqual(self.say(Piece(STREAM, number, 1, part, body)), "")
        self.assertEqual(self.receipt().upto, 4 + MAX_PIECES)


class NoticeTests(HostileTest):
    """Receipts and prekeys that lie."""

    def setUp(self) -> None:
        super().setUp()
        self.number = self.bob.write("hello")
        self.whole(1, "one")
        self.bob.talk.opened()
        self.bob.due()

    def own(self) -> str:
        """Return the name of Bob's stream."""
        return base64url.encode(self.bob.talk._outbox._head.stream)

    def state(self) -> str:
        entry = self.bob.talk.entry(self.number)
        return entry.state if entry else ""

    def test_receipts_for_what_was_never_sent(self) -> None:
        """They change nothing, as a whole."""
        for lie in (
            Receipt(self.own(), 2),
            Receipt(self.own(), MAX_INT),
            Receipt(self.own(), 0, [1, 9]),
            Receipt(self.own(), 1, [], 2),
            Receipt("A" * 11, 1),
            Receipt(base64url.encode(b"\xff" * 8), 1),
        ):
            self.assertEqual(self.say(lie), "")
            self.assertEqual(self.state(), "queued")
        self.say(Receipt(self.own(), 1, [1, 1], 1))
        self.assertEqual(self.state(), "read")

    def test_a_later_stream_of_ours_that_never_was(self) -> None:
        """We go behind it, once for each lie, and everything still arrives."""
        for n in range(3):
            later = int.from_bytes(base64url.decode(self.own())) + 1_000
            self.say(Receipt(base64url.encode(later.to_bytes(8)), n))
            self.assertGreater(int.from_bytes(base64url.decode(self.own())), later)
        self.bob.due()
        self.say(Receipt(self.own(), 1))
        self.assertEqual(self.state(), "delivered")

    def test_prekeys_that_are_none(self) -> None:
        """They are passed over."""
        for bundle in ("", "AAAA", "A" * 600, "A" * 599):
            self.assertEqual(self.say(Prekeys(bundle)), "")
        self.assertFalse(self.bob.talk.needs_card)


class HeaderTests(HostileTest):
    """Headers of the ratchet, altered by their own sender."""

    def test_C6_a_gap_of_billions_or_of_one_too_many(self) -> None:
        """It is refused by a code, costs little, and changes no session."""
        self.whole(1, "one")
        good = parcels.unpack(self.sessions.seal(Piece(STREAM, 2, 1, Part.WHOLE, b"x")).parcel)
        rows = {name: dict(r) for name, r in self.bob.shelf.rooms.items()}
        message = good.message
        altered = (
            message._replace(number=2**32 - 1),
            message._replace(previous=2**32 - 1),
            message._replace(point=bytes(33)),
            message._replace(point=b"\x04" + bytes(32)),
            message._replace(point=b"\x02" + b"\xff" * 32),
            message._replace(point=BOB.public.point),
        )
        for bad in altered:
            parcel = parcels.pack(good._replace(message=bad))
            self.assertEqual(self.bob.hear(parcel), "bad-parcel", bad)
        far = parcels.pack(good._replace(message=message._replace(number=MAX_STEP + 9)))
        self.assertEqual(self.bob.hear(far), "parcel-too-far-ahead")
        sessions = [name for name in rows if name.startswith("sessions")]
        for name in sessions:
            self.assertEqual(self.bob.shelf.rooms[name], rows[name])
        self.assertEqual(self.bob.hear(parcels.pack(good)), "")

    def test_A2_other_sessions_names(self) -> None:
        """A parcel opens in the session that it was sealed in, and in no other."""
        self.whole(1, "one")
        other = self.sessions.begin(Piece(STREAM, 2, 1, Part.WHOLE, text("two")), self.bundle)
        self.assertEqual(self.bob.hear(other.parcel), "")
        first = self.sessions.names[0]
        sealed = self.sessions.seal(Piece(STREAM, 3, 1, Part.WHOLE, text("three")))
        parcel = parcels.unpack(sealed.parcel)
        for session, code in ((first, "bad-parcel"), (bytes(16), "unknown-session")):
            bad = parcels.pack(parcel._replace(session=session, initial=None))
            self.assertEqual(self.bob.hear(bad), code)
        self.assertEqual(self.bob.hear(sealed.parcel), "")
        self.assertEqual(self.bob.heard, ["one", "two", "three"])

    def test_a_lost_stretch_longer_than_a_step_heals(self) -> None:
        """The session cannot go on; the code says so, and a new one can."""
        self.whole(1, "one")
        for _ in range(MAX_STEP + 1):
            self.sessions.seal(Piece(STREAM, 2, 1, Part.WHOLE, b""))
        self.assertEqual(self.whole(2, "two"), "parcel-too-far-ahead")
        self.sessions.forget(self.sessions.names[-1])
        self.bundle = self.bundle._replace(one_time=self.bundle.one_time[1:])
        self.assertEqual(self.whole(2, "two"), "")
        self.assertEqual(self.bob.heard, ["one", "two"])
