"""Look-ups and puts one after another: so many at a time, so many requests a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from streembit.errors import NotReady
from streembit.net.budget import Rate, TokenBucket

AT_ONCE: Final = 10  # look-ups and puts in flight
# Together at most 210 requests in one second, beside what the network's upkeep asks.
REQUESTS: Final = Rate(per_s=150.0, burst=60.0)
EXPECTED: Final = 15  # requests of one piece of work: a put to twelve nodes and those it missed


class Counted(Protocol):
    """A result that says what it cost."""

    @property
    def requests(self) -> int:
        """How many requests were sent."""


T = TypeVar("T", bound=Counted)
Work = Callable[[], Coroutine[Deferred[Any], Any, T]]


class _Job(Generic[T]):
    """A piece of work and who waits for it."""

    __slots__ = ("done", "running", "work")

    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self.running: Deferred[T] | None = None
        self.done: Deferred[T] = Deferred(self._cancel)

    def _cancel(self, _: object) -> None:
        if self.running is not None:
            self.running.cancel()


class Pace:
    """A queue of work on the network; what is urgent goes first."""

    def __init__(
        self, clock: IReactorTime, at_once: int = AT_ONCE, requests: Rate = REQUESTS
    ) -> None:
        self._clock = clock
        self._at_once = at_once
        self._bucket = TokenBucket(requests)
        self._urgent: deque[_Job[Any]] = deque()
        self._patient: deque[_Job[Any]] = deque()
        self._running: set[_Job[Any]] = set()
        self._timer: IDelayedCall | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._urgent) + len(self._patient) + len(self._running)

    @property
    def running(self) -> int:
        """How many are in flight."""
        return len(self._running)

    def run(self, work: Work[T], *, urgent: bool = False) -> Deferred[T]:
        """Fire with what the work comes to, in its turn; cancelling ends it.

        Errbacks:
            NotReady: we are stopping.
            As the work raises.
        """
        if self._closed:
            return fail(NotReady("we are stopping"))
        job = _Job(work)
        (self._urgent if urgent else self._patient).append(job)
        self._go_on()
        return job.done

    def close(self) -> None:
        """Give up what waits and what runs, and take no more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for job in [*self._running, *self._urgent, *self._patient]:
            job.done.addErrback(lambda _: None)
            job.done.cancel()
        self._urgent.clear()
        self._patient.clear()

    def _go_on(self) -> None:
        while not self._closed and len(self._running) < self._at_once:
            queue = self._urgent or self._patient
            if not queue:
                return
            if queue[0].done.called:  # given up while it waited
                queue.popleft()
                continue
            wait_s = self._bucket.wait_s(self._clock.seconds(), EXPECTED)
            if wait_s > 0:
                self._look_again(wait_s)
                return
            self._bucket.spend(EXPECTED)
            self._start(queue.popleft())

    def _look_again(self, wait_s: float) -> None:
        if self._timer is None:
            self._timer = self._clock.callLater(wait_s, self._wake)
        else:
            self._timer.reset(wait_s)

    def _wake(self) -> None:
        self._timer = None
        self._go_on()

    def _start(self, job: _Job[T]) -> None:
        self._running.add(job)
        job.running = Deferred.fromCoroutine(job.work())
        job.running.addBoth(self._ended, job)

    def _ended(self, result: T | Failure, job: _Job[T]) -> None:
        self._running.discard(job)
        if not isinstance(result, Failure):  # give back what was not needed, or take what was
            self._bucket.spend(result.requests - EXPECTED)
        if not job.done.called:
            job.done.callback(result)
        if not self._closed:
            self._look_again(0)
