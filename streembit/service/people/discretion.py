"""What contacts are told of the user: what was read, and whether somebody sits there and types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streembit.chat.conversation import Conversation
from streembit.contacts.entry import Entry
from streembit.jose.keys import PublicKey
from streembit.service.people.register import Settings
from streembit.service.people_rows import Told

if TYPE_CHECKING:
    from streembit.service.people.people import People


def told(entry: Entry, settings: Settings) -> list[Told]:
    """Return what somebody in the book is told: as was decided for them, else for everybody."""
    receipts = settings.read_receipts if entry.receipts is None else entry.receipts
    presence = settings.presence if entry.presence is None else entry.presence
    found: list[Told] = ["receipts"] if receipts else []
    return [*found, "presence"] if presence else found


class Discretion:
    """Holds all conversations to what the user decided, from the moment on that it is kept."""

    def __init__(self, people: People) -> None:
        self._people = people

    def tells_presence(self, key: PublicKey) -> bool:
        """Tell whether a contact may know if the user is here, and types."""
        return "presence" in self._told(key)

    def instruct(self, conversation: Conversation, key: PublicKey) -> None:
        """Tell a conversation whether the contact may know what was read."""
        conversation.receipts = "receipts" in self._told(key)

    def set_receipts(self, key: PublicKey, on: bool | None) -> Entry:
        """Decide for one contact what is told of reading; None: as for everybody."""
        return self._decided(self._people.circle.book.set_receipts(key, on))

    def set_presence(self, key: PublicKey, on: bool | None) -> Entry:
        """Decide for one contact what is told of presence and typing; None: as for everybody."""
        return self._decided(self._people.circle.book.set_presence(key, on))

    def change_settings(self, settings: Settings) -> None:
        """Keep other settings; they hold for all conversations from now on."""
        self._people.circle.register.change_settings(settings)
        self._follow()

    def _decided(self, entry: Entry) -> Entry:
        circle = self._people.circle
        circle.register.keep()
        self._follow()
        circle.changed(entry)
        return entry

    def _follow(self) -> None:
        for friend in self._people.friends.values():
            self.instruct(friend.talk.conversation, friend.key)
            self._people.presence.follow(friend.talk)
        self._people.at_hubs.changed()

    def _told(self, key: PublicKey) -> list[Told]:
        circle = self._people.circle
        entry = circle.book.get(key)
        return told(entry, circle.register.settings) if entry is not None else []
