"""The key file: an identity's seed as a JSON document, sealed by a passcode or openly clear."""

from __future__ import annotations

import os
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated, Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta, Struct

from streembit.errors import (
    BadJson,
    BadSecret,
    BadToken,
    KeyFileCorrupt,
    KeyFileWeak,
    WrongPasscode,
)
from streembit.jose import base64url
from streembit.jose.keys import Identity
from streembit.jose.passcode import (
    DEFAULT,
    SALT_BYTES,
    KdfParams,
    check_params,
    check_passcode,
    stretch,
)
from streembit.wire import codec

MAX_FILE_BYTES: Final = 4096  # one is about 600
NONCE_BYTES: Final = 12
_CHECKSUM_BYTES: Final = 16
_CIPHER_KEY_BYTES: Final = 32

_Base64 = Annotated[str, Meta(max_length=128)]
Protection = Literal["argon2id+a256gcm", "none"]

__all__ = ["DEFAULT", "Header", "KdfParams", "check_passcode", "inspect", "lock", "unlock"]


class Header(Struct, frozen=True):
    """What a key file says to everybody: whose it is and how its secret is protected.

    `public_key` is lower-case hex. With protection "none" the texts
    `salt`, `nonce` and `check` are empty and `kdf` is null. All of it
    is associated data of the sealed part.
    """

    version: Literal[1]
    name: Annotated[str, Meta(max_length=64)]
    public_key: Annotated[str, Meta(pattern=r"^0[23][0-9a-f]{64}\Z")]
    protection: Protection
    kdf: KdfParams | None = None
    salt: _Base64 = ""
    nonce: _Base64 = ""
    check: _Base64 = ""


class _Document(Struct, frozen=True):
    """A header, the secret (sealed or clear, base64url), and a checksum against damage."""

    header: Header
    secret: _Base64
    checksum: _Base64


def lock(
    identity: Identity,
    passcode: str | None,
    *,
    params: KdfParams = DEFAULT,
    salt: bytes | None = None,
    nonce: bytes | None = None,
) -> bytes:
    """Return the key file of an identity; without a passcode its secret is in clear.

    Raises:
        WeakPasscode: the passcode does not meet the rule.
        KeyFileWeak: the parameters are outside of what `unlock` takes.
    """
    public = identity.public.hex
    if passcode is None:
        return _write(Header(1, identity.name, public, "none"), identity.seed)
    check_passcode(passcode)
    check_params(params)
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    nonce = os.urandom(NONCE_BYTES) if nonce is None else nonce
    stretched = stretch(passcode, salt, params)
    header = Header(
        1,
        identity.name,
        public,
        "argon2id+a256gcm",
        params,
        base64url.encode(salt),
        base64url.encode(nonce),
        base64url.encode(stretched[_CIPHER_KEY_BYTES:]),
    )
    cipher = AESGCM(stretched[:_CIPHER_KEY_BYTES])
    return _write(header, cipher.encrypt(nonce, identity.seed, codec.encode(header)))


def unlock(data: bytes, passcode: str | None) -> Identity:
    """Return the identity of a key file.

    Raises:
        KeyFileCorrupt: damaged, or altered by somebody.
        KeyFileWeak: its parameters are below 19 MiB and 2 passes, or
            above 1 GiB; or a passcode is given but none protects it.
        WrongPasscode: another passcode protects it (also when none is
            given).
    """
    document = _read(data)
    header, secret = document.header, _bytes(document.secret)
    if header.protection == "none":
        if passcode is not None:
            raise KeyFileWeak("no passcode protects it")
        seed = secret
    elif passcode is None:
        raise WrongPasscode("a passcode protects this key file")
    else:
        seed = _open(header, secret, passcode)
    return _identity(seed, header)


def inspect(data: bytes) -> Header:
    """Return what a key file says without its passcode; raise KeyFileCorrupt.

    Nothing in it can be trusted before `unlock`.
    """
    return _read(data).header


def _open(header: Header, secret: bytes, passcode: str) -> bytes:
    if header.kdf is None:
        raise KeyFileCorrupt("no parameters")
    check_params(header.kdf)
    salt, nonce = _bytes(header.salt), _bytes(header.nonce)
    if len(salt) < SALT_BYTES or len(nonce) != NONCE_BYTES:
        raise KeyFileCorrupt("salt or nonce has the wrong length")
    stretched = stretch(passcode, salt, header.kdf)
    if not compare_digest(stretched[_CIPHER_KEY_BYTES:], _bytes(header.check)):
        raise WrongPasscode
    try:
        return AESGCM(stretched[:_CIPHER_KEY_BYTES]).decrypt(nonce, secret, codec.encode(header))
    except InvalidTag:
        raise KeyFileCorrupt("the passcode is right, but the file was altered") from None


def _identity(seed: bytes, header: Header) -> Identity:
    try:
        identity = Identity.from_seed(seed, header.name)
    except BadSecret:
        raise KeyFileCorrupt("the secret has the wrong length") from None
    if identity.public.hex != header.public_key:
        raise KeyFileCorrupt("it names another public key than its own")
    return identity


def _write(header: Header, secret: bytes) -> bytes:
    text = base64url.encode(secret)
    document = _Document(header, text, _checksum(header, text))
    return msgspec.json.format(codec.encode(document), indent=2) + b"\n"


def _read(data: bytes) -> _Document:
    if len(data) > MAX_FILE_BYTES:
        raise KeyFileCorrupt("too long", size_bytes=len(data))
    try:
        document = codec.decode(data, _Document)
    except BadJson as e:
        raise KeyFileCorrupt(e.detail) from None
    if document.checksum != _checksum(document.header, document.secret):
        raise KeyFileCorrupt("the checksum is wrong")
    return document


def _checksum(header: Header, secret: str) -> str:
    digest = sha256(codec.encode([header, secret])).digest()
    return base64url.encode(digest[:_CHECKSUM_BYTES])


def _bytes(text: str) -> bytes:
    try:
        return base64url.decode(text)
    except BadToken:
        raise KeyFileCorrupt("not base64url") from None
