"""How much each owner, address and user holds of a store, counted as items come and go."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Generic, TypeVar

from streembit.dht.shelf import Usage

_Who = TypeVar("_Who", bytes, str)
_NOTHING = Usage()
_SPARE_ENTRIES = 1024  # the heap may hold this many stale entries more than there are users


class Ledger:
    """Sums over the items of a shelf; as many entries as there are owners, addresses and users."""

    def __init__(self) -> None:
        self.total = _NOTHING
        self._owners: dict[bytes, Usage] = {}
        self._addresses: dict[str, Usage] = {}
        self._users: dict[str, Usage] = {}
        self._largest: list[tuple[int, str]] = []

    def add(self, owner: bytes, address: str, user: str, size_bytes: int) -> None:
        """Count one item more."""
        self._count(owner, address, user, 1, size_bytes)

    def remove(self, owner: bytes, address: str, user: str, size_bytes: int) -> None:
        """Count one item less."""
        self._count(owner, address, user, -1, -size_bytes)

    def load(self, items: Iterable[tuple[bytes, str, str, int]]) -> None:
        """Count all items of a shelf, each as (owner, address, user, bytes), from nothing."""
        owners, addresses, users = _Sums[bytes](), _Sums[str](), _Sums[str]()
        for owner, address, user, size_bytes in items:
            owners.add(owner, size_bytes)
            addresses.add(address, size_bytes)
            users.add(user, size_bytes)
        self._owners, self._addresses, self._users = (
            owners.usage(),
            addresses.usage(),
            users.usage(),
        )
        self.total = Usage(sum(users.items.values()), sum(users.size_bytes.values()))
        self._sort()

    def of_owner(self, owner: bytes) -> Usage:
        """Return what the owner's items take."""
        return self._owners.get(owner, _NOTHING)

    def of_address(self, address: str) -> Usage:
        """Return what the items given by the address take."""
        return self._addresses.get(address, _NOTHING)

    def of_user(self, user: str) -> Usage:
        """Return what the items charged to the user take."""
        return self._users.get(user, _NOTHING)

    def largest_user(self) -> str | None:
        """Return the user with the most bytes, of several the smallest text; None without items."""
        largest = self._largest
        while largest:
            size_bytes, user = largest[0]
            if self.of_user(user).size_bytes == -size_bytes:
                return user
            heapq.heappop(largest)
        return None

    def _count(self, owner: bytes, address: str, user: str, items: int, size_bytes: int) -> None:
        self.total = Usage(self.total.items + items, self.total.size_bytes + size_bytes)
        _shift(self._owners, owner, items, size_bytes)
        _shift(self._addresses, address, items, size_bytes)
        _shift(self._users, user, items, size_bytes)
        self._rank(user)

    def _rank(self, user: str) -> None:
        held = self._users.get(user)
        if held is not None:
            heapq.heappush(self._largest, (-held.size_bytes, user))
        if len(self._largest) > 2 * len(self._users) + _SPARE_ENTRIES:
            self._sort()

    def _sort(self) -> None:
        self._largest = [(-usage.size_bytes, name) for name, usage in self._users.items()]
        heapq.heapify(self._largest)


class _Sums(Generic[_Who]):
    """Items and bytes by who has them, in plain numbers, which is quick for very many."""

    def __init__(self) -> None:
        self.items: dict[_Who, int] = {}
        self.size_bytes: dict[_Who, int] = {}

    def add(self, who: _Who, size_bytes: int) -> None:
        self.items[who] = self.items.get(who, 0) + 1
        self.size_bytes[who] = self.size_bytes.get(who, 0) + size_bytes

    def usage(self) -> dict[_Who, Usage]:
        return {who: Usage(items, self.size_bytes[who]) for who, items in self.items.items()}


def _shift(sums: dict[_Who, Usage], who: _Who, items: int, size_bytes: int) -> None:
    held = sums.get(who, _NOTHING)
    if held.items + items > 0:
        sums[who] = Usage(held.items + items, held.size_bytes + size_bytes)
    else:
        sums.pop(who, None)
