"""What an account has of its own, as its chest keeps it: keys, book, conversations."""

from __future__ import annotations

from random import Random

from streembit.jose.keys import PublicKey
from streembit.service.feed import Feed
from streembit.service.node import Node
from streembit.service.people.abode import Abode
from streembit.service.people.chest import Chest
from streembit.service.people.friend import Friend
from streembit.service.people.lineage import Lineage
from streembit.service.people.ownkeys import OwnKeys
from streembit.service.people.places import Places
from streembit.service.people.refused import Refused
from streembit.service.people.register import Register
from streembit.service.people.talks import Talks


class Holdings:
    """What all that is done with contacts begins from; nothing here acts by itself.

    Raises ChestDamaged when made, where what is kept is not sound.

    Attributes:
        friends: the contacts that may talk to us; at most as many as the book has.
        feed: what happens, for the user.
    """

    def __init__(self, node: Node, chest: Chest, random: Random) -> None:
        network, tell = node.network, node.dht.publishing.agree_by
        self.friends: dict[PublicKey, Friend] = {}
        self.feed = Feed(node.clock, random.getrandbits(32))
        self.talks = Talks(chest, node.clock)
        self.register = Register(chest, self.talks.settle)
        self.refused = Refused(self.register)
        self.own = OwnKeys(network, chest, self.register, random.random, tell)
        self.lineage = Lineage(node.identity, chest)
        self.places = Places(network, node.hubs, self.register)
        self.abode = Abode(node.dht.membership, node.reach, node.hubs)
