"""How people become contacts, and are contacts, until they are none."""

from __future__ import annotations

from random import Random

from streembit.service.network import Network
from streembit.service.people.acquaintance import Acquaintance
from streembit.service.people.asking import Asking
from streembit.service.people.athubs import AtHubs
from streembit.service.people.bonds import Bonds
from streembit.service.people.chest import Chest
from streembit.service.people.circle import Circle
from streembit.service.people.decisions import Decisions
from streembit.service.people.farewell import Farewell
from streembit.service.people.holdings import Holdings
from streembit.service.people.inviting import Inviting
from streembit.service.people.knocks import Knocks
from streembit.service.people.letters import Letters
from streembit.service.people.meetings import Meetings
from streembit.service.people.presence import Presences
from streembit.service.people.transfers import Transfers
from streembit.service.people.ways import Ways
from streembit.service.relay.hubs import Hubs


class Contacts:
    """The contacts of one account: asked, taken, met, shown to the user, and let go."""

    def __init__(
        self,
        network: Network,
        hubs: Hubs,
        chest: Chest,
        held: Holdings,
        ways: Ways,
        at_hubs: AtHubs,
        presence: Presences,
        transfers: Transfers,
        random: Random,
    ) -> None:
        register, friends, talks, feed = held.register, held.friends, held.talks, held.feed
        own, lineage, links, refused = held.own, held.lineage, ways.links, held.refused
        acquaintance = Acquaintance(network.identity, chest, talks, register, own, random)
        self.acquaintance = acquaintance
        self.farewell = Farewell(network, chest, register, acquaintance, ways.cards, ways.sealed)
        self.circle = Circle(
            network, hubs, register, friends, talks, transfers, presence, refused, feed
        )
        letters = Letters(
            network, register, own, held.abode, ways.showing, refused, self.circle, feed
        )
        self.meetings = Meetings(
            network,
            friends,
            held.places,
            links,
            letters,
            ways.showing,
            presence,
            transfers,
            self.circle,
        )
        self.bonds = Bonds(
            network,
            register,
            friends,
            acquaintance,
            talks,
            ways,
            at_hubs,
            self.farewell,
            self.circle,
            self.meetings,
        )
        self.inviting = Inviting(network, register, own, lineage, held.abode, links, feed)
        self.asking = Asking(
            network,
            register,
            friends,
            lineage,
            self.circle,
            at_hubs.listed,
            links,
            letters,
            refused,
        )
        self.knocks = Knocks(
            network, register, own, lineage, self.bonds, self.circle, links, letters, refused, feed
        )
        self.decisions = Decisions(
            network,
            register,
            friends,
            talks,
            transfers,
            self.farewell,
            ways.watch,
            self.circle,
            self.bonds,
            self.asking,
        )
