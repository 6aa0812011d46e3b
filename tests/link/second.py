"""A second implementation of the handshake, from docs/protocol/handshake.md alone.

It shares no code with `streembit.link`. It makes the vectors, checks that the
document suffices, and plays the hostile peer: every value that it computes can
be replaced through `twist`. Its signatures are deterministic (RFC 6979).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LABEL = b"streembit link 1 "
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

Twist = Callable[[str, bytes], bytes]


def honest(_name: str, value: bytes) -> bytes:
    """Leave every value as it is."""
    return value


def digest(purpose: bytes, *parts: bytes) -> bytes:
    """SHA-256 over label and purpose, then the parts, each behind its length."""
    return hashlib.sha256(
        b"".join(len(part).to_bytes(4, "big") + part for part in (LABEL + purpose, *parts))
    ).digest()


def hkdf(secret: bytes, salt: bytes, purpose: bytes, size: int) -> bytes:
    """HKDF-SHA256 (RFC 5869), extract and expand."""
    return expand(hmac.digest(salt, secret, "sha256"), LABEL + purpose, size)


def expand(key: bytes, info: bytes, size: int) -> bytes:
    """The second half of HKDF."""
    out = block = b""
    for n in range(1, -(-size // 32) + 1):
        block = hmac.digest(key, block + info + bytes((n,)), "sha256")
        out += block
    return out[:size]


def private(scalar: bytes) -> ec.EllipticCurvePrivateKey:
    """The key of a scalar."""
    return ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())


def point_of(scalar: bytes) -> bytes:
    """The 33-byte point of a scalar."""
    public = private(scalar).public_key()
    return public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def agree(scalar: bytes, point: bytes) -> bytes:
    """The ECDH secret: the x coordinate, 32 bytes."""
    other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    return private(scalar).exchange(ec.ECDH(), other)


def sign(scalar: bytes, data: bytes) -> bytes:
    """A raw signature with a low s."""
    der = private(scalar).sign(data, ec.ECDSA(SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + min(s, N - s).to_bytes(32, "big")


def hello_bytes(
    *,
    flags: int = 0,
    scheme: int = 0,
    port: int = 0,
    clock_s: int = 0,
    name: str = "",
    agent: str = "",
    observed: str = "",
) -> bytes:
    """A hello, padded to a multiple of 128 bytes."""
    data = bytes((flags, scheme)) + port.to_bytes(2, "big") + clock_s.to_bytes(8, "big")
    for text in (name, agent, observed):
        data += bytes((len(text),)) + text.encode()
    missing = -(len(data) + 3) % 128
    return data + b"\0" + missing.to_bytes(2, "big") + bytes(missing)


class Side:
    """One side of the handshake; `values` holds everything it computed, by name."""

    role = b""
    other = b""

    def __init__(
        self,
        identity: bytes,
        ephemeral: bytes,
        nonce: bytes,
        hello: bytes,
        network: bytes,
        *,
        versions: tuple[int, int] = (1, 1),
        extensions: bytes = b"",
        twist: Twist = honest,
    ) -> None:
        self.identity, self.ephemeral, self.nonce = identity, ephemeral, nonce
        self.hello, self.network, self.versions = hello, network, versions
        self.extensions, self.twist = extensions, twist
        self.values: dict[str, bytes] = {}
        self.first = b""

    def keep(self, name: str, value: bytes) -> bytes:
        """Note a value under a name; a hostile side puts another in its place."""
        value = self.values[name] = self.twist(name, value)
        return value

    def greet(self, point: bytes, clear: bytes) -> None:
        """Agree, and derive the handshake keys."""
        secret = self.keep("secret", agree(self.ephemeral, point))
        greeted = self.keep("greeted", digest(b"greeting", self.network, self.first, clear))
        keys = hkdf(secret, greeted, b"handshake", 128)
        for n, name in enumerate(("responder_seal", "responder_name", "initiator_seal")):
            self.keep(name, keys[32 * n : 32 * n + 32])
        self.keep("initiator_name", keys[96:])

    def body(self, transcript: bytes) -> bytes:
        """Sign, prove and seal what this side says of itself."""
        role = self.role.decode()
        point = self.keep(f"{role}_point", point_of(self.identity))
        said = self.keep(f"{role}_said", digest(self.role, transcript, point, self.hello))
        signature = sign(self.identity, LABEL + self.role + b" signature\0" + said)
        signature = self.keep(f"{role}_signature", signature)
        proof = hmac.digest(self.values[f"{role}_name"], said + signature, "sha256")
        body = point + signature + self.keep(f"{role}_proof", proof) + self.hello
        return self.keep(f"{role}_body", body)

    def sealed(self, transcript: bytes) -> bytes:
        """The body, sealed."""
        role = self.role.decode()
        body = self.body(transcript)
        return AESGCM(self.values[f"{role}_seal"]).encrypt(bytes(12), body, transcript)

    def finish(self, body: bytes, last: bytes) -> None:
        """Derive what the link stands on."""
        finished = self.keep("finished", digest(b"finish", self.values["answered"], body, last))
        keys = hkdf(self.values["secret"], finished, b"channel", 64)
        self.keep("initiator_to_responder", keys[:32])
        self.keep("responder_to_initiator", keys[32:])
        self.keep("link_id", digest(b"id", finished)[:16])


class SecondInitiator(Side):
    """The side that dials."""

    role = b"initiator"

    def start(self) -> bytes:
        """Frame 1."""
        tag = self.keep("network_tag", digest(b"network", self.nonce, self.network)[:16])
        clear = b"STRB" + bytes(self.versions) + tag + self.nonce
        point = self.keep("initiator_ephemeral_point", point_of(self.ephemeral))
        self.first = self.keep("first", clear + point + self.extensions)
        return self.first

    def receive(self, second: bytes) -> bytes:
        """Frame 3, for frame 2."""
        clear_bytes = 70 + int.from_bytes(second[68:70], "big")
        self.greet(second[35:68], second[:clear_bytes])
        greeted = self.values["greeted"]
        body = AESGCM(self.values["responder_seal"]).decrypt(
            bytes(12), second[clear_bytes:], greeted
        )
        answered = self.keep("answered", digest(b"answer", greeted, body, second))
        last = self.keep("last", self.sealed(answered))
        self.finish(self.values["initiator_body"], last)
        return last


class SecondResponder(Side):
    """The side that was dialled."""

    role = b"responder"

    def receive_first(self, first: bytes) -> bytes:
        """Frame 2, for frame 1."""
        self.first = first
        version = min(first[5], self.versions[1])
        point = self.keep("responder_ephemeral_point", point_of(self.ephemeral))
        clear = bytes((version, *self.versions)) + self.nonce + point
        clear += len(self.extensions).to_bytes(2, "big") + self.extensions
        self.greet(first[54:87], clear)
        greeted = self.values["greeted"]
        second = self.keep("second", clear + self.sealed(greeted))
        self.keep("answered", digest(b"answer", greeted, self.values["responder_body"], second))
        return second

    def receive_last(self, last: bytes) -> None:
        """Open frame 3."""
        body = AESGCM(self.values["initiator_seal"]).decrypt(
            bytes(12), last, self.values["answered"]
        )
        self.finish(body, last)
