"""An older state than was shown: all conversations begin with new keys, and the user is told."""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from streembit.service.people.cards import Cards
from streembit.service.people.chest import Chest
from streembit.service.people.holdings import Holdings
from streembit.service.people.renewals import Renewals
from streembit.service.people_events import Notice

RENEWED: Final = "sessions-renewed"
RENEWED_TEXT: Final = (
    "what is kept here is older than what was said since: all conversations begin with new keys"
)

_log = Logger()


class Anew:
    """Lets nothing go on under a key that a newer state has used; once a run."""

    def __init__(self, chest: Chest, held: Holdings, cards: Cards, renewals: Renewals) -> None:
        self._chest, self._cards, self._renewals = chest, cards, renewals
        self._friends, self._talks, self._feed = held.friends, held.talks, held.feed
        self._done = False

    def start(self) -> None:
        """Use no key any more that a newer state has used, and tell the user."""
        if self._done:
            return
        self._done = True
        self._renewals.renew()  # the one that is kept here may be one before the newest
        for friend in self._friends.values():
            friend.talk.start_anew()
        self._talks.settle()
        self._chest.renew(self._cards.start_anew())
        self._cards.changed()
        _log.warn("all conversations begin with new keys: what is kept is older than what was said")
        self._feed.tell(Notice(RENEWED, RENEWED_TEXT))
