"""The accounts of a home: key files, made, opened, backed up, restored and never overwritten."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streembit.disk import atomic, backups
from streembit.disk.atomic import blamed_on_disk, sync_folder
from streembit.disk.files import SYSTEM, Files, exists
from streembit.disk.lock import Lock
from streembit.disk.modes import check_file
from streembit.errors import (
    BadName,
    DiskFailed,
    KeyFileCorrupt,
    KeyFileExists,
    LocalError,
    NoSuchAccount,
    TooLarge,
)

if TYPE_CHECKING:  # they bring the cryptography along, which a look at the names does not need
    from streembit.jose.keyfile import Header, KdfParams
    from streembit.jose.keys import Identity

KEY: Final = "key.json"
PREVIOUS: Final = "key.json.previous"
MAX_KEY_FILE_BYTES = 4096  # one is about 600
_DEFAULT: Final = ".default"
_NAME: Final = re.compile(r"[a-z0-9_][a-z0-9._-]{0,63}", re.ASCII)


class Accounts:
    """The folder that has one folder for each account.

    Every change is made under a lock of its own, so the command line may
    work on accounts while a node runs. `passcode` is None for a key file
    that is not protected.
    """

    def __init__(
        self, folder: Path, files: Files = SYSTEM, params: KdfParams | None = None
    ) -> None:
        self.folder = folder
        self._files = files
        self._params = params

    def names(self) -> list[str]:
        """Return the names of the accounts that have a key file, in order."""
        with blamed_on_disk(self.folder):
            if not exists(self.folder, self._files):
                return []
            found = self._files.names(self.folder)
            return [name for name in found if _NAME.fullmatch(name) and self._has_key(name)]

    def default(self) -> str | None:
        """Return the account used when none is named, None when there is no single choice."""
        noted = atomic.read(self.folder / _DEFAULT, self._files)
        names = self.names()
        name = (noted or b"").decode(errors="replace").strip()
        if name in names:
            return name
        return names[0] if len(names) == 1 else None

    def choose(self, name: str | None) -> str:
        """Return the account of this name, or the default one for None.

        Raises:
            NoSuchAccount: there is none; `accounts` are those that exist.
        """
        chosen = self.default() if name is None else name
        if chosen is None or not _NAME.fullmatch(chosen) or not self._has_key(chosen):
            raise NoSuchAccount(_advice(name), account=name or "", accounts=self.names())
        return chosen

    def key_path(self, name: str) -> Path:
        """Return where the account's key file lies or would lie."""
        return self.folder / name / KEY

    def create(self, name: str, passcode: str | None) -> Identity:
        """Make an account with new keys; the first one becomes the default.

        Raises:
            BadName: a name has 1 to 64 of a-z, 0-9, `.`, `_`, `-` and begins
                with none of `.` and `-`.
            WeakPasscode: the passcode is too easy to guess.
            KeyFileExists: the account exists, or a copy of its key file does.
        """
        from streembit.jose.keys import Identity

        check_name(name)
        identity = Identity.generate(name)
        self.add(identity, passcode)
        return identity

    def add(self, identity: Identity, passcode: str | None) -> None:
        """Keep an identity, from 24 words for example, as the account of its name.

        Raises: as `create`.
        """
        check_name(identity.name)
        data = self._seal(identity, passcode)
        self._keep_new(identity.name, data, blocking=(KEY, PREVIOUS))

    def header(self, name: str | None) -> Header:
        """Return what the key file says without its passcode: name, public key, protection.

        Raises:
            NoSuchAccount, KeyFileCorrupt: as `load`.
        """
        chosen = self.choose(name)
        return self._inspect(chosen, self._read(chosen))

    def load(self, name: str | None, passcode: str | None) -> Identity:
        """Open the key file of the account, or of the default one for None.

        Raises:
            NoSuchAccount: there is none of this name.
            HomePermissions: others can read the file (so says every method that reads it).
            WrongPasscode, KeyFileWeak: as `jose.keyfile.unlock` finds.
            KeyFileCorrupt: `backups` are the copies that exist; nothing is changed.
        """
        chosen = self.choose(name)
        data = self._read(chosen)
        identity = self._open(chosen, data, passcode)
        self._forget_previous(chosen, data)
        return identity

    def restore(self, data: bytes, passcode: str | None, name: str | None = None) -> Identity:
        """Take a backed-up key file as an account, under its own or another name.

        Raises:
            KeyFileExists: the account has a key file, whatever its state;
                rename that one first.
            WrongPasscode, KeyFileWeak, KeyFileCorrupt: the backup cannot be opened.
            BadName: as `create`.
        """
        from streembit.jose import keyfile
        from streembit.jose.keys import Identity

        identity = keyfile.unlock(data, passcode)
        chosen = identity.name if name is None else name
        check_name(chosen)
        if chosen != identity.name:
            identity = Identity.from_seed(identity.seed, chosen)
            data = self._seal(identity, passcode)
        self._keep_new(chosen, data, blocking=(KEY,))
        return identity

    def backup(self, name: str | None, target: Path) -> None:
        """Copy the key file, protected as it is, to a new file; where to is remembered.

        Raises:
            KeyFileExists: something has that name.
            KeyFileCorrupt: there is nothing worth a backup.
        """
        chosen = self.choose(name)
        data = self._read(chosen)
        self._inspect(chosen, data)
        try:
            atomic.create(target, data, self._files)
        except FileExistsError:
            raise KeyFileExists("a backup never overwrites a file", file=str(target)) from None
        with self._locked():
            backups.note(self.key_path(chosen), target, self._files)

    def change_passcode(self, name: str | None, old: str | None, new: str | None) -> None:
        """Protect the key file with another passcode.

        The former file stays as `key.json.previous` until the new one has
        been opened with the new passcode and read back from the disk.

        Raises:
            WrongPasscode, KeyFileCorrupt, KeyFileWeak: the old one does not open it.
            WeakPasscode: the new one is too easy to guess.
            DiskFull, DiskFailed: the key file is the old or the new one, whole.
        """
        chosen = self.choose(name)
        with self._locked():
            before = self._read(chosen)
            identity = self._open(chosen, before, old)
            after = self._seal(identity, new)
            self._prove(after, new, identity)
            self._replace(chosen, before, after)

    def change_identity(self, name: str, identity: Identity, passcode: str | None) -> None:
        """Let the account go on with another identity, protected by the same passcode.

        Raises:
            WrongPasscode, KeyFileCorrupt, KeyFileWeak: the passcode does not open the key file.
            DiskFull, DiskFailed: the key file is the old or the new one, whole.
        """
        chosen = self.choose(name)
        with self._locked():
            before = self._read(chosen)
            self._open(chosen, before, passcode)
            after = self._seal(identity, passcode)
            self._prove(after, passcode, identity)
            self._replace(chosen, before, after)

    def backups(self, name: str) -> list[Path]:
        """Return the copies of the account's key file that exist, as far as known."""
        return backups.existing(self.key_path(name), PREVIOUS, self._files)

    def lost(self) -> list[Path]:
        """Return the copies that exist of key files that are gone, as far as known."""
        with blamed_on_disk(self.folder):
            found = self._files.names(self.folder) if exists(self.folder, self._files) else []
            names = [name for name in found if _NAME.fullmatch(name)]
        return [path for name in names if not self._has_key(name) for path in self.backups(name)]

    # --- one key file ----------------------------------------------------------------------

    def _has_key(self, name: str) -> bool:
        with blamed_on_disk(self.folder):
            return exists(self.key_path(name), self._files)

    def _read(self, name: str) -> bytes:
        with blamed_on_disk(self.folder):
            check_file(self.key_path(name), self._files)
        try:
            data = atomic.read(self.key_path(name), self._files, MAX_KEY_FILE_BYTES)
        except TooLarge:
            raise self._corrupt(name, "it is too long") from None
        if data is None:
            raise NoSuchAccount(account=name, accounts=self.names())
        return data

    def _open(self, name: str, data: bytes, passcode: str | None) -> Identity:
        from streembit.jose import keyfile

        try:
            return keyfile.unlock(data, passcode)
        except KeyFileCorrupt as e:
            raise self._corrupt(name, e.detail) from e

    def _inspect(self, name: str, data: bytes) -> Header:
        from streembit.jose import keyfile

        try:
            return keyfile.inspect(data)
        except KeyFileCorrupt as e:
            raise self._corrupt(name, e.detail) from e

    def _corrupt(self, name: str, reason: str) -> KeyFileCorrupt:
        copies = [str(path) for path in self.backups(name)]
        advice = "rename it, then use `streembit account restore FILE`, or `--words`"
        return KeyFileCorrupt(f"{reason}; {advice}", file=str(self.key_path(name)), backups=copies)

    def _seal(self, identity: Identity, passcode: str | None) -> bytes:
        from streembit.jose import keyfile

        if self._params is None:
            return keyfile.lock(identity, passcode)
        return keyfile.lock(identity, passcode, params=self._params)

    def _prove(self, data: bytes, passcode: str | None, identity: Identity) -> None:
        from streembit.jose import keyfile

        if keyfile.unlock(data, passcode).seed != identity.seed:
            raise KeyFileCorrupt("the new key file does not hold the keys; the old one stays")

    def _keep_new(self, name: str, data: bytes, blocking: tuple[str, ...]) -> None:
        folder = self.folder / name
        with self._locked(), blamed_on_disk(folder):
            for taken in blocking:
                if exists(folder / taken, self._files):
                    raise KeyFileExists(file=str(folder / taken))
            if not exists(folder, self._files):
                self._files.make_folder(folder)
                sync_folder(self.folder, self._files)
            atomic.create(folder / KEY, data, self._files)
            if self.names() == [name]:
                atomic.write(self.folder / _DEFAULT, name.encode() + b"\n", self._files)

    def _replace(self, name: str, before: bytes, after: bytes) -> None:
        path = self.key_path(name)
        previous = path.with_name(PREVIOUS)
        atomic.write(previous, before, self._files)
        atomic.write(path, after, self._files)
        if atomic.read(path, self._files) != after:
            atomic.write(path, before, self._files)
            raise DiskFailed("the new key file was not read back as written", file=str(path))
        self._remove(previous)

    def _forget_previous(self, name: str, proven: bytes) -> None:
        """Remove what a change of the passcode that died left behind: an old passcode opens it."""
        previous = self.key_path(name).with_name(PREVIOUS)
        if not exists(previous, self._files):
            return
        try:
            with self._locked():
                if self._read(name) == proven:
                    self._remove(previous)
        except LocalError:  # the next start tries again
            pass

    def _remove(self, path: Path) -> None:
        with blamed_on_disk(path):
            self._files.remove(path)
            sync_folder(path.parent, self._files)

    def _locked(self) -> Lock:
        return Lock(self.folder / ".lock", self._files)


def check_name(name: str) -> None:
    """Refuse what cannot be an account's name and its folder's.

    Raises:
        BadName: see `Accounts.create`.
    """
    if not is_name(name):
        raise BadName(
            "a name has 1 to 64 of a-z, 0-9, '.', '_' and '-', and begins with a letter or digit",
            name=ascii(name[:80]),
        )


def is_name(text: str) -> bool:
    """Say whether a text can be an account's name."""
    return _NAME.fullmatch(text) is not None


def _advice(name: str | None) -> str:
    return "make it with `streembit account create NAME`" if name else "name one with --account"
