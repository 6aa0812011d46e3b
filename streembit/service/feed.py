"""The last events of an account: kept in a ring, read from any position, waited for."""

from __future__ import annotations

import re
from collections import deque
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streembit.errors import BadName, NotReady
from streembit.service.people_events import (
    MAX_WAIT_S,
    POSITION_PATTERN,
    Arrived,
    Changed,
    Event,
    Events,
    Happened,
    Notice,
    Signal,
)
from streembit.service.people_rows import NoticeRow

KEPT: Final = 1024  # events: minutes of a busy account
KEPT_CHARS: Final = 2 * 1024 * 1024  # of messages and signals in them: 128 of the longest
MAX_ANSWER: Final = 256  # events of one answer
MAX_NOTICES: Final = 8  # kept for who comes later: they fit on a screen
MAX_WAITING: Final = 64  # clients that wait at a time: programs of one user


class Feed:
    """Keeps what happened, and gives it to whoever asks, now or when there is something.

    Args:
        run: 32 bits of chance that tell this run of the node from others.
    """

    def __init__(self, clock: IReactorTime, run: int) -> None:
        self._clock = clock
        self._run = f"{run:08x}"
        self._kept: deque[tuple[int, Happened]] = deque()
        self._kept_chars = 0
        self._notices: deque[NoticeRow] = deque(maxlen=MAX_NOTICES)
        self._last = 0
        self._waiting: dict[Deferred[None], IDelayedCall] = {}

    @property
    def waiting(self) -> int:
        """How many clients wait for something to happen."""
        return len(self._waiting)

    @property
    def notices(self) -> list[NoticeRow]:
        """The latest notices since the start, oldest first."""
        return list(self._notices)

    def tell(self, event: Event) -> None:
        """Add an event, and answer all who wait."""
        self._last += 1
        at = round(self._clock.seconds(), 3)
        self._kept.append((self._last, Happened(self._position(self._last), at, event)))
        self._kept_chars += _chars_of(event)
        if isinstance(event, Notice):
            self._notices.append(NoticeRow(at, event.code, event.text))
        while len(self._kept) > KEPT or self._kept_chars > KEPT_CHARS:
            _, oldest = self._kept.popleft()
            self._kept_chars -= _chars_of(oldest.event)
        self._wake_all()

    async def after(self, position: str, wait_s: float) -> Events:
        """Return what happened behind a position; see `PeopleFacade.events`.

        Raises:
            BadName: not a position.
            NotReady: MAX_WAITING clients wait already.
        """
        number = self._number(position)
        if number is None:
            return self._since(0, lost=True)
        if number == self._last and wait_s > 0:
            await self._something(min(wait_s, MAX_WAIT_S))
        return self._since(number, lost=self._is_gone(number))

    def stop(self) -> None:
        """Answer all who wait, with what there is."""
        self._wake_all()

    def _number(self, position: str) -> int | None:
        """Return a position's number in this run; None where it is of another."""
        if not re.fullmatch(POSITION_PATTERN, position):
            raise BadName("a position is what `next` of an answer was")
        if not position:
            return self._last
        run, _, number = position.partition("-")
        return int(number) if run == self._run and int(number) <= self._last else None

    def _is_gone(self, number: int) -> bool:
        oldest = self._kept[0][0] if self._kept else self._last + 1
        return number + 1 < oldest

    def _since(self, number: int, lost: bool) -> Events:
        found = [happened for at, happened in self._kept if at > number][:MAX_ANSWER]
        following = found[-1].position if found else self._position(self._last)
        return Events(following, lost, found)

    async def _something(self, wait_s: float) -> None:
        """Wait until something happens, or the time is over."""
        if len(self._waiting) >= MAX_WAITING:
            raise NotReady("too many clients wait for events", limit=MAX_WAITING)
        waiting: Deferred[None] = Deferred()
        self._waiting[waiting] = self._clock.callLater(wait_s, waiting.callback, None)
        try:
            await waiting
        finally:
            timer = self._waiting.pop(waiting)
            if timer.active():
                timer.cancel()

    def _wake_all(self) -> None:
        for waiting in list(self._waiting):
            if not waiting.called:
                waiting.callback(None)

    def _position(self, number: int) -> str:
        return f"{self._run}-{number}"


def _chars_of(event: Event) -> int:
    """Return how long the text of an event is, if it is a message's or a signal's."""
    if isinstance(event, Signal):
        return len(event.text)
    return len(event.message.text) if isinstance(event, Arrived | Changed) else 0
