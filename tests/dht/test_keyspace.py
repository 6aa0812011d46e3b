"""Ids and places: how they are made, and that no two things share one by accident."""

from __future__ import annotations

import json
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht import keyspace
from streembit.errors import BadName, BadToken, WrongPlace
from streembit.jose import base64url
from streembit.jose.keys import PublicKey
from streembit.wire.message import Contact, RecordClaims

VECTORS = Path(__file__).parents[2] / "docs" / "protocol" / "vectors" / "places.json"
IDS = st.integers(0, 2**160 - 1)


def vectors() -> Any:
    return json.loads(VECTORS.read_text())


class KeyspaceTests(SynchronousTestCase):
    """Numbers, their texts, and distances."""

    @settings(deadline=None, derandomize=True, database=None)
    @given(IDS)
    def test_text_and_number_say_the_same(self, number: int) -> None:
        """What `to_text` writes, and only that, `from_text` reads."""
        text = keyspace.to_text(number)
        self.assertEqual(len(text), 27)
        self.assertEqual(keyspace.from_text(text), number)
        self.assertEqual(int(keyspace.to_hex(number), 16), number)
        self.assertEqual(len(keyspace.to_hex(number)), 40)

    def test_a_text_of_another_length_is_refused(self) -> None:
        """Nineteen and 21 bytes are no id, and neither is a second spelling of one."""
        for text in ("", "A" * 26, "A" * 28, "A" * 26 + "B", "+" * 27):
            with self.assertRaises(BadToken):
                keyspace.from_text(text)

    @settings(deadline=None, derandomize=True, database=None)
    @given(IDS, IDS)
    def test_shared_bits_counts_the_common_beginning(self, a: int, b: int) -> None:
        """As brute force over the written bits does."""
        pairs = zip(f"{a:0160b}", f"{b:0160b}", strict=True)
        expected = next((n for n, (x, y) in enumerate(pairs) if x != y), 160)
        self.assertEqual(keyspace.shared_bits(a, b), expected)

    def test_the_id_of_a_node_is_the_hash_of_its_key(self) -> None:
        """Whatever a contact says of itself, its id is computed from its key."""
        point = bytes([2]) + sha256(b"x").digest()
        key = base64url.encode(point)
        plain = Contact(key, "192.0.2.1", 8905)
        self.assertEqual(keyspace.id_of(plain), int.from_bytes(sha1(point).digest()))
        address = Contact(key, "192.0.2.1", 8905, "address")
        self.assertEqual(keyspace.id_of(address), int.from_bytes(sha1(b"192.0.2.1:8905").digest()))
        named = Contact(key, "192.0.2.1", 8905, "composite", "anna")
        self.assertEqual(keyspace.id_of(named), keyspace.composite_id(point, "anna"))
        self.assertEqual(len({keyspace.id_of(c) for c in (plain, address, named)}), 3)

    def test_a_composite_id_needs_a_plain_name(self) -> None:
        """Upper case, empty, long and strange names make no id."""
        for name in ("", "Anna", "a" * 65, "a b", "ä", "a\n", "a\0"):
            with self.assertRaises(BadName):
                keyspace.composite_id(bytes(33), name)

    @settings(deadline=None, derandomize=True, database=None)
    @given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
    def test_two_salts_never_meet_by_shifting_letters(
        self, kind: str, salt: str, kind_b: str, salt_b: str
    ) -> None:
        """Parts are length-prefixed: "ab" and "c" lie elsewhere than "a" and "bc"."""
        key = bytes(33)
        same = (kind, salt) == (kind_b, salt_b)
        place = keyspace.record_place(key, kind, salt)
        self.assertEqual(place == keyspace.record_place(key, kind_b, salt_b), same)


class PlaceTests(SynchronousTestCase):
    """Where records lie, by the published vectors."""

    def test_the_vectors_hold(self) -> None:
        """A second implementation that agrees with places.json meets ours everywhere."""
        for case in vectors()["places"]:
            self.assertEqual(keyspace.to_hex(place(case)), case["place"], case)

    def test_a_key_record_lies_where_its_owner_can_be_found(self) -> None:
        """Its salt names the locator, which must be the signer's own."""
        case = vectors()["key_record"]
        key = PublicKey.from_hex(case["key"])
        node = keyspace.node_id(key.point)
        expected = {
            "id": keyspace.key_place(keyspace.to_bytes(node)),
            "fingerprint": keyspace.key_place(sha256(key.point).digest()),
            "composite:anna": keyspace.key_place(
                keyspace.to_bytes(keyspace.composite_id(key.point, "anna"))
            ),
        }
        for salt, where in expected.items():
            self.assertEqual(keyspace.place_of(claims(key, "key", salt), key), where)
            self.assertEqual(keyspace.to_hex(where), case["places"][salt])

    def test_a_key_record_with_another_salt_has_no_place(self) -> None:
        """So nobody leaves key records where no locator leads."""
        key = PublicKey.from_hex(vectors()["key_record"]["key"])
        for salt in ("", "ID", "id ", "composite", "composite:", "composite:A", "other"):
            with self.assertRaises(WrongPlace):
                keyspace.place_of(claims(key, "key", salt), key)


def claims(key: PublicKey, kind: str, salt: str) -> RecordClaims:
    return RecordClaims(key.text, "test", kind, salt, 1, 1, "")


def place(case: dict[str, str]) -> int:
    match case["of"]:
        case "node":
            return keyspace.node_id(bytes.fromhex(case["key"]))
        case "address":
            return keyspace.address_id(case["host"], int(case["port"]))
        case "composite":
            return keyspace.composite_id(bytes.fromhex(case["key"]), case["name"])
        case "record":
            return keyspace.record_place(bytes.fromhex(case["key"]), case["kind"], case["salt"])
        case "key":
            return keyspace.key_place(bytes.fromhex(case["locator"]))
        case "blob":
            return keyspace.blob_place(bytes.fromhex(case["digest"]))
        case other:
            raise AssertionError(other)
