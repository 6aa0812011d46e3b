"""Changes of key: who may announce one, what the book makes of it, and how a line ends."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from streembit.contacts import rotation
from streembit.contacts.book import Book, contact
from streembit.contacts.offer import CLOCK_SKEW_S
from streembit.contacts.rotation import MAX_STEPS, Rotation
from streembit.errors import (
    BadHeader,
    BadKey,
    BadRotation,
    BadSignature,
    KeyAlarm,
    KeyRefused,
    KeyRevoked,
    NoSuchContact,
    RemoteError,
    StaleLetter,
    WrongNetwork,
)
from streembit.jose import envelope, fingerprint
from streembit.jose.keys import Identity
from streembit.wire.card import MAX_ROTATION_CHARS
from streembit.wire.offer import RotationClaims, SuccessorClaims
from tests.contacts.people import CAT, NETWORK, NOW_S
from tests.jose.people import ANN, BOB, EVE

# Ann's later identities, and another one that somebody claims to be hers.
LINE = [ANN, *(Identity.from_seed(bytes([100 + n]) * 32, "ann") for n in range(MAX_STEPS + 1))]
FORKED = Identity.from_seed(bytes([200]) * 32, "ann")


def step(old: Identity, new: Identity) -> Rotation:
    """Return a change of keys, made and read."""
    return rotation.read(rotation.make(old, new, NETWORK, NOW_S), NETWORK, NOW_S)


def steps(count: int) -> list[Rotation]:
    """Return Ann's first changes of key."""
    return [step(old, new) for old, new in pairwise(LINE[: count + 1])]


class StatementTests(SynchronousTestCase):
    """What is signed by whom."""

    def test_a_rotation_comes_back(self) -> None:
        """Both keys, the agreement key and the time; it fits into a card."""
        token = rotation.make(ANN, BOB, NETWORK, NOW_S)
        found = rotation.read(token, NETWORK, NOW_S)
        self.assertEqual((found.old, found.new), (ANN.public, BOB.public))
        self.assertEqual((found.agreement, found.made_s), (BOB.agreement.public, NOW_S))
        self.assertLessEqual(len(token), MAX_ROTATION_CHARS)

    def successor(self, signer: Identity = BOB, **changes: Any) -> str:
        """Return Bob's statement that he succeeds Ann, some members others."""
        claims = SuccessorClaims(
            signer.public.text, ANN.public.text, BOB.agreement.public.text, NETWORK, NOW_S
        )
        return envelope.sign_successor(BOB.signing, replace(claims, **changes))

    def rotation(self, following: str, **changes: Any) -> str:
        """Return Ann's statement with this one in it, some members others."""
        claims = RotationClaims(ANN.public.text, following, NETWORK, NOW_S)
        return envelope.sign_rotation(ANN.signing, replace(claims, **changes))

    def test_B5_hostile_rotations(self) -> None:
        """Every statement that nobody may follow, and why."""
        good = self.successor()
        rotation.read(self.rotation(good), NETWORK, NOW_S)
        later = NOW_S + CLOCK_SKEW_S + 1
        for token, kind in (
            (self.rotation(good, iss=EVE.public.text), BadSignature),
            (self.rotation(good, iss="A" * 44), BadKey),
            (self.rotation(good, net="other"), WrongNetwork),
            (self.rotation(good, iat=later), StaleLetter),
            (self.rotation(self.successor(net="other")), WrongNetwork),
            (self.rotation(self.successor(iat=later)), StaleLetter),
            (self.rotation(self.successor(iss=EVE.public.text)), BadSignature),
            (self.rotation(self.successor(old=EVE.public.text)), BadRotation),
            (self.rotation(self.successor(old="A" * 44)), BadRotation),
            (self.rotation(self.successor(agreement="A" * 44)), BadKey),
            (self.rotation(self.successor(agreement=BOB.public.text)), BadRotation),
            (self.rotation(self.successor(agreement=ANN.public.text)), BadRotation),
            (self.rotation(self.rotation(good)), BadHeader),
            (self.rotation(rotation.revoke(BOB, NETWORK, NOW_S)), BadHeader),
            (self.rotation(""), RemoteError),
            (self.rotation(good[:-4]), RemoteError),
            (good, BadHeader),
            (rotation.revoke(ANN, NETWORK, NOW_S), BadHeader),
            ("", RemoteError),
            ("é" * 99, RemoteError),
        ):
            self.assertRaises(kind, rotation.read, token, NETWORK, NOW_S)

    def test_nobody_succeeds_himself(self) -> None:
        """A key that names itself changes nothing."""
        token = rotation.make(ANN, ANN, NETWORK, NOW_S)
        self.assertRaises(BadRotation, rotation.read, token, NETWORK, NOW_S)

    def test_a_revocation_comes_back(self) -> None:
        """Only the key's owner can sign it, for this network, not in the future."""
        token = rotation.revoke(ANN, NETWORK, NOW_S)
        self.assertEqual(rotation.read_revocation(token, NETWORK, NOW_S), ANN.public)
        for wrong, network, now_s, kind in (
            (token, "other", NOW_S, WrongNetwork),
            (token, NETWORK, NOW_S - CLOCK_SKEW_S - 1, StaleLetter),
            (rotation.make(ANN, BOB, NETWORK, NOW_S), NETWORK, NOW_S, BadHeader),
            (token[:-3], NETWORK, NOW_S, RemoteError),
        ):
            self.assertRaises(kind, rotation.read_revocation, wrong, network, now_s)


