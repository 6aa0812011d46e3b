"""The people of an account at hubs: mail that comes, and contacts who come and go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from streembit.errors import BadKey, StreembitError
from streembit.jose.keys import PublicKey
from streembit.service.people.diary import Diary
from streembit.service.people.friend import Friend
from streembit.service.people.holdings import Holdings
from streembit.service.people.links import Links
from streembit.service.people.listed import Listed
from streembit.service.people.post import Post
from streembit.service.relay.hub import Hub
from streembit.service.relay.hubs import Hubs
from streembit.service.relay.seat import Mailed
from streembit.wire.hub import MAX_KEYS, Show, Watch

SOON_S: Final = 1.0  # after a change of who may know; several changes are told at once


class AtHubs:
    """Implements `relay.hubs.HubUser` for the contacts of an account.

    A hub of ours is told who may know that we are there: the contacts who are told of our presence.
    Whoever of the contacts comes to a hub, and shows it to us, is linked to at once.
    """

    def __init__(
        self,
        clock: IReactorTime,
        hubs: Hubs,
        held: Holdings,
        links: Links,
        post: Post,
        listed: Listed,
    ) -> None:
        self._hubs, self._links, self._post, self.listed = hubs, links, post, listed
        self._register, self._friends, self._places = held.register, held.friends, held.places
        self._times: Diary[str] = Diary(clock, self._tell)

    def changed(self) -> None:
        """Take note that there are other contacts, or that others of them may know."""
        for hub in self._hubs.all():
            if hub.seat is not None:
                self._times.soon(hub.label, SOON_S)

    def close(self) -> None:
        """Tell hubs nothing more."""
        self._times.close()

    # --- HubUser
    def hub_joined(self, hub: Hub) -> None:
        """Say who may know of us, ask for contacts, and mail what waits for them."""
        self._tell(hub.label)
        for friend in self._there(hub):
            self._post.moved(friend)
        self.listed.hub_joined(hub)

    def hub_left(self, hub: Hub) -> None:
        """Stop telling it."""
        self._times.strike(hub.label)

    def mailed(self, hub: Hub, mail: Mailed, parcel: bytes) -> None:
        """Take a parcel; raise RemoteError for one that is of no use."""
        self._post.arrived(hub, mail, parcel)

    def present(self, hub: Hub, here: list[str], away: list[str]) -> None:
        """Look for contacts who came; who went is missed soon enough by their links."""
        for text in here:
            try:
                key = PublicKey.from_text(text)
            except BadKey:
                continue
            if key in self._friends:
                self._links.seek(key)

    # --- how
    def _tell(self, label: str) -> None:
        hub = next((each for each in self._hubs.all() if each.label == label), None)
        if hub is None or hub.seat is None:
            return
        if hub.own:
            may_know = [key.text for key in self._friends if self._register.tells(key, "presence")]
            self._ask(hub, Show(may_know[:MAX_KEYS]))
        watched = [friend.key.text for friend in self._there(hub)]
        self._ask(hub, Watch(watched[:MAX_KEYS]))

    def _there(self, hub: Hub) -> Iterable[Friend]:
        """Return the contacts who say to be at a hub."""
        return [
            friend
            for friend in self._friends.values()
            if any(self._hubs.find(each) is hub for each in self._places.hubs_of(friend.key))
        ]

    @staticmethod
    def _ask(hub: Hub, body: Show | Watch) -> None:
        """Ask, and leave it at that where the hub refuses: presence is a convenience."""
        hub.ask(body).addErrback(lambda failure: failure.trap(StreembitError))
