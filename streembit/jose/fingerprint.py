"""A key's fingerprint: what two people compare, or read out, to know that a key is the right one.

It is the SHA-256 of the 33-byte key, in base32 (RFC 4648) without
padding: 52 characters. Four check characters follow: the first 20 bits
of the SHA-256 of "streembit-fingerprint" and the 32 bytes. So it is 14
groups of four, and a mistake in reading or typing, of whatever kind,
goes unnoticed once in a million times.
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from hashlib import sha256
from typing import Final

from streembit.errors import BadName
from streembit.jose.keys import PublicKey

DIGEST_BYTES: Final = 32
_DIGEST_CHARS: Final = 52
_CHECK_CHARS: Final = 4
_GROUP: Final = 4
_SEPARATORS: Final = str.maketrans("", "", " \t\r\n-")


def digest_of(key: PublicKey) -> bytes:
    """Return the 32 bytes that a fingerprint stands for."""
    return sha256(key.point).digest()


def of(key: PublicKey) -> str:
    """Return the fingerprint of a key: 14 groups of four, one space between them."""
    return show(digest_of(key))


def show(digest: bytes) -> str:
    """Return the fingerprint that stands for these 32 bytes."""
    text = _letters(digest)
    return " ".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def parse(text: str) -> bytes:
    """Return the 32 bytes of a fingerprint, whatever its case, spaces and dashes.

    Raises:
        BadName: not a fingerprint, or one with a mistake in it.
    """
    letters = text.translate(_SEPARATORS).upper()
    if len(letters) != _DIGEST_CHARS + _CHECK_CHARS:
        raise BadName("a fingerprint has 56 letters and digits", count=len(letters))
    try:
        digest = b32decode(letters[:_DIGEST_CHARS] + "====")
    except ValueError:
        raise BadName("a fingerprint has the letters A to Z and the digits 2 to 7") from None
    if _letters(digest) != letters:
        raise BadName("the fingerprint has a mistake in it: its check characters do not fit")
    return digest


def _letters(digest: bytes) -> str:
    check = sha256(b"streembit-fingerprint" + digest).digest()
    both = b32encode(digest)[:_DIGEST_CHARS] + b32encode(check)[:_CHECK_CHARS]
    return both.decode("ascii")
