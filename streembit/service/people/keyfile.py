"""What the people of an account may ask of its key file."""

from __future__ import annotations

from typing import Protocol

from streembit.jose.keys import Identity


class KeyFile(Protocol):
    """The account's key file on this machine; `passcode` is None where nothing protects it."""

    def check(self, passcode: str | None) -> None:
        """Raise WrongPasscode unless this opens it."""

    def replace(self, identity: Identity, passcode: str | None) -> None:
        """Put another identity into the file: the account's from its next start on.

        Raises:
            WrongPasscode, DiskFull, DiskFailed: the file is what it was.
        """

    async def go_on(self, identity: Identity) -> None:
        """End all that runs under the key of before, and run under the one in the file.

        Whoever asks for it is among what ends, and gets its answer all the same.

        Raises:
            NotReady: the process ends.
        """

    def wipe(self) -> None:
        """Stop the node, and destroy the account with all that it keeps."""