class BookTests(SynchronousTestCase):
    """What becomes of a contact."""

    def setUp(self) -> None:
        """Begin with Ann, compared, and Cat."""
        self.book = Book()
        self.book.add(contact(ANN.public, "ann", NOW_S, agreement=ANN.agreement.public))
        self.book.add(contact(CAT.public, "cat", NOW_S, agreement=CAT.agreement.public))
        self.verify(ANN)

    def verify(self, identity: Identity) -> None:
        self.book.verify(identity.public, fingerprint.of(identity.public))

    def assert_usable(self, identity: Identity) -> None:
        entry = self.book.check_usable(identity.public)
        self.assertEqual(entry.name, "ann")
        self.assertEqual(entry.agreement, identity.agreement.public.point)

    def test_a_contact_goes_on_under_a_new_key(self) -> None:
        """With the same name, not compared, and the old key refused."""
        entry = rotation.apply(self.book, steps(1))
        self.assertEqual((entry.name, entry.verified, entry.alarm), ("ann", False, "new-key"))
        self.assert_usable(LINE[1])
        self.assertRaises(KeyRefused, self.book.check_usable, ANN.public)

    def test_a_line_is_followed_to_its_end(self) -> None:
        """Whoever was away for long follows many steps, at once or one by one, twice or not."""
        rotation.apply(self.book, steps(2))
        rotation.apply(self.book, steps(1))
        rotation.apply(self.book, steps(MAX_STEPS))
        rotation.apply(self.book, [step(LINE[MAX_STEPS], LINE[MAX_STEPS + 1])])
        self.assert_usable(LINE[-1])
        self.assertEqual(len(self.book), 2)

    def test_lines_that_are_none(self) -> None:
        """Empty, too long, broken, turned round: nothing changes."""
        one, two, three = steps(3)
        back = step(LINE[2], ANN)
        self.book.changes()
        ring = [one, two, back]
        for line in ([], steps(MAX_STEPS + 1), [one, three], [two, one], [one, one], ring):
            self.assertRaises(BadRotation, rotation.apply, self.book, line)
        self.assertEqual(self.book.changes(), [])
        self.assertRaises(NoSuchContact, rotation.apply, self.book, [step(BOB, EVE)])

    def test_nobody_becomes_another_contact(self) -> None:
        """A new key that is somebody's already is not taken."""
        self.assertRaises(BadRotation, rotation.apply, self.book, [step(ANN, CAT)])
        self.assert_usable(ANN)
        rotation.apply(self.book, steps(2))
        self.assertRaises(BadRotation, rotation.apply, self.book, [step(CAT, LINE[1])])

    def test_two_successors_stop_all_words(self) -> None:
        """Whichever came first: none is used until the user has compared one."""
        good, forged = step(ANN, LINE[1]), step(ANN, FORKED)
        for first, second in ((good, forged), (forged, good)):
            self.setUp()
            moved = rotation.apply(self.book, [first])
            self.assertRaises(KeyAlarm, rotation.apply, self.book, [second])
            self.assertRaises(KeyAlarm, self.book.check_usable, moved.public())
            self.assertIsNone(self.book.get(second.new))

    def test_a_fork_further_back_is_found(self) -> None:
        """Another successor of a key that was replaced long ago is an alarm as well."""
        rotation.apply(self.book, steps(3))
        self.assertRaises(KeyAlarm, rotation.apply, self.book, [step(LINE[1], FORKED)])
        self.assertRaises(KeyAlarm, self.book.check_usable, LINE[3].public)

    def test_a_comparison_settles_it(self) -> None:
        """Once the key in use was compared, the other successor is refused without alarm."""
        good, forged = step(ANN, LINE[1]), step(ANN, FORKED)
        rotation.apply(self.book, [good])
        self.assertRaises(KeyAlarm, rotation.apply, self.book, [forged])
        self.verify(LINE[1])
        for _ in range(2):
            self.assertRaises(BadRotation, rotation.apply, self.book, [forged])
            self.assert_usable(LINE[1])
        rotation.apply(self.book, steps(2))
        self.assert_usable(LINE[2])

    def test_a_revocation_wins(self) -> None:
        """Whichever key of the line is void, and whatever came before: all of it is refused."""
        for known in range(3):
            for revoked in range(known + 1):
                self.setUp()
                if known:
                    rotation.apply(self.book, steps(known))
                rotation.apply_revocation(self.book, LINE[revoked].public)
                self.assertRaises(KeyRevoked, self.book.check_usable, LINE[known].public)
                self.assertRaises(KeyRevoked, rotation.apply, self.book, steps(3))
                self.assertRaises(KeyRevoked, rotation.apply, self.book, [step(ANN, FORKED)])
                self.assertRaises(KeyRevoked, self.book.check_usable, LINE[known].public)

    def test_a_dispute_does_not_outlive_a_revocation(self) -> None:
        """The owner ends the line that a thief has forked."""
        rotation.apply(self.book, [step(ANN, FORKED)])
        self.assertRaises(KeyAlarm, rotation.apply, self.book, steps(1))
        rotation.apply_revocation(self.book, ANN.public)
        self.assertRaises(KeyRevoked, self.book.check_usable, FORKED.public)

    def test_a_revocation_of_nobody(self) -> None:
        """A key that nobody in the book has or had changes nothing."""
        self.assertRaises(NoSuchContact, rotation.apply_revocation, self.book, EVE.public)

    def test_who_is_refused_stays_refused(self) -> None:
        """A new key does not help somebody who was blocked or removed."""
        self.book.block(ANN.public, NOW_S)
        rotation.apply(self.book, steps(1))
        self.assertRaises(KeyRefused, self.book.check_usable, LINE[1].public)
        self.book.unblock(LINE[1].public)
        self.book.remove(LINE[1].public, NOW_S)
        rotation.apply(self.book, steps(2))
        self.assertRaises(KeyRefused, self.book.check_usable, LINE[2].public)
