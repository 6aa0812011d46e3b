"""Errors say whose fault it is, with a code for the wire and a sentence for the user."""

from __future__ import annotations

import ast
import re
from itertools import pairwise

from twisted.trial.unittest import SynchronousTestCase

from streembit import errors
from streembit.errors import (
    BadJson,
    FrameTooLarge,
    LocalError,
    RecordRefused,
    RemoteError,
    RemoteRefusal,
    SeqTooLow,
    StreembitError,
    WrongPasscode,
)
from tests.sources import ROOT, sources

BRANCHES: set[type[StreembitError]] = {
    StreembitError,
    LocalError,
    RemoteError,
    RecordRefused,
    RemoteRefusal,
}


class CodeTests(SynchronousTestCase):
    """Codes are what programs compare."""

    def test_each_class_has_its_own_code(self) -> None:
        """No two errors look the same on the wire."""
        codes = [kind.code for kind in errors.every()]
        self.assertEqual(sorted(set(codes)), sorted(codes))

    def test_codes_are_lower_case_words_with_dashes(self) -> None:
        """A code fits into a metric's label, a log line and a Refused message."""
        for kind in errors.every():
            self.assertRegex(kind.code, re.compile(r"^[a-z]+(-[a-z]+)*$"))
            self.assertLessEqual(len(kind.code), 64)

    def test_a_code_finds_its_class(self) -> None:
        """What a peer answered can be looked up."""
        for kind in errors.every():
            self.assertIs(errors.by_code(kind.code), kind)
        self.assertIsNone(errors.by_code("no-such-code"))

    def test_each_error_lies_in_one_branch(self) -> None:
        """It is our side's fault or the other side's, never both."""
        for kind in set(errors.every()) - {StreembitError}:
            branches = issubclass(kind, LocalError), issubclass(kind, RemoteError)
            self.assertEqual(sum(branches), 1, kind)

    def test_no_other_module_declares_one(self) -> None:
        """Whoever wants to know what can go wrong reads one package."""
        names = {kind.__name__ for kind in errors.every()}
        elsewhere = [
            f"{source.path}:{node.lineno}"
            for source in sources("streembit")
            if source.room != "errors"
            for node in ast.walk(source.tree)
            if isinstance(node, ast.ClassDef)
            and any(isinstance(base, ast.Name) and base.id in names for base in node.bases)
        ]
        self.assertEqual(elsewhere, [])

    def test_refused_records_are_a_branch_of_their_own(self) -> None:
        """A store tells refusals of a record from other faults of the peer."""
        self.assertTrue(issubclass(SeqTooLow, RecordRefused))
        self.assertTrue(issubclass(RecordRefused, RemoteError))

    def test_the_protocol_names_every_code_of_the_wire(self) -> None:
        """Whoever writes a second implementation finds each remote code in the document."""
        text = (ROOT / "docs/protocol/errors.md").read_text(encoding="utf-8")
        named = dict(re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|", text, re.MULTILINE))
        remote = {kind for kind in errors.every() if issubclass(kind, RemoteError)} - BRANCHES
        self.assertEqual(named, {kind.code: kind.sentence() for kind in remote})


class SentenceTests(SynchronousTestCase):
    """Sentences are what people read."""

    def test_each_class_says_what_happened(self) -> None:
        """One sentence each, short enough for a line of a terminal."""
        for kind in errors.every():
            sentence = kind.sentence()
            self.assertTrue(sentence.endswith("."), kind)
            self.assertLessEqual(len(sentence), 88, kind)

    def test_the_sentences_differ(self) -> None:
        """Two errors are two things."""
        sentences = sorted(kind.sentence() for kind in errors.every())
        for one, two in pairwise(sentences):
            self.assertNotEqual(one, two)


class FieldTests(SynchronousTestCase):
    """An error carries its figures."""

    def test_fields_are_attributes(self) -> None:
        """Code that catches an error reads its figures by name."""
        error = FrameTooLarge(size_bytes=5, limit_bytes=4)
        self.assertEqual((error.size_bytes, error.limit_bytes), (5, 4))
        self.assertEqual(error.fields, {"size_bytes": 5, "limit_bytes": 4})
        self.assertRaises(AttributeError, lambda: error.other)

    def test_text_has_code_detail_and_figures(self) -> None:
        """One line says all of it."""
        self.assertEqual(str(WrongPasscode()), "wrong-passcode")
        self.assertEqual(str(BadJson("not an object")), "bad-json: not an object")
        self.assertEqual(
            str(FrameTooLarge(size_bytes=5, limit_bytes=4)),
            "frame-too-large size_bytes=5 limit_bytes=4",
        )
        self.assertEqual(str(BadJson("too deep", depth=17)), "bad-json: too deep depth=17")

    def test_a_refusal_carries_the_code_that_the_peer_gave(self) -> None:
        """The peer's code is shown in the place of ours, and bounded."""
        refusal = RemoteRefusal("store-full", "no room", node="n")
        self.assertEqual(refusal.code, "store-full")
        self.assertEqual(str(refusal), "store-full: no room node=n")
        self.assertEqual(len(RemoteRefusal("x" * 1000).code), 64)
        self.assertEqual(RemoteRefusal.code, "refused")
