"""Calls that block, each in a thread that nobody waits for longer than it is worth."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.python.failure import Failure

from streembit.errors import DeadlineExceeded, StillBusy

T = TypeVar("T")


class AloofReactor(IReactorFromThreads, IReactorTime):
    """What an aloof caller needs of the reactor."""


class Aloof:
    """Makes one blocking call at a time, and gives it up when its time is over.

    A thread cannot be stopped: one that was given up goes on until its call returns, and only
    then the next call is taken. The process does not wait for it when it ends, which is why no
    thread pool serves here.
    """

    def __init__(self, reactor: AloofReactor, name: str) -> None:
        self._reactor = reactor
        self._name = name
        self._busy = False

    def run(self, call: Callable[[], T], within_s: float) -> Deferred[T]:
        """Fire with what the call returns, or fail with what it raises.

        Errbacks:
            StillBusy: the call before has not returned.
            DeadlineExceeded: this one does not in time.
        """
        if self._busy:
            return fail(StillBusy(self._name))
        self._busy = True
        done: Deferred[T] = Deferred(lambda _: None)
        threading.Thread(target=self._call, args=(call, done), name=self._name, daemon=True).start()
        return done.addTimeout(within_s, self._reactor, self._too_late)

    def _too_late(self, _result: object, within_s: float) -> NoReturn:
        raise DeadlineExceeded(self._name, within_s=within_s)

    def _call(self, call: Callable[[], T], done: Deferred[T]) -> None:
        """Make the call; in the thread."""
        result: T | Failure
        try:
            result = call()
        except BaseException:  # noqa: BLE001 - it goes to whoever waits
            result = Failure()
        self._reactor.callFromThread(self._returned, result, done)

    def _returned(self, result: T | Failure, done: Deferred[T]) -> None:
        self._busy = False
        if not done.called:
            done.callback(result)
