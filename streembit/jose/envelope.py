"""Signed messages with their claims; the only place that makes a Verified."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final, Generic, TypeVar

from streembit.errors import BadMessage, WrongAudience, WrongIssuer
from streembit.jose import jws
from streembit.jose.jws import Kind, Unverified
from streembit.jose.keys import ParsedKeys, PrivateKey, PublicKey
from streembit.wire import codec
from streembit.wire.hub import EntryClaims, Envelope, HubClaims
from streembit.wire.message import Letter, RecordClaims, Rpc
from streembit.wire.offer import (
    AgreementClaims,
    OfferClaims,
    RevocationClaims,
    RotationClaims,
    SuccessorClaims,
)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
F = TypeVar("F", bound=HubClaims | Envelope)

_MADE_HERE: Final = object()


class Verified(Generic[T_co]):
    """Claims whose signature has been checked: the type that says so.

    Only this module can make one. `key` is the key that signed, and
    `iss` in the claims names the same key.
    """

    __slots__ = ("claims", "key", "signing_input")

    def __init__(self, claims: T_co, key: PublicKey, signing_input: bytes, made: object) -> None:
        if made is not _MADE_HERE:
            raise TypeError("only streembit.jose.envelope makes a Verified")
        self.claims = claims
        self.key = key
        self.signing_input = signing_input

    @property
    def digest(self) -> bytes:
        """SHA-256 of the signed part: what the message is known by, never by its signature."""
        return sha256(self.signing_input).digest()


class ParsedRpc:
    """A request or answer that has been read but not verified: it decides nothing yet."""

    __slots__ = ("rpc", "unverified")

    def __init__(self, rpc: Rpc, unverified: Unverified) -> None:
        self.rpc = rpc
        self.unverified = unverified


class ParsedFrame(Generic[T_co]):
    """A frame of a hub or its member that has been read but not verified."""

    __slots__ = ("claims", "unverified")

    def __init__(self, claims: T_co, unverified: Unverified) -> None:
        self.claims = claims
        self.unverified = unverified


def seal_rpc(key: PrivateKey, rpc: Rpc) -> bytes:
    """Return the signed token of a request or answer; `rpc.iss` must be the key's text."""
    return jws.sign(Kind.RPC, codec.encode(rpc), key)


def parse_rpc(token: bytes) -> ParsedRpc:
    """Read a request or answer without checking who signed it, which is cheap.

    Raises:
        BadToken, BadHeader, BadJson: it is not one.
    """
    unverified = jws.split(token, Kind.RPC)
    return ParsedRpc(codec.decode(unverified.payload, Rpc), unverified)


def verify_rpc(parsed: ParsedRpc, key: PublicKey) -> Verified[Rpc]:
    """Check that `key` is the message's issuer and signed it.

    Raises:
        WrongIssuer, BadSignature
    """
    if parsed.rpc.iss != key.text:
        raise WrongIssuer("the message names another sender")
    parsed.unverified.check(key)
    return Verified(parsed.rpc, key, parsed.unverified.signing_input, _MADE_HERE)


def sign_record(key: PrivateKey, claims: RecordClaims) -> str:
    """Return the signed token of a record; `claims.iss` must be the key's text."""
    return jws.sign(Kind.RECORD, codec.encode(claims), key).decode("ascii")


def parse_record(token: str | bytes) -> tuple[RecordClaims, Unverified]:
    """Read a record without checking who signed it.

    Raises:
        BadToken, BadHeader, BadJson: it is not one.
    """
    unverified = jws.split(_ascii(token), Kind.RECORD)
    return codec.decode(unverified.payload, RecordClaims), unverified


def verify_record(token: str | bytes, keys: ParsedKeys) -> Verified[RecordClaims]:
    """Return the record of a token that its issuer signed.

    Raises:
        BadToken, BadHeader, BadJson, BadKey, BadSignature
    """
    claims, unverified = parse_record(token)
    key = keys.get(claims.iss)
    unverified.check(key)
    return Verified(claims, key, unverified.signing_input, _MADE_HERE)


def sign_letter(key: PrivateKey, letter: Letter) -> bytes:
    """Return the signed token of a letter; `letter.iss` must be the key's text."""
    return jws.sign(Kind.SEALED, codec.encode(letter), key)


def verify_letter(
    token: bytes, receiver: PublicKey, typ: str, keys: ParsedKeys
) -> Verified[Letter]:
    """Return the letter that its issuer signed for this receiver.

    Raises:
        BadToken, BadHeader, BadJson, BadKey, BadSignature
        WrongAudience: it was written to somebody else and passed on.
        BadMessage: it was written for another purpose than `typ`.
    """
    unverified = jws.split(token, Kind.SEALED)
    letter = codec.decode(unverified.payload, Letter)
    if letter.aud != receiver.text:
        raise WrongAudience("the letter names another receiver")
    if letter.typ != typ:
        raise BadMessage("the letter is of another type")
    key = keys.get(letter.iss)
    unverified.check(key)
    return Verified(letter, key, unverified.signing_input, _MADE_HERE)


def sign_offer(key: PrivateKey, claims: OfferClaims) -> str:
    """Return the signed token of an offer; `claims.public_key` must be the key's hex."""
    return jws.sign(Kind.OFFER, codec.encode(claims), key).decode("ascii")


def verify_offer(token: str | bytes) -> Verified[OfferClaims]:
    """Return the offer of a token that the key named in it signed.

    Raises:
        BadToken, BadHeader, BadJson, BadKey, BadSignature
    """
    return _verified(token, Kind.OFFER, OfferClaims, _shown_key)


