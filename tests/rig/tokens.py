"""Tokens that no honest peer makes: other headers, other kinds, other signers, altered bits."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from typing import Final

from streembit.jose import base64url, jwe, jws
from streembit.jose.jws import Kind
from streembit.jose.keys import Identity, PrivateKey
from tests.rig.evil import signed

TYP: Final = "rpc+jwt"
STRANGER: Final = Identity.from_seed(bytes([9]) * 32, "stranger")


def _key_in(header: dict[str, object], key: PrivateKey) -> bytes:
    """Return a header with the attacker's own public key in it."""
    point = base64url.encode(key.public.point[1:])
    return _text({**header, "jwk": {"kty": "EC", "crv": "P-256", "x": point, "y": point}})


def _text(header: object) -> bytes:
    return json.dumps(header, separators=(",", ":")).encode()


def headers(typ: str, key: PrivateKey) -> Iterator[tuple[str, bytes]]:
    """Yield headers, by name, that some library somewhere has fallen for."""
    right: dict[str, object] = {"alg": "ES256", "typ": typ}
    for alg in ("none", "None", "nOnE", "", "HS256", "RS256", "PS256", "ES384", "ES256K", "EdDSA"):
        yield f"alg {alg!r}", _text({**right, "alg": alg})
    yield "no alg", _text({"typ": typ})
    yield "no typ", _text({"alg": "ES256"})
    yield "typ JWT", _text({**right, "typ": "JWT"})
    yield "jwk", _key_in(right, key)
    extra: dict[str, object] = {
        "kid": "../../etc/passwd",
        "x5c": ["MIIB"],
        "x5u": "http://198.51.100.1/",
        "jku": "http://198.51.100.1/",
        "crit": ["unknown"],
        "b64": False,
        "zip": "DEF",
        "cty": "JWT",
    }
    for name, value in extra.items():
        yield name, _text({**right, name: value})
    yield "crit and b64", _text({**right, "crit": ["b64"], "b64": False})
    yield "members in another order", _text({"typ": typ, "alg": "ES256"})
    yield "spaces", json.dumps(right).encode()
    yield "alg twice", b'{"alg":"none","alg":"ES256","typ":"%s"}' % typ.encode()
    yield "no object", b'"ES256"'
    yield "empty", b""


def with_other_headers(payload: bytes, typ: str, key: PrivateKey) -> Iterator[tuple[str, bytes]]:
    """Yield tokens over the payload, by name, each signed as well as its header allows."""
    for name, header in headers(typ, key):
        yield name, signed(header, payload, key)
    good = jws.sign(Kind(typ), payload, key)
    head, body, _signature = good.split(b".")
    none = base64url.encode_bytes(_text({"alg": "none", "typ": typ})) + b"." + body
    yield "none, unsigned", none + b"."
    hs256 = base64url.encode_bytes(_text({"alg": "HS256", "typ": typ})) + b"." + body
    mac = hmac.digest(key.public.point, hs256, "sha256")
    yield "the public key as a password", hs256 + b"." + base64url.encode_bytes(mac)
    yield "no signature", head + b"." + body + b"."
    yield "two parts", head + b"." + body
    yield "four parts", good + b".AAAA"
    yield "padded", good + b"=="


def of_every_kind(payload: bytes, key: PrivateKey) -> Iterator[tuple[str, bytes]]:
    """Yield the payload signed as each kind of message, and sealed, by the kind's name."""
    for kind in Kind:
        yield kind.value, jws.sign(kind, payload, key)
    yield "sealed", jwe.seal(payload, STRANGER.agreement.public, typ="x").encode()
    yield "bare", payload
