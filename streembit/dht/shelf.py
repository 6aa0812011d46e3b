"""What a store needs of the thing that keeps its items: a typed interface with exact promises."""

from dataclasses import dataclass
from typing import Literal, Protocol

ItemKind = Literal["record", "blob"]


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One item as it lies in the store, with what is needed to count and to drop it.

    place: 160-bit number, 0 <= place < 2**160; at most one item lies at a place.
    kind: what `body` is.
    body: the record's whole token in ASCII, or the blob's bytes.
    owner: the signer's 33-byte key point; empty for a blob.
    address: the host that gave it, as text; the byte quota of an address counts by it.
    user: whom the store charges for it: a group of addresses, or the owner where the
        address has no group.
    seq: the record's sequence number, 0 for a blob; below 2**53.
    expires_unix_s: the signed end of life, Unix seconds; 0 for a blob.
    digest: SHA-256 (32 bytes) of the record's signing input, or of the blob.
    stored_s: when it was saved first or replaced, on the store's clock; a refresh does not
        change it.
    kept_until_s: when it is dropped, on the store's clock.

    The store's clock is a `float` of seconds that only goes forward, also across restarts.
    """

    place: int
    kind: ItemKind
    body: bytes
    owner: bytes
    address: str
    user: str
    seq: int
    expires_unix_s: int
    digest: bytes
    stored_s: float
    kept_until_s: float

    @property
    def size_bytes(self) -> int:
        """Return how much the quotas count for it: the body and a fixed share for the rest."""
        return len(self.body) + ITEM_OVERHEAD_BYTES


ITEM_OVERHEAD_BYTES = 256  # key, digest, texts, times and the index entries of one item


@dataclass(frozen=True, slots=True)
class Usage:
    """How many items and how many bytes (by `StoredItem.size_bytes`) somebody holds."""

    items: int = 0
    size_bytes: int = 0


class Shelf(Protocol):
    """Keep items and sequence floors; every call is synchronous and sees what was saved before it.

    Changes gather in a batch and are durable once `commit` has returned.

    Raises (every method): StoreDegraded: the medium fails; what was committed stays.
    """

    @property
    def trouble(self) -> str:
        """Why changes failed lately, "" since they went through; reads may go on meanwhile."""

    def probe(self) -> None:
        """Find out whether changes are possible again, and end `trouble` if so.

        Raises:
            StoreDegraded: they are not.
        """

    @property
    def uncommitted(self) -> bool:
        """Whether there are changes that are not durable before the next `commit`."""

    def begin(self) -> None:
        """Open a batch; does nothing when one is open; `save` and the like do it too."""

    def commit(self) -> None:
        """Make the batch durable and end it; does nothing when none is open.

        Raises:
            StoreDegraded: nothing of the batch was kept, and the batch is over.
        """

    def get(self, place: int) -> StoredItem | None:
        """Return the item at the place, past its end or not; None where there is none."""

    def save(self, item: StoredItem) -> None:
        """Put the item at its place, instead of what was there."""

    def delete(self, place: int) -> None:
        """Remove the item at the place; does nothing where there is none. The floor stays."""

    def floor(self, place: int) -> int | None:
        """Return the lowest sequence number still taken at the place, or None."""

    def set_floor(self, place: int, seq: int, until_s: float) -> None:
        """Keep `seq` as the place's floor until then, instead of the place's former floor."""

    def drop_floors(self, now_s: float, keep: int) -> int:
        """Drop floors with `until_s <= now_s`; return how many went.

        Of the rest those that end first go too, until `keep` are left.
        """

    def total(self) -> Usage:
        """Return what all items take; O(1)."""

    def used_by_owner(self, owner: bytes) -> Usage:
        """Return what the owner's items take; cheap, called for each put."""

    def used_by_address(self, address: str) -> Usage:
        """Return what the items given by this address take; cheap, called for each put."""

    def used_by_user(self, user: str) -> Usage:
        """Return what the items charged to this user take; cheap, called for each put."""

    def largest_user(self) -> str | None:
        """Return the user with the most bytes (ties: the smallest text), None when empty."""

    def oldest_of(self, user: str) -> StoredItem | None:
        """Return the user's item with the least `stored_s` (ties: the least place), or None."""

    def expired(self, now_s: float, limit: int) -> list[int]:
        """Return at most `limit` places whose `kept_until_s <= now_s`, the longest past first."""

    def iterate(self, limit: int, after: int | None = None) -> list[StoredItem]:
        """Return at most `limit` items in ascending order of place, beginning behind `after`."""
