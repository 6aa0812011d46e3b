"""The rules of the store: what is taken, for how long, and who gives way when it is full.

Two clocks are told apart.  `now_s` is the store's own, which only goes forward: what was taken is
dropped by it, so a wall clock that jumps neither loses records nor keeps them.  `now_unix_s` is the
wall clock: it only tells how long the signed `exp` still lets a record live when it comes in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import K
from streembit.dht.record import MAX_LIFE_S, Item, Record
from streembit.dht.shelf import Shelf, StoredItem
from streembit.errors import (
    AddressQuota,
    NotNear,
    OwnerQuota,
    RecordExpired,
    SeqConflict,
    SeqTooLow,
    StoreFull,
)

MIB: Final = 1024 * 1024
DAY_S: Final = 24 * 3600.0
SWEEP: Final = 500  # items dropped in one call of `expire`, so that a turn stays short
TRIM_EVERY: Final = 1_000  # floors set before the shelf is asked to drop the surplus


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """What a store takes; every field is a setting of the node.

    total_bytes: all items together.
    owner_items: records of one owner.
    address_bytes, group_bytes: given by one address, and by one group of addresses.
    max_rank: how many known nodes may be nearer to the place than we: twice the replicas, since a
        publisher who suspects a crowd around the place asks so many.
    floors: sequence floors of records that are gone.
    floor_s: how long a floor is kept past the record's end.
    young_share, young_least_s: a node takes records for at most this part of the time that it has
        been up, but at least so long: one that just came is not yet worth much trust.
    """

    total_bytes: int = 64 * MIB
    owner_items: int = 64
    address_bytes: int = 4 * MIB
    group_bytes: int = 16 * MIB
    max_rank: int = 2 * K
    floors: int = 100_000
    floor_s: float = 30 * DAY_S
    young_share: float = 0.25
    young_least_s: float = 3600.0


class Store:
    """Decides what lies on a shelf.  Every refusal leaves the shelf as it was.

    Args:
        shelf: keeps the items.
        limits: see there.
        grouping: the network's rule; addresses that it exempts have no quota of their own, and a
            store is never young for them.
        started_s: when this node came up, on the store's clock.
    """

    __slots__ = (
        "_floors_set",
        "_grouping",
        "_shelf",
        "_started_s",
        "conflicts",
        "evicted",
        "limits",
    )

    def __init__(
        self,
        shelf: Shelf,
        limits: StoreLimits | None = None,
        *,
        grouping: Grouping | None = None,
        started_s: float = 0.0,
    ) -> None:
        self._shelf = shelf
        self.limits = limits or StoreLimits()
        self._grouping = grouping or Grouping()
        self._started_s = started_s
        self._floors_set = 0
        self.conflicts = 0
        self.evicted = 0

    @property
    def shelf(self) -> Shelf:
        """The shelf underneath."""
        return self._shelf

    def put(
        self, item: Item, from_host: str, now_s: float, now_unix_s: float, *, rank: int = 0
    ) -> StoredItem:
        """Take a checked record or blob; return it as it is kept now.

        What is here already with the same bytes is refreshed: kept longer, but never past its
        signed end.  A receipt should promise no more than `kept_until_s`.

        Args:
            from_host: who gave it, "" for this node itself, which has no quota.
            rank: how many nodes nearer to the place we know (`Table.rank`).

        Raises:
            RecordExpired, NotNear, SeqTooLow, SeqConflict
            OwnerQuota, AddressQuota, StoreFull, StoreDegraded
        """
        if rank >= self.limits.max_rank:
            raise NotNear(nearer=rank)
        until_s = now_s + self._life_s(item, from_host, now_s, now_unix_s)
        held = self._held(item.place, now_s)
        self._check_version(item, held)
        if held is not None and held.digest == item.digest:
            return self._refresh(held, until_s)
        fresh = self._stored(item, from_host, now_s, until_s)
        self._check_quotas(fresh, held)
        self._make_room(fresh, now_s)
        self._shelf.save(fresh)
        return fresh

    def get(self, place: int, now_s: float) -> StoredItem | None:
        """Return what lies at the place, if its time is not over."""
        return self._held(place, now_s)

    def expire(self, now_s: float) -> int:
        """Drop what is past its time, at most `SWEEP` items; return how many went."""
        places = self._shelf.expired(now_s, SWEEP)
        for place in places:
            item = self._shelf.get(place)
            if item is not None:
                self._drop(item, now_s)
        self._shelf.drop_floors(now_s, self.limits.floors)
        return len(places)

    def _life_s(self, item: Item, from_host: str, now_s: float, now_unix_s: float) -> float:
        """Return how long the item may be kept from now on."""
        life_s = min(item.exp - now_unix_s, MAX_LIFE_S) if isinstance(item, Record) else MAX_LIFE_S
        if life_s <= 0:
            raise RecordExpired(expired_s=round(-life_s))
        if not from_host or self._grouping.exempts(from_host):
            return life_s
        up_s = now_s - self._started_s
        return min(life_s, max(self.limits.young_least_s, up_s * self.limits.young_share))

    def _held(self, place: int, now_s: float) -> StoredItem | None:
        item = self._shelf.get(place)
        return item if item is not None and item.kept_until_s > now_s else None

    def _check_version(self, item: Item, held: StoredItem | None) -> None:
        known = self._shelf.get(item.place) if held is None else held
        floor = self._shelf.floor(item.place) if known is None else known.seq
        if floor is not None and item.seq < floor:
            raise SeqTooLow(seq=item.seq, known=floor)
        if known is not None and item.seq == known.seq and item.digest != known.digest:
            self.conflicts += 1
            raise SeqConflict(seq=item.seq)

    def _refresh(self, held: StoredItem, until_s: float) -> StoredItem:
        if until_s <= held.kept_until_s:
            return held
        longer = replace(held, kept_until_s=until_s)
        self._shelf.save(longer)
        return longer

    def _stored(self, item: Item, from_host: str, now_s: float, until_s: float) -> StoredItem:
        owner = item.key.point if isinstance(item, Record) else b""
        group = self._grouping.group(from_host) if from_host else ""
        return StoredItem(
            place=item.place,
            kind="record" if isinstance(item, Record) else "blob",
            body=item.token.encode("ascii") if isinstance(item, Record) else item.data,
            owner=owner,
            address=from_host,
            user=group or owner.hex(),
            seq=item.seq,
            expires_unix_s=item.exp,
            digest=item.digest,
            stored_s=now_s,
            kept_until_s=until_s,
        )

    def _check_quotas(self, fresh: StoredItem, held: StoredItem | None) -> None:
        if fresh.owner and held is None:
            items = self._shelf.used_by_owner(fresh.owner).items
            if items >= self.limits.owner_items:
                raise OwnerQuota(items=items)
        if not fresh.address or self._grouping.exempts(fresh.address):
            return
        used_bytes = self._shelf.used_by_address(fresh.address).size_bytes
        self._check_bytes(used_bytes, self.limits.address_bytes, fresh, held, by_address=True)
        used_bytes = self._shelf.used_by_user(fresh.user).size_bytes
        self._check_bytes(used_bytes, self.limits.group_bytes, fresh, held, by_address=False)

    def _check_bytes(
        self,
        used_bytes: int,
        limit_bytes: int,
        fresh: StoredItem,
        held: StoredItem | None,
        *,
        by_address: bool,
    ) -> None:
        """Refuse what goes beyond a quota, counting off what it replaces of the same giver."""
        same = held is not None and (
            held.address == fresh.address if by_address else held.user == fresh.user
        )
        freed_bytes = held.size_bytes if held is not None and same else 0
        if used_bytes - freed_bytes + fresh.size_bytes > limit_bytes:
            raise AddressQuota(used_bytes=used_bytes, limit_bytes=limit_bytes)

    def _make_room(self, fresh: StoredItem, now_s: float) -> None:
        """Let the oldest of the largest user go until the item has room."""
        if fresh.size_bytes > self.limits.total_bytes:
            raise StoreFull(limit_bytes=self.limits.total_bytes)
        while self._shelf.total().size_bytes + fresh.size_bytes > self.limits.total_bytes:
            user = self._shelf.largest_user()
            oldest = self._shelf.oldest_of(user) if user is not None else None
            if oldest is None:
                raise StoreFull(limit_bytes=self.limits.total_bytes)
            self._drop(oldest, now_s)
            self.evicted += 1

    def _drop(self, item: StoredItem, now_s: float) -> None:
        """Forget an item, but not how new it was."""
        self._shelf.delete(item.place)
        if item.kind == "record":
            until_s = item.kept_until_s + self.limits.floor_s
            self._shelf.set_floor(item.place, item.seq, until_s)
            self._floors_set += 1
            if self._floors_set % TRIM_EVERY == 0:
                self._shelf.drop_floors(now_s, self.limits.floors)
