"""The people of one account: links, cards, parcels, conversations and contacts, joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred

from streembit.contacts.generations import EVERY_S as RENEW_EVERY_S
from streembit.disk.noted import NOTES
from streembit.service.node import Node
from streembit.service.people import figures
from streembit.service.people.athubs import AtHubs
from streembit.service.people.chest import Chest
from streembit.service.people.contacts import Contacts
from streembit.service.people.discretion import Discretion
from streembit.service.people.door import Door
from streembit.service.people.holdings import Holdings
from streembit.service.people.keys import Keys
from streembit.service.people.lane import Disk
from streembit.service.people.listed import Listed
from streembit.service.people.news import News
from streembit.service.people.porter import Porter
from streembit.service.people.presence import Presences
from streembit.service.people.reading import Reading
from streembit.service.people.seeking import Seeking
from streembit.service.people.signals import Signals
from streembit.service.people.standing import standing
from streembit.service.people.transfers import Transfers
from streembit.service.people.ways import Ways
from streembit.service.upkeep import Upkeep, as_deferred
from streembit.service.whois import Whois


class People(MultiService):
    """All that is between an account and its contacts; it starts and stops with the node.

    Its parts lie in layers, and each is made of those below it: what the account has, the ways
    to contacts, the contacts, the keys. What comes in goes the other way round, by the few
    attributes that `_join` sets.

    Args:
        node: the account's node; the door here becomes its company.
        chest: where everything is kept.
        disk: does what waits for the disk.
        downloads: the folder for incoming files, unless the user says otherwise.
        random: chance; nothing secret is drawn from it.
        renew_s: how long an agreement key is in use.
    """

    def __init__(
        self,
        node: Node,
        chest: Chest,
        disk: Disk,
        downloads: Path,
        random: Random,
        renew_s: float = RENEW_EVERY_S,
    ) -> None:
        super().__init__()
        self.setName("people")
        self.node, self._chest = node, chest
        network, hubs, clock, chance = node.network, node.hubs, node.clock, random.random
        self.whois = Whois(network, node.dht.finder)
        self.held = held = Holdings(node, chest, random)
        self.friends, self.register, self.feed = held.friends, held.register, held.feed
        self.ways = ways = Ways(node, chest, held, chance)
        self.presence = Presences(clock, held.register, held.talks, held.feed)
        self.listed = Listed(network, hubs, chest, held.register, held.own, node.refused, chance)
        self.at_hubs = AtHubs(clock, hubs, held, ways.links, ways.post, self.listed)
        self.porter = Porter(network, held.friends, held.talks, held.feed)
        self.transfers = self._transfers(disk, downloads)
        self.contacts = Contacts(
            network, hubs, chest, held, ways, self.at_hubs, self.presence, self.transfers, random
        )
        self.keys = Keys(
            network, chest, held, ways, self.contacts, self.transfers, self.listed, renew_s
        )
        circle, following = self.contacts.circle, self.keys.following
        self.discretion = Discretion(held, self.presence, self.at_hubs, circle)
        self.signals = Signals(network, held.feed, ways.links.seek, held.friends.__contains__)
        self.seeking = Seeking(network, node.dht.finder, ways.pace, ways.cards, held)
        self.news = News(network, chest, held, self.transfers, self.presence, circle, following)
        self.door = self._door()
        self._join()
        figures.show(node.metrics, held.friends, held.talks, ways)
        for service in (self.transfers, *self._upkeep(chance)):
            service.setServiceParent(self)

    def _upkeep(self, chance: Callable[[], float]) -> Iterator[Upkeep]:
        yield self.contacts.inviting.upkeep(chance)
        yield self.ways.showing.upkeep()
        yield self.keys.renewals.upkeep(chance)
        yield self.listed.upkeep()

    def _transfers(self, disk: Disk, downloads: Path) -> Transfers:
        porter = self.porter
        return Transfers(
            self._chest,
            self.node.clock,
            disk,
            Path(self.register.settings.downloads or downloads),
            porter.say,
            porter.changed,
            porter.link_of,
            downloads.with_name(NOTES),
        )

    def _door(self) -> Door:
        network, contacts, cards = self.node.network, self.contacts, self.ways.cards
        return Door(
            network,
            self.friends,
            contacts.circle,
            contacts.meetings,
            cards,
            contacts.knocks,
            self.keys.following,
            self.signals,
            self.transfers,
            self.node.refusals,
            partial(standing, network, self.held, cards, self.transfers),
        )

    def _join(self) -> None:
        """Say who takes what comes in from below: the other direction of all that is made here."""
        node, held, ways, keys = self.node, self.held, self.ways, self.keys
        held.talks.carriers, held.talks.listener = ways, self.news
        ways.links.where = self.seeking
        ways.cards.reader = Reading(
            held.places,
            ways,
            self.at_hubs,
            self.contacts.circle,
            keys.renewals,
            keys.following,
            keys.anew,
        )
        ways.watch.hearer = keys.following
        node.hubs.user, node.company = self.at_hubs, self.door

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Take up all contacts; raise ChestDamaged where what is kept is not sound."""
        self.ways.showing.start()
        self.contacts.bonds.start()
        if self._chest.restored:
            self.keys.anew.start()
        self.door.start()
        super().startService()
        self.news.catch_up()
        self.contacts.asking.start()
        self.held.lineage.settle()
        self.ways.start()

    def stopService(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Keep what has happened, and do nothing more."""
        stopped = as_deferred(super().stopService())
        self.at_hubs.close()
        self.ways.close()
        self.contacts.farewell.close()
        self.presence.close()
        self.feed.stop()
        self.held.talks.close()
        return stopped
