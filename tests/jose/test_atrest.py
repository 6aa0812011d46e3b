"""Rows at rest: found and opened by who has the key, and in their own place only."""

from __future__ import annotations

import pickle

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import DecryptFailed, TooLarge
from streembit.jose import atrest
from streembit.jose.atrest import LEAST_BYTES, MAX_POSITION, MAX_ROW_BYTES, AtRest, Place
from tests.jose.people import ANN, BOB

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=60)
KEYS = st.one_of(st.binary(max_size=40), st.integers(0, MAX_POSITION))


class RowTests(SynchronousTestCase):
    """One chest's rows."""

    def setUp(self) -> None:
        """Have two chests."""
        self.mine, self.theirs = AtRest(KEY), AtRest(OTHER)

    @QUICK
    @given(row=st.binary(max_size=2000), room=st.text(max_size=20), key=KEYS)
    def test_any_row_comes_back(self, row: bytes, room: str, key: bytes | int) -> None:
        """In its place, to its key, and each time sealed otherwise."""
        place = self.mine.place(room, key)
        sealed = self.mine.seal(place, row)
        self.assertEqual(self.mine.open_(place, sealed), row)
        self.assertNotEqual(self.mine.seal(place, row), sealed)
        self.assertRaises(DecryptFailed, self.theirs.open_, place, sealed)

    def test_every_place_is_another(self) -> None:
        """Rooms and keys of all kinds have places and keys of their own."""
        keys: list[bytes | int] = [b"", b"\0", b"1", 1, 0, (1).to_bytes(8), MAX_POSITION]
        places = [self.mine.place(room, key) for room in ("", "a", "b") for key in keys]
        self.assertEqual(len(set(places)), len(places))
        sealed = self.mine.seal(places[0], b"row")
        for place in places[1:]:
            self.assertRaises(DecryptFailed, self.mine.open_, place, sealed)
        self.assertNotEqual(self.mine.room("a"), self.theirs.room("a"))

    def test_a_name_and_a_number_never_share_a_key(self) -> None:
        """What stands before them in the derivation keeps them apart."""
        room = self.mine.room("a")
        number, name = Place(room, 7), Place(room, (7).to_bytes(8))
        sealed = self.mine.seal(number, b"row")
        self.assertRaises(DecryptFailed, self.mine.open_, name, sealed)

    def test_altered_rows(self) -> None:
        """Any flipped bit, any cut, and nothing at all."""
        place = self.mine.place("a", 1)
        sealed = self.mine.seal(place, b"row")
        for at in range(len(sealed)):
            altered = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
            self.assertRaises(DecryptFailed, self.mine.open_, place, altered)
        for cut in (0, 1, 11, 12, 13, 27, 28, len(sealed) - 1):
            self.assertRaises(DecryptFailed, self.mine.open_, place, sealed[:cut])

    def test_lengths(self) -> None:
        """The next power of two, and a most."""
        place = self.mine.place("a", 1)
        for size, padded in ((0, 256), (252, 256), (253, 512), (508, 512), (5000, 8192)):
            self.assertEqual(len(self.mine.seal(place, bytes(size))), padded + 28)
        self.assertGreaterEqual(LEAST_BYTES, 256)
        self.assertRaises(TooLarge, self.mine.seal, place, bytes(MAX_ROW_BYTES + 1))

    def test_what_is_no_place(self) -> None:
        """Numbers that a database could not keep, keys of another length."""
        for number in (-1, MAX_POSITION + 1):
            self.assertRaises(ValueError, self.mine.place, "a", number)
        self.assertRaises(ValueError, AtRest, KEY[:-1])
        self.assertRaises(TypeError, pickle.dumps, self.mine)


class LockTests(SynchronousTestCase):
    """The chest's key, wrapped for an account's."""

    def test_a_lock_opens_for_its_key(self) -> None:
        """And for no other; its name tells the keys apart and not what they are."""
        for identity in (ANN, BOB):
            key = identity.at_rest_key()
            wrapped = atrest.wrap(KEY, key)
            self.assertEqual(atrest.unwrap(wrapped, key), KEY)
            self.assertRaises(DecryptFailed, atrest.unwrap, wrapped, OTHER)
            self.assertRaises(DecryptFailed, atrest.unwrap, wrapped[:-1], key)
            self.assertNotIn(atrest.lock_name(key), key)
        self.assertNotEqual(ANN.at_rest_key(), BOB.at_rest_key())

    def test_the_account_s_key_is_none_of_its_others(self) -> None:
        """What locks the chest says nothing of what signs and agrees."""
        secrets = {ANN.seed, ANN.signing.scalar, ANN.agreement.scalar, ANN.at_rest_key()}
        secrets.add(ANN.router_secret())
        self.assertEqual(len(secrets), 5)
