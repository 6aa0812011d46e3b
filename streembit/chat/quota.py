"""How many parcels one contact may hand over: as many as people and files need, and no more."""

from __future__ import annotations

from typing import Final

BURST: Final = 4_096  # parcels at once: twice the messages of a full outbox
PER_S: Final = 10.0  # and then: 28 KB a second, which is 2.4 GB a day at the very most


class Quota:
    """A bucket of tokens that fills by itself; a clock that goes back takes none away."""

    __slots__ = ("_at_s", "_burst", "_per_s", "_tokens")

    def __init__(self, burst: float = BURST, per_s: float = PER_S) -> None:
        self._burst, self._per_s = burst, per_s
        self._tokens = burst
        self._at_s: float | None = None

    def take(self, now_s: float) -> bool:
        """Take one token; say whether there was one."""
        passed_s = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._at_s = now_s
        self._tokens = min(self._burst, self._tokens + passed_s * self._per_s)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
