"""P-256 keys: to sign with (ES256), to agree with (ECDH), and an account's pair of them."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import Final, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from streembit.errors import BadKey, BadSecret, BadSignature, BadToken
from streembit.jose import base64url

POINT_BYTES: Final = 33
SCALAR_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
SEED_BYTES: Final = 32
ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
MAX_PARSED_KEYS: Final = 4096  # twice the connections of a node; about 1 KiB each

_HALF_ORDER: Final = ORDER // 2
_CURVE: Final = ec.SECP256R1()
_ES256: Final = ec.ECDSA(SHA256())
_ECDH: Final = ec.ECDH()


class PublicKey:
    """A point of P-256, known to lie on the curve."""

    __slots__ = ("_key", "point", "text")

    def __init__(self, key: ec.EllipticCurvePublicKey, point: bytes) -> None:
        self._key = key
        self.point = point
        self.text: str = base64url.encode(self.point)

    @classmethod
    def parse(cls, point: bytes | bytearray) -> PublicKey:
        """Return the key of a 33-byte compressed point.

        Raises:
            BadKey: another length or form, or not on the curve.
        """
        if len(point) != POINT_BYTES or point[0] not in (2, 3):
            raise BadKey("not a compressed point", size_bytes=len(point))
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, bytes(point))
        except ValueError:
            raise BadKey("not on the curve") from None
        return cls(key, bytes(point))  # a key has one compressed point, so it is this one

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """Return the key of 44 base64url characters; raise BadKey."""
        try:
            return cls.parse(base64url.decode(text))
        except BadToken:
            raise BadKey("not base64url") from None

    @classmethod
    def from_hex(cls, text: str) -> PublicKey:
        """Return the key of 66 lower-case hex digits; raise BadKey."""
        try:
            point = bytes.fromhex(text)
        except ValueError:
            raise BadKey("not hex") from None
        if point.hex() != text:
            raise BadKey("not lower-case hex")
        return cls.parse(point)

    @property
    def hex(self) -> str:
        """The point in lower-case hex: the form in files that people read."""
        return self.point.hex()

    def verify(self, signature: bytes, data: bytes) -> None:
        """Check a raw 64-byte signature (r, s) of `data`.

        Raises:
            BadSignature: wrong, of another length, or with a high s
                (each signature has one accepted form).
        """
        if len(signature) != SIGNATURE_BYTES:
            raise BadSignature("not 64 bytes")
        s = int.from_bytes(signature[32:])
        if s > _HALF_ORDER:
            raise BadSignature("high s")
        try:
            self._key.verify(encode_dss_signature(int.from_bytes(signature[:32]), s), data, _ES256)
        except InvalidSignature:
            raise BadSignature from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.point == other.point

    def __hash__(self) -> int:
        return hash(self.point)

    def __repr__(self) -> str:
        return f"<PublicKey {self.hex}>"


class ParsedKeys:
    """Remembers the keys parsed last, since parsing costs a fourth of a verification."""

    __slots__ = ("_keys", "_max_entries")

    def __init__(self, max_entries: int = MAX_PARSED_KEYS) -> None:
        self._max_entries = max_entries
        self._keys: OrderedDict[str, PublicKey] = OrderedDict()

    def get(self, text: str) -> PublicKey:
        """Return the key of 44 base64url characters; raise BadKey."""
        key = self._keys.get(text)
        if key is not None:
            self._keys.move_to_end(text)
            return key
        key = PublicKey.from_text(text)
        if len(self._keys) >= self._max_entries:
            self._keys.popitem(last=False)
        self._keys[text] = key
        return key

    def parse(self, point: bytes) -> PublicKey:
        """Return the key of a 33-byte compressed point; raise BadKey."""
        return self.get(base64url.encode(point))

    def __len__(self) -> int:
        return len(self._keys)


class PrivateKey:
    """A secret scalar of P-256, to sign or to agree with; use each for one purpose."""

    __slots__ = ("_key", "public")

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        public = key.public_key()
        point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        self.public = PublicKey(public, point)

    @classmethod
    def generate(cls) -> PrivateKey:
        """Return a fresh key, drawn by the operating system."""
        return cls(ec.generate_private_key(_CURVE))

    @classmethod
    def from_scalar(cls, scalar: bytes) -> PrivateKey:
        """Return the key of a 32-byte big-endian scalar; raise BadSecret."""
        number = int.from_bytes(scalar)
        if len(scalar) != SCALAR_BYTES or not 0 < number < ORDER:
            raise BadSecret("not a scalar of P-256")
        return cls(ec.derive_private_key(number, _CURVE))

    @property
    def scalar(self) -> bytes:
        """The secret itself: 32 bytes, big-endian."""
        return self._key.private_numbers().private_value.to_bytes(SCALAR_BYTES)

    def sign(self, data: bytes) -> bytes:
        """Return the raw 64-byte ES256 signature of `data`, with a low s."""
        r, s = decode_dss_signature(self._key.sign(data, _ES256))
        if s > _HALF_ORDER:
            s = ORDER - s
        return r.to_bytes(32) + s.to_bytes(32)

    def exchange(self, peer: PublicKey) -> bytes:
        """Return the 32-byte ECDH secret with the holder of `peer`'s scalar."""
        return self._key.exchange(_ECDH, peer._key)

    def __repr__(self) -> str:
        return f"<PrivateKey of {self.public.hex}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is never pickled")


