"""Wycheproof: the ciphers and key derivations that we use, in the form that we use them."""

from __future__ import annotations

import hmac
from collections import Counter

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from twisted.trial.unittest import SynchronousTestCase

from tests.jose.wycheproof import Case, cases


def field(case: Case, name: str) -> bytes:
    """Return a member that is written in hex."""
    return bytes.fromhex(case[name])


class CipherTests(SynchronousTestCase):
    """Each vector with the sizes that we use is answered as it must be."""

    def test_A5_the_aes_gcm_vectors(self) -> None:
        """Keys of 256 bits (and 128, which sealed data may have), nonces of 96, tags of 128."""
        seen: Counter[tuple[int, str]] = Counter()
        for group, case in cases("aes_gcm_test.json"):
            if (group["ivSize"], group["tagSize"]) != (96, 128) or group["keySize"] == 192:
                continue
            seen[group["keySize"], case["result"]] += 1
            self.assertEqual(self.opens(case), case["result"] == "valid", case)
        self.assertEqual(
            seen,
            {(256, "valid"): 39, (256, "invalid"): 27, (128, "valid"): 40, (128, "invalid"): 27},
        )

    def opens(self, case: Case) -> bool:
        """Return whether the sealed text opens, to the right plaintext."""
        cipher, nonce, data = AESGCM(field(case, "key")), field(case, "iv"), field(case, "aad")
        sealed = field(case, "ct") + field(case, "tag")
        try:
            opened = cipher.decrypt(nonce, sealed, data)
        except InvalidTag:
            return False
        self.assertEqual(opened, field(case, "msg"))
        self.assertEqual(cipher.encrypt(nonce, opened, data), sealed)
        return True

    def test_A5_the_aes_key_wrap_vectors(self) -> None:
        """Wrapping keys of 256 bits; the acceptable one wraps 8 bytes, which we never do."""
        seen: Counter[str] = Counter()
        for group, case in cases("aes_wrap_test.json"):
            if group["keySize"] != 256:
                continue
            seen[case["result"]] += 1
            if case["result"] == "valid":
                self.assertEqual(
                    aes_key_wrap(field(case, "key"), field(case, "msg")).hex(), case["ct"]
                )
            self.assertEqual(self.unwraps(case), case["result"] == "valid", case)
        self.assertEqual(seen, {"valid": 13, "invalid": 54, "acceptable": 1})

    def unwraps(self, case: Case) -> bool:
        """Return whether the wrapped key unwraps, to the right one."""
        try:
            unwrapped = aes_key_unwrap(field(case, "key"), field(case, "ct"))
        except (InvalidUnwrap, ValueError):
            return False
        return unwrapped == field(case, "msg")

    def test_A5_the_hkdf_vectors(self) -> None:
        """All 86; more than 255 blocks are refused."""
        seen: Counter[str] = Counter()
        for _, case in cases("hkdf_sha256_test.json"):
            seen[case["result"]] += 1
            arguments = SHA256(), case["size"], field(case, "salt"), field(case, "info")
            if case["result"] == "invalid":
                self.assertRaises(ValueError, HKDF, *arguments)
            else:
                self.assertEqual(HKDF(*arguments).derive(field(case, "ikm")).hex(), case["okm"])
        self.assertEqual(seen, {"valid": 83, "invalid": 3})

    def test_A5_the_hmac_vectors(self) -> None:
        """All 174, some of them with tags cut to half."""
        seen: Counter[str] = Counter()
        for group, case in cases("hmac_sha256_test.json"):
            seen[case["result"]] += 1
            tag = hmac.digest(field(case, "key"), field(case, "msg"), "sha256")
            fits = hmac.compare_digest(tag[: group["tagSize"] // 8], field(case, "tag"))
            self.assertEqual(fits, case["result"] == "valid", case)
        self.assertEqual(seen, {"valid": 66, "invalid": 108})
