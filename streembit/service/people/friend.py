"""One contact at work: what all that is done with it shares."""

from __future__ import annotations

from dataclasses import dataclass

from streembit.contacts.pair import Pair
from streembit.jose.keys import PublicKey
from streembit.service.people.talks import Talk


@dataclass(eq=False)
class Friend:
    """A contact with whom words may be exchanged: its keys, the pair's secrets, the talk."""

    key: PublicKey
    agreement: PublicKey
    pair: Pair
    talk: Talk
