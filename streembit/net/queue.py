"""What one connection has written and the network has not taken: counted, and bounded."""

from __future__ import annotations

from typing import Final

from streembit.errors import SlowReader
from streembit.net.backlog import Backlog, Waiting

_NOT_FULL: Final = -1


class Queue:
    """Counts what waits for a peer that reads slowly, from when its transport says it is full.

    Args:
        owner: the connection; it is refused when its queue is too long.
        limit_bytes: how long that is.
        backlog: adds up the queues of all connections, and is told of this one.
    """

    __slots__ = ("_backlog", "_limit_bytes", "_owner", "size_bytes")

    def __init__(self, owner: Waiting, limit_bytes: int, backlog: Backlog) -> None:
        self._owner = owner
        self._limit_bytes = limit_bytes
        self._backlog = backlog
        self.size_bytes = _NOT_FULL

    @property
    def is_full(self) -> bool:
        """Whether the transport holds back what it is given."""
        return self.size_bytes >= 0

    @property
    def is_crowded(self) -> bool:
        """Whether half of what may wait does."""
        return self.size_bytes > self._limit_bytes // 2

    def begin(self) -> None:
        """Count from now on, unless this has begun: the transport is full."""
        self.size_bytes = max(0, self.size_bytes)

    def end(self) -> None:
        """Stop counting: the transport has sent everything."""
        self.size_bytes = _NOT_FULL
        self.forget()

    def add(self, size_bytes: int) -> bool:
        """Count what will wait, and return whether there is room for it in this queue.

        Where there is none, the owner was refused. It may be refused
        as well because of all queues its own is the longest.
        """
        self.size_bytes += size_bytes
        if self.size_bytes > self._limit_bytes:
            self.refuse()
            return False
        self._backlog.add(self._owner, size_bytes)
        return True

    def refuse(self) -> None:
        """Refuse the owner: its peer is deaf, or as good as that."""
        self._owner.refuse(SlowReader(queued_bytes=self.size_bytes))

    def forget(self) -> None:
        """Leave the sum of all queues: what waited has left, or is thrown away."""
        self._backlog.remove(self._owner)
