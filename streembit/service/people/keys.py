"""Keys that change, ours and those of contacts, and what follows for all that goes on."""

from __future__ import annotations

from streembit.service.network import Network
from streembit.service.people.anew import Anew
from streembit.service.people.chest import Chest
from streembit.service.people.contacts import Contacts
from streembit.service.people.following import Following
from streembit.service.people.holdings import Holdings
from streembit.service.people.listed import Listed
from streembit.service.people.renewals import Renewals
from streembit.service.people.succession import Succession
from streembit.service.people.transfers import Transfers
from streembit.service.people.ways import Ways


class Keys:
    """Changes the keys of one account, and follows those of its contacts.

    Args:
        renew_s: how long an agreement key is in use.
    """

    def __init__(
        self,
        network: Network,
        chest: Chest,
        held: Holdings,
        ways: Ways,
        contacts: Contacts,
        transfers: Transfers,
        listed: Listed,
        renew_s: float,
    ) -> None:
        bonds, circle, watch = contacts.bonds, contacts.circle, ways.watch
        self.renewals = Renewals(network, held, bonds, ways.showing, watch, renew_s)
        self.following = Following(network, held, bonds, circle, watch, self.renewals)
        self.anew = Anew(chest, held, ways.cards, self.renewals)
        inviting = contacts.inviting
        self.succession = Succession(network, held, ways, transfers, inviting, listed)
