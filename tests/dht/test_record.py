"""Records and blobs: what may stand, for how long, and which version counts."""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import permutations
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht import record as records
from streembit.dht.keyspace import KEY_KIND, blob_place, key_place, node_id, to_bytes, to_hex
from streembit.dht.record import CLOCK_SKEW_S, MAX_LIFE_S, Blob, Record
from streembit.errors import (
    BadHeader,
    BadMessage,
    BadSignature,
    BadToken,
    RecordExpired,
    RecordTooLarge,
    RecordTooLong,
    StreembitError,
    WrongNetwork,
    WrongPlace,
)
from streembit.jose import base64url
from streembit.jose.envelope import sign_record
from streembit.jose.jws import Kind, sign
from streembit.jose.keys import Identity, ParsedKeys, PrivateKey
from streembit.wire.message import MAX_ITEM_CHARS, MAX_VALUE_BYTES, RecordClaims

VECTORS = Path(__file__).parents[2] / "docs" / "protocol" / "vectors" / "records.json"
NOW = 1_800_000_000
KEY = PrivateKey.from_scalar(bytes(31) + b"\x07")
NET = "test"


class ReadTests(SynchronousTestCase):
    """Only what was signed, fits and is in time becomes a Record."""

    def setUp(self) -> None:
        self.keys = ParsedKeys()

    def read(self, token: str, now: float = NOW) -> Record:
        return records.read(token, self.keys, now, NET)

    def test_what_is_made_can_be_read(self) -> None:
        """By whoever holds the token alone."""
        made = record(b"hello", seq=3)
        got = self.read(made.token)
        self.assertEqual((got.value, got.seq, got.exp), (b"hello", 3, NOW + 60))
        self.assertEqual((got.place, got.digest), (made.place, made.digest))
        self.assertEqual(got.key, KEY.public)
        self.assertFalse(got.tombstone)

    def test_a_tombstone_is_a_record_without_a_value(self) -> None:
        """At the same place, with a higher number."""
        made = records.tombstone(KEY, "app", "x", 4, NOW + 60, NET)
        got = self.read(made.token)
        self.assertEqual((got.tombstone, got.value), (True, b""))
        self.assertEqual(got.place, record(b"", salt="x").place)

    def test_a_record_of_another_network_is_refused(self) -> None:
        """Also when everything else is right."""
        made = records.make(KEY, "app", "", b"", 1, NOW + 60, "other")
        with self.assertRaises(WrongNetwork):
            self.read(made.token)

    def test_A4_no_flipped_bit_of_a_record_is_accepted(self) -> None:
        """In header, claims or signature; what still reads has to be the same record."""
        token = record(b"some value", seq=7).token.encode()
        for place in range(len(token)):
            for bit in (0, 3, 6):
                altered = bytearray(token)
                altered[place] ^= 1 << bit
                with self.assertRaises(StreembitError):
                    self.read(altered.decode("latin-1"))

    def test_A8_a_message_of_another_kind_is_no_record(self) -> None:
        """The header says what was signed."""
        payload = base64url.decode(record(b"x").token.split(".")[1])
        with self.assertRaises(BadHeader):
            self.read(sign(Kind.RPC, payload, KEY).decode())

    def test_A7_the_twin_of_a_signature_makes_no_second_record(self) -> None:
        """(r, n - s) is refused, and records are known by what was signed only."""
        token = record(b"x").token
        signed, _, signature = token.rpartition(".")
        raw = base64url.decode(signature)
        order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        twin = raw[:32] + (order - int.from_bytes(raw[32:])).to_bytes(32)
        with self.assertRaises(BadSignature):
            self.read(f"{signed}.{base64url.encode(twin)}")
        again = record(b"x").token
        self.assertEqual(records.digest_of(again), records.digest_of(token))

    def test_A3_a_record_past_its_end_is_refused(self) -> None:
        """To the second, however well it is signed."""
        token = record(b"x", exp=NOW + 60).token
        self.read(token, NOW + 59)
        for now in (NOW + 60, NOW + 61, NOW + 2 * MAX_LIFE_S):
            with self.assertRaises(RecordExpired):
                self.read(token, now)

    def test_D6_the_window_for_the_publishers_clock(self) -> None:
        """An hour ahead is taken, a day ahead, 1970 and 2038 are not."""
        for offset, error in (
            (-3600, None),
            (0, None),
            (CLOCK_SKEW_S, None),
            (CLOCK_SKEW_S + 1, RecordTooLong),
            (24 * 3600, RecordTooLong),
            (2_147_483_647 - NOW, RecordTooLong),
            (-24 * 3600, RecordExpired),
            (-NOW, RecordExpired),
        ):
            token = record(b"x", exp=NOW + offset + MAX_LIFE_S).token
            if error is None:
                self.assertEqual(self.read(token).exp, NOW + offset + MAX_LIFE_S)
            else:
                with self.assertRaises(error):
                    self.read(token)

    def test_a_value_of_8_KiB_fits_and_one_byte_more_does_not(self) -> None:
        """On both sides; and the largest token fits the message that carries it."""
        full = record(bytes(MAX_VALUE_BYTES))
        self.assertEqual(len(self.read(full.token).value), MAX_VALUE_BYTES)
        widest = records.make(KEY, "k" * 32, "ß" * 127, bytes(8192), 2**53 - 1, NOW + 9, NET)
        self.assertLess(len(widest.token), MAX_ITEM_CHARS)
        with self.assertRaises(RecordTooLarge):
            record(bytes(MAX_VALUE_BYTES + 1))

    def test_strange_claims_are_refused_though_signed(self) -> None:
        """Control characters, long salts, values in a tombstone or not in base64url."""
        text = KEY.public.text
        for claims, error in (
            (RecordClaims(text, NET, "app", "a\nb", 1, NOW + 9, ""), BadMessage),
            (RecordClaims(text, NET, "app", "\x7f", 1, NOW + 9, ""), BadMessage),
            (RecordClaims(text, NET, "app", "\x85", 1, NOW + 9, ""), BadMessage),
            (RecordClaims(text, NET, "app", "ä" * 128, 1, NOW + 9, ""), BadMessage),
            (RecordClaims(text, NET, "app", "", 1, NOW + 9, "eA", True), BadMessage),
            (RecordClaims(text, NET, "app", "", 1, NOW + 9, "eB"), BadToken),
            (RecordClaims(text, NET, "key", "elsewhere", 1, NOW + 9, ""), WrongPlace),
        ):
            with self.assertRaises(error):
                self.read(sign_record(KEY, claims))

    def test_what_cannot_be_read_is_never_made(self) -> None:
        """The builder has the reader's rules."""
        for kind, salt in (("app", "a\0"), ("app", "ä" * 128), ("key", "elsewhere")):
            with self.assertRaises((BadMessage, WrongPlace)):
                records.make(KEY, kind, salt, b"", 1, NOW + 9, NET)

    def test_an_item_that_belongs_elsewhere_is_refused(self) -> None:
        """A peer answers with a true record, but of another place: it does not count."""
        made, blob = record(b"x"), Blob.of(b"data")
        for kind, item in (("record", made), ("blob", blob)):
            got = records.read_at(item.place, kind, item.token, self.keys, NOW, NET)
            self.assertEqual(got.digest, item.digest)
            with self.assertRaises(WrongPlace):
                records.read_at(item.place ^ 1, kind, item.token, self.keys, NOW, NET)


