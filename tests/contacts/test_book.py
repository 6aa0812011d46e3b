"""The book of contacts: names are the user's, keys decide, and nothing is replaced silently."""

from __future__ import annotations

import contextlib
from random import Random
from typing import Any

import msgspec
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from streembit.contacts.book import (
    MAX_CONTACTS,
    MAX_REMOVED,
    ROOM,
    SEEN_EVERY_S,
    Book,
    contact,
)
from streembit.contacts.entry import MAX_FORMER, Entry
from streembit.contacts.index import MIN_PREFIX
from streembit.errors import (
    AmbiguousContact,
    BadName,
    BadRotation,
    BookFull,
    ChestDamaged,
    FingerprintDiffers,
    KeyAlarm,
    KeyRefused,
    KeyRevoked,
    LocalError,
    NameTaken,
    NoSuchContact,
    RemoteError,
    SecretWords,
    WrongState,
)
from streembit.jose import fingerprint, words
from streembit.jose.keys import Identity, PrivateKey, PublicKey
from streembit.testing import MemoryChest
from streembit.wire import texts
from streembit.wire.offer import MAX_ADDRESSES, Address
from tests.contacts.people import CAT, NOW_S
from tests.jose.people import ANN, BOB, EVE

HOME, WORK = Address("192.0.2.7", 32319), Address("198.51.100.9", 32319)


def entry_of(identity: Identity, name: str = "", **more: Any) -> Entry:
    """Return a new contact's entry, called by the identity's name."""
    members = {"agreement": identity.agreement.public, "called": identity.name, **more}
    return contact(identity.public, name or identity.name, NOW_S, **members)


def key_of(number: int) -> PublicKey:
    """Return the key with this number."""
    return PrivateKey.from_scalar(number.to_bytes(32)).public


def book_of(points: list[bytes]) -> Book:
    """Return a book of contacts with these keys."""
    entries = [Entry(point, f"c {n}", "contact", "device", 0) for n, point in enumerate(points)]
    return Book(map(msgspec.msgpack.encode, entries))


class BookTest(SynchronousTestCase):
    """What all tests of the book have."""

    def setUp(self) -> None:
        """Begin with Ann as the only contact."""
        self.chest = MemoryChest()
        self.book = Book()
        self.ann = self.book.add(entry_of(ANN))

    def again(self) -> Book:
        """Return the book as it is after a restart, once what changed is committed."""
        self.chest.commit(self.book.changes())
        return Book(self.chest.all(ROOM))

    def assert_kept(self) -> None:
        """Check that a restart changes nothing."""
        self.assertEqual(list(self.again()), list(self.book))


class KeepingTests(BookTest):
    """Every change is one row."""

    def test_entries_outlive_a_restart(self) -> None:
        """All that is known of somebody is kept, one row for each."""
        self.book.add(entry_of(BOB, "Bobby", note="from the harbour", addresses=[HOME, WORK]))
        self.book.seen(BOB.public, NOW_S + 10, WORK)
        self.book.set_receipts(BOB.public, True)
        self.book.set_presence(BOB.public, False)
        self.book.verify(BOB.public, fingerprint.of(BOB.public))
        self.book.replace_key(ANN.public, EVE.public, EVE.agreement.public, b"d" * 32)
        self.book.block(BOB.public, NOW_S + 20)
        self.assert_kept()
        self.assertEqual(len(self.chest.all(ROOM)), 2)

    def test_what_did_not_change_is_not_written(self) -> None:
        """Looking at somebody, or hearing the same again, makes no row."""
        self.again()
        for _ in range(3):
            self.book.find("ann")
            self.book.seen(ANN.public, NOW_S, HOME)
        self.assertEqual(len(self.book.changes()), 1)
        self.book.seen(ANN.public, NOW_S + SEEN_EVERY_S - 1, HOME)
        self.book.set_addresses(ANN.public, [HOME])
        self.assertEqual(self.book.changes(), [])
        self.book.seen(ANN.public, NOW_S + SEEN_EVERY_S, HOME)
        self.assertEqual(len(self.book.changes()), 1)

    def test_S2_a_row_that_is_no_entry_is_refused(self) -> None:
        """A book is read whole or not at all."""
        (row,) = (change.row for change in self.book.changes())
        assert row is not None
        for damaged in (b"", b"\xc1", row[:-1], row + b"x", b"\x90"):
            self.assertRaises(ChestDamaged, Book, [damaged])

    def test_the_fullest_book(self) -> None:
        """There is a most, and those who were removed do not count towards it."""
        points = [b"\x02" + n.to_bytes(32) for n in range(MAX_CONTACTS)]
        self.book = book_of(points)
        self.assertRaises(BookFull, self.book.add, entry_of(ANN))
        self.book = book_of(points[1:])
        self.book.add(entry_of(ANN))
        self.assertRaises(BookFull, self.book.add, entry_of(BOB))
        self.book.remove(ANN.public, NOW_S)
        self.book.add(entry_of(BOB))


