"""Pairs: two contacts compute the same, nobody else does, and nothing shows."""

from __future__ import annotations

import pickle
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.contacts import pair
from streembit.contacts.padding import pad, unpad
from streembit.contacts.pair import CARD_BYTES, PARCEL_BYTES, SIGNED_BYTES, VALUE_BYTES, Pair
from streembit.errors import (
    BadHeader,
    BadJson,
    BadKey,
    BadMessage,
    BadSignature,
    BadToken,
    DecryptFailed,
    RemoteError,
    TooLarge,
    WrongAudience,
    WrongIssuer,
    WrongNetwork,
)
from streembit.jose import base64url, envelope, jwe
from streembit.jose.keys import Identity
from streembit.wire import codec
from streembit.wire.card import MAX_PREKEYS_CHARS, MAX_ROTATION_CHARS, MAX_WAITING, Card
from streembit.wire.message import Letter
from streembit.wire.offer import Address
from tests.contacts.people import CAT, DAY_S, NETWORK, NOW_S
from tests.jose.people import ANN, BOB, EVE

QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=40)
DAY = pair.day_of(NOW_S)
ADDRESSES = [Address("192.0.2.7", 32319), Address("2001:db8::7", 443, "wss")]


def pair_of(own: Identity, contact: Identity) -> Pair:
    """Return the pair as `own` computes it."""
    return Pair(own, contact.public, contact.agreement.public)


def card_of(**changes: Any) -> Card:
    """Return a good card, some members others."""
    members = {
        "number": 7,
        "made_s": NOW_S,
        "net": NETWORK,
        "addresses": ADDRESSES,
        "port": 32319,
        "prekeys": "cHJla2V5cw",
        "first": 3,
        "last": 9,
    }
    return Card(**{**members, **changes})


class PlaceTests(SynchronousTestCase):
    """Where cards and parcels lie."""

    def setUp(self) -> None:
        """Have both views of one pair."""
        self.ann, self.bob = pair_of(ANN, BOB), pair_of(BOB, ANN)

    def test_both_compute_the_same(self) -> None:
        """What is ours to one is theirs to the other: places and keys."""
        for number in (0, 1, DAY, 2**53 - 1):
            self.assertEqual(
                self.ann.place_salt("ours", number), self.bob.place_salt("theirs", number)
            )
            self.assertEqual(
                self.ann.record_key("theirs", number).scalar,
                self.bob.record_key("ours", number).scalar,
            )
            self.assertEqual(
                self.ann.parcel_salt("ours", number), self.bob.parcel_salt("theirs", number)
            )
            self.assertEqual(
                self.ann.parcel_key("ours", number).scalar,
                self.bob.parcel_key("theirs", number).scalar,
            )

    def test_everything_differs(self) -> None:
        """Sides, days, numbers, cards from parcels, pairs from pairs: nothing comes twice."""
        people = (ANN, BOB, EVE, CAT)
        pairs = [pair_of(people[i], other) for i in range(4) for other in people[i + 1 :]]
        seen: list[object] = []
        for one, side, number in product(pairs, ("ours", "theirs"), (DAY, DAY + 1)):
            keys = one.record_key(side, number), one.parcel_key(side, number)  # type: ignore[arg-type]
            salts = one.place_salt(side, number), one.parcel_salt(side, number)  # type: ignore[arg-type]
            seen += [*salts, *(key.public for key in keys)]
        self.assertEqual(len(set(seen)), len(seen))
        self.assertEqual(len(seen), 6 * 2 * 2 * 4)

    def test_a_stranger_with_all_public_keys_computes_none(self) -> None:
        """Eve's own pairs with both lead elsewhere."""
        mine = {self.ann.place_salt(side, DAY) for side in ("ours", "theirs")}
        for other in (pair_of(EVE, ANN), pair_of(EVE, BOB)):
            hers = {other.place_salt(side, DAY) for side in ("ours", "theirs")}
            self.assertEqual(mine & hers, set())

    def test_another_agreement_key_makes_another_pair(self) -> None:
        """So a change of keys leaves the old places behind."""
        changed = Pair(ANN, BOB.public, EVE.agreement.public)
        self.assertNotEqual(changed.place_salt("ours", DAY), self.ann.place_salt("ours", DAY))

    def test_nobody_is_a_contact_of_its_own(self) -> None:
        """Neither by one key nor by the other."""
        for key, agreement in ((ANN, BOB), (BOB, ANN), (ANN, ANN)):
            self.assertRaises(BadKey, Pair, ANN, key.public, agreement.agreement.public)

    def test_L7_the_secret_does_not_leave(self) -> None:
        """Neither printed nor pickled."""
        self.assertNotIn(self.ann._secret.hex(), repr(self.ann))
        self.assertEqual(repr(self.ann), f"<Pair with {BOB.public.hex}>")
        self.assertRaises(TypeError, pickle.dumps, self.ann)


