"""Wycheproof: tokens and keys of JOSE, through our readers of signed and of sealed messages.

Our readers take one header each, so they refuse every token of these
files, the valid ones too. Below that, the vectors of our own
algorithms (ES256; ECDH-ES+A256KW with GCM, on P-256) are answered as
the files say, and their signatures under our own header too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadHeader, BadKey, BadSignature, BadToken, DecryptFailed, RemoteError
from streembit.jose import base64url, jwe, jws
from streembit.jose.jws import Kind
from streembit.jose.keys import ORDER, PrivateKey, PublicKey
from tests.jose.people import BOB
from tests.jose.wycheproof import Case, Group, cases

FILES = {
    "json_web_signature_test.json": 401,
    "json_web_encryption_test.json": 139,
    "json_web_key_test.json": 26,
    "json_web_crypto_test.json": 83,
}


def token_of(case: Case) -> str:
    """Return the token; the JSON form of a token becomes its text."""
    token = case.get("jws", case.get("jwe"))
    return token if isinstance(token, str) else str(token)


def public_key(jwk: dict[str, Any]) -> PublicKey:
    """Return the key of a JWK with both coordinates on P-256; raise BadKey."""
    if (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256"):
        raise BadKey("not of P-256")
    x, y = (base64url.decode(jwk[axis]) for axis in ("x", "y"))
    key = PublicKey.parse(bytes([2 + (y[-1] & 1)]) + x)
    if key._key.public_numbers().y.to_bytes(32) != y:
        raise BadKey("not on the curve")
    return key


def es256(name: str) -> Iterator[tuple[PublicKey, Case]]:
    """Yield the cases whose one key is an ES256 key to sign with."""
    for group, case in cases(name):
        jwk = group.get("public") or {}
        if jwk.get("alg") == "ES256" and jwk.get("use") == "sig" and jwk.get("crv") == "P-256":
            yield public_key(jwk), case


def verifies(token: str, key: PublicKey) -> bool:
    """Return whether the third part signs the first two, with either s, whatever the header."""
    signing_input, _, text = token.rpartition(".")
    try:
        signature = base64url.decode(text)
        s = int.from_bytes(signature[32:])
        low = min(s, ORDER - s) if len(signature) == 64 and 0 < s < ORDER else s
        raw = signature[:32] + low.to_bytes(32) if low < 2**256 else signature
        key.verify(raw, signing_input.encode())
    except RemoteError:
        return False
    return True


class EveryTokenTests(SynchronousTestCase):
    """None of these tokens is one of ours."""

    def test_A5_no_token_is_taken_for_a_signed_message(self) -> None:
        """All 649, for each kind of message."""
        for name, count in FILES.items():
            tokens = [token_of(case) for _, case in cases(name)]
            self.assertEqual(len(tokens), count)
            for token in tokens:
                for kind in Kind:
                    self.assertRaises((BadHeader, BadToken), jws.split, token.encode(), kind)

    def test_A5_no_token_is_opened_as_a_sealed_message(self) -> None:
        """All 649, with a type and with none, by somebody else's key."""
        for name in FILES:
            for _, case in cases(name):
                token = token_of(case)
                self.assertRaises((BadHeader, BadToken), jwe.open_, token, BOB.agreement, typ="x")
                refusals = BadHeader, BadToken, DecryptFailed
                self.assertRaises(refusals, jwe.open_, token, BOB.agreement, typ=None)


