"""The people of an account, who come when the process is ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorCore, IReactorTime
from twisted.logger import Logger

from streembit.errors import StreembitError
from streembit.tap.stopped import fail

if TYPE_CHECKING:
    from streembit.service.people.desk import PeopleDesk

_log = Logger()


class PeopleReactor(IReactorCore, IReactorTime):
    """What late people need of the reactor."""


class LatePeople(Service):
    """Makes the people in the reactor's first turn: before a link can be open.

    Their code, the ratchet's above all, takes as long to load as all other
    code of a node together; who waits for the process to serve need not
    wait for it.
    """

    def __init__(self, reactor: PeopleReactor, make: Callable[[], PeopleDesk]) -> None:
        self.setName("late people")
        self._reactor = reactor
        self._make = make
        self._made: PeopleDesk | None = None
        self._call: IDelayedCall | None = None

    def startService(self) -> None:
        """Have them made soon."""
        super().startService()
        self._call = self._reactor.callLater(0, self._begin)

    def stopService(self) -> None:
        """Have them made no more."""
        super().stopService()
        if self._call is not None and self._call.active():
            self._call.cancel()

    def desk(self) -> PeopleDesk:
        """Return who answers for them, making them now if need be.

        Raises:
            LocalError: what is kept of them cannot be used.
        """
        if self._made is None:
            self._made = self._make()
        return self._made

    def _begin(self) -> None:
        """Make them; a node whose people cannot be there does not go on without a word."""
        try:
            self.desk()
        except StreembitError as error:
            _log.critical("the people cannot be there: {error}", error=str(error))
            fail(self._reactor)
