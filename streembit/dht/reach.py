"""Whether others can reach us, and at which address, judged by what several of them say.

One peer alone may lie or sit in our own network; two in different groups that connected to us
leave no doubt.  A node that cannot be reached serves nobody: it stays a client.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import Final, TypeVar

from streembit.dht.grouping import Grouping

WITNESSES: Final = 2  # peers in different groups that have to say the same
MAX_REPORTS: Final = 16  # the latest ones count
VALID_S: Final = 2 * 3600.0  # a report older than this says nothing about now


Said = TypeVar("Said", bool, str)


class Reachability(Enum):
    """What is known about whether others can connect to us."""

    UNKNOWN = "unknown"
    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"


class Reach:
    """Collects what peers report about us.

    Args:
        grouping: who counts as the same witness; where a peer's address is exempt from groups,
            each peer is a witness of its own.
        assumed: the network's setting for where there is nothing in between, as on loopback: we
            are reachable until two witnesses say otherwise.
    """

    __slots__ = ("_assumed", "_dials", "_grouping", "_sights")

    def __init__(self, grouping: Grouping, *, assumed: bool = False) -> None:
        self._grouping = grouping
        self._assumed = assumed
        self._dials: dict[str, tuple[bool, float]] = {}
        self._sights: dict[str, tuple[str, float]] = {}

    def dialled(self, peer_id: int, host: str, reached: bool, now_s: float) -> None:
        """Take a peer's answer to our DialBack."""
        _note(self._dials, self._witness(peer_id, host), (reached, now_s))

    def forget_dials(self) -> None:
        """Forget who reached us and who did not: the way to us has changed."""
        self._dials.clear()

    def observed(self, peer_id: int, host: str, seen_host: str, now_s: float) -> None:
        """Take the host that a peer sees us at."""
        _note(self._sights, self._witness(peer_id, host), (seen_host, now_s))

    def state(self, now_s: float) -> Reachability:
        """Return what the reports of the last two hours come to.

        Two witnesses that reached us outweigh any number that did not: a peer may have its own
        reasons to fail.
        """
        recent = [reached for reached, at_s in self._dials.values() if now_s - at_s < VALID_S]
        if sum(recent) >= WITNESSES:
            return Reachability.REACHABLE
        if len(recent) - sum(recent) >= WITNESSES:
            return Reachability.UNREACHABLE
        return Reachability.REACHABLE if self._assumed else Reachability.UNKNOWN

    def client_only(self, now_s: float) -> bool:
        """Tell whether we must not be asked to store: unless it is known that others reach us."""
        return self.state(now_s) is not Reachability.REACHABLE

    def wants_witness(self, peer_id: int, host: str, now_s: float) -> bool:
        """Tell whether this peer's answer to a DialBack could change or renew what we know."""
        known = self._dials.get(self._witness(peer_id, host))
        if known is not None and now_s - known[1] < VALID_S / 2:
            return False
        fresh = [reached for reached, at_s in self._dials.values() if now_s - at_s < VALID_S / 2]
        return sum(fresh) < WITNESSES and len(fresh) < MAX_REPORTS

    def wants_sight(self, peer_id: int, host: str, now_s: float) -> bool:
        """Tell whether what this peer says of where it sees us could change what we know."""
        known = self._sights.get(self._witness(peer_id, host))
        if known is not None and now_s - known[1] < VALID_S / 2:
            return False
        fresh = [at_s for _, at_s in self._sights.values() if now_s - at_s < VALID_S / 2]
        return len(fresh) < WITNESSES

    def host(self, now_s: float) -> str | None:
        """Return the host that most witnesses see us at, at least two; None while in doubt."""
        seen = Counter(host for host, at_s in self._sights.values() if now_s - at_s < VALID_S)
        if not seen:
            return None
        host, count = max(seen.items(), key=lambda entry: (entry[1], entry[0]))
        return host if count >= WITNESSES else None

    def _witness(self, peer_id: int, host: str) -> str:
        return self._grouping.group(host) or f"{peer_id:x}"


def _note(reports: dict[str, tuple[Said, float]], who: str, report: tuple[Said, float]) -> None:
    """Keep the report as the witness's latest word, and of all witnesses the latest few."""
    reports.pop(who, None)
    reports[who] = report
    while len(reports) > MAX_REPORTS:
        del reports[next(iter(reports))]
