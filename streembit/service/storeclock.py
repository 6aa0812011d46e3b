"""The store's clock: seconds that only go forward, also across restarts and clock changes."""

from __future__ import annotations

from collections.abc import Callable


class StoreClock:
    """Counts on from a wall clock that is read once.

    Args:
        monotonic_s: seconds from anywhere that no clock change moves.
        unix_s: the wall clock at the start.
        newest_s: the latest moment that the shelf has seen; a clock that was set back while the
            node was down does not bring the store's time back before it.
    """

    __slots__ = ("_begun_s", "_monotonic_s", "_origin_s")

    def __init__(
        self, monotonic_s: Callable[[], float], unix_s: float, newest_s: float = 0.0
    ) -> None:
        self._monotonic_s = monotonic_s
        self._begun_s = monotonic_s()
        self._origin_s = max(unix_s, newest_s)

    def now_s(self) -> float:
        """Return the store's time in seconds."""
        return self._origin_s + self.up_s()

    def up_s(self) -> float:
        """Return how long it has counted: since the start of the node."""
        return max(0.0, self._monotonic_s() - self._begun_s)
