"""Sealed data: JWE compact (RFC 7516), ECDH-ES+A256KW with A256GCM, to one key."""

from __future__ import annotations

from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from streembit.errors import BadHeader, BadJson, BadToken, DecryptFailed, TooLarge
from streembit.jose import base64url, envelope
from streembit.jose.envelope import Verified
from streembit.jose.keys import Identity, ParsedKeys, PrivateKey, PublicKey
from streembit.wire import codec
from streembit.wire.message import Letter

MAX_TOKEN_CHARS: Final = 64 * 1024  # a frame to a known peer
MAX_HEADER_CHARS: Final = 1024
_ALG: Final = "ECDH-ES+A256KW"
_WRITES: Final = "A256GCM"
_WRAPPED_BYTES: Final = {"A256GCM": 40, "A128GCM": 24}  # of the content key, by what is read
_IV_BYTES: Final = 12
_TAG_BYTES: Final = 16
_COORDINATE_BYTES: Final = 32
_REGISTRY: Final = jwe.JWERegistry(algorithms=[_ALG, *_WRAPPED_BYTES])


def seal(payload: bytes, to: PublicKey, *, typ: str) -> str:
    """Return a token that only the holder of `to`'s scalar can open.

    Raises:
        TooLarge: the token would exceed MAX_TOKEN_CHARS.
    """
    header = {"alg": _ALG, "enc": _WRITES, "typ": typ}
    token = jwe.encrypt_compact(header, payload, ECKey.import_key(to._key), registry=_REGISTRY)
    if len(token) > MAX_TOKEN_CHARS:
        raise TooLarge("sealed token", size_chars=len(token), limit_chars=MAX_TOKEN_CHARS)
    return token


def open_(token: str | bytes, key: PrivateKey, *, typ: str | None) -> bytes:
    """Return what was sealed to this key under this type; nothing says by whom.

    With `typ` None the token must have no type, as programs write that
    know none.

    Raises:
        BadToken: too long, or not five parts of canonical base64url.
        BadHeader: not exactly `alg`, `enc`, `typ` and an `epk` of P-256
            with the values that are allowed; so no `zip`, no `crit`.
        DecryptFailed: not sealed to this key, or altered.
    """
    _check_form(token, typ)
    try:
        opened = jwe.decrypt_compact(token, ECKey.import_key(key._key), registry=_REGISTRY)
    except (JoseError, ValueError, InvalidTag, InvalidUnwrap):
        raise DecryptFailed("not sealed to this key, or altered") from None
    if opened.plaintext is None:
        raise DecryptFailed("empty")
    return opened.plaintext


def sign_then_seal(
    body: bytes, sender: Identity, receiver: PublicKey, agreement: PublicKey, *, typ: str
) -> str:
    """Return a token from `sender` to the holder of these two keys, both named inside.

    Raises:
        TooLarge: the token would exceed MAX_TOKEN_CHARS.
    """
    letter = Letter(sender.public.text, receiver.text, typ, base64url.encode(body))
    return seal(envelope.sign_letter(sender.signing, letter), agreement, typ=typ)


def open_then_verify(
    token: str | bytes, receiver: Identity, keys: ParsedKeys, *, typ: str
) -> Verified[Letter]:
    """Return the letter sealed to this identity, with its signer checked.

    Raises:
        BadToken, BadHeader, DecryptFailed: as `open_`.
        BadJson, BadKey, BadSignature, WrongAudience, BadMessage: as
            `envelope.verify_letter`.
    """
    inner = open_(token, receiver.agreement, typ=typ)
    return envelope.verify_letter(inner, receiver.public, typ, keys)


def _check_form(token: str | bytes, typ: str | None) -> None:
    """Raise BadToken or BadHeader unless the token has the one form that is opened."""
    if len(token) > MAX_TOKEN_CHARS:
        raise BadToken("too long", size_chars=len(token), limit_chars=MAX_TOKEN_CHARS)
    data = token.encode("ascii", "replace") if isinstance(token, str) else token
    parts = data.split(b".")
    if len(parts) != 5 or len(parts[0]) > MAX_HEADER_CHARS:
        raise BadToken("not five parts")
    header, wrapped, iv, _, tag = (base64url.decode(part) for part in parts)
    enc = _check_header(header, typ)
    if (len(wrapped), len(iv), len(tag)) != (_WRAPPED_BYTES[enc], _IV_BYTES, _TAG_BYTES):
        raise BadToken("a part has the wrong length")


def _check_header(header: bytes, typ: str | None) -> str:
    """Return `enc` of a header that is allowed; raise BadHeader."""
    try:
        members: dict[str, Any] = codec.decode_object(header)
    except BadJson:
        raise BadHeader("not strict JSON") from None
    enc = members.get("enc")
    if enc not in ("A256GCM", "A128GCM"):
        raise BadHeader("not A256GCM or A128GCM")
    rest = {name: value for name, value in members.items() if name not in ("enc", "epk")}
    due = {"alg": _ALG} if typ is None else {"alg": _ALG, "typ": typ}
    if rest != due or not _is_point(members.get("epk")):
        raise BadHeader("not the header of this kind of message")
    return str(enc)


def _is_point(epk: object) -> bool:
    """Return whether a JWK names a point of P-256 and holds nothing else."""
    if not isinstance(epk, dict) or epk.keys() != {"kty", "crv", "x", "y"}:
        return False
    return (epk["kty"], epk["crv"]) == ("EC", "P-256") and all(
        _is_coordinate(epk[axis]) for axis in ("x", "y")
    )


def _is_coordinate(text: object) -> bool:
    try:
        return isinstance(text, str) and len(base64url.decode(text)) == _COORDINATE_BYTES
    except BadToken:
        return False
