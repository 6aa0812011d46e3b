"""The vectors of hub.md: whoever follows the document reads and makes the same."""

from __future__ import annotations

import json
import unicodedata
from hashlib import sha256
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadAllowlist, BadCargo, RemoteError
from streembit.hub import allowlist, cargo, directory
from streembit.hub.stream import Broken, Ended, Opened, Received, Streams
from streembit.hub.witness import Witness
from streembit.jose import base64url, envelope
from streembit.jose.keys import Identity
from streembit.wire import codec
from streembit.wire.hub import Command, Envelope, HubClaims, Observe, Reply
from tests.hub.make_vectors import PATH, document
from tests.hub.people import Door, everybody
from tests.hub.test_stream import sent


def signed_part(token: str) -> bytes:
    """Return what a token's signature covers."""
    return token.rpartition(".")[0].encode()


def members(token: str) -> Any:
    """Return a token's payload, by any JSON reader."""
    return json.loads(base64url.decode(token.split(".")[1]))


class VectorTests(SynchronousTestCase):
    """Each part of the file."""

    def setUp(self) -> None:
        """Read the file and make its identities."""
        self.vectors: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
        self.now_s, self.network = self.vectors["now"], self.vectors["network"]
        self.people: dict[str, Identity] = {}
        for name, each in self.vectors["identities"].items():
            self.people[name] = Identity.from_seed(bytes.fromhex(each["seed"]), name)
            self.assertEqual(self.people[name].public.hex, each["signing"])

    def test_the_file_is_up_to_date(self) -> None:
        """But for the tokens, which are signed anew each time."""
        made = document()
        for part in ("frames", "streams", "allowlists", "identities"):
            self.assertEqual(json.loads(json.dumps(made[part])), self.vectors[part])
        for part in ("session", "join_digest", "binding"):
            self.assertEqual(made["admission"][part], self.vectors["admission"][part])

    def test_admission(self) -> None:
        """Ann, with the chance of the vectors, says and takes what they say."""
        given, door = self.vectors["admission"], Door()
        join = door.member.join(given["challenge"].encode())
        self.assertEqual(members(join.decode()), members(given["join"]))
        digest = sha256(signed_part(given["join"])).digest()
        self.assertEqual(digest.hex(), given["join_digest"])
        self.assertEqual(base64url.encode(digest[:16]), given["session"])
        applicant = door.hub.judge(given["join"].encode(), everybody, self.now_s)
        self.assertEqual(applicant.key, self.people["ann"].public)
        joined = door.member.finish(given["welcome"].encode())
        self.assertEqual(joined.session.name, given["session"])
        self.assertEqual(joined.session.hub, self.people["hub"].public)
        claims = members(given["join"])
        self.assertEqual(
            (claims["aud"], claims["n"], claims["re"]), (joined.session.hub.text, 1, 1)
        )
        self.assertEqual(
            claims["body"]["binding"], base64url.encode(bytes.fromhex(given["binding"]))
        )

    def test_joins_that_are_refused(self) -> None:
        """Each for the reason given."""
        for each in self.vectors["admission"]["refused"]:
            token = each["join"].encode()
            error = self.assertRaises(RemoteError, Door().hub.judge, token, everybody, self.now_s)
            self.assertEqual(error.code, each["code"], each["why"])

    def test_frames(self) -> None:
        """The claims are canonical, and each body is one of its side."""
        frames = self.vectors["frames"]
        for name, side in (("commands", Command), ("replies", Reply)):
            for text in frames[name]:
                claims = codec.decode(text.encode(), HubClaims)
                self.assertIsInstance(claims.body, side)
                self.assertEqual(codec.encode(claims).decode(), text)
        for text in frames["envelopes"]:
            self.assertEqual(codec.encode(codec.decode(text.encode(), Envelope)).decode(), text)

    def test_a_session(self) -> None:
        """The hub reads what Ann said, Ann what the hub said, and Bob what is for him."""
        given = self.vectors["session"]
        served, joined = Door().open()
        for token in given["ann"]:
            served.verify(served.read(token.encode()))
        for _ in given["ann"]:
            joined.session.command(Observe())
        for token in given["hub"]:
            joined.session.verify(joined.session.read(token.encode()))
        bob = Witness(self.people["bob"].public.text, self.people["hub"].public.text)
        bob.begin()
        found = []
        for token in given["ann"][1:]:
            claims = envelope.parse_frame(token.encode()).claims
            assert isinstance(claims, Envelope)
            self.assertIsNone(bob.judge(claims, self.now_s))
            bob.take(claims)
            found.append(cargo.of(claims).hex())
        self.assertEqual(found, given["cargo"])

    def test_streams(self) -> None:
        """The bytes of the frames, what they mean, and what breaks a stream."""
        given, side = self.vectors["streams"], Streams()
        events = [
            side.receive(bytes.fromhex(each)) for each in given["opens_writes_hello_and_closes"]
        ]
        opened, came, ended = events
        assert isinstance(opened, Opened) and isinstance(came, Received)
        self.assertEqual((came.data, ended), (b"hello", Ended(opened.stream)))
        unknown = Streams()
        unknown.receive(bytes.fromhex(given["opens_writes_hello_and_closes"][1]))
        self.assertEqual(
            [each.hex() for each in sent(unknown)], [given["answer_to_what_is_not_known"]]
        )
        for breach in given["breaches_of_a_stream_that_took_5_bytes"]:
            side = Streams()
            for each in given["opens_writes_hello_and_closes"][:2]:
                side.receive(bytes.fromhex(each))
            self.assertIsInstance(side.receive(bytes.fromhex(breach)), Broken)
        for bad in given["no_frames"]:
            self.assertRaises(BadCargo, Streams().receive, bytes.fromhex(bad))

    def test_credit(self) -> None:
        """A quarter of the window taken is granted again."""
        given, side = self.vectors["streams"], Streams()
        opened = side.receive(bytes.fromhex(given["opens_writes_hello_and_closes"][0]))
        assert isinstance(opened, Opened)
        head = bytes.fromhex("0102" + given["id"])
        for at in range(0, given["window"] // 4, 16_384):
            side.receive(head + at.to_bytes(8) + bytes(16_384))
        opened.stream.consumed(given["window"] // 4)
        told = [each.hex() for each in sent(side)]
        self.assertEqual(told, [given["credit_after_a_quarter_was_taken"]])

    def test_directory(self) -> None:
        """The entry is Ann's, and names are folded by Unicode's rules."""
        given = self.vectors["directory"]
        entry = directory.found(given["token"], "AN", self.network, self.now_s)
        self.assertEqual(entry.key, self.people["ann"].public)
        self.assertEqual(json.loads(codec.encode(entry.claims)), given["claims"])
        for name, folded in given["folded"].items():
            self.assertEqual(directory.folded(name), folded)
            self.assertEqual(unicodedata.normalize("NFKC", name.casefold()).strip(), folded)

    def test_allowlists(self) -> None:
        """One is taken; the others are refused for what lies at the end of the path."""
        given = self.vectors["allowlists"]
        self.assertEqual(allowlist.read(given["taken"]).network, given["taken"]["network"])
        hub = self.people["hub"].public
        digest = sha256(b"streembit private network" + hub.point).hexdigest()
        self.assertEqual(given["network_of_the_hub"], "private." + digest[:32])
        for each in given["refused"]:
            error = self.assertRaises(BadAllowlist, allowlist.read, each["document"])
            self.assertEqual(error.path, tuple(each["path"]))
