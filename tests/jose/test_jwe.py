"""Sealed data: opened by one key only, in one form only."""

from __future__ import annotations

import json
import zlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwe as joserfc_jwe
from joserfc.jwk import ECKey
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import (
    BadHeader,
    BadSignature,
    BadToken,
    DecryptFailed,
    RemoteError,
    TooLarge,
    WrongAudience,
)
from streembit.jose import base64url, envelope, jwe
from streembit.jose.keys import Identity, ParsedKeys, PrivateKey
from streembit.wire.message import Letter
from tests.jose.people import ANN, BOB, EVE
from tests.sources import ROOT

VECTORS = ROOT / "docs/protocol/vectors/jwe.json"
TYP = "offer"


def jwk(key: PrivateKey) -> dict[str, str | list[str]]:
    """Return the private JWK of a key, for other libraries."""
    return dict(ECKey.import_key(key._key).as_dict(private=True))


def sealed_by_others(header: dict[str, Any], payload: bytes = b"payload") -> str:
    """Return a token to Bob with any header, made by jwcrypto."""
    algs = ["ECDH-ES+A256KW", "ECDH-ES+A128KW", "ECDH-ES", "A256GCM", "A128GCM", "A256CBC-HS512"]
    public = {name: value for name, value in jwk(BOB.agreement).items() if name != "d"}
    token = JWE(payload, json.dumps(header), recipient=JWK(**public), algs=algs)
    serialized: str = token.serialize(compact=True)
    return serialized


def open_by_bob(token: str | bytes) -> bytes:
    """Return what was sealed to Bob as an offer."""
    return jwe.open_(token, BOB.agreement, typ=TYP)


