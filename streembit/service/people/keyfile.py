"""What the people of an account may ask of its key file."""

from __future__ import annotations

from typing import Protocol

from streembit.jose.keys import Identity


class KeyFile(Protocol):
    """The account's key file on this machine; `passcode` is None where nothing protects it."""

    def check(self, passcode: str | None) -> None:
        """Raise WrongPasscode unless this opens it."""

    def replace(self, identity: Identity, passcode: str | None) -> None:
        """Let the account go on with another identity from its next start.

        Raises:
            WrongPasscode, DiskFull, DiskFailed: the file is what it was.
        """

    def wipe(self) -> None:
        """Stop the node, and destroy the account with all that it keeps."""
