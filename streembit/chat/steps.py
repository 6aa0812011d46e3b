"""What a Double Ratchet is made of here: P-256, HKDF-SHA256, AES-256-GCM."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from functools import lru_cache
from typing import Any, Final

import doubleratchet
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from doubleratchet import (
    AuthenticationFailedException,
    DiffieHellmanRatchet,
    DoSProtectionException,
    DoubleRatchet,
    EncryptedMessage,
    Header,
    SkippedMessageKeys,
)

from streembit.jose.keys import PrivateKey, PublicKey
from streembit.wire.parcel import Message

MAX_STEP: Final = 256  # keys derived for one parcel at most: four times what is ever in flight
MAX_SKIPPED: Final = 1000  # keys of missing parcels kept: 68 KiB of state
MAX_KEPT_KEYS: Final = 64  # parsed ones in memory: of the conversations that go on just now
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
SEALED_OVERHEAD_BYTES: Final = NONCE_BYTES + TAG_BYTES

_LABEL: Final = b"streembit 1 "


class RootKdf(doubleratchet.KDF):
    """HKDF-SHA256: the root key is the salt, the agreed secret the input."""

    @staticmethod
    async def derive(key: bytes, data: bytes, length: int) -> bytes:
        return HKDF(SHA256(), length, salt=key, info=_LABEL + b"root").derive(data)


class ChainKdf(doubleratchet.KDF):
    """HKDF-SHA256: the chain key is the salt, a constant the input."""

    @staticmethod
    async def derive(key: bytes, data: bytes, length: int) -> bytes:
        return HKDF(SHA256(), length, salt=key, info=_LABEL + b"chain").derive(data)


class Aead(doubleratchet.AEAD):
    """AES-256-GCM under a key that serves once, its nonce made from what is sealed.

    So a key that serves twice after all, because a disk went back in time,
    gives away no more than whether the two texts are the same.
    """

    @staticmethod
    async def encrypt(plaintext: bytes, key: bytes, associated_data: bytes) -> bytes:
        cipher, nonce_key = _split(key)
        size = len(associated_data).to_bytes(8)
        nonce = hmac.digest(nonce_key, size + associated_data + plaintext, "sha256")[:NONCE_BYTES]
        return nonce + cipher.encrypt(nonce, plaintext, associated_data)

    @staticmethod
    async def decrypt(ciphertext: bytes, key: bytes, associated_data: bytes) -> bytes:
        if len(ciphertext) < SEALED_OVERHEAD_BYTES:
            raise AuthenticationFailedException("too short")
        nonce, sealed = ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:]
        try:
            return _split(key)[0].decrypt(nonce, sealed, associated_data)
        except InvalidTag:
            raise AuthenticationFailedException("not sealed with this key") from None


class _Keys:
    """The keys used last, since making one of its scalar costs as much as an agreement.

    A key that is still here when its ratchet has turned on opens nothing:
    that takes the root key of its time, which is gone.
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, PrivateKey] = OrderedDict()

    def get(self, scalar: bytes) -> PrivateKey:
        key = self._kept.get(scalar)
        if key is None:
            key = PrivateKey.from_scalar(scalar)
            self.keep(scalar, key)
        return key

    def keep(self, scalar: bytes, key: PrivateKey) -> bytes:
        self._kept[scalar] = key
        if len(self._kept) > MAX_KEPT_KEYS:
            self._kept.popitem(last=False)
        return scalar


_keys: Final = _Keys()
_points: Final = lru_cache(maxsize=128)(PublicKey.parse)


class Curve(DiffieHellmanRatchet):
    """The ratchet of agreements on P-256; it refuses a gap of either chain above MAX_STEP."""

    @staticmethod
    def _generate_priv() -> bytes:
        key = PrivateKey.generate()
        return _keys.keep(key.scalar, key)

    @staticmethod
    def _derive_pub(priv: bytes) -> bytes:
        return _keys.get(priv).public.point

    @staticmethod
    def _perform_diffie_hellman(own_priv: bytes, other_pub: bytes) -> bytes:
        return _keys.get(own_priv).exchange(_points(other_pub))

    async def next_decryption_key(self, header: Header) -> tuple[bytes, SkippedMessageKeys]:
        behind = self.receiving_chain_length
        turns = behind is not None and header.ratchet_pub != self.model.other_ratchet_pub
        # The library would only warn of this gap, and lose the keys of what is still to come.
        if turns and header.previous_sending_chain_length - (behind or 0) > MAX_STEP:
            raise DoSProtectionException("too many missing in the chain before")
        return await super().next_decryption_key(header)

    def __deepcopy__(self, memo: dict[int, Any]) -> Curve:
        """Return a copy, which the library asks for before each message it opens."""
        return Curve.from_model(self.model, RootKdf, ChainKdf, CHAIN_CONSTANT, MAX_STEP)


class Double(DoubleRatchet):
    """The library's ratchet; a message's header lies behind the data that it belongs to."""

    @staticmethod
    def _build_associated_data(associated_data: bytes, header: Header) -> bytes:
        return associated_data + to_message(EncryptedMessage(header, b"")).header()


CHAIN_CONSTANT: Final = b"\x01"


def to_message(made: EncryptedMessage) -> Message:
    """Return the library's message as ours."""
    header = made.header
    return Message(
        header.ratchet_pub,
        header.previous_sending_chain_length,
        header.sending_chain_length,
        made.ciphertext,
    )


def from_message(message: Message) -> EncryptedMessage:
    """Return our message as the library's."""
    return EncryptedMessage(Header(message.point, message.previous, message.number), message.sealed)


def _split(key: bytes) -> tuple[AESGCM, bytes]:
    both = HKDFExpand(SHA256(), 64, _LABEL + b"message").derive(key)
    return AESGCM(both[:32]), both[32:]
