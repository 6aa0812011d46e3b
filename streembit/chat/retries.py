"""When to try again: waits that double, each of them anything between none and its bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST_S: Final = 2.0
MOST_S: Final = 6 * 3600.0


class Retries:
    """The time of the next try to reach one contact, with full jitter.

    A wait longer than any that was drawn shows that the clock went back:
    it is over then.

    Args:
        random: chance in [0, 1).
    """

    __slots__ = ("_due_s", "_random", "failures")

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._due_s: float | None = None
        self.failures = 0

    def wait(self, now_s: float, least_s: float = 0.0) -> None:
        """Put the next try off, for longer each time, and at least for so long."""
        bound_s = min(MOST_S, FIRST_S * 2.0 ** min(self.failures, 32))
        self._due_s = now_s + min(MOST_S, least_s + self._random() * bound_s)
        self.failures += 1

    def due(self, now_s: float) -> bool:
        """Say whether to try now: at once where nothing was put off."""
        return not 0 < self.next_s(now_s) - now_s <= MOST_S

    def next_s(self, now_s: float) -> float:
        """Return the time of the next try, which may be over."""
        return now_s if self._due_s is None else self._due_s

    @property
    def waits(self) -> bool:
        """Whether a try was put off since the last reset."""
        return self._due_s is not None

    def reset(self) -> None:
        """Note that something came through: the next wait is a short one."""
        self._due_s, self.failures = None, 0
