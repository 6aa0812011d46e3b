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
from streembit.service.people.offered import Offered
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
        identity, links, listed = network.identity, ways.links, at_hubs.listed
        register, talks = held.register, held.talks
        met = Acquaintance(identity, chest, talks, register, held.own, random)
        circle = Circle(network, hubs, held, transfers, presence)
        letters = Letters(network, held, ways.showing, circle)
        meetings = Meetings(
            network, held, links, letters, ways.showing, presence, transfers, circle
        )
        farewell = Farewell(network, chest, register, met, ways.cards, ways.sealed)
        bonds = Bonds(network, held, met, ways, at_hubs, farewell, circle, meetings)
        asking = Asking(network, held, circle, listed, links, letters)
        self.acquaintance, self.circle, self.meetings = met, circle, meetings
        self.farewell, self.bonds, self.asking = farewell, bonds, asking
        self.offered = Offered(network, held)
        self.inviting = Inviting(network, held, links)
        self.knocks = Knocks(network, held, bonds, circle, links, letters)
        self.decisions = Decisions(
            network, held, transfers, farewell, ways.watch, circle, bonds, asking
        )