class DayTests(SynchronousTestCase):
    """Which day it is, and which ones are published and read."""

    def test_days(self) -> None:
        """UTC days, counted from 1970."""
        self.assertEqual(pair.day_of(0), 0)
        self.assertEqual(pair.day_of(DAY_S - 0.5), 0)
        self.assertEqual(pair.day_of(DAY_S), 1)
        self.assertEqual(pair.days_to_publish(NOW_S), (DAY, DAY + 1))

    def test_clocks_an_hour_apart_meet(self) -> None:
        """Whoever published within a day is found, whichever of the two clocks is ahead."""
        for minute in range(0, 2 * 24 * 60, 7):
            now_s = NOW_S + 60 * minute
            for skew_s in (-3600, -60, 0, 60, 3600):
                published = set(pair.days_to_publish(now_s + skew_s))
                self.assertTrue(published & set(pair.days_to_read(now_s)), (minute, skew_s))

    def test_one_look_up_is_enough_most_of_the_day(self) -> None:
        """Two in the last hour only."""
        counts = [len(pair.days_to_read(DAY * DAY_S + 60 * m)) for m in range(24 * 60)]
        self.assertEqual((counts.count(1), counts.count(2)), (23 * 60, 60))

    def test_ends_of_life_are_the_same_for_all(self) -> None:
        """Within an hour everybody writes the same number, that stores take."""
        start_s = NOW_S - NOW_S % 3600
        ends = {pair.expiry(start_s + second) for second in (0, 1, 1799.5, 3599)}
        self.assertEqual(ends, {start_s + DAY_S})


class CardTests(SynchronousTestCase):
    """What one tells the other."""

    def setUp(self) -> None:
        """Have both views of one pair."""
        self.ann, self.bob = pair_of(ANN, BOB), pair_of(BOB, ANN)

    def open(self, value: bytes) -> Card:
        """Return Ann's card as Bob opens it."""
        return self.bob.open(value, NETWORK)

    def letter(self, body: bytes, signer: Identity = ANN, **changes: str) -> bytes:
        """Return a value to Bob that `Pair.seal` would not make."""
        members = {"iss": signer.public.text, "aud": BOB.public.text, "typ": "sealed"}
        letter = Letter(**{**members, **changes}, val=base64url.encode(body))
        inner = envelope.sign_letter(signer.signing, letter)
        return jwe.seal(inner, BOB.agreement.public, typ="sealed").encode()

    def test_a_card_comes_back(self) -> None:
        """With all members, the longest ones too."""
        longest = card_of(
            number=2**53 - 1,
            net="n" * 64,
            addresses=[Address("a" * 253, 65535, "wss")] * 4,
            prekeys="A" * MAX_PREKEYS_CHARS,
            last=2**53 - 1,
            first=2**53 - 1,
        )
        rotated = card_of(rotation="A" * MAX_ROTATION_CHARS, prekeys="", removed=True)
        for card in (card_of(), card_of(addresses=[], first=0, last=0), longest, rotated):
            self.assertEqual(self.bob.open(self.ann.seal(card), card.net), card)

    def test_all_values_have_one_size_and_one_form(self) -> None:
        """Short and long cards, short and long parcels, to whomever."""
        other = pair_of(CAT, EVE)
        values = [
            self.ann.seal(card_of()),
            self.ann.seal(card_of(addresses=[], prekeys="", first=0, last=0)),
            self.ann.seal(card_of(prekeys="A" * MAX_PREKEYS_CHARS)),
            other.seal(card_of(removed=True)),
            self.ann.seal_parcel(b""),
            self.ann.seal_parcel(bytes(PARCEL_BYTES)),
            other.seal_parcel(b"x" * 300),
        ]
        self.assertEqual({len(value) for value in values}, {VALUE_BYTES})
        shapes = {tuple(len(part) for part in value.split(b".")) for value in values}
        self.assertEqual(len(shapes), 1)
        heads = {base64url.decode(value.split(b".")[0])[:70] for value in values}
        self.assertEqual(len(heads), 1)
        self.assertEqual(len(set(values)), len(values))

    def test_nothing_of_it_shows(self) -> None:
        """Neither keys nor addresses nor names, in any of their forms."""
        value = self.ann.seal(card_of())
        opened = b"".join(base64url.decode(part) for part in value.split(b"."))
        for one in (ANN, BOB):
            for key in (one.public, one.agreement.public):
                for form in (key.point, key.text.encode(), key.hex.encode()):
                    self.assertNotIn(form, value + opened)
        for text in (b"192.0.2.7", b"2001:db8", b"32319", b"main", b"iss", b"addresses"):
            self.assertNotIn(text, value + opened)

    def test_two_seals_of_one_card_differ(self) -> None:
        """Published again, it cannot be told from another."""
        self.assertNotEqual(self.ann.seal(card_of()), self.ann.seal(card_of()))

    def test_nobody_else_opens_it(self) -> None:
        """Not even its writer."""
        value = self.ann.seal(card_of())
        for reader in (pair_of(EVE, ANN), pair_of(CAT, BOB), self.ann):
            self.assertRaises(DecryptFailed, reader.open, value, NETWORK)

    def test_A2_a_card_for_somebody_else(self) -> None:
        """Bob cannot pass Ann's card for Eve on, nor one of Eve's as Ann's."""
        body = pad(codec.encode(card_of()), CARD_BYTES)
        self.assertRaises(WrongAudience, self.open, self.letter(body, aud=EVE.public.text))
        self.assertRaises(WrongIssuer, self.open, self.letter(body, signer=EVE))

    def test_A9_the_thief_of_bobs_keys_writes_no_card_of_anns(self) -> None:
        """He finds the place and its key, but not Ann's signature."""
        thief = pair_of(BOB, ANN)
        self.assertEqual(thief.place_salt("theirs", DAY), self.ann.place_salt("ours", DAY))
        body = pad(codec.encode(card_of()), CARD_BYTES)
        for signer in (BOB, EVE):
            value = self.letter(body, signer=signer, iss=ANN.public.text)
            self.assertRaises(BadSignature, self.open, value)

    def test_A8_a_letter_of_another_type_is_no_card(self) -> None:
        """Nor is a parcel, nor a card a parcel."""
        body = pad(codec.encode(card_of()), CARD_BYTES)
        self.assertRaises(BadMessage, self.open, self.letter(body, typ="letter"))
        self.assertRaises((BadToken, BadHeader), self.open, self.ann.seal_parcel(b"parcel"))
        self.assertRaises(BadMessage, self.bob.open_parcel, self.ann.seal(card_of()))

    def test_bad_bodies(self) -> None:
        """Signed by Ann herself, and refused all the same."""
        good = codec.encode(card_of())
        for body in (b"", b"{}", b"null", good[:-1], good + b"}", b"\xff"):
            self.assertRaises(BadJson, self.open, self.letter(pad(body, CARD_BYTES)))
        wrong = pad(good, CARD_BYTES)
        for padded in (
            wrong[:-1] + b"\x01",
            b"\xff\xff" + wrong[2:],
            wrong[2:] + b"\0\0",
        ):
            self.assertRaises(RemoteError, self.open, self.letter(padded))
        for other in (good, wrong + b"\0", wrong[:-1], b""):
            self.assertRaises(BadMessage, self.open, self.letter(other))

    def test_parcels_that_cannot_be(self) -> None:
        """Announced by nobody, and taken from nobody."""
        for first, last in ((0, 1), (1, 0), (5, 4), (1, MAX_WAITING + 1)):
            card = card_of(first=first, last=last)
            self.assertRaises(BadMessage, self.ann.seal, card)
            value = self.letter(pad(codec.encode(card), CARD_BYTES))
            self.assertRaises(BadMessage, self.open, value)
        self.open(self.ann.seal(card_of(first=1, last=MAX_WAITING)))

    def test_another_network(self) -> None:
        """Cards do not cross."""
        self.assertRaises(WrongNetwork, self.bob.open, self.ann.seal(card_of()), "test")

    def test_A4_altered_values(self) -> None:
        """A byte changed anywhere, one cut off, one added."""
        value = self.ann.seal(card_of())
        for at in range(0, len(value), 97):
            altered = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
            self.assertRaises(RemoteError, self.open, altered)
        for other in (b"", value[:-1], value + b"A", b"." * VALUE_BYTES):
            self.assertRaises(RemoteError, self.open, other)

    def test_a_card_that_is_too_long(self) -> None:
        """It is refused before anything is signed."""
        addresses = [Address("a" * 253, 65535, "wss")] * 4
        long = card_of(addresses=addresses, prekeys="A" * 1500, rotation="A" * 1500)
        self.assertRaises(TooLarge, self.ann.seal, long)


