"""The service that holds the local API's Unix socket."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IReactorTime,
    IReactorUNIX,
)

from streembit.api import unixpath
from streembit.api.desks import Desks, HubDesk
from streembit.api.late import LateFactory
from streembit.errors import ListenFailed


class ApiReactor(IReactorUNIX, IReactorTime):
    """What the service needs of a reactor."""


class ApiService(Service):
    """Serves the API of whoever is at the desks on `path`, mode 0600, until it is stopped.

    `startService` raises ListenFailed when another process serves there or
    the socket cannot be made; a socket left by a dead process is replaced.
    """

    name = "api"

    def __init__(self, reactor: ApiReactor, path: Path, desks: Desks | HubDesk) -> None:
        self._reactor = reactor
        self._path = path
        self._factory = LateFactory(lambda: _site(desks, reactor))
        self._port: IListeningPort | None = None
        self._held = ExitStack()

    def startService(self) -> None:
        """Listen."""
        unixpath.clear_stale(self._path)
        try:
            self._port = self._listen(self._held.enter_context(unixpath.short(self._path)))
        except (CannotListenError, OSError) as e:
            self._held.close()
            raise ListenFailed(f"the API's socket {self._path}: {e}") from None
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Stop listening and remove the socket."""
        super().stopService()
        port, self._port = self._port, None
        if port is None:
            return maybeDeferred(self._held.close)
        # Twisted removes the file, and does not close the socket if somebody else did so before.
        if not self._path.exists():
            self._path.touch(mode=0o600)
        return maybeDeferred(port.stopListening).addBoth(lambda _: self._held.close())

    def _listen(self, address: str) -> IListeningPort:
        before = os.umask(0o177)  # so that the socket is ours alone from its first moment
        try:
            return self._reactor.listenUNIX(address, self._factory, mode=0o600)
        finally:
            os.umask(before)


def _site(desks: Desks | HubDesk, clock: IReactorTime) -> IProtocolFactory:
    from streembit.api.http import site_of

    return site_of(desks, clock)
