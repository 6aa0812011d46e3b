"""All ways by which words go to contacts and come from them: links, cards, parcels left, mail."""

from __future__ import annotations

from collections.abc import Callable

from streembit.chat.events import Outgoing
from streembit.service.node import Node
from streembit.service.people.announcer import Announcer
from streembit.service.people.cards import Cards
from streembit.service.people.chest import Chest
from streembit.service.people.drops import Drops
from streembit.service.people.former import FormerCards
from streembit.service.people.friend import Friend, Friends
from streembit.service.people.holdings import Holdings
from streembit.service.people.links import Links
from streembit.service.people.pace import Pace
from streembit.service.people.post import Post
from streembit.service.people.sealed import Sealed
from streembit.service.people.showing import Showing
from streembit.service.people.talk import Talk
from streembit.service.people.watch import Watch


class Ways:
    """The ways to the contacts of one account; implements `talk.Carriers`.

    Attributes:
        former, watch: our word, and theirs, where they and we were found by keys of before.
    """

    def __init__(
        self, node: Node, chest: Chest, held: Holdings, random: Callable[[], float]
    ) -> None:
        network, finder, friends = node.network, node.dht.finder, held.friends
        register, own, abode = held.register, held.own, held.abode
        self._friends: Friends = friends
        self.pace = Pace(node.clock, lambda: network.requests)
        self.sealed = Sealed(network, finder, node.dht.deposit, self.pace)
        self.links = Links(network, node.hubs, random)
        announcer = Announcer(abode, own, lambda: held.lineage.statement)
        self.cards = Cards(network, self.sealed, chest, announcer, random)
        self.showing = Showing(network, abode, self.cards, friends, held.lineage, random)
        self.drops = Drops(network, self.sealed, random)
        self.post = Post(network, node.hubs, friends, held.places, node.refusals, random)
        self.former = FormerCards(network, self.sealed, chest, abode, own, held.lineage, random)
        self.watch = Watch(network, chest, register, own, friends, self.sealed, random)

    def start(self) -> None:
        """Say and read what is said of keys at the places of former ones."""
        self.watch.start(self.former.start(self._friends))

    def add(self, friend: Friend) -> None:
        """Keep all ways to a contact open from now on."""
        self.cards.add(friend)
        self.drops.add(friend)
        self.post.add(friend)
        self.links.want(friend.key)

    def drop(self, friend: Friend) -> None:
        """Keep no way to a contact; a link that is open stays."""
        self.links.unwant(friend.key)
        self.cards.drop(friend.key)
        self.drops.drop(friend.key)
        self.post.drop(friend)

    def moved(self, friend: Friend) -> None:
        """Take note that a contact is at another place: it may be a better one, or a hub."""
        self.links.moved(friend.key)
        self.post.moved(friend)

    def close(self) -> None:
        """Carry nothing more."""
        self.drops.close()
        self.post.close()
        self.cards.close()
        self.links.close()
        self.pace.close()
        self.watch.close()
        self.former.close()
        self.showing.close()

    # --- Carriers
    def leave(self, talk: Talk, outgoing: Outgoing) -> None:
        """Put a parcel into the network, and into a mailbox."""
        if talk.contact in self._friends:
            self.drops.leave(talk, outgoing)
            self.post.leave(talk, outgoing)

    def announce(self, talk: Talk) -> None:
        """Tell the contact in its card what waits in the network."""
        friend = self._friends.get(talk.contact)
        if friend is not None:
            self.drops.tidy(friend)
            self.cards.changed(friend.key)

    def seek(self, talk: Talk) -> None:
        """Look for the contact."""
        self.links.seek(talk.contact)
