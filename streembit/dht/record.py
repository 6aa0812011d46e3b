"""Records and blobs: what lies in the hash table, checked before anything else sees it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from streembit.dht.keyspace import KEY_KIND, blob_place, place_of
from streembit.errors import (
    BadMessage,
    RecordExpired,
    RecordTooLarge,
    RecordTooLong,
    WrongNetwork,
    WrongPlace,
)
from streembit.jose import base64url
from streembit.jose.envelope import Verified, sign_record, verify_record
from streembit.jose.keys import ParsedKeys, PrivateKey, PublicKey
from streembit.wire.message import MAX_SALT_BYTES, MAX_VALUE_BYTES, RecordClaims

MAX_LIFE_S: Final = 24 * 3600  # then a record is gone unless its owner publishes it again
CLOCK_SKEW_S: Final = 3600  # how far the publisher's clock may be ahead of ours
_CONTROLS: Final = frozenset(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A record whose signature, place, size, network and time have been checked.

    digest: SHA-256 of the signed part; two records are the same when place and digest are.
    """

    token: str
    claims: RecordClaims
    key: PublicKey
    place: int
    digest: bytes

    @property
    def seq(self) -> int:
        """The version; the higher one is the newer."""
        return self.claims.seq

    @property
    def exp(self) -> int:
        """The end of its life, Unix seconds."""
        return self.claims.exp

    @property
    def tombstone(self) -> bool:
        """Whether it says that the owner deleted what was here."""
        return self.claims.del_

    @property
    def value(self) -> bytes:
        """What the owner wrote; empty in a tombstone."""
        return base64url.decode(self.claims.val)


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """Immutable bytes that lie where their SHA-256 says."""

    data: bytes
    place: int
    digest: bytes

    @classmethod
    def of(cls, data: bytes) -> Blob:
        """Return the blob of these bytes.

        Raises:
            RecordTooLarge: more than 8 KiB.
        """
        if len(data) > MAX_VALUE_BYTES:
            raise RecordTooLarge(size_bytes=len(data), limit_bytes=MAX_VALUE_BYTES)
        digest = sha256(data).digest()
        return cls(data, blob_place(digest), digest)

    @property
    def token(self) -> str:
        """How it travels: its bytes in base64url."""
        return base64url.encode(self.data)

    @property
    def seq(self) -> int:
        """Always 0: a blob has no versions."""
        return 0

    @property
    def exp(self) -> int:
        """Always 0: nobody signed an end; the store decides."""
        return 0


Item = Record | Blob


def check(token: str, verified: Verified[RecordClaims], now_unix_s: float, network: str) -> Record:
    """Return the record, if its claims may stand in this network at this time.

    The clock of the publisher may be an hour ahead of ours; that tolerance lets nobody live
    longer than `MAX_LIFE_S` in a store, and nothing outlives its own `exp`.

    Raises:
        WrongNetwork, BadMessage, BadToken, WrongPlace
        RecordTooLarge, RecordExpired, RecordTooLong
    """
    claims = verified.claims
    if claims.net != network:
        raise WrongNetwork("the record belongs to another network")
    _check_salt(claims.salt)
    _check_value(claims)
    if claims.exp <= now_unix_s:
        raise RecordExpired(expired_s=round(now_unix_s - claims.exp))
    if claims.exp > now_unix_s + MAX_LIFE_S + CLOCK_SKEW_S:
        raise RecordTooLong(life_s=round(claims.exp - now_unix_s), limit_s=MAX_LIFE_S)
    place = place_of(claims, verified.key)
    return Record(token, claims, verified.key, place, verified.digest)


def read(token: str, keys: ParsedKeys, now_unix_s: float, network: str) -> Record:
    """Verify a record's signature and check its claims.

    Raises:
        BadToken, BadHeader, BadJson, BadKey, BadSignature, and what `check` raises
    """
    return check(token, verify_record(token, keys), now_unix_s, network)


def read_at(
    place: int, kind: str, item: str, keys: ParsedKeys, now_unix_s: float, network: str
) -> Item:
    """Verify what a peer says lies at `place`, a record or a blob.

    Raises:
        WrongPlace: it belongs elsewhere; and what `read` and `Blob.of` raise
    """
    found: Item
    if kind == "blob":
        found = Blob.of(base64url.decode(item))
    else:
        found = read(item, keys, now_unix_s, network)
    if found.place != place:
        raise WrongPlace("the item does not belong to the place where it was found")
    return found


def prefer(a: Item, b: Item) -> Item:
    """Return the one that counts: the higher `seq`, then the smaller digest.

    The second rule makes all readers choose the same where an owner signed two of one version.
    """
    return min(a, b, key=lambda item: (-item.seq, item.digest))


def make(
    key: PrivateKey, kind: str, salt: str, value: bytes, seq: int, exp: int, network: str
) -> Record:
    """Return a new signed record; its times are checked where it is stored.

    Raises:
        RecordTooLarge, BadMessage, WrongPlace
    """
    claims = RecordClaims(key.public.text, network, kind, salt, seq, exp, base64url.encode(value))
    return _signed(key, claims)


def tombstone(key: PrivateKey, kind: str, salt: str, seq: int, exp: int, network: str) -> Record:
    """Return a record that deletes the one of a lower `seq` at its place.

    Raises:
        BadMessage, WrongPlace
    """
    claims = RecordClaims(key.public.text, network, kind, salt, seq, exp, "", True)
    return _signed(key, claims)


def agreement_key(record: Record) -> PublicKey:
    """Return the agreement key that a key record tells.

    Raises:
        BadMessage: it is no key record, or a tombstone.
        BadKey: its value is no key.
    """
    if record.claims.kind != KEY_KIND or record.tombstone:
        raise BadMessage("not a key record")
    return PublicKey.parse(record.value)


def _signed(key: PrivateKey, claims: RecordClaims) -> Record:
    _check_salt(claims.salt)
    _check_value(claims)
    place = place_of(claims, key.public)
    token = sign_record(key, claims)
    return Record(token, claims, key.public, place, digest_of(token))


def digest_of(token: str) -> bytes:
    """Return the SHA-256 of a record token's signed part."""
    return sha256(token.rpartition(".")[0].encode()).digest()


def _check_salt(salt: str) -> None:
    if len(salt.encode()) > MAX_SALT_BYTES:
        raise BadMessage("the salt is too long", limit_bytes=MAX_SALT_BYTES)
    if not _CONTROLS.isdisjoint(salt):
        raise BadMessage("control characters in the salt")


def _check_value(claims: RecordClaims) -> None:
    if claims.del_ and claims.val:
        raise BadMessage("a tombstone has no value")
    size_bytes = len(base64url.decode(claims.val))
    if size_bytes > MAX_VALUE_BYTES:
        raise RecordTooLarge(size_bytes=size_bytes, limit_bytes=MAX_VALUE_BYTES)
