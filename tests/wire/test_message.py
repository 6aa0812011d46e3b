"""Messages: each type comes back as it went, and none grows beyond its bounds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_args

import msgspec
from hypothesis import HealthCheck, given, settings
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadJson
from streembit.wire import codec
from streembit.wire.frame import MAX_FRAME_PEER
from streembit.wire.message import (
    MAX_ITEM_CHARS,
    MAX_SALT_BYTES,
    MAX_SIGNAL_CHARS,
    MAX_VALUE_BYTES,
    Answer,
    Body,
    Contact,
    Nodes,
    RecordClaims,
    Request,
    Rpc,
    Signal,
    Store,
    Stored,
)
from tests.sources import ROOT
from tests.wire.samples import (
    ANY_RECORD,
    ANY_RPC,
    BODIES,
    CONTACT,
    DIGEST,
    KEY,
    LINK,
    PLACE,
    RECORD,
    rpc,
)

VECTORS = ROOT / "docs/protocol/vectors/messages.json"


def read(text: bytes) -> Rpc:
    """Return the claims of a message."""
    return codec.decode(text, Rpc)


def with_body(**members: object) -> bytes:
    """Return the JSON of a message whose body has these members."""
    whole = msgspec.to_builtins(rpc(BODIES[0]))
    return json.dumps({**whole, "body": members}).encode()


class RoundTripTests(SynchronousTestCase):
    """What is written can be read, whatever it says."""

    def test_the_samples_have_one_of_each_type(self) -> None:
        """No message type is forgotten by the tests below."""
        self.assertEqual({type(body) for body in BODIES}, set(get_args(Body)))
        self.assertEqual(set(get_args(Body)), set(get_args(Request)) | set(get_args(Answer)))

    def test_each_type_comes_back(self) -> None:
        """One sample of each, bit for bit."""
        for body in BODIES:
            self.assertEqual(read(codec.encode(rpc(body))), rpc(body))

    @settings(
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(message=ANY_RPC)
    def test_any_message_comes_back(self, message: Rpc) -> None:
        """Any texts and numbers within the bounds, in the canonical form and in another."""
        data = codec.encode(message)
        self.assertEqual(read(data), message)
        self.assertEqual(read(json.dumps(json.loads(data), indent=1).encode()), message)

    @settings(deadline=None, derandomize=True, database=None)
    @given(claims=ANY_RECORD)
    def test_any_record_comes_back(self, claims: RecordClaims) -> None:
        """Any record's claims within the bounds."""
        self.assertEqual(codec.decode(codec.encode(claims), RecordClaims), claims)

    def test_messages_do_not_change(self) -> None:
        """Nobody can alter what was verified."""
        for body in (*BODIES, rpc(BODIES[0]), CONTACT, RECORD):
            name = body.__struct_fields__[0] if body.__struct_fields__ else "x"
            self.assertRaises(AttributeError, setattr, body, name, "other")


