"""A shelf in memory: for tests, for nodes that need not remember, and as the plainest example."""

from __future__ import annotations

from heapq import nsmallest
from typing import TypeVar

from streembit.dht.shelf import StoredItem, Usage

Who = TypeVar("Who", str, bytes)


class MemoryShelf:
    """Keeps items and floors in dictionaries; as large as its store's limits let it grow."""

    __slots__ = ("_addresses", "_floors", "_items", "_owners", "_places", "_total", "_users")

    def __init__(self) -> None:
        self._items: dict[int, StoredItem] = {}
        self._floors: dict[int, tuple[int, float]] = {}
        self._owners: dict[bytes, Usage] = {}
        self._addresses: dict[str, Usage] = {}
        self._users: dict[str, Usage] = {}
        self._places: dict[str, set[int]] = {}
        self._total = Usage()

    @property
    def trouble(self) -> str:
        """Never any."""
        return ""

    def probe(self) -> None:
        """Do nothing: memory takes what it is given."""

    @property
    def uncommitted(self) -> bool:
        """Never: each change is there at once."""
        return False

    def begin(self) -> None:
        """Do nothing: each change is there at once."""

    def commit(self) -> None:
        """Do nothing: there is nothing more durable than memory here."""

    def get(self, place: int) -> StoredItem | None:
        """Return the item at the place, or None."""
        return self._items.get(place)

    def save(self, item: StoredItem) -> None:
        """Put the item at its place, instead of what was there."""
        self.delete(item.place)
        self._items[item.place] = item
        self._places.setdefault(item.user, set()).add(item.place)
        self._count(item, 1)

    def delete(self, place: int) -> None:
        """Remove the item at the place; does nothing where there is none."""
        item = self._items.pop(place, None)
        if item is None:
            return
        held = self._places[item.user]
        held.remove(place)
        if not held:
            del self._places[item.user]
        self._count(item, -1)

    def floor(self, place: int) -> int | None:
        """Return the lowest sequence number still taken at the place, or None."""
        entry = self._floors.get(place)
        return None if entry is None else entry[0]

    def set_floor(self, place: int, seq: int, until_s: float) -> None:
        """Keep `seq` as the place's floor until then."""
        self._floors[place] = (seq, until_s)

    def drop_floors(self, now_s: float, keep: int) -> int:
        """Drop floors whose time is over, then those that end first until `keep` are left."""
        before = len(self._floors)
        self._floors = {p: entry for p, entry in self._floors.items() if entry[1] > now_s}
        surplus = len(self._floors) - keep
        for place in nsmallest(surplus, self._floors, key=lambda p: (self._floors[p][1], p)):
            del self._floors[place]
        return before - len(self._floors)

    def total(self) -> Usage:
        """Return what all items take."""
        return self._total

    def used_by_owner(self, owner: bytes) -> Usage:
        """Return what the owner's items take."""
        return self._owners.get(owner, Usage())

    def used_by_address(self, address: str) -> Usage:
        """Return what the items given by this address take."""
        return self._addresses.get(address, Usage())

    def used_by_user(self, user: str) -> Usage:
        """Return what the items charged to this user take."""
        return self._users.get(user, Usage())

    def largest_user(self) -> str | None:
        """Return the user with the most bytes, None when empty."""
        return min(self._users, key=lambda u: (-self._users[u].size_bytes, u), default=None)

    def oldest_of(self, user: str) -> StoredItem | None:
        """Return the user's item that was stored first, or None."""
        items = (self._items[place] for place in self._places.get(user, ()))
        return min(items, key=lambda item: (item.stored_s, item.place), default=None)

    def expired(self, now_s: float, limit: int) -> list[int]:
        """Return at most `limit` places whose time is over, the longest past first."""
        over = (item for item in self._items.values() if item.kept_until_s <= now_s)
        return [i.place for i in nsmallest(limit, over, key=lambda i: (i.kept_until_s, i.place))]

    def iterate(self, limit: int, after: int | None = None) -> list[StoredItem]:
        """Return at most `limit` items in ascending order of place, beginning behind `after`."""
        first = -1 if after is None else after
        places = nsmallest(limit, (place for place in self._items if place > first))
        return [self._items[place] for place in places]

    def _count(self, item: StoredItem, sign: int) -> None:
        self._total = _changed(self._total, item, sign)
        _charge(self._owners, item.owner, item, sign)
        _charge(self._addresses, item.address, item, sign)
        _charge(self._users, item.user, item, sign)


def _changed(usage: Usage, item: StoredItem, sign: int) -> Usage:
    return Usage(usage.items + sign, usage.size_bytes + sign * item.size_bytes)


def _charge(usages: dict[Who, Usage], who: Who, item: StoredItem, sign: int) -> None:
    usage = _changed(usages.get(who, Usage()), item, sign)
    if usage.items:
        usages[who] = usage
    else:
        usages.pop(who, None)
