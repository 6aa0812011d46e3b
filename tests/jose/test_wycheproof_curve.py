"""Wycheproof: ECDSA and ECDH on P-256, through our own keys."""

from __future__ import annotations

from collections import Counter

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadKey, BadSignature
from streembit.jose import base64url
from streembit.jose.keys import ORDER, PrivateKey, PublicKey
from tests.jose.wycheproof import Case, Group, cases

# A key of P-256 in DER (SubjectPublicKeyInfo, named curve), up to its point.
SPKI = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
UNCOMPRESSED = bytes.fromhex("3059") + SPKI + bytes.fromhex("034200")
COMPRESSED = bytes.fromhex("3039") + SPKI + bytes.fromhex("032200")


def compressed(x: bytes, y: bytes) -> bytes:
    """Return the 33-byte form of a point."""
    return bytes([2 + (y[-1] & 1)]) + x


def signer(group: Group) -> PublicKey:
    """Return the public key of a group of signatures."""
    point = bytes.fromhex(group["publicKey"]["uncompressed"])
    return PublicKey.parse(compressed(point[1:33], point[33:]))


def verdict(key: PublicKey, signature: bytes, data: bytes) -> str:
    """Return what our key says to a signature: accepted, high s, or refused."""
    try:
        key.verify(signature, data)
    except BadSignature as e:
        return "high s" if e.detail == "high s" else "refused"
    return "accepted"


class EcdsaTests(SynchronousTestCase):
    """Signatures with SHA-256."""

    def test_A6_the_262_signatures_in_raw_form(self) -> None:
        """Each invalid one is refused; each valid one is accepted in its low form."""
        seen: Counter[tuple[str, str]] = Counter()
        for group, case in cases("ecdsa_secp256r1_sha256_p1363_test.json"):
            key, data = signer(group), bytes.fromhex(case["msg"])
            signature = bytes.fromhex(case["sig"])
            said = verdict(key, signature, data)
            seen[case["result"], said] += 1
            if said == "high s" and int.from_bytes(signature[32:]) < ORDER:
                s = (ORDER - int.from_bytes(signature[32:])).to_bytes(32)
                low = verdict(key, signature[:32] + s, data)
                self.assertEqual(low == "accepted", case["result"] == "valid", case)
        self.assertEqual(
            seen,
            {
                ("valid", "accepted"): 103,
                ("valid", "high s"): 70,
                ("invalid", "refused"): 44,
                ("invalid", "high s"): 45,
            },
        )

    def test_A6_the_484_signatures_in_der_form(self) -> None:
        """What is not strict DER has no raw form; what has one is judged by our key."""
        seen: Counter[tuple[str, str]] = Counter()
        for group, case in cases("ecdsa_secp256r1_sha256_test.json"):
            seen[case["result"], self.verdict_of_der(group, case)] += 1
        self.assertEqual(
            seen,
            {
                ("valid", "accepted"): 174,
                ("invalid", "refused"): 75,
                ("invalid", "no raw form"): 235,
            },
        )

    def verdict_of_der(self, group: Group, case: Case) -> str:
        """Return what our key says to the raw form, with a low s, of a signature in DER."""
        try:
            r, s = decode_dss_signature(bytes.fromhex(case["sig"]))
            low = min(s, ORDER - s) if 0 < s < ORDER else s
            signature = r.to_bytes(32) + low.to_bytes(32)
        except (ValueError, OverflowError):
            return "no raw form"
        said = verdict(signer(group), signature, bytes.fromhex(case["msg"]))
        return "refused" if said == "high s" else said


class EcdhTests(SynchronousTestCase):
    """Shared secrets, and points that are none."""

    def test_A6_the_612_keys_in_der_form(self) -> None:
        """Each point in the one DER form of a P-256 key is agreed on, or refused."""
        seen: Counter[tuple[str, str]] = Counter()
        for _, case in cases("ecdh_secp256r1_test.json"):
            der = bytes.fromhex(case["public"])
            scalar = (int(case["private"], 16)).to_bytes(32)
            said = self.agree(der, scalar, case["shared"])
            seen[case["result"], said] += 1
        self.assertEqual(
            seen,
            {
                ("valid", "agreed"): 330,
                ("acceptable", "agreed"): 1,
                ("acceptable", "refused"): 1,
                ("acceptable", "another form"): 228,
                ("invalid", "refused"): 25,
                ("invalid", "another form"): 27,
            },
        )

    def agree(self, der: bytes, scalar: bytes, shared: str) -> str:
        """Return what came of agreeing with a public key in DER."""
        if der.startswith(UNCOMPRESSED) and len(der) == len(UNCOMPRESSED) + 65:
            point = der[len(UNCOMPRESSED) :]
            self.assertRaises(BadKey, PublicKey.parse, point)
            if point[0] != 4:
                return "another form"
            return self.exchange(point[1:33], point[33:], scalar, shared)
        if der.startswith(COMPRESSED) and len(der) == len(COMPRESSED) + 33:
            return self.exchange_point(der[len(COMPRESSED) :], scalar, shared)
        self.assertRaises(BadKey, PublicKey.parse, der)
        return "another form"

    def exchange(self, x: bytes, y: bytes, scalar: bytes, shared: str) -> str:
        """Return what came of agreeing with a point given by both coordinates."""
        point = compressed(x, y)
        try:
            key = PublicKey.parse(point)
        except BadKey:
            return "refused"
        numbers = key._key.public_numbers()
        if (numbers.x.to_bytes(32), numbers.y.to_bytes(32)) != (x, y):
            return "refused"  # its compressed form is another point, which lies on the curve
        return self.exchange_point(point, scalar, shared)

    def exchange_point(self, point: bytes, scalar: bytes, shared: str) -> str:
        """Return what came of agreeing with a compressed point."""
        try:
            key = PublicKey.parse(point)
        except BadKey:
            return "refused"
        secret = PrivateKey.from_scalar(scalar).exchange(key)
        return "agreed" if secret.hex() == shared else "disagreed"

    def test_A6_the_353_keys_in_jwk_form(self) -> None:
        """Both coordinates canonical and on the curve, or no key."""
        seen: Counter[tuple[str, str]] = Counter()
        for _, case in cases("ecdh_secp256r1_webcrypto_test.json"):
            public, private = case["public"], case["private"]
            if (public.get("crv"), private.get("crv")) != ("P-256", "P-256"):
                seen[case["result"], "another curve"] += 1
                continue
            x, y = (base64url.decode(public.get(axis, "")) for axis in ("x", "y"))
            scalar = base64url.decode(private["d"])
            if (len(x), len(y)) != (32, 32):
                said = "refused"
            else:
                said = self.exchange(x, y, scalar, case["shared"])
            seen[case["result"], said] += 1
        self.assertEqual(
            seen,
            {
                ("valid", "agreed"): 330,
                ("invalid", "refused"): 18,
                ("invalid", "another curve"): 5,
            },
        )
