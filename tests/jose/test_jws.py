"""Signed messages: one header, one form, and no bit can change."""

from __future__ import annotations

import base64
import hmac
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadHeader, BadSignature, BadToken, RemoteError
from streembit.jose import base64url, jws
from streembit.jose.jws import Kind
from streembit.jose.keys import ORDER, PublicKey
from tests.jose.people import ANN, BOB, EVE, KEY
from tests.sources import ROOT

VECTORS = ROOT / "docs/protocol/vectors/jws.json"
ERRORS = {"bad-header": BadHeader, "bad-token": BadToken, "bad-signature": BadSignature}


def verify(token: bytes, kind: Kind = Kind.RPC, key: PublicKey = ANN.public) -> bytes:
    """Return the payload of a token that `key` signed."""
    unverified = jws.split(token, kind)
    unverified.check(key)
    return unverified.payload


def is_accepted(token: bytes) -> bool:
    """Return whether a token verifies under Ann's key; only RemoteErrors refuse it."""
    try:
        verify(token)
    except RemoteError:
        return False
    return True


def forged(header: object, payload: bytes = b"{}") -> bytes:
    """Return a token with any header, properly signed by Ann."""
    text = (
        header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    )
    signing_input = base64url.encode_bytes(text) + b"." + base64url.encode_bytes(payload)
    return signing_input + b"." + base64url.encode_bytes(KEY.sign(signing_input))


class SignTests(SynchronousTestCase):
    """What was signed is read."""

    @settings(deadline=None, derandomize=True, database=None, max_examples=40)
    @given(payload=st.binary(max_size=500), kind=st.sampled_from(Kind))
    def test_any_payload_comes_back(self, payload: bytes, kind: Kind) -> None:
        """Each kind, each length."""
        token = jws.sign(kind, payload, KEY)
        self.assertEqual(verify(token, kind), payload)
        self.assertEqual(token.count(b"."), 2)

    def test_the_vectors_of_the_protocol(self) -> None:
        """Tokens made elsewhere verify; each wrong one has its error."""
        document = json.loads(VECTORS.read_text(encoding="utf-8"))
        self.assertEqual({one["kind"] for one in document["headers"]}, {k.value for k in Kind})
        for example in document["headers"]:
            self.assertEqual(Kind(example["kind"]).header.decode(), example["header"])
            self.assertEqual(Kind(example["kind"]).prefix.decode(), example["prefix"])
        key = PublicKey.from_text(document["key"])
        for example in document["accepted"]:
            payload = verify(example["token"].encode(), Kind(example["kind"]), key)
            self.assertEqual(payload.hex(), example["payload"])
        self.assertGreaterEqual(len(document["refused"]), 20)
        for example in document["refused"]:
            arguments = example["token"].encode(), Kind.RPC, key
            self.assertRaises(ERRORS[example["error"]], verify, *arguments)


