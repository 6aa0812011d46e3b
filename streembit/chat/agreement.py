"""The agreement that begins a session (X3DH on P-256): both sides compute one secret."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from streembit.errors import BadKey, BadParcel, BadPrekeys, BadSignature
from streembit.jose.keys import Identity, PrivateKey, PublicKey
from streembit.wire.bundle import Bundle
from streembit.wire.parcel import NO_PREKEY, SESSION_BYTES, Initial

LABEL: Final = b"streembit 1 "  # no JWS starts like this: those start with base64 of '{'
_BEFORE: Final = b"\xff" * 32  # X3DH, section 2.2: no point of the curve looks like this


@dataclass(frozen=True, slots=True)
class Contact:
    """The two long-lived keys of the other side."""

    public: PublicKey
    agreement: PublicKey


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides have in common when a session begins.

    session: its name. shared: the secret. ad: what each message is
    authenticated with: the four long-lived keys, the initiator's first.
    """

    session: bytes
    shared: bytes
    ad: bytes


def signed_bytes(owner: PublicKey, contact: PublicKey, number: int, point: bytes) -> bytes:
    """Return what the owner of a prekey signs: the prekey, and for whom it is."""
    return b"".join(
        (LABEL, b"signed prekey\0", owner.point, contact.point, number.to_bytes(4), point)
    )


def check(bundle: Bundle, own: Identity, owner: Contact) -> None:
    """Raise BadPrekeys unless the owner signed the bundle's prekey for us."""
    said = signed_bytes(owner.public, own.public, bundle.signed_id, bundle.signed_point)
    try:
        owner.public.verify(bundle.signature, said)
    except BadSignature:
        raise BadPrekeys("not signed by its owner for us") from None


def initiate(
    own: Identity, other: Contact, bundle: Bundle, ephemeral: PrivateKey, taken: int = 0
) -> tuple[Agreed, Initial]:
    """Return what is agreed with the owner of a bundle, and what tells them of it.

    `ephemeral` is a fresh key that serves here only. The first one-time
    prekey with a number above `taken` is used, if there is one.

    Raises:
        BadPrekeys: not signed by the owner for us, or not points of P-256.
    """
    check(bundle, own, other)
    one_time = next((each for each in bundle.one_time if each.id > taken), None)
    try:
        signed = PublicKey.parse(bundle.signed_point)
        last = ephemeral.exchange(PublicKey.parse(one_time.point)) if one_time else b""
    except BadKey as e:
        raise BadPrekeys(e.detail) from None
    secrets = (
        own.agreement.exchange(signed),
        ephemeral.exchange(other.agreement),
        ephemeral.exchange(signed),
        last,
    )
    number = one_time.id if one_time else NO_PREKEY
    initial = Initial(ephemeral.public.point, bundle.signed_id, number)
    return _agreed(secrets, initial, Contact(own.public, own.agreement.public), other), initial


def respond(
    own: Identity,
    other: Contact,
    initial: Initial,
    signed: PrivateKey,
    one_time: PrivateKey | None,
) -> Agreed:
    """Return what is agreed with the contact that began a session with these prekeys of ours.

    Raises:
        BadParcel: the ephemeral point is none of P-256.
    """
    try:
        ephemeral = PublicKey.parse(initial.ephemeral)
    except BadKey as e:
        raise BadParcel(e.detail) from None
    secrets = (
        signed.exchange(other.agreement),
        own.agreement.exchange(ephemeral),
        signed.exchange(ephemeral),
        one_time.exchange(ephemeral) if one_time else b"",
    )
    return _agreed(secrets, initial, other, Contact(own.public, own.agreement.public))


def session_of(initial: Initial, initiator: Contact, responder: Contact) -> bytes:
    """Return the name of the session that begins so: 16 bytes that commit to all of it."""
    ad = _associated(initiator, responder)
    return sha256(LABEL + b"session\0" + ad + initial.packed()).digest()[:SESSION_BYTES]


def _agreed(
    secrets: tuple[bytes, ...], initial: Initial, initiator: Contact, responder: Contact
) -> Agreed:
    kdf = HKDF(SHA256(), 32, salt=bytes(32), info=LABEL + b"x3dh")
    shared = kdf.derive(_BEFORE + b"".join(secrets))
    session = session_of(initial, initiator, responder)
    return Agreed(session, shared, _associated(initiator, responder))


def _associated(initiator: Contact, responder: Contact) -> bytes:
    keys = (initiator.public, initiator.agreement, responder.public, responder.agreement)
    return b"".join(key.point for key in keys)
