"""The published vectors hold for the second implementation and for the product."""

from __future__ import annotations

import json
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import FrameTooLarge
from streembit.jose.keys import PrivateKey, PublicKey
from streembit.link import hello as hellos
from streembit.link.channel import Channel
from streembit.link.handshake import Initiator, Link, Responder
from streembit.link.hello import SCHEMES, Hello
from streembit.wire.frame import FrameReader, pack
from tests.link.make_vectors import FOLDER, MAKERS, text_of


def load(name: str) -> Any:
    """Return a vector file's contents."""
    return json.loads((FOLDER / f"{name}.json").read_text())


class Signer:
    """A private key that knows one signature: the vector's, for the vector's bytes."""

    def __init__(self, scalar: str, data: bytes, signature: str) -> None:
        self._key = PrivateKey.from_scalar(bytes.fromhex(scalar))
        self.public = self._key.public
        self._data, self._signature = data, bytes.fromhex(signature)

    def sign(self, data: bytes) -> bytes:
        assert data == self._data, "the bytes to be signed differ from the vector's"
        return self._signature


def hello_from(given: Any, public: PublicKey) -> Hello:
    """Return the hello that a vector describes."""
    said = given["hello"]
    return Hello(
        public,
        SCHEMES[said["scheme"]],
        said["name"],
        said["port"],
        bool(said["flags"] & 1),
        said["agent"],
        said["clock_s"],
        said["observed"],
    )


class FileTests(SynchronousTestCase):
    """The files themselves."""

    def test_the_files_are_what_the_second_implementation_makes(self) -> None:
        """To make them again: python -m tests.link.make_vectors."""
        for name in MAKERS:
            self.assertEqual((FOLDER / f"{name}.json").read_text(), text_of(name), name)


class HandshakeVectorTests(SynchronousTestCase):
    """The product makes and reads the same bytes."""

    def setUp(self) -> None:
        vector = load("handshake")
        self.inputs, self.values = vector["inputs"], vector["values"]

    def _side(self, role: str) -> tuple[PrivateKey, Hello, str, dict[str, Any]]:
        given = self.inputs[role]
        said = bytes.fromhex(self.values[f"{role}_said"])
        data = b"streembit link 1 " + role.encode() + b" signature\0" + said
        signer = Signer(given["identity_scalar"], data, self.values[f"{role}_signature"])
        fresh = {
            "ephemeral": PrivateKey.from_scalar(bytes.fromhex(given["ephemeral_scalar"])),
            "nonce": bytes.fromhex(given["nonce"]),
        }
        hello = hello_from(given, signer.public)
        return cast("PrivateKey", signer), hello, self.inputs["network"], fresh

    def test_hellos(self) -> None:
        """The bytes of what each side says of itself."""
        for role in ("initiator", "responder"):
            _, hello, _, _ = self._side(role)
            self.assertEqual(hellos.pack(hello).hex(), self.inputs[role]["hello_bytes"])

    def test_all_three_frames_and_what_follows(self) -> None:
        """Frames, link id, hellos and channel keys are the vector's."""
        key, hello, network, fresh = self._side("initiator")
        initiator = Initiator(key, hello, network, **fresh)
        key, other, network, fresh = self._side("responder")
        responder = Responder(key, other, network, **fresh)
        self.assertEqual(initiator.start().hex(), self.values["first"])
        second = responder.receive_first(bytes.fromhex(self.values["first"]))
        self.assertEqual(second.hex(), self.values["second"])
        last, ours = initiator.receive(second)
        self.assertEqual(last.hex(), self.values["last"])
        theirs = responder.receive_last(last)
        self.assertEqual((ours.peer, theirs.peer), (other, hello))
        self._check_keys(ours, theirs)

    def _check_keys(self, ours: Link, theirs: Link) -> None:
        forth = bytes.fromhex(self.values["initiator_to_responder"])
        back = bytes.fromhex(self.values["responder_to_initiator"])
        self.assertEqual(ours.id.hex(), self.values["link_id"])
        self.assertEqual(theirs.id.hex(), self.values["link_id"])
        self.assertEqual(Channel(back, forth).open(ours.channel.seal(b"x")), b"x")
        self.assertEqual(Channel(forth, back).open(theirs.channel.seal(b"x")), b"x")


class ChannelVectorTests(SynchronousTestCase):
    """Frames of one direction, over two changes of key."""

    def test_seal_and_open(self) -> None:
        """Each step's frame, in order."""
        steps = load("channel")["steps"]
        key = bytes.fromhex(steps[0]["key"])
        one, two = Channel(key, bytes(32)), Channel(bytes(32), key)
        for step in steps:
            payload, frame = bytes.fromhex(step["payload"]), bytes.fromhex(step["frame"])
            self.assertEqual(one.rekey(0.0) if step["ends_key"] else one.seal(payload), frame)
            self.assertEqual(two.open(frame), None if step["ends_key"] else payload)


class FrameVectorTests(SynchronousTestCase):
    """The stream of frames."""

    def setUp(self) -> None:
        self.vector = load("frames")

    def test_payloads_and_stream(self) -> None:
        """Packed together, and cut apart again."""
        payloads = [bytes.fromhex(text) for text in self.vector["payloads"]]
        stream = bytes.fromhex(self.vector["stream"])
        self.assertEqual(b"".join(pack(payload) for payload in payloads), stream)
        reader = FrameReader()
        reader.receive(stream)
        self.assertEqual([reader.next_frame() for _ in payloads], payloads)

    def test_B1_lengths_are_accepted_or_refused_from_the_header_alone(self) -> None:
        """No payload byte is needed to refuse."""
        for case in self.vector["refused"]:
            reader = FrameReader(case["limit_bytes"])
            reader.receive(bytes.fromhex(case["header"]))
            self.assertRaises(FrameTooLarge, reader.next_frame)
        for case in self.vector["accepted"]:
            reader = FrameReader(case["limit_bytes"])
            reader.receive(bytes.fromhex(case["header"]) + bytes(case["size_bytes"]))
            self.assertEqual(reader.next_frame(), bytes(case["size_bytes"]))
