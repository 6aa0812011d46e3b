"""One errand at a router: what is sent, when again, and what came of it.

Whoever carries it does what `Talk.next` says, and gives what comes to `Talk.receive`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from streembit.errors import MappingRefused, NoRouter
from streembit.router.terms import Question, Refused, Said

# When a question is repeated, and then given up. The first ones are those of RFC 6886, section
# 3.1; RFC 6887 would begin with three seconds, which is for servers at the end of long lines.
WAITS_S: Final = (0.25, 0.5, 1.0, 2.0)
MAX_HEARD: Final = 64  # datagrams of one errand: five for each of the twelve that we send at most


@dataclass(frozen=True, slots=True)
class Way:
    """A protocol, and what is asked by it, one after the other."""

    name: str
    questions: Sequence[Question]


@dataclass(frozen=True, slots=True)
class Send:
    """Send this now."""

    datagram: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again at this time, or when something has come."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Told:
    """All that a router answered by one protocol, put together."""

    by: str
    said: Said


class Talk:
    """Asks by one protocol; where the router does not know it, or is silent, by the next one."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self._ways = list(ways)
        self._asked = 0  # questions of this way that are answered
        self._sent = 0  # times that this question was sent
        self._due_s = -inf
        self._heard = 0
        self._said = Said(0)
        self._refused: Refused | None = None

    def next(self, now_s: float) -> Send | Wait | Told:
        """Return what to do now.

        Raises:
            NoRouter: it knows none of the protocols, or is silent.
            MappingRefused: it does not want to.
        """
        if self._refused is not None:
            raise MappingRefused(f"by {self._ways[0].name}: {self._refused}")
        if self._ways and self._asked == len(self._ways[0].questions):
            return Told(self._ways[0].name, self._said)
        if now_s < self._due_s:
            return Wait(self._due_s)
        if self._sent == len(WAITS_S):
            self._give_up()
        if not self._ways:
            raise NoRouter("the gateway answers neither to PCP nor to NAT-PMP")
        self._due_s = now_s + WAITS_S[self._sent]
        self._sent += 1
        return Send(self._ways[0].questions[self._asked].request)

    def receive(self, datagram: bytes) -> None:
        """Take what came from the router; what answers nothing is passed over."""
        self._heard += 1
        if self._heard > MAX_HEARD or not self._is_open():
            return
        answer = self._ways[0].questions[self._asked].read(datagram)
        if isinstance(answer, Said):
            self._take(answer)
        elif answer is not None and answer.speaks:
            self._refused = answer
        elif answer is not None:
            self._give_up()

    # --- how
    def _is_open(self) -> bool:
        """Tell whether a question waits for its answer."""
        waits = bool(self._ways) and self._asked < len(self._ways[0].questions)
        return waits and self._sent > 0 and self._refused is None

    def _take(self, answer: Said) -> None:
        former = self._said
        self._said = replace(
            former,
            epoch_s=answer.epoch_s,
            host=answer.host or former.host,
            port=answer.port or former.port,
            lease_s=answer.lease_s or former.lease_s,
        )
        self._asked += 1
        self._again()

    def _give_up(self) -> None:
        """Go on with the next protocol."""
        del self._ways[0]
        self._asked, self._said = 0, Said(0)
        self._again()

    def _again(self) -> None:
        self._sent, self._due_s = 0, -inf
