"""Keys: only points of the curve are keys, and no secret shows."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadKey, BadSecret, BadSignature
from streembit.jose import base64url
from streembit.jose.keys import ORDER, Identity, ParsedKeys, PrivateKey, PublicKey
from tests.jose.people import ANN, BOB, KEY
from tests.sources import ROOT

FIELD = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
COEFFICIENT = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
VECTORS = ROOT / "docs/protocol/vectors/keys.json"


def is_on_curve(x: int) -> bool:
    """Return whether P-256 has a point with this coordinate, by Euler's criterion."""
    square = (x**3 - 3 * x + COEFFICIENT) % FIELD
    return square == 0 or pow(square, (FIELD - 1) // 2, FIELD) == 1


class PublicKeyTests(SynchronousTestCase):
    """A public key is a compressed point and nothing else."""

    def test_a_key_has_three_forms(self) -> None:
        """Bytes on the wire, base64url in claims, hex in files: all the same key."""
        key = ANN.public
        self.assertEqual(len(key.point), 33)
        self.assertEqual(len(key.text), 44)
        self.assertEqual(PublicKey.parse(key.point), key)
        self.assertEqual(PublicKey.from_text(key.text), key)
        self.assertEqual(PublicKey.from_hex(key.hex), key)
        self.assertEqual(PublicKey.parse(key.point).text, key.text)

    def test_a_key_keeps_its_point_when_the_buffer_changes(self) -> None:
        """The point is a copy of what was parsed, and can be hashed."""
        buffer = bytearray(ANN.public.point)
        key = PublicKey.parse(bytes(buffer))
        from_buffer = PublicKey.parse(buffer)
        buffer[1] ^= 1
        self.assertEqual({key, from_buffer}, {ANN.public})

    def test_keys_are_equal_by_their_point(self) -> None:
        """A key can be a member of a set."""
        self.assertEqual({ANN.public, PublicKey.parse(ANN.public.point)}, {ANN.public})
        self.assertNotEqual(ANN.public, BOB.public)
        self.assertNotEqual(ANN.public, ANN.public.point)

    @settings(deadline=None, derandomize=True, database=None)
    @given(x=st.integers(0, 2**256 - 1), sign=st.sampled_from([2, 3]))
    def test_A6_a_coordinate_is_a_key_only_on_the_curve(self, x: int, sign: int) -> None:
        """Half of all numbers are refused, exactly those without a point."""
        point = bytes([sign]) + x.to_bytes(32)
        if x < FIELD and is_on_curve(x):
            self.assertEqual(PublicKey.parse(point).point, point)
        else:
            self.assertRaises(BadKey, PublicKey.parse, point)

    def test_A6_other_forms_of_a_point_are_refused(self) -> None:
        """Identity, uncompressed, hybrid, other prefixes, short, long, empty."""
        x = ANN.public.point[1:]
        for point in (
            b"",
            b"\x00",
            b"\x02",
            b"\x00" * 33,
            b"\x04" + x + x,
            b"\x06" + x + x,
            b"\x07" + x + x,
            *(bytes([prefix]) + x for prefix in range(256) if prefix not in (2, 3)),
            ANN.public.point + b"\x00",
            ANN.public.point[:-1],
            b"\x02" + b"\x00" + x,
        ):
            self.assertRaises(BadKey, PublicKey.parse, point)

    def test_A6_coordinates_beyond_the_field_are_refused(self) -> None:
        """The number x + p is not another name of the point x."""
        small = next(x for x in range(1, 100) if is_on_curve(x))
        self.assertEqual(PublicKey.parse(b"\x02" + small.to_bytes(32)).point[0], 2)
        for x in (small + FIELD, FIELD, FIELD + 1, 2**256 - 1):
            self.assertRaises(BadKey, PublicKey.parse, b"\x02" + x.to_bytes(32))

    def test_A6_texts_that_are_not_a_key_are_refused(self) -> None:
        """Padding, upper-case hex, white space, no ASCII: never a second name for a key."""
        text, digits = ANN.public.text, ANN.public.hex
        for wrong in ("", text[:-1], text + "=", text + "A", " " + text, "é" * 44):
            self.assertRaises(BadKey, PublicKey.from_text, wrong)
        for wrong in ("", digits.upper(), digits[:-1], digits + "00", " " + digits, "é" * 66):
            self.assertRaises(BadKey, PublicKey.from_hex, wrong)
        spaced = digits[:2] + " " + digits[2:]
        self.assertRaises(BadKey, PublicKey.from_hex, spaced)


class SignatureTests(SynchronousTestCase):
    """A signature has one form."""

    @settings(deadline=None, derandomize=True, database=None, max_examples=40)
    @given(data=st.binary(max_size=100))
    def test_what_a_key_signs_it_verifies(self, data: bytes) -> None:
        """And no other key does, nor does it verify other data."""
        signature = KEY.sign(data)
        self.assertEqual(len(signature), 64)
        ANN.public.verify(signature, data)
        self.assertRaises(BadSignature, BOB.public.verify, signature, data)
        self.assertRaises(BadSignature, ANN.public.verify, signature, data + b"\x00")

    def test_A7_we_sign_with_a_low_s_and_take_no_other(self) -> None:
        """(r, n - s) is the same signature to everybody else, and none to us."""
        for number in range(40):
            data = bytes([number])
            signature = KEY.sign(data)
            s = int.from_bytes(signature[32:])
            self.assertLessEqual(s, ORDER // 2)
            twin = signature[:32] + (ORDER - s).to_bytes(32)
            self.assertRaises(BadSignature, ANN.public.verify, twin, data)

    def test_A6_signatures_out_of_range_are_refused(self) -> None:
        """0, n and beyond, as r, as s, and as both."""
        signature = KEY.sign(b"data")
        good_r, good_s = signature[:32], signature[32:]
        edges = [edge.to_bytes(32) for edge in (0, ORDER, ORDER + 1, 2**256 - 1)]
        for edge in edges:
            self.assertRaises(BadSignature, ANN.public.verify, edge + good_s, b"data")
            self.assertRaises(BadSignature, ANN.public.verify, good_r + edge, b"data")
            self.assertRaises(BadSignature, ANN.public.verify, edge + edge, b"data")

    def test_A6_signatures_of_another_length_are_refused(self) -> None:
        """Neither DER nor anything shorter or longer than 64 bytes."""
        signature = KEY.sign(b"data")
        for wrong in (b"", signature[:-1], signature + b"\x00", b"\x00" + signature, b"0" * 72):
            self.assertRaises(BadSignature, ANN.public.verify, wrong, b"data")


class PrivateKeyTests(SynchronousTestCase):
    """A secret is used, never shown."""

    def test_both_sides_agree_on_a_secret(self) -> None:
        """ECDH gives both the same 32 bytes."""
        one = ANN.agreement.exchange(BOB.agreement.public)
        two = BOB.agreement.exchange(ANN.agreement.public)
        self.assertEqual(one, two)
        self.assertEqual(len(one), 32)

    def test_a_scalar_makes_the_same_key_again(self) -> None:
        """What was stored can be used."""
        key = PrivateKey.generate()
        self.assertEqual(PrivateKey.from_scalar(key.scalar).public, key.public)
        self.assertEqual(len(PrivateKey.from_scalar((1).to_bytes(32)).scalar), 32)

    def test_numbers_that_are_no_scalar_are_refused(self) -> None:
        """0, n, beyond, and other lengths."""
        for number in (0, ORDER, ORDER + 1, 2**256 - 1):
            self.assertRaises(BadSecret, PrivateKey.from_scalar, number.to_bytes(32))
        for wrong in (b"", b"\x01", bytes(31) + b"\x01" + b"\x00", b"\x01" * 33):
            self.assertRaises(BadSecret, PrivateKey.from_scalar, wrong)

    def test_L7_no_text_of_a_secret_shows_it(self) -> None:
        """What reaches a log or a traceback holds the public key only."""
        secrets = [ANN.signing.scalar, ANN.agreement.scalar, ANN.seed]
        for text in (repr(ANN), str(ANN), repr(KEY), str(KEY), f"{ANN.agreement}", f"{[ANN]}"):
            self.assertIn(text.strip("[]")[-67:-1], {ANN.public.hex, ANN.agreement.public.hex})
            for secret in secrets:
                forms = (secret.hex(), base64url.encode(secret), str(int.from_bytes(secret)))
                self.assertFalse([form for form in forms if form in text])

    def test_L7_secrets_are_neither_pickled_nor_copied(self) -> None:
        """A cache or a crash dump that pickles objects gets an error."""
        for secret in (KEY, ANN):
            self.assertRaises(TypeError, pickle.dumps, secret)
            self.assertRaises(TypeError, copy.deepcopy, secret)

    def test_two_generated_keys_differ(self) -> None:
        """The operating system draws them."""
        self.assertNotEqual(PrivateKey.generate().public, PrivateKey.generate().public)
        self.assertNotEqual(Identity.generate().seed, Identity.generate().seed)


class IdentityTests(SynchronousTestCase):
    """An identity is its seed."""

    def test_a_seed_makes_the_same_identity_again(self) -> None:
        """The vectors of the protocol, both keys of each."""
        examples = json.loads(VECTORS.read_text(encoding="utf-8"))["identities"]
        self.assertGreaterEqual(len(examples), 3)
        for example in examples:
            identity = Identity.from_seed(bytes.fromhex(example["seed"]))
            self.assertEqual(identity.signing.scalar.hex(), example["signing"]["scalar"])
            self.assertEqual(identity.public.hex, example["signing"]["public_key"])
            self.assertEqual(identity.public.text, example["signing"]["text"])
            self.assertEqual(identity.agreement.scalar.hex(), example["agreement"]["scalar"])
            self.assertEqual(identity.agreement.public.hex, example["agreement"]["public_key"])

    def test_the_two_keys_have_nothing_in_common(self) -> None:
        """No key is used for two purposes."""
        self.assertNotEqual(ANN.signing.public, ANN.agreement.public)

    def test_a_name_decides_nothing(self) -> None:
        """The same seed under another name is the same identity."""
        self.assertEqual(Identity.from_seed(ANN.seed, "other").public, ANN.public)

    def test_a_seed_has_32_bytes(self) -> None:
        """Nothing shorter is stretched, nothing longer cut."""
        for wrong in (b"", b"x" * 31, b"x" * 33):
            self.assertRaises(BadSecret, Identity.from_seed, wrong)

    def test_A6_the_protocols_wrong_keys_are_refused(self) -> None:
        """What a second implementation must refuse, this one refuses."""
        document: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
        self.assertGreaterEqual(len(document["refused"]), 8)
        for example in document["refused"]:
            self.assertRaises(BadKey, PublicKey.parse, bytes.fromhex(example["hex"]))


class ParsedKeysTests(SynchronousTestCase):
    """The cache of keys is bounded."""

    def test_a_key_is_parsed_once(self) -> None:
        """The second time gives the same object."""
        keys = ParsedKeys()
        self.assertIs(keys.get(ANN.public.text), keys.get(ANN.public.text))

    def test_a_point_and_its_text_are_one_key(self) -> None:
        """What came in a message is not parsed again in a handshake, nor the other way round."""
        keys = ParsedKeys()
        self.assertIs(keys.parse(ANN.public.point), keys.get(ANN.public.text))
        self.assertIs(keys.get(BOB.public.text), keys.parse(BOB.public.point))

    def test_A6_a_point_is_parsed_as_strictly_as_any(self) -> None:
        """Another length or form is refused, and not kept."""
        keys = ParsedKeys()
        for wrong in (
            b"",
            ANN.public.point[:-1],
            b"\x04" + ANN.public.point[1:],
            b"\x02" + b"\xff" * 32,
        ):
            self.assertRaises(BadKey, keys.parse, wrong)
        self.assertEqual(len(keys), 0)

    def test_the_key_used_longest_ago_goes_first(self) -> None:
        """Memory does not grow with the number of strangers."""
        texts = [PrivateKey.generate().public.text for _ in range(4)]
        keys = ParsedKeys(max_entries=3)
        first, second, *_ = [keys.get(text) for text in texts[:3]]
        keys.get(texts[0])
        keys.get(texts[3])
        self.assertEqual(len(keys), 3)
        self.assertIs(keys.get(texts[0]), first)
        self.assertIsNot(keys.get(texts[1]), second)

    def test_what_is_no_key_is_not_kept(self) -> None:
        """A stranger's nonsense takes no place."""
        keys = ParsedKeys()
        for wrong in ("A" * 44, "", "é" * 44):
            self.assertRaises(BadKey, keys.get, wrong)
        self.assertEqual(len(keys), 0)
