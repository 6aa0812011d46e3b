"""The transcript of a handshake and the keys that follow from it."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from streembit.errors import DecryptFailed

KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
LINK_ID_BYTES: Final = 16
LABEL: Final = b"streembit link 1 "  # no JWS starts like this: those start with base64 of '{'

_NO_NONCE: Final = bytes(12)  # each handshake key seals exactly one frame


def digest(purpose: bytes, *parts: bytes) -> bytes:
    """Return SHA-256 over a purpose and parts, each behind its 4-byte length."""
    state = sha256()
    for part in (LABEL + purpose, *parts):
        state.update(len(part).to_bytes(4))
        state.update(part)
    return state.digest()


def network_tag(network: str, nonce: bytes) -> bytes:
    """Return 16 bytes that show the network's name to those who know it."""
    return digest(b"network", nonce, network.encode())[:16]


def signed_bytes(role: bytes, said: bytes) -> bytes:
    """Return what a side signs: its role and the digest of all that was said."""
    return LABEL + role + b" signature\0" + said


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """The two handshake keys of one role: one seals its frame, one proves its name."""

    seal_key: bytes
    name_key: bytes

    def name_proof(self, said: bytes, signature: bytes) -> bytes:
        """Return the MAC that ties the identity to the agreed secret."""
        return hmac.digest(self.name_key, said + signature, "sha256")

    def seal(self, body: bytes, transcript: bytes) -> bytes:
        """Return the body sealed; a key does this once."""
        return AESGCM(self.seal_key).encrypt(_NO_NONCE, body, transcript)

    def open(self, sealed: bytes, transcript: bytes) -> bytes:
        """Return the body; raise DecryptFailed."""
        try:
            return AESGCM(self.seal_key).decrypt(_NO_NONCE, sealed, transcript)
        except InvalidTag:
            raise DecryptFailed("handshake frame") from None


def handshake_keys(secret: bytes, transcript: bytes) -> tuple[RoleKeys, RoleKeys]:
    """Return the handshake keys of the responder and of the initiator."""
    parts = _split(_expand(secret, transcript, b"handshake", 4))
    return RoleKeys(parts[0], parts[1]), RoleKeys(parts[2], parts[3])


def channel_keys(secret: bytes, transcript: bytes) -> tuple[bytes, bytes]:
    """Return the keys for initiator to responder, and for the other way."""
    forth, back = _split(_expand(secret, transcript, b"channel", 2))
    return forth, back


def link_id(transcript: bytes) -> bytes:
    """Return the link's public name: 16 bytes that commit to the whole handshake."""
    return digest(b"id", transcript)[:LINK_ID_BYTES]


def next_key(key: bytes) -> bytes:
    """Return the channel key after this one; there is no way back."""
    return HKDFExpand(SHA256(), KEY_BYTES, LABEL + b"rekey").derive(key)


def _expand(secret: bytes, transcript: bytes, purpose: bytes, keys: int) -> bytes:
    return HKDF(SHA256(), keys * KEY_BYTES, salt=transcript, info=LABEL + purpose).derive(secret)


def _split(data: bytes) -> list[bytes]:
    return [data[at : at + KEY_BYTES] for at in range(0, len(data), KEY_BYTES)]
