"""One contact at work: what all that is done with it shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streembit.contacts.entry import Entry
from streembit.contacts.generations import Pairs
from streembit.contacts.pair import Pair
from streembit.jose.keys import PublicKey
from streembit.service.people.talk import Talk


@dataclass(eq=False)
class Friend:
    """A contact with whom words may be exchanged: its keys, the pairs' secrets, the talk.

    `name` is what its rows are known by, whatever keys it goes through;
    `agreement` and `pairs` change with the agreement keys of both.
    """

    name: str
    key: PublicKey
    agreement: PublicKey
    pairs: Pairs
    talk: Talk

    @property
    def pair(self) -> Pair:
        """The pair at whose places our parcels lie."""
        return self.pairs.ours[0]


# The contacts that may talk to us, by their keys; `bonds.Bonds` alone changes who is among them.
Friends = Mapping[PublicKey, Friend]


def name_of(entry: Entry) -> str:
    """Return what the rows of a contact are known by: the first key's hex."""
    return (entry.former[0].key if entry.former else entry.key).hex()


def named(friends: Friends, name: str) -> Friend | None:
    """Return the contact whose rows are known by this name."""
    return next((each for each in friends.values() if each.name == name), None)
