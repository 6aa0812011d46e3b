"""Who people are to an account: book, invitations, requests and settings, kept together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from streembit.contacts import book as books
from streembit.contacts import invitations as invites
from streembit.contacts.book import Book
from streembit.contacts.entry import Entry
from streembit.contacts.invitations import Invitations
from streembit.contacts.requests import Requests
from streembit.errors import ChestDamaged
from streembit.jose.keys import PublicKey
from streembit.service.people.chest import Chest, Row
from streembit.service.people_rows import Told
from streembit.wire.offer import UserType

ROOM: Final = "settings"
_KEY: Final = b"settings"


class Settings(Struct, array_like=True, frozen=True):
    """What the user decided; `downloads` is "" for the folder of the home."""

    read_receipts: bool = False
    downloads: str = ""
    presence: bool = True
    user_type: UserType = "human"


def told(entry: Entry, settings: Settings) -> list[Told]:
    """Return what somebody in the book is told: as was decided for them, else for everybody."""
    receipts = settings.read_receipts if entry.receipts is None else entry.receipts
    presence = settings.presence if entry.presence is None else entry.presence
    found: list[Told] = ["receipts"] if receipts else []
    return [*found, "presence"] if presence else found


class Keep(Protocol):
    """Commits rows, together with what happened in conversations; see `Talks.settle`."""

    def __call__(self, *rows: Row) -> None: ...


class Register:
    """All of it in memory; what was changed counts once `keep` has returned.

    Raises ChestDamaged when made, where what is kept is not sound.
    """

    def __init__(self, chest: Chest, keep: Keep) -> None:
        self._chest = chest
        self._commit = keep
        self._load()

    def keep(self, *rows: Row) -> None:
        """Commit all changes, and these rows with them.

        Raises:
            DiskFull, DiskFailed, ChestDamaged: nothing has changed.
        """
        changes: list[Row] = [
            *self.book.changes(),
            *self.invitations.changes(),
            *self.requests.changes(),
            *rows,
        ]
        try:
            self._commit(*changes)
        except Exception:
            self._load()
            raise

    def change_settings(self, settings: Settings) -> None:
        """Keep other settings from now on."""
        self.keep((ROOM, _KEY, msgspec.msgpack.encode(settings)))
        self.settings = settings

    def tells(self, key: PublicKey, what: Told) -> bool:
        """Tell whether somebody may know this of the user; who is not in the book, nothing."""
        entry = self.book.get(key)
        return entry is not None and what in told(entry, self.settings)

    def _load(self) -> None:
        chest: Callable[[str], list[bytes]] = self._chest.all
        self.book = Book(chest(books.ROOM))
        self.invitations = Invitations(chest(invites.ROOM))
        self.requests = Requests(chest)
        row = self._chest.get(ROOM, _KEY)
        try:
            self.settings = msgspec.msgpack.decode(row, type=Settings) if row else Settings()
        except msgspec.MsgspecError as e:
            raise ChestDamaged(f"the settings: {e}") from None
