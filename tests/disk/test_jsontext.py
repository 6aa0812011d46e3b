"""Where something lies in a JSON text: checked against the reader that refuses it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.disk import jsontext
from streembit.disk.jsontext import Fault, Path, Position
from streembit.disk.steps import finish
from streembit.errors import BadJson
from streembit.wire import codec
from streembit.wire.codec import MAX_DEPTH, Json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**9) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


def fault_of(data: bytes) -> Fault | None:
    """Return the first fault, all steps done."""
    return finish(jsontext.fault_of(data))


def place_of(text: str, path: Path) -> Position:
    """Return where a value begins, all steps done."""
    return finish(jsontext.place_of(text, path))


def paths(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Yield each value within a value, and the path to it."""
    yield path, value
    if isinstance(value, dict):
        for name, each in value.items():
            yield from paths(each, (*path, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from paths(each, (*path, number))


def offset_of(text: str, at: Position) -> int:
    """Return the offset of a line and column."""
    lines = text.split("\n")
    return sum(len(line) + 1 for line in lines[: at.line - 1]) + at.column - 1


class PlaceTest(SynchronousTestCase):
    @settings(deadline=None, derandomize=True, database=None, max_examples=200)
    @given(VALUES, st.sampled_from([None, 0, 2]), st.booleans())
    def test_each_value_is_where_it_is_said_to_be(
        self, value: Json, indent: int | None, ascii_only: bool
    ) -> None:
        """The text from there on begins with that value, whatever the text's form."""
        text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
        for path, expected in paths(value):
            at = offset_of(text, place_of(text, path))
            found, _ = json.JSONDecoder().raw_decode(text, at)
            self.assertEqual((found, type(found)), (expected, type(expected)))

    def test_what_is_missing_is_where_it_should_be(self) -> None:
        """The nearest value that is there, and contains it."""
        text = '{"a": 1,\n "b": [{"c": 2}]}'
        self.assertEqual(place_of(text, ("b", 0, "d")), Position(2, 8))
        self.assertEqual(place_of(text, ("x",)), Position(1, 1))


class FaultTest(SynchronousTestCase):
    def test_faults_and_their_places(self) -> None:
        """The first one, where a person would look for it."""
        deep = "[" * (MAX_DEPTH + 2)
        for text, place in (
            ('{"a": 1,}', (1, 9)),
            ('{"a": 1\n "b": 2}', (2, 2)),
            ('{"a" 1}', (1, 6)),
            ('{"a": tru}', (1, 7)),
            ("[1, 2", (1, 6)),
            ("[1]\n\n]", (3, 1)),
            ("", (1, 1)),
            ("[01]", (1, 3)),
            ("[\n1e999]", (2, 1)),
            ("[-0]", (1, 2)),
            ("[9007199254740993]", (1, 2)),
            ("[NaN]", (1, 2)),
            ("[Infinity]", (1, 2)),
            ('{"a": 1,\n"\\u0061": 2}', (2, 1)),
            ('["\\ud800"]', (1, 2)),
            ('["a\nb"]', (1, 4)),
            ('["\\x"]', (1, 3)),
            ("['a']", (1, 2)),
            ("{a: 1}", (1, 2)),
            ("// no\n[]", (1, 1)),
            ("\ufeff[]", (1, 1)),
            (deep, (1, MAX_DEPTH + 2)),
        ):
            self.assertEqual(fault_of(text.encode()).at, place, text)  # type: ignore[union-attr]

    def test_bytes_that_are_no_text(self) -> None:
        """The byte's place is told in characters."""
        data = '{"é":\n "é'.encode() + b"\xff"
        self.assertEqual(fault_of(data), Fault("not UTF-8", Position(2, 4)))

    def test_a_mark_that_nobody_sees_is_named(self) -> None:
        """Some editors write it before a text."""
        fault = fault_of(b"\xef\xbb\xbf[]")
        assert fault is not None
        self.assertIn("byte order mark", fault.reason)
        self.assertEqual(fault.at, Position(1, 1))

    @settings(deadline=None, derandomize=True, database=None, max_examples=500)
    @given(VALUES, st.integers(0, 200), st.sampled_from(list('{}[]",:\\ 0e-.tn\n\x01\ud800')))
    def test_it_finds_a_fault_where_the_reader_does(
        self, value: Json, at: int, change: str
    ) -> None:
        """A text with one character changed has a fault here exactly if it is refused there."""
        text = json.dumps(value, indent=1)
        text = text[: at % len(text)] + change + text[at % len(text) + 1 :]
        data = text.encode("utf-8", "surrogatepass")
        try:
            codec.decode_any(data)
        except BadJson:
            self.assertIsNotNone(fault_of(data), text)
        else:
            self.assertIsNone(fault_of(data), text)
