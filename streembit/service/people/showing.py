"""Our newest card shown over links: when one opens, when we have moved, again if not taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.errors import BadToken, StreembitError
from streembit.jose.keys import PublicKey
from streembit.service.people.diary import Diary
from streembit.service.people.friend import Friend
from streembit.service.upkeep import Upkeep
from streembit.wire.message import Show
from streembit.wire.offer import MAX_ADDRESSES, Address

if TYPE_CHECKING:
    from streembit.service.people.people import People

SHOW_AGAIN_S: Final = (1.0, 4.0, 16.0, 60.0)  # a link can end with our card on its way
MAX_HUBS_TOLD: Final = 2  # of MAX_ADDRESSES: the others are places of our own
MOVED_EVERY_S: Final = 5.0  # how soon contacts hear that our address has changed

_log = Logger()


class Showing:
    """Shows cards; a contact without a link finds the one on the network."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._told_addresses: list[Address] = []
        self._in_vain: dict[PublicKey, int] = {}
        self._times: Diary[PublicKey] = Diary(people.node.clock, self.show)

    def upkeep(self) -> Upkeep:
        """Return the service that looks whether we have moved."""
        people = self._people
        random = people.random.random
        return Upkeep("addresses", people.node.clock, MOVED_EVERY_S, self._look, random)

    def start(self) -> None:
        """Take note of where we are."""
        self._told_addresses = self.addresses()

    def close(self) -> None:
        """Show nothing more."""
        self._times.close()

    def addresses(self) -> list[Address]:
        """Return where we are to be reached: as others see us, as we know it ourselves, by hubs."""
        node = self._people.node
        if node.reach.forwarding is not None:
            return [node.reach.forwarding]
        hubs = node.hubs.addresses()[:MAX_HUBS_TOLD]
        reachability = node.reach.reachability
        texts = [reachability.mapped, reachability.observed, *node.reach.listening]
        found = [each for text in texts if (each := address_of(text)) is not None]
        return list(dict.fromkeys(found))[: MAX_ADDRESSES - len(hubs)] + hubs

    def best_address(self) -> Address | None:
        """Return the one place to tell somebody who is given no more: a hub, if we are in doubt."""
        hubs = self._people.node.hubs.addresses()
        if hubs and self._people.node.reach.reachability.verdict != "reachable":
            return hubs[0]
        return next(iter(self.addresses()), None)

    def show(self, key: PublicKey) -> None:
        """Show a contact our newest card, if there is a link."""
        friend = self._people.friends.get(key)
        if friend is not None and friend.talk.is_open:
            self.show_to(friend)

    def show_all(self) -> None:
        """Show all who have a link our newest card."""
        for friend in self._people.friends.values():
            self.show(friend.key)

    def show_to(self, friend: Friend) -> None:
        """Show our newest card over the link that is there; some more times if it is not taken."""
        shown = Deferred.fromCoroutine(self._shown(friend))
        shown.addCallback(self._taken, friend.key).addErrback(self._not_taken, friend.key)

    def unlinked(self, key: PublicKey) -> None:
        """Count anew on the next link."""
        self._in_vain.pop(key, None)

    def _taken(self, _shown: None, key: PublicKey) -> None:
        self._in_vain.pop(key, None)

    def _not_taken(self, failure: Failure, key: PublicKey) -> None:
        left_to_the_next(failure)
        tries = self._in_vain.get(key, 0)
        if tries < len(SHOW_AGAIN_S):
            self._in_vain[key] = tries + 1
            self._times.put(key, SHOW_AGAIN_S[tries])

    async def _shown(self, friend: Friend) -> None:
        card = await self._people.cards.fresh(friend)
        roster = self._people.network.roster
        peer = roster.get(friend.key)
        if peer is not None:
            roster.expect_answer()
            await peer.request(Show(card))

    def _look(self) -> None:
        """Tell all contacts when we are reached elsewhere than before."""
        addresses = self.addresses()
        if addresses == self._told_addresses:
            return
        self._told_addresses = addresses
        self._people.cards.changed()
        self.show_all()


def address_of(text: str) -> Address | None:
    """Return the address of "host:port"; None for one that nobody can dial."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not port.isdigit() or host in ("", "0.0.0.0", "::"):
        return None
    return Address(host, int(port))


def left_to_the_next(failure: Failure) -> None:
    """Leave a card that was not shown or not taken to the next one."""
    if failure.check(StreembitError, CancelledError, BadToken) is None:
        _log.failure("a card could not be shown or taken", failure)
