"""Agreement keys that follow one another: how long each is good, and which pairs two sides use."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from streembit.contacts import generations, rotation
from streembit.contacts.book import Book, contact
from streembit.contacts.generations import (
    EVERY_S,
    MAX_KEPT,
    OVERLAP_S,
    SPREAD,
    Generations,
)
from streembit.errors import (
    BadKey,
    BadRotation,
    BadSignature,
    FingerprintDiffers,
    KeyRevoked,
    StaleLetter,
    WrongNetwork,
)
from streembit.jose import envelope, fingerprint
from streembit.jose.keys import Identity, PrivateKey, PublicKey
from streembit.wire.offer import AgreementClaims

NET = "main"
NOW = 1_800_000_000
ANN, BOB = (Identity.from_seed(bytes([n]) * 32, name) for n, name in ((1, "ann"), (2, "bob")))


def key(number: int) -> PrivateKey:
    """Return a key."""
    return Identity.from_seed(bytes([100 + number]) * 32).signing


def points(good: Generations) -> list[PublicKey]:
    """Return the public agreement keys, newest first."""
    return [own.agreement.public for own in good.owns]


class LifeTests(SynchronousTestCase):
    """What one side has."""

    def setUp(self) -> None:
        self.first = Generations.first(ANN, NOW, 0.0)

    def test_the_first_follows_from_the_seed(self) -> None:
        """The 24 words bring it back; nobody has to be told."""
        self.assertEqual(points(self.first), [ANN.agreement.public])
        self.assertEqual(self.first.statement(NET), "")
        self.assertIs(self.first.newest, ANN)

    def test_when_another_is_due(self) -> None:
        """After its time, more or less; the setting counts also for a key that is in use."""
        self.assertEqual(self.first.due_s(EVERY_S), NOW + EVERY_S)
        for spread in (-1.0, 1.0):
            good = self.first.renewed(key(1), NOW + 7, spread)
            self.assertAlmostEqual(
                good.due_s(EVERY_S), NOW + 7 + EVERY_S * (1 + SPREAD * spread), delta=1
            )
            self.assertAlmostEqual(
                good.due_s(1000), NOW + 7 + 1000 * (1 + SPREAD * spread), delta=1
            )

    def test_a_key_is_good_for_a_while_after_it_was_replaced(self) -> None:
        """And then its secret is nowhere any more."""
        both = self.first.renewed(key(1), NOW, 0.0).renewed(key(2), NOW + 10, 0.0)
        three = [key(2).public, key(1).public, ANN.agreement.public]
        self.assertEqual(points(both), three)
        self.assertIs(both.expired(NOW + OVERLAP_S - 1), both)
        one = both.expired(NOW + OVERLAP_S)
        self.assertEqual(points(one), three[:2])
        last = one.expired(NOW + 10 + OVERLAP_S)
        self.assertEqual(points(last), three[:1])
        self.assertIs(last.expired(NOW + 10**9), last)
        self.assertIn(key(1).scalar, one.row())
        self.assertNotIn(key(1).scalar, last.row())

    def test_they_are_the_same_again_from_the_disk(self) -> None:
        """Also when the first is gone."""
        good = self.first
        for number in range(3):
            back = Generations.load(ANN, good.row())
            self.assertEqual(points(back), points(good))
            self.assertEqual(back.due_s(EVERY_S), good.due_s(EVERY_S))
            self.assertEqual(back.row(), good.row())
            good = good.renewed(key(number), NOW + number * OVERLAP_S, 0.5)
            good = good.expired(NOW + number * OVERLAP_S)
        for wrong in (b"", b"\x93\x01\x90\xc0", good.row()[:-1], b"\x92\x02" + good.row()[2:]):
            self.assertRaises(ValueError, Generations.load, ANN, wrong)

    def test_a_clock_that_stands_makes_no_two_of_one_time(self) -> None:
        """So that contacts know which came later; and no more are kept than they should be."""
        good, made = self.first, []
        for number in range(MAX_KEPT + 2):
            good = good.renewed(key(number), NOW, 0.0)
            made.append(generations.read(good.statement(NET), NET, NOW + 60).made_s)
        self.assertEqual(made, sorted(set(made)))
        self.assertEqual(len(good.owns), MAX_KEPT)
        self.assertEqual(points(Generations.load(ANN, good.row())), points(good))


class StatementTests(SynchronousTestCase):
    """What is said of a key."""

    def test_who_reads_it_knows_whose_it_is_and_since_when(self) -> None:
        """The identity key has signed it."""
        good = Generations.first(ANN, NOW, 0.0).renewed(key(1), NOW + 5, 0.0)
        found = generations.read(good.statement(NET), NET, NOW)
        self.assertEqual(found, (ANN.public, key(1).public, NOW + 5))

    def test_what_is_refused(self) -> None:
        """Another network, the future, somebody else's signature, one key for two purposes."""

        def token(signer: Identity = ANN, **changes: object) -> str:
            claims = AgreementClaims(ANN.public.text, key(1).public.text, NET, NOW)
            return envelope.sign_agreement(signer.signing, replace(claims, **changes))

        for wrong, error in (
            (token(net="other"), WrongNetwork),
            (token(iat=NOW + 3602), StaleLetter),
            (token(BOB), BadSignature),
            (token(agreement=ANN.public.text), BadRotation),
            (token(agreement="A" * 44), BadKey),
        ):
            self.assertRaises(error, generations.read, wrong, NET, NOW)


