"""A clock that moves when told."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from typing import cast

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

START_S = 1_800_000_000.0  # a fixed moment, so that dates in traces are the same each run


@implementer(IReactorTime)
class MemoryClock:
    """A clock that moves when told, over a heap: cheap with 100,000 pending calls.

    `twisted.internet.task.Clock` sorts its list at each call, which a network of hundreds of nodes
    cannot afford.
    """

    def __init__(self, start_s: float = START_S) -> None:
        self._now_s = start_s
        self._heap: list[tuple[float, int, DelayedCall]] = []
        self._order = itertools.count()

    def seconds(self) -> float:
        """Return the simulated time, in seconds."""
        return self._now_s

    def callLater(  # noqa: N802 - Twisted's name
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002 - the interface's name
        *args: object,
        **kwargs: object,
    ) -> DelayedCall:
        """Run something after so many simulated seconds."""
        call = DelayedCall(
            self._now_s + delay, callable, args, kwargs, _nothing, self._moved, self.seconds
        )
        self._push(call)
        return call

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:  # noqa: N802 - Twisted's name
        """Return what is still to run."""
        live = {id(call): call for _, _, call in self._heap if call.active()}
        return cast("Sequence[IDelayedCall]", list(live.values()))

    def advance(self, seconds: float) -> None:
        """Move the clock, running what falls due in order of its time."""
        until_s = self._now_s + seconds
        while self._heap and self._heap[0][0] <= until_s:
            self._run_next()
        self._now_s = max(self._now_s, until_s)

    def run_until(self, done: Callable[[], bool], limit_s: float) -> bool:
        """Run events until `done()` or `limit_s` simulated seconds passed; return `done()`."""
        until_s = self._now_s + limit_s
        while not done():
            if not self._heap or self._heap[0][0] > until_s:
                self._now_s = max(self._now_s, until_s)
                return done()
            self._run_next()
        return True

    def _push(self, call: DelayedCall) -> None:
        heapq.heappush(self._heap, (call.getTime(), next(self._order), call))

    def _moved(self, call: DelayedCall) -> None:
        self._push(call)  # an entry at the old time stays behind and is passed over

    def _run_next(self) -> None:
        due_s, _, call = heapq.heappop(self._heap)
        if not call.active():
            return
        if call.getTime() > due_s:  # it was put off
            self._push(call)
            return
        self._now_s = max(self._now_s, due_s)
        call.called = 1
        call.func(*call.args, **call.kw)


def _nothing(_call: DelayedCall) -> None:
    """A cancelled call stays in the heap and is passed over there."""
