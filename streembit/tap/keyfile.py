"""The key file of a running account, as its people may change it."""

from __future__ import annotations

from streembit.disk.accounts import Accounts
from streembit.jose.keys import Identity
from streembit.tap.ending import Ending


class AccountKeyFile:
    """See `service.people.keyfile.KeyFile`."""

    def __init__(self, accounts: Accounts, account: str, ending: Ending) -> None:
        self._accounts = accounts
        self._account = account
        self._ending = ending

    def check(self, passcode: str | None) -> None:
        """Raise WrongPasscode, KeyFileCorrupt unless this opens it."""
        self._accounts.load(self._account, passcode)

    def replace(self, identity: Identity, passcode: str | None) -> None:
        """Put another identity into the key file; see `Accounts.change_identity`."""
        self._accounts.change_identity(self._account, identity, passcode)

    def wipe(self) -> None:
        """End the process, and destroy the account behind it."""
        self._ending.wipe(self._account)
