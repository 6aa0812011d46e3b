"""One contact at work: what all that is done with it shares."""

from __future__ import annotations

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


def name_of(entry: Entry) -> str:
    """Return what the rows of a contact are known by: the first key's hex."""
    return (entry.former[0].key if entry.former else entry.key).hex()