class BookTests(SynchronousTestCase):
    """What the other side knows."""

    def setUp(self) -> None:
        self.book = Book()
        entry = contact(ANN.public, "ann", NOW, agreement=ANN.agreement.public)
        self.book.add(entry)

    def renew(self, number: int, made_s: int, now_s: int = NOW) -> bytes:
        """Let bob hear of a key of ann's; return the one that he has now."""
        return self.book.renew_agreement(ANN.public, key(number).public, made_s, now_s).agreement

    def test_the_one_made_last_counts(self) -> None:
        """In whatever order they come, and however often."""
        self.assertEqual(self.renew(1, NOW), key(1).public.point)
        self.assertEqual(self.renew(2, NOW + 9), key(2).public.point)
        self.book.changes()
        for number, made_s in ((1, NOW), (3, NOW + 9), (2, NOW + 10)):
            self.assertEqual(self.renew(number, made_s), key(2).public.point)
        self.assertEqual(self.book.changes(), [])

    def test_two_are_good_for_a_while(self) -> None:
        """Counted from when we heard; after it only the newest is."""
        self.renew(1, NOW, NOW + 5)
        entry = self.book.of(ANN.public)
        both = (key(1).public, ANN.agreement.public)
        self.assertEqual(generations.keys_of(entry, NOW + 5), both)
        self.assertEqual(generations.keys_of(entry, NOW + 4 + OVERLAP_S), both)
        self.assertEqual(generations.keys_of(entry, NOW + 5 + OVERLAP_S), both[:1])

    def test_what_a_letter_tells_begins_anew(self) -> None:
        """Who became a contact again may have lost all; the same key changes nothing."""
        self.renew(1, NOW)
        known = self.book.accept(ANN.public, key(1).public, [])
        self.assertIsNotNone(known.renewal)
        self.assertIsNone(self.book.accept(ANN.public, key(2).public, []).renewal)
        self.assertEqual(self.renew(3, NOW - 10**6), key(3).public.point)

    def test_another_identity_begins_anew(self) -> None:
        """Its statements count by themselves."""
        self.renew(1, NOW)
        new = Identity.from_seed(b"n" * 32)
        entry = self.book.replace_key(ANN.public, new.public, new.agreement.public, b"s" * 32)
        self.assertIsNone(entry.renewal)
        self.assertEqual(entry.agreement, new.agreement.public.point)


