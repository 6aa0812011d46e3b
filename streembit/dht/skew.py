"""Whether our clock goes wrong, judged by the clocks of several peers."""

from __future__ import annotations

from statistics import median
from typing import Final

from streembit.dht.grouping import Grouping

WITNESSES: Final = 3  # peers in different groups; fewer may be wrong together
MAX_REPORTS: Final = 32  # the latest ones count
WARN_S: Final = 600.0  # an hour off and our records are refused; warn long before


class Skew:
    """Collects how far the clocks that peers state in their handshakes are from ours."""

    __slots__ = ("_ahead_s", "_grouping")

    def __init__(self, grouping: Grouping) -> None:
        self._grouping = grouping
        self._ahead_s: dict[str, float] = {}

    def heard(self, peer_id: int, host: str, their_unix_s: float, our_unix_s: float) -> None:
        """Take the clock of a peer; nothing is decided by it, it only warns."""
        witness = self._grouping.group(host) or f"{peer_id:x}"
        self._ahead_s.pop(witness, None)
        self._ahead_s[witness] = our_unix_s - their_unix_s
        while len(self._ahead_s) > MAX_REPORTS:
            del self._ahead_s[next(iter(self._ahead_s))]

    def ahead_s(self) -> float | None:
        """Return how far we are ahead of the median peer (negative: behind), None in doubt."""
        if len(self._ahead_s) < WITNESSES:
            return None
        return median(self._ahead_s.values())

    def warns(self) -> bool:
        """Tell whether the user should look at this machine's clock."""
        ahead_s = self.ahead_s()
        return ahead_s is not None and abs(ahead_s) > WARN_S
