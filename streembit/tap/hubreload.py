"""What an operator changes while a hub runs: its list and its certificate."""

from __future__ import annotations

import signal
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from streembit.errors import StreembitError
from streembit.net.certificate import ServerTls
from streembit.service.hub.desk import Desk

_log = Logger()


class Reloading(Service):
    """Reads the allowlist and the certificate anew at SIGHUP; what cannot be used stays as it was.

    A public hub has no list, and one without TLS no certificate.
    """

    def __init__(self, desk: Desk, listed: bool, tls: ServerTls | None, reactor: Any) -> None:
        self.setName("reloading")
        self._desk = desk
        self._listed = listed
        self._tls = tls
        self._reactor = reactor

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Listen to the signal, as soon as the reactor's own are set."""
        super().startService()
        self._reactor.callWhenRunning(signal.signal, signal.SIGHUP, self._hung_up)

    def reload(self) -> Deferred[None]:
        """Read both; fire when done, with whatever outcome: the log tells it."""
        if self._tls is not None:
            try:
                self._tls.load()
            except StreembitError as error:
                _log.error("the certificate stays as it was: {error}", error=str(error))
        done: Deferred[None] = Deferred.fromCoroutine(self._reload())
        return done

    def _hung_up(self, _signal: int, _frame: object) -> None:
        self._reactor.callFromThread(self.reload)

    async def _reload(self) -> None:
        if self._listed:
            try:
                await self._desk.reload()
            except StreembitError:
                pass  # the desk has told it, and counted it
