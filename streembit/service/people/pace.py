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
# At most 188 requests in one second, and as much as is in flight beyond what was expected of it.
REQUESTS: Final = Rate(per_s=140.0, burst=48.0)
EXPECTED: Final = 24  # requests of one piece of work: the twenty nearest, and those on the way


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
    """A queue of work on the network; what is urgent goes first, and has every second turn.

    So the patient are not forgotten while what is urgent comes again and again. What the node
    asks beside, to join and for its upkeep, takes of the same rate, and is not held up.

    Args:
        asked: tells how many requests the node has sent, for whatever.
    """

    def __init__(
        self,
        clock: IReactorTime,
        asked: Callable[[], int],
        at_once: int = AT_ONCE,
        requests: Rate = REQUESTS,
    ) -> None:
        self._clock = clock
        self._asked = asked
        self._known = asked()  # requests for which the bucket has paid
        self._at_once = at_once
        self._bucket = TokenBucket(requests)
        self._urgent: deque[_Job[Any]] = deque()
        self._patient: deque[_Job[Any]] = deque()
        self._was_urgent = False  # what was begun last
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
            queue = self._next()
            if not queue:
                return
            if queue[0].done.called:  # given up while it waited
                queue.popleft()
                continue
            self._pay_for_others()
            wait_s = self._bucket.wait_s(self._clock.seconds(), EXPECTED)
            if wait_s > 0:
                self._look_again(wait_s)
                return
            self._bucket.spend(EXPECTED)
            self._was_urgent = queue is self._urgent
            self._start(queue.popleft())

    def _next(self) -> deque[_Job[Any]]:
        """Return the queue whose turn it is."""
        if self._was_urgent and self._patient:
            return self._patient
        return self._urgent or self._patient

    def _pay_for_others(self) -> None:
        """Take what the node has asked beside, as far as it cannot be what is running here."""
        others = self._asked() - self._known - EXPECTED * len(self._running)
        if others > 0:
            self._bucket.spend(others)
            self._known += others

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
            self._known += result.requests
        if not job.done.called:
            job.done.callback(result)
        if not self._closed:
            self._look_again(0)
