"""How many nodes of one address group a table takes, because one hand may hold them all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from streembit.dht.peer import Node

PER_BUCKET_GROUP: Final = 2  # nodes of one /24 (IPv6 /48) in one bucket
PER_TABLE_GROUP: Final = 3  # and in the whole table


class Groups:
    """Counts the nodes of each group; a node without a group is never too many."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[str, int] = {}

    def full(self, group: str, bucket: Iterable[Node]) -> bool:
        """Tell whether the group holds as much of the table, or of this bucket, as it may."""
        if not group:
            return False
        if self._held.get(group, 0) >= PER_TABLE_GROUP:
            return True
        return sum(held.group == group for held in bucket) >= PER_BUCKET_GROUP

    def add(self, group: str) -> None:
        """Count one more."""
        if group:
            self._held[group] = self._held.get(group, 0) + 1

    def remove(self, group: str) -> None:
        """Count one less."""
        if not group:
            return
        self._held[group] -= 1
        if not self._held[group]:
            del self._held[group]