class NameTests(BookTest):
    """Names are the user's, each in use once, and no key's."""

    def test_a_name_is_taken_by_all_that_look_like_it(self) -> None:
        """Neither a new entry nor another name may look like one in use."""
        self.book.add(entry_of(BOB))
        for name in ("ann", "ANN", "Ann", "\u0391\u039d\u039d"):
            self.assertRaises(NameTaken, self.book.add, entry_of(EVE, name))
            self.assertRaises(NameTaken, self.book.rename, BOB.public, name)
        self.assertEqual(self.book.rename(ANN.public, "ANN").name, "ANN")
        self.assertEqual(self.book.rename(BOB.public, "Bob from work").name, "Bob from work")
        self.assertRaises(NoSuchContact, self.book.find, "bob")
        self.assert_kept()

    def test_names_that_no_contact_may_have(self) -> None:
        """Our names for others obey the rules of offers."""
        for name in ("", "a\nb", "a" * 65, "\u202eann"):
            self.assertRaises(BadName, self.book.rename, ANN.public, name)
            self.assertRaises(BadName, self.book.add, replace(entry_of(BOB), name=name))
        self.assertEqual(self.book.of(ANN.public).name, "ann")

    def test_D8_L1_a_known_name_with_another_key_is_an_alarm(self) -> None:
        """The name they call themselves, ours for them, and what looks like either."""
        self.book.rename(ANN.public, "Mum")
        for called in ("ann", "ANN", "mum", "MUM"):
            alarm = self.assertRaises(KeyAlarm, self.book.check_new, called, EVE.public)
            self.assertEqual((alarm.name, alarm.known_key), ("Mum", ANN.public.hex))
        self.book.check_new("ann", ANN.public)
        self.book.check_new("anna", EVE.public)
        self.assertEqual(self.book.of(ANN.public), self.book.find("Mum"))

    def test_whoever_takes_such_a_key_is_warned(self) -> None:
        """Under another name it may be kept, with an alarm until it is compared."""
        eve = self.book.add(entry_of(EVE, "Ann at work", called="ann"))
        self.assertEqual(eve.alarm, "known-name")
        self.assertEqual(self.book.verify(EVE.public, fingerprint.of(EVE.public)).alarm, "")
        self.assertEqual(self.book.of(ANN.public), self.ann)

    def test_names_of_the_removed_are_free(self) -> None:
        """Who lost a key is removed and comes again with a new one, without alarm."""
        self.book.remove(ANN.public, NOW_S)
        self.book.check_new("ann", EVE.public)
        self.assertEqual(self.book.add(entry_of(EVE, "ann")).alarm, "")
        self.assertEqual(self.book.find("ann").key, EVE.public.point)

    def test_blocked_names_are_not(self) -> None:
        """Somebody blocked does not come back as the same name with a new key."""
        self.book.block(ANN.public, NOW_S)
        self.assertRaises(KeyAlarm, self.book.check_new, "ann", EVE.public)
        self.assertRaises(NameTaken, self.book.add, entry_of(EVE, "ann"))


