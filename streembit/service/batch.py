"""One commit a turn of the reactor: it makes durable what all stores of the turn changed."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streembit.dht.shelf import Shelf
from streembit.errors import StoreDegraded, StreembitError


class Batch:
    """Commits a shelf's changes, and tells those who wait for them what became of it.

    Whoever changes the shelf calls `durable` or `commit` in the same turn.  Nobody else commits: a
    batch that was lost has to be heard of by everybody whose change was in it.
    """

    def __init__(self, shelf: Shelf, clock: IReactorTime) -> None:
        self._shelf = shelf
        self._clock = clock
        self._call: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []  # as many as the stores served in one turn

    def durable(self) -> Deferred[None] | None:
        """Return None where nothing waits for a commit, else what fires after it, this turn.

        Errbacks:
            StoreDegraded: nothing of the batch was kept.
        """
        if not self._shelf.uncommitted:
            return None
        self._soon()
        done: Deferred[None] = Deferred()
        self._waiting.append(done)
        return done

    def commit(self) -> None:
        """Commit the batch at once, and tell all who wait for it.

        Raises:
            StoreDegraded: nothing of the batch was kept.
        """
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        error = self._committed()
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            if error is None:
                done.callback(None)
            else:
                done.errback(StoreDegraded(error.detail))
        if error is not None:
            raise error

    def _committed(self) -> StreembitError | None:
        try:
            self._shelf.commit()
        except StoreDegraded as error:
            return error
        return None

    def _soon(self) -> None:
        if self._call is None:
            self._call = self._clock.callLater(0, self._due)

    def _due(self) -> None:
        self._call = None
        try:
            self.commit()
        except StoreDegraded:  # those who wait have heard it
            pass
