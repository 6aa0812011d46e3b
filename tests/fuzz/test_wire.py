"""Mutated frames and JSON: refused in an orderly way, and never read in two ways."""

from __future__ import annotations

import json
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadJson, FrameTooLarge
from streembit.wire import codec
from streembit.wire.frame import MAX_FRAME_STRANGER, FrameReader, pack
from streembit.wire.message import RecordClaims, Rpc
from tests.fuzz.mutate import CASES, run
from tests.wire.samples import BODIES, RECORD, rpc

MESSAGES = [codec.encode(rpc(body)) for body in BODIES]
RECORDS = [
    codec.encode(RECORD),
    b'{"iss":"%s","net":"n","kind":"k","salt":"\\u00e9","seq":0,"exp":1,"val":""}' % (b"A" * 44),
]
VALUES = [
    *MESSAGES,
    b'{"a":[1,2.5,-3e2,true,false,null,"\\u00e9\\ud83d\\ude00"],"b":{"c":{"d":[[[]]]}}}',
    b'{"nested":[[[[[[[[[[[[1]]]]]]]]]]]],"n":9007199254740991}',
    b" [ ] ",
]


class WireTests(SynchronousTestCase):
    """Parsers of bytes that come from strangers."""

    def test_B1_mutated_streams_of_frames(self) -> None:
        """No stream breaks the reader, none yields a frame beyond the limit or bytes of its own."""
        rng = Random(1)

        def read(stream: bytes) -> None:
            reader, taken = FrameReader(), 0
            while stream:
                cut = rng.randrange(1, len(stream) + 1)
                reader.receive(stream[:cut])
                stream = stream[cut:]
                while (frame := reader.next_frame()) is not None:
                    taken += 1
                    assert len(frame) <= MAX_FRAME_STRANGER
            assert reader.buffered_bytes < MAX_FRAME_STRANGER + 4

        stream = b"".join(map(pack, (b"", b"hello", bytes(300), MESSAGES[3])))
        outcome = run(read, [stream, pack(b"x"), pack(MESSAGES[0])], CASES, 11, FrameTooLarge)
        self.assertGreater(outcome.refused, 0)
        self.assertGreater(outcome.accepted, 0)

    def test_B5_mutated_messages(self) -> None:
        """What the quick way reads, the careful way reads too, and it comes back the same."""

        def read(text: bytes) -> None:
            message = codec.decode(text, Rpc)
            codec.decode_any(text)
            assert codec.decode(codec.encode(message), Rpc) == message

        outcome = run(read, MESSAGES, CASES, 12, BadJson)
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, outcome.accepted)

    def test_B5_mutated_records(self) -> None:
        """The same for the claims of a record."""

        def read(text: bytes) -> None:
            claims = codec.decode(text, RecordClaims)
            codec.decode_any(text)
            assert codec.decode(codec.encode(claims), RecordClaims) == claims

        outcome = run(read, RECORDS, CASES, 13, BadJson)
        self.assertGreater(outcome.accepted, 0)

    def test_B5_mutated_values(self) -> None:
        """What is read is what Python's own reader reads, and comes back the same."""

        def read(text: bytes) -> None:
            value = codec.decode_any(text)
            assert value == json.loads(text.decode("utf-8"))
            assert codec.decode_any(codec.encode(value)) == value

        outcome = run(read, VALUES, CASES, 14, BadJson)
        self.assertGreater(outcome.accepted, 0)
