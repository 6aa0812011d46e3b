"""What lies on our own disk: rows that only the holder of a chest's key can name or read.

Each row is sealed under a key of its own place, made from the chest's key
by HMAC. So the 2**32 random nonces that AES-256-GCM allows one key are
counted for each row and not for the whole chest, and a row that is moved
to another place does not open. Nonces are drawn and not counted, because
a counter would begin anew with a file that was put back.
"""

from __future__ import annotations

import hmac
import os
from typing import Final, NamedTuple, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from streembit.errors import DecryptFailed, TooLarge

KEY_BYTES: Final = 32
NAME_BYTES: Final = 16  # two names are the same once in 2**64 rows
MAX_ROW_BYTES: Final = 1024 * 1024  # the longest, a journal of 4,096 files, is about half of it
MAX_POSITION: Final = 2**63 - 1  # what SQLite keeps as a number
LEAST_BYTES: Final = 256  # most rows are shorter, so that most have one length

_NONCE_BYTES: Final = 12
_LENGTH_BYTES: Final = 4

Key = bytes | int


class Place(NamedTuple):
    """Where a row lies on the disk: names that tell nothing, and positions as they are."""

    room: bytes
    key: Key


class AtRest:
    """Names and seals the rows of one chest."""

    __slots__ = ("_naming", "_sealing")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key of a chest has {KEY_BYTES} bytes")
        self._naming = _derived(key, b"streembit 1 chest names")
        self._sealing = _derived(key, b"streembit 1 chest rows")

    def room(self, room: str) -> bytes:
        """Return the name of a room on the disk."""
        return hmac.digest(self._naming, b"room " + room.encode(), "sha256")[:NAME_BYTES]

    def place(self, room: str, key: Key) -> Place:
        """Return the place of a row; a number stays one, for it is a position in a list.

        Raises:
            ValueError: a number below 0 or above MAX_POSITION.
        """
        there = self.room(room)
        if isinstance(key, int):
            if not 0 <= key <= MAX_POSITION:
                raise ValueError(f"no position: {key}")
            return Place(there, key)
        name = hmac.digest(self._naming, b"row " + there + key, "sha256")
        return Place(there, name[:NAME_BYTES])

    def seal(self, place: Place, row: bytes) -> bytes:
        """Return the row for its place, as long as the next power of two and 28 bytes.

        Raises:
            TooLarge: longer than MAX_ROW_BYTES.
        """
        if len(row) > MAX_ROW_BYTES:
            raise TooLarge("a row", size_bytes=len(row), limit_bytes=MAX_ROW_BYTES)
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher(place).encrypt(nonce, _padded(row), _name_of(place))

    def open_(self, place: Place, sealed: bytes) -> bytes:
        """Return the row that was sealed for this place; raise DecryptFailed."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return _unpadded(_opened(self._cipher(place), nonce, rest, _name_of(place)))

    def _cipher(self, place: Place) -> AESGCM:
        return AESGCM(hmac.digest(self._sealing, _name_of(place), "sha256"))

    def __reduce__(self) -> NoReturn:
        raise TypeError("the keys of a chest are never pickled")


def lock_name(key: bytes) -> bytes:
    """Return what the lock is known by that this key opens."""
    return _derived(key, b"streembit 1 chest lock")[:NAME_BYTES]


def wrap(chest_key: bytes, key: bytes) -> bytes:
    """Return a chest's key for whoever has `key`: 60 bytes, other ones each time."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _lock(key).encrypt(nonce, chest_key, lock_name(key))


def unwrap(wrapped: bytes, key: bytes) -> bytes:
    """Return the chest's key that was wrapped for `key`; raise DecryptFailed."""
    nonce, rest = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
    return _opened(_lock(key), nonce, rest, lock_name(key))


def _lock(key: bytes) -> AESGCM:
    return AESGCM(_derived(key, b"streembit 1 chest wrap"))


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, purpose, "sha256")


def _name_of(place: Place) -> bytes:
    """Return the place in bytes, no two places the same."""
    if isinstance(place.key, int):
        return place.room + b"#" + place.key.to_bytes(8)
    return place.room + b"=" + place.key


def _opened(cipher: AESGCM, nonce: bytes, sealed: bytes, data: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, sealed, data)
    except (InvalidTag, ValueError):
        raise DecryptFailed("not sealed with this key, or altered") from None


def _padded(row: bytes) -> bytes:
    whole = len(row).to_bytes(_LENGTH_BYTES) + row
    return whole.ljust(max(LEAST_BYTES, 1 << (len(whole) - 1).bit_length()), b"\0")


def _unpadded(padded: bytes) -> bytes:
    end = _LENGTH_BYTES + int.from_bytes(padded[:_LENGTH_BYTES])
    return padded[_LENGTH_BYTES:end]
