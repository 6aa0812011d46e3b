"""Strict JSON: typed values come back as they went, and nothing else is read."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadJson, BadName
from streembit.wire import codec
from streembit.wire.message import FindNode, Ping, Pong, RecordClaims, Refused, Rpc

IDENTIFIER = "A" * 27
KEY = "A" * 44


class Loose(Struct):
    """A type whose bytes alone do not prove that they are strict."""

    number: float = 0.0
    free: dict[str, int] = {}
    any_int: int = 0


class Counted(Struct):
    """A type whose canonical text does not bound its integer."""

    number: int


class Nested(Struct):
    """A type whose canonical text can be as deep as it likes."""

    inner: list[Nested] = []


class RoundTripTests(SynchronousTestCase):
    """What is written can be read."""

    json_values = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(1 - 2**53, 2**53 - 1)
        | st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: str(x) != "-0.0")
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", max_size=3), inner),
        max_leaves=12,
    )

    @settings(deadline=None, derandomize=True, database=None)
    @given(value=json_values)
    def test_any_value_comes_back(self, value: codec.Json) -> None:
        """Strictness refuses no value that JSON can hold exactly."""
        self.assertEqual(codec.decode_any(codec.encode(value)), value)
        self.assertEqual(codec.decode_any(json.dumps(value).encode()), value)

    @settings(deadline=None, derandomize=True, database=None)
    @given(number=st.floats(allow_nan=False, allow_infinity=False, min_value=1e-300))
    def test_open_types_come_back(self, number: float) -> None:
        """Types with floats and free members are read by the careful parser."""
        value = Loose(number, {"a": 1}, 7)
        self.assertEqual(codec.decode(codec.encode(value), Loose), value)

    def test_a_text_that_is_no_unicode_is_not_written(self) -> None:
        """A lone surrogate, as a shell can pass one, is refused before it is sent."""
        self.assertRaises(BadName, codec.encode, Pong("\ud800"))

    def test_only_objects_are_members(self) -> None:
        """A list is no object, however strict."""
        self.assertEqual(codec.decode_object(b'{"a":[1]}'), {"a": [1]})
        for text in (b"[]", b"1", b'"a"', b"null"):
            self.assertRaises(BadJson, codec.decode_object, text)


class OtherFormTests(SynchronousTestCase):
    """Other programs write other forms of the same value."""

    def test_order_and_white_space_do_not_matter(self) -> None:
        """What is not canonical is read by the careful parser, to the same value."""
        text = b'{ "target" : "%s",\n"t":"find_node" }' % IDENTIFIER.encode()
        self.assertEqual(codec.decode(text, FindNode), FindNode(IDENTIFIER))
        text = b'{"t":"find_node","target":"\\u0041%s"}' % IDENTIFIER[1:].encode()
        self.assertEqual(codec.decode(text, FindNode), FindNode(IDENTIFIER))

    def test_B8_unknown_members_are_ignored(self) -> None:
        """A newer peer may say more than we understand."""
        text = b'{"t":"ping","later":{"than":[1,2.5,null]}}'
        self.assertEqual(codec.decode(text, Ping), Ping())

    def test_B8_unknown_members_must_be_strict_too(self) -> None:
        """What is ignored here may be read elsewhere, so it has one meaning only."""
        for member in (b'{"a":1,"a":2}', b"NaN", b"1e999", b"-0", b'"\\ud800"', b'"\xff"'):
            text = b'{"t":"ping","later":' + member + b"}"
            self.assertRaises(BadJson, codec.decode, text, Ping)

    def test_B8_an_unknown_type_is_refused(self) -> None:
        """A body that nobody here knows is an error, not a guess."""
        text = b'{"iss":"%s","aud":["%s"],"jti":"1","iat":1,"net":"n","body":%s,"re":""}'
        known = text % (KEY.encode(), b"A" * 22, b'{"t":"ping"}')
        self.assertEqual(codec.decode(known, Rpc).body, Ping())
        for body in (b'{"t":"teleport"}', b"{}", b'{"t":1}', b'{"t":null}', b'"ping"', b"null"):
            whole = text % (KEY.encode(), b"A" * 22, body)
            self.assertRaises(BadJson, codec.decode, whole, Rpc)
        self.assertRaises(BadJson, codec.decode, b'{"t":"pong"}', Ping)

    def test_B8_optional_members_may_be_missing(self) -> None:
        """An older peer does not send what was added later."""
        self.assertEqual(codec.decode(b'{"t":"refused","code":"x"}', Refused), Refused("x"))


class DepthTests(SynchronousTestCase):
    """Deep JSON ends in a refusal, not in a stack."""

    def nested(self, depth: int) -> tuple[bytes, bytes, bytes]:
        """Return lists, objects and a mixture nested this deeply."""
        half = depth // 2
        mixed = b'{"a":[' * half + b"0" + b"]}" * half
        return (
            b"[" * depth + b"]" * depth,
            b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1),
            mixed if depth % 2 == 0 else b"[" + mixed + b"]",
        )

    def test_B4_sixteen_levels_are_read(self) -> None:
        """The limit itself is allowed."""
        for text in self.nested(codec.MAX_DEPTH):
            codec.decode_any(text)

    def test_B4_seventeen_and_more_levels_are_refused(self) -> None:
        """One more, a thousand, a hundred thousand: the same error, at once."""
        for depth in (codec.MAX_DEPTH + 1, 1_000, 100_000):
            for text in self.nested(depth):
                self.assertRaises(BadJson, codec.decode_any, text)
                self.assertRaises(BadJson, codec.decode, text, Ping)

    def test_B4_a_member_that_is_ignored_may_not_be_deep_either(self) -> None:
        """Depth is counted in unknown members of a typed message too."""
        for depth in (codec.MAX_DEPTH, 900, 100_000):
            text = b'{"t":"ping","x":' + b"[" * depth + b"]" * depth + b"}"
            self.assertRaises(BadJson, codec.decode, text, Ping)
        text = b'{"t":"ping","x":' + b"[" * 15 + b"]" * 15 + b"}"
        self.assertEqual(codec.decode(text, Ping), Ping())

    def test_B4_brackets_inside_of_texts_do_not_count(self) -> None:
        """A text may hold any number of brackets, quotation marks and backslashes."""
        inside = '[[[[[[[[[[[[[[[[[[[[{{{{{"\\"\\\\' * 10
        self.assertEqual(codec.decode_any(codec.encode([inside])), [inside])

    def test_B4_unclosed_and_crossed_brackets_are_refused(self) -> None:
        """What never ends has no depth."""
        for text in (b"[" * 5, b"]" * 5, b"[{]}", b"{]", b"[" * 100_000, b'{"a":[}'):
            self.assertRaises(BadJson, codec.decode_any, text)


class ShapeTests(SynchronousTestCase):
    """Numbers and sizes are what the type says."""

    def claims(self, **changes: object) -> bytes:
        """Return a record's claims as JSON, some of them replaced."""
        members: dict[str, object] = {
            "iss": KEY,
            "net": "n",
            "kind": "k",
            "salt": "",
            "seq": 1,
            "exp": 2,
            "val": "",
            "del": False,
        }
        return json.dumps({**members, **changes}).encode()

    def test_B5_a_bool_is_no_number_and_a_number_no_bool(self) -> None:
        """True is not 1, and 1.0 is not 1 either."""
        self.assertEqual(codec.decode(self.claims(), RecordClaims).seq, 1)
        for wrong in (True, 1.0, 1.5, "1", None, [1], -1, 2**53):
            self.assertRaises(BadJson, codec.decode, self.claims(seq=wrong), RecordClaims)
        for wrong in (1, 0, "true", None):
            self.assertRaises(BadJson, codec.decode, self.claims(**{"del": wrong}), RecordClaims)

    def test_B5_duplicates_are_refused_in_typed_messages(self) -> None:
        """Two readers must not see two versions, whichever of the two comes first."""
        for text in (
            self.claims()[:-1] + b', "seq": 9}',
            self.claims()[:-1] + b', "s\\u0065q": 1}',
            b'{"seq": 1, ' + self.claims()[1:],
            self.claims()[:-1] + b', "other": 1, "other": 1}',
        ):
            self.assertRaises(BadJson, codec.decode, text, RecordClaims)

    def test_B5_open_types_hold_exact_numbers_only(self) -> None:
        """A type that does not bound its integers is bounded by the codec."""
        for text in (b'{"any_int":9007199254740992}', b'{"free":{"a":9007199254740992}}'):
            self.assertRaises(BadJson, codec.decode, text, Loose)

    def test_B5_a_canonical_text_is_no_proof_for_an_unbounded_integer(self) -> None:
        """The quick way is taken only for types whose numbers are bounded."""
        self.assertEqual(codec.decode(b'{"number":9007199254740991}', Counted).number, 2**53 - 1)
        self.assertRaises(BadJson, codec.decode, b'{"number":9007199254740992}', Counted)
        self.assertRaises(BadJson, codec.decode, b'{"number":-9007199254740992}', Counted)

    def test_B4_a_canonical_text_is_no_proof_for_a_recursive_type(self) -> None:
        """The quick way is taken only for types whose depth is bounded."""
        nested = Nested()
        for _ in range(7):
            nested = Nested([nested])
        self.assertEqual(codec.decode(codec.encode(nested), Nested), nested)
        deeper = codec.encode(Nested([nested]))
        self.assertRaises(BadJson, codec.decode, deeper, Nested)

    def test_B6_the_error_is_short_whatever_the_peer_sent(self) -> None:
        """An error's text, which is logged, does not grow with the message."""
        text = b'{"t":"' + b"x" * 50_000 + b'"}'
        error = self.assertRaises(BadJson, codec.decode, text, Ping)
        self.assertLess(len(str(error)), 200)
