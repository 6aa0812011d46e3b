"""The ring of 160-bit numbers: ids of nodes and places of records, made, written and compared."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha1, sha256
from typing import TYPE_CHECKING, Final

from streembit.errors import BadName, BadToken, WrongPlace
from streembit.jose import base64url

if TYPE_CHECKING:
    from streembit.jose.keys import PublicKey
    from streembit.wire.message import Contact, RecordClaims

ID_BITS: Final = 160  # SHA-1, as in the Kademlia paper: a place on the ring, never a credential
ID_BYTES: Final = ID_BITS // 8
K: Final = 20  # entries of a bucket, contacts of an answer, what a look-up is for
ALPHA: Final = 3  # requests of one look-up on their way at a time
# Nodes that hold an item. When half of all nodes go at once, 0.02% of the items go with them.
REPLICAS: Final = 12
CACHED_IDS: Final = 8_192  # contacts heard of again and again; about 2 MiB when full
KEY_KIND: Final = "key"  # the kind of record that tells an actor's public keys

_NAME = re.compile(r"[a-z0-9._-]{1,64}\Z")


def node_id(key_point: bytes) -> int:
    """Return the id of the node with this 33-byte compressed key: its SHA-1."""
    return int.from_bytes(sha1(key_point).digest())


def address_id(host: str, port: int) -> int:
    """Return the id of a seed that is known by address only: SHA-1 of "host:port"."""
    return int.from_bytes(sha1(f"{host}:{port}".encode()).digest())


def composite_id(key_point: bytes, name: str) -> int:
    """Return the older kind of id, made of the key and the account's name.

    Raises:
        BadName: the name is not 1 to 64 characters of a-z, 0-9, dot,
            underscore and hyphen.
    """
    if not _NAME.match(name):
        raise BadName("a composite id needs a name of a-z, 0-9, '.', '_' and '-'")
    return _place(b"streembit-composite", key_point, name.encode())


def id_of(contact: Contact) -> int:
    """Return the id that belongs to a contact, computed by the scheme it states.

    Raises:
        BadToken: the key's text is not canonical base64url.
        BadName: a composite id with a name that cannot be.
    """
    return _id_of(contact.key, contact.scheme, contact.host, contact.port, contact.name)


@lru_cache(maxsize=CACHED_IDS)
def _id_of(key: str, scheme: str, host: str, port: int, name: str) -> int:
    match scheme:
        case "address":
            return address_id(host, port)
        case "composite":
            return composite_id(base64url.decode(key), name)
        case _:
            return node_id(base64url.decode(key))


def to_bytes(number: int) -> bytes:
    """Return the 20 bytes of an id or place, big-endian."""
    return number.to_bytes(ID_BYTES)


def to_text(number: int) -> str:
    """Return the 27 base64url characters of an id or place."""
    return base64url.encode(to_bytes(number))


def to_hex(number: int) -> str:
    """Return the 40 lower-case hex digits of an id or place, as people read it."""
    return f"{number:040x}"


def from_text(text: str) -> int:
    """Return the number that `to_text` wrote.

    Raises:
        BadToken: not canonical base64url of 20 bytes.
    """
    data = base64url.decode(text)
    if len(data) != ID_BYTES:
        raise BadToken("an id has 20 bytes", size_bytes=len(data))
    return int.from_bytes(data)


def shared_bits(a: int, b: int) -> int:
    """Return how many leading bits two places have in common, 160 for the same place."""
    return ID_BITS - (a ^ b).bit_length()


def record_place(key_point: bytes, kind: str, salt: str) -> int:
    """Return where the owner's record of this kind and salt lies."""
    return _place(b"streembit-record", key_point, kind.encode(), salt.encode())


def key_place(locator: bytes) -> int:
    """Return where the key record lies for a 20-byte node id or a 32-byte fingerprint."""
    return _place(b"streembit-key", locator)


def blob_place(digest: bytes) -> int:
    """Return where the blob with this SHA-256 lies."""
    return _place(b"streembit-blob", digest)


def place_of(claims: RecordClaims, key: PublicKey) -> int:
    """Return the one place where a record of this signer may lie.

    A key record lies where its salt says, at the signer's own locator: "id", "fingerprint" or
    "composite:NAME"; so whoever holds the locator finds the key, and nobody else can write there.

    Raises:
        WrongPlace: a key record with another salt.
    """
    if claims.kind != KEY_KIND:
        return record_place(key.point, claims.kind, claims.salt)
    return key_place(_locator(claims.salt, key.point))


def _locator(salt: str, point: bytes) -> bytes:
    if salt == "id":
        return to_bytes(node_id(point))
    if salt == "fingerprint":
        return sha256(point).digest()
    scheme, _, name = salt.partition(":")
    if scheme == "composite" and _NAME.match(name):
        return to_bytes(composite_id(point, name))
    raise WrongPlace("a key record's salt is id, fingerprint or composite:NAME")


def _place(*parts: bytes) -> int:
    """Hash the parts, each behind its length in 2 bytes, so that no two lists collide."""
    digest = sha1(b"".join([len(part).to_bytes(2) + part for part in parts]))
    return int.from_bytes(digest.digest())