class FindTests(BookTest):
    """Who is meant."""

    def test_by_name_key_and_fingerprint(self) -> None:
        """By the exact name, the whole key or its beginning, and the fingerprint in any form."""
        self.book.add(entry_of(BOB))
        printed = fingerprint.of(BOB.public)
        point = BOB.public.hex
        for text in ("bob", point, point.upper(), point[:MIN_PREFIX], printed, printed.lower()):
            self.assertEqual(self.book.find(text).key, BOB.public.point, text)
        for text in ("", "Bob", "bo", point[: MIN_PREFIX - 1], printed[:-1], CAT.public.hex, "\0"):
            self.assertRaises(NoSuchContact, self.book.find, text)

    def test_more_than_one(self) -> None:
        """Keys that begin alike are told apart by more of them."""
        alike = bytes.fromhex("02ab12cd34")
        one, other = alike + b"\x11" * 28, alike + b"\x12" * 28
        book = book_of([one, other, bytes(33)])
        for length in (MIN_PREFIX, 10, 11):
            self.assertRaises(AmbiguousContact, book.find, one.hex()[:length])
        self.assertEqual(book.find(one.hex()[:12]).key, one)
        self.assertEqual(book.find(other.hex()[:12]).key, other)

    def test_a_name_goes_before_a_key(self) -> None:
        """Who calls somebody by the beginning of another's key means the name."""
        self.book.add(entry_of(BOB, ANN.public.hex[:12]))
        self.assertEqual(self.book.find(ANN.public.hex[:12]).key, BOB.public.point)

    def test_who_is_in_use_goes_before_who_was(self) -> None:
        """A name that was given again means the one who has it now."""
        self.book.remove(ANN.public, NOW_S)
        self.assertEqual(self.book.find("ann").state, "removed")
        self.book.add(entry_of(EVE, "ann"))
        self.assertEqual(self.book.find("ann").key, EVE.public.point)


class StateTests(BookTest):
    """Coming and going."""

    def test_asked_and_accepted(self) -> None:
        """Who was asked is no contact before the answer, which brings the agreement key."""
        self.book.add(contact(BOB.public, "bob", NOW_S, addresses=[HOME], asked=True))
        self.assertRaises(WrongState, self.book.check_usable, BOB.public)
        accepted = self.book.accept(BOB.public, BOB.agreement.public, [])
        self.assertEqual(self.book.check_usable(BOB.public), accepted)
        self.assertEqual(accepted.agreement, BOB.agreement.public.point)
        self.assertEqual(accepted.addresses, [HOME])
        self.assert_kept()

    def test_asked_and_denied(self) -> None:
        """Nothing is left of somebody who denied."""
        self.book.add(contact(BOB.public, "bob", NOW_S, asked=True))
        self.book.forget(BOB.public)
        self.assertIsNone(self.book.get(BOB.public))
        self.assertRaises(WrongState, self.book.forget, ANN.public)
        self.assert_kept()

    def test_removed_is_refused(self) -> None:
        """The key is refused until the user takes it in again."""
        self.book.remove(ANN.public, NOW_S + 5)
        self.assertRaises(KeyRefused, self.book.check_usable, ANN.public)
        self.assertTrue(self.again().of(ANN.public).is_refused)
        for change in (self.book.remove, self.book.block):
            self.assertRaises(WrongState, change, ANN.public, NOW_S)
        self.assertRaises(WrongState, self.book.rename, ANN.public, "x")
        self.assertRaises(WrongState, self.book.accept, ANN.public, ANN.agreement.public, [])
        self.book.add(entry_of(ANN))
        self.assertTrue(self.book.check_usable(ANN.public).is_usable)

    def test_blocked_and_back(self) -> None:
        """Blocking refuses a key, and taking it back restores what was."""
        before = self.book.of(ANN.public)
        self.book.block(ANN.public, NOW_S)
        self.assertRaises(KeyRefused, self.book.check_usable, ANN.public)
        self.assertRaises(WrongState, self.book.add, entry_of(ANN))
        self.assertEqual(self.book.unblock(ANN.public), before)
        self.assertRaises(WrongState, self.book.unblock, ANN.public)
        self.book.add(contact(BOB.public, "bob", NOW_S, asked=True))
        self.book.block(BOB.public, NOW_S)
        self.assertEqual(self.book.unblock(BOB.public).state, "asked")

    def test_known_already(self) -> None:
        """Nobody is taken in twice."""
        self.assertRaises(WrongState, self.book.add, entry_of(ANN, "another"))

    def test_the_removed_are_bounded(self) -> None:
        """Of very many that were removed the oldest are forgotten."""
        for n in range(1, MAX_REMOVED + 3):
            self.book.add(contact(key_of(n), f"sensor {n}", NOW_S))
            self.book.remove(key_of(n), NOW_S + n)
        self.assertEqual(len(self.book), MAX_REMOVED + 1)
        self.assertEqual([self.book.get(key_of(n)) for n in (1, 2)], [None, None])
        self.assertIsNotNone(self.book.get(key_of(3)))
        self.assert_kept()

    def test_one_hub_is_kept_among_the_addresses(self) -> None:
        """Places that worked since do not take the last way that works behind a NAT."""
        hub, other = (Address(f"hub{n}.example.org", 443, "wss") for n in (1, 2))
        places = [Address("192.0.2.7", port) for port in range(1, 6)]
        self.book.set_addresses(ANN.public, [*places, hub, other])
        self.assertEqual(self.book.of(ANN.public).addresses, [*places[:3], hub])
        self.book.seen(ANN.public, NOW_S, places[4])
        self.assertEqual(self.book.of(ANN.public).addresses, [places[4], *places[:2], hub])
        self.book.set_addresses(ANN.public, [other, *places])
        self.assertEqual(self.book.of(ANN.public).addresses, [other, *places[:3]])

    def test_addresses_are_bounded_the_latest_first(self) -> None:
        """Where somebody was reached last is tried first."""
        places = [Address(f"192.0.2.{n}", 1) for n in range(9)]
        for place in (*places, places[6]):
            self.book.seen(ANN.public, NOW_S, place)
        expected = [places[n] for n in (6, 8, 7, 5)]
        self.assertEqual(self.book.of(ANN.public).addresses, expected)
        self.book.set_addresses(ANN.public, places)
        self.assertEqual(self.book.of(ANN.public).addresses, places[:MAX_ADDRESSES])


