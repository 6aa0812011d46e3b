"""Signed messages: JWS compact (RFC 7515), ES256, one fixed header a kind of message.

A receiver compares header bytes with the one form that is allowed, so
there is nothing to negotiate: no `none`, no other curve, and no member
that names a key or changes how the payload is read.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from streembit.errors import BadHeader, BadToken
from streembit.jose import base64url
from streembit.jose.keys import PrivateKey, PublicKey

_SIGNATURE_CHARS: Final = 86  # 64 bytes
_TAIL: Final = _SIGNATURE_CHARS + 1  # with the dot before it


class Kind(Enum):
    """What a signed message is: the `typ` of its header (RFC 8725, section 3.11)."""

    RPC = "rpc+jwt"
    RECORD = "record+jwt"
    OFFER = "offer+jwt"
    HUB = "hub+jwt"
    ENVELOPE = "envelope+jwt"
    ENTRY = "entry+jwt"
    SEALED = "sealed+jwt"
    ROTATION = "rotation+jwt"
    SUCCESSOR = "successor+jwt"
    REVOCATION = "revocation+jwt"
    AGREEMENT = "agreement+jwt"

    def __init__(self, typ: str) -> None:
        self.header = b'{"alg":"ES256","typ":"%s"}' % typ.encode("ascii")
        self.prefix = base64url.encode_bytes(self.header) + b"."


class Unverified:
    """The parts of a token whose signature nobody has checked yet."""

    __slots__ = ("kind", "payload", "signature", "signing_input")

    def __init__(self, kind: Kind, signing_input: bytes, payload: bytes, signature: bytes) -> None:
        self.kind = kind
        self.signing_input = signing_input
        self.payload = payload
        self.signature = signature

    def check(self, key: PublicKey) -> None:
        """Raise BadSignature unless `key` signed this."""
        key.verify(self.signature, self.signing_input)


def sign(kind: Kind, payload: bytes, key: PrivateKey) -> bytes:
    """Return the token of a payload, as ASCII bytes."""
    signing_input = kind.prefix + base64url.encode_bytes(payload)
    return signing_input + b"." + base64url.encode_bytes(key.sign(signing_input))


def split(token: bytes, kind: Kind) -> Unverified:
    """Return the parts of a token of this kind, unverified.

    Raises:
        BadHeader: the header is not byte for byte that of the kind.
        BadToken: not three parts of canonical base64url, or the
            signature has not 64 bytes.
    """
    prefix = kind.prefix
    if not token.startswith(prefix):
        raise _refusal(token)
    signing_input = token[:-_TAIL]
    if token[-_TAIL : 1 - _TAIL] != b"." or len(signing_input) < len(prefix):
        raise BadToken("not a signature of 64 bytes")
    payload = base64url.decode(signing_input[len(prefix) :])
    return Unverified(kind, signing_input, payload, base64url.decode(token[1 - _TAIL :]))


def _refusal(token: bytes) -> BadHeader | BadToken:
    if token.count(b".") != 2:
        return BadToken("not three parts")
    return BadHeader("not the header of this kind of message")
