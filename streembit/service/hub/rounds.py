"""All sessions of a hub, looked after some at a time, so that nobody waits for the rest of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from streembit.errors import NotAdmitted
from streembit.net.carrier import beat
from streembit.service.hub.session import Session
from streembit.service.upkeep import Upkeep

ROUND_S: Final = 5.0  # so late at most the silent are asked, and those whose time is over go
# All at once, 5,000 silent members with TLS would hold up those who speak for a tenth of a second.
PARTS: Final = 20


class Rounds:
    """Asks the silent for a sign of life, and ends the sessions whose time is over.

    Args:
        sessions: returns all that there are.
        unix_s: unix time, by which permissions end.
    """

    def __init__(
        self,
        sessions: Callable[[], list[Session]],
        clock: IReactorTime,
        unix_s: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._unix_s = unix_s
        self._round: list[Session] = []  # all that there were when it began
        self._next = 0

    def job(self) -> Upkeep:
        """Return what goes round and round."""
        return Upkeep("beat", self._clock, ROUND_S / PARTS, self._look, lambda: 0.5)

    def _look(self) -> None:
        """Look after the next part of the round."""
        if self._next == 0:
            self._round = self._sessions()
        part = [session for session in self._round[self._next :: PARTS] if not session.ended]
        self._next = (self._next + 1) % PARTS
        now_s = self._unix_s()
        for session in part:
            if session.grant.is_over(now_s):
                session.end(NotAdmitted(reason="expired"))
        beat([session.carrier for session in part if not session.ended], self._clock.seconds())