class VerifyTests(BookTest):
    """Comparing keys."""

    def test_by_fingerprint_or_number(self) -> None:
        """Either stands for the key, in any case and spacing."""
        printed, spoken = fingerprint.of(ANN.public), fingerprint.number_of(ANN.public)
        for proof in (printed, printed.lower().replace(" ", "-"), spoken, spoken.replace(" ", "")):
            self.assertTrue(self.book.verify(ANN.public, proof).verified)
            self.book.dispute(ANN.public)
        self.assert_kept()

    def test_another_key_is_told(self) -> None:
        """What belongs to another key verifies nothing, and what has a mistake says so."""
        for proof in (fingerprint.of(EVE.public), fingerprint.number_of(EVE.public)):
            self.assertRaises(FingerprintDiffers, self.book.verify, ANN.public, proof)
        for proof in ("", "ABCD", fingerprint.of(ANN.public)[:-1] + "7", "01234 56789"):
            self.assertRaises(BadName, self.book.verify, ANN.public, proof)
        self.assertFalse(self.book.of(ANN.public).verified)

    def test_secret_words_are_no_proof_and_no_name(self) -> None:
        """They are refused as what they are, and not repeated."""
        secret = words.from_seed(ANN.seed)
        for work in (lambda: self.book.verify(ANN.public, secret), lambda: self.book.find(secret)):
            refusal = self.assertRaises(SecretWords, work)
            self.assertNotIn(secret.split()[0], str(refusal))


