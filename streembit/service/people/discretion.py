"""What contacts are told of the user: decided for one or for all, and followed at once."""

from __future__ import annotations

from streembit.contacts.entry import Entry
from streembit.jose.keys import PublicKey
from streembit.service.people.athubs import AtHubs
from streembit.service.people.circle import Circle
from streembit.service.people.holdings import Holdings
from streembit.service.people.presence import Presences
from streembit.service.people.register import Settings


class Discretion:
    """Holds all conversations to what the user decided, from the moment on that it is kept."""

    def __init__(
        self, held: Holdings, presence: Presences, at_hubs: AtHubs, circle: Circle
    ) -> None:
        self._register, self._friends = held.register, held.friends
        self._presence, self._at_hubs, self._circle = presence, at_hubs, circle

    def set_receipts(self, key: PublicKey, on: bool | None) -> Entry:
        """Decide for one contact what is told of reading; None: as for everybody."""
        return self._decided(self._register.book.set_receipts(key, on))

    def set_presence(self, key: PublicKey, on: bool | None) -> Entry:
        """Decide for one contact what is told of presence and typing; None: as for everybody."""
        return self._decided(self._register.book.set_presence(key, on))

    def change_settings(self, settings: Settings) -> None:
        """Keep other settings; they hold for all conversations from now on."""
        self._register.change_settings(settings)
        self._follow()

    def _decided(self, entry: Entry) -> Entry:
        self._register.keep()
        self._follow()
        self._circle.tell(entry)
        return entry

    def _follow(self) -> None:
        for friend in self._friends.values():
            friend.talk.conversation.receipts = self._register.tells(friend.key, "receipts")
            self._presence.follow(friend.talk)
        self._at_hubs.changed()