class RestoreTests(SynchronousTestCase):
    """A contact that went on with the key of a thief goes back."""

    def setUp(self) -> None:
        self.book = Book()
        self.book.add(contact(ANN.public, "ann", NOW, agreement=ANN.agreement.public))
        self.thieves = [Identity.from_seed(bytes([n]) * 32) for n in (51, 52)]
        for old, new in zip((ANN, self.thieves[0]), self.thieves, strict=True):
            self.book.replace_key(old.public, new.public, new.agreement.public, b"s" * 32)
        self.last = self.thieves[-1].public

    def test_all_that_came_after_is_refused_for_good(self) -> None:
        """Also as a successor, and from the disk; the owner's own next key is followed."""
        proof = fingerprint.of(ANN.public)
        entry = self.book.restore(self.last, proof, ANN.agreement.public.point, NOW)
        self.assertEqual((entry.key, entry.state, entry.verified), (ANN.public.point, "contact", 1))
        self.book = Book(row for _, _, row in self.book.changes() if row is not None)
        for thief in self.thieves:
            self.assertRaises(KeyRevoked, self.book.check_usable, thief.public)
            again = contact(thief.public, "bob", NOW, agreement=thief.agreement.public)
            self.assertRaises(KeyRevoked, self.book.add, again)
            step = rotation.read(rotation.make(ANN, thief, NET, NOW), NET, NOW)
            self.assertRaises(BadRotation, rotation.apply, self.book, [step])
        own = rotation.read(rotation.make(ANN, BOB, NET, NOW), NET, NOW)
        self.assertEqual(rotation.apply(self.book, [own]).key, BOB.public.point)
        late = rotation.read(rotation.make(ANN, self.thieves[0], NET, NOW), NET, NOW)
        self.assertRaises(BadRotation, rotation.apply, self.book, [late])
        self.assertTrue(self.book.of(BOB.public).is_usable)

    def test_what_is_no_former_key(self) -> None:
        """The present one, and anybody else's, change nothing; nor does a line that is void."""
        for other in (self.last, BOB.public):
            proof = fingerprint.of(other)
            self.assertRaises(FingerprintDiffers, self.book.restore, self.last, proof, b"", NOW)
        self.book.revoke(self.last)
        proof = fingerprint.of(ANN.public)
        self.assertRaises(KeyRevoked, self.book.restore, self.last, proof, b"", NOW)
        self.assertEqual(len(self.book), 1)


class PairTests(SynchronousTestCase):
    """Both sides change whenever they like: each finds what the other wrote."""

    @given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12))
    def test_each_reads_where_the_other_writes(self, steps: list[tuple[bool, bool]]) -> None:
        """Whoever has heard of what, and however often one changes unheard: cards are found.

        So are parcels, unless one changed twice since it heard that it was heard.
        """
        sides = {who.name: Generations.first(who, NOW, 0.0) for who in (ANN, BOB)}
        books = {ANN.name: Book(), BOB.name: Book()}
        for own, other in ((ANN, BOB), (BOB, ANN)):
            entry = contact(other.public, other.name, NOW, agreement=other.agreement.public)
            books[own.name].add(entry)
            books[own.name].set_known(other.public, own.agreement.public)
        for number, (is_ann, renews) in enumerate(steps):
            own, other = (ANN, BOB) if is_ann else (BOB, ANN)
            now_s = NOW + number
            if not renews:
                self.hear(sides, books, own, other, now_s)
            elif len(sides[own.name].owns) < MAX_KEPT:
                sides[own.name] = sides[own.name].renewed(key(number), now_s, 0.0)
            self.check(sides, books, now_s)

    def hear(
        self,
        sides: dict[str, Generations],
        books: dict[str, Book],
        own: Identity,
        other: Identity,
        now_s: int,
    ) -> None:
        """Let one side hear all that the other's card says."""
        good, book = sides[own.name], books[other.name]
        statement = good.statement(NET)
        if statement:
            found = generations.read(statement, NET, now_s)
            book.renew_agreement(found.key, found.agreement, found.made_s, now_s)
        yours = books[own.name].of(other.public).agreement
        if yours in [each.point for each in points(sides[other.name])]:
            book.set_known(own.public, PublicKey.parse(yours))

    def check(self, sides: dict[str, Generations], books: dict[str, Book], now_s: int) -> None:
        """Check that the card and the parcels of each are where the other one looks."""
        for own, other in ((ANN, BOB), (BOB, ANN)):
            written = generations.pairs(
                sides[own.name].owns, books[own.name].of(other.public), now_s
            )
            read = generations.pairs(
                sides[other.name].owns, books[other.name].of(own.public), now_s
            )
            places = {pair.place_salt("theirs", 7) for pair in read.theirs}
            parcels = {pair.parcel_salt("theirs", 7) for pair in read.theirs}
            self.assertTrue(places & {pair.place_salt("ours", 7) for pair in written.ours})
            if len(written.ours) <= 2:
                self.assertIn(written.ours[0].parcel_salt("ours", 7), parcels)

    def test_nobody_is_a_contact_of_its_own(self) -> None:
        """Not by a key that is our newest either."""
        good = Generations.first(ANN, NOW, 0.0).renewed(key(1), NOW, 0.0)
        entry = contact(BOB.public, "bob", NOW, agreement=key(1).public)
        self.assertRaises(BadKey, generations.pairs, good.owns, entry, NOW)
