"""The service that one twistd command runs: it starts whole or says in one line why not."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final, TextIO, cast

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorCore, IReactorFromThreads, IReactorTime
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from streembit.disk.lock import Lock
from streembit.errors import StreembitError
from streembit.service.notify import Notifier
from streembit.tap.stopped import failures

STOP_WITHIN_S: Final = 4.5  # all of an end takes at most 5 s; then what still runs is left

_log = Logger()


class RoleReactor(IReactorCore, IReactorTime, IReactorFromThreads):
    """What a role needs of the reactor by itself."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How twistd was told to run: attached to a terminal or unit, or as a daemon of its own."""

    name: str
    foreground: bool
    pidfile: str
    log: ILogObserver | None


class RoleService(MultiService):
    """Takes the home's lock, then starts what `grow` returns; lets go of it last.

    `grow` is called after twistd became a daemon, because databases do not
    survive a fork. What it leaves on the stack is undone after all services
    have stopped.
    """

    def __init__(
        self,
        launch: Launch,
        lock: Lock,
        grow: Callable[[ExitStack], Iterable[IService]],
        notifier: Notifier,
        reactor: RoleReactor,
    ) -> None:
        super().__init__()
        self._launch = launch
        self._lock = lock
        self._grow = grow
        self._notifier = notifier
        self._reactor = reactor
        self._held = ExitStack()

    def setServiceParent(self, parent: object) -> None:
        """Join the application, and give it our log."""
        if self._launch.log is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._launch.log)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """Take the lock and open the ports."""
        with self._one_line_if_refused():
            self._lock.take()
            self._held.callback(self._lock.release)
            for service in self._grow(self._held):
                service.setServiceParent(self)
            super().privilegedStartService()

    def startService(self) -> None:
        """Start the rest; the manager hears of it as soon as the reactor runs."""
        with self._one_line_if_refused():
            super().startService()
        self._reactor.callWhenRunning(self._running)

    def stopService(self) -> Deferred[None]:
        """Stop everything within the time, close the databases, let go of the lock."""
        self._notifier.stopping()
        stopped: Deferred[list[tuple[bool, object]]] = maybeDeferred(super().stopService)
        stopped.addTimeout(STOP_WITHIN_S, self._reactor)
        return stopped.addBoth(_report).addBoth(lambda _: self._held.close())

    def _running(self) -> None:
        signal.signal(signal.SIGTERM, self._terminate)
        self._notifier.ready()

    def _terminate(self, _signal: int, _frame: object) -> None:
        """End well: exit status 0, where twistd's own end is to die of the signal."""
        self._reactor.callFromThread(self._reactor.stop)

    @contextmanager
    def _one_line_if_refused(self) -> Iterator[None]:
        try:
            yield
        except StreembitError as e:
            self._give_up(e)

    def _give_up(self, error: StreembitError) -> None:
        """End the start; a daemon's reason goes through twistd to who started it."""
        if not self._launch.foreground:
            raise error
        cast(TextIO, sys.__stderr__).write(f"{self._launch.name}: {in_one_line(error)}\n")
        if self._launch.pidfile and os.path.exists(self._launch.pidfile):
            os.unlink(self._launch.pidfile)
        sys.exit(1)


def in_one_line(error: StreembitError) -> str:
    """Return what happened in one printable line."""
    from streembit.api.answers import in_words

    text = f"{in_words(error)} ({error.code})"
    return "".join(c if c.isprintable() else " " for c in text)


def _report(results: object) -> None:
    """Log each service whose end failed or took too long, also within others."""
    for failure in failures(results):
        _log.failure("a service did not end well", failure=failure)
