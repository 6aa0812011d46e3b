"""A second implementation of the conversation's cryptography, from docs/protocol/chat.md alone.

It shares no code with `streembit.chat`. It makes the vectors and checks
that the document suffices. Its signatures are deterministic (RFC 6979).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.link.second import agree, expand, point_of, sign

LABEL = b"streembit 1 "


def extract(salt: bytes, secret: bytes) -> bytes:
    """The first half of HKDF."""
    return hmac.digest(salt, secret, "sha256")


def hkdf(secret: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    """HKDF-SHA256 (RFC 5869)."""
    return expand(extract(salt, secret), info, size)


@dataclass
class Keys:
    """One side's scalars."""

    identity: bytes
    agreement: bytes

    @property
    def points(self) -> bytes:
        """Both points, as they stand in the associated data."""
        return point_of(self.identity) + point_of(self.agreement)


def signed_prekey(owner: Keys, contact: Keys, number: int, scalar: bytes) -> bytes:
    """The signed part of a bundle: number, point, signature."""
    point = point_of(scalar)
    said = b"".join(
        (
            LABEL,
            b"signed prekey\0",
            point_of(owner.identity),
            point_of(contact.identity),
            number.to_bytes(4, "big"),
            point,
        )
    )
    return number.to_bytes(4, "big") + point + sign(owner.identity, said)


def one_time(number: int, scalar: bytes) -> bytes:
    """A one-time prekey of a bundle."""
    return number.to_bytes(4, "big") + point_of(scalar)


@dataclass
class Begun:
    """How a session began, computed by the initiator."""

    initiator: Keys
    responder: Keys
    ephemeral: bytes
    signed: tuple[int, bytes]
    once: tuple[int, bytes] | None

    def initial(self) -> bytes:
        """The 41 bytes that tell the responder."""
        number = self.once[0] if self.once else 0
        numbers = self.signed[0].to_bytes(4, "big") + number.to_bytes(4, "big")
        return point_of(self.ephemeral) + numbers

    def secrets(self) -> list[bytes]:
        """The three or four agreed values."""
        signed = point_of(self.signed[1])
        found = [
            agree(self.initiator.agreement, signed),
            agree(self.ephemeral, point_of(self.responder.agreement)),
            agree(self.ephemeral, signed),
        ]
        return [*found, agree(self.ephemeral, point_of(self.once[1]))] if self.once else found

    def shared(self) -> bytes:
        """The secret that the ratchet begins with."""
        return hkdf(b"\xff" * 32 + b"".join(self.secrets()), bytes(32), LABEL + b"x3dh", 32)

    def ad(self) -> bytes:
        """What each message is authenticated with, before its header."""
        return self.initiator.points + self.responder.points

    def session(self) -> bytes:
        """The session's name."""
        return sha256(LABEL + b"session\0" + self.ad() + self.initial()).digest()[:16]


@dataclass
class Side:
    """One side's ratchet, for messages that arrive in order."""

    ad: bytes
    root: bytes
    own: bytes
    other: bytes = b""
    sending: bytes = b""
    receiving: bytes = b""
    sent: int = 0
    before: int = 0
    received: int = 0
    values: dict[str, bytes] = field(default_factory=dict)

    def turn(self, scalar: bytes) -> None:
        """Begin a sending chain with a new key."""
        self.own, self.before, self.sent = scalar, self.sent, 0
        self.root, self.sending = self._step(self.own, self.other)

    def seal(self, data: bytes) -> bytes:
        """Return header and sealed text of the next message."""
        self.sending, key = _chain(self.sending)
        head = point_of(self.own) + self.before.to_bytes(4, "big") + self.sent.to_bytes(4, "big")
        self.sent += 1
        both = expand(key, LABEL + b"message", 64)
        beside = self.ad + head
        named = len(beside).to_bytes(8, "big") + beside + data
        nonce = hmac.digest(both[32:], named, "sha256")[:12]
        self.values = {"message_key": key, "nonce": nonce}
        return head + nonce + AESGCM(both[:32]).encrypt(nonce, data, beside)

    def open(self, message: bytes) -> bytes:
        """Return what a message says; it is the next one."""
        head, nonce, sealed = message[:41], message[41:53], message[53:]
        if head[:33] != self.other or not self.receiving:
            self.other = head[:33]
            self.root, self.receiving = self._step(self.own, self.other)
            self.received = 0
        assert int.from_bytes(head[37:], "big") == self.received
        self.received += 1
        self.receiving, key = _chain(self.receiving)
        return AESGCM(expand(key, LABEL + b"message", 64)[:32]).decrypt(
            nonce, sealed, self.ad + head
        )

    def _step(self, own: bytes, other: bytes) -> tuple[bytes, bytes]:
        both = hkdf(agree(own, other), self.root, LABEL + b"root", 64)
        return both[:32], both[32:]


def _chain(key: bytes) -> tuple[bytes, bytes]:
    both = hkdf(b"\x01", key, LABEL + b"chain", 64)
    return both[:32], both[32:]


def begin(begun: Begun, scalar: bytes) -> Side:
    """The initiator's side."""
    side = Side(begun.ad(), begun.shared(), scalar, point_of(begun.signed[1]))
    side.turn(scalar)
    return side


def answer(begun: Begun) -> Side:
    """The responder's side, before the first message."""
    return Side(begun.ad(), begun.shared(), begun.signed[1])


def pad(data: bytes) -> bytes:
    """The data, 80, and zeros up to a multiple of 256."""
    return (data + b"\x80").ljust((len(data) // 256 + 1) * 256, b"\0")


def piece(stream: bytes, number: int, base: int, part: int, body: bytes) -> bytes:
    """A piece of a message."""
    numbers = number.to_bytes(8, "big") + base.to_bytes(8, "big")
    return b"\x01" + stream + numbers + bytes((part,)) + body


def parcel(session: bytes, initial: bytes, message: bytes) -> bytes:
    """A parcel; `initial` is empty once an answer was heard."""
    return (b"\x02" if initial else b"\x01") + session + initial + message
