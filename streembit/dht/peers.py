"""The cache of good peers: where to begin at the next start, before the seeds.

It holds contacts that finished a handshake, with how they did, and writes itself as a document
that `streembit.disk` keeps.  Times are Unix seconds, since they outlive the process.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from streembit.dht.grouping import Grouping
from streembit.wire.message import Contact

MAX_PEERS: Final = 256  # four times what a start needs
ANCHORS: Final = 2  # peers of the last run that are dialled first of all
FORGET_AFTER: Final = 5  # failures in a row
OLD_S: Final = 14 * 24 * 3600.0  # not met for so long: worth trying only after all others


class CachedPeer(Struct):
    """One peer as it did so far.

    met: handshakes that were finished; failures: attempts in a row that were not.
    first_unix_s, last_unix_s: of its handshakes.
    anchor: it was one of the steadiest when the cache was written.
    """

    contact: Contact
    met: int = 0
    failures: int = 0
    first_unix_s: float = 0.0
    last_unix_s: float = 0.0
    anchor: bool = False


class PeersDocument(Struct, frozen=True):
    """What lies on the disk."""

    version: int
    peers: list[CachedPeer]


class PeersCache:
    """Peers by key, at most `MAX_PEERS`; the worst go first."""

    __slots__ = ("_grouping", "_peers")

    def __init__(self, grouping: Grouping | None = None) -> None:
        self._grouping = grouping or Grouping()
        self._peers: dict[str, CachedPeer] = {}

    def __len__(self) -> int:
        return len(self._peers)

    @classmethod
    def read(cls, document: PeersDocument, grouping: Grouping | None = None) -> PeersCache:
        """Return the cache of a document; what is beyond the bound is left out."""
        cache = cls(grouping)
        for peer in document.peers[:MAX_PEERS]:
            cache._peers[peer.contact.key] = peer
        return cache

    def document(self) -> PeersDocument:
        """Return what to write, with the steadiest peers marked as anchors."""
        steady = sorted(self._peers.values(), key=_steadiness, reverse=True)
        for place, peer in enumerate(steady):
            peer.anchor = place < ANCHORS and peer.failures == 0
        return PeersDocument(1, steady)

    def met(self, contact: Contact, now_unix_s: float) -> None:
        """Note a finished handshake with a peer that can be dialled at this address."""
        peer = self._peers.get(contact.key)
        if peer is None:
            peer = self._peers[contact.key] = CachedPeer(contact, first_unix_s=now_unix_s)
        peer.contact = contact
        peer.met += 1
        peer.failures = 0
        peer.last_unix_s = now_unix_s
        if len(self._peers) > MAX_PEERS:
            self._forget_worst(now_unix_s, spare=contact.key)

    def failed(self, key: str) -> None:
        """Note that the peer could not be reached; after `FORGET_AFTER` times it is forgotten."""
        peer = self._peers.get(key)
        if peer is None:
            return
        peer.failures += 1
        if peer.failures >= FORGET_AFTER:
            del self._peers[key]

    def best(self, n: int, now_unix_s: float) -> list[Contact]:
        """Return up to `n` contacts to dial: anchors, then the best, groups taking turns."""
        ranked = sorted(self._peers.values(), key=lambda p: _score(p, now_unix_s), reverse=True)
        turns: dict[str, int] = {}
        order: list[tuple[int, int, Contact]] = []
        for place, peer in enumerate(ranked):
            group = self._grouping.group(peer.contact.host)
            turn = turns.get(group, 0) if group else 0
            turns[group] = turn + 1
            order.append((turn, place, peer.contact))
        return [contact for _, _, contact in sorted(order, key=lambda entry: entry[:2])[:n]]

    def _forget_worst(self, now_unix_s: float, spare: str) -> None:
        others = (key for key in self._peers if key != spare)
        del self._peers[min(others, key=lambda key: _score(self._peers[key], now_unix_s))]


def _steadiness(peer: CachedPeer) -> tuple[bool, float, int]:
    """Order by health, then by how long it has been met again and again."""
    return (peer.failures == 0, peer.last_unix_s - peer.first_unix_s, peer.met)


def _score(peer: CachedPeer, now_unix_s: float) -> tuple[int, bool, bool, float, int]:
    recent = now_unix_s - peer.last_unix_s < OLD_S
    return (-peer.failures, recent, peer.anchor, peer.last_unix_s - peer.first_unix_s, peer.met)