class BoundTests(SynchronousTestCase):
    """Everything that a peer sends has a bound."""

    def test_B6_one_more_than_the_cap_is_refused(self) -> None:
        """Each list and each text: the cap passes, cap and one does not."""

        def nodes(n: int) -> Rpc:
            return rpc(Nodes([CONTACT] * n))

        def radius(n: int) -> Rpc:
            return rpc(Store("", "blob", [PLACE] * n))

        def nearer(n: int) -> Rpc:
            return rpc(Stored(PLACE, DIGEST, 0, 0, [CONTACT] * n))

        caps: list[tuple[Callable[[int], Rpc], int]] = [
            (nodes, 20),
            (radius, 40),
            (nearer, 20),
            (lambda n: rpc(BODIES[0], aud=[LINK] * n), 40),
            (lambda n: rpc(BODIES[0], jti="j" * n), 32),
            (lambda n: rpc(BODIES[0], re="r" * n), 32),
            (lambda n: rpc(BODIES[0], net="n" * n), 64),
            (lambda n: rpc(Store("i" * n, "blob")), MAX_ITEM_CHARS),
            (lambda n: rpc(Nodes([Contact(KEY, "h" * n, 1)])), 255),
            (lambda n: rpc(Nodes([Contact(KEY, "h", 1, "key", "n" * n)])), 64),
        ]
        for make, cap in caps:
            read(codec.encode(make(cap)))
            self.assertRaises(BadJson, read, codec.encode(make(cap + 1)))

    def test_B6_a_frame_full_of_small_things_is_refused_early(self) -> None:
        """Twenty thousand empty objects do not become objects of ours."""
        for filler in (b"{}", b"[]", b"0", b'""'):
            body = b'{"t":"nodes","nodes":[' + b",".join([filler] * 20_000) + b"]}"
            text = codec.encode(rpc(BODIES[0])).replace(b'{"t":"ping"}', body)
            self.assertRaises(BadJson, read, text)

    def test_numbers_have_their_range(self) -> None:
        """Ports are 1 to 65535, times and sequence numbers whole and below 2**53."""
        for port in (0, -1, 65536, 2**40, "80", 80.0, True, None):
            self.assertRaises(BadJson, read, with_body(t="dial_back", port=port))
        for port in (1, 65535):
            read(with_body(t="dial_back", port=port))
        for number in (-1, 2**53, 1.5, "1", True):
            text = with_body(t="stored", place=PLACE, digest=DIGEST, seq=number, exp=1)
            self.assertRaises(BadJson, read, text)

    def test_ids_are_texts_of_one_length(self) -> None:
        """A target has 27 characters of base64url, the last one canonical."""
        for target in ("", "A" * 26, "A" * 28, "A" * 26 + "B", "A" * 26 + "=", "é" * 27, "+" * 27):
            self.assertRaises(BadJson, read, with_body(t="find_node", target=target))
        self.assertRaises(BadJson, read, with_body(t="find_node", target="A" * 26 + "A\n"))

    def test_an_audience_is_never_empty(self) -> None:
        """A message that is for nobody in particular is for nobody."""
        self.assertRaises(BadJson, read, codec.encode(rpc(BODIES[0], aud=[])))

    def test_kinds_of_records_are_plain_words(self) -> None:
        """A kind is 1 to 32 of a-z, 0-9 and the dash."""
        for kind in ("", "A", "a b", "a" * 33, "ä", "a\n"):
            text = codec.encode(msgspec.structs.replace(RECORD, kind=kind))
            self.assertRaises(BadJson, codec.decode, text, RecordClaims)

    def test_the_largest_record_fits_into_a_store_and_a_frame(self) -> None:
        """What may be published can be sent: 8 KiB, signed, to 40 links."""
        claims = msgspec.structs.replace(
            RECORD, net='"' * 64, salt='"' * MAX_SALT_BYTES, val="A" * -(-MAX_VALUE_BYTES * 4 // 3)
        )
        codec.decode(codec.encode(claims), RecordClaims)
        item_chars = 49 + -(-len(codec.encode(claims)) * 4 // 3) + 87
        self.assertLessEqual(item_chars, MAX_ITEM_CHARS)
        store = Store("A" * MAX_ITEM_CHARS, "record", [PLACE] * 40)
        whole = codec.encode(rpc(store, aud=[LINK] * 40, jti="j" * 32, net='"' * 64))
        self.assertLess(len(whole) * 4 // 3 + 200, MAX_FRAME_PEER // 2)

    def test_the_longest_signal_fits_into_a_frame(self) -> None:
        """Also where each of its characters is written with an escape; one more is refused."""
        for character in ("\n", '"', "~"):
            signal = Signal(LINK, "offer", character * MAX_SIGNAL_CHARS)
            whole = codec.encode(rpc(signal, jti="j" * 32, net='"' * 64))
            self.assertEqual(read(whole).body, signal)
            self.assertLess(len(whole) * 4 // 3 + 200, MAX_FRAME_PEER)
        longer = Signal(LINK, "offer", "~" * (MAX_SIGNAL_CHARS + 1))
        self.assertRaises(BadJson, read, codec.encode(rpc(longer)))
        for character in ("\0", "\x1b", "\x7f", "\x9b", "\u202e", "\u2028"):
            self.assertRaises(BadJson, read, codec.encode(rpc(Signal(LINK, "offer", character))))


class VectorTests(SynchronousTestCase):
    """The protocol's examples are what this code writes and reads."""

    def vectors(self) -> dict[str, Any]:
        """Return the document's examples."""
        whole: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
        return whole

    def test_each_example_is_canonical(self) -> None:
        """Reading and writing an example gives the same bytes."""
        kinds: dict[str, type[Any]] = {"rpc": Rpc, "record": RecordClaims}
        examples = self.vectors()["canonical"]
        self.assertGreaterEqual(len(examples), len(BODIES) + 2)
        for example in examples:
            text = example["json"].encode("utf-8")
            value = codec.decode(text, kinds[example["type"]])
            self.assertEqual(codec.encode(value), text)

    def test_other_forms_mean_the_same(self) -> None:
        """Each pair of texts is one message."""
        for example in self.vectors()["same"]:
            one, two = (read(example[name].encode("utf-8")) for name in ("canonical", "other"))
            self.assertEqual(one, two)

    def test_each_wrong_example_is_refused(self) -> None:
        """What a second implementation must refuse, this one refuses."""
        examples = self.vectors()["refused"]
        self.assertGreaterEqual(len(examples), 10)
        for example in examples:
            self.assertRaises(BadJson, read, bytes.fromhex(example["hex"]))
