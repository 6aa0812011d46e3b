"""When a record is put again: once an hour, and before the first of those who keep it drops it."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final, Protocol

EVERY_S: Final = 3600.0  # as Kademlia has it: nodes come and go
SPREAD: Final = 0.25  # of it, drawn for each record, so that none is known by its time
# Of the time that was promised, when it is used up to this point: some is left for a put that has
# to wait for its turn, and for clocks that differ.
USED: Final = (0.7, 0.9)
# Half of what a node that has just come keeps everything for: who promises less is not worth it
# that all others are asked more often.
LEAST_S: Final = 1800.0


class Promise(Protocol):
    """A node's word that it keeps a record."""

    @property
    def exp(self) -> int:
        """Until when, in Unix seconds."""


def wait_s(receipts: Iterable[Promise], now_s: float, chance: float) -> float:
    """Return in how many seconds to put a record again, from `LEAST_S` to 1.25 hours.

    Args:
        chance: in [0, 1).
    """
    usual_s = EVERY_S * (1 + SPREAD * (2 * chance - 1))
    return min(usual_s, before_s(receipts, now_s, chance))


def before_s(receipts: Iterable[Promise], now_s: float, chance: float) -> float:
    """Return in how many seconds it has to be at the latest; infinite without a receipt."""
    promised_s = min((receipt.exp for receipt in receipts), default=inf) - now_s
    least, most = USED
    return max(LEAST_S, promised_s * (least + chance * (most - least)))
