"""Where passcode and passwords come from: never an argument, never the environment."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping
from getpass import getpass
from pathlib import Path
from typing import Final

from streembit.errors import BadConfig

CREDENTIAL: Final = "passcode"
MAX_FILE_BYTES: Final = 4096  # a passcode has at most 1,024 characters


class Source:
    """Tells the passcode, from the first of: file, systemd credential, terminal.

    `environ` names the folder of systemd's credentials. `ask` shows a prompt
    and returns what was typed; None where nobody could type.
    """

    def __init__(
        self, file: Path | None, environ: Mapping[str, str], ask: Callable[[str], str] | None
    ) -> None:
        self._file = file
        self._environ = environ
        self._ask = ask

    @classmethod
    def of_process(cls, file: Path | None) -> Source:
        """Return the source for this process."""
        return cls(file, os.environ, getpass if sys.stdin and sys.stdin.isatty() else None)

    def passcode(self, account: str, *, new: bool = False) -> str:
        """Return the passcode of an account; a new one is typed twice.

        Raises:
            BadConfig: nobody tells one, a file cannot be used, or the two
                differ.
        """
        if self._file is not None:
            return _read(self._file, private=True, what="passcode")
        folder = self._environ.get("CREDENTIALS_DIRECTORY", "")
        credential = Path(folder, CREDENTIAL)
        if folder and credential.is_file():
            return _read(credential, private=False, what="passcode")  # systemd keeps it
        if self._ask is None:
            raise BadConfig(
                "no passcode: give --passcode-file, or a systemd credential named "
                f"{CREDENTIAL}, or --no-passcode for a key file without one"
            )
        return _typed(self._ask, account, new=new)


def password(file: Path | None, credential: str, environ: Mapping[str, str]) -> str:
    """Return a password that another server asks for: from a file, or a systemd credential, or "".

    Raises:
        BadConfig: the file cannot be used.
    """
    if file is not None:
        return _read(file, private=True, what="password")
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    given = Path(folder, credential)
    return _read(given, private=False, what="password") if folder and given.is_file() else ""


def _typed(ask: Callable[[str], str], account: str, *, new: bool) -> str:
    typed = ask(f"{'New passcode' if new else 'Passcode'} of {account}: ")
    if new and ask("Once more: ") != typed:
        raise BadConfig("the two passcodes differ")
    return typed


def _read(path: Path, *, private: bool, what: str) -> str:
    try:
        with path.open("rb") as file:
            if private and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise BadConfig(f"others can read the {what}: chmod 600 {path}")
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as e:
        raise BadConfig(f"the {what}'s file {path}: {e.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise BadConfig(f"the {what}'s file {path} is longer than {MAX_FILE_BYTES} bytes")
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise BadConfig(f"the {what}'s file {path} is not UTF-8") from None
