"""What follows from what contacts' cards say: of their keys, their places, and of themselves."""

from __future__ import annotations

from streembit.service.people.anew import Anew
from streembit.service.people.athubs import AtHubs
from streembit.service.people.cards import prekeys_of
from streembit.service.people.circle import Circle
from streembit.service.people.following import Following
from streembit.service.people.friend import Friend
from streembit.service.people.places import Places
from streembit.service.people.renewals import Renewals
from streembit.service.people.showing import left_to_the_next
from streembit.service.people.ways import Ways
from streembit.wire.card import Card


class Reading:
    """Implements `reader.Reader` for the identity that we have."""

    def __init__(
        self,
        places: Places,
        ways: Ways,
        at_hubs: AtHubs,
        circle: Circle,
        renewals: Renewals,
        following: Following,
        anew: Anew,
    ) -> None:
        self._places, self._ways, self._at_hubs, self._circle = places, ways, at_hubs, circle
        self._renewals, self._following, self._anew = renewals, following, anew

    def stated(self, friend: Friend, card: Card) -> None:
        """Take what a contact says of its keys."""
        if card.rotation:
            self._following.read(friend.key, card.rotation)
        if card.agreement:
            self._renewals.read(card.agreement)

    def read(self, friend: Friend, card: Card) -> None:
        """Take what a contact's card says."""
        if self._places.moved(friend.key, card.addresses):
            self._ways.moved(friend)
            self._at_hubs.changed()
        self._renewals.known(friend, card.yours)
        bundle = prekeys_of(card)
        if bundle:
            friend.talk.learn(bundle).addErrback(left_to_the_next)
        friend.talk.conversation.taking.announced(card.first, card.last)
        friend.talk.touch()
        self._ways.drops.fetch(friend.key)
        if card.removed:
            self._circle.ended(friend)
        else:
            self._circle.goes_on(friend)

    def ended(self, friend: Friend) -> None:
        """Note that a contact deleted its card for us."""
        self._circle.ended(friend)

    def outdated(self) -> None:
        """Begin anew with everybody: our state is an older one than we have shown."""
        self._anew.start()
