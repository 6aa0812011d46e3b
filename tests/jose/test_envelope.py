"""Verified claims: nobody else makes them, and the signer is who the claims say."""

from __future__ import annotations

import ast
import hashlib

import msgspec
from hypothesis import HealthCheck, given, settings
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import (
    BadHeader,
    BadJson,
    BadKey,
    BadMessage,
    BadSignature,
    BadToken,
    RemoteError,
    WrongAudience,
    WrongIssuer,
)
from streembit.jose import base64url, envelope, jws
from streembit.jose.envelope import Verified
from streembit.jose.jws import Kind
from streembit.jose.keys import ORDER, ParsedKeys, PrivateKey
from streembit.wire import codec
from streembit.wire.message import FindNode, Letter, Ping, RecordClaims, Rpc
from tests.jose.people import ANN, BOB, EVE, KEY
from tests.sources import sources
from tests.wire.samples import ANY_RECORD, ANY_RPC, BODIES, PLACE, rpc

REQUEST = rpc(FindNode(PLACE), iss=ANN.public.text)
CLAIMS = RecordClaims(ANN.public.text, "main", "app", "a/b", 1, 1_700_000_000, "aGVsbG8")
LETTER = Letter(ANN.public.text, BOB.public.text, "offer", "aGVsbG8")
QUICK = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def sealed(rpc_claims: Rpc, key: PrivateKey = KEY) -> bytes:
    """Return the token of a message that really names its signer."""
    return envelope.seal_rpc(key, msgspec.structs.replace(rpc_claims, iss=key.public.text))


class VerifiedTests(SynchronousTestCase):
    """The type that says that a signature was checked."""

    def test_nobody_else_makes_a_verified(self) -> None:
        """A constructor call with anything at all is refused."""
        for made in (None, object(), True, envelope):
            self.assertRaises(TypeError, Verified, CLAIMS, ANN.public, b"", made)
        self.assertRaises(TypeError, Verified, CLAIMS, ANN.public, b"")

    def test_no_other_module_names_the_seal(self) -> None:
        """The object that the constructor asks for is used in its own module only."""
        users = {
            source.module
            for source in sources("streembit")
            for node in ast.walk(source.tree)
            if getattr(node, "id", getattr(node, "attr", getattr(node, "name", ""))) == "_MADE_HERE"
        }
        self.assertEqual(users, {"streembit.jose.envelope"})

    def test_no_other_module_makes_one_around_the_constructor(self) -> None:
        """No call of Verified, and no __new__ of it, stands outside of the envelope."""
        callers = {
            source.module
            for source in sources("streembit")
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func).split("[")[0] == "Verified"
        }
        self.assertEqual(callers, {"streembit.jose.envelope"})

    def test_a_message_is_known_by_what_was_signed(self) -> None:
        """The digest is that of the signed part, so it is the same for each signature."""
        tokens = [envelope.sign_record(KEY, CLAIMS) for _ in range(2)]
        one, two = (envelope.verify_record(token, ParsedKeys()) for token in tokens)
        self.assertEqual(one.digest, two.digest)
        signing_input = tokens[0].rpartition(".")[0].encode()
        self.assertEqual(one.digest, hashlib.sha256(signing_input).digest())