class SealTests(SynchronousTestCase):
    """What was sealed is opened by its receiver."""

    good = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "typ": TYP}

    @settings(deadline=None, derandomize=True, database=None, max_examples=30)
    @given(payload=st.binary(max_size=2000))
    def test_any_payload_comes_back(self, payload: bytes) -> None:
        """Also the empty one."""
        token = jwe.seal(payload, BOB.agreement.public, typ=TYP)
        self.assertEqual(open_by_bob(token), payload)
        self.assertEqual(open_by_bob(token.encode()), payload)

    def test_two_seals_of_the_same_differ(self) -> None:
        """Each has a fresh key, so that nobody can tell that they say the same."""
        one, two = (jwe.seal(b"x", BOB.agreement.public, typ=TYP).split(".") for _ in range(2))
        for index in range(5):
            self.assertNotEqual(one[index], two[index])

    def test_another_key_does_not_open_it(self) -> None:
        """Neither a stranger's, nor the receiver's signing key."""
        token = jwe.seal(b"x", BOB.agreement.public, typ=TYP)
        for key in (EVE.agreement, BOB.signing):
            self.assertRaises(DecryptFailed, jwe.open_, token, key, typ=TYP)

    def test_A8_another_type_is_refused(self) -> None:
        """What was sealed as an offer is opened as an offer only."""
        token = jwe.seal(b"x", BOB.agreement.public, typ="chat")
        self.assertRaises(BadHeader, open_by_bob, token)
        self.assertRaises(BadHeader, jwe.open_, token, BOB.agreement, typ=None)

    def test_a_token_without_type_is_opened_when_none_is_due(self) -> None:
        """As another program that knows no types writes it."""
        token = sealed_by_others({"alg": "ECDH-ES+A256KW", "enc": "A256GCM"})
        self.assertEqual(jwe.open_(token, BOB.agreement, typ=None), b"payload")
        self.assertRaises(BadHeader, open_by_bob, token)

    def test_the_vectors_of_the_protocol(self) -> None:
        """A token made elsewhere opens; each wrong one has its error."""
        document = json.loads(VECTORS.read_text(encoding="utf-8"))
        key = PrivateKey.from_scalar(bytes.fromhex(document["scalar"]))
        for example in document["opened"]:
            opened = jwe.open_(example["token"], key, typ=document["typ"])
            self.assertEqual(opened.hex(), example["payload"])
        errors = {"bad-header": BadHeader, "bad-token": BadToken, "decrypt-failed": DecryptFailed}
        self.assertGreaterEqual(len(document["refused"]), 12)
        for example in document["refused"]:
            error = errors[example["error"]]
            self.assertRaises(error, jwe.open_, example["token"], key, typ=document["typ"])

    def test_A4_every_flipped_bit_is_refused(self) -> None:
        """Each bit of a token, one at a time, with the reader that takes the least time."""
        token = bytearray(jwe.seal(b"x", BOB.agreement.public, typ=TYP).encode())
        for bit in range(len(token) * 8):
            token[bit // 8] ^= 1 << bit % 8
            self.assertRaises(RemoteError, open_by_bob, bytes(token))
            token[bit // 8] ^= 1 << bit % 8
        self.assertEqual(open_by_bob(bytes(token)), b"x")

    def test_A7_twins_of_a_token_are_refused(self) -> None:
        """Each part padded or with other unused bits."""
        parts = jwe.seal(b"xy", BOB.agreement.public, typ=TYP).split(".")
        for index, part in enumerate(parts):
            for twin in (part + "=", part + "==", part[:-1] + chr(ord(part[-1]) + 1), " " + part):
                token = ".".join([*parts[:index], twin, *parts[index + 1 :]])
                self.assertRaises((BadToken, BadHeader, DecryptFailed), open_by_bob, token)

    def test_other_key_lengths_of_gcm_can_be_read(self) -> None:
        """A128GCM, as other programs may write, is read; we write A256GCM."""
        self.assertEqual(open_by_bob(sealed_by_others({**self.good, "enc": "A128GCM"})), b"payload")
        header = json.loads(base64url.decode(jwe.seal(b"", BOB.public, typ=TYP).split(".")[0]))
        self.assertEqual((header["alg"], header["enc"]), ("ECDH-ES+A256KW", "A256GCM"))

    def test_A5_no_header_but_the_one_is_opened(self) -> None:
        """Other algorithms, keys, extensions, compression."""
        self.assertEqual(open_by_bob(sealed_by_others(self.good)), b"payload")
        changes: list[dict[str, Any]] = [
            {"alg": "ECDH-ES+A128KW"},
            {"alg": "ECDH-ES"},
            {"enc": "A256CBC-HS512"},
            {"kid": "bob"},
            {"cty": "JWT"},
            {"apu": "QUxJQ0U"},
            {"apv": "Qk9C"},
            {"jwk": {"kty": "EC"}},
            {"jku": "https://example.org/"},
            {"zip": "DEF"},
            {"typ": "JOSE"},
        ]
        for change in changes:
            token = sealed_by_others({**self.good, **change})
            self.assertRaises((BadHeader, BadToken), open_by_bob, token)

    def test_A5_headers_that_no_library_writes_are_refused(self) -> None:
        """Written by hand, so that nothing but our reader refuses them."""
        rest = jwe.seal(b"x", BOB.agreement.public, typ=TYP).split(".", 1)
        header = json.loads(base64url.decode(rest[0]))
        point = header["epk"]
        epks: list[Any] = [
            None,
            "x",
            [],
            {},
            {**point, "crv": "P-384"},
            {**point, "kty": "OKP"},
            {**point, "kid": "1"},
            {**point, "d": point["x"]},
            {**point, "x": point["x"] + "="},
            {**point, "x": base64url.encode(b"\x00" + base64url.decode(point["x"]))},
            {**point, "y": 1},
            {**point, "y": ""},
        ]
        headers: list[Any] = [{**header, "epk": epk} for epk in epks]
        headers += [{**header, "crit": ["exp"]}, {**header, "b64": False}, {**header, "enc": None}]
        headers += [{**header, "enc": ["A256GCM"]}, {**header, "alg": "none"}, {}, [], 1, None]
        for wrong in headers:
            text = base64url.encode(json.dumps(wrong).encode())
            self.assertRaises(BadHeader, open_by_bob, text + "." + rest[1])

    def test_A5_duplicate_members_of_the_header_are_refused(self) -> None:
        """Two readers must not see two algorithms."""
        head, rest = jwe.seal(b"x", BOB.agreement.public, typ=TYP).split(".", 1)
        text = base64url.decode(head).replace(b'{"alg"', b'{"alg":"dir","alg"', 1)
        self.assertRaises(BadHeader, open_by_bob, base64url.encode(text) + "." + rest)

    def test_A6_points_off_the_curve_are_refused(self) -> None:
        """An ephemeral key that is no point, or whose coordinates exceed the field."""
        head, rest = jwe.seal(b"x", BOB.agreement.public, typ=TYP).split(".", 1)
        header = json.loads(base64url.decode(head))
        for y in ((1).to_bytes(32), bytes(32), b"\xff" * 32):
            header["epk"]["y"] = base64url.encode(y)
            text = base64url.encode(json.dumps(header).encode())
            self.assertRaises(DecryptFailed, open_by_bob, text + "." + rest)

    def test_B7_a_bomb_is_not_unpacked(self) -> None:
        """A small token that would become ten megabytes is refused by its header."""
        bomb = b"\x00" * 10_000_000
        token = sealed_by_others({**self.good, "zip": "DEF"}, bomb)
        self.assertLess(len(token), jwe.MAX_TOKEN_CHARS)
        self.assertGreater(len(bomb), 100 * len(zlib.compress(bomb)))
        self.assertRaises(BadHeader, open_by_bob, token)

    def test_long_tokens_are_neither_made_nor_opened(self) -> None:
        """A token has at most 64 KiB."""
        public = BOB.agreement.public
        self.assertRaises(TooLarge, jwe.seal, bytes(64 * 1024), public, typ=TYP)
        self.assertRaises(BadToken, open_by_bob, "A" * (64 * 1024 + 1))
        largest = bytes(48_000)
        self.assertEqual(open_by_bob(jwe.seal(largest, public, typ=TYP)), largest)

    def test_short_parts_are_refused(self) -> None:
        """A tag, nonce or wrapped key of another length, four parts, six parts."""
        parts = jwe.seal(b"x", BOB.agreement.public, typ=TYP).split(".")
        for index in (1, 2, 4):
            for data in (b"", base64url.decode(parts[index])[:-1], bytes(64)):
                token = ".".join([*parts[:index], base64url.encode(data), *parts[index + 1 :]])
                self.assertRaises(BadToken, open_by_bob, token)
        for token in (".".join(parts[:4]), ".".join([*parts, ""]), "", "....", "." * 60_000):
            self.assertRaises((BadToken, BadHeader), open_by_bob, token)


class CrossReadingTests(SynchronousTestCase):
    """Other libraries write and read the same tokens."""

    def test_jwcrypto_opens_ours(self) -> None:
        """Sealed here, opened there."""
        token = JWE(algs=["ECDH-ES+A256KW", "A256GCM"])
        token.deserialize(jwe.seal(b"ours", BOB.agreement.public, typ=TYP))
        token.decrypt(JWK(**jwk(BOB.agreement)))
        self.assertEqual(token.payload, b"ours")

    def test_joserfc_opens_ours(self) -> None:
        """Sealed here, opened by the library's own call with its own registry."""
        token = jwe.seal(b"ours", BOB.agreement.public, typ=TYP)
        key = ECKey.import_key(jwk(BOB.agreement))
        opened = joserfc_jwe.decrypt_compact(token, key, algorithms=["ECDH-ES+A256KW", "A256GCM"])
        self.assertEqual(opened.plaintext, b"ours")

    def test_we_open_jwcryptos(self) -> None:
        """Sealed there, opened here."""
        header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "typ": TYP}
        self.assertEqual(open_by_bob(sealed_by_others(header, b"theirs")), b"theirs")


class LetterTests(SynchronousTestCase):
    """Signed, then sealed, with both names inside."""

    def sealed(self, receiver: Identity = BOB) -> str:
        """Return a letter of Ann's."""
        public = receiver.public, receiver.agreement.public
        return jwe.sign_then_seal(b"hello", ANN, *public, typ=TYP)

    def test_the_receiver_learns_who_wrote(self) -> None:
        """And what, and that it was written to them."""
        letter = jwe.open_then_verify(self.sealed(), BOB, ParsedKeys(), typ=TYP)
        self.assertEqual(letter.key, ANN.public)
        self.assertEqual(letter.claims.aud, BOB.public.text)
        self.assertEqual(base64url.decode(letter.claims.val), b"hello")

    def test_A2_a_letter_is_not_passed_on(self) -> None:
        """Bob opens Ann's letter and seals it to Eve: Eve sees that it was not written to her."""
        inner = jwe.open_(self.sealed(), BOB.agreement, typ=TYP)
        passed_on = jwe.seal(inner, EVE.agreement.public, typ=TYP)
        keys = ParsedKeys()
        self.assertRaises(WrongAudience, jwe.open_then_verify, passed_on, EVE, keys, typ=TYP)

    def test_A4_nobody_puts_their_name_on_anothers_letter(self) -> None:
        """What Eve signs in Ann's name is refused after opening."""
        letter = Letter(ANN.public.text, BOB.public.text, TYP, "aGVsbG8")
        forged = jwe.seal(envelope.sign_letter(EVE.signing, letter), BOB.agreement.public, typ=TYP)
        self.assertRaises(BadSignature, jwe.open_then_verify, forged, BOB, ParsedKeys(), typ=TYP)

    def test_only_the_receiver_opens_it(self) -> None:
        """Not even its writer."""
        token, keys = self.sealed(), ParsedKeys()
        for other in (ANN, EVE):
            self.assertRaises(DecryptFailed, jwe.open_then_verify, token, other, keys, typ=TYP)
