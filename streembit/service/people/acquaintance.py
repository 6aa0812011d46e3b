"""What we have of each contact: the pairs' secrets, the conversation, and its keys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from streembit.chat.conversation import Conversation
from streembit.contacts.entry import Entry
from streembit.jose.keys import PublicKey
from streembit.service.people.friend import Friend, name_of
from streembit.service.people.talk import Talk

if TYPE_CHECKING:
    from streembit.service.people.people import People

PAIRS: Final = "pairs"  # the room of the keys that each conversation goes on under


class Acquaintance:
    """Makes friends of entries."""

    def __init__(self, people: People) -> None:
        self._people = people

    def friend(self, entry: Entry) -> Friend:
        """Return a contact, whose talk is among the talks from now on."""
        entry = self._people.renewals.greet(entry)
        talk = self._people.talks.add(entry.public(), partial(self._conversation, entry))
        friend = self._friend(entry, talk)
        self._check_keys(friend, entry)
        return friend

    def stranger(self, entry: Entry) -> Friend:
        """Return somebody who is no contact any more, with what is left of the talk."""
        make = partial(self._conversation, entry)
        return self._friend(entry, Talk(self._people.talks, entry.public(), make))

    def is_same(self, friend: Friend, entry: Entry) -> bool:
        """Tell whether the conversation with a friend goes on with the keys of an entry."""
        return self._people.chest.get(PAIRS, friend.name.encode()) == self._keys(entry)

    def _friend(self, entry: Entry, talk: Talk) -> Friend:
        pairs = self._people.renewals.pairs(entry)
        key, agreement = entry.public(), PublicKey.parse(entry.agreement)
        return Friend(name_of(entry), key, agreement, pairs, talk)

    def _check_keys(self, friend: Friend, entry: Entry) -> None:
        """Begin new sessions where ours or the contact's identity is not the one it was."""
        row, known = self._keys(entry), self._people.chest.get(PAIRS, friend.name.encode())
        if known == row:
            return
        if known is not None:
            friend.talk.change_keys()
        self._people.talks.settle((PAIRS, friend.name.encode(), row))

    def _keys(self, entry: Entry) -> bytes:
        """Return the keys with which all sessions end: a renewed agreement key is none of them."""
        first = entry.agreement if entry.renewal is None else entry.renewal.origin
        return self._people.node.identity.public.point + entry.key + first

    def _conversation(self, entry: Entry) -> Conversation:
        people = self._people
        now = people.circle.book.get(entry.public()) or entry
        owns, contacts = people.renewals.ends(now)
        made = Conversation(
            people.node.identity, contacts[0], people.chest, people.random, name_of(entry)
        )
        made.know(owns, contacts)
        people.discretion.instruct(made, now.public())
        return made
