"""What is destroyed when the process has let go of it."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IReactorCore, IReactorTime
from twisted.logger import Logger

from streembit.disk.home import Home
from streembit.disk.wiping import wipe_account
from streembit.errors import StreembitError

LEAVE_S: Final = 0.2  # until the answer to who asked for it has been sent

_log = Logger()


class EndingReactor(IReactorCore, IReactorTime):
    """What an ending needs of the reactor."""


class Ending:
    """Ends the process for accounts that are to be destroyed, and destroys them behind it."""

    def __init__(self, home: Home, reactor: EndingReactor) -> None:
        self._home = home
        self._reactor = reactor
        self._doomed: list[str] = []

    def wipe(self, account: str) -> None:
        """Have the process end, and the account be destroyed with it."""
        if not self._doomed:
            self._reactor.callLater(LEAVE_S, self._reactor.stop)
        self._doomed.append(account)

    def finish(self) -> None:
        """Destroy what is doomed; its stores are closed, and the home's lock is held."""
        for account in dict.fromkeys(self._doomed):
            try:
                wipe_account(self._home, account)
            except StreembitError as e:
                _log.error("{account} was not wiped wholly: {error}", account=account, error=str(e))
