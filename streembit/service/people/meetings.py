"""People come and go: what follows from a link to a contact, and from its end."""

from __future__ import annotations

from streembit.errors import StreembitError
from streembit.net.relayed import is_hub_host
from streembit.rpc.peer import Peer
from streembit.service.network import Network
from streembit.service.people.circle import Circle
from streembit.service.people.friend import Friend
from streembit.service.people.holdings import Holdings
from streembit.service.people.letters import Letters
from streembit.service.people.links import Links
from streembit.service.people.presence import Presences
from streembit.service.people.showing import Showing
from streembit.service.people.transfers import Transfers
from streembit.service.people.way import DirectWay, link_of


class Meetings:
    """Goes on with a contact over its links, in all that is done with it."""

    def __init__(
        self,
        network: Network,
        held: Holdings,
        links: Links,
        letters: Letters,
        showing: Showing,
        presence: Presences,
        transfers: Transfers,
        circle: Circle,
    ) -> None:
        self._network, self._friends, self._places = network, held.friends, held.places
        self._links, self._letters, self._showing = links, letters, showing
        self._presence, self._transfers, self._circle = presence, transfers, circle

    def linked(self, peer: Peer) -> None:
        """Go on with somebody over a link: a contact, or one that is to be."""
        self._links.opened(peer.key)
        friend = self._friends.get(peer.key)
        if friend is not None:
            self.meet(friend, peer)
        self._letters.linked(peer)

    def unlinked(self, peer: Peer, reason: StreembitError) -> None:
        """Go on without a link."""
        friend = self._friends.get(peer.key)
        if friend is not None:
            self._part(friend, reason)
        self._links.lost(peer.key, spoke=peer.spoke)

    def meet(self, friend: Friend, peer: Peer) -> None:
        """Go on with a contact over its first link, or move its files to one that took over."""
        self._places.seen(peer)
        if not friend.talk.is_open:
            self._showing.show_to(friend)
            friend.talk.opened(DirectWay(self._network, friend.key))
            self._presence.linked(friend.talk)
        elif self._takes_another_way(peer):
            self._circle.changed(friend.key)
        if (used := self._network.roster.get(friend.key)) is not None:
            self._transfers.link_open(friend.name, link_of(used))

    def _part(self, friend: Friend, reason: StreembitError) -> None:
        self._transfers.link_gone(friend.name)
        friend.talk.closed(reason.code)
        self._presence.unlinked(friend.key)
        self._places.left(friend.key)
        self._showing.unlinked(friend.key)

    def _takes_another_way(self, peer: Peer) -> bool:
        """Tell whether a link took over from one that goes through a hub, or the other way."""
        roster, by_hub = self._network.roster, is_hub_host(peer.carrier.host)
        ways = {is_hub_host(p.carrier.host) for p in roster.conversations() if p.key == peer.key}
        return roster.get(peer.key) is peer and (not by_hub) in ways