class Identity:
    """One account's keys, both derived from one 32-byte seed, and its name.

    The agreement key may be another one, drawn later (`agreeing_by`). The
    name is a petname: it decides nothing.
    """

    __slots__ = ("agreement", "name", "seed", "signing")

    def __init__(self, seed: bytes, name: str, agreement: PrivateKey | None = None) -> None:
        if len(seed) != SEED_BYTES:
            raise BadSecret("the seed has 32 bytes", size_bytes=len(seed))
        self.seed = seed
        self.name = name
        self.signing = PrivateKey.from_scalar(derive_scalar(seed, b"streembit 1 signing"))
        first = derive_scalar(seed, b"streembit 1 agreement")
        self.agreement = agreement or PrivateKey.from_scalar(first)

    @classmethod
    def generate(cls, name: str = "") -> Identity:
        """Return a fresh identity, drawn by the operating system."""
        return cls(os.urandom(SEED_BYTES), name)

    @classmethod
    def from_seed(cls, seed: bytes, name: str = "") -> Identity:
        """Return the identity of a seed; raise BadSecret unless it has 32 bytes."""
        return cls(seed, name)

    def agreeing_by(self, agreement: PrivateKey) -> Identity:
        """Return the same identity with another agreement key."""
        return Identity(self.seed, self.name, agreement)

    @property
    def public(self) -> PublicKey:
        """The public signing key: who this account is."""
        return self.signing.public

    def at_rest_key(self) -> bytes:
        """Return the 32 bytes that lock what this account keeps on its own disk."""
        return HKDF(SHA256(), 32, salt=None, info=b"streembit 1 at rest").derive(self.seed)

    def router_secret(self) -> bytes:
        """Return the 32 bytes that make what a router knows this account again by."""
        return HKDF(SHA256(), 32, salt=None, info=b"streembit 1 router").derive(self.seed)

    def __repr__(self) -> str:
        return f"<Identity {self.public.hex}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an identity is never pickled")


def derive_scalar(seed: bytes, purpose: bytes) -> bytes:
    """Return a scalar by FIPS 186-5, A.2.1: 384 derived bits modulo n - 1, plus 1."""
    wide = HKDF(SHA256(), 48, salt=None, info=purpose).derive(seed)
    return (int.from_bytes(wide) % (ORDER - 1) + 1).to_bytes(SCALAR_BYTES)