class ParcelTests(SynchronousTestCase):
    """What one leaves for the other."""

    @QUICK
    @given(parcel=st.binary(max_size=PARCEL_BYTES))
    def test_any_parcel_comes_back(self, parcel: bytes) -> None:
        """Of each length up to the longest."""
        value = pair_of(ANN, BOB).seal_parcel(parcel)
        self.assertEqual(pair_of(BOB, ANN).open_parcel(value), parcel)
        self.assertEqual(len(value), VALUE_BYTES)

    def test_longer_ones_are_refused(self) -> None:
        """By one byte."""
        self.assertRaises(TooLarge, pair_of(ANN, BOB).seal_parcel, bytes(PARCEL_BYTES + 1))

    @QUICK
    @given(body=st.binary(max_size=100), noise=st.binary(min_size=102, max_size=102))
    def test_padding(self, body: bytes, noise: bytes) -> None:
        """What was padded comes back; what is unpadded was padded so."""
        self.assertEqual(unpad(pad(body, 102), 102), body)
        try:
            found = unpad(noise, 102)
        except BadMessage:
            return
        self.assertEqual(pad(found, 102), noise)

    def test_the_sizes_are_one(self) -> None:
        """A card with its signature is as long as a padded parcel."""
        letter = Letter("A" * 44, "A" * 44, "sealed", base64url.encode(bytes(CARD_BYTES)))
        self.assertEqual(len(envelope.sign_letter(ANN.signing, letter)), SIGNED_BYTES)
