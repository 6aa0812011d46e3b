"""What transfers of files need of the outside: a link, and the disk off the reactor's way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IReactorTime

SLOW_S: Final = 0.02  # a word that waits so long is not noticed, once
SLOW_FOR_S: Final = 10.0  # for so long a disk that was slow gets a thread

T = TypeVar("T")


class FileLink(Protocol):
    """The part of a link that carries files."""

    @property
    def is_open(self) -> bool: ...
    @property
    def is_full(self) -> bool: ...
    def send(self, payload: bytes) -> None: ...
    def expect_much(self) -> None: ...
    def when_free(self, call: Callable[[], object] | None) -> None: ...


class Disk(Protocol):
    """Does work that waits for the disk, and fires with what it comes to.

    In a process that is `deferToThreadPool` with a pool of its own.
    """

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]: ...


class Lane:
    """Does what waits for the disk elsewhere, and what is short at once while the disk is quick.

    Writes of some hundred kilobytes go to the system's memory, which takes
    less time than to wake a thread; until the disk cannot follow, and the
    system lets the writers wait.
    """

    def __init__(self, disk: Disk, clock: IReactorTime) -> None:
        self._disk = disk
        self._clock = clock
        self._slow_until_s = 0.0

    def now_s(self) -> float:
        """Return the time by the clock that the disk is measured with."""
        return self._clock.seconds()

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """Fire with what the work comes to, however long it takes."""
        return self._disk(work)

    def brief(self, work: Callable[[], T]) -> Deferred[T]:
        """Fire with what the work comes to, which should take less than a millisecond."""
        began_s = self._clock.seconds()
        if began_s < self._slow_until_s < began_s + 2 * SLOW_FOR_S:
            return self._disk(work)
        done = execute(work)
        now_s = self._clock.seconds()
        if now_s - began_s > SLOW_S:
            self._slow_until_s = now_s + SLOW_FOR_S
        return done


def at_once(work: Callable[[], T], /) -> Deferred[T]:
    """Do the work here and now: the `Disk` of tests."""
    return execute(work)
