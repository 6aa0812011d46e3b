"""Fingerprints: people can read them out, and mistakes are noticed."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadName
from streembit.jose import fingerprint
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
