"""The published vectors hold for the second implementation and for the product."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from streembit.chat.agreement import Agreed, Contact, check, initiate, respond
from streembit.chat.prekeys import Prekeys
from streembit.chat.ratchet import Ratchet
from streembit.chat.sessions import Sessions
from streembit.jose import base64url
from streembit.jose.keys import Identity, PrivateKey
from streembit.wire import bundle as bundles
from streembit.wire import content as contents
from streembit.wire import parcel as parcels
from tests.chat.make_vectors import FILE, text_of

NO_CHAIN = 2**32 - 1


def from_hex(text: str) -> bytes:
    return bytes.fromhex(text)


def key(scalar: str) -> PrivateKey:
    return PrivateKey.from_scalar(from_hex(scalar))


class VectorTests(SynchronousTestCase):
    """Ann and Bob of the vectors, played by the product."""

    def setUp(self) -> None:
        self.given: Any = json.loads(FILE.read_text())
        self.ann = Identity.from_seed(from_hex(self.given["seeds"]["ann"]))
        self.bob = Identity.from_seed(from_hex(self.given["seeds"]["bob"]))
        self.bundle = bundles.unpack(from_hex(self.given["prekeys"]["bundle"]))

    def contact(self, identity: Identity) -> Contact:
        return Contact(identity.public, identity.agreement.public)

    def prekeys(self) -> Prekeys:
        """Return Bob's prekeys as a disk would have them."""
        signed, once = self.given["prekeys"]["signed"], self.given["prekeys"]["one_time"]
        state = [
            1,
            100,
            [[signed["id"], from_hex(signed["scalar"]), 0, []]],
            {once["id"]: from_hex(once["scalar"])},
        ]
        return Prekeys.load(msgspec.msgpack.encode(state))

    def test_the_file_is_what_the_second_implementation_makes(self) -> None:
        """To make it again: python -m tests.chat.make_vectors."""
        self.assertEqual(FILE.read_text(), text_of())

    def test_the_bundle(self) -> None:
        """Its signature is Bob's, for Ann; packed again it is the same."""
        check(self.bundle, self.ann, self.contact(self.bob))
        self.assertEqual(bundles.pack(self.bundle).hex(), self.given["prekeys"]["bundle"])
        prekeys = self.prekeys()
        made = prekeys.bundle(self.bob, self.ann.public)
        self.assertEqual(made._replace(signature=b""), self.bundle._replace(signature=b""))

    def test_agreements(self) -> None:
        """Both sides compute what the vector says, with a one-time prekey and without."""
        signed = key(self.given["prekeys"]["signed"]["scalar"])
        for case in self.given["agreements"]:
            once = key(self.given["prekeys"]["one_time"]["scalar"]) if case["one_time"] else None
            bundle = self.bundle if once else self.bundle._replace(one_time=())
            agreed, initial = initiate(
                self.ann, self.contact(self.bob), bundle, key(self.given["ephemeral_scalar"])
            )
            values = (from_hex(case[name]) for name in ("session", "shared", "ad"))
            self.assertEqual(agreed, Agreed(*values))
            self.assertEqual(initial.packed().hex(), case["initial"])
            self.assertEqual(
                respond(self.bob, self.contact(self.ann), initial, signed, once), agreed
            )

    def test_the_first_parcels_open(self) -> None:
        """Bob takes those that begin the session, in any order."""
        beginning = [each for each in self.given["parcels"] if each["parcel"].startswith("02")]
        for order in (beginning, beginning[::-1]):
            sessions, prekeys = Sessions(self.bob, self.contact(self.ann)), self.prekeys()
            for each in order:
                said = sessions.open(from_hex(each["parcel"]), prekeys)
                self.assertEqual(said, contents.unpack(from_hex(each["content"])))

    def test_each_parcel_is_sealed_so(self) -> None:
        """From the state behind a message, the product seals the next one as the vector has it."""
        given = self.given["parcels"]
        for before, after in pairwise(given):
            if before["from"] == after["from"]:
                ratchet = Ratchet.load(state_of(before["state_after"]))
                ad = from_hex(self.given["agreements"][0]["ad"])
                padded = contents.pad(from_hex(after["content"]))
                expected = parcels.unpack(from_hex(after["parcel"])).message
                self.assertEqual(ratchet.seal(padded, ad), expected)

    def test_answers_open(self) -> None:
        """A side that sent the message before opens the answer and the next one."""
        ad = from_hex(self.given["agreements"][0]["ad"])
        given = self.given["parcels"]
        ratchet = Ratchet.load(state_of(given[1]["state_after"]))
        for each in given[2:4]:
            message = parcels.unpack(from_hex(each["parcel"])).message
            self.assertEqual(contents.unpad(ratchet.open(message, ad)), from_hex(each["content"]))
        ratchet = Ratchet.load(state_of(given[3]["state_after"]))
        message = parcels.unpack(from_hex(given[4]["parcel"])).message
        self.assertEqual(contents.unpad(ratchet.open(message, ad)), from_hex(given[4]["content"]))

    def test_contents_and_paddings(self) -> None:
        """They come back as they are; the stream in a receipt is that of the pieces."""
        for each in self.given["parcels"]:
            content = contents.unpack(from_hex(each["content"]))
            self.assertEqual(contents.unpack(contents.pack(content)), content)
        first = contents.unpack(from_hex(self.given["parcels"][0]["content"]))
        receipt = contents.unpack(from_hex(self.given["parcels"][2]["content"]))
        assert isinstance(first, contents.Piece)
        assert isinstance(receipt, contents.Receipt)
        self.assertEqual(base64url.decode(receipt.stream), first.stream)
        for each in self.given["paddings"]:
            self.assertEqual(contents.pad(from_hex(each["data"])).hex(), each["padded"])


def state_of(given: Any) -> bytes:
    """Return the product's state of a ratchet whose receiving chain is not needed."""
    return b"".join(
        (
            b"\x01",
            from_hex(given["ratchet_scalar"]),
            from_hex(given["other_point"]),
            (1).to_bytes(4),
            from_hex(given["root_key"]),
            given["sent"].to_bytes(4),
            from_hex(given["sending_chain"]),
            NO_CHAIN.to_bytes(4),
            bytes(32),
            NO_CHAIN.to_bytes(4) if not given["previous"] else given["previous"].to_bytes(4),
            bytes(2),
        )
    )
