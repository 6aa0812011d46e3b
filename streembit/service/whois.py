"""Whose key is meant: by the key itself, a node id, or a fingerprint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from streembit.dht import keyspace
from streembit.dht.record import Record, agreement_key
from streembit.errors import BadKey, BadMessage, BadName, NotFound
from streembit.jose import fingerprint
from streembit.jose.keys import PublicKey
from streembit.service.finder import Finder, Search
from streembit.service.network import Network

HEX_ID_CHARS: Final = 40
HEX_KEY_CHARS: Final = 66


class Whois:
    """Answers whose key a reference means, from our links or from the network's key records."""

    def __init__(self, network: Network, finder: Finder) -> None:
        self._network = network
        self._finder = finder

    async def key_of(self, reference: str) -> PublicKey:
        """Return the key that is meant by itself, a node id or a fingerprint; it fits to that.

        Raises:
            BadName, BadKey: the reference is none of these.
            NotFound: nobody tells the key.
        """
        text = reference.strip()
        if len(text) == HEX_KEY_CHARS:
            return PublicKey.from_hex(text.lower())
        locator = _locator(text)
        for key, name in self._acquainted():
            if _fits(locator, key, name):
                return key
        search = await self._finder.first(keyspace.key_place(locator))
        record = search.item
        if isinstance(record, Record):
            name = record.claims.salt.removeprefix("composite:")
            if _fits(locator, record.key, name):
                return record.key
        raise NotFound("no key record tells the key of this owner", owner=text)

    def _acquainted(self) -> Iterator[tuple[PublicKey, str]]:
        """Yield our own key and name, then those of the peers that we have links to."""
        identity = self._network.identity
        yield identity.public, identity.name
        for peer in self._network.roster:
            yield peer.key, peer.hello.name


def place_of(key: PublicKey) -> int:
    """Return where the key record of a key lies."""
    return keyspace.key_place(keyspace.to_bytes(keyspace.node_id(key.point)))


def agreement_in(search: Search, key: PublicKey) -> PublicKey | None:
    """Return the agreement key that the key record which was found tells; None without one."""
    record = search.item
    if not isinstance(record, Record) or record.key != key:
        return None
    try:
        return agreement_key(record)
    except (BadKey, BadMessage):
        return None


def parse_id(text: str) -> int:
    """Return the id of 40 hexadecimal digits; raise BadName."""
    if len(text) != HEX_ID_CHARS:
        raise BadName("a node id has 40 hexadecimal digits", count=len(text))
    try:
        return int.from_bytes(bytes.fromhex(text))
    except ValueError:
        raise BadName("a node id has 40 hexadecimal digits") from None


def _locator(text: str) -> bytes:
    """Return what finds a key record: 20 bytes of a node id, or 32 of a fingerprint."""
    if len(text) == HEX_ID_CHARS:
        return keyspace.to_bytes(parse_id(text))
    return fingerprint.parse(text)


def _fits(locator: bytes, key: PublicKey, name: str) -> bool:
    """Tell whether a locator is that of this key, or of this key under this name."""
    if len(locator) == fingerprint.DIGEST_BYTES:
        return fingerprint.digest_of(key) == locator
    wanted = int.from_bytes(locator)
    if keyspace.node_id(key.point) == wanted:
        return True
    try:
        return keyspace.composite_id(key.point, name) == wanted
    except BadName:
        return False
