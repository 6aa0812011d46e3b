"""Work that is done again and again: jittered, one round at a time, never dying of one failure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from typing import cast

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.errors import StreembitError

_log = Logger()

Work = Callable[[], Awaitable[object] | None]


class Upkeep(Service):
    """Runs `work` every `every_s` seconds, give or take `jitter_s`, while the service runs.

    A round that fails is logged and skipped; the next one comes all the same.  A round that takes
    long delays the next.  `stopService` cancels the wait, or the round and waits for its end.

    Args:
        first_s: the wait before the first round; by default a jittered whole one.
        random: chance in [0, 1).
    """

    def __init__(
        self,
        name: str,
        clock: IReactorTime,
        every_s: float,
        work: Work,
        random: Callable[[], float],
        *,
        jitter_s: float = 0.0,
        first_s: float | None = None,
    ) -> None:
        self.setName(name)
        self.every_s = every_s
        self.jitter_s = jitter_s
        self.rounds = 0
        self._clock = clock
        self._work = work
        self._random = random
        self._first_s = first_s
        self._next: IDelayedCall | None = None
        self._round: Deferred[None] | None = None
        self._next_in_s: float | None = None
        self._by_s = inf  # when the next round has to be, by the clock, whatever else is said

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        super().startService()
        self._schedule(self._delay_s() if self._first_s is None else self._first_s)

    def stopService(self) -> Deferred[None] | None:  # noqa: N802 - Twisted's name
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
        if self._round is None:
            return None
        done: Deferred[None] = Deferred()
        self._round.addBoth(lambda _: done.callback(None))
        self._round.cancel()
        return done

    def soon(self) -> None:
        """Bring the next round forward to now, unless one runs."""
        if self.running and self._round is None and self._next is not None:
            self._next.reset(0)

    def next_in(self, delay_s: float) -> None:
        """Let the next round come in so many seconds, this once; a round that runs ends first."""
        if self._next is not None:
            self._next.reset(delay_s)
        else:
            self._next_in_s = delay_s

    def within(self, delay_s: float) -> None:
        """Let the next round come in so many seconds at the latest; one that runs is not it."""
        if self._next is None:
            self._by_s = min(self._by_s, self._clock.seconds() + delay_s)
        elif delay_s < self._next.getTime() - self._clock.seconds():
            self._next.reset(delay_s)

    def _delay_s(self) -> float:
        delay_s, self._next_in_s = self._next_in_s, None
        left_s, self._by_s = self._by_s - self._clock.seconds(), inf
        if delay_s is None:
            delay_s = self.every_s + (2 * self._random() - 1) * self.jitter_s
        return max(0.0, min(delay_s, left_s))

    def _schedule(self, delay_s: float) -> None:
        self._next = self._clock.callLater(delay_s, self._run)

    def _run(self) -> None:
        self._next = None
        self._round = Deferred.fromCoroutine(self._guarded())
        if self._round.called:
            self._finished()
        else:
            self._round.addCallback(lambda _: self._finished())

    def _finished(self) -> None:
        self._round = None
        self.rounds += 1
        if self.running:
            self._schedule(self._delay_s())

    async def _guarded(self) -> None:
        try:
            result = self._work()
            if result is not None:
                await result
        except CancelledError:
            pass
        except StreembitError as error:
            _log.info("{job} skipped a round: {error}", job=self.name, error=str(error))
        except Exception:
            _log.failure("{job} failed in a round", failure=Failure(), job=self.name)


def as_deferred(result: Deferred[None] | None) -> Deferred[None]:
    """Return a Deferred for what `stopService` answered."""
    return cast("Deferred[None]", succeed(None)) if result is None else result
