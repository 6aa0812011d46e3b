"""24 words stand for a seed, and a slip of the pen is noticed."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadSecret, BadWords
from streembit.jose import words
from streembit.jose.keys import Identity
from tests.jose.people import ANN
from tests.sources import ROOT

VECTORS = ROOT / "docs/protocol/vectors/keys.json"

# Known pairs of BIP-39: all bits clear, all bits set.
ZEROS = "abandon " * 23 + "art"
ONES = "zoo " * 23 + "vote"


class WordsTests(SynchronousTestCase):
    """An identity on a sheet of paper."""

    @settings(deadline=None, derandomize=True, database=None, max_examples=30)
    @given(seed=st.binary(min_size=32, max_size=32))
    def test_any_seed_comes_back(self, seed: bytes) -> None:
        """24 words, and the same seed."""
        text = words.from_seed(seed)
        self.assertEqual(len(text.split()), 24)
        self.assertEqual(words.to_seed(text), seed)

    def test_the_words_are_those_of_bip_39(self) -> None:
        """Any other program for these words reads the same seed."""
        self.assertEqual(words.from_seed(bytes(32)), ZEROS)
        self.assertEqual(words.from_seed(b"\xff" * 32), ONES)
        self.assertEqual(words.to_seed(ZEROS), bytes(32))
        self.assertEqual(words.to_seed(ONES), b"\xff" * 32)

    def test_the_vectors_of_the_protocol(self) -> None:
        """The words of each identity of the document."""
        for example in json.loads(VECTORS.read_text(encoding="utf-8"))["identities"]:
            self.assertEqual(words.to_seed(example["words"]).hex(), example["seed"])

    def test_words_restore_the_whole_identity(self) -> None:
        """Both keys, without any file."""
        again = Identity.from_seed(words.to_seed(words.from_seed(ANN.seed)))
        self.assertEqual(again.public, ANN.public)
        self.assertEqual(again.agreement.public, ANN.agreement.public)

    def test_case_and_spacing_do_not_matter(self) -> None:
        """People type as they like."""
        text = words.from_seed(ANN.seed)
        for typed in (text.upper(), text.title(), text.replace(" ", "\n  "), f"  {text}\n"):
            self.assertEqual(words.to_seed(typed), ANN.seed)

    def test_another_number_of_words_is_refused(self) -> None:
        """Also 12 words, which other programs use."""
        text = words.from_seed(ANN.seed)
        for wrong in ("", text.rsplit(" ", 1)[0], text + " zoo", "abandon " * 11 + "about"):
            self.assertRaises(BadWords, words.to_seed, wrong)

    def test_a_mistake_is_noticed(self) -> None:
        """A word that is none is told by its place; swapped words fail the checksum."""
        text = words.from_seed(ANN.seed).split()
        error = self.assertRaises(
            BadWords, words.to_seed, " ".join([*text[:4], "xyzzy", *text[5:]])
        )
        self.assertEqual(error.position, 5)
        self.assertNotIn("xyzzy", str(error))
        swapped = " ".join([text[1], text[0], *text[2:]])
        self.assertRaises(BadWords, words.to_seed, swapped)

    def test_a_seed_has_32_bytes(self) -> None:
        """Other lengths have other numbers of words."""
        for wrong in (b"", bytes(16), bytes(33)):
            self.assertRaises(BadSecret, words.from_seed, wrong)