def sign_successor(key: PrivateKey, claims: SuccessorClaims) -> str:
    """Return a new key's statement; `claims.iss` must be the key's text."""
    return jws.sign(Kind.SUCCESSOR, codec.encode(claims), key).decode("ascii")


def verify_successor(token: str | bytes) -> Verified[SuccessorClaims]:
    """Return a new key's statement; raise as `verify_offer`."""
    return _verified(token, Kind.SUCCESSOR, SuccessorClaims, _issuer)


def sign_rotation(key: PrivateKey, claims: RotationClaims) -> str:
    """Return an old key's statement; `claims.iss` must be the key's text."""
    return jws.sign(Kind.ROTATION, codec.encode(claims), key).decode("ascii")


def verify_rotation(token: str | bytes) -> Verified[RotationClaims]:
    """Return an old key's statement, its successor's in it unread; raise as `verify_offer`."""
    return _verified(token, Kind.ROTATION, RotationClaims, _issuer)


def sign_revocation(key: PrivateKey, claims: RevocationClaims) -> str:
    """Return the statement that a key is void; `claims.iss` must be the key's text."""
    return jws.sign(Kind.REVOCATION, codec.encode(claims), key).decode("ascii")


def verify_revocation(token: str | bytes) -> Verified[RevocationClaims]:
    """Return the statement that a key is void; raise as `verify_offer`."""
    return _verified(token, Kind.REVOCATION, RevocationClaims, _issuer)


def sign_agreement(key: PrivateKey, claims: AgreementClaims) -> str:
    """Return the statement of one's agreement key; `claims.iss` must be the key's text."""
    return jws.sign(Kind.AGREEMENT, codec.encode(claims), key).decode("ascii")


def verify_agreement(token: str | bytes) -> Verified[AgreementClaims]:
    """Return the statement of somebody's agreement key; raise as `verify_offer`."""
    return _verified(token, Kind.AGREEMENT, AgreementClaims, _issuer)


def sign_frame(key: PrivateKey, claims: HubClaims) -> bytes:
    """Return the signed token of a frame; `claims.iss` must be the key's text."""
    return jws.sign(Kind.HUB, codec.encode(claims), key)


def sign_envelope(key: PrivateKey, claims: Envelope) -> bytes:
    """Return the signed token of an envelope; `claims.iss` must be the key's text."""
    return jws.sign(Kind.ENVELOPE, codec.encode(claims), key)


def parse_frame(token: bytes) -> ParsedFrame[HubClaims | Envelope]:
    """Read a frame or an envelope, whichever its header says, without checking who signed it.

    Raises:
        BadToken, BadHeader, BadJson: it is neither.
    """
    if token.startswith(Kind.ENVELOPE.prefix):
        return _parsed(token, Kind.ENVELOPE, Envelope)
    return parse_hub_frame(token)


def parse_hub_frame(token: bytes) -> ParsedFrame[HubClaims]:
    """Read a frame, where no envelope may come; raise as `parse_frame`."""
    return _parsed(token, Kind.HUB, HubClaims)


def verify_frame(parsed: ParsedFrame[F], key: PublicKey) -> Verified[F]:
    """Check that `key` is the frame's issuer and signed it.

    Raises:
        WrongIssuer, BadSignature
    """
    if parsed.claims.iss != key.text:
        raise WrongIssuer("the frame names another sender")
    parsed.unverified.check(key)
    return Verified(parsed.claims, key, parsed.unverified.signing_input, _MADE_HERE)


def sign_entry(key: PrivateKey, claims: EntryClaims) -> str:
    """Return a directory entry; `claims.iss` must be the key's text."""
    return jws.sign(Kind.ENTRY, codec.encode(claims), key).decode("ascii")


def parse_entry(token: str | bytes) -> ParsedFrame[EntryClaims]:
    """Read a directory entry, without checking who signed it; raise as `parse_frame`."""
    return _parsed(_ascii(token), Kind.ENTRY, EntryClaims)


def verify_entry(token: str | bytes) -> Verified[EntryClaims]:
    """Return a directory entry that the key named in it signed; raise as `verify_offer`."""
    return _verified(token, Kind.ENTRY, EntryClaims, _issuer)


def _parsed(token: bytes, kind: Kind, form: type[T]) -> ParsedFrame[T]:
    unverified = jws.split(token, kind)
    return ParsedFrame(codec.decode(unverified.payload, form), unverified)


def _shown_key(claims: OfferClaims) -> PublicKey:
    return PublicKey.from_hex(claims.public_key)


def _issuer(
    claims: SuccessorClaims | RotationClaims | RevocationClaims | AgreementClaims | EntryClaims,
) -> PublicKey:
    return PublicKey.from_text(claims.iss)


def _verified(
    token: str | bytes, kind: Kind, form: type[T], signer: Callable[[T], PublicKey]
) -> Verified[T]:
    """Return the claims of a token once the key that they name has signed them."""
    unverified = jws.split(_ascii(token), kind)
    claims = codec.decode(unverified.payload, form)
    key = signer(claims)
    unverified.check(key)
    return Verified(claims, key, unverified.signing_input, _MADE_HERE)


def _ascii(token: str | bytes) -> bytes:
    """Return the token's bytes; a character beyond ASCII becomes one that no token has."""
    return token.encode("ascii", "replace") if isinstance(token, str) else token
