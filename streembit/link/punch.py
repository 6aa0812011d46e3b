"""Meeting through two routers: both sides dial each other at once, from ports that are open.

A router that keeps strangers out lets in what answers a connection from
inside. When both sides open one to the address at which a third one sees
the other, each router takes the other side's first packet for such an
answer. TCP has had a place for that from the beginning (RFC 9293,
section 3.5, simultaneous open); neither side has accepted anything then,
so that the keys decide who plays which part in the handshake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streembit.jose.keys import PublicKey
from streembit.wire.message import MAX_LEAD_MS

WINDOW_S: Final = 6.0  # the system repeats an unanswered packet after 1 and 3 seconds
RETRY_S: Final = 0.1  # after a refusal: the other side, or its router, was not ready yet
MAX_KNOCKS: Final = 20  # at one address and attempt, whatever is refused how fast


@dataclass(frozen=True, slots=True)
class Knock:
    """Dial now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again at this time."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Over:
    """Give up."""


class Knocking:
    """Decides when one side dials; the other one does the same.

    Dials follow each other: the next is due after `refused`.
    """

    __slots__ = ("_end_s", "_knocks", "_next_s")

    def __init__(self, start_s: float) -> None:
        self._next_s = start_s
        self._end_s = start_s + WINDOW_S
        self._knocks = 0

    def next(self, now_s: float) -> Knock | Wait | Over:
        """Return what to do now; each Knock is counted."""
        if now_s >= self._end_s:
            return Over()
        if now_s < self._next_s:
            return Wait(self._next_s)
        if self._knocks >= MAX_KNOCKS:
            return Wait(self._end_s)
        self._knocks += 1
        self._next_s = self._end_s
        return Knock()

    def refused(self, now_s: float) -> None:
        """Take note that the dial under way has failed."""
        self._next_s = now_s + RETRY_S


def initiates(own: PublicKey, other: PublicKey) -> bool:
    """Tell whether we play the initiator in the handshake: the smaller key does."""
    return own.point < other.point


def lead_s(round_trip_s: float | None) -> float:
    """Return how long the asked side waits with its first dial: until its answer has arrived."""
    return min(MAX_LEAD_MS / 1000, (round_trip_s or 0.0) / 2)
