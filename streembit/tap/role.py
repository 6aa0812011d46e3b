"""The service that one twistd command runs: it starts whole or says in one line why not."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TextIO, cast

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorCore, IReactorFromThreads, IReactorTime
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure

from streembit.disk.lock import Lock
from streembit.errors import ListenFailed, StreembitError
from streembit.service.notify import Notifier
from streembit.tap.options import in_one_line

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

    `grow` is called after twistd became a daemon: databases and sockets do
    not outlive a fork.
    """

    def __init__(
        self,
        launch: Launch,
        lock: Lock,
        grow: Callable[[], Iterable[IService]],
        notifier: Notifier,
        reactor: RoleReactor,
    ) -> None:
        super().__init__()
        self._launch = launch
        self._lock = lock
        self._grow = grow
        self._notifier = notifier
        self._reactor = reactor

    def setServiceParent(self, parent: object) -> None:
        """Join the application, and give it our log."""
        if self._launch.log is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._launch.log)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """Take the lock and open the ports."""
        with self._one_line_if_refused():
            self._lock.take()
            for service in self._grow():
                service.setServiceParent(self)
            super().privilegedStartService()

    def startService(self) -> None:
        """Start the rest; the manager hears of it as soon as the reactor runs."""
        with self._one_line_if_refused():
            super().startService()
        self._reactor.callWhenRunning(self._running)

    def stopService(self) -> Deferred[None]:
        """Stop everything within the time, then let go of the lock."""
        self._notifier.stopping()
        stopped: Deferred[object] = maybeDeferred(super().stopService)
        stopped.addTimeout(STOP_WITHIN_S, self._reactor)
        stopped.addErrback(_late)
        return stopped.addBoth(lambda _: self._lock.release())

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
        except CannotListenError as e:
            self._give_up(ListenFailed(f"{e.interface or '*'}:{e.port}: {e.socketError}"))

    def _give_up(self, error: StreembitError) -> None:
        """End the start; a daemon's reason goes through twistd to who started it."""
        if not self._launch.foreground:
            raise error
        cast(TextIO, sys.__stderr__).write(f"{self._launch.name}: {in_one_line(error)}\n")
        if self._launch.pidfile and os.path.exists(self._launch.pidfile):
            os.unlink(self._launch.pidfile)
        sys.exit(1)


def _late(failure: Failure) -> None:
    _log.failure("the end was not clean", failure=failure)
