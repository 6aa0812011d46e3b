"""The key file of a running account, as its people may change it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from streembit.disk.accounts import Accounts
from streembit.jose.keys import Identity
from streembit.tap.ending import Ending


class AccountKeyFile:
    """See `service.people.keyfile.KeyFile`."""

    def __init__(
        self,
        accounts: Accounts,
        account: str,
        ending: Ending,
        go_on: Callable[[Identity], Awaitable[None]],
    ) -> None:
        self._accounts = accounts
        self._account = account
        self._ending = ending
        self._go_on = go_on

    def check(self, passcode: str | None) -> None:
        """Raise WrongPasscode, KeyFileCorrupt unless this opens it."""
        self._accounts.load(self._account, passcode)

    def replace(self, identity: Identity, passcode: str | None) -> None:
        """Put another identity into the key file; see `Accounts.change_identity`."""
        self._accounts.change_identity(self._account, identity, passcode)

    async def go_on(self, identity: Identity) -> None:
        """Let the process go on as another identity."""
        await self._go_on(identity)

    def wipe(self) -> None:
        """End the process, and destroy the account behind it."""
        self._ending.wipe(self._account)
