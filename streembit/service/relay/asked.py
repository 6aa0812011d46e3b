"""What was asked of a hub and is not answered yet, by the numbers of its frames."""

from __future__ import annotations

from typing import Final, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streembit.errors import (
    BadMessage,
    RemoteRefusal,
    RequestTimeout,
    StreembitError,
    TooManyRequests,
)
from streembit.wire.hub import Refused, Reply

MAX_ASKED: Final = 512  # mails of eight full mailboxes' first halves, or a burst of commands
ANSWER_S: Final = 15.0  # a hub commits a mail within a second, and looks into the table for ten


class _Waiting(NamedTuple):
    done: Deferred[Reply]
    expected: type[Reply]
    timer: IDelayedCall


class Asked:
    """The commands and mails of one session that wait for their answers, each with a deadline."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: dict[int, _Waiting] = {}  # at most MAX_ASKED

    def __len__(self) -> int:
        return len(self._waiting)

    def check(self) -> None:
        """Raise TooManyRequests where no more can wait."""
        if len(self._waiting) >= MAX_ASKED:
            raise TooManyRequests(limit=MAX_ASKED)

    def add(self, number: int, expected: type[Reply]) -> Deferred[Reply]:
        """Wait for the answer to a frame: of this type, or a refusal.

        Errbacks:
            RemoteRefusal: the hub refused; `code` says why.
            RequestTimeout: it did not answer in time.
            As `fail_all` says: the session ended.
        """
        done: Deferred[Reply] = Deferred()
        timer = self._clock.callLater(ANSWER_S, self._late, number)
        self._waiting[number] = _Waiting(done, expected, timer)
        return done

    def answer(self, number: int, reply: Reply) -> None:
        """Take an answer; one to what nobody waits for any more is passed over.

        Raises:
            BadMessage: it is not what the frame is answered with.
        """
        waiting = self._take(number)
        if waiting is None:
            return
        if isinstance(reply, Refused):
            waiting.done.errback(RemoteRefusal(reply.code, reply.detail))
        elif isinstance(reply, waiting.expected):
            waiting.done.callback(reply)
        else:
            error = BadMessage("an answer of another type than the command's")
            waiting.done.errback(error)
            raise error

    def fail_all(self, error: StreembitError) -> None:
        """Tell all who wait that no answer will come."""
        for number in list(self._waiting):
            if (waiting := self._take(number)) is not None:
                waiting.done.errback(error)

    def _take(self, number: int) -> _Waiting | None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None and waiting.timer.active():
            waiting.timer.cancel()
        return waiting

    def _late(self, number: int) -> None:
        if (waiting := self._take(number)) is not None:
            waiting.done.errback(RequestTimeout(timeout_s=ANSWER_S))
