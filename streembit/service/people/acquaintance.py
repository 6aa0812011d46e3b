"""What we have of each contact: the pairs' secrets, the conversation, and its keys."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Final

from streembit.chat.conversation import Conversation
from streembit.contacts.entry import Entry
from streembit.jose.keys import Identity, PublicKey
from streembit.service.people.chest import Chest
from streembit.service.people.friend import Friend, name_of
from streembit.service.people.ownkeys import OwnKeys
from streembit.service.people.register import Register
from streembit.service.people.talk import Talk
from streembit.service.people.talks import Talks

PAIRS: Final = "pairs"  # the room of the keys that each conversation goes on under


class Acquaintance:
    """Makes friends of entries."""

    def __init__(
        self,
        identity: Identity,
        chest: Chest,
        talks: Talks,
        register: Register,
        own: OwnKeys,
        random: Random,
    ) -> None:
        self._identity, self._chest, self._random = identity, chest, random
        self._talks, self._register, self._own = talks, register, own

    def friend(self, entry: Entry) -> Friend:
        """Return a contact, whose talk is among the talks from now on."""
        entry = self._own.greet(entry)
        talk = self._talks.add(entry.public(), partial(self._conversation, entry))
        friend = self._friend(entry, talk)
        self._check_keys(friend, entry)
        return friend

    def stranger(self, entry: Entry) -> Friend:
        """Return somebody who is no contact any more, with what is left of the talk."""
        make = partial(self._conversation, entry)
        return self._friend(entry, Talk(self._talks, entry.public(), make))

    def is_same(self, friend: Friend, entry: Entry) -> bool:
        """Tell whether the conversation with a friend goes on with the keys of an entry."""
        return self._chest.get(PAIRS, friend.name.encode()) == self._keys(entry)

    def refresh(self, friend: Friend) -> bool:
        """Let a friend go on with the keys that are good now; return whether they are others."""
        entry = self._register.book.of(friend.key)
        before = len(friend.pairs.ours), friend.pair.own, friend.agreement
        friend.agreement = PublicKey.parse(entry.agreement)
        friend.pairs = self._own.pairs(entry)
        friend.talk.conversation.know(*self._own.ends(entry))
        return (len(friend.pairs.ours), friend.pair.own, friend.agreement) != before

    def _friend(self, entry: Entry, talk: Talk) -> Friend:
        pairs = self._own.pairs(entry)
        key, agreement = entry.public(), PublicKey.parse(entry.agreement)
        return Friend(name_of(entry), key, agreement, pairs, talk)

    def _check_keys(self, friend: Friend, entry: Entry) -> None:
        """Begin new sessions where ours or the contact's identity is not the one it was."""
        row, known = self._keys(entry), self._chest.get(PAIRS, friend.name.encode())
        if known == row:
            return
        if known is not None:
            friend.talk.change_keys()
        self._talks.settle((PAIRS, friend.name.encode(), row))

    def _keys(self, entry: Entry) -> bytes:
        """Return the keys with which all sessions end: a renewed agreement key is none of them."""
        first = entry.agreement if entry.renewal is None else entry.renewal.origin
        return self._identity.public.point + entry.key + first

    def _conversation(self, entry: Entry) -> Conversation:
        now = self._register.book.get(entry.public()) or entry
        owns, contacts = self._own.ends(now)
        made = Conversation(self._identity, contacts[0], self._chest, self._random, name_of(entry))
        made.know(owns, contacts)
        made.receipts = self._register.tells(now.public(), "receipts")
        return made
