"""How long to wait before the next try, so that a crowd that failed together comes back apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST_S: Final = 1.0
MOST_S: Final = 300.0


class Backoff:
    """Full jitter: each wait is anything between none and a bound that doubles from try to try.

    Args:
        random: chance in [0, 1).
    """

    __slots__ = ("_first_s", "_most_s", "_random", "failures")

    def __init__(
        self, random: Callable[[], float], *, first_s: float = FIRST_S, most_s: float = MOST_S
    ) -> None:
        self._random = random
        self._first_s = first_s
        self._most_s = most_s
        self.failures = 0

    def next_s(self) -> float:
        """Return the wait before the next try, in seconds, and count a failure."""
        bound_s = min(self._most_s, self._first_s * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return self._random() * bound_s

    def reset(self) -> None:
        """Note that a try succeeded: the next wait is a short one again."""
        self.failures = 0
