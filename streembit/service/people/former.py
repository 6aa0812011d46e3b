"""Our cards under identities that we had: contacts who know us by those find the new key there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streembit.contacts.generations import Pairs
from streembit.contacts.pair import Pair
from streembit.jose.keys import Identity, PublicKey
from streembit.service.network import Network
from streembit.service.people.abode import Abode
from streembit.service.people.announcer import Announcer
from streembit.service.people.cards import Cards
from streembit.service.people.chest import Chest
from streembit.service.people.friend import Friend, Friends
from streembit.service.people.lineage import Lineage
from streembit.service.people.ownkeys import OwnKeys
from streembit.service.people.sealed import Sealed
from streembit.service.people.watch import KEEP_S, Own

ROOM: Final = "former cards"


class FormerCards:
    """Publishes cards of former identities, for each contact.

    Attributes:
        all: the cards of each identity, and the identity with each agreement key that it had.
    """

    def __init__(
        self,
        network: Network,
        sealed: Sealed,
        chest: Chest,
        abode: Abode,
        own: OwnKeys,
        lineage: Lineage,
        random: Callable[[], float],
    ) -> None:
        self._network, self._sealed, self._chest = network, sealed, chest
        self._abode, self._own, self._lineage, self._random = abode, own, lineage, random
        self.all: list[tuple[Cards, tuple[Identity, ...]]] = []

    def start(self, friends: Friends) -> list[Own]:
        """Publish for all that contacts may still know us by; return these identities."""
        now_s, found = self._network.now_s(), []
        for identity, statement, until_s in self._lineage.former():
            if now_s - until_s < KEEP_S:
                owns = self._own.of_former(identity)
                found += [Own(each, until_s) for each in owns]
                self._publish(owns, statement, friends)
        return found

    def refresh(self, friend: Friend) -> None:
        """Tell a contact of our former keys where it looks for it now."""
        for cards, owns in self.all:
            cards.drop(friend.key)
            cards.add(_as_known_to(owns, friend))

    def silence(self, contact: PublicKey) -> None:
        """Publish nothing more for somebody who was removed or blocked."""
        for cards, _ in self.all:
            cards.drop(contact)

    def close(self) -> None:
        """Publish nothing more."""
        for cards, _ in self.all:
            cards.close()

    def _publish(self, owns: tuple[Identity, ...], statement: str, friends: Friends) -> None:
        cards = Cards(
            self._network,
            self._sealed,
            self._chest,
            Announcer(self._abode, self._own, lambda: statement),
            self._random,
            room=f"{ROOM} {owns[0].public.hex}",
            bare=True,
        )
        self.all.append((cards, owns))
        for friend in friends.values():
            cards.add(_as_known_to(owns, friend))


def _as_known_to(owns: tuple[Identity, ...], friend: Friend) -> Friend:
    """Return a contact as it was to an identity that we had."""
    pairs = tuple(Pair(own, friend.key, friend.agreement) for own in owns)
    return Friend(friend.name, friend.key, friend.agreement, Pairs(pairs, pairs), friend.talk)
