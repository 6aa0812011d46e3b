"""A key's fingerprint: what two people compare, or read out, to know that a key is the right one.

It is the SHA-256 of the 33-byte key, in base32 (RFC 4648) without
padding: 52 characters. Four check characters follow: the first 20 bits
of the SHA-256 of "streembit-fingerprint" and the 32 bytes. So it is 14
groups of four, and a mistake in reading or typing, of whatever kind,
goes unnoticed once in a million times.

The number is the form to read out: the first 128 bits of the same hash
as 39 decimal digits, and a check digit (H. M. Damm, 2004), in 8 groups of
five. Digits have names in every language; and nobody takes them for the
words that are a key's secret.
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from hashlib import sha256
from typing import Final

from streembit.errors import BadName, SecretWords
from streembit.jose import words
from streembit.jose.keys import PublicKey

DIGEST_BYTES: Final = 32
_DIGEST_CHARS: Final = 52
_CHECK_CHARS: Final = 4
_GROUP: Final = 4
_SEPARATORS: Final = str.maketrans("", "", " \t\r\n-")

NUMBER_DIGITS: Final = 40
_NUMBER_BYTES: Final = 16  # as hard to match as it is to compute the secret of a key of P-256
_NUMBER_GROUP: Final = 5
# Damm's quasigroup of order 10: each single wrong digit and each swap of neighbours shows.
_DAMM: Final = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


def digest_of(key: PublicKey) -> bytes:
    """Return the 32 bytes that a fingerprint stands for."""
    return sha256(key.point).digest()


def of(key: PublicKey) -> str:
    """Return the fingerprint of a key: 14 groups of four, one space between them."""
    return show(digest_of(key))


def number_of(key: PublicKey) -> str:
    """Return the number of a key: 8 groups of five digits, one space between them."""
    digits = f"{int.from_bytes(digest_of(key)[:_NUMBER_BYTES]):039d}"
    return _grouped(digits + str(_check_digit(digits)), _NUMBER_GROUP)


def proves(text: str, key: PublicKey) -> bool:
    """Tell whether a fingerprint or a number, as somebody told it, is that of a key.

    Raises:
        SecretWords: it has words in it that may be a secret.
        BadName: it is neither, or has a mistake in it.
    """
    told = text.translate(_SEPARATORS)
    if told.isascii() and told.isdecimal():
        return _parse_number(told) == digest_of(key)[:_NUMBER_BYTES]
    return parse(text) == digest_of(key)


def show(digest: bytes) -> str:
    """Return the fingerprint that stands for these 32 bytes."""
    return _grouped(_letters(digest), _GROUP)


def parse(text: str) -> bytes:
    """Return the 32 bytes of a fingerprint, whatever its case, spaces and dashes.

    Raises:
        SecretWords: it has words in it that may be a secret.
        BadName: not a fingerprint, or one with a mistake in it.
    """
    if words.may_be_secret(text):
        raise SecretWords
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


def _parse_number(digits: str) -> bytes:
    """Return the 16 bytes that 40 digits stand for; raise BadName."""
    if len(digits) != NUMBER_DIGITS:
        raise BadName(f"a key's number has {NUMBER_DIGITS} digits", count=len(digits))
    value = int(digits[:-1])
    if _check_digit(digits) or value >= 1 << 8 * _NUMBER_BYTES:
        raise BadName("the number has a mistake in it: its check digit does not fit")
    return value.to_bytes(_NUMBER_BYTES)


def _check_digit(digits: str) -> int:
    """Return the digit that makes these ones right: 0 where they are already."""
    check = 0
    for digit in digits:
        check = _DAMM[check][int(digit)]
    return check


def _grouped(text: str, size: int) -> str:
    return " ".join(text[at : at + size] for at in range(0, len(text), size))


def _letters(digest: bytes) -> str:
    check = sha256(b"streembit-fingerprint" + digest).digest()
    both = b32encode(digest)[:_DIGEST_CHARS] + b32encode(check)[:_CHECK_CHARS]
    return both.decode("ascii")