class AlteredTests(SynchronousTestCase):
    """Nothing that was altered is accepted."""

    def test_A4_every_flipped_bit_is_refused(self) -> None:
        """All 2,400 bits of a token of 300 bytes, one at a time."""
        token = jws.sign(Kind.RPC, b"x" * 127, KEY)
        self.assertEqual(len(token), 300)
        self.assertTrue(is_accepted(token))
        flipped = bytearray(token)
        accepted = []
        for bit in range(len(token) * 8):
            flipped[bit // 8] ^= 1 << bit % 8
            if is_accepted(bytes(flipped)):
                accepted.append(bit)
            flipped[bit // 8] ^= 1 << bit % 8
        self.assertEqual(accepted, [])

    def test_A4_every_bit_of_payload_and_signature_counts(self) -> None:
        """Flipped before the text form is made, so that the text stays well formed."""
        token = jws.sign(Kind.RPC, b"a payload", KEY)
        for index in (1, 2):
            parts = token.split(b".")
            data = bytearray(base64url.decode(parts[index]))
            for bit in range(len(data) * 8):
                data[bit // 8] ^= 1 << bit % 8
                parts[index] = base64url.encode_bytes(bytes(data))
                self.assertRaises(BadSignature, verify, b".".join(parts))
                data[bit // 8] ^= 1 << bit % 8

    def test_A4_another_key_is_refused(self) -> None:
        """Neither somebody else's signature, nor the signer's other key."""
        token = jws.sign(Kind.RPC, b"{}", EVE.signing)
        self.assertRaises(BadSignature, verify, token)
        token = jws.sign(Kind.RPC, b"{}", ANN.agreement)
        self.assertRaises(BadSignature, verify, token)
        self.assertRaises(
            BadSignature, verify, jws.sign(Kind.RPC, b"{}", KEY), Kind.RPC, BOB.public
        )

    def test_A4_parts_of_two_messages_do_not_mix(self) -> None:
        """A signature belongs to its payload only."""
        one, two = (jws.sign(Kind.RPC, payload, KEY).split(b".") for payload in (b"1", b"2"))
        self.assertRaises(BadSignature, verify, b".".join((one[0], one[1], two[2])))

    def test_A4_every_cut_is_refused(self) -> None:
        """A token that lost its beginning or its end is none."""
        token = jws.sign(Kind.RPC, b"payload", KEY)
        for cut in range(1, len(token)):
            self.assertRaises((BadToken, BadHeader), verify, token[:cut])
            self.assertRaises((BadToken, BadHeader), verify, token[cut:])


class HeaderTests(SynchronousTestCase):
    """The header is one of a few byte strings."""

    good = {"alg": "ES256", "typ": "rpc+jwt"}

    def test_the_allowed_header_is_accepted(self) -> None:
        """The forger of the tests below can forge."""
        self.assertEqual(verify(forged(self.good)), b"{}")

    def test_A5_no_header_but_the_one_is_accepted(self) -> None:
        """Other algorithms, keys in the header, extensions, compression, other forms."""
        jwk = {
            "kty": "EC",
            "crv": "P-256",
            "x": base64url.encode(EVE.public.point[1:]),
            "y": base64url.encode(EVE.public.point[1:]),
        }
        algorithms = ["none", "None", "NONE", "", "HS256", "ES256K", "ES384", "RS256", "PS256"]
        changes: list[dict[str, object]] = [
            {"jwk": jwk},
            {"jku": "https://example.org/keys"},
            {"x5c": ["AA=="]},
            {"x5u": "https://example.org/chain"},
            {"x5t": "AA"},
            {"kid": "ann"},
            {"kid": "../../etc/passwd"},
            {"crit": ["exp"]},
            {"crit": []},
            {"crit": ["b64"], "b64": False},
            {"b64": False},
            {"b64": True},
            {"zip": "DEF"},
            {"cty": "JWT"},
            {"typ": "JWT"},
            {"typ": "RPC+JWT"},
            {"typ": "application/rpc+jwt"},
        ]
        changes += [{"alg": alg} for alg in (*algorithms, "EdDSA", "es256", "ES256 ", None, 1)]
        for change in changes:
            self.assertRaises(BadHeader, verify, forged({**self.good, **change}))

    def test_A5_the_same_header_in_another_form_is_refused(self) -> None:
        """Order, white space, escapes, duplicates: bytes are compared, not meanings."""
        for header in (
            b'{"typ":"rpc+jwt","alg":"ES256"}',
            b'{"alg": "ES256","typ":"rpc+jwt"}',
            b'{"alg":"ES256","typ":"rpc+jwt"} ',
            b'{"alg":"ES256","typ":"rpc\\u002bjwt"}',
            b'{"alg":"none","alg":"ES256","typ":"rpc+jwt"}',
            b'{"alg":"ES256","typ":"rpc+jwt","typ":"rpc+jwt"}',
            b'{"alg":"ES256"}',
            b"{}",
            b"",
            b"null",
            b"\xff",
        ):
            self.assertRaises(BadHeader, verify, forged(header))

    def test_A5_no_signature_at_all_is_refused(self) -> None:
        """The token of an unsecured JWS, and ours with its signature cut off."""
        unsecured = forged({**self.good, "alg": "none"}).rsplit(b".", 1)[0] + b"."
        self.assertRaises(BadHeader, verify, unsecured)
        token = jws.sign(Kind.RPC, b"{}", KEY)
        for end in (b"", b"."):
            self.assertRaises(BadToken, verify, token.rsplit(b".", 1)[0] + end)

    def test_A5_the_public_key_is_no_password(self) -> None:
        """An HMAC with the public key's bytes in the place of a signature is refused."""
        signing_input = Kind.RPC.prefix + base64url.encode_bytes(b"{}")
        for secret in (ANN.public.point, ANN.public.text.encode(), ANN.public.hex.encode()):
            tag = hmac.digest(secret, signing_input, "sha256")
            for mac in (tag, tag + tag):
                token = signing_input + b"." + base64url.encode_bytes(mac)
                self.assertFalse(is_accepted(token))

    def test_B7_compressed_payloads_do_not_exist(self) -> None:
        """A header that announces compression is refused before anything is unpacked."""
        self.assertRaises(BadHeader, verify, forged({**self.good, "zip": "DEF"}, b"x" * 60_000))

    def test_A8_no_kind_is_taken_for_another(self) -> None:
        """Each kind given to the reader of each: only its own reads it."""
        for made in Kind:
            token = jws.sign(made, b"{}", KEY)
            for read in Kind:
                if read is made:
                    self.assertEqual(verify(token, read), b"{}")
                else:
                    self.assertRaises(BadHeader, verify, token, read)


class TwinTests(SynchronousTestCase):
    """One message has one token form, and is known by what was signed."""

    def test_A7_the_twin_of_a_signature_is_refused(self) -> None:
        """Nobody can make a second valid token out of the first."""
        token = jws.sign(Kind.RPC, b"{}", KEY)
        signing_input, _, text = token.rpartition(b".")
        signature = base64url.decode(text)
        s = (ORDER - int.from_bytes(signature[32:])).to_bytes(32)
        twin = signing_input + b"." + base64url.encode_bytes(signature[:32] + s)
        self.assertRaises(BadSignature, verify, twin)

    def test_A7_padded_and_trailing_bit_twins_are_refused(self) -> None:
        """Each part padded, or with other unused bits, or in the other alphabet."""
        token = jws.sign(Kind.RPC, b'{"a":"\xc3\xbf\xc3\xbf"}??>>', KEY)
        parts = token.split(b".")
        changes = [
            (index, part)
            for index in range(3)
            for part in (parts[index] + b"=", parts[index] + b"==", self.other_bits(parts[index]))
        ]
        twins = [b".".join([*parts[:at], part, *parts[at + 1 :]]) for at, part in changes]
        twins += [token + b"=", token + b"==", token.replace(b"_", b"/"), token.replace(b"-", b"+")]
        twins += [token + b"\n", b" " + token, token + b"\x00", token + b"."]
        for twin in set(twins) - {token}:
            self.assertFalse(is_accepted(twin), twin)
            if len(base64.urlsafe_b64decode(twin.rsplit(b".", 1)[-1] + b"==")) == 64:
                self.assertRaises((BadToken, BadHeader), jws.split, twin, Kind.RPC)

    def other_bits(self, part: bytes) -> bytes:
        """Return the text with the lowest unused bit of its last character set, if it has one."""
        alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        if len(part) % 4 == 0:
            return part
        return part[:-1] + alphabet[alphabet.index(part[-1]) | 1 :][:1]
