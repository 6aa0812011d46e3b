"""The vectors of contacts.md: whoever follows the document reads and makes the same."""

from __future__ import annotations

import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from twisted.trial.unittest import SynchronousTestCase

from streembit import errors
from streembit.contacts import generations, offer, rotation
from streembit.contacts.pair import Pair, Side, expiry
from streembit.errors import BadName
from streembit.jose import base64url
from streembit.jose.keys import Identity, PrivateKey, derive_scalar
from streembit.wire import codec, texts
from streembit.wire.offer import ContactAnswer, ContactRequest, OfferClaims
from tests.contacts.make_vectors import PATH

LABELS = {"card": b"streembit 1 card", "parcel": b"streembit 1 parcel"}


class VectorTests(SynchronousTestCase):
    """Each part of the file."""

    def setUp(self) -> None:
        """Read the file and make its identities."""
        self.vectors: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
        self.now_s, self.network = self.vectors["now"], self.vectors["network"]
        people = {
            each["name"]: Identity.from_seed(bytes.fromhex(each["seed"]), each["name"])
            for each in self.vectors["identities"]
        }
        for each in self.vectors["identities"]:
            identity = people[each["name"]]
            self.assertEqual(identity.public.hex, each["signing"])
            self.assertEqual(identity.agreement.public.hex, each["agreement"])
        self.ann, self.bob = people["ann"], people["bob"]

    def test_names(self) -> None:
        """Names and notes are taken or refused, and look alike or not."""
        names = self.vectors["names"]
        for name in names["taken"]:
            self.assertEqual(texts.check_name(name), name)
        for name in names["refused"]:
            self.assertRaises(BadName, texts.check_name, name)
        for note in names["refused_notes"]:
            self.assertRaises(BadName, texts.check_note, note)
        for one, other in names["look_alike"]:
            self.assertEqual(texts.skeleton(one), texts.skeleton(other))
        for one, other in names["differ"]:
            self.assertNotEqual(texts.skeleton(one), texts.skeleton(other))
        for name, skeleton in names["skeletons"].items():
            self.assertEqual(texts.skeleton(name), skeleton)

    def test_offers(self) -> None:
        """The offer is found in each text, and says what it says."""
        offers = self.vectors["offers"]
        token = offers["token"]
        for why, text in offers["texts"].items():
            self.assertEqual(offer.find(text), [token], why)
        found = offer.read(token, self.bob.public, self.network, self.now_s)
        claims = codec.decode(json.dumps(offers["claims"]).encode(), OfferClaims)
        self.assertEqual((found.claims, found.key), (claims, self.ann.public))

    def test_A4_B5_L1_refused_offers(self) -> None:
        """Each has its error."""
        refused = self.vectors["offers"]["refused"]
        self.assertGreaterEqual(len(refused), 60)
        for each in refused:
            kind = errors.by_code(each["error"])
            assert kind is not None
            arguments = each["token"], self.bob.public, self.network, self.now_s
            self.assertRaises(kind, offer.read, *arguments)

    def test_letters(self) -> None:
        """The letters are canonical."""
        for kind in (ContactRequest, ContactAnswer):
            text = self.vectors["letters"][str(kind.__struct_config__.tag)]
            self.assertEqual(codec.encode(codec.decode(text.encode(), kind)).decode(), text)

    def test_the_secret_of_a_pair(self) -> None:
        """From the document alone: the secret, and all that follows from it."""
        pair = self.vectors["pair"]
        shared = bytes.fromhex(pair["ecdh"])
        self.assertEqual(self.bob.agreement.exchange(self.ann.agreement.public), shared)
        info = b"streembit 1 pair" + b"".join(
            sorted([self.ann.public.point, self.bob.public.point])
        )
        secret = HKDF(SHA256(), 32, salt=None, info=info).derive(shared)
        self.assertEqual(secret.hex(), pair["secret"])
        for place in pair["places"]:
            point = (self.ann if place["side"] == "ann" else self.bob).public.point
            name = LABELS[place["what"]] + point + place["number"].to_bytes(8)
            salt = base64url.encode(hmac.digest(secret, b"salt " + name, "sha256"))
            scalar = derive_scalar(secret, b"key " + name)
            self.assertEqual((salt, scalar.hex()), (place["salt"], place["scalar"]))
            self.assertEqual(PrivateKey.from_scalar(scalar).public.hex, place["key"])

    def test_places(self) -> None:
        """Both sides of the pair find the same places and keys."""
        pair = self.vectors["pair"]
        self.assertEqual(expiry(self.now_s), pair["expires"])
        for own, other in ((self.ann, self.bob), (self.bob, self.ann)):
            mine = Pair(own, other.public, other.agreement.public)
            for place in pair["places"]:
                side: Side = "ours" if place["side"] == own.name else "theirs"
                salt, key = self.found(mine, place["what"], side, place["number"])
                self.assertEqual((salt, key.public.hex), (place["salt"], place["key"]))

    def found(self, pair: Pair, what: str, side: Side, number: int) -> tuple[str, PrivateKey]:
        """Return the salt and the key of a place."""
        if what == "card":
            return pair.place_salt(side, number), pair.record_key(side, number)
        return pair.parcel_salt(side, number), pair.parcel_key(side, number)

    def test_sealed_values(self) -> None:
        """The card and the parcel open for Bob, and have one size."""
        pair = self.vectors["pair"]
        mine = Pair(self.bob, self.ann.public, self.ann.agreement.public)
        card = mine.open(pair["sealed_card"].encode(), self.network)
        self.assertEqual(codec.encode(card).decode(), pair["card"])
        parcel = mine.open_parcel(pair["sealed_parcel"].encode())
        self.assertEqual(parcel.hex(), pair["parcel"])
        self.assertEqual({len(pair["sealed_card"]), len(pair["sealed_parcel"])}, {8041})

    def test_changes_of_key(self) -> None:
        """The rotation and the revocation are read, all else is refused."""
        changes = self.vectors["rotation"]
        found = rotation.read(changes["rotation"], self.network, self.now_s)
        self.assertEqual(
            [found.old.hex, found.new.hex, found.agreement.hex],
            [changes["old"], changes["new"], changes["agreement"]],
        )
        void = rotation.read_revocation(changes["revocation"], self.network, self.now_s)
        self.assertEqual(void.hex, changes["old"])
        for each in changes["refused"]:
            kind = errors.by_code(each["error"])
            assert kind is not None
            self.assertRaises(kind, rotation.read, each["token"], self.network, self.now_s)

    def test_other_agreement_keys(self) -> None:
        """The statement is read, all else is refused."""
        said = self.vectors["agreement"]
        found = generations.read(said["statement"], self.network, self.now_s)
        self.assertEqual(
            [found.key.hex, found.agreement.hex, found.made_s],
            [said["key"], said["agreement"], said["made_s"]],
        )
        for each in said["refused"]:
            kind = errors.by_code(each["error"])
            assert kind is not None
            self.assertRaises(kind, generations.read, each["token"], self.network, self.now_s)
