"""The home folder: where everything of one node or seed lies, and who may use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streembit.disk import atomic, schema
from streembit.disk.accounts import Accounts, check_name, is_name
from streembit.disk.atomic import blamed_on_disk, sync_folder
from streembit.disk.files import SYSTEM, Files, exists
from streembit.disk.lock import Lock
from streembit.disk.modes import check_modes
from streembit.disk.schema import MARKER, SCHEMA, Schema
from streembit.errors import HomeMissing

_FIRST: Final = ".first"  # in accounts: whose stores lie in the home itself
_HALF_MADE = frozenset(
    {"accounts", "lock", MARKER, f".{MARKER}.new", "node.toml", "seed.toml", "hub.toml"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the stores of one account lie: in a folder that no other account uses."""

    folder: Path
    network: str = ""  # whose records and peers are meant, "" for those of the public one

    def within(self, network: str) -> Place:
        """Return where the stores lie while the account is in a private network."""
        return Place(self.folder, f".{network}")

    @property
    def records_path(self) -> Path:
        """The records kept for the network: a cache that may be lost."""
        return self.folder / f"records.sqlite{self.network}"

    @property
    def published_path(self) -> Path:
        """Our own records and their sequence numbers."""
        return self.folder / f"published.sqlite{self.network}"

    @property
    def peers_path(self) -> Path:
        """The peers worth trying first: a cache that may be lost."""
        return self.folder / f"peers.json{self.network}"

    @property
    def chest_path(self) -> Path:
        """Contacts, sessions and history, sealed."""
        return self.folder / "chest.sqlite"

    @property
    def mailbox_path(self) -> Path:
        """The mail that waits on a hub."""
        return self.folder / "mailbox.sqlite"

    @property
    def socket_path(self) -> Path:
        """Where the running node's local API listens."""
        return self.folder / "api.sock"


class Home:
    """A home folder of the current schema; made by `create` or `open`.

    Several processes may read it. The one that runs a node holds `lock`.
    """

    def __init__(self, path: Path, files: Files = SYSTEM) -> None:
        self.path = path
        self.lock = Lock(path / "lock", files)
        self.accounts = Accounts(path / "accounts", files)
        self.migrated_from: Path | None = None
        self._files = files

    @classmethod
    def create(cls, path: Path, files: Files = SYSTEM, layout: Schema = SCHEMA) -> Home:
        """Make an empty home there, or open the one that is there.

        An empty folder, or one that holds nothing but a configuration, is
        taken into use. After a crash half-way it can be called again.

        Raises:
            HomeMissing: the folder holds something else.
            As `open`.
        """
        with blamed_on_disk(path):
            _make(path, files)
            if schema.version_of(path, files) is None:
                _refuse_foreign(path, files)
                files.change_mode(path, 0o700)
                _make(path / "accounts", files)
                schema.mark(path, layout.version, files)
        return cls.open(path, files, layout)

    @classmethod
    def open(cls, path: Path, files: Files = SYSTEM, layout: Schema = SCHEMA) -> Home:
        """Open the home, bringing an older one forward (`migrated_from` is the copy made).

        Raises:
            HomeMissing: there is none.
            HomePermissions: other users could read it or change it.
            HomeTooNew: a newer program wrote it.
            HomeLocked: it is older, and a process is still using it.
            DiskFull, DiskFailed: the disk does not do its part.
        """
        home = cls(path, files)
        with blamed_on_disk(path):
            _refuse_missing(path, files)
            check_modes(path, files)
            home._bring_forward(layout)
        return home

    @property
    def first(self) -> Place:
        """The stores of the home's first account: they lie in the home itself."""
        return Place(self.path)

    @property
    def records_path(self) -> Path:
        """The first account's `Place.records_path`."""
        return self.first.records_path

    @property
    def published_path(self) -> Path:
        """The first account's `Place.published_path`."""
        return self.first.published_path

    @property
    def peers_path(self) -> Path:
        """The first account's `Place.peers_path`."""
        return self.first.peers_path

    @property
    def socket_path(self) -> Path:
        """The first account's `Place.socket_path`."""
        return self.first.socket_path

    def place(self, account: str) -> Place:
        """Return where the stores of an account lie, or would lie; raise BadName."""
        check_name(account)
        first = self._first_account()
        if first == account or (first is None and not self._has_stores(account)):
            return self.first
        return Place(self.accounts.key_path(account).parent)

    def settle(self, account: str) -> Place:
        """Return where the stores of an account lie from now on; the caller holds the lock.

        The first account that a node runs as has the home itself, the
        others their own folders; so it stays, whichever run later.
        """
        found = self.place(account)
        if found == self.first and self._first_account() is None:
            atomic.write(self._first_path, account.encode() + b"\n", self._files)
        return found

    def config_path(self, role: str) -> Path:
        """The configuration of this role, "node" or "seed"; it need not exist."""
        return self.path / f"{role}.toml"

    @property
    def _first_path(self) -> Path:
        return self.accounts.folder / _FIRST

    def _first_account(self) -> str | None:
        """Return whose the home is; None before the first start, or if the note is damaged."""
        noted = (atomic.read(self._first_path, self._files) or b"").decode(errors="replace").strip()
        return noted if is_name(noted) else None

    def _has_stores(self, account: str) -> bool:
        folder = self.accounts.key_path(account).parent
        return exists(Place(folder).published_path, self._files)

    def _bring_forward(self, layout: Schema) -> None:
        found = schema.version_of(self.path, self._files)
        if found == layout.version:
            return
        if found is not None:
            schema.refuse_newer(found, layout, self.path)
        self.lock.take()
        try:
            self.migrated_from = schema.migrate(self.path, layout, self._files)
        finally:
            self.lock.release()


def _make(path: Path, files: Files) -> None:
    if exists(path, files):
        return
    if path.parent != path:
        _make(path.parent, files)
    try:
        files.make_folder(path)
    except FileExistsError:  # somebody was quicker
        return
    sync_folder(path.parent, files)


def _refuse_foreign(path: Path, files: Files) -> None:
    other = [name for name in files.names(path) if name not in _HALF_MADE]
    if other:
        raise HomeMissing(
            "the folder holds other files; give an empty or a new one",
            home=str(path),
            holds=other[0],
        )


def _refuse_missing(path: Path, files: Files) -> None:
    if not exists(path / MARKER, files) and not exists(path / "accounts", files):
        raise HomeMissing("make it with `streembit account create NAME`", home=str(path))
