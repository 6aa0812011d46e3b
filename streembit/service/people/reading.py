"""What our cards say of us, and what follows from what contacts' cards say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from streembit.service.people.cards import prekeys_of
from streembit.service.people.friend import Friend
from streembit.service.people.showing import left_to_the_next
from streembit.wire.card import Card
from streembit.wire.offer import Address

if TYPE_CHECKING:
    from streembit.service.people.people import People


class Reading:
    """Implements `cards.Readers` for the identity that we have."""

    def __init__(self, people: People) -> None:
        self._people = people

    def joined(self) -> bool:
        """Tell whether the node is in the network."""
        return self._people.joined()

    def addresses(self) -> Sequence[Address]:
        """Return where we are to be reached."""
        return self._people.addresses()

    def rotation(self) -> str:
        """Return the statement that we have another key."""
        return self._people.succession.statement

    def agreement(self) -> str:
        """Return the statement of our agreement key."""
        return self._people.renewals.statement

    def stated(self, friend: Friend, card: Card) -> None:
        """Take what a contact says of its keys."""
        if card.rotation:
            self._people.following.read(friend.key, card.rotation)
        if card.agreement:
            self._people.renewals.read(card.agreement)

    def read(self, friend: Friend, card: Card) -> None:
        """Take what a contact's card says."""
        people = self._people
        people.circle.moved(friend, card.addresses)
        people.renewals.known(friend, card.yours)
        bundle = prekeys_of(card)
        if bundle:
            friend.talk.learn(bundle).addErrback(left_to_the_next)
        friend.talk.conversation.taking.announced(card.first, card.last)
        friend.talk.touch()
        people.drops.fetch(friend.key)
        if card.removed:
            people.circle.ended(friend)
        else:
            people.circle.goes_on(friend)

    def ended(self, friend: Friend) -> None:
        """Note that a contact deleted its card for us."""
        self._people.circle.ended(friend)

    def outdated(self) -> None:
        """Begin anew with everybody: our state is an older one than we have shown."""
        self._people.circle.start_anew()
