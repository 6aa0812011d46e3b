"""Parcels between two contacts open in their session, across restarts and lost sessions."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.chat.sessions import MAX_SESSIONS, Sessions
from streembit.errors import (
    BadParcel,
    BadPrekeys,
    NoSession,
    ParcelRefused,
    ParcelRepeated,
    PrekeyGone,
    UnknownSession,
)
from streembit.wire import parcel as parcels
from streembit.wire.content import MAX_PIECE_BYTES, Typing
from streembit.wire.parcel import MAX_PARCEL_BYTES
from tests.chat.people import Side, contact_of, piece
from tests.jose.people import ANN, BOB, EVE


class SessionTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.ann, self.bob = Side(ANN, BOB), Side(BOB, ANN)

    def give(self, parcel: bytes, to: Side) -> object:
        return to.sessions.open(parcel, to.prekeys)

    def begun(self) -> None:
        """Ann has begun, Bob has answered."""
        first = self.ann.sessions.begin(piece(1), self.bob.bundle())
        self.give(first.parcel, self.bob)
        self.give(self.bob.sessions.seal(piece(1)).parcel, self.ann)

    def test_the_beginning_is_told_until_an_answer_comes(self) -> None:
        """Any of the first parcels can be the one that arrives; later ones are shorter."""
        sealed = [self.ann.sessions.begin(piece(1), self.bob.bundle())]
        sealed += [self.ann.sessions.seal(piece(number)) for number in (2, 3)]
        self.assertEqual(len({each.session for each in sealed}), 1)
        self.assertEqual(
            [self.give(s.parcel, self.bob) for s in sealed[::-1]], [*map(piece, (3, 2, 1))]
        )
        self.assertEqual(
            self.give(self.bob.sessions.seal(Typing(True)).parcel, self.ann), Typing(True)
        )
        after = self.ann.sessions.seal(piece(4))
        self.assertEqual(len(after.parcel), len(sealed[0].parcel) - 41)
        self.assertEqual(self.give(after.parcel, self.bob), piece(4))

    def test_restarts_between_any_two_steps(self) -> None:
        """What is kept is enough to go on, and to refuse what came before."""
        first = self.ann.sessions.begin(piece(1), self.bob.bundle())
        for number in range(2, 12):
            for side in (self.ann, self.bob):
                side.keep()
                side.restart()
            speaker, listener = (self.ann, self.bob) if number % 3 else (self.bob, self.ann)
            if number == 2:
                self.give(first.parcel, self.bob)
            parcel = speaker.sessions.seal(piece(number)).parcel
            self.assertEqual(self.give(parcel, listener), piece(number))
            self.assertRaises(ParcelRepeated, self.give, parcel, listener)

    def test_a_session_begins_with_any_keys_that_are_good(self) -> None:
        """Newest or former ones, of either side; with others it does not, and nothing changes."""
        newer = {ANN: ANN.agreeing_by(EVE.signing), BOB: BOB.agreeing_by(EVE.agreement)}
        for own in (ANN, newer[ANN]):
            for other in (BOB, newer[BOB]):
                self.ann.sessions.know([own], [contact_of(other)])
                both = [newer[BOB], BOB]
                self.bob.sessions.know(both, [contact_of(newer[ANN]), contact_of(ANN)])
                first = self.ann.sessions.begin(piece(1), self.bob.bundle())
                self.assertEqual(self.give(first.parcel, self.bob), piece(1))
                self.bob.sessions.know([BOB], [contact_of(ANN)])
                answer = self.bob.sessions.seal(piece(2))
                self.assertEqual(self.give(answer.parcel, self.ann), piece(2))
        self.ann.sessions.know([newer[ANN]], [contact_of(BOB)])
        unknown = self.ann.sessions.begin(piece(3), self.bob.bundle())
        self.bob.keep()
        self.assertRaises(BadParcel, self.give, unknown.parcel, self.bob)
        self.assertEqual(self.bob.sessions.changes(), [])

    def test_both_begin_at_once(self) -> None:
        """All that they say arrives, and each speaks where it was heard last."""
        parcels_of = {
            side: [side.sessions.begin(piece(1), other.bundle()).parcel]
            for side, other in ((self.ann, self.bob), (self.bob, self.ann))
        }
        for side, said in parcels_of.items():
            said.append(side.sessions.seal(piece(2)).parcel)
        for side, other in ((self.ann, self.bob), (self.bob, self.ann)):
            self.assertEqual([self.give(p, other) for p in parcels_of[side]], [piece(1), piece(2)])
        self.give(self.ann.sessions.seal(piece(3)).parcel, self.bob)
        self.assertEqual(
            self.bob.sessions.seal(piece(3)).session, self.ann.sessions.seal(piece(4)).session
        )

    def test_a_side_that_lost_its_state(self) -> None:
        """It does not know the session, says so, and a new one begins with another prekey."""
        self.begun()
        bundle = self.bob.bundle()
        self.bob.sessions = Sessions(BOB, self.bob.other)
        sealed = self.ann.sessions.seal(piece(2))
        self.assertRaises(UnknownSession, self.give, sealed.parcel, self.bob)
        self.assertEqual(self.bob.sessions.changes(), [])
        self.ann.sessions.forget(sealed.session)
        self.assertFalse(self.ann.sessions.can_speak)
        self.assertRaises(NoSession, self.ann.sessions.seal, piece(2))
        again = self.ann.sessions.begin(piece(2), bundle)
        self.assertEqual(self.give(again.parcel, self.bob), piece(2))

    def test_A2_a_beginning_is_not_repeated(self) -> None:
        """Not even when its session is forgotten, with a one-time prekey or without."""
        for bundle in (self.bob.bundle(), self.bob.bundle()._replace(one_time=())):
            first = self.ann.sessions.begin(piece(1), bundle)
            self.give(first.parcel, self.bob)
            self.assertRaises(ParcelRepeated, self.give, first.parcel, self.bob)
            self.bob.sessions = Sessions(BOB, self.bob.other)
            self.assertRaises(PrekeyGone, self.give, first.parcel, self.bob)

    def test_A2_a_parcel_for_another_or_from_another(self) -> None:
        """It opens with the two that it was made between, and with nobody else."""
        first = self.ann.sessions.begin(piece(1), self.bob.bundle())
        eve = Side(EVE, ANN)
        eve.prekeys = self.bob.prekeys
        self.assertRaises(BadParcel, self.give, first.parcel, eve)
        self.bob.sessions = Sessions(BOB, contact_of(EVE))
        self.assertRaises(BadParcel, self.give, first.parcel, self.bob)

    def test_A4_every_altered_byte_of_a_beginning(self) -> None:
        """It changes nothing: no session, no prekey used up."""
        parcel = self.ann.sessions.begin(piece(1), self.bob.bundle()).parcel
        before = self.bob.prekeys.state()
        for at in range(len(parcel)):
            bad = parcel[:at] + bytes((parcel[at] ^ 1 << at % 8,)) + parcel[at + 1 :]
            self.assertRaises(ParcelRefused, self.give, bad, self.bob)
        self.assertEqual(self.bob.prekeys.state(), before)
        self.assertEqual(self.bob.sessions.changes(), [])
        self.assertEqual(self.give(parcel, self.bob), piece(1))

    def test_a_bad_bundle_begins_nothing(self) -> None:
        """Eve's prekeys are not Bob's."""
        eve = Side(EVE, ANN)
        self.assertRaises(BadPrekeys, self.ann.sessions.begin, piece(1), eve.bundle())
        self.assertFalse(self.ann.sessions.can_speak)

    def test_C6_sessions_are_bounded(self) -> None:
        """Four are kept, those heard on last; their rows go with them."""
        for number in range(MAX_SESSIONS + 3):
            first = self.ann.sessions.begin(piece(number + 1), self.bob.bundle())
            self.give(first.parcel, self.bob)
            self.bob.prekeys.refresh(0)
            for side in (self.ann, self.bob):
                side.keep()
                self.assertLessEqual(len(side.rows), MAX_SESSIONS)
        self.assertIn(first.session, self.bob.rows)

    def test_the_longest_piece_fits(self) -> None:
        """A beginning with a full piece is the longest parcel there is."""
        longest = piece(1, bytes(MAX_PIECE_BYTES))
        parcel = self.ann.sessions.begin(longest, self.bob.bundle()).parcel
        self.assertEqual(len(parcel), MAX_PARCEL_BYTES)
        self.assertEqual(self.give(parcel, self.bob), longest)
        too_long = piece(1, bytes(MAX_PIECE_BYTES + 1))
        self.assertRaises(ValueError, self.ann.sessions.seal, too_long)

    def test_what_a_parcel_shows(self) -> None:
        """Its length comes in steps of 256; neither text nor long-lived key is in it."""
        self.begun()
        secrets = [b"meet me", *(key.point for key in (ANN.public, BOB.public))]
        secrets += [key.agreement.public.point for key in (ANN, BOB)]
        lengths = set()
        for size in range(0, 600, 7):
            parcel = self.ann.sessions.seal(piece(1, b"meet me".ljust(size, b"!"))).parcel
            lengths.add(len(parcel))
            self.assertFalse([secret for secret in secrets if secret in parcel])
        self.assertEqual(len(lengths), 3)
        self.assertEqual(len({length % 256 for length in lengths}), 1)

    def test_other_bytes_are_no_parcel(self) -> None:
        """Cut anywhere, it is refused; so is another first byte."""
        self.begun()
        parcel = self.ann.sessions.seal(piece(2)).parcel
        for end in range(len(parcel)):
            self.assertRaises(ParcelRefused, self.give, parcel[:end], self.bob)
        for form in (0, 3, ord("e")):
            self.assertRaises(BadParcel, parcels.unpack, bytes((form,)) + parcel[1:])
        self.assertRaises(BadParcel, parcels.unpack, parcel.ljust(MAX_PARCEL_BYTES + 1, b"x"))
