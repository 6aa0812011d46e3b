"""Other libraries read our signed messages, and we read theirs: joserfc, jwcrypto, PyJWT."""

from __future__ import annotations

import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws as joserfc_jws
from joserfc.jwk import ECKey
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jws as jwcrypto_jws
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadHeader, BadSignature
from streembit.jose import base64url, envelope, jws
from streembit.jose.jws import Kind
from streembit.jose.keys import ORDER, ParsedKeys
from streembit.wire import codec
from streembit.wire.message import RecordClaims
from tests.jose.people import ANN, BOB

CLAIMS = RecordClaims(ANN.public.text, "main", "app", "a/b", 1, 1_700_000_000, "aGVsbG8")
PAYLOAD = codec.encode(CLAIMS)


def with_low_s(token: str) -> str:
    """Return the token with the lower of its two signatures: the one step others must add."""
    signing_input, _, text = token.rpartition(".")
    signature = base64url.decode(text)
    s = int.from_bytes(signature[32:])
    low = signature[:32] + min(s, ORDER - s).to_bytes(32)
    return signing_input + "." + base64url.encode(low)


def jwk() -> dict[str, Any]:
    """Return Ann's signing key as a private JWK."""
    return dict(ECKey.import_key(ANN.signing._key).as_dict(private=True))


class TheyReadOursTests(SynchronousTestCase):
    """A record of ours, read by a library that knows nothing of Streembit."""

    token = envelope.sign_record(ANN.signing, CLAIMS)

    def test_joserfc_reads_ours(self) -> None:
        """Payload and header."""
        key = ECKey.import_key(jwk())
        read = joserfc_jws.deserialize_compact(self.token, key, algorithms=["ES256"])
        self.assertEqual(read.payload, PAYLOAD)
        self.assertEqual(read.headers(), {"alg": "ES256", "typ": "record+jwt"})

    def test_jwcrypto_reads_ours(self) -> None:
        """Payload and header."""
        read = jwcrypto_jws.JWS()
        read.allowed_algs = ["ES256"]
        read.deserialize(self.token, jwcrypto_jwk.JWK(**jwk()))
        self.assertEqual(read.payload, PAYLOAD)
        self.assertEqual(read.jose_header, {"alg": "ES256", "typ": "record+jwt"})

    def test_pyjwt_reads_ours(self) -> None:
        """Payload as claims."""
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), ANN.public.point)
        options: Any = {"verify_exp": False}
        read = jwt.decode(self.token, point, algorithms=["ES256"], options=options)
        self.assertEqual(read, json.loads(PAYLOAD))


class WeReadTheirsTests(SynchronousTestCase):
    """A record signed by such a library, read here."""

    def check(self, token: str) -> None:
        """Read the token by the usual way of a record."""
        verified = envelope.verify_record(with_low_s(token), ParsedKeys())
        self.assertEqual((verified.claims, verified.key), (CLAIMS, ANN.public))

    def test_we_read_joserfcs(self) -> None:
        """Signed by joserfc."""
        header = {"alg": "ES256", "typ": "record+jwt"}
        key = ECKey.import_key(jwk())
        for _ in range(4):
            self.check(joserfc_jws.serialize_compact(header, PAYLOAD, key, algorithms=["ES256"]))

    def test_we_read_jwcryptos(self) -> None:
        """Signed by jwcrypto."""
        for _ in range(4):
            token = jwcrypto_jws.JWS(PAYLOAD)
            header = '{"alg":"ES256","typ":"record+jwt"}'
            token.add_signature(jwcrypto_jwk.JWK(**jwk()), alg="ES256", protected=header)
            self.check(token.serialize(compact=True))

    def test_we_read_pyjwts(self) -> None:
        """Signed by PyJWT, whose sorted header is ours."""
        api = jwt.PyJWS(algorithms=["ES256"])
        headers = {"typ": "record+jwt"}
        for _ in range(4):
            key = ANN.signing._key
            self.check(api.encode(PAYLOAD, key, "ES256", headers, sort_headers=True))

    def test_A5_other_headers_of_theirs_are_refused(self) -> None:
        """What the libraries write unless they are told the type."""
        key = ECKey.import_key(jwk())
        for header in ({"alg": "ES256"}, {"typ": "record+jwt", "alg": "ES256"}):
            token = joserfc_jws.serialize_compact(header, PAYLOAD, key, algorithms=["ES256"])
            self.assertRaises(BadHeader, envelope.verify_record, token, ParsedKeys())
        token = jwt.PyJWS().encode(PAYLOAD, ANN.signing._key, algorithm="ES256")
        self.assertRaises(BadHeader, envelope.verify_record, token, ParsedKeys())

    def test_A4_another_signer_is_refused_whoever_made_the_token(self) -> None:
        """Bob's signature under Ann's name, by joserfc."""
        header = {"alg": "ES256", "typ": "record+jwt"}
        key = ECKey.import_key(BOB.signing._key)
        token = joserfc_jws.serialize_compact(header, PAYLOAD, key, algorithms=["ES256"])
        self.assertRaises(BadSignature, envelope.verify_record, with_low_s(token), ParsedKeys())

    def test_A7_the_high_twin_that_others_accept_is_refused_here(self) -> None:
        """The reason why nothing is ever known by its signature."""
        low = jws.sign(Kind.RECORD, PAYLOAD, ANN.signing).decode()
        signing_input, _, text = low.rpartition(".")
        signature = base64url.decode(text)
        s = (ORDER - int.from_bytes(signature[32:])).to_bytes(32)
        high = signing_input + "." + base64url.encode(signature[:32] + s)
        key = ECKey.import_key(jwk())
        read = joserfc_jws.deserialize_compact(high, key, algorithms=["ES256"])
        self.assertEqual(read.payload, PAYLOAD)
        self.assertRaises(BadSignature, envelope.verify_record, high, ParsedKeys())
