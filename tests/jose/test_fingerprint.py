"""Fingerprints: people can read them out, and mistakes are noticed."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadName, SecretWords
from streembit.jose import fingerprint, words
from streembit.jose.keys import PublicKey
from tests.jose.people import ANN, BOB
from tests.sources import ROOT

VECTORS = ROOT / "docs/protocol/vectors/keys.json"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class FingerprintTests(SynchronousTestCase):
    """What people compare."""

    def test_it_is_fourteen_groups_of_four(self) -> None:
        """Letters and digits that can be told from each other."""
        text = fingerprint.of(ANN.public)
        groups = text.split(" ")
        self.assertEqual([len(group) for group in groups], [4] * 14)
        self.assertLessEqual(set("".join(groups)), set(LETTERS))
        self.assertNotEqual(text, fingerprint.of(BOB.public))

    def test_it_stands_for_the_hash_of_the_key(self) -> None:
        """All of SHA-256, nothing cut off."""
        digest = hashlib.sha256(ANN.public.point).digest()
        self.assertEqual(fingerprint.digest_of(ANN.public), digest)
        self.assertEqual(fingerprint.parse(fingerprint.of(ANN.public)), digest)

    def test_the_vectors_of_the_protocol(self) -> None:
        """Each identity of the document."""
        for example in json.loads(VECTORS.read_text(encoding="utf-8"))["identities"]:
            key = PublicKey.from_hex(example["signing"]["public_key"])
            self.assertEqual(fingerprint.of(key), example["fingerprint"])
            self.assertEqual(fingerprint.number_of(key), example["number"])

    @settings(deadline=None, derandomize=True, database=None)
    @given(digest=st.binary(min_size=32, max_size=32))
    def test_any_hash_comes_back(self, digest: bytes) -> None:
        """Whatever the bits."""
        self.assertEqual(fingerprint.parse(fingerprint.show(digest)), digest)

    def test_case_and_separators_do_not_matter(self) -> None:
        """People type as they like."""
        text = fingerprint.of(ANN.public)
        digest = fingerprint.digest_of(ANN.public)
        for typed in (text.lower(), text.replace(" ", ""), text.replace(" ", "-"), f" {text}\n"):
            self.assertEqual(fingerprint.parse(typed), digest)

    def test_every_single_mistake_is_noticed(self) -> None:
        """Each character replaced by each other one, and each two neighbours swapped."""
        text = fingerprint.of(ANN.public).replace(" ", "")
        for place, letter in enumerate(text):
            for other in set(LETTERS) - {letter}:
                self.assertRaises(
                    BadName, fingerprint.parse, text[:place] + other + text[place + 1 :]
                )
        for place in range(len(text) - 1):
            one, two = text[place], text[place + 1]
            if one != two:
                swapped = text[:place] + two + one + text[place + 2 :]
                self.assertRaises(BadName, fingerprint.parse, swapped)

    def test_what_is_no_fingerprint_is_refused(self) -> None:
        """Other lengths, other characters, other alphabets."""
        text = fingerprint.of(ANN.public)
        for wrong in (
            "",
            text[:-1],
            text + "A",
            text[:-1] + "1",
            text[:-1] + "=",
            "é" * 56,
            "0" * 56,
        ):
            self.assertRaises(BadName, fingerprint.parse, wrong)


class NumberTests(SynchronousTestCase):
    """What is read out."""

    def test_it_is_eight_groups_of_five_digits(self) -> None:
        """Each key has another one, and it proves this key alone."""
        text = fingerprint.number_of(ANN.public)
        self.assertRegex(text, r"\A[0-9]{5}( [0-9]{5}){7}\Z")
        for typed in (text, text.replace(" ", ""), text.replace(" ", "-"), f" {text}\n"):
            self.assertTrue(fingerprint.proves(typed, ANN.public))
            self.assertFalse(fingerprint.proves(typed, BOB.public))

    def test_it_stands_for_128_bits_of_the_hash(self) -> None:
        """As many as the key itself is strong."""
        digits = fingerprint.number_of(ANN.public).replace(" ", "")
        first = hashlib.sha256(ANN.public.point).digest()[:16]
        self.assertEqual(int(digits[:39]).to_bytes(16), first)

    def test_any_slip_is_a_mistake_and_no_alarm(self) -> None:
        """One digit wrong, two neighbours exchanged: it is said so, not that the key differs."""
        digits = fingerprint.number_of(ANN.public).replace(" ", "")
        slips = {digits[:n] + d + digits[n + 1 :] for n in range(40) for d in "0123456789"}
        slips |= {digits[:n] + digits[n + 1] + digits[n] + digits[n + 2 :] for n in range(39)}
        for slip in slips - {digits}:
            self.assertRaises(BadName, fingerprint.proves, slip, ANN.public)

    def test_what_is_no_number_is_refused(self) -> None:
        """Too short, too long, above 128 bits, digits of another script."""
        digits = fingerprint.number_of(ANN.public).replace(" ", "")
        high = "9" * 39
        for wrong in (digits[:-1], digits + "0", "", "0", "\u0661" * 40):
            self.assertRaises(BadName, fingerprint.proves, wrong, ANN.public)
        for check in "0123456789":
            self.assertRaises(BadName, fingerprint.proves, high + check, ANN.public)

    def test_a_fingerprint_proves_as_well(self) -> None:
        """The form that is printed."""
        self.assertTrue(fingerprint.proves(fingerprint.of(ANN.public), ANN.public))
        self.assertFalse(fingerprint.proves(fingerprint.of(ANN.public), BOB.public))

    def test_words_of_the_secrets_list_are_refused_as_such(self) -> None:
        """Also with a slip in them, numbered, or of another wallet; and not repeated."""
        secret = words.from_seed(ANN.seed)
        slipped = secret.replace(secret.split()[5], "wrongword")
        listed = "\n".join(f"{n}. {word}" for n, word in enumerate(secret.split(), 1))
        for text in (secret, secret.upper(), slipped, listed, " ".join(secret.split()[:12])):
            for reader in (fingerprint.parse, lambda text: fingerprint.proves(text, ANN.public)):
                refusal = self.assertRaises(SecretWords, reader, text)
                self.assertNotIn(secret.split()[0], str(refusal).lower())

    @settings(deadline=None, derandomize=True, database=None)
    @given(digest=st.binary(min_size=32, max_size=32))
    def test_no_fingerprint_is_taken_for_secret_words(self, digest: bytes) -> None:
        """Four of the alphabet's letters are seldom a word."""
        self.assertFalse(words.may_be_secret(fingerprint.show(digest)))