def key_record(identity: Identity, salt: str, seq: int) -> Record:
    """Return what tells the identity's keys to whoever holds its locator."""
    point = identity.agreement.public.point
    return records.make(identity.signing, KEY_KIND, salt, point, seq, NOW + 9, NET)


class KeyRecordTests(SynchronousTestCase):
    """How whoever holds a locator comes to the key."""

    def test_the_key_is_found_by_node_id_and_by_fingerprint(self) -> None:
        """And the record tells both keys, signed by the first."""
        identity = Identity.generate("anna")
        point = identity.public.point
        by_id = key_record(identity, "id", 1)
        by_fingerprint = key_record(identity, "fingerprint", 1)
        self.assertEqual(by_id.place, key_place(to_bytes(node_id(point))))
        self.assertEqual(by_fingerprint.place, key_place(sha256(point).digest()))
        got = records.read(by_id.token, ParsedKeys(), NOW, NET)
        self.assertEqual(records.agreement_key(got), identity.agreement.public)
        self.assertEqual(got.key, identity.public)

    def test_nobody_writes_a_key_record_for_another(self) -> None:
        """Signed by a second key it lies at the second key's own place."""
        anna, eve = Identity.generate("anna"), Identity.generate("eve")
        mine = key_record(anna, "id", 1)
        hers = key_record(eve, "id", 9)
        with self.assertRaises(WrongPlace):
            records.read_at(mine.place, "record", hers.token, ParsedKeys(), NOW, NET)

    def test_other_records_tell_no_keys(self) -> None:
        """Nor does a tombstone."""
        gone = records.tombstone(KEY, "key", "id", 2, NOW + 9, NET)
        for other in (record(b"x"), gone):
            with self.assertRaises(BadMessage):
                records.agreement_key(other)


