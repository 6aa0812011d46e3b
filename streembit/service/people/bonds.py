"""Who is a contact now: all that begins when somebody becomes one, and ends when they are none."""

from __future__ import annotations

from streembit.chat.conversation import Conversation
from streembit.contacts.entry import Entry
from streembit.errors import KeyRefused
from streembit.jose.keys import PublicKey
from streembit.service.network import Network
from streembit.service.people.acquaintance import Acquaintance
from streembit.service.people.athubs import AtHubs
from streembit.service.people.circle import Circle
from streembit.service.people.farewell import Farewell
from streembit.service.people.friend import Friend
from streembit.service.people.holdings import Holdings
from streembit.service.people.meetings import Meetings
from streembit.service.people.ways import Ways


class Bonds:
    """Begins and ends what goes on with each contact; the book has been changed before."""

    def __init__(
        self,
        network: Network,
        held: Holdings,
        acquaintance: Acquaintance,
        ways: Ways,
        at_hubs: AtHubs,
        farewell: Farewell,
        circle: Circle,
        meetings: Meetings,
    ) -> None:
        self._network, self._register, self._talks = network, held.register, held.talks
        self._friends = held.friends  # nobody else changes who is among them
        self._acquaintance, self._ways, self._at_hubs = acquaintance, ways, at_hubs
        self._farewell, self._circle, self._meetings = farewell, circle, meetings

    def start(self) -> None:
        """Take up all contacts, and what is left to do for those who were removed."""
        for entry in self._register.book:
            if entry.is_usable and entry.agreement:
                self.befriend(entry)
            elif entry.state == "removed":
                self._farewell.go_on(entry)

    def befriend(self, entry: Entry) -> Friend:
        """Talk with a contact from now on."""
        key = entry.public()
        known = self._friends.get(key)
        if known is not None and self._acquaintance.is_same(known, entry):
            self.refresh(known)
            self._circle.goes_on(known)
            return known
        self.unfriend(key)
        self._farewell.stop(key)
        friend = self._friends[key] = self._acquaintance.friend(entry)
        self._ways.add(friend)
        self._at_hubs.changed()
        if (peer := self._network.roster.get(key)) is not None:
            self._meetings.meet(friend, peer)
        return friend

    def refresh(self, friend: Friend) -> None:
        """Let a friend go on with the keys of both that are good now."""
        if self._acquaintance.refresh(friend):
            self._ways.cards.changed(friend.key)
            self._ways.former.refresh(friend)

    def unfriend(self, key: PublicKey) -> None:
        """Talk with somebody no longer; what is kept of the talk stays."""
        friend = self._friends.pop(key, None)
        if friend is not None:
            self._ways.drop(friend)
            self._at_hubs.changed()
            self._talks.drop(key)

    def dismiss(self, key: PublicKey) -> None:
        """Have nothing to do with a key any more: no talk, no search, no link."""
        self._circle.forget(key)
        self.unfriend(key)
        self._ways.links.unwant(key)
        for peer in self._network.roster.conversations():
            if peer.key == key:
                peer.close(KeyRefused())

    def end(self, key: PublicKey) -> None:
        """Have nothing to do with somebody any more, under no key that we had either."""
        self.dismiss(key)
        self._ways.former.silence(key)

    def conversation(self, key: PublicKey) -> Conversation | None:
        """Return the conversation with somebody, also one that has ended; None if none began."""
        friend = self._friends.get(key)
        if friend is not None:
            return friend.talk.conversation
        entry = self._register.book.get(key)
        if entry is None or not entry.agreement:
            return None
        return self._acquaintance.stranger(entry).talk.conversation