class SignatureTests(SynchronousTestCase):
    """The vectors of ES256."""

    def test_A5_the_39_signatures_of_es256(self) -> None:
        """Two are valid: without their header, which no message of ours has, we agree."""
        seen: Counter[tuple[str, bool]] = Counter()
        for key, case in es256("json_web_signature_test.json"):
            seen[case["result"], verifies(token_of(case), key)] += 1
        self.assertEqual(seen, {("valid", True): 2, ("invalid", False): 37})

    def test_A5_the_15_signatures_of_es256_in_the_older_file(self) -> None:
        """One of them is valid."""
        seen: Counter[tuple[str, bool]] = Counter()
        for key, case in es256("json_web_crypto_test.json"):
            seen[case["result"], verifies(token_of(case), key)] += 1
        self.assertEqual(seen, {("valid", True): 1, ("invalid", False): 14})

    def test_A6_their_signatures_under_our_header_are_refused(self) -> None:
        """The 24 special values of r and s, as they stand, behind a header of ours."""
        count = 0
        for group, case in cases("json_web_signature_test.json"):
            if group["comment"] != "SpecialCaseEs256":
                continue
            count += 1
            signature = token_of(case).rpartition(".")[2].encode()
            token = Kind.RPC.prefix + base64url.encode_bytes(b"{}") + b"." + signature
            self.assertRaises((BadToken, BadSignature), self.verify, token, group)
        self.assertEqual(count, 24)

    def verify(self, token: bytes, group: Group) -> None:
        """Verify a token of ours by the key of a group."""
        jws.split(token, Kind.RPC).check(public_key(group["public"]))

    def test_A7_the_21_vectors_of_base64(self) -> None:
        """Each part is read if and only if it is canonical, whoever else reads more."""
        refused = set()
        count = 0
        for group, case in cases("json_web_signature_test.json"):
            if group["comment"] != "base64":
                continue
            count += 1
            try:
                for part in token_of(case).split("."):
                    base64url.decode(part)
            except BadToken:
                refused.add(case["tcId"])
        self.assertEqual(count, 21)
        self.assertEqual(refused, {*range(360, 367), 368, 369, *range(371, 376)})


class KeyTests(SynchronousTestCase):
    """The vectors of JSON web keys."""

    def test_A6_the_keys_of_the_26_vectors(self) -> None:
        """Three are points of P-256; the rest, a changed point among them, is no key of ours.

        The three are invalid by what their JWK says of their use; our
        keys carry no such words, since each protocol fixes the use.
        """
        keys, others = [], 0
        for group, case in cases("json_web_key_test.json"):
            [jwk, *_] = (group.get("public") or {}).get("keys", [{}])
            try:
                key = public_key(jwk)
            except BadKey:
                others += 1
            else:
                self.assertTrue(verifies(token_of(case), key))
                keys.append(group["comment"])
        self.assertEqual(keys, ["wrong_algorithm", "invalid_algorithm", "invalid_use"])
        self.assertEqual(others, 23)


class EncryptionTests(SynchronousTestCase):
    """The vectors of ECDH-ES+A256KW with GCM."""

    def test_A5_the_five_sealed_tokens_of_our_algorithms(self) -> None:
        """Two are opened by our reader; three with a cut tag are refused."""
        opened, refused = [], []
        for group, case in cases("json_web_encryption_test.json"):
            if group["private"].get("alg") != "ECDH-ES+A256KW" or not case["enc"].endswith("GCM"):
                continue
            key = PrivateKey.from_scalar(base64url.decode(group["private"]["d"]))
            try:
                self.assertEqual(jwe.open_(token_of(case), key, typ=None).hex(), case["pt"])
                opened.append(case["tcId"])
            except BadToken:
                refused.append(case["tcId"])
        self.assertEqual((opened, refused), ([62, 66], [63, 64, 65]))

    def test_A5_every_other_algorithm_is_refused_even_with_the_right_key(self) -> None:
        """The 38 tokens to a key of P-256 by ECDH-ES alone, AES-128, AES-192, or CBC."""
        count = 0
        for group, case in cases("json_web_encryption_test.json"):
            private = group["private"]
            if private.get("crv") != "P-256" or case["tcId"] in range(62, 67):
                continue
            count += 1
            key = PrivateKey.from_scalar(base64url.decode(private["d"]))
            self.assertRaises((BadHeader, BadToken), jwe.open_, token_of(case), key, typ=None)
        self.assertEqual(count, 38)