class PreferTests(SynchronousTestCase):
    """Which of two versions counts."""

    def test_D4_all_120_orders_of_five_versions_end_with_the_same(self) -> None:
        """Two of them carry the same number: then the smaller digest, for everybody."""
        versions = [record(bytes([n]), seq=seq) for n, seq in enumerate((1, 2, 3, 3, 0))]
        winners = set()
        for order in permutations(versions):
            best = order[0]
            for other in order[1:]:
                chosen = records.prefer(best, other)
                assert isinstance(chosen, Record)
                best = chosen
            winners.add(best.digest)
        self.assertEqual(winners, {min(versions[2].digest, versions[3].digest)})


class BlobTests(SynchronousTestCase):
    """Immutable bytes."""

    def test_a_blob_lies_where_its_contents_say(self) -> None:
        """So it cannot be exchanged."""
        blob = Blob.of(b"data")
        self.assertEqual(blob.place, blob_place(sha256(b"data").digest()))
        self.assertEqual((blob.seq, blob.exp, base64url.decode(blob.token)), (0, 0, b"data"))
        with self.assertRaises(RecordTooLarge):
            Blob.of(bytes(MAX_VALUE_BYTES + 1))


class VectorTests(SynchronousTestCase):
    """records.json: what a second implementation has to read and to refuse."""

    def test_the_accepted_ones_are_read(self) -> None:
        """With the claims, place and digest that the file states."""
        vectors = load()
        for case in vectors["accepted"]:
            got = records.read(case["token"], ParsedKeys(), vectors["now"], vectors["network"])
            self.assertEqual(to_hex(got.place), case["place"])
            self.assertEqual(got.digest.hex(), case["digest"])
            self.assertEqual(got.value.hex(), case["value"])
            self.assertEqual((got.seq, got.exp), (case["seq"], case["exp"]))
            self.assertEqual(got.tombstone, case["tombstone"])

    def test_the_refused_ones_are_refused_with_their_code(self) -> None:
        """Each for the reason that it was made for."""
        vectors = load()
        for case in vectors["refused"]:
            with self.assertRaises(StreembitError) as caught:
                records.read(case["token"], ParsedKeys(), vectors["now"], vectors["network"])
            self.assertEqual(caught.exception.code, case["code"], case["why"])

    def test_the_order_of_versions(self) -> None:
        """Of each pair the first one counts."""
        vectors = load()
        for first, second in vectors["preferred"]:
            pair = [
                records.read(token, ParsedKeys(), vectors["now"], vectors["network"])
                for token in (first, second)
            ]
            self.assertIs(records.prefer(*pair), pair[0])
            self.assertIs(records.prefer(*reversed(pair)), pair[0])


def load() -> Any:
    return json.loads(VECTORS.read_text())


def record(value: bytes, *, salt: str = "", seq: int = 1, exp: int = NOW + 60) -> Record:
    return records.make(KEY, "app", salt, value, seq, exp, NET)
