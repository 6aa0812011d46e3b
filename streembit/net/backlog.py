"""What waits for slow peers on all links together: bounded, and the longest queue goes first."""

from __future__ import annotations

from typing import Final, Protocol

from streembit.errors import SlowReader, StreembitError

# 64 links with a full queue each. Beside it a transport takes some 64 KiB
# before it says that it is full.
MAX_QUEUED_BYTES: Final = 64 * 1024 * 1024


class Waiting(Protocol):
    """A link with a queue."""

    def refuse(self, error: StreembitError) -> None:
        """End the link; what it has queued is thrown away."""


class Backlog:
    """Adds up what the links that share it have queued; who is over the bound is ended.

    A bound on each link alone would let many of them take as much memory as there is.
    """

    __slots__ = ("_queued_bytes", "limit_bytes", "total_bytes")

    def __init__(self, limit_bytes: int = MAX_QUEUED_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.total_bytes = 0
        self._queued_bytes: dict[Waiting, int] = {}  # bounded by the connections that there are

    def add(self, link: Waiting, size_bytes: int) -> None:
        """Count what a link queues, and end the links that wait for most while it is too much.

        The link itself may be one of them.
        """
        self._queued_bytes[link] = self._queued_bytes.get(link, 0) + size_bytes
        self.total_bytes += size_bytes
        while self.total_bytes > self.limit_bytes:
            longest = max(self._queued_bytes, key=self._queued_bytes.__getitem__)
            queued_bytes = self.remove(longest)
            longest.refuse(SlowReader("the longest of all queues", queued_bytes=queued_bytes))

    def lessen(self, link: Waiting, size_bytes: int) -> None:
        """Count so much less of what a link queues: it has left."""
        self._queued_bytes[link] -= size_bytes
        self.total_bytes -= size_bytes
        if not self._queued_bytes[link]:
            del self._queued_bytes[link]

    def remove(self, link: Waiting) -> int:
        """Forget a link whose queue has left or is thrown away; return how long it was."""
        queued_bytes = self._queued_bytes.pop(link, 0)
        self.total_bytes -= queued_bytes
        return queued_bytes