class KeyTests(BookTest):
    """Another key for a contact."""

    def test_a_new_key_keeps_the_name_and_not_the_comparison(self) -> None:
        """A contact who was compared is to be compared again, and the old key is refused."""
        self.book.verify(ANN.public, fingerprint.of(ANN.public))
        moved = self.book.replace_key(ANN.public, EVE.public, EVE.agreement.public, b"d" * 32)
        self.assertEqual((moved.name, moved.verified, moved.alarm), ("ann", False, "new-key"))
        self.assertEqual(self.book.find("ann").key, EVE.public.point)
        self.assertEqual(self.book.successor(ANN.public), moved)
        self.assertRaises(KeyRefused, self.book.check_usable, ANN.public)
        self.assertRaises(WrongState, self.book.add, entry_of(ANN, "old ann"))
        self.assertTrue(self.book.check_usable(EVE.public).is_usable)
        self.assertEqual(self.book.verify(EVE.public, fingerprint.of(EVE.public)).alarm, "")
        self.assert_kept()

    def test_a_new_key_without_comparison_is_no_alarm(self) -> None:
        """Who never compared the old key is told of the new one, and no more."""
        moved = self.book.replace_key(ANN.public, EVE.public, EVE.agreement.public, b"d" * 32)
        self.assertEqual(moved.alarm, "")

    def test_a_key_of_somebody_else_is_refused(self) -> None:
        """Nobody takes over another entry by a change of key."""
        self.book.add(entry_of(BOB))
        for new in (BOB, ANN):
            self.assertRaises(
                BadRotation,
                self.book.replace_key,
                ANN.public,
                new.public,
                new.agreement.public,
                b"d" * 32,
            )
        self.assertEqual(self.book.of(ANN.public), self.ann)

    def test_changes_are_bounded(self) -> None:
        """A contact changes keys so often and not more."""
        key = ANN.public
        for n in range(1, MAX_FORMER + 1):
            self.book.replace_key(key, key_of(n), key_of(n + 100), b"d" * 32)
            key = key_of(n)
        self.assertRaises(
            BadRotation, self.book.replace_key, key, key_of(99), key_of(199), b"d" * 32
        )
        successor = self.book.successor(ANN.public)
        assert successor is not None
        self.assertEqual(successor.key, key.point)
        self.assert_kept()

    def test_a_revoked_key_is_refused_for_good(self) -> None:
        """Neither comparing nor removing and adding again makes it usable."""
        self.book.revoke(ANN.public)
        self.assertRaises(KeyRevoked, self.book.check_usable, ANN.public)
        self.book.verify(ANN.public, fingerprint.of(ANN.public))
        self.book.dispute(ANN.public)
        self.assertRaises(KeyRevoked, self.book.check_usable, ANN.public)
        self.book.remove(ANN.public, NOW_S)
        self.assertRaises(KeyRevoked, self.book.add, entry_of(ANN))

    def test_a_dispute_stops_all_until_one_is_compared(self) -> None:
        """Two keys that claim to be the new one: nothing is sent to either."""
        self.book.dispute(ANN.public)
        self.assertRaises(KeyAlarm, self.book.check_usable, ANN.public)
        self.book.verify(ANN.public, fingerprint.of(ANN.public))
        self.assertTrue(self.book.check_usable(ANN.public).is_usable)

    def test_what_was_changed_stays_through_removal(self) -> None:
        """Somebody removed and added again is still known by the former keys."""
        self.book.replace_key(ANN.public, EVE.public, EVE.agreement.public, b"d" * 32)
        self.book.remove(EVE.public, NOW_S)
        self.book.add(entry_of(EVE))
        self.assertRaises(KeyRefused, self.book.check_usable, ANN.public)
        self.assert_kept()


class AnyOrderTests(SynchronousTestCase):
    """Whatever is done in whatever order."""

    def test_the_index_is_always_the_book(self) -> None:
        """After any operations a restart changes nothing, and no two names in use look alike."""
        chance = Random(17)
        for _ in range(20):
            chest, book = MemoryChest(), Book()
            for now_s in range(60):
                with contextlib.suppress(LocalError, RemoteError):
                    self.do_something(book, chance, NOW_S + now_s)
                self.check(book)
                chest.commit(book.changes())
                self.assertEqual(list(Book(chest.all(ROOM))), list(book))

    def do_something(self, book: Book, chance: Random, now_s: int) -> None:
        """Call one of the book's methods with keys and names that meet often."""
        keys = [key_of(number) for number in range(1, 7)]
        key, other = chance.sample(keys, 2)
        name = chance.choice(["ann", "Ann", "bob", "b0b", "cat", "dan"])
        chance.choice(
            [
                lambda: book.add(contact(key, name, now_s, asked=chance.random() < 0.3)),
                lambda: book.add(contact(key, name, now_s, called=chance.choice(["ann", "bob"]))),
                lambda: book.rename(key, name),
                lambda: book.remove(key, now_s),
                lambda: book.forget(key),
                lambda: book.block(key, now_s),
                lambda: book.unblock(key),
                lambda: book.accept(key, other, [HOME]),
                lambda: book.seen(key, now_s, WORK),
                lambda: book.verify(key, fingerprint.of(key)),
                lambda: book.replace_key(key, other, key_of(9), b"d" * 32),
                lambda: book.dispute(key),
                lambda: book.revoke(key),
            ]
        )()

    def check(self, book: Book) -> None:
        live = [entry for entry in book if entry.is_live]
        self.assertEqual(len({texts.skeleton(entry.name) for entry in live}), len(live))
        for entry in book:
            self.assertEqual(book.of(entry.public()), entry)
            self.assertIsNone(book.successor(entry.public()))
            for former in entry.former:
                self.assertEqual(book.successor(PublicKey.parse(former.key)), entry)
            if entry.is_live:
                self.assertEqual(book.find(entry.name), entry)
                self.assertIsNotNone(book.lookalike(entry.name, key_of(50)))