class RpcTests(SynchronousTestCase):
    """Requests and answers."""

    @QUICK
    @given(message=ANY_RPC)
    def test_any_message_comes_back(self, message: Rpc) -> None:
        """Signed, parsed and verified, the claims are the same."""
        message = msgspec.structs.replace(message, iss=ANN.public.text)
        parsed = envelope.parse_rpc(envelope.seal_rpc(KEY, message))
        verified = envelope.verify_rpc(parsed, ANN.public)
        self.assertEqual(verified.claims, message)
        self.assertEqual(verified.key, ANN.public)

    def test_A4_the_signer_is_the_issuer(self) -> None:
        """A message that names another sender is refused, whoever signed it."""
        parsed = envelope.parse_rpc(envelope.seal_rpc(EVE.signing, REQUEST))
        self.assertRaises(WrongIssuer, envelope.verify_rpc, parsed, EVE.public)
        self.assertRaises(BadSignature, envelope.verify_rpc, parsed, ANN.public)

    def test_A4_the_issuer_is_the_peer_of_the_link(self) -> None:
        """A true message of somebody else, brought by this peer, is refused."""
        parsed = envelope.parse_rpc(sealed(REQUEST, BOB.signing))
        self.assertRaises(WrongIssuer, envelope.verify_rpc, parsed, ANN.public)

    def test_A4_every_flipped_bit_is_refused(self) -> None:
        """Each bit of a whole request, through the functions that links use."""
        token = bytearray(sealed(REQUEST))
        for bit in range(len(token) * 8):
            token[bit // 8] ^= 1 << bit % 8
            self.assertRaises(RemoteError, self.read, bytes(token))
            token[bit // 8] ^= 1 << bit % 8
        self.assertEqual(self.read(bytes(token)).claims, REQUEST)

    def test_parsing_alone_verifies_nothing(self) -> None:
        """What was only parsed is no Verified, and carries what is to be checked."""
        parsed = envelope.parse_rpc(sealed(REQUEST)[:-86] + b"A" * 86)
        self.assertEqual(parsed.rpc, REQUEST)
        self.assertNotIsInstance(parsed, Verified)
        self.assertRaises(BadSignature, envelope.verify_rpc, parsed, ANN.public)

    def test_A8_no_other_kind_is_a_message(self) -> None:
        """A record, a letter, an offer, however well signed, is no request, and vice versa."""
        for kind in set(Kind) - {Kind.RPC}:
            token = jws.sign(kind, codec.encode(REQUEST), KEY)
            self.assertRaises(BadHeader, envelope.parse_rpc, token)
        for kind in set(Kind) - {Kind.RECORD}:
            token = jws.sign(kind, codec.encode(CLAIMS), KEY)
            self.assertRaises(BadHeader, envelope.verify_record, token, ParsedKeys())
        for kind in set(Kind) - {Kind.SEALED}:
            token = jws.sign(kind, codec.encode(LETTER), KEY)
            verify = envelope.verify_letter
            self.assertRaises(BadHeader, verify, token, BOB.public, "offer", ParsedKeys())

    def test_B8_signed_nonsense_is_refused(self) -> None:
        """A signature does not make a message out of other JSON."""
        for payload in (b"", b"null", b"{}", b"[]", b"\xff", codec.encode(CLAIMS), b"[" * 9000):
            token = jws.sign(Kind.RPC, payload, KEY)
            self.assertRaises(BadJson, envelope.parse_rpc, token)

    def read(self, token: bytes) -> Verified[Rpc]:
        """Return a message of Ann's."""
        return envelope.verify_rpc(envelope.parse_rpc(token), ANN.public)


class RecordTests(SynchronousTestCase):
    """Records carry their owner's key."""

    @QUICK
    @given(claims=ANY_RECORD)
    def test_any_record_comes_back(self, claims: RecordClaims) -> None:
        """Whoever holds the token can verify it, without knowing the owner."""
        claims = msgspec.structs.replace(claims, iss=ANN.public.text)
        token = envelope.sign_record(KEY, claims)
        for form in (token, token.encode()):
            verified = envelope.verify_record(form, ParsedKeys())
            self.assertEqual(verified.claims, claims)
            self.assertEqual(verified.key, ANN.public)

    def test_A4_a_record_by_another_key_is_refused(self) -> None:
        """Neither a foreign signature nor a swapped owner."""
        token = envelope.sign_record(EVE.signing, CLAIMS)
        self.assertRaises(BadSignature, envelope.verify_record, token, ParsedKeys())
        stolen = msgspec.structs.replace(CLAIMS, iss=EVE.public.text)
        signature = envelope.sign_record(KEY, CLAIMS).rpartition(".")[2]
        token = jws.sign(Kind.RECORD, codec.encode(stolen), KEY).decode()
        swapped = token.rpartition(".")[0] + "." + signature
        self.assertRaises(BadSignature, envelope.verify_record, swapped, ParsedKeys())

    def test_A6_an_owner_that_is_no_key_is_refused(self) -> None:
        """44 characters that are no point of the curve."""
        for owner in ("A" * 44, "é" * 44, ANN.public.text[:-1] + "="):
            claims = msgspec.structs.replace(CLAIMS, iss=owner)
            token = envelope.sign_record(KEY, claims)
            self.assertRaises(BadKey, envelope.verify_record, token, ParsedKeys())

    def test_A7_twins_of_a_record_are_refused(self) -> None:
        """The (r, n - s) twin, the padded and the trailing-bit one: one record, one token form."""
        token = envelope.sign_record(KEY, CLAIMS)
        signing_input, _, text = token.rpartition(".")
        signature = base64url.decode(text)
        s = (ORDER - int.from_bytes(signature[32:])).to_bytes(32)
        twin = signing_input + "." + base64url.encode(signature[:32] + s)
        self.assertRaises(BadSignature, envelope.verify_record, twin, ParsedKeys())
        for other in (
            token + "==",
            token[:-1] + chr(ord(token[-1]) + 1),
            signing_input + "=." + text,
        ):
            self.assertRaises((BadToken, BadJson), envelope.verify_record, other, ParsedKeys())

    def test_texts_beyond_ascii_are_refused(self) -> None:
        """A token comes as a text, too, and may hold anything."""
        token = envelope.sign_record(KEY, CLAIMS)
        for wrong in ("", "é", "\ud800", token + "é", "é" + token, token.replace("A", "\uff21", 1)):
            self.assertRaises((BadToken, BadHeader), envelope.verify_record, wrong, ParsedKeys())


class LetterTests(SynchronousTestCase):
    """Letters name both sides."""

    def verify(self, token: bytes, typ: str = "offer") -> Verified[Letter]:
        """Return a letter to Bob."""
        return envelope.verify_letter(token, BOB.public, typ, ParsedKeys())

    def test_a_letter_comes_back(self) -> None:
        """Its receiver reads who wrote it."""
        verified = self.verify(envelope.sign_letter(KEY, LETTER))
        self.assertEqual((verified.claims, verified.key), (LETTER, ANN.public))

    def test_A2_a_letter_to_somebody_else_is_refused(self) -> None:
        """A receiver cannot pass a letter on as if it had been written to the next."""
        token = envelope.sign_letter(KEY, msgspec.structs.replace(LETTER, aud=EVE.public.text))
        self.assertRaises(WrongAudience, self.verify, token)

    def test_A8_a_letter_for_another_purpose_is_refused(self) -> None:
        """An offer is no chat message."""
        self.assertRaises(BadMessage, self.verify, envelope.sign_letter(KEY, LETTER), "chat")

    def test_A4_a_letter_by_another_key_is_refused(self) -> None:
        """The writer named in it must have signed it."""
        self.assertRaises(BadSignature, self.verify, envelope.sign_letter(EVE.signing, LETTER))


class OrderTests(SynchronousTestCase):
    """Cheap checks come before dear ones."""

    def test_each_body_is_read_before_its_signature(self) -> None:
        """The type of a request is known, to be budgeted, before any signature is checked."""
        for body in (*BODIES, Ping()):
            token = sealed(rpc(body))[:-86] + b"A" * 86
            self.assertEqual(envelope.parse_rpc(token).rpc.body, body)
